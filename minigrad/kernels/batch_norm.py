"""Batch normalization of ``(N, C)`` and ``(N, C, ...)``: forward and backward.

See :mod:`minigrad.kernels.norm` for the formulas; its other normalizations share the helpers here.
With positions (images), work is shared out by channel; without them, by rows, so that memory is
read in order.

Small ``(N, C)`` have kernels of their own, one plain function each. They are as quick as the
others, which are made to be shared between threads, and compile in 0.2 s instead of 2 s, which the
first training step of a program has to wait for.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.reduce_loops import column_sums
from minigrad.kernels.rows import row_sum, squares_block
from minigrad.kernels.run.jit import BLOCK, PARALLEL_MATH, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import larger, smaller

__all__ = ["BatchNormalized", "Normalized", "batch_norm", "batch_norm_backward", "batch_norm_eval"]

Array = NDArray[Any]


class Normalized(NamedTuple):
    """Result of a normalization, and the statistics that its backward pass needs."""

    y: Array
    mean: Array
    rstd: Array


class BatchNormalized(NamedTuple):
    """As :class:`Normalized`, with the biased variance of the batch for the running average."""

    y: Array
    mean: Array
    rstd: Array
    var: Array


def flat(x: Array) -> Array:
    """Contiguous, one axis, float32 or float64."""
    return x.ravel() if x.dtype.num in (11, 12) else x.astype(np.float32).ravel()


def vector(x: Array | None, size: int, default: float, dtype: np.dtype[Any]) -> Array:
    """A weight or bias as a contiguous vector; constant where there is none."""
    return np.full(size, default, dtype) if x is None else np.ascontiguousarray(x, dtype).ravel()


@jit
def rows_per_unit(cols):
    """Rows whose sums are collected in their own dtype: not too many, for accuracy."""
    return larger(4, smaller(64, 32_768 // cols))


# --- Channels: batch normalization of (N, C, S) -------------------------------------------------


@jit
def _row_squares(x, center):
    total = 0.0
    for start in range(0, x.size, BLOCK):
        total += np.float64(squares_block(x[start : start + BLOCK], center))
    return total


@jit
def shift_and_scale(x, mean, scale, bias, out):
    for i in range(out.size):
        out[i] = (x[i] - mean) * scale + bias


@jit
def _batch_norm_each_channel(x, size, weight, bias, eps, out, means, rstds, variances, b0, b1):
    kind, channels = x.dtype.type, means.size
    count = x.size // channels
    for c in range(b0, b1):
        total, squares = 0.0, 0.0
        for start in range(c * size, x.size, channels * size):
            total += row_sum(x[start : start + size])
        mean = kind(total / count)
        for start in range(c * size, x.size, channels * size):
            squares += _row_squares(x[start : start + size], mean)
        rstd = kind(1.0 / np.sqrt(squares / count + eps))
        means[c], variances[c], rstds[c] = mean, squares / count, rstd
        for start in range(c * size, x.size, channels * size):
            stop = start + size
            shift_and_scale(x[start:stop], mean, rstd * weight[c], bias[c], out[start:stop])


@jit
def _batch_norm_channels(pool, x, size, weight, bias, eps, out, means, rstds, variances):
    arguments = (x, size, weight, bias, eps, out, means, rstds, variances)
    parallel_for(pool, _batch_norm_each_channel, arguments, means.size)


@jit_sum
def _sum_and_dot(g, x, mean):
    """``sum(g)`` and ``sum(g * (x - mean))`` of at most `BLOCK` values."""
    plain, along = x.dtype.type(0), x.dtype.type(0)
    for i in range(x.size):
        plain += g[i]
        along += g[i] * (x[i] - mean)
    return plain, along


@jit
def row_sum_and_dot(g, x, mean):
    """As :func:`_sum_and_dot` for any length, float64."""
    plain, along = 0.0, 0.0
    for start in range(0, x.size, BLOCK):
        a, b = _sum_and_dot(g[start : start + BLOCK], x[start : start + BLOCK], mean)
        plain += np.float64(a)
        along += np.float64(b)
    return plain, along


@jit
def combine_gradients(g, x, mean, scale, slope, shift, out):
    """``out = scale * g - slope * (x - mean) - shift``."""
    for i in range(out.size):
        out[i] = scale * g[i] - slope * (x[i] - mean) - shift


@jit
def _batch_norm_backward_each_channel(
    g, x, size, weight, means, rstds, training, out, dweight, dbias, b0, b1
):
    kind, channels = x.dtype.type, means.size
    count = x.size // channels
    for c in range(b0, b1):
        mean, rstd, plain, along = means[c], rstds[c], 0.0, 0.0
        for start in range(c * size, x.size, channels * size):
            a, b = row_sum_and_dot(g[start : start + size], x[start : start + size], mean)
            plain += a
            along += b
        dbias[c], dweight[c] = plain, along * rstd
        scale, slope, shift = weight[c] * rstd, kind(0), kind(0)
        if training:
            slope = kind(scale * along / count * rstd * rstd)
            shift = kind(scale * plain / count)
        for start in range(c * size, x.size, channels * size):
            here = slice(start, start + size)
            combine_gradients(g[here], x[here], mean, scale, slope, shift, out[here])


@jit
def _batch_norm_backward_channels(
    pool, g, x, size, weight, means, rstds, training, out, dweight, dbias
):
    arguments = (g, x, size, weight, means, rstds, training, out, dweight, dbias)
    parallel_for(pool, _batch_norm_backward_each_channel, arguments, means.size)


@jit
def _affine_each_row(x, size, means, scales, bias, out, b0, b1):
    for r in range(b0, b1):
        c, here = r % means.size, slice(r * size, (r + 1) * size)
        shift_and_scale(x[here], means[c], scales[c], bias[c], out[here])


@jit
def _affine_channels(pool, x, size, means, scales, bias, out):
    """``(x - mean) * scale + bias`` for ``(N, C, size)``."""
    parallel_for(pool, _affine_each_row, (x, size, means, scales, bias, out), x.size // size)


# --- Columns: batch normalization of (N, C) -----------------------------------------------------


@jit
def _moment_units(x, cols, rows, parts, b0, b1):
    """Row `b` of `parts`: means of the columns in unit `b`, then their squared deviations.

    The `rows` rows of a unit are read twice, the second time from the cache.
    """
    for unit in range(b0, b1):
        means = parts[2 * unit * cols : (2 * unit + 1) * cols]
        squares = parts[(2 * unit + 1) * cols : (2 * unit + 2) * cols]
        first, stop = unit * rows * cols, smaller((unit + 1) * rows * cols, x.size)
        for i in range(means.size):
            means[i] = 0
            squares[i] = 0
        for start in range(first, stop, cols):
            row = x[start : start + cols]
            for i in range(means.size):
                means[i] += row[i]
        count = x.dtype.type((stop - first) // cols)
        for i in range(means.size):
            means[i] /= count
        for start in range(first, stop, cols):
            row = x[start : start + cols]
            for i in range(squares.size):
                squares[i] += (row[i] - means[i]) * (row[i] - means[i])


@jit
def _join_moments(parts, rows, count, means, variances):
    """Mean and variance of all `count` rows from those of units of `rows` rows, in float64."""
    cols = means.size
    units = parts.size // (2 * cols)
    mean, squares = np.zeros(cols, np.float64), np.zeros(cols, np.float64)
    for unit in range(units):
        weight = smaller(rows, count - unit * rows) / count
        part = parts[2 * unit * cols : (2 * unit + 1) * cols]
        for i in range(mean.size):
            mean[i] += weight * part[i]
    for unit in range(units):
        weight = np.float64(smaller(rows, count - unit * rows))
        part = parts[2 * unit * cols : (2 * unit + 1) * cols]
        square = parts[(2 * unit + 1) * cols : (2 * unit + 2) * cols]
        for i in range(squares.size):
            squares[i] += square[i] + weight * (part[i] - mean[i]) * (part[i] - mean[i])
    for i in range(mean.size):
        means[i], variances[i] = mean[i], squares[i] / count


@jit
def _affine_units(x, cols, rows, means, scales, bias, out, b0, b1):
    for start in range(b0 * rows * cols, smaller(b1 * rows * cols, x.size), cols):
        row, target = x[start : start + cols], out[start : start + cols]
        for i in range(target.size):
            target[i] = (row[i] - means[i]) * scales[i] + bias[i]


@jit
def _affine_columns(pool, x, weight, bias, means, rstds, out):
    """``(x - mean) * rstd * weight + bias`` for ``(R, C)``."""
    cols = means.size
    scales = np.empty(cols, x.dtype)
    for i in range(cols):
        scales[i] = rstds[i] * weight[i]
    rows = rows_per_unit(cols)
    units = (x.size // cols + rows - 1) // rows
    parallel_for(pool, _affine_units, (x, cols, rows, means, scales, bias, out), units)


@jit
def _batch_norm_columns(pool, x, weight, bias, eps, out, means, rstds, variances):
    cols = means.size
    count = x.size // cols
    rows = rows_per_unit(cols)
    units = (count + rows - 1) // rows
    parts = np.empty(units * 2 * cols, x.dtype)
    parallel_for(pool, _moment_units, (x, cols, rows, parts), units)
    _join_moments(parts, rows, count, means, variances)
    for i in range(cols):
        rstds[i] = 1.0 / np.sqrt(np.float64(variances[i]) + eps)
    _affine_columns(pool, x, weight, bias, means, rstds, out)


@jit
def _sum_and_dot_units(g, x, cols, rows, means, parts, b0, b1):
    """Row `b` of `parts`: ``sum(g)`` of each column in unit `b`, then ``sum(g * (x - mean))``."""
    for unit in range(b0, b1):
        plain = parts[2 * unit * cols : (2 * unit + 1) * cols]
        along = parts[(2 * unit + 1) * cols : (2 * unit + 2) * cols]
        for i in range(cols):
            plain[i] = 0
            along[i] = 0
        for start in range(unit * rows * cols, smaller((unit + 1) * rows * cols, x.size), cols):
            grad, row = g[start : start + cols], x[start : start + cols]
            for i in range(plain.size):
                plain[i] += grad[i]
                along[i] += grad[i] * (row[i] - means[i])


@jit
def _combine_units(g, x, cols, rows, means, scales, slopes, shifts, out, b0, b1):
    for start in range(b0 * rows * cols, smaller(b1 * rows * cols, x.size), cols):
        grad, row, target = g[start:], x[start:], out[start : start + cols]
        for i in range(target.size):
            target[i] = scales[i] * grad[i] - slopes[i] * (row[i] - means[i]) - shifts[i]


@jit
def _batch_norm_backward_columns(pool, g, x, weight, means, rstds, training, out, dweight, dbias):
    cols = means.size
    count = x.size // cols
    rows = rows_per_unit(cols)
    units = (count + rows - 1) // rows
    parts, sums = np.empty(units * 2 * cols, x.dtype), np.empty(2 * cols, x.dtype)
    parallel_for(pool, _sum_and_dot_units, (g, x, cols, rows, means, parts), units)
    column_sums(pool, parts, units, 2 * cols, 1.0, sums)
    scales, slopes = np.empty(cols, x.dtype), np.zeros(cols, x.dtype)
    shifts = np.zeros(cols, x.dtype)
    for i in range(cols):
        plain, along, rstd = sums[i], sums[cols + i], rstds[i]
        dbias[i], dweight[i] = plain, along * rstd
        scales[i] = weight[i] * rstd
        if training:
            slopes[i] = scales[i] * along / count * rstd * rstd
            shifts[i] = scales[i] * plain / count
    arguments = (g, x, cols, rows, means, scales, slopes, shifts, out)
    parallel_for(pool, _combine_units, arguments, units)


# --- Small (N, C), in the calling thread --------------------------------------------------------


@jit
def _batch_norm_small(x, weight, bias, eps, out, means, rstds, variances, sums):
    """`sums`: zeros, float64, ``(2, C)``."""
    rows, cols = x.shape
    for r in range(rows):
        for i in range(cols):
            sums[0, i] += x[r, i]
    for i in range(cols):
        means[i] = sums[0, i] / rows
    for r in range(rows):
        for i in range(cols):
            step = x[r, i] - means[i]
            sums[1, i] += step * step
    for i in range(cols):
        variances[i] = sums[1, i] / rows
        rstds[i] = 1.0 / np.sqrt(sums[1, i] / rows + eps)
    for r in range(rows):
        for i in range(cols):
            out[r, i] = (x[r, i] - means[i]) * (rstds[i] * weight[i]) + bias[i]


@jit
def _batch_norm_backward_small(g, x, weight, means, rstds, out, dweight, dbias, sums):
    """`sums`: zeros, float64, ``(2, C)``."""
    rows, cols = x.shape
    share = x.dtype.type(1.0 / rows)
    for r in range(rows):
        for i in range(cols):
            sums[0, i] += g[r, i]
            sums[1, i] += g[r, i] * (x[r, i] - means[i])
    for i in range(cols):
        dbias[i], dweight[i] = sums[0, i], sums[1, i] * rstds[i]
    for r in range(rows):
        for i in range(cols):
            common = dbias[i] + (x[r, i] - means[i]) * rstds[i] * dweight[i]
            out[r, i] = (g[r, i] - common * share) * (rstds[i] * weight[i])


# --- Arrays of any layout -----------------------------------------------------------------------


def batch_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> BatchNormalized:
    """Normalize each channel over the batch (training mode).

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...), not empty
    weight, bias : ndarray, shape (C,), optional
    eps : float

    Returns
    -------
    BatchNormalized
        `y` like `x`; `mean`, `rstd` and the biased `var` of shape (C,).

    Examples
    --------
    >>> import numpy as np
    >>> y, mean, rstd, var = batch_norm(np.array([[1.0], [3.0]]), eps=0.0)
    >>> y.ravel(), mean, var
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    channels, size = x.shape[1], math.prod(x.shape[2:])
    values = flat(x)
    out, dtype = np.empty(x.shape, values.dtype), values.dtype
    mean, rstd, var = (
        np.empty(channels, dtype),
        np.empty(channels, dtype),
        np.empty(channels, dtype),
    )
    scale, shift = vector(weight, channels, 1, dtype), vector(bias, channels, 0, dtype)
    if x.ndim == 2 and x.size < PARALLEL_MATH:
        table, sums = values.reshape(x.shape), np.zeros((2, channels))
        _batch_norm_small(table, scale, shift, eps, out, mean, rstd, var, sums)
        return BatchNormalized(out.astype(x.dtype, copy=False), mean, rstd, var)
    results = (out.ravel(), mean, rstd, var)
    if size == 1:
        _batch_norm_columns(pool_for(x.size, PARALLEL_MATH), values, scale, shift, eps, *results)
    else:
        _batch_norm_channels(
            pool_for(x.size, PARALLEL_MATH), values, size, scale, shift, eps, *results
        )
    return BatchNormalized(out.astype(x.dtype, copy=False), mean, rstd, var)


