"""Sums of bags of rows of a table, without the rows themselves in between.

A bag is a stretch of a list of indices: bag b has the indices ``starts[b]`` to ``starts[b + 1]``.
Threads share bags forward, and columns backward, so sums are taken in the order of the indices.
Each function here works on copies of index and starts of its own, and checks those.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.index import own_indices
from minigrad.kernels.rows import dot
from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import larger, smaller

__all__ = ["bag_dots", "bag_rows_of_largest", "bag_spread", "bag_sums"]

Array = NDArray[Any]


@jit
def _sum_bags(weight, scale, index, starts, cols, out, b0, b1):
    for b in range(b0, b1):
        target = out[b * cols : (b + 1) * cols]
        for i in range(starts[b], starts[b + 1]):
            row, factor = weight[index[i] * cols :], scale[i]
            for c in range(target.size):
                target[c] += factor * row[c]


@jit
def _sums(pool, weight, scale, index, starts, cols, out):
    parallel_for(pool, _sum_bags, (weight, scale, index, starts, cols, out), starts.size - 1)


@jit
def _spread_panels(grad, scale, index, starts, cols, width, out, b0, b1):
    for panel in range(b0, b1):
        left = panel * width
        right = smaller(left + width, cols)
        for b in range(starts.size - 1):
            row = grad[b * cols + left :]
            for i in range(starts[b], starts[b + 1]):
                target = out[index[i] * cols + left : index[i] * cols + right]
                factor = scale[i]
                for c in range(target.size):
                    target[c] += factor * row[c]


@jit
def _spread(pool, grad, scale, index, starts, cols, out):
    width = larger(32, (cols // 8 + 15) // 16 * 16)
    panels = (cols + width - 1) // width
    parallel_for(pool, _spread_panels, (grad, scale, index, starts, cols, width, out), panels)


@jit
def _dot_bags(grad, weight, index, starts, cols, out, b0, b1):
    for b in range(b0, b1):
        row = grad[b * cols : (b + 1) * cols]
        for i in range(starts[b], starts[b + 1]):
            out[i] = dot(row, weight[index[i] * cols :])


@jit
def _dots(pool, grad, weight, index, starts, cols, out):
    parallel_for(pool, _dot_bags, (grad, weight, index, starts, cols, out), starts.size - 1)


@jit
def _largest_bags(weight, index, starts, cols, skip, best, rows, b0, b1):
    for b in range(b0, b1):
        top, chosen = best[b * cols : (b + 1) * cols], rows[b * cols : (b + 1) * cols]
        for i in range(starts[b], starts[b + 1]):
            row, place = weight[index[i] * cols :], index[i]
            if place != skip:
                for c in range(top.size):
                    if chosen[c] < 0 or row[c] > top[c]:
                        top[c], chosen[c] = row[c], place


@jit
def _largest(pool, weight, index, starts, cols, skip, best, rows):
    arguments = (weight, index, starts, cols, skip, best, rows)
    parallel_for(pool, _largest_bags, arguments, starts.size - 1)


def _pool(index: Array, cols: int) -> int:
    return pool_for(index.size * cols, PARALLEL_CHEAP)


def _narrow(out: Array, dtype: Any) -> Array:
    return out.astype(dtype, copy=False)


def _flat(x: Array) -> Array:
    """Contiguous, one axis, float32 or float64: other dtypes are computed in float32."""
    return x.ravel() if x.dtype.num in (11, 12) else x.astype(np.float32).ravel()


def _bags(index: Array, starts: Array, rows: int) -> tuple[Array, Array]:
    """Index and starts as copies that nobody else can write to, every bag inside."""
    own = own_indices(index, rows, "embedding_bag")
    return own, own_indices(starts, own.size + 1, "embedding_bag", "offset")


def bag_sums(weight: Array, scale: Array, index: Array, starts: Array) -> Array:
    """``out[b] = sum over the bag of scale[i] * weight[index[i]]``; zeros for an empty bag.

    Parameters
    ----------
    weight : ndarray, shape (V, D), of a floating dtype
    scale : ndarray, shape (n,), of that dtype
    index : ndarray of int64, shape (n,)
        In ``[0, V)``.
    starts : ndarray of int64, shape (B + 1,)
        Ascending, from at least 0 to at most n.

    Raises
    ------
    IndexError
        If an index or a start is out of range; so do the other functions here.

    Examples
    --------
    >>> import numpy as np
    >>> table = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> bag_sums(table, np.ones(3), np.array([0, 1, 1]), np.array([0, 2, 3]))
    array([[4., 6.],
           [3., 4.]])
    """
    cols = weight.shape[1]
    table = _flat(weight)
    index, starts = _bags(index, starts, weight.shape[0])
    out = np.zeros((starts.size - 1, cols), table.dtype)
    _sums(_pool(index, cols), table, _flat(scale), index, starts, cols, out.reshape(-1))
    return _narrow(out, weight.dtype)


def bag_spread(g: Array, scale: Array, index: Array, starts: Array, rows: int) -> Array:
    """The derivative of :func:`bag_sums` for the table: each bag's row goes to its indices.

    Examples
    --------
    >>> import numpy as np
    >>> g = np.array([[1.0], [5.0]])
    >>> bag_spread(g, np.ones(3), np.array([0, 1, 1]), np.array([0, 2, 3]), 2)
    array([[1.],
           [6.]])
    """
    cols = g.shape[1]
    grad = _flat(g)
    index, starts = _bags(index, starts, rows)
    out = np.zeros((rows, cols), grad.dtype)
    _spread(_pool(index, cols), grad, _flat(scale), index, starts, cols, out.reshape(-1))
    return _narrow(out, g.dtype)


def bag_dots(g: Array, weight: Array, index: Array, starts: Array) -> Array:
    """The derivative of :func:`bag_sums` for the scale: ``g[b] . weight[index[i]]``.

    Examples
    --------
    >>> import numpy as np
    >>> g, table = np.array([[1.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> bag_dots(g, table, np.array([1, 0]), np.array([0, 2]))
    array([7., 3.])
    """
    cols = weight.shape[1]
    grad = _flat(g)
    index, starts = _bags(index, starts, weight.shape[0])
    out = np.zeros(index.size, grad.dtype)
    _dots(_pool(index, cols), grad, _flat(weight), index, starts, cols, out)
    return _narrow(out, g.dtype)


def bag_rows_of_largest(weight: Array, index: Array, starts: Array, skip: int) -> Array:
    """Which row of each bag has the largest value of each column; -1 for an empty bag.

    Indices equal to `skip` do not count; of equal values the first one does.

    Examples
    --------
    >>> import numpy as np
    >>> table = np.array([[1.0, 5.0], [3.0, 4.0]])
    >>> bag_rows_of_largest(table, np.array([0, 1]), np.array([0, 2, 2]), -1)
    array([[ 1,  0],
           [-1, -1]])
    """
    cols = weight.shape[1]
    table = _flat(weight)
    index, starts = _bags(index, starts, weight.shape[0])
    rows = np.full((starts.size - 1, cols), -1)
    best = np.empty(rows.size, table.dtype)
    _largest(_pool(index, cols), table, index, starts, cols, skip, best, rows.reshape(-1))
    return rows
