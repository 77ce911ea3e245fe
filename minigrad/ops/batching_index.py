"""Batching rules of the operations that take index tensors.

Where tensor and index both differ between examples, the tables of all examples become one table,
and the index of example `b` points into its part of it: one operation instead of a loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.public import PUBLIC
from minigrad.ops.batching import lined_up, sharing

if TYPE_CHECKING:
    from minigrad.core.tensor import Tensor

__all__ = ["add_zeros", "pick", "put", "rows_added", "rows_looked_up"]

Shape = tuple[int, ...]


def _reshape(t: Any, shape: Sequence[int]) -> Any:
    return PUBLIC["reshape"](t, tuple(shape))


def _permute(t: Any, order: Sequence[int]) -> Any:
    return PUBLIC["permute"](t, tuple(order))


def _offsets(size: int, step: int, ndim: int) -> Any:
    """Where the part of each example begins, as a column for an index of `ndim` dimensions."""
    starts = np.arange(size, dtype=np.int64) * step
    return PUBLIC["from_numpy"](starts.reshape((size,) + (1,) * (ndim - 1)))


def _flat_index(index: Any, picked: Shape, k: int) -> Any:
    """One number for the k coordinates that an index lists behind the dimension of examples."""
    if k == 1:
        return index
    flat = index[:, 0]
    for i in range(1, k):
        flat = flat * picked[i] + index[:, i]
    return flat


def _front(x: Any, start: int, k: int) -> Any:
    """``[B, lead, picked, rest]`` as ``[B * picked, lead, rest]``."""
    n, shape = x.array.ndim, x.array.shape
    at = [*range(start + 1, start + 1 + k)]
    others = [*range(1, start + 1), *range(start + 1 + k, n)]
    rows = shape[0] * math.prod(shape[d] for d in at)
    return _reshape(_permute(x, (0, *at, *others)), (rows, *(shape[d] for d in others)))


def _back(x: Any, size: int, shape: Shape, start: int, k: int) -> Any:
    """The inverse of :func:`_front`, for an example of `shape`."""
    picked, lead, rest = shape[start : start + k], shape[:start], shape[start + k :]
    wide = _reshape(x, (size, *picked, *lead, *rest))
    n = len(shape)
    order = (*range(k + 1, k + 1 + start), *range(1, k + 1), *range(k + 1 + start, n + 1))
    return _permute(wide, (0, *order))


def _places(index: Any, picked: Shape, k: int) -> Any:
    """The index into the table of all examples."""
    flat = _flat_index(index, picked, k)
    return flat + _offsets(flat.array.shape[0], math.prod(picked), flat.array.ndim)


def _wide(t: Any, size: int, batched: bool) -> Any:
    return t if batched else PUBLIC["broadcast_to"](t, (size, *t.array.shape))


def _size(inputs: Sequence[Tensor], batched: Sequence[bool]) -> int:
    return next(int(t.array.shape[0]) for t, b in zip(inputs, batched, strict=True) if b)


@sharing
def pick(op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], batched: Sequence[bool]) -> Any:
    """Of ``index(x, index, start, k)``."""
    (x, index), (start, k) = inputs, params
    if not batched[1]:
        return apply(op, (x, index), (start + 1, k))
    if not batched[0]:
        shape = x.array.shape
        flat = _flat_index(index, shape[start : start + k], k)
        size = math.prod(shape[start : start + k])
        merged = x if k == 1 else _reshape(x, (*shape[:start], size, *shape[start + k :]))
        found = apply(op, (merged, flat), (start, 1))
        return PUBLIC["movedim"](found, start, 0)
    shape = x.array.shape[1:]
    places = _places(index, shape[start : start + k], k)
    found = apply(op, (_front(x, start, k), places), (0, 1))
    # [B, points, lead, rest] with the lead before the points
    points, n = places.array.ndim - 1, found.array.ndim
    lead = [*range(1 + points, 1 + points + start)]
    return _permute(found, (0, *lead, *range(1, 1 + points), *range(1 + points + start, n)))


def _points_first(v: Any, start: int, points: int) -> Any:
    """``[B, lead, points, rest]`` as ``[B, points, lead, rest]``."""
    n = v.array.ndim
    at = [*range(1 + start, 1 + start + points)]
    return _permute(v, (0, *at, *range(1, 1 + start), *range(1 + start + points, n)))


@sharing
def add_zeros(
    op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """Of ``index_add_zeros(g, index, start, k, shape)``."""
    (g, index), (start, k, shape) = inputs, params
    size = _size(inputs, batched)
    if not batched[1]:
        return apply(op, (g, index), (start + 1, k, (size, *shape)))
    places = _places(index, shape[start : start + k], k)
    values = _points_first(_wide(g, size, batched[0]), start, places.array.ndim - 1)
    rows = size * math.prod(shape[start : start + k])
    table = (rows, *shape[:start], *shape[start + k :])
    return _back(apply(op, (values, places), (0, 1, table)), size, shape, start, k)


@sharing
def put(op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], batched: Sequence[bool]) -> Any:
    """Of ``index_put(x, index, values, start, k, accumulate)``, whose values broadcast."""
    (x, index, values), (start, k, accumulate) = inputs, params
    size = _size(inputs, batched)
    x = _wide(x, size, batched[0])
    shape = x.array.shape[1:]
    points = index.array.ndim - batched[1] - (k > 1)
    if not batched[1]:
        if batched[2]:
            values = lined_up(values, len(shape) - k + points)
        return apply(op, (x, index, values), (start + 1, k, accumulate))
    places = _places(index, shape[start : start + k], k)
    values = lined_up(_wide(values, size, batched[2]), len(shape) - k + points)
    values = _points_first(values, start, points)
    done = apply(op, (_front(x, start, k), places, values), (0, 1, accumulate))
    return _back(done, size, shape, start, k)


# -- rows of tables --------------------------------------------------------------------------------


@sharing
def rows_looked_up(
    op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """Of ``embedding(w, index, skip)``."""
    (w, index), (skip,) = inputs, params
    if not batched[0]:
        return apply(op, (w, index), params)
    size, rows, width = w.array.shape
    index = _wide(index, size, batched[1])
    places = index + _offsets(size, rows, index.array.ndim)
    found = apply(op, (_reshape(w, (size * rows, width)), places), (-1,))
    if skip < 0:
        return found
    hidden = PUBLIC["unsqueeze"](index == skip, -1)
    return PUBLIC["where"](hidden, found.detach(), found)


@sharing
def rows_added(
    op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """Of ``embedding_rows(g, index, rows, skip)``."""
    (g, index), (rows, skip) = inputs, params
    size = _size(inputs, batched)
    g, index = _wide(g, size, batched[0]), _wide(index, size, batched[1])
    if skip >= 0:
        g = PUBLIC["where"](PUBLIC["unsqueeze"](index == skip, -1), 0.0, g)
    places = index + _offsets(size, rows, index.array.ndim)
    added = apply(op, (g, places), (size * rows, -1))
    return _reshape(added, (size, rows, g.array.shape[-1]))
