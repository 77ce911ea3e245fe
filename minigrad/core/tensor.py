"""The tensor: an array, a gradient, and the node that made it.

What tensors can compute is not here: `ops` puts the operators and methods on the class, one
declaration each. Here is what a tensor *is*: its elements, its place in the graph, what shares its
memory, and how it becomes a Python number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minigrad.core import dtypes, engine
from minigrad.core.dtypes import NATIVE
from minigrad.core.engine import Node
from minigrad.core.events import Event, read, tell
from minigrad.core.methods import TensorMethods
from minigrad.core.modes import current
from minigrad.core.operation import Bare
from minigrad.core.versions import Counter

__all__ = ["Number", "Size", "Tensor", "given", "tensor_of"]

Array = np.ndarray[Any, Any]


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple that knows how many elements it makes.

    >>> Size((2, 3)).numel()
    6
    """

    __slots__ = ()

    def numel(self) -> int:
        """The product of the sizes."""
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self) -> str:
        return f"minigrad.Size({list(self)})"

    def __getitem__(self, key: Any) -> Any:
        part = tuple.__getitem__(self, key)
        return Size(part) if isinstance(part, tuple) else part


class Tensor(TensorMethods):
    """An array of one element type, and its place in the computational graph.

    Parameters
    ----------
    data : array_like
        A numpy array is taken as it is, sharing memory; anything else becomes a new tensor of the
        default floating point type. `minigrad.tensor` is the constructor with dtype and
        requires_grad. Integers, ``Tensor(2, 3)``, and a `Size` are PyTorch's old way to ask for
        sizes: the elements are whatever the memory held.

    Attributes
    ----------
    array : numpy.ndarray
        The elements.
    node : Node or None
        The operation that made it, if a gradient may flow back through it.
    grad : Tensor or None
        The gradient that backward passes added up, on leaves and after :meth:`retain_grad`.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__dict__", "__weakref__", "_requires_grad", "array", "node")

    # Rarely set: read from the class, stored on the instance.
    _grad: Tensor | None = None
    _counter: Counter | None = None
    _parent: tuple[Tensor, Any, tuple[Any, ...]] | None = None
    _hooks: dict[int, Callable[..., Any]] | None = None
    _after_hooks: dict[int, Callable[..., Any]] | None = None
    _retains: bool = False
    name: str | None = None

    __array_priority__ = 1000
    #: How formulas read on tensors: functions of `expr`, as they are declared.
    __formulas__: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(self, data: Any = (), *sizes: int) -> None:
        if isinstance(data, np.generic):
            data = np.asarray(data)
        elif sizes or data.__class__ is int or data.__class__ is Size:
            shape = data if data.__class__ is Size else (data, *sizes)
            data = np.empty(shape, dtypes.get_default_dtype().numpy)
        elif data.__class__ is not np.ndarray:
            data = np.array(
                data.array if isinstance(data, Tensor) else data, dtypes.get_default_dtype().numpy
            )
        if data.dtype is not NATIVE.get(data.dtype.num):
            data = dtypes.native(data)
        self.array: Array = data
        self.node: Node | None = None
        self._requires_grad = False

    # -- what it is --------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self.array.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.FROM_NUMPY[self.array.dtype]

    # -- its place in the graph --------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether backward passes compute a gradient for this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient (or no more); only floating point leaves can.

        Raises
        ------
        RuntimeError
            For integer and boolean tensors, and when switching off what a graph made.
        """
        if requires_grad and not dtypes.is_float(self.array.dtype):
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients; this one is "
                f"{self.dtype} of shape {list(self.array.shape)}: convert it with .float() first"
            )
        if not requires_grad and self.node is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables; if you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()"
            )
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it starts the graph: made by the user, or not requiring grad."""
        return self.node is None

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"expected Tensor or None as grad, got {type(value).__name__}")
            if value.array.shape != self.array.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: expected {list(self.shape)}, "
                    f"got {list(value.shape)}"
                )
            if value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: expected {self.dtype}, got "
                    f"{value.dtype}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        y = Tensor(self.array)
        y._counter = self._share_counter()
        return y

    # -- what shares its memory --------------------------------------------------------------

    @property
    def _version(self) -> int:
        """How often its memory was written in place."""
        return 0 if self._counter is None else self._counter.count

    def _share_counter(self) -> Counter:
        counter = self._counter
        if counter is None:
            counter = self._counter = Counter()
        return counter

    def _view_of(self, parent: Tensor, op: Any, params: tuple[Any, ...]) -> None:
        """Remember whose memory this is, unless the operation had to copy."""
        base = self.array.base
        source = parent.array
        while base is not source and base is not source.base and base is not None:
            base = getattr(base, "base", None)  # numpy's as_strided puts an object in between
        if base is None:
            return
        self._counter = counter = parent._share_counter()
        self._parent = (parent, op, params)
        counter.add_view(self)

    # -- numpy and Python --------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> Array:
        """The elements as a numpy array that shares the memory.

        Raises
        ------
        RuntimeError
            If the tensor requires grad (the graph would be lost silently) and not `force`.
        """
        if self._requires_grad and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        read("numpy", self)
        return self.array

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self.array.size} elements cannot be converted to Scalar"
            )
        read("item", self)
        return self.array.item()

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"tensor({self.array})"


class Number(Tensor):
    """A Python number as an operand, of the type that is computed in."""

    __slots__ = ()


class _Given(Bare):
    name = "given"

    def forward(self, arrays: Any, params: tuple[Array]) -> Array:
        return params[0]


_GIVEN = _Given()


def given(array: Array) -> Tensor:
    """A tensor of values that depend on no other tensor: data, a mask, a range of numbers."""
    t = Tensor(array)
    if current.get().listeners:
        with tell(Event("compute", _GIVEN, (), (array,))) as event:
            event.outputs = (t,)
    return t


def tensor_of(array: Array) -> Tensor:
    """A tensor of an array that passed a door before: what functions of users see of a gradient, or
    of what a node kept.
    """
    return Tensor(array)


engine.tensor_class = Tensor
