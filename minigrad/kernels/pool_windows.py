"""Where windows lie that slide over 1 to 3 dimensions, and which rows they meet in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minigrad.kernels.run.jit import jit

__all__ = [
    "Sizes", "Windows", "next_row", "reached_rows", "reaching", "reaching_rows", "row_at",
]  # fmt: skip

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


@jit
def next_row(m, d, h, sizes):
    """The row after row `h` of slice `d` of plane `m`: cheaper than dividing the row's number."""
    if h + 1 < sizes[1]:
        return m, d, h + 1
    if d + 1 < sizes[0]:
        return m, d + 1, 0
    return m + 1, 0, 0


@jit
def row_at(r, sizes):
    """Plane, slice and place in the slice of row number `r`."""
    return r // (sizes[0] * sizes[1]), r // sizes[1] % sizes[0], r % sizes[1]


@jit
def reached_rows(m, d, h, windows, rows, offsets):
    """List where the input rows start that an output row reaches, and the number in the window of
    the first column there; return how many they are.
    """
    size, kernel, n = windows.size, windows.kernel, 0
    for kd in range(kernel[0]):
        i = d * windows.stride[0] - windows.padding[0] + kd * windows.dilation[0]
        if i < 0 or i >= size[0]:
            continue
        for kh in range(kernel[1]):
            j = h * windows.stride[1] - windows.padding[1] + kh * windows.dilation[1]
            if 0 <= j < size[1]:
                rows[n] = ((m * size[0] + i) * size[1] + j) * size[2]
                offsets[n] = (kd * kernel[1] + kh) * kernel[2]
                n += 1
    return n


@jit
def reaching(axis, windows):
    """For each input and each offset the output that reaches it; -1 if there is none."""
    stride, size, kernel = windows.stride[axis], windows.size[axis], windows.kernel[axis]
    table = np.empty((size, kernel), np.int64)
    for i in range(size):
        for k in range(kernel):
            o = i + windows.padding[axis] - k * windows.dilation[axis]
            there = o >= 0 and o % stride == 0 and o // stride < windows.out[axis]
            table[i, k] = o // stride if there else -1
    return table


@jit
def reaching_rows(m, d, h, depths, heights, windows, shares, rows, scales):
    """List where the output rows start that reach an input row, and their shares in it; return how
    many they are. `depths` and `heights` are tables of :func:`reaching`.
    """
    out, n = windows.out, 0
    for kd in range(depths.shape[1]):
        i = depths[d, kd]
        if i < 0:
            continue
        for kh in range(heights.shape[1]):
            j = heights[h, kh]
            if j >= 0:
                rows[n] = ((m * out[0] + i) * out[1] + j) * out[2]
                scales[n] = shares[0][i] * shares[1][j]
                n += 1
    return n
