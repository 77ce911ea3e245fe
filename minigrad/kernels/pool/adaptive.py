"""Where the maxima of boxes are that differ from output to output."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for, pool_for

__all__ = ["find"]

Array = np.ndarray[Any, Any]


@jit
def _find_planes(x, size, starts, stops, index, b0, b1):
    """The places of the maxima in boxes ``starts[axis][o] <= i < stops[axis][o]``."""
    plane = size[0] * size[1] * size[2]
    outs = starts[0].size * starts[1].size * starts[2].size
    for m in range(b0, b1):
        values, t = x[m * plane : (m + 1) * plane], m * outs
        for d in range(starts[0].size):
            for h in range(starts[1].size):
                for w in range(starts[2].size):
                    at = (starts[0][d] * size[1] + starts[1][h]) * size[2] + starts[2][w]
                    best = values[at]
                    for i in range(starts[0][d], stops[0][d]):
                        for j in range(starts[1][h], stops[1][h]):
                            for k in range(starts[2][w], stops[2][w]):
                                here = (i * size[1] + j) * size[2] + k
                                v = values[here]
                                if v > best or v != v:
                                    best, at = v, here
                    index[t] = at
                    t += 1


@jit
def _find(pool, x, size, starts, stops, index):
    outs = starts[0].size * starts[1].size * starts[2].size
    parallel_for(pool, _find_planes, (x, size, starts, stops, index), index.size // outs)


def find(
    x: Array, size: tuple[int, ...], starts: tuple[Array, ...], stops: tuple[Array, ...],
    index: Array,
) -> None:  # fmt: skip
    """Write to `index`; all arrays flat, three axes."""
    pool = pool_for(x.size, costs.POOLED)
    _find(pool, x, size, starts, stops, index)
