"""Tensors that stand for many examples at once, and how operations compute them.

Inside ``vmap(f)`` the function sees a :class:`Batched` tensor: its shape is that of one example,
its elements those of all. Nested uses of `vmap` are *levels*; the dimensions of a tensor's memory
are those of its levels, outermost first, and then those of one example::

    Batched(value of shape [5, 3, 4, 2], levels of size 5 and 3)   has shape [4, 2]

An operation on such tensors is one operation on their values: elementwise ones line the dimensions
up, others follow the rule of their declaration (`ops.batching`), one level after the other. The
values are ordinary tensors, so graphs, views and in-place writes are ordinary as well, and a
derivative inside `vmap` is one backward pass for all examples.

Functions look at the shape and the type of ``tensor.array`` freely; the array of a batched tensor
is a :class:`Logical`, which has those and no values. Whoever asks for values gets
:class:`~minigrad.core.engine.NoValues`, never a wrong number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from copy import deepcopy
from types import FunctionType
from typing import Any, NoReturn

from minigrad.core.modes import Mode, current
from minigrad.core.operation import NoValues
from minigrad.core.ops.shape import expand, permute, reshape
from minigrad.core.tensor import Array, Tensor
from minigrad.func.logical import Logical
from minigrad.ops.guard import one_by_one

__all__ = [
    "Batched", "Level", "Levels", "active", "aligned", "full", "moved", "peel", "split", "union",
    "wrap",
]  # fmt: skip


class Level:
    """One running `vmap`.

    Attributes
    ----------
    depth : int
        How many others it runs inside of.
    size : int
        The number of examples.
    randomness : {"error", "same", "different"}
    alive : bool
        Whether it is still running.
    """

    __slots__ = ("alive", "before", "depth", "randomness", "size", "token")

    def __init__(self, size: int, randomness: str) -> None:
        self.size = size
        self.randomness = randomness
        self.depth = 0
        self.alive = False
        self.token: Token[Any] | None = None
        self.before: Mode | None = None

    def __enter__(self) -> Level:
        outer = active.get()
        self.depth, self.alive = len(outer), True
        self.before = current.get()
        self.token = active.set((*outer, self))
        current.set(self.before._replace(interpreter=dispatcher))
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.token is not None
        assert self.before is not None
        self.alive = False
        current.set(self.before)
        active.reset(self.token)


Levels = tuple[Level, ...]
#: The uses of `vmap` that run now, outermost first.
active: ContextVar[Levels] = ContextVar("minigrad_vmap_levels", default=())
#: The interpreter of the mode while some `vmap` runs; set by `func.batching`.
dispatcher: Any = None


# -- the tensor ------------------------------------------------------------------------------------


class Batched(Tensor):
    """A tensor of one example that stands for the tensors of all.

    Parameters
    ----------
    value : Tensor
        The elements of all examples; an ordinary tensor.
    levels : tuple of Level
        What its first dimensions run over, outermost first.
    """

    __slots__ = ("levels", "value")

    def __init__(self, value: Tensor, levels: Levels) -> None:
        self.value = value
        self.levels = levels

    @property
    def array(self) -> Any:  # type: ignore[override]
        """Shape and type of one example."""
        return Logical(self.value.array, len(self.levels))

    @property
    def node(self) -> Any:  # type: ignore[override]
        """What made the value."""
        return self.value.node

    @property
    def _requires_grad(self) -> bool:  # type: ignore[override]
        return self.value._requires_grad

    @property
    def _counter(self) -> Any:  # type: ignore[override]
        return self.value._counter

    @property
    def _parent(self) -> Any:  # type: ignore[override]
        return self.value._parent

    @property  # type: ignore[misc]
    def data(self) -> Tensor:
        """The same memory outside the graph."""
        return Batched(self.value.data, self.levels)

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        return Batched(self.value.detach(), self.levels)

    @property  # type: ignore[misc]
    def grad(self) -> Tensor | None:
        """None: inside `vmap`, gradients are results of `func.grad`."""
        return None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Refused: use the transforms of `func`."""
        raise RuntimeError(
            "You are attempting to call Tensor.requires_grad_() (or perhaps using "
            "minigrad.autograd.functional.* APIs) inside of a function being transformed by vmap. "
            "This is unsupported, please attempt to use the transforms of minigrad.func (e.g. "
            "grad, vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside of a function "
            "being transformed instead."
        )

    def backward(self, *args: Any, **kwargs: Any) -> None:
        """Refused: use `func.grad`."""
        raise RuntimeError(
            "backward() called inside of a function being transformed by vmap. This is not "
            "supported, please use minigrad.func.grad, or call backward() outside of vmap."
        )

    def register_hook(self, hook: Any) -> NoReturn:
        """Refused: gradients inside `vmap` are results of `func.grad`."""
        raise RuntimeError(
            "vmap: hooks cannot be registered on a tensor that stands for many examples: register "
            "them outside of vmap"
        )

    register_post_accumulate_grad_hook = retain_grad = register_hook  # type: ignore[assignment]

    def _refuse_value(self, what: str) -> NoReturn:
        raise NoValues(
            f"vmap: It looks like you're calling {what} on a Tensor. We don't support vmap over "
            f"calling {what} on a Tensor, please try to rewrite what you're doing with other "
            "operations: the tensor stands for many examples at once."
        )

    def item(self) -> Any:
        """Refused."""
        self._refuse_value(".item()")

    def tolist(self) -> Any:
        """Refused."""
        self._refuse_value(".tolist()")

    def numpy(self, *, force: bool = False) -> Array:
        """Refused."""
        self._refuse_value(".numpy()")

    def data_ptr(self) -> int:
        """Refused."""
        self._refuse_value(".data_ptr()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        self._refuse_value(".numpy()")

    def __float__(self) -> float:
        self._refuse_value("float()")

    def __int__(self) -> int:
        self._refuse_value("int()")

    def __index__(self) -> int:
        self._refuse_value("operator.index()")

    def __bool__(self) -> bool:
        raise NoValues(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control "
            "flow. We don't support that: the tensor stands for many examples at once. Use "
            "minigrad.where() instead of if."
        )

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._refuse_value("pickle")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return Batched(deepcopy(self.value, memo), self.levels)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        text = repr(self.value).replace("\n", "\n    ")
        sizes = ", ".join(str(level.size) for level in self.levels)
        return (
            f"BatchedTensor(levels=[{sizes}], shape={list(self.array.shape)}, value=\n    {text}\n)"
        )


def _with_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method for batched tensors: where it asks for values, one example after the other."""

    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(self, *args, **kwargs)
        except NoValues as error:
            return one_by_one(error, function, (self, *args), kwargs)

    return method


for _base in (Tensor, *Tensor.__mro__[1:-1]):
    for _name, _function in list(vars(_base).items()):
        if (
            isinstance(_function, FunctionType)
            and _name not in vars(Batched)
            and _name not in ("__init__", "__setattr__", "__setitem__", "__init_subclass__")
            and (_name.endswith("__") or not _name.endswith("_"))
        ):
            setattr(Batched, _name, _with_loop(_function))


def wrap(value: Tensor, levels: Levels) -> Tensor:
    """`value` as a tensor of one example; itself if there are no levels."""
    return Batched(value, levels) if levels else value


def split(t: Tensor) -> tuple[Tensor, Levels]:
    """The value of a tensor and its levels; those of an ordinary one are itself and none."""
    if isinstance(t, Batched):
        for level in t.levels:
            if not level.alive:
                raise RuntimeError(
                    "vmap: a tensor is used after the vmap that it belongs to has ended: return it "
                    "from the function instead of keeping it elsewhere"
                )
        return t.value, t.levels
    return t, ()


def union(tensors: Sequence[Tensor]) -> Levels:
    """The levels of all tensors together, outermost first."""
    found = {level.depth: level for t in tensors for level in split(t)[1]}
    return tuple(found[depth] for depth in sorted(found))


def aligned(t: Tensor, levels: Levels, ndim: int) -> Tensor:
    """The value of `t`, with a dimension (perhaps of size 1) for each level and `ndim` for one
    example, as far as broadcasting needs them.
    """
    value, own = split(t)
    if not own:
        return value
    shape = value.array.shape
    logical = shape[len(own) :]
    sizes = [level.size if level in own else 1 for level in levels]
    wanted = (*sizes, *(1,) * (ndim - len(logical)), *logical)
    return value if wanted == shape else reshape(value, wanted)


def full(t: Tensor, levels: Levels, shape: tuple[int, ...] | None = None) -> Tensor:
    """The value of `t` for all examples of all `levels`, expanded from its shape to `shape`."""
    shape = t.array.shape if shape is None else shape
    value = aligned(t, levels, len(shape))
    wanted = (*(level.size for level in levels), *shape)
    return value if value.array.shape == wanted else expand(value, wanted)


def peel(t: Tensor, level: Level) -> tuple[Tensor, bool]:
    """`t` with its innermost level as dimension 0, if that level is `level`; and whether it is."""
    value, own = split(t)
    if own and own[-1] is level:
        return wrap(value, own[:-1]), True
    return t, False


def moved(t: Tensor, source: int, destination: int) -> Tensor:
    """One dimension of an ordinary tensor moved."""
    if source == destination:
        return t
    order = [d for d in range(t.array.ndim) if d != source]
    order.insert(destination, source)
    return permute(t, tuple(order))
