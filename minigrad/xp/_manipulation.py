"""Arrays joined, taken apart and rearranged; entries picked by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.xp._array import as_tensor, standard
from minigrad.xp._dtypes import result_type

__all__: list[str] = []
_standard = standard(__all__)


def axes_of(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """One or several axes counted from the front.

    Raises
    ------
    IndexError
        For an axis that there is not.
    ValueError
        For one that is named twice.
    """
    if isinstance(axis, int) and -ndim <= axis < ndim:
        return (axis % ndim,)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for d in axes:
        if not -ndim <= d < ndim:
            raise IndexError(f"{name}(): axis {d} is out of bounds for {ndim} dimensions")
    wrapped = tuple(d % ndim for d in axes)
    if len(set(wrapped)) != len(wrapped):
        raise ValueError(f"{name}(): repeated axis in {axis}")
    return wrapped


def integers(indices: Any, name: str) -> Tensor:
    """Indices as int64."""
    index = as_tensor(indices, name)
    if index.array.dtype.kind not in "iu":
        raise TypeError(f"{name}(): indices must be integers, got {index.dtype}")
    return cast(index, dtypes.int64.numpy)


def _one_type(arrays: Any, name: str) -> list[Tensor]:
    tensors = [as_tensor(x, name) for x in arrays]
    if not tensors:
        raise ValueError(f"{name}() needs at least one array")
    kind = result_type(*tensors).numpy
    return [cast(t, kind) for t in tensors]


@_standard
def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Arrays one after the other along `axis`, or all elements if that is None."""
    tensors = _one_type(arrays, "concat")
    if axis is None:
        tensors, axis = [PUBLIC["reshape"](t, -1) for t in tensors], 0
    if not tensors[0].ndim:
        raise ValueError("concat(): arrays of no dimensions cannot be joined; use stack()")
    return PUBLIC["cat"](tensors, *axes_of(axis, tensors[0].ndim, "concat"))


@_standard
def stack(arrays: Any, /, *, axis: int = 0) -> Any:
    """Arrays of one shape along a new dimension `axis`."""
    tensors = _one_type(arrays, "stack")
    return PUBLIC["stack"](tensors, *axes_of(axis, tensors[0].ndim + 1, "stack"))


@_standard
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The entries along `axis`; views."""
    return tuple(PUBLIC["unbind"](x, *axes_of(axis, x.ndim, "unstack")))


@_standard
def expand_dims(x: Any, /, axis: Any) -> Any:
    """With new dimensions of size 1 at `axis`, one or several."""
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    for d in sorted(axes_of(axis, x.ndim + count, "expand_dims")):
        x = PUBLIC["unsqueeze"](x, d)
    return x


@_standard
def squeeze(x: Any, /, axis: Any) -> Any:
    """Without dimensions of size 1.

    Raises
    ------
    ValueError
        If one of them is of another size.
    """
    axes = axes_of(axis, x.ndim, "squeeze")
    shape = x.array.shape
    for d in axes:
        if shape[d] != 1:
            raise ValueError(f"squeeze(): axis {d} has size {shape[d]}, not 1, in {list(shape)}")
    return PUBLIC["reshape"](x, tuple(n for d, n in enumerate(shape) if d not in axes))


@_standard
def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Any:
    """The same elements in another shape; one size may be -1.

    Raises
    ------
    ValueError
        If a copy is needed and `copy` is False, or if the sizes do not fit.
    """
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    given = PUBLIC["clone"](x) if copy else x
    try:
        return PUBLIC["view" if copy is False else "reshape"](given, sizes)
    except RuntimeError as error:
        raise ValueError(str(error)) from None


@_standard
def permute_dims(x: Any, /, axes: Any) -> Any:
    """Dimensions in another order; a view."""
    order = axes_of(tuple(axes), x.ndim, "permute_dims")
    if len(order) != x.ndim:
        raise ValueError(f"permute_dims(): {len(order)} axes for {x.ndim} dimensions")
    return PUBLIC["permute"](x, order)


@_standard
def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """Dimensions moved to other places, the others in order; a view."""
    places = [axes_of(a, x.ndim, "moveaxis") for a in (source, destination)]
    if len(places[0]) != len(places[1]):
        raise ValueError("moveaxis(): source and destination must have the same number of axes")
    return PUBLIC["movedim"](x, *places)


@_standard
def flip(x: Any, /, *, axis: Any = None) -> Any:
    """The order along `axis`, or along all dimensions, reversed."""
    axes = tuple(range(x.ndim)) if axis is None else axes_of(axis, x.ndim, "flip")
    return PUBLIC["flip"](x, axes) if axes else PUBLIC["clone"](x)


@_standard
def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Any:
    """Elements moved along dimensions, those that fall off coming in at the other end."""
    if axis is None:
        if isinstance(shift, tuple):
            raise ValueError("roll(): several shifts need several axes")
        return PUBLIC["roll"](x, shift) if x.ndim else PUBLIC["clone"](x)
    axes = axis if isinstance(axis, tuple) else (axis,)
    for d in axes:
        axes_of(d, x.ndim, "roll")
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    return PUBLIC["roll"](x, shifts, axes) if axes else PUBLIC["clone"](x)


@_standard
def tile(x: Any, repetitions: Any, /) -> Any:
    """The array side by side with itself."""
    return PUBLIC["tile"](x, tuple(repetitions))


@_standard
def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each entry along `axis` repeated, all equally often or as `repeats` says for each."""
    if axis is None:
        x, axis = PUBLIC["reshape"](x, -1), 0
    (axis,) = axes_of(axis, x.ndim, "repeat")
    counts = np.asarray(repeats.array if isinstance(repeats, Tensor) else repeats, np.int64)
    counts = np.array(np.broadcast_to(counts, (x.array.shape[axis],)))
    return PUBLIC["repeat_interleave"](x, Tensor(counts), axis)


@_standard
def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The entries `indices` along `axis`, which only vectors may leave out."""
    index = integers(indices, "take")
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take(): axis must be given for {x.ndim} dimensions")
        axis = 0
    (axis,) = axes_of(axis, x.ndim, "take")
    return Tensor.__getitem__(x, (slice(None),) * axis + (index,))


@_standard
def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """At each place the entry along `axis` that `indices` says at that place."""
    index = integers(indices, "take_along_axis")
    (axis,) = axes_of(axis, x.ndim, "take_along_axis")
    from_front = PUBLIC["where"](index < 0, index + x.array.shape[axis], index)
    return PUBLIC["take_along_dim"](x, from_front, axis)
