"""Running sums along an axis, added up in float64.

Arrays are seen as ``(slabs, length, cols)``: what lies before the axis, the axis, and what lies
behind. Threads share slabs and columns, never the axis, so bits do not depend on their number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import smaller

__all__ = ["cumsum"]

Array = NDArray[Any]

_PANEL = 64  # columns of one unit of work, and so many running sums at once


@jit
def _sum_units(x, length, cols, width, panels, first, step, out, b0, b1):
    """Each unit runs `width` sums side by side: one at a time would wait for every addition."""
    totals = np.empty(_PANEL, np.float64)
    for unit in range(b0, b1):
        left = unit % panels * width
        count = smaller(width, cols - left)
        at = (unit // panels * length + first) * cols + left
        for c in range(count):
            totals[c] = 0.0
        for _ in range(length):
            source, target = x[at : at + count], out[at : at + count]
            for c in range(count):
                totals[c] += source[c]
                target[c] = totals[c]
            at += step * cols


@jit
def _sum_lines(x, length, first, step, out, b0, b1):
    """Four lines side by side, for the same reason; `b0` to `b1` count fours of lines."""
    lines = x.size // length
    for line in range(4 * b0, smaller(4 * b1, lines), 4):
        at = line * length + first
        if line + 4 <= lines:
            a = b = c = d = 0.0
            for _ in range(length):
                a += x[at]
                b += x[at + length]
                c += x[at + 2 * length]
                d += x[at + 3 * length]
                out[at], out[at + length] = a, b
                out[at + 2 * length], out[at + 3 * length] = c, d
                at += step
        else:
            for other in range(lines - line):
                a = 0.0
                for i in range(length):
                    place = at + other * length + i * step
                    a += x[place]
                    out[place] = a


@jit
def _cumsum(pool, x, length, cols, backwards, out):
    first, step = (length - 1, -1) if backwards else (0, 1)
    if cols == 1:
        lines = x.size // length
        parallel_for(pool, _sum_lines, (x, length, first, step, out), (lines + 3) // 4)
    else:
        panels = (cols + _PANEL - 1) // _PANEL
        units = x.size // (length * cols) * panels
        parallel_for(pool, _sum_units, (x, length, cols, _PANEL, panels, first, step, out), units)


def cumsum(x: Array, axis: int, backwards: bool = False) -> Array:
    """The sums of the first 1, 2, 3, ... values along an axis, added up in float64.

    Parameters
    ----------
    x : ndarray of float32 or float64
    axis : int
        In ``[0, x.ndim)``.
    backwards : bool
        Of the last 1, 2, 3, ... instead, each sum in the place of the first value in it: the
        derivative.

    Examples
    --------
    >>> import numpy as np
    >>> cumsum(np.array([1.0, 2.0, 3.0]), 0), cumsum(np.array([1.0, 2.0, 3.0]), 0, True)
    (array([1., 3., 6.]), array([6., 5., 3.]))
    """
    out = np.empty(x.shape, x.dtype)
    pool = pool_for(x.size, PARALLEL_CHEAP)
    if out.size:
        flat = (x.ravel(), x.shape[axis], math.prod(x.shape[axis + 1 :]), backwards)
        _cumsum(pool, *flat, out.reshape(-1))
    return out
