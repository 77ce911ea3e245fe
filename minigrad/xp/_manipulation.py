"""Arrays joined, taken apart and rearranged; entries picked by index."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.ops.functions import PUBLIC, cast
from minigrad.tensor import Tensor
from minigrad.xp._array import Array, as_tensor, wrap
from minigrad.xp._dtypes import result_type

__all__ = [
    "concat",
    "expand_dims",
    "flip",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "take",
    "take_along_axis",
    "tile",
    "unstack",
]


def axes_of(axis: Any, ndim: int, name: str) -> tuple[int, ...]:
    """One or several axes counted from the front.

    Raises
    ------
    IndexError
        For an axis that there is not.
    ValueError
        For one that is named twice.
    """
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for d in axes:
        if not -ndim <= d < ndim:
            raise IndexError(f"{name}(): axis {d} is out of bounds for {ndim} dimensions")
    wrapped = tuple(d % ndim for d in axes)
    if len(set(wrapped)) != len(wrapped):
        raise ValueError(f"{name}(): repeated axis in {axis}")
    return wrapped


def _one_type(arrays: Any, name: str) -> list[Tensor]:
    tensors = [as_tensor(x, name) for x in arrays]
    if not tensors:
        raise ValueError(f"{name}() needs at least one array")
    kind = result_type(*tensors).numpy
    return [cast(t, kind) for t in tensors]


def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """Arrays one after the other along `axis`, or all elements if that is None."""
    tensors = _one_type(arrays, "concat")
    if axis is None:
        tensors, axis = [PUBLIC["reshape"](t, -1) for t in tensors], 0
    if not tensors[0].ndim:
        raise ValueError("concat(): arrays of no dimensions cannot be joined; use stack()")
    (axis,) = axes_of(axis, tensors[0].ndim, "concat")
    return wrap(PUBLIC["cat"](tensors, axis), *arrays)


def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """Arrays of one shape along a new dimension `axis`."""
    tensors = _one_type(arrays, "stack")
    (axis,) = axes_of(axis, tensors[0].ndim + 1, "stack")
    return wrap(PUBLIC["stack"](tensors, axis))


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The entries along `axis`; views."""
    t = as_tensor(x, "unstack")
    (axis,) = axes_of(axis, t.ndim, "unstack")
    return tuple(wrap(part) for part in PUBLIC["unbind"](t, axis))


def expand_dims(x: Any, /, axis: Any) -> Array:
    """With new dimensions of size 1 at `axis`, one or several."""
    t = as_tensor(x, "expand_dims")
    count = len(axis) if isinstance(axis, tuple) else 1
    for d in sorted(axes_of(axis, t.ndim + count, "expand_dims")):
        t = PUBLIC["unsqueeze"](t, d)
    return wrap(t, x)


def squeeze(x: Any, /, axis: Any) -> Array:
    """Without dimensions of size 1.

    Raises
    ------
    ValueError
        If one of them is of another size.
    """
    t = as_tensor(x, "squeeze")
    axes = axes_of(axis, t.ndim, "squeeze")
    shape = t.array.shape
    for d in axes:
        if shape[d] != 1:
            raise ValueError(f"squeeze(): axis {d} has size {shape[d]}, not 1, in {list(shape)}")
    return wrap(PUBLIC["reshape"](t, tuple(n for d, n in enumerate(shape) if d not in axes)))


def reshape(x: Any, /, shape: Any, *, copy: builtins.bool | None = None) -> Array:
    """The same elements in another shape; one size may be -1.

    Raises
    ------
    ValueError
        If a copy is needed and `copy` is False, or if the sizes do not fit.
    """
    t = as_tensor(x, "reshape")
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if copy:
        t = PUBLIC["clone"](t)
    try:
        return wrap(PUBLIC["view" if copy is False else "reshape"](t, sizes), x)
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def permute_dims(x: Any, /, axes: Any) -> Array:
    """Dimensions in another order; a view."""
    t = as_tensor(x, "permute_dims")
    order = axes_of(tuple(axes), t.ndim, "permute_dims")
    if len(order) != t.ndim:
        raise ValueError(f"permute_dims(): {len(order)} axes for {t.ndim} dimensions")
    return wrap(PUBLIC["permute"](t, order), x)


