"""Pooling in plain loops: for any dtype and stride.

The inner loops run along W without a branch. Sums are spread with the columns ``s*q + r`` of equal
``r`` (a *phase* of stride ``s``) next to each other, so that these inner loops, too, run over
neighbours; the phases are put in place at the end.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.math.vecmath import select
from minigrad.kernels.pool_windows import next_row, reached_rows, reaching, reaching_rows, row_at
from minigrad.kernels.run.jit import jit
from minigrad.kernels.scalar import larger, smaller

__all__ = ["max_backward_planes", "max_rows", "spread_rows", "sum_rows"]


@jit
def _up(a, b):
    """``a / b`` rounded up."""
    return -((-a) // b)


@jit
def _columns(k, windows):
    """The outputs ``j0 <= j < j1`` of which column `k` of the window is inside, and for ``j = 0``
    the place of that column in the input.
    """
    shift = k * windows.dilation[2] - windows.padding[2]
    j0 = smaller(larger(_up(-shift, windows.stride[2]), 0), windows.out[2])
    j1 = smaller(larger(_up(windows.size[2] - shift, windows.stride[2]), j0), windows.out[2])
    return j0, j1, shift


@jit
def _take_larger(x, step, offset, best, place):
    """Replace ``best[j]`` where ``x[j * step]`` is larger, and remember `offset`."""
    here = place.dtype.type(offset)
    for j in range(best.size):
        v, old = x[step * j], best[j]
        better = (v > old) | (v != v)
        best[j] = select(better, v, old)
        place[j] = select(better, here, place[j])


@jit
def max_rows(x, windows, lowest, y, place, b0, b1):
    """Rows ``b0:b1`` of the maxima and their places; `lowest` is the least value of the dtype."""
    kernel, step, cols = windows.kernel, windows.stride[2], windows.out[2]
    rows = np.empty(kernel[0] * kernel[1], np.int64)
    offsets = np.empty(kernel[0] * kernel[1], np.int64)
    m, d, h = row_at(b0, windows.out)
    for r in range(b0, b1):
        here = slice(r * cols, (r + 1) * cols)
        best, where = y[here], place[here]
        best[:] = lowest
        n = reached_rows(m, d, h, windows, rows, offsets)
        for k in range(kernel[2] - 1, -1, -1):  # the first place inside, if nothing is larger
            j0, j1, shift = _columns(k, windows)
            where[j0:j1] = offsets[0] + k
        for i in range(n):
            for k in range(kernel[2]):
                j0, j1, shift = _columns(k, windows)
                if j1 > j0:
                    values = x[rows[i] + j0 * step + shift :]
                    _take_larger(values, step, offsets[i] + k, best[j0:j1], where[j0:j1])
        m, d, h = next_row(m, d, h, windows.out)


@jit
def max_backward_planes(g, place, windows, dx, b0, b1):
    """Planes ``b0:b1`` of the gradient of maxima: each goes where its maximum was."""
    kernel, size, out, dilation = windows.kernel, windows.size, windows.out, windows.dilation
    reach = np.empty(kernel[0] * kernel[1] * kernel[2], np.int64)
    for k in range(reach.size):
        kd, kh, kw = k // (kernel[1] * kernel[2]), k // kernel[2] % kernel[1], k % kernel[2]
        reach[k] = (kd * dilation[0] * size[1] + kh * dilation[1]) * size[2] + kw * dilation[2]
    plane, step = size[0] * size[1] * size[2], windows.stride[2]
    for m in range(b0, b1):
        target = dx[m * plane : (m + 1) * plane]
        target[:] = 0
        start = m * out[0] * out[1] * out[2]
        for d in range(out[0]):
            for h in range(out[1]):
                i = d * windows.stride[0] - windows.padding[0]
                row = i * size[1] + h * windows.stride[1] - windows.padding[1]
                at = row * size[2] - windows.padding[2]
                flow, found = g[start : start + out[2]], place[start : start + out[2]]
                for j in range(flow.size):
                    target[np.uint64(at + reach[np.uint64(found[j])])] += flow[j]
                    at += step
                start += out[2]


@jit
def _add_every(x, step, out):
    for j in range(out.size):
        out[j] += x[step * j]


@jit
def sum_rows(x, windows, counts, y, b0, b1):
    """Rows ``b0:b1`` of the sums, divided by a product of `counts`, one per dimension."""
    kernel, step, cols = windows.kernel, windows.stride[2], windows.out[2]
    rows = np.empty(kernel[0] * kernel[1], np.int64)
    offsets = np.empty(kernel[0] * kernel[1], np.int64)
    m, d, h = row_at(b0, windows.out)
    for r in range(b0, b1):
        total = y[r * cols : (r + 1) * cols]
        total[:] = 0
        for i in range(reached_rows(m, d, h, windows, rows, offsets)):
            for k in range(kernel[2]):
                j0, j1, shift = _columns(k, windows)
                if j1 > j0:
                    _add_every(x[rows[i] + j0 * step + shift :], step, total[j0:j1])
        share, along = counts[0][d] * counts[1][h], counts[2]
        for j in range(total.size):
            total[j] /= share * along[j]
        m, d, h = next_row(m, d, h, windows.out)


@jit
def _put_phases(phases, length, step, out):
    """``out[step * q + r] = phases[r * length + q]``."""
    if step == 1:
        out[:] = phases[: out.size]
        return
    whole = out.size // step
    for q in range(whole):
        for r in range(step):
            out[q * step + r] = phases[r * length + q]
    for w in range(whole * step, out.size):
        out[w] = phases[(w - whole * step) * length + whole]


@jit
def _add_shares(g, scale, along, out):
    for j in range(out.size):
        out[j] += g[j] * (scale * along[j])


@jit
def spread_rows(g, windows, shares, dx, b0, b1):
    """Rows ``b0:b1`` of the transpose of sums: to each window its element, times its shares."""
    kernel, step, cols = windows.kernel, windows.stride[2], windows.size[2]
    length = cols // step + 1
    phases = np.empty(step * length, dx.dtype)
    rows = np.empty(kernel[0] * kernel[1], np.int64)
    scales = np.empty(kernel[0] * kernel[1], dx.dtype)
    depths, heights = reaching(0, windows), reaching(1, windows)
    m, d, h = row_at(b0, windows.size)
    for r in range(b0, b1):
        phases[:] = 0
        for i in range(reaching_rows(m, d, h, depths, heights, windows, shares, rows, scales)):
            for k in range(kernel[2]):
                j0, j1, shift = _columns(k, windows)
                if j1 > j0:
                    to = (j0 * step + shift) // step + shift % step * length
                    flow = g[rows[i] + j0 : rows[i] + j1]
                    _add_shares(flow, scales[i], shares[2][j0:j1], phases[to : to + j1 - j0])
        _put_phases(phases, length, step, dx[r * cols : (r + 1) * cols])
        m, d, h = next_row(m, d, h, windows.size)
