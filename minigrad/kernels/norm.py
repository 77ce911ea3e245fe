"""Layer, batch and group normalization: forward and backward.

All three subtract a mean and divide by a standard deviation, then scale and shift::

    y = (x - mean) * rstd * weight + bias        rstd = 1 / sqrt(var + eps)

and differ in what a mean is taken over. With ``xhat = (x - mean) * rstd``, ``gw = g * weight`` and
averages over the same set of `n` values, the derivatives are::

    dx = rstd * (gw - mean(gw) - xhat * mean(gw * xhat))
    dweight = sum(g * xhat)    dbias = sum(g)        over everything that shares the weight

(Ioffe and Szegedy, "Batch Normalization", 2015; Ba et al., "Layer Normalization", 2016; Wu and
He, "Group Normalization", 2018.) Variances are the biased ones, computed in two passes.

Arrays are float32 or float64; other dtypes are computed in float32. Work is cut by shape alone, so
the bits do not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.batch_norm import (
    BatchNormalized,
    Normalized,
    batch_norm,
    batch_norm_backward,
    batch_norm_eval,
    combine_gradients,
    flat,
    row_sum_and_dot,
    rows_per_unit,
    shift_and_scale,
    vector,
)
from minigrad.kernels.reduce_loops import column_sums
from minigrad.kernels.rows import row_moments, squares_block, sum_block
from minigrad.kernels.run.jit import BLOCK, PARALLEL_MATH, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import smaller

__all__ = [
    "BatchNormalized", "Normalized", "batch_norm", "batch_norm_backward", "batch_norm_eval",
    "group_norm", "group_norm_backward", "layer_norm", "layer_norm_backward",
]  # fmt: skip

Array = NDArray[Any]


# --- Rows: layer normalization ------------------------------------------------------------------


@jit
def _mean_and_rstd(row, eps):
    """Statistics of one row, in its dtype."""
    kind = row.dtype.type
    if row.size > BLOCK:
        center, squares = row_moments(row)
        mean = kind(center)
    else:
        mean = kind(sum_block(row)) / kind(row.size)
        squares = np.float64(squares_block(row, mean))
    return mean, kind(1.0 / np.sqrt(squares / row.size + eps))


@jit
def _layer_norm_each_row(x, cols, weight, bias, eps, out, means, rstds, b0, b1):
    for r in range(b0, b1):
        row, target = x[r * cols : (r + 1) * cols], out[r * cols : (r + 1) * cols]
        mean, rstd = _mean_and_rstd(row, eps)
        means[r], rstds[r] = mean, rstd
        for i in range(target.size):
            target[i] = (row[i] - mean) * rstd * weight[i] + bias[i]


@jit
def _layer_norm(pool, x, cols, weight, bias, eps, out, means, rstds):
    arguments = (x, cols, weight, bias, eps, out, means, rstds)
    parallel_for(pool, _layer_norm_each_row, arguments, means.size)


@jit_sum
def _projections(g, x, weight, mean, rstd):
    """``sum(g * weight)`` and ``sum(g * weight * xhat)`` of a row."""
    plain, along = x.dtype.type(0), x.dtype.type(0)
    for i in range(x.size):
        gw = g[i] * weight[i]
        plain += gw
        along += gw * ((x[i] - mean) * rstd)
    return plain, along


@jit
def _layer_norm_backward_row(g, x, weight, mean, rstd, out, dweight, dbias):
    count = x.dtype.type(out.size)
    plain, along = _projections(g, x, weight, mean, rstd)
    plain, along = plain / count, along / count
    for i in range(out.size):
        xhat = (x[i] - mean) * rstd
        out[i] = rstd * (g[i] * weight[i] - plain - xhat * along)
        dweight[i] += g[i] * xhat
        dbias[i] += g[i]


@jit
def _layer_norm_backward_units(g, x, cols, weight, means, rstds, rows_per_unit, out, parts, b0, b1):
    """Units of rows; row `b` of `parts` collects ``dweight`` and ``dbias`` of unit `b`."""
    for unit in range(b0, b1):
        dweight = parts[2 * unit * cols : (2 * unit + 1) * cols]
        dbias = parts[(2 * unit + 1) * cols : (2 * unit + 2) * cols]
        for i in range(cols):
            dweight[i] = 0
            dbias[i] = 0
        for r in range(unit * rows_per_unit, smaller((unit + 1) * rows_per_unit, means.size)):
            here = slice(r * cols, (r + 1) * cols)
            _layer_norm_backward_row(
                g[here], x[here], weight, means[r], rstds[r], out[here], dweight, dbias
            )


@jit
def _layer_norm_backward(pool, g, x, cols, weight, means, rstds, out, sums):
    """`sums` receives ``dweight`` and ``dbias``, one after the other."""
    count = rows_per_unit(cols)
    units = (means.size + count - 1) // count
    parts = np.empty(units * 2 * cols, x.dtype)
    arguments = (g, x, cols, weight, means, rstds, count, out, parts)
    parallel_for(pool, _layer_norm_backward_units, arguments, units)
    column_sums(pool, parts, units, 2 * cols, 1.0, sums)


# --- Groups of channels -------------------------------------------------------------------------


@jit
def _group_norm_each_group(x, size, per_group, weight, bias, eps, out, means, rstds, b0, b1):
    """Row `b` is one group of one sample: `per_group` channels of `size` values."""
    length = per_group * size
    for group in range(b0, b1):
        mean, rstd = _mean_and_rstd(x[group * length : (group + 1) * length], eps)
        means[group], rstds[group] = mean, rstd
        for k in range(per_group):
            start = group * length + k * size
            c = (group * per_group + k) % weight.size
            stop = start + size
            shift_and_scale(x[start:stop], mean, rstd * weight[c], bias[c], out[start:stop])


@jit
def _group_norm(pool, x, size, per_group, weight, bias, eps, out, means, rstds):
    arguments = (x, size, per_group, weight, bias, eps, out, means, rstds)
    parallel_for(pool, _group_norm_each_group, arguments, means.size)


@jit
def _group_norm_backward_each_group(
    g, x, size, per_group, weight, means, rstds, out, parts, b0, b1
):
    """`parts` receives ``sum(g * xhat)`` and ``sum(g)`` of each channel of each sample."""
    kind, channels = x.dtype.type, weight.size
    count = per_group * size
    for group in range(b0, b1):
        mean, rstd, plain, along = means[group], rstds[group], 0.0, 0.0
        sample = group * per_group // channels
        first = group * per_group % channels
        for k in range(per_group):
            here = slice(group * count + k * size, group * count + (k + 1) * size)
            a, b = row_sum_and_dot(g[here], x[here], mean)
            parts[2 * sample * channels + first + k] = b * rstd
            parts[(2 * sample + 1) * channels + first + k] = a
            plain += a * weight[first + k]
            along += b * weight[first + k]
        slope = kind(along / count * rstd * rstd * rstd)
        shift = kind(plain / count * rstd)
        for k in range(per_group):
            here = slice(group * count + k * size, group * count + (k + 1) * size)
            scale = rstd * weight[first + k]
            combine_gradients(g[here], x[here], mean, scale, slope, shift, out[here])


@jit
def _group_norm_backward(pool, g, x, size, per_group, weight, means, rstds, out, sums):
    """`sums` receives ``dweight`` and ``dbias``, one after the other."""
    samples = means.size * per_group // weight.size
    parts = np.empty(samples * sums.size, x.dtype)
    arguments = (g, x, size, per_group, weight, means, rstds, out, parts)
    parallel_for(pool, _group_norm_backward_each_group, arguments, means.size)
    column_sums(pool, parts, samples, sums.size, 1.0, sums)


# --- Arrays of any layout -----------------------------------------------------------------------


def layer_norm(
    x: Array, dims: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Normalized:
    """Normalize over the last `dims` axes.

    Parameters
    ----------
    x : ndarray, not empty
    dims : int
        At least 1.
    weight, bias : ndarray, optional
        Of the shape of the last `dims` axes of `x`.
    eps : float

    Returns
    -------
    Normalized
        `y` like `x`; `mean` and `rstd` with one entry for each normalized row, flat.

    Examples
    --------
    >>> import numpy as np
    >>> layer_norm(np.array([[1.0, 3.0]]), 1, eps=0.0)
    Normalized(y=array([[-1.,  1.]]), mean=array([2.]), rstd=array([1.]))
    """
    cols = math.prod(x.shape[x.ndim - dims :])
    values = flat(x)
    out, dtype = np.empty(x.shape, values.dtype), values.dtype
    means, rstds = np.empty(x.size // cols, dtype), np.empty(x.size // cols, dtype)
    scale, shift = vector(weight, cols, 1, dtype), vector(bias, cols, 0, dtype)
    _layer_norm(
        pool_for(x.size, PARALLEL_MATH), values, cols, scale, shift, eps, out.ravel(), means, rstds
    )
    return Normalized(out.astype(x.dtype, copy=False), means, rstds)


def layer_norm_backward(
    g: Array, x: Array, mean: Array, rstd: Array, dims: int, weight: Array | None = None
) -> tuple[Array, Array, Array]:
    """Gradients ``(dx, dweight, dbias)`` of :func:`layer_norm`, whose `mean` and `rstd` it takes.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0]])
    >>> _, mean, rstd = layer_norm(x, 1, eps=0.0)
    >>> layer_norm_backward(np.array([[1.0, 2.0]]), x, mean, rstd, 1)
    (array([[0., 0.]]), array([-1.,  2.]), array([1., 2.]))
    """
    shape = x.shape[x.ndim - dims :]
    cols = math.prod(shape)
    values = flat(x)
    out, sums = np.empty(x.shape, values.dtype), np.empty(2 * cols, values.dtype)
    scale = vector(weight, cols, 1, values.dtype)
    _layer_norm_backward(
        pool_for(x.size, PARALLEL_MATH), flat(g), values, cols, scale, mean, rstd, out.ravel(), sums
    )
    sums = sums.astype(x.dtype, copy=False)
    return (
        out.astype(x.dtype, copy=False),
        sums[:cols].reshape(shape),
        sums[cols:].reshape(shape),
    )


def group_norm(
    x: Array,
    groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Normalized:
    """Normalize groups of channels of each sample; ``groups == C`` is instance normalization.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...), not empty
    groups : int
        Divides C.
    weight, bias : ndarray, shape (C,), optional
    eps : float

    Returns
    -------
    Normalized
        `y` like `x`; `mean` and `rstd` of shape (N * groups,).

    Examples
    --------
    >>> import numpy as np
    >>> group_norm(np.array([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0).y
    array([[-1.,  1., -1.,  1.]])
    """
    channels, size = x.shape[1], math.prod(x.shape[2:])
    values = flat(x)
    out, dtype = np.empty(x.shape, values.dtype), values.dtype
    mean, rstd = np.empty(len(x) * groups, dtype), np.empty(len(x) * groups, dtype)
    scale, shift = vector(weight, channels, 1, dtype), vector(bias, channels, 0, dtype)
    per_group = channels // groups
    _group_norm(
        pool_for(x.size, PARALLEL_MATH),
        values,
        size,
        per_group,
        scale,
        shift,
        eps,
        out.ravel(),
        mean,
        rstd,
    )
    return Normalized(out.astype(x.dtype, copy=False), mean, rstd)


def group_norm_backward(
    g: Array, x: Array, mean: Array, rstd: Array, groups: int, weight: Array | None = None
) -> tuple[Array, Array, Array]:
    """Gradients ``(dx, dweight, dbias)`` of :func:`group_norm`, whose `mean` and `rstd` it takes.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 3.0]])
    >>> _, mean, rstd = group_norm(x, 1, eps=0.0)
    >>> group_norm_backward(np.array([[1.0, 2.0]]), x, mean, rstd, 1)
    (array([[0., 0.]]), array([-1.,  2.]), array([1., 2.]))
    """
    channels, size = x.shape[1], math.prod(x.shape[2:])
    values = flat(x)
    out, sums = np.empty(x.shape, values.dtype), np.empty(2 * channels, values.dtype)
    scale = vector(weight, channels, 1, values.dtype)
    shape = (size, channels // groups)
    _group_norm_backward(
        pool_for(x.size, PARALLEL_MATH),
        flat(g),
        values,
        *shape,
        scale,
        mean,
        rstd,
        out.ravel(),
        sums,
    )
    return out.astype(x.dtype, copy=False), sums[:channels], sums[channels:]