def moveaxis(x: Any, source: Any, destination: Any, /) -> Array:
    """Dimensions moved to other places, the others in order; a view."""
    t = as_tensor(x, "moveaxis")
    places = [axes_of(a, t.ndim, "moveaxis") for a in (source, destination)]
    if len(places[0]) != len(places[1]):
        raise ValueError("moveaxis(): source and destination must have the same number of axes")
    return wrap(PUBLIC["movedim"](t, *places), x)


def flip(x: Any, /, *, axis: Any = None) -> Array:
    """The order along `axis`, or along all dimensions, reversed."""
    t = as_tensor(x, "flip")
    axes = tuple(range(t.ndim)) if axis is None else axes_of(axis, t.ndim, "flip")
    return wrap(PUBLIC["flip"](t, axes) if axes else PUBLIC["clone"](t))


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Array:
    """Elements moved along dimensions, those that fall off coming in at the other end."""
    t = as_tensor(x, "roll")
    if axis is None:
        if isinstance(shift, tuple):
            raise ValueError("roll(): several shifts need several axes")
        return wrap(PUBLIC["roll"](t, shift) if t.ndim else PUBLIC["clone"](t))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for d in axes:
        axes_of(d, t.ndim, "roll")
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    if not axes:
        return wrap(PUBLIC["clone"](t))
    return wrap(PUBLIC["roll"](t, shifts, axes))


def tile(x: Any, repetitions: Any, /) -> Array:
    """The array side by side with itself."""
    t = as_tensor(x, "tile")
    return wrap(PUBLIC["tile"](t, tuple(repetitions)), x)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Array:
    """Each entry along `axis` repeated, all equally often or as `repeats` says for each."""
    t = as_tensor(x, "repeat")
    if axis is None:
        t, axis = PUBLIC["reshape"](t, -1), 0
    (axis,) = axes_of(axis, t.ndim, "repeat")
    if isinstance(repeats, Tensor):
        repeats = cast(repeats, dtypes.int64.numpy)
    return wrap(PUBLIC["repeat_interleave"](t, _counts(repeats, t.array.shape[axis]), axis), x)


def _counts(repeats: Any, size: int) -> Tensor:
    """How often each entry is repeated."""
    given = repeats.array if isinstance(repeats, Tensor) else np.asarray(repeats, np.int64)
    return Tensor(np.array(np.broadcast_to(given, (size,))))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Array:
    """The entries `indices` along `axis`, which only vectors may leave out."""
    t, index = as_tensor(x, "take"), as_tensor(indices, "take")
    if index.array.dtype.kind not in "iu":
        raise TypeError(f"take(): indices must be integers, got {index.dtype}")
    if axis is None:
        if t.ndim != 1:
            raise ValueError(f"take(): axis must be given for {t.ndim} dimensions")
        axis = 0
    (axis,) = axes_of(axis, t.ndim, "take")
    return wrap(t[(slice(None),) * axis + (cast(index, dtypes.int64.numpy),)])


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Array:
    """At each place the entry along `axis` that `indices` says at that place."""
    t, index = as_tensor(x, "take_along_axis"), as_tensor(indices, "take_along_axis")
    if index.array.dtype.kind not in "iu":
        raise TypeError(f"take_along_axis(): indices must be integers, got {index.dtype}")
    (axis,) = axes_of(axis, t.ndim, "take_along_axis")
    return wrap(PUBLIC["take_along_dim"](t, _from_front(index, t.array.shape[axis]), axis))


def _from_front(index: Tensor, size: int) -> Tensor:
    places = index.array.astype(np.int64)
    return Tensor(np.where(places < 0, places + size, places))
