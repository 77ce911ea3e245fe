"""Pooling by numpy alone, offset by offset: for integers, and where nothing can be compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.conv.geometry import offsets_met
from minigrad.kernels.pool.windows import Windows

__all__ = ["max_backward", "max_forward", "spread", "window_sums"]

Array = np.ndarray[Any, Any]


def max_forward(x: Array, windows: Windows, y: Array, place: Array) -> None:
    """The maximum of each window of (M, D, H, W), and its place in the window."""
    found = np.zeros(y.shape, bool)
    for number, inputs, outputs in offsets_met(*windows):
        values, best = x[inputs], y[outputs]
        better = (values > best) | (values != values) | ~found[outputs]
        np.copyto(best, values, where=better)
        np.copyto(place[outputs], number, where=better, casting="unsafe")
        found[outputs] = True


def max_backward(g: Array, place: Array, windows: Windows, dx: Array) -> None:
    """`g` at the places of the maxima."""
    dx[...] = 0
    for number, inputs, outputs in offsets_met(*windows):
        dx[inputs] += np.where(place[outputs] == number, g[outputs], 0)


def window_sums(x: Array, windows: Windows, counts: Array, y: Array) -> None:
    """The sum of each window, divided by its count."""
    y[...] = 0
    for _, inputs, outputs in offsets_met(*windows):
        y[outputs] += x[inputs]
    y /= counts


def spread(g: Array, windows: Windows, shares: Array, dx: Array) -> None:
    """Each element, times its share, added to all of its window."""
    dx[...] = 0
    flow = g * shares
    for _, inputs, outputs in offsets_met(*windows):
        dx[inputs] += flow[outputs]
