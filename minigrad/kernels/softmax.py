"""Softmax, log-softmax and log-sum-exp along any axes, and their derivatives.

All three subtract the largest value first, so that ``exp`` cannot overflow::

    top = max(x)    total = sum(exp(x - top))
    softmax = exp(x - top) / total    log_softmax = x - logsumexp    logsumexp = top + log(total)

The last axis has kernels over contiguous rows; rows of a few values (ten classes) are joined for
``exp``, which then runs with full vectors. Other axes have kernels that work down the columns of
panels small enough for the cache. float32 and float64 have kernels; other floating dtypes are
computed in float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.math.vecmath import maximum
from minigrad.kernels.reduce import reduced_shape
from minigrad.kernels.rows import copy, dot, row_extreme, sum_block
from minigrad.kernels.run.jit import PARALLEL_MATH, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import exp, log, smaller

__all__ = [
    "log_softmax", "log_softmax_backward", "logsumexp", "rows_logsumexp", "softmax",
    "softmax_backward",
]  # fmt: skip

Array = NDArray[Any]
Axes = tuple[int, ...]

SHORT = 128  # rows below this length are joined for exp
JOINED = 2048  # values that are joined: a few kilobytes, in the first-level cache
_PANEL = 256  # columns of one unit of work
_FEW_COLUMNS = 16  # below this, columns are transposed to rows


# --- Rows ---------------------------------------------------------------------------------------


@jit_sum
def _exp_and_sum(x, top, out):
    """``out = exp(x - top)``; return its sum. (The argument is never positive.)"""
    total = x.dtype.type(0)
    for i in range(out.size):
        value = exp(x[i] - top)
        out[i] = value
        total += value
    return total


@jit_sum
def _sum_exp(x, top):
    """Sum of ``exp(x - top)``."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += exp(x[i] - top)
    return total


@jit
def _exp_in_place(x):
    for i in range(x.size):
        x[i] = exp(x[i])


@jit
def _exp_short_rows(x, cols, out, tops, totals):
    """As :func:`_exp_and_sum` for joined rows of `cols` values, with one ``exp`` loop for all."""
    for r in range(tops.size):
        row, target = x[r * cols : (r + 1) * cols], out[r * cols : (r + 1) * cols]
        top = row_extreme(row, False)
        for i in range(target.size):
            target[i] = row[i] - top
        tops[r] = top
    _exp_in_place(out[: tops.size * cols])
    for r in range(tops.size):
        totals[r] = sum_block(out[r * cols : (r + 1) * cols])


@jit
def rows_logsumexp(x, cols, scratch, tops, lse):
    """``lse[r] = log(sum(exp(row r)))`` for ``lse.size`` rows; their maxima in `tops`.

    NaN where the maximum is infinite, which is what log-softmax makes of it. `scratch` has room
    for `JOINED` values.
    """
    if cols < SHORT:
        group = JOINED // cols
        for r in range(0, lse.size, group):
            here = lse[r : r + group]
            _exp_short_rows(x[r * cols :], cols, scratch, tops[r : r + here.size], here)
    else:
        for r in range(lse.size):
            row = x[r * cols : (r + 1) * cols]
            tops[r] = row_extreme(row, False)
            lse[r] = _sum_exp(row, tops[r])
    for r in range(lse.size):
        lse[r] = tops[r] + log(lse[r])


@jit
def _scale(x, factor):
    for i in range(x.size):
        x[i] *= factor


@jit
def _softmax_each_row(x, cols, out, b0, b1):
    one = x.dtype.type(1)
    group = JOINED // cols if cols < SHORT else 1
    tops, totals = np.empty(group, x.dtype), np.empty(group, x.dtype)
    for first in range(b0, b1, group):
        count = smaller(group, b1 - first)
        source = x[first * cols : (first + count) * cols]
        target = out[first * cols : (first + count) * cols]
        if group > 1:
            _exp_short_rows(source, cols, target, tops[:count], totals)
        else:
            totals[0] = _exp_and_sum(source, row_extreme(source, False), target)
        for r in range(count):
            _scale(target[r * cols : (r + 1) * cols], one / totals[r])


