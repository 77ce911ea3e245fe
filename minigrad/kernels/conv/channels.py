"""The gradient of the bias of a convolution: the sum over each channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels.rows import row_sum
from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_for

__all__ = ["sum_channels"]

Array = np.ndarray[Any, Any]


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
    """The sum over each channel of (N, C, ...), float32 or float64 and not empty.

    Examples
    --------
    >>> import numpy as np
    >>> sum_channels(np.ones((2, 3, 4)))
    array([8., 8., 8.])
    """
    out = np.empty(g.shape[1], g.dtype)
    pool = pool_for(g.size, PARALLEL_CHEAP)
    flat = np.ascontiguousarray(g).reshape(-1)
    _sum_channels(pool, flat, math.prod(g.shape[2:]), out)
    return out
