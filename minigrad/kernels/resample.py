"""One axis combined with weights: ``out[.., i, ..] = sum over e of weight[e] * x[.., at[e], ..]``.

Which elements `e` belong to `i` is said by a sparse matrix in rows ("compressed sparse rows"):
those from ``starts[i]`` to ``starts[i + 1]``. Interpolation and means of uneven bins are such
matrices; their derivative is the transposed matrix.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import costs
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for, pool_for

__all__ = ["Combination", "combine", "transposed"]

Array = NDArray[Any]


class Combination(NamedTuple):
    """A sparse matrix of ``starts.size - 1`` rows and `columns` columns.

    Every entry of `at` lies in ``[0, columns)``; `weight` is float64.
    """

    starts: Array
    at: Array
    weight: Array
    columns: int


def transposed(c: Combination) -> Combination:
    """The transposed matrix.

    Examples
    --------
    >>> import numpy as np
    >>> both = Combination(np.array([0, 2]), np.array([0, 1]), np.array([0.25, 0.75]), 2)
    >>> transposed(both)[:3]
    (array([0, 1, 2]), array([0, 0]), array([0.25, 0.75]))
    """
    rows = np.repeat(np.arange(c.starts.size - 1), np.diff(c.starts))
    order = np.argsort(c.at, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(c.at, minlength=c.columns))))
    return Combination(starts, rows[order], c.weight[order], c.starts.size - 1)


@jit
def _add_row(x, weight, out):
    for i in range(out.size):
        out[i] += weight * x[i]


@jit
def _combine_rows(x, starts, at, weight, cols, size, out, b0, b1):
    rows = starts.size - 1
    for r in range(b0, b1):
        i, slab = r % rows, r // rows * size
        target = out[r * cols : (r + 1) * cols]
        target[:] = 0
        for e in range(starts[i], starts[i + 1]):
            start = (slab + at[e]) * cols
            _add_row(x[start : start + cols], weight[e], target)


@jit
def _combine_elements(x, starts, at, weight, size, out, b0, b1):
    rows = starts.size - 1
    for r in range(b0, b1):
        row, target = x[r * size : (r + 1) * size], out[r * rows : (r + 1) * rows]
        for i in range(rows):
            total = x.dtype.type(0)
            for e in range(starts[i], starts[i + 1]):
                total += weight[e] * row[at[e]]
            target[i] = total


@jit
def _combine(pool, x, starts, at, weight, cols, size, out):
    rows = starts.size - 1
    if cols == 1:
        parallel_for(pool, _combine_elements, (x, starts, at, weight, size, out), out.size // rows)
    else:
        arguments = (x, starts, at, weight, cols, size, out)
        parallel_for(pool, _combine_rows, arguments, out.size // cols)


def combine(x: Array, axis: int, c: Combination) -> Array:
    """Combine along an axis, of size ``c.columns``.

    Parameters
    ----------
    x : ndarray
        float16, float32 or float64.
    axis : int
        In ``[0, x.ndim)``.
    c : Combination

    Examples
    --------
    >>> import numpy as np
    >>> both = Combination(np.array([0, 2]), np.array([0, 1]), np.array([0.25, 0.75]), 2)
    >>> combine(np.array([[4.0, 8.0]]), 1, both)
    array([[7.]])
    """
    rows = c.starts.size - 1
    shape = (*x.shape[:axis], rows, *x.shape[axis + 1 :])
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    if math.prod(shape) == 0:
        return np.zeros(shape, x.dtype)
    values, out = np.ascontiguousarray(x, wide), np.empty(shape, wide)
    pool = pool_for(max(x.size, out.size), costs.RESAMPLED)
    cols = math.prod(shape[axis + 1 :])
    weight = c.weight.astype(wide)
    flat = (values.reshape(-1), c.starts, c.at, weight, cols, c.columns, out.reshape(-1))
    _combine(pool, *flat)
    return out.astype(x.dtype, copy=False)
