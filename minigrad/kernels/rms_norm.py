"""Normalization by the root of the mean square: forward and backward.

    y = x * rstd * weight        rstd = 1 / sqrt(mean(x * x) + eps)

over rows. With ``gw = g * weight`` and ``xhat = x * rstd`` the derivatives are

    dx = rstd * (gw - xhat * mean(gw * xhat))        dweight = sum(g * xhat) over the rows

(Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.) Work is cut by shape alone, so
the bits do not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.batch_norm import flat, rows_per_unit
from minigrad.kernels.reduce_loops import column_sums
from minigrad.kernels.rows import squares_block
from minigrad.kernels.run.jit import BLOCK, PARALLEL_MATH, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import smaller

__all__ = ["rms_norm", "rms_norm_backward"]

Array = NDArray[Any]


@jit
def _each_row(x, cols, weight, eps, out, rstds, b0, b1):
    kind = x.dtype.type
    for r in range(b0, b1):
        row, target = x[r * cols : (r + 1) * cols], out[r * cols : (r + 1) * cols]
        squares = 0.0
        for start in range(0, cols, BLOCK):
            squares += np.float64(squares_block(row[start : start + BLOCK], kind(0)))
        rstd = kind(1.0 / math.sqrt(squares / cols + eps))
        rstds[r] = rstd
        for i in range(target.size):
            target[i] = row[i] * rstd * weight[i]


@jit
def _rows(pool, x, cols, weight, eps, out, rstds):
    parallel_for(pool, _each_row, (x, cols, weight, eps, out, rstds), rstds.size)


@jit_sum
def _projection(g, x, weight):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += g[i] * weight[i] * x[i]
    return total


@jit
def _backward_row(g, x, weight, rstd, out, dweight):
    along = _projection(g, x, weight) * rstd / x.dtype.type(out.size)
    for i in range(out.size):
        xhat = x[i] * rstd
        out[i] = rstd * (g[i] * weight[i] - xhat * along)
        dweight[i] += g[i] * xhat


@jit
def _backward_units(g, x, cols, weight, rstds, rows_each, out, parts, b0, b1):
    """Units of rows; row `b` of `parts` collects ``dweight`` of unit `b`."""
    for unit in range(b0, b1):
        dweight = parts[unit * cols : (unit + 1) * cols]
        for i in range(dweight.size):
            dweight[i] = 0
        for r in range(unit * rows_each, smaller((unit + 1) * rows_each, rstds.size)):
            here = slice(r * cols, (r + 1) * cols)
            _backward_row(g[here], x[here], weight, rstds[r], out[here], dweight)


@jit
def _backward(pool, g, x, cols, weight, rstds, out, dweight):
    rows_each = rows_per_unit(cols)
    units = (rstds.size + rows_each - 1) // rows_each
    parts = np.empty(units * cols, x.dtype)
    parallel_for(pool, _backward_units, (g, x, cols, weight, rstds, rows_each, out, parts), units)
    column_sums(pool, parts, units, cols, 1.0, dweight)


def rms_norm(x: Array, weight: Array, eps: float) -> tuple[Array, Array]:
    """Normalize over the last axes, as many as `weight` has; also ``rstd`` of each row, flat.

    Parameters
    ----------
    x : ndarray, not empty
    weight : ndarray
        Of the shape of the last axes of `x`.
    eps : float

    Examples
    --------
    >>> import numpy as np
    >>> rms_norm(np.array([[3.0, 4.0]]), np.ones(2), 0.0)[0].round(4)
    array([[0.8485, 1.1314]])
    """
    values = flat(x)
    out, rstds = np.empty(x.shape, values.dtype), np.empty(x.size // weight.size, values.dtype)
    _rows(
        pool_for(x.size, PARALLEL_MATH),
        values,
        weight.size,
        _like(weight, values),
        eps,
        out.reshape(-1),
        rstds,
    )
    return out.astype(x.dtype, copy=False), rstds


def rms_norm_backward(g: Array, x: Array, weight: Array, rstds: Array) -> tuple[Array, Array]:
    """Gradients ``(dx, dweight)`` of :func:`rms_norm`, whose `rstds` it takes.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[1.0, -1.0]]), np.ones(2)
    >>> _, rstds = rms_norm(x, w, 0.0)
    >>> rms_norm_backward(np.array([[1.0, 2.0]]), x, w, rstds)
    (array([[1.5, 1.5]]), array([ 1., -2.]))
    """
    values = flat(x)
    out, dweight = np.empty(x.shape, values.dtype), np.empty(weight.size, values.dtype)
    scale = _like(weight, values)
    _backward(
        pool_for(x.size, PARALLEL_MATH),
        flat(g),
        values,
        weight.size,
        scale,
        rstds,
        out.reshape(-1),
        dweight,
    )
    dweight = dweight.astype(x.dtype, copy=False)
    return out.astype(x.dtype, copy=False), dweight.reshape(weight.shape)


def _like(weight: Array, values: Array) -> Array:
    return np.ascontiguousarray(weight, values.dtype).reshape(-1)