@jit
def _softmax_rows(pool, x, cols, out):
    parallel_for(pool, _softmax_each_row, (x, cols, out), x.size // cols)


@jit
def _log_softmax_each_row(x, cols, out, b0, b1):
    group = JOINED // cols + 1
    scratch = np.empty(JOINED, x.dtype)
    tops, lse = np.empty(group, x.dtype), np.empty(group, x.dtype)
    for first in range(b0, b1, group):
        count = smaller(group, b1 - first)
        rows_logsumexp(x[first * cols :], cols, scratch, tops, lse[:count])
        for r in range(count):
            start = (first + r) * cols
            row, target, shift = x[start : start + cols], out[start : start + cols], lse[r]
            for i in range(target.size):
                target[i] = row[i] - shift


@jit
def _log_softmax_rows(pool, x, cols, out):
    parallel_for(pool, _log_softmax_each_row, (x, cols, out), x.size // cols)


@jit
def _logsumexp_each_row(x, cols, tops, out, b0, b1):
    scratch = np.empty(JOINED, x.dtype)
    rows_logsumexp(x[b0 * cols :], cols, scratch, tops[b0:b1], out[b0:b1])
    for r in range(b0, b1):
        if np.isinf(tops[r]):
            out[r] = tops[r]


@jit
def _logsumexp_rows(pool, x, cols, out):
    tops = np.empty(out.size, x.dtype)
    parallel_for(pool, _logsumexp_each_row, (x, cols, tops, out), out.size)


@jit
def _softmax_backward_each_row(g, y, cols, out, b0, b1):
    for r in range(b0, b1):
        grad, value = g[r * cols : (r + 1) * cols], y[r * cols : (r + 1) * cols]
        target = out[r * cols : (r + 1) * cols]
        shared = dot(grad, value)
        for i in range(target.size):
            target[i] = value[i] * (grad[i] - shared)


@jit
def _softmax_backward_rows(pool, g, y, cols, out):
    parallel_for(pool, _softmax_backward_each_row, (g, y, cols, out), g.size // cols)


@jit
def _exp_to(x, out):
    for i in range(out.size):
        out[i] = exp(x[i])


@jit
def _log_softmax_backward_each_row(g, y, cols, out, b0, b1):
    group = JOINED // cols + 1
    for first in range(b0, b1, group):
        stop = smaller(first + group, b1)
        _exp_to(y[first * cols :], out[first * cols : stop * cols])
        for r in range(first, stop):
            grad, target = g[r * cols : (r + 1) * cols], out[r * cols : (r + 1) * cols]
            total = sum_block(grad)
            for i in range(target.size):
                target[i] = grad[i] - target[i] * total


@jit
def _log_softmax_backward_rows(pool, g, y, cols, out):
    parallel_for(pool, _log_softmax_backward_each_row, (g, y, cols, out), g.size // cols)


# --- Columns ------------------------------------------------------------------------------------


@jit
def _add_exp(row, tops, totals, out):
    for i in range(out.size):
        out[i] = exp(row[i] - tops[i])
        totals[i] += out[i]


@jit
def _maximum_in_place(tops, row):
    for i in range(tops.size):
        tops[i] = maximum(tops[i], row[i])


@jit
def _softmax_panels(x, rows, cols, logarithm, out, b0, b1):
    """Units `b0` to `b1`, each a panel of columns of one slab."""
    one = x.dtype.type(1)
    panels = (cols + _PANEL - 1) // _PANEL
    all_tops, all_totals = np.empty(_PANEL, x.dtype), np.empty(_PANEL, x.dtype)
    for unit in range(b0, b1):
        left = unit % panels * _PANEL
        width = smaller(_PANEL, cols - left)
        start = unit // panels * rows * cols + left
        source, target = x[start:], out[start:]
        tops, totals = all_tops[:width], all_totals[:width]
        copy(tops, source)
        for r in range(1, rows):
            _maximum_in_place(tops, source[r * cols :])
        for i in range(width):
            totals[i] = 0
        for r in range(rows):
            _add_exp(source[r * cols :], tops, totals, target[r * cols : r * cols + width])
        for i in range(width):
            totals[i] = tops[i] + log(totals[i]) if logarithm else one / totals[i]
        for r in range(rows):
            row, result = source[r * cols :], target[r * cols : r * cols + width]
            if logarithm:
                for i in range(result.size):
                    result[i] = row[i] - totals[i]
            else:
                for i in range(result.size):
                    result[i] *= totals[i]


@jit
def _softmax_columns(pool, x, rows, cols, logarithm, out):
    """Softmax (its logarithm if `logarithm`) along the middle of ``(A, B, C)``."""
    units = x.size // (rows * cols) * ((cols + _PANEL - 1) // _PANEL)
    parallel_for(pool, _softmax_panels, (x, rows, cols, logarithm, out), units)


@jit
def _softmax_backward_panels(g, y, rows, cols, logarithm, out, b0, b1):
    panels = (cols + _PANEL - 1) // _PANEL
    all_totals = np.empty(_PANEL, g.dtype)
    for unit in range(b0, b1):
        left = unit % panels * _PANEL
        width = smaller(_PANEL, cols - left)
        start = unit // panels * rows * cols + left
        totals = all_totals[:width]
        for i in range(width):
            totals[i] = 0
        for r in range(rows):
            grad, value = g[start + r * cols :], y[start + r * cols :]
            for i in range(totals.size):
                totals[i] += grad[i] if logarithm else grad[i] * value[i]
        for r in range(rows):
            grad, value = g[start + r * cols :], y[start + r * cols :]
            target = out[start + r * cols : start + r * cols + width]
            if logarithm:
                for i in range(target.size):
                    target[i] = grad[i] - exp(value[i]) * totals[i]
            else:
                for i in range(target.size):
                    target[i] = value[i] * (grad[i] - totals[i])


@jit
def _softmax_backward_columns(pool, g, y, rows, cols, logarithm, out):
    units = g.size // (rows * cols) * ((cols + _PANEL - 1) // _PANEL)
    parallel_for(pool, _softmax_backward_panels, (g, y, rows, cols, logarithm, out), units)


# --- Any axis -----------------------------------------------------------------------------------


def _pool(x: Array) -> int:
    return pool_for(x.size, PARALLEL_MATH)


def _forward(x: Array, axis: int, logarithm: bool) -> Array:
    if x.dtype not in (np.float32, np.float64):
        return _forward(x.astype(np.float32), axis, logarithm).astype(x.dtype)
    rows, cols = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if 1 < cols < _FEW_COLUMNS:
        return np.moveaxis(_forward(np.moveaxis(x, axis, -1), x.ndim - 1, logarithm), -1, axis)
    out = np.empty(x.shape, x.dtype)
    if x.size == 0:
        return out
    pool = _pool(x)
    if cols > 1:
        _softmax_columns(pool, x.ravel(), rows, cols, logarithm, out.ravel())
    elif logarithm:
        _log_softmax_rows(pool, x.ravel(), rows, out.ravel())
    else:
        _softmax_rows(pool, x.ravel(), rows, out.ravel())
    return out


def _backward(g: Array, y: Array, axis: int, logarithm: bool) -> Array:
    if y.dtype not in (np.float32, np.float64):
        wide = _backward(g.astype(np.float32), y.astype(np.float32), axis, logarithm)
        return wide.astype(y.dtype)
    rows, cols = y.shape[axis], math.prod(y.shape[axis + 1 :])
    if 1 < cols < _FEW_COLUMNS:
        g, y = np.moveaxis(g, axis, -1), np.moveaxis(y, axis, -1)
        return np.moveaxis(_backward(g, y, y.ndim - 1, logarithm), -1, axis)
    out = np.empty(y.shape, y.dtype)
    if y.size == 0:
        return out
    pool = _pool(y)
    if cols > 1:
        _softmax_backward_columns(pool, g.ravel(), y.ravel(), rows, cols, logarithm, out.ravel())
    elif logarithm:
        _log_softmax_backward_rows(pool, g.ravel(), y.ravel(), rows, out.ravel())
    else:
        _softmax_backward_rows(pool, g.ravel(), y.ravel(), rows, out.ravel())
    return out


def softmax(x: Array, axis: int) -> Array:
    """``exp(x) / sum(exp(x))`` along `axis`, in ``[0, x.ndim)``.

    `x` has a floating dtype. A slice that holds NaN or inf, or only -inf, becomes NaN.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.array([[0.0, 0.0], [0.0, np.log(3.0)]]), 1)
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    return _forward(x, axis, logarithm=False)


def log_softmax(x: Array, axis: int) -> Array:
    """``log(softmax(x))`` along `axis`, in ``[0, x.ndim)``, without underflow.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.array([0.0, -1000.0]), 0)
    array([    0., -1000.])
    """
    return _forward(x, axis, logarithm=True)


def softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient for the input of softmax: ``y * (g - sum(g * y))``, `y` being its output.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_backward(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 0)
    array([ 0.25, -0.25])
    """
    return _backward(g, y, axis, logarithm=False)


def log_softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient for the input of log-softmax: ``g - exp(y) * sum(g)``, `y` being its output.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax_backward(np.array([1.0, 0.0]), np.log([0.5, 0.5]), 0)
    array([ 0.5, -0.5])
    """
    return _backward(g, y, axis, logarithm=True)


def logsumexp(x: Array, axes: Axes, keepdim: bool = False) -> Array:
    """``log(sum(exp(x)))`` over `axes`, without overflow; -inf where nothing is summed.

    Parameters
    ----------
    x : ndarray
        A floating dtype; any shape and layout.
    axes : tuple of int
        Axes in ``[0, x.ndim)``, ascending. None of them (``()``) copies `x`.
    keepdim : bool
        Keep the reduced axes with length 1.

    Examples
    --------
    >>> import numpy as np
    >>> logsumexp(np.log([[1.0, 3.0]]), (1,)).round(6)
    array([1.386294])
    """
    if x.dtype not in (np.float32, np.float64):
        return logsumexp(x.astype(np.float32), axes, keepdim).astype(x.dtype)
    if not axes:
        return x.copy()
    shape = reduced_shape(x.shape, axes, keepdim)
    if x.size == 0:
        return np.full(shape, -np.inf, x.dtype)
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.transpose(*kept, *axes).ravel()  # copies unless the axes are the last ones
    out = np.empty(shape, x.dtype)
    _logsumexp_rows(_pool(x), rows, x.size // out.size, out.ravel())
    return out
