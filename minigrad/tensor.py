"""The tensor: an array, a gradient, and the node that made it.

What tensors can compute is not here: `ops` puts the operators and methods on the class, one
declaration each. Here is what a tensor *is*: its data, its place in the graph, what shares its
memory, and how it meets numpy, Python and the screen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.autograd import engine
from minigrad.autograd.engine import Counter, Node
from minigrad.autograd.hooks import RemovableHandle, add_hook
from minigrad.methods import TensorMethods
from minigrad.place import (
    contiguous_format,
    device,
    layout,
    memory_format,
    preserve_format,
    strided,
)

__all__ = [
    "Size", "Tensor", "contiguous_format", "device", "memory_format", "preserve_format",
]  # fmt: skip

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


_CPU = device()
#: Among the hooks of a node, the one that keeps the gradient: always the last.
_RETAIN = -1


def _no_such_dim(dim: Any, ndim: int) -> Exception:
    if not hasattr(dim, "__index__"):
        return TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
    n = max(ndim, 1)
    return IndexError(
        f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
    )


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
        self.array: Array = data
        self.node: Node | None = None
        self._requires_grad = False

    # -- what it is --------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        if dim is None:
            return Size(self.array.shape)
        try:
            return self.array.shape[dim]
        except (IndexError, TypeError):
            raise _no_such_dim(dim, self.array.ndim) from None

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    def nelement(self) -> int:
        """The number of elements."""
        return self.array.size

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.FROM_NUMPY[self.array.dtype]

    @property
    def device(self) -> device:
        """Always ``device(type='cpu')``."""
        return _CPU

    @property
    def layout(self) -> layout:
        """Always ``minigrad.strided``: the elements are in an array."""
        return strided

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.array.itemsize

    def element_size(self) -> int:
        """Bytes per element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Elements to step over from one index to the next, for each dimension or for one."""
        strides = tuple(s // self.array.itemsize for s in self.array.strides)
        if dim is None:
            return strides
        try:
            return strides[dim]
        except (IndexError, TypeError):
            raise _no_such_dim(dim, self.array.ndim) from None

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory in row-major order, or another, without gaps."""
        last = None if memory_format is None else memory_format.ndim
        if last is not None:  # channels last
            if self.array.ndim != last:
                return False
            return np.moveaxis(self.array, 1, -1).flags.c_contiguous
        return self.array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the element type is a floating point type."""
        return dtypes.is_float(self.array.dtype)

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
    def grad_fn(self) -> Node | None:
        """The node that made it (PyTorch's name for :attr:`node`)."""
        return self.node

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

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph, unseen by its version counter."""
        return type(self)._wrap(self.array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a Tensor as data, got {type(value).__name__}")
        if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
            self._share_counter().bump()  # graphs that saved this tensor have other sizes in mind
        self.array = value.array

    @classmethod
    def _wrap(cls, array: Array) -> Tensor:
        return Tensor(array)

    @property
    def _version(self) -> int:
        """How often its memory was written in place."""
        return 0 if self._counter is None else self._counter.count

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        y = Tensor(self.array)
        y._counter = self._share_counter()
        return y

    def detach_(self) -> Tensor:
        """Cut this tensor off from what made it."""
        self.node, self._requires_grad = None, False
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf in :attr:`grad`, too."""
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is None or self._retains:
            return
        self._retains = True
        kept = weakref.ref(self)

        def keep(g: Tensor) -> None:
            t = kept()
            if t is not None:
                t._grad = g if t._grad is None else t._grad + g

        if self.node.hooks is None:
            self.node.hooks = {}
        self.node.hooks[_RETAIN] = keep

    @property
    def retains_grad(self) -> bool:
        """Whether :meth:`retain_grad` was called."""
        return self._retains

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` when the gradient of this tensor is computed; it may return another.

        >>> import minigrad as mg
        >>> x = mg.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> (x * 3).sum().backward(); x.grad
        tensor([30., 30.])
        """
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.node is None:
            return add_hook(self, hook, "_hooks")
        handle = add_hook(self.node, hook)
        if self._retains:  # what is retained is what the hooks leave
            hooks: dict[Any, Any] = self.node.hooks  # type: ignore[assignment]
            hooks[_RETAIN] = hooks.pop(_RETAIN)
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` after a backward pass has added to ``tensor.grad``; leaves only."""
        if not self._requires_grad or self.node is not None:
            raise RuntimeError("post accumulate grad hooks can be registered on leaf tensors only")
        return add_hook(self, hook, "_after_hooks")

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor to ``grad`` of the leaves it was computed from.

        Parameters
        ----------
        gradient : Tensor, optional
            What flows in from above; 1 for a tensor of one element, needed for others.
        retain_graph : bool, optional
            Keep the graph for another pass; by default what `create_graph` says.
        create_graph : bool
            Record the pass itself, for derivatives of derivatives.
        inputs : Tensor or sequence of Tensor, optional
            Only these collect a gradient; by default every leaf does.

        Raises
        ------
        RuntimeError
            If the tensor does not require grad, has several elements and no `gradient` is given,
            if the graph was freed by a pass before, or if a saved value was written in place.
        """
        from minigrad.autograd.graph import backward

        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    # -- what shares its memory --------------------------------------------------------------

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
        self._counter = parent._share_counter()
        self._parent = (parent, op, params)
        self._counter.add_view(self)

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
        return self.array

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self.array.size} elements cannot be converted to Scalar"
            )
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        length: int = self.array.shape[0]
        return length

    def __bool__(self) -> bool:
        if self.array.size == 1:
            return bool(self.array.item())
        if self.array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def __float__(self) -> float:
        return float(self._only())

    def __int__(self) -> int:
        return int(self._only())

    def _only(self) -> Any:
        if self.array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.array.item()

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.array.item())

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from minigrad.printing import tensor_text

        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0:
            return format(self.item(), spec)
        return object.__format__(self, spec)  # a TypeError if there is a format

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.node is not None:
            raise RuntimeError("only leaf tensors can be pickled; use detach() first")
        return _rebuild, (type(self), self.array, self._requires_grad, self._extras())

    def _extras(self) -> dict[str, Any]:
        """The attributes that users put on a tensor."""
        return {k: v for k, v in self.__dict__.items() if not k.startswith("_")}

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        from copy import deepcopy

        if self.node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment"
            )
        y: Tensor = _rebuild(
            type(self), self.array.copy(), self._requires_grad, deepcopy(self._extras(), memo)
        )
        memo[id(self)] = y
        if self._grad is not None:
            y._grad = deepcopy(self._grad, memo)
        return y


def _rebuild(cls: type, array: Array, requires_grad: bool, extras: dict[str, Any]) -> Any:
    t: Any = object.__new__(cls)
    t.array, t.node, t._requires_grad = array, None, requires_grad
    t.__dict__.update(extras)
    return t


engine.tensor_class = Tensor
