"""Padding with copies of elements or a value, and its transpose: sums of the margins.

Up to three last axes are padded at once. For each, a table tells which element every place of the
padded axis is a copy of, -1 for the value. Along the last axis most places are one shifted run of
the row, which is copied as one piece; only the margins go through the table.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_for

__all__ = ["fold", "pad"]

Array = NDArray[Any]
Table = NDArray[np.int64]

_WHOLE: Table = np.zeros(1, np.int64)


@jit
def _pad_units(x, sizes, planes, rows, places, first, last, value, out, b0, b1):
    """A unit is a padded volume; `first` to `last` are the places of the run."""
    depth, height, width = sizes
    for unit in range(b0, b1):
        for d in range(planes.size):
            for h in range(rows.size):
                start = ((unit * planes.size + d) * rows.size + h) * places.size
                target = out[start : start + places.size]
                if planes[d] < 0 or rows[h] < 0:
                    for w in range(target.size):
                        target[w] = value
                    continue
                base = ((unit * depth + planes[d]) * height + rows[h]) * width
                source = x[base : base + width]
                run = source[places[first] :] if first < last else source
                inner = target[first:last]
                for w in range(inner.size):
                    inner[w] = run[w]
                for w in range(first):
                    target[w] = source[places[w]] if places[w] >= 0 else value
                for w in range(last, target.size):
                    target[w] = source[places[w]] if places[w] >= 0 else value


@jit
def _fold_units(g, sizes, planes, rows, places, first, last, out, b0, b1):
    depth, height, width = sizes
    for unit in range(b0, b1):
        for d in range(planes.size):
            for h in range(rows.size):
                if planes[d] < 0 or rows[h] < 0:
                    continue
                start = ((unit * planes.size + d) * rows.size + h) * places.size
                source = g[start : start + places.size]
                base = ((unit * depth + planes[d]) * height + rows[h]) * width
                target = out[base : base + width]
                run = target[places[first] :] if first < last else target
                inner = source[first:last]
                for w in range(inner.size):
                    run[w] += inner[w]
                for w in range(first):
                    if places[w] >= 0:
                        target[places[w]] += source[w]
                for w in range(last, source.size):
                    if places[w] >= 0:
                        target[places[w]] += source[w]


@jit
def _pad(pool, x, units, sizes, planes, rows, places, first, last, value, out):
    args = (x, sizes, planes, rows, places, first, last, value, out)
    parallel_for(pool, _pad_units, args, units)


@jit
def _fold(pool, g, units, sizes, planes, rows, places, first, last, out):
    parallel_for(pool, _fold_units, (g, sizes, planes, rows, places, first, last, out), units)


def _run(places: Table) -> tuple[int, int]:
    """The longest stretch of the table that goes up by one."""
    breaks = np.flatnonzero((np.diff(places) != 1) | (places[:-1] < 0)) + 1
    edges = [0, *breaks.tolist(), places.size]
    first, last = max(itertools.pairwise(edges), key=lambda edge: edge[1] - edge[0])
    return (first, last) if places[first] >= 0 else (0, 0)


def _three(tables: list[Table], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Sizes of the three last axes and their tables; missing ones are axes of length 1."""
    missing = 3 - len(tables)
    sizes = (1,) * missing + shape[len(shape) - len(tables) :]
    return sizes, *[_WHOLE] * missing, *tables


def _pool(size: int) -> int:
    return pool_for(size, PARALLEL_CHEAP)


def pad(x: Array, tables: list[Table], value: float = 0.0) -> Array:
    """Elements of `x` in the places that the tables give.

    Parameters
    ----------
    x : ndarray of float32 or float64
    tables : list of ndarray of int64
        For each of the last axes (at most three) what each place of the result is a copy of: in
        ``[-1, length)``, not checked, with -1 for `value`. Not empty.

    Examples
    --------
    >>> import numpy as np
    >>> pad(np.array([1.0, 2.0, 3.0]), [np.array([1, 0, 1, 2, -1])], 9.0)
    array([2., 1., 2., 3., 9.])
    """
    lead = x.shape[: x.ndim - len(tables)]
    out = np.empty((*lead, *[t.size for t in tables]), x.dtype)
    if out.size:
        args = (math.prod(lead), *_three(tables, x.shape), *_run(tables[-1]), x.dtype.type(value))
        _pad(_pool(out.size), x.ravel(), *args, out.reshape(-1))
    return out


def fold(g: Array, tables: list[Table], shape: tuple[int, ...]) -> Array:
    """Each element of `g` added to the one that it is a copy of: the transpose of :func:`pad`.

    Parameters
    ----------
    g : ndarray of float32 or float64
    tables : list of ndarray of int64
        As for :func:`pad`.
    shape : tuple of int
        Of the result.

    Examples
    --------
    >>> import numpy as np
    >>> fold(np.ones(5), [np.array([1, 0, 1, 2, -1])], (3,))
    array([1., 2., 1.])
    """
    out = np.zeros(shape, g.dtype)
    if out.size and g.size:
        lead = math.prod(shape[: len(shape) - len(tables)])
        args = (lead, *_three(tables, shape), *_run(tables[-1]))
        _fold(_pool(g.size), g.ravel(), *args, out.reshape(-1))
    return out
