"""One value per index along an axis, and the sums that are its derivative.

Arrays are seen as ``(slabs, length, cols)``: what lies before the axis, the axis, and what lies
behind. These are the only kernels that look at their indices, because looking twice would cost as
much as the work: they leave a wrong one out, and say so.

Sums are taken in the order of the indices, whatever the number of threads: threads share slabs and
columns, never the axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import larger, smaller

__all__ = ["gather", "scatter_add"]

Array = NDArray[Any]
Indices = NDArray[np.int64]

_PANEL = 64  # columns of one unit of work, and at most so many running sums at once
_UNIT = 8192  # elements of one unit of work, about


def _pool(size: int) -> int:
    return pool_for(size, PARALLEL_CHEAP)


# -- gather ----------------------------------------------------------------------------------------


@jit
def _gather_lines(x, indices, rows, length, group, out, wrong, b0, b1):
    """Along the last axis; `group` slabs are a unit. Without a branch, the loop vectorises."""
    limit, missed = np.uint64(length), 0
    for slab in range(b0 * group, smaller(b1 * group, out.size // rows)):
        line = x[slab * length : (slab + 1) * length]
        wanted, target = indices[slab * rows :], out[slab * rows : (slab + 1) * rows]
        for r in range(target.size):
            i = wanted[r]
            inside = np.uint64(i) < limit
            target[r] = line[i if inside else 0]
            missed += not inside
    if missed:
        wrong[0] = 1


@jit
def _gather_rows(x, indices, rows, cols, length, group, out, wrong, b0, b1):
    """Along another axis; `group` rows of `cols` values are a unit."""
    limit, missed = np.uint64(length), 0
    for q in range(b0 * group, smaller(b1 * group, out.size // cols)):
        base = q // rows * length * cols
        wanted, target = indices[q * cols :], out[q * cols : (q + 1) * cols]
        for c in range(target.size):
            i = wanted[c]
            inside = np.uint64(i) < limit
            target[c] = x[base + (i if inside else 0) * cols + c]
            missed += not inside
    if missed:
        wrong[0] = 1


@jit
def _gather_whole(x, indices, rows, cols, length, group, out, wrong, b0, b1):
    """The same where one index stands for a whole row."""
    for q in range(b0 * group, smaller(b1 * group, indices.size)):
        i = indices[q]
        if np.uint64(i) >= np.uint64(length):
            wrong[0] = 1
            continue
        start = (q // rows * length + i) * cols
        source, target = x[start : start + cols], out[q * cols : (q + 1) * cols]
        for c in range(target.size):
            target[c] = source[c]


@jit
def _gather(pool, x, indices, rows, cols, length, out, wrong):
    if cols == 1:
        group = larger(1, _UNIT // rows)
        units = (out.size // rows + group - 1) // group
        parallel_for(pool, _gather_lines, (x, indices, rows, length, group, out, wrong), units)
    else:
        group = larger(1, _UNIT // cols)
        units = (out.size // cols + group - 1) // group
        args = (x, indices, rows, cols, length, group, out, wrong)
        if indices.size < out.size:
            parallel_for(pool, _gather_whole, args, units)
        else:
            parallel_for(pool, _gather_rows, args, units)


def _distinct(indices: Indices, axis: int) -> Indices:
    """The indices flat; where they are expanded over the columns, those of the first only."""
    behind = slice(axis + 1, None)
    if math.prod(indices.shape[behind]) > 1 and not any(indices.strides[behind]):
        first: tuple[Any, ...] = (Ellipsis, *[0] * (indices.ndim - axis - 1))
        indices = indices[first]
    return indices.ravel()


def gather(x: Array, axis: int, indices: Indices) -> Array | None:
    """``out[i, j, k] = x[i, indices[i, j, k], k]`` (for axis 1): one value per index.

    Parameters
    ----------
    x : ndarray of float32 or float64
    axis : int
        In ``[0, x.ndim)``.
    indices : ndarray of int64
        The shape of `x`, but for the length of `axis`.

    Returns
    -------
    ndarray or None
        None if an index is not in ``[0, x.shape[axis])``.

    Examples
    --------
    >>> import numpy as np
    >>> gather(np.array([[1.0, 2.0], [3.0, 4.0]]), 1, np.array([[1], [0]]))
    array([[2.],
           [3.]])
    """
    out = np.empty(indices.shape, x.dtype)
    if not out.size:
        return out
    if not x.size:  # then no index is right, and there is nothing to read in place of a wrong one
        return None
    wrong = np.zeros(1, np.int64)
    rows, cols = indices.shape[axis], math.prod(x.shape[axis + 1 :])
    flat = (x.ravel(), _distinct(indices, axis))
    _gather(_pool(out.size), *flat, rows, cols, x.shape[axis], out.reshape(-1), wrong)
    return None if wrong[0] else out


# -- its derivative --------------------------------------------------------------------------------


@jit
def _add_lines(values, indices, rows, length, group, out, wrong, b0, b1):
    """Along the last axis; `group` slabs are a unit."""
    limit = np.uint64(length)
    for slab in range(b0 * group, smaller(b1 * group, values.size // rows)):
        wanted, source = indices[slab * rows :], values[slab * rows : (slab + 1) * rows]
        target = out[slab * length : (slab + 1) * length]
        for r in range(source.size):
            i = wanted[r]
            if np.uint64(i) < limit:
                target[i] += source[r]
            else:
                wrong[0] = 1


@jit
def _add_panels(values, indices, rows, cols, length, panels, out, wrong, b0, b1):
    """Along another axis; a panel of columns of one slab is a unit."""
    limit = np.uint64(length)
    for unit in range(b0, b1):
        slab, left = unit // panels, unit % panels * _PANEL
        base = slab * length * cols + left
        for r in range(rows):
            start = (slab * rows + r) * cols + left
            source = values[start : start + smaller(_PANEL, cols - left)]
            wanted = indices[start:]
            for c in range(source.size):
                i = wanted[c]
                if np.uint64(i) < limit:
                    out[base + i * cols + c] += source[c]
                else:
                    wrong[0] = 1


@jit
def _add_whole(values, indices, rows, cols, length, panels, out, wrong, b0, b1):
    """The same where one index stands for a whole row."""
    for unit in range(b0, b1):
        slab, left = unit // panels, unit % panels * _PANEL
        count = smaller(_PANEL, cols - left)
        for r in range(slab * rows, (slab + 1) * rows):
            i = indices[r]
            if np.uint64(i) >= np.uint64(length):
                wrong[0] = 1
                continue
            source = values[r * cols + left : r * cols + left + count]
            start = (slab * length + i) * cols + left
            target = out[start : start + count]
            for c in range(target.size):
                target[c] += source[c]


@jit
def _scatter_add(pool, values, indices, rows, cols, length, out, wrong):
    slabs = values.size // (rows * cols)
    if cols == 1:
        group = larger(1, _UNIT // rows)
        lines = (values, indices, rows, length, group, out, wrong)
        parallel_for(pool, _add_lines, lines, (slabs + group - 1) // group)
    else:
        panels = (cols + _PANEL - 1) // _PANEL
        panel = (values, indices, rows, cols, length, panels, out, wrong)
        if indices.size < values.size:
            parallel_for(pool, _add_whole, panel, slabs * panels)
        else:
            parallel_for(pool, _add_panels, panel, slabs * panels)


def scatter_add(out: Array, axis: int, indices: Indices, values: Array) -> bool:
    """Add in place: ``out[i, indices[i, j, k], k] += values[i, j, k]`` (for axis 1).

    With `out` zero it is the derivative of :func:`gather`.

    Parameters
    ----------
    out : ndarray of float32 or float64
    axis : int
        In ``[0, out.ndim)``.
    indices : ndarray of int64
        As many axes as `out`; along the others than `axis` not longer than `out`.
    values : ndarray
        As `out` in type and as `indices` in shape.

    Returns
    -------
    bool
        Whether all indices were in ``[0, out.shape[axis])``; others were left out.

    Examples
    --------
    >>> import numpy as np
    >>> sums = np.zeros(3)
    >>> scatter_add(sums, 0, np.array([2, 2, 0]), np.array([1.0, 2.0, 5.0]))
    True
    >>> sums
    array([5., 0., 3.])
    """
    if not indices.size:
        return True
    part = out[tuple(slice(None if i == axis else n) for i, n in enumerate(indices.shape))]
    target = np.ascontiguousarray(part)
    wrong = np.zeros(1, np.int64)
    rows, cols = indices.shape[axis], math.prod(indices.shape[axis + 1 :])
    flat = (values.ravel(), _distinct(indices, axis), rows, cols, out.shape[axis])
    _scatter_add(_pool(values.size), *flat, target.reshape(-1), wrong)
    if target is not part:
        part[...] = target
    return not wrong[0]
