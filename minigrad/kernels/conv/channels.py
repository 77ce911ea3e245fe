"""The bias of a convolution: added to each channel, and its gradient, the sum over each channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels.rows import row_sum
from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_address

__all__ = ["add_bias", "sum_channels"]

Array = np.ndarray[Any, Any]


@jit
def _add_to_planes(y, bias, size, b0, b1):
    for b in range(b0, b1):
        shift = bias[b % bias.size]
        plane = y[b * size : (b + 1) * size]
        for i in range(plane.size):
            plane[i] += shift


@jit
def _add_bias(pool, y, bias, size, planes):
    parallel_for(pool, _add_to_planes, (y, bias, size), planes)


def add_bias(y: Array, bias: Array) -> None:
    """Add ``bias[c]`` to channel `c` of (N, C, ...), in place.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.zeros((1, 2, 3))
    >>> add_bias(y, np.array([1.0, 2.0]))
    >>> y
    array([[[1., 1., 1.],
            [2., 2., 2.]]])
    """
    size = math.prod(y.shape[2:])
    pool = pool_address() if y.size >= PARALLEL_CHEAP else 0
    _add_bias(pool, y.reshape(-1), bias, size, y.shape[0] * y.shape[1])


@jit
def _sum_each_channel(g, size, out, b0, b1):
    images = g.size // (size * out.size)
    for c in range(b0, b1):
        total = 0.0
        for i in range(images):
            start = (i * out.size + c) * size
            total += row_sum(g[start : start + size])
        out[c] = total


@jit
def _sum_channels(pool, g, size, out):
    parallel_for(pool, _sum_each_channel, (g, size, out), out.size)


def sum_channels(g: Array) -> Array:
    """The sum over each channel of (N, C, ...).

    Examples
    --------
    >>> import numpy as np
    >>> sum_channels(np.ones((2, 3, 4)))
    array([8., 8., 8.])
    """
    if g.dtype.char not in "fd" or g.size == 0:
        return np.asarray(g.sum((0, *range(2, g.ndim)), g.dtype))
    out = np.empty(g.shape[1], g.dtype)
    pool = pool_address() if g.size >= PARALLEL_CHEAP else 0
    flat = np.ascontiguousarray(g).reshape(-1)
    _sum_channels(pool, flat, math.prod(g.shape[2:]), out)
    return out
