"""Methods that exist in place only, or whose in-place form is more than a write of the elements.

``x.fill_(0)`` writes; ``x.t_()`` writes nothing: the tensor becomes another view of its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.modes import interpreter
from minigrad.core.ops import elementwise as e
from minigrad.core.ops import shape as core_shape
from minigrad.core.ops.shape import expand
from minigrad.core.promotion import cast
from minigrad.core.public import called, method, public
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Tensor, given
from minigrad.ops import shape, strides
from minigrad.ops.index import as_value, recorded
from minigrad.ops.inplace import check_writable, store, write

# -- constants and copies --------------------------------------------------------------------------


def _overwrite(x: Tensor, value: Tensor, name: str) -> Tensor:
    """Write `value`, which broadcasts, in the type of `x`."""
    if recorded(x, value):
        check_writable(x, name)
        value = expand(cast(value, x.array.dtype), x.array.shape)
        return write(x, lambda _: value, name)
    check_writable(x, name)
    if value.array.shape != x.array.shape and value.array.ndim:
        value = expand(value, x.array.shape)  # says what does not match
    call_quietly(store, x, value)
    return x


@method
def zero_(self: Tensor) -> Tensor:
    """Set all elements to 0."""
    return _overwrite(self, given(np.zeros((), self.array.dtype)), "zero_")


@method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Set all elements to one value, a number or a 0-dim tensor."""
    value = as_value(value, self)
    if value.array.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value.array.ndim} dimensions."
        )
    return _overwrite(self, value, "fill_")


@public
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the shape and type of `input` full of one value."""
    value = cast(as_value(value, input), input.array.dtype)
    return expand(value, input.array.shape).clone()


@method
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Set the elements to those of `src`, which broadcasts and may be of another type.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.zeros(2, 2).copy_(mg.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    if not isinstance(src, Tensor):
        raise TypeError(
            f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}"
        )
    return _overwrite(self, src, "copy_")


# -- comparisons: the result in the type of the tensor ---------------------------------------------


def _comparison(name: str) -> None:
    compare = getattr(e, name)

    @called(f"{name}_", f"In-place form of :func:`{name}`: 1 where it holds, 0 elsewhere.")
    def in_place(self: Tensor, other: Any) -> Tensor:
        return write(self, lambda x: cast(compare(x, other), x.array.dtype), f"{name}_")

    method(in_place)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name)

# -- another view of the same memory ---------------------------------------------------------------


def _become(
    x: Tensor, view: Callable[..., Tensor], args: tuple[Any, ...], kwargs: Any, name: str
) -> Tensor:
    """Make `x` the view that ``view(x, ...)`` gives."""
    if interpreter() is not None and interpreter().become(x, view, args, kwargs):
        return x
    if recorded(x) and x._requires_grad and x.node is None:
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad is being used in an in-place operation."
        )
    before = Tensor(x.array)
    before.node, before._requires_grad = x.node, x._requires_grad
    before._counter, before._parent = x._share_counter(), x._parent
    after = view(before, *args, **kwargs)
    x.array, x.node, x._requires_grad = after.array, after.node, after._requires_grad
    x._parent = after._parent
    x._share_counter().add_view(x)
    return x


def _view_in_place(name: str, module: Any = shape) -> None:
    view = getattr(module, name)

    @called(f"{name}_", f"The tensor becomes what :func:`{name}` gives, a view of its memory.")
    def in_place(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return _become(self, view, args, kwargs, f"{name}_")

    method(in_place)


for _name in ("t", "squeeze", "unsqueeze"):
    _view_in_place(_name)
_view_in_place("transpose", core_shape)
_view_in_place("as_strided", strides)
for _alias in ("swapaxes", "swapdims"):
    setattr(Tensor, f"{_alias}_", getattr(Tensor, "transpose_"))  # noqa: B009