def batch_norm_eval(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Normalized:
    """Normalize each channel with the given mean and variance (evaluation mode).

    Examples
    --------
    >>> import numpy as np
    >>> batch_norm_eval(np.array([[5.0]]), np.array([1.0]), np.array([4.0]), eps=0.0).y
    array([[2.]])
    """
    channels, size = x.shape[1], math.prod(x.shape[2:])
    values = flat(x)
    out, dtype = np.empty(x.shape, values.dtype), values.dtype
    mean = np.ascontiguousarray(mean, dtype)
    rstd = (1.0 / np.sqrt(np.asarray(var, np.float64) + eps)).astype(dtype)
    scale, shift = vector(weight, channels, 1, dtype), vector(bias, channels, 0, dtype)
    if size == 1:
        _affine_columns(
            pool_for(x.size, PARALLEL_MATH), values, scale, shift, mean, rstd, out.ravel()
        )
    else:
        scale, target = scale * rstd, out.ravel()
        _affine_channels(pool_for(x.size, PARALLEL_MATH), values, size, mean, scale, shift, target)
    return Normalized(out.astype(x.dtype, copy=False), mean, rstd)


def batch_norm_backward(
    g: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None = None,
    training: bool = True,
) -> tuple[Array, Array, Array]:
    """Gradients ``(dx, dweight, dbias)`` of batch normalization.

    Parameters
    ----------
    g, x : ndarray, shape (N, C) or (N, C, ...)
        Gradient of the output, and the input.
    mean, rstd : ndarray, shape (C,)
        As the forward pass returned them.
    weight : ndarray, shape (C,), optional
    training : bool
        False if the forward pass was :func:`batch_norm_eval`: mean and variance are constants.

    Examples
    --------
    >>> import numpy as np
    >>> x, g = np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]])
    >>> _, mean, rstd, _ = batch_norm(x, eps=0.0)
    >>> dx, dweight, dbias = batch_norm_backward(g, x, mean, rstd)
    >>> dx.ravel(), dweight, dbias
    (array([0., 0.]), array([1.]), array([3.]))
    """
    channels, size = x.shape[1], math.prod(x.shape[2:])
    values = flat(x)
    out, dtype = np.empty(x.shape, values.dtype), values.dtype
    dweight, dbias = np.empty(channels, dtype), np.empty(channels, dtype)
    scale = vector(weight, channels, 1, dtype)
    if x.ndim == 2 and x.size < PARALLEL_MATH and training:
        grads, table = flat(g).reshape(x.shape), values.reshape(x.shape)
        sums = np.zeros((2, channels))
        _batch_norm_backward_small(grads, table, scale, mean, rstd, out, dweight, dbias, sums)
        return out.astype(x.dtype, copy=False), dweight, dbias
    statistics = (scale, mean, rstd, training, out.ravel(), dweight, dbias)
    if size == 1:
        _batch_norm_backward_columns(pool_for(x.size, PARALLEL_MATH), flat(g), values, *statistics)
    else:
        _batch_norm_backward_channels(
            pool_for(x.size, PARALLEL_MATH), flat(g), values, size, *statistics
        )
    return out.astype(x.dtype, copy=False), dweight, dbias
