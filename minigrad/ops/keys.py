"""A key of ``x[key]`` taken apart, and its indices checked.

Ints, slices, None and Ellipsis are left as a basic key, which gives a view; index tensors, lists
and masks become index tensors of int64 in range, each at its dimension of that view.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.plain import plain
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.guard import all_values, values_decide

__all__ = ["Pick", "check_range", "in_range", "is_basic", "one_mask", "split_key"]

Shape = tuple[int, ...]

_NONE, _ELLIPSIS, _INT64 = type(None), type(Ellipsis), np.dtype(np.int64)
_WORDS = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
    "indices"
)


class Pick(NamedTuple):
    """One index tensor of a key: at dimension `dim` of the view, over `span` dimensions of it."""

    dim: int
    span: int
    places: Tensor


def _items(key: Any) -> tuple[Any, ...]:
    """The parts of a key; as in PyTorch a list with more than numbers inside counts as a tuple."""
    if isinstance(key, tuple):
        return key
    if isinstance(key, list) and len(key) < 32:
        for part in key:
            if part is None or isinstance(
                part, (list, tuple, slice, _ELLIPSIS, Tensor, np.ndarray)
            ):
                return tuple(key)
    return (key,)


def _as_part(item: Any) -> Any:
    """A part of a key as an int, a slice, None, Ellipsis, a bool, or an index tensor."""
    kind = item.__class__
    if kind is int or kind is bool or kind is _NONE or kind is _ELLIPSIS:
        return item
    if kind is slice:
        return _as_slice(item)
    if not isinstance(item, Tensor):
        if isinstance(item, (list, tuple)) and not len(item):
            return given(np.zeros(0, np.int64))
        if isinstance(item, float):
            raise IndexError(f"{_WORDS} (got float)")
        array = np.array(item)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{_WORDS} (got {kind.__name__})")
        if array.dtype.kind in "iu" and array.dtype != np.uint8:
            array = array.astype(np.int64, copy=False)
        item = given(array)
    array = item.array
    if array.dtype.char not in "lqiB?":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    if array.ndim:
        return item
    if array.dtype.char in "B?":
        return bool(array)
    return int(array) if array.__class__ is np.ndarray else item


def _as_slice(s: slice) -> slice:
    start, stop, step = (
        v if v is None or v.__class__ is int else _whole(v) for v in (s.start, s.stop, s.step)
    )
    if step is not None and step <= 0:
        if step == 0:
            raise ValueError("slice step cannot be zero")
        raise ValueError("step must be greater than zero: use flip() to reverse a dimension")
    return slice(start, stop, step)


def _whole(value: Any) -> int:
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method"
        ) from None


def _is_mask(part: Any) -> bool:
    return isinstance(part, Tensor) and part.array.dtype.char in "B?"


def _span(part: Any) -> int:
    """How many dimensions of the tensor a part of a key speaks about."""
    if part is None or part is Ellipsis or part.__class__ is bool:
        return 0
    return part.array.ndim if _is_mask(part) else 1


def split_key(shape: Shape, key: Any) -> tuple[tuple[Any, ...], list[Pick]]:
    """The basic key that gives a view, and the index tensors that pick from it."""
    parts = [_as_part(item) for item in _items(key)]
    missing = len(shape) - sum([_span(p) for p in parts])
    if missing < 0:
        if not shape and parts[0].__class__ is int:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` to convert it to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    basic: list[Any] = []
    picks: list[Pick] = []
    dim = new = 0  # in the tensor, and in the view
    for part in parts:
        kind = part.__class__
        if kind is int:
            if not -shape[dim] <= part < shape[dim]:
                raise IndexError(
                    f"index {part} is out of bounds for dimension {dim} with size {shape[dim]}"
                )
            basic.append(part)
            dim += 1
            continue
        if part is Ellipsis:
            basic += [slice(None)] * missing
            dim, new, missing = dim + missing, new + missing, 0
        elif kind is slice:
            basic.append(part)
            dim, new = dim + 1, new + 1
        elif part is None or kind is bool:
            basic.append(None)
            if kind is bool:
                picks.append(Pick(new, 1, given(np.zeros(int(part), np.int64))))
            new += 1
        else:
            span = _span(part)
            basic += [slice(None)] * span
            picks.append(_as_pick(part, span, shape[dim : dim + span], dim, new, shape))
            dim, new = dim + span, new + span
    if all(p.__class__ is slice and p == slice(None) for p in basic):
        basic = []
    return tuple(basic), picks


def _as_pick(part: Tensor, span: int, sizes: Shape, dim: int, new: int, shape: Shape) -> Pick:
    """An index tensor with its range checked; a mask as the places where it holds."""
    array = part.array
    if not _is_mask(part):
        return Pick(new, 1, check_range(part, sizes[0], dim))
    for i, (a, b) in enumerate(zip(array.shape, sizes, strict=True)):
        if a != b:
            raise IndexError(
                f"The shape of the mask {list(array.shape)} at index {i} does not match the shape "
                f"of the indexed tensor {list(shape)} at index {dim + i}"
            )
    values_decide("mask", part)
    return Pick(new, span, _true_places((part,)))


@plain
def _true_places(mask: Array) -> Array:
    return np.flatnonzero(mask)


def in_range(index: Array, size: int) -> bool:
    """Whether all of an int64 array is in ``[0, size)``: seen as unsigned, negative is large."""
    return not index.size or bool(np.maximum.reduce(index.view(np.uint64), axis=None) < size)


def check_range(index: Tensor, size: int, dim: int, error: type[Exception] = IndexError) -> Tensor:
    """The index as int64 between 0 and `size`, negative ones counted from the end."""
    array = index.array
    if array.__class__ is not np.ndarray:
        return _range_of_all(index, size, dim, error)
    if array.dtype != np.int64:
        array = array.astype(np.int64)
    if _some_negative(array, size, dim, error):
        return _from_the_start((index,), size)
    return cast(index, _INT64)


def _some_negative(index: Array, size: int, dim: int, error: type[Exception]) -> bool:
    """Whether some count from the end; those out of range are refused."""
    if in_range(index, size):
        return False
    low, high = int(index.min()), int(index.max())
    if high >= size or low < -size:
        raise error(
            f"index {high if high >= size else low} is out of bounds for dimension {dim} with "
            f"size {size}"
        )
    return True


@plain
def _from_the_start(index: Array, size: int) -> Array:
    """Negative ones counted from the end."""
    index = index.astype(np.int64, copy=False)
    return np.where(index < 0, index + size, index)


def _range_of_all(index: Tensor, size: int, dim: int, error: type[Exception]) -> Tensor:
    """The same for an index that stands for many."""
    values = all_values(index)
    negative = _some_negative(values.astype(np.int64, copy=False), size, dim, error)
    index = cast(index, _INT64)
    if negative:
        index = PUBLIC["where"](index < 0, index + size, index)
    return index


def is_basic(key: tuple[Any, ...]) -> bool:
    """Whether numpy takes a key as it stands, and gives a view."""
    for part in key:
        kind = part.__class__
        if kind is slice:
            if not _is_plain(part):
                return False
        elif kind is not int and kind is not _NONE and kind is not _ELLIPSIS:
            return False
    return True


def _is_plain(s: slice) -> bool:
    """Whether nothing about a slice needs conversion or a complaint."""
    for v in (s.start, s.stop):
        if v is not None and v.__class__ is not int:
            return False
    return s.step is None or (s.step.__class__ is int and s.step > 0)


def one_mask(key: Any) -> bool:
    """Whether one mask is all that picks: then a single value may be of any type."""
    masks = [p for p in map(_as_part, _items(key)) if isinstance(p, (Tensor, bool))]
    return len(masks) == 1 and _is_mask(masks[0])
