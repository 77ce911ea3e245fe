"""Where windows lie that slide over 1 to 3 dimensions, and what they meet there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Sizes",
    "Windows",
    "clamped",
    "counts",
    "flat_places",
    "meetings",
    "row_meetings",
]

Array = np.ndarray[Any, Any]
Sizes = tuple[int, ...]


class Windows(NamedTuple):
    """Where windows lie, per dimension: 3 numbers each.

    Output `o` and offset `k` meet at input ``o * stride - padding + k * dilation``.
    """

    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    size: Sizes
    out: Sizes


@lru_cache(maxsize=256)
def clamped(windows: Windows) -> Windows:
    """The same windows without the offsets that meet nothing, at either end, and without a stride
    where there is but one window.

    Examples
    --------
    >>> whole = Windows((1, 1, 99), (1, 1, 1), (0, 0, 49), (1, 1, 1), (1, 1, 3), (1, 1, 3))
    >>> clamped(whole).kernel, clamped(whole).padding
    ((1, 1, 5), (0, 0, 2))
    """
    kernel, stride, padding = [], [], []
    for k, s, p, d, n, o in zip(*windows, strict=True):
        # the last window meets the first elements by the least offset, the first window the last
        # elements by the largest
        first = max(0, -(-(p - (o - 1) * s) // d))
        last = min(k, (n - 1 + p) // d + 1)
        kernel.append(last - first)
        stride.append(s if o > 1 else 1)
        padding.append(p - first * d)
    return windows._replace(kernel=tuple(kernel), stride=tuple(stride), padding=tuple(padding))


@lru_cache(maxsize=256)
def counts(windows: Windows, include_pad: bool, divisor: int | None) -> tuple[Array, Array, Array]:
    """What sums are divided by to be means: the product of a number for each dimension."""
    if divisor is not None:
        first, *rest = [np.ones(n) for n in windows.out]
        return first * divisor, rest[0], rest[1]
    numbers = []
    for k, s, p, _, size, out in zip(*windows, strict=True):
        start = np.arange(out) * s - p
        end = np.minimum(start + k, size + p)
        if not include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, size)
        numbers.append((end - start).astype(np.float64))
    return numbers[0], numbers[1], numbers[2]


def flat_places(windows: Windows) -> tuple[Array, Array]:
    """Where in the plane the first element of each window lies (even if outside), and how far from
    it the others are.
    """
    k, s, p, d, size, out = windows
    offsets, origins = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for axis in range(3):
        reached, begun = np.arange(k[axis]) * d[axis], np.arange(out[axis]) * s[axis] - p[axis]
        offsets = (offsets[:, None] * size[axis] + reached).reshape(-1)
        origins = (origins[:, None] * size[axis] + begun).reshape(-1)
    return origins, offsets


def meetings(axis: int, windows: Windows) -> tuple[Array, Array, Array]:
    """All triples (output, offset, input) that meet, in ascending order.

    Examples
    --------
    >>> pairs = Windows((1, 1, 3), (1, 1, 2), (0, 0, 1), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> meetings(2, pairs)
    (array([0, 0, 1, 1, 1]), array([1, 2, 0, 1, 2]), array([0, 1, 1, 2, 3]))
    """
    k, s, p, d, n, o = [numbers[axis] for numbers in windows]
    at = np.arange(o)[:, None] * s - p + np.arange(k) * d
    outputs, offsets = np.nonzero((at >= 0) & (at < n))
    return outputs, offsets, at[outputs, offsets]


def row_meetings(windows: Windows) -> tuple[Array, Array, Array]:
    """:func:`meetings` of depth and height together, counted by rows along the width.

    The offset is that of the window's row, times the width of the window.
    """
    depths, heights = meetings(0, windows), meetings(1, windows)
    rows = windows.out[1], windows.kernel[1], windows.size[1]
    outputs, offsets, inputs = [
        (a[:, None] * n + b).reshape(-1) for a, b, n in zip(depths, heights, rows, strict=True)
    ]
    return outputs, offsets * windows.kernel[2], inputs
