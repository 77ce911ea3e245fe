"""The rows of :mod:`minigrad.kernels.pool` eight columns at a time, for strides 1 and 2 along W.

The same elements in the same order, so the same bits as there.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.lanes import (
    LANES,
    add,
    both,
    choose,
    divide,
    either,
    equal,
    inside,
    interleaved,
    load,
    load_masked,
    load_second,
    load_second_masked,
    multiply,
    negative,
    places,
    spread,
    store,
    store_masked,
    takes_over,
)
from minigrad.kernels.math.intrinsics import inlined
from minigrad.kernels.pool_windows import next_row, reached_rows, reaching, reaching_rows, row_at
from minigrad.kernels.run.jit import jit

__all__ = [
    "max_backward_blocks", "max_blocks", "max_lanes", "spread_blocks", "spread_lanes", "sum_blocks",
    "sum_lanes",
]  # fmt: skip


@inlined
def _whole(first, step, size):
    """Whether all of eight places of a row are inside."""
    return first >= 0 and first + (LANES - 1) * step < size


@inlined
def _read(x, at, flags):
    """Eight elements; where they might lie outside of the array, only those with a flag."""
    if at >= 0 and at + LANES <= x.size:
        return load(x, at)
    return load_masked(x, at, flags)


@inlined
def _read_step(x, at, step, flags):
    """As :func:`_read`, of all elements or (`step` 2) of every second one."""
    if step == 1:
        return _read(x, at, flags)
    if at >= 0 and at + 2 * LANES <= x.size:
        return load_second(x, at)
    return load_second_masked(x, at, flags)


@inlined
def _read_pairs(x, at, flags):
    """The first and the second of eight pairs of neighbours."""
    if at + 2 * LANES + 1 <= x.size:
        return load_second(x, at), load_second(x, at + 1)
    return load_second_masked(x, at, flags), load_second_masked(x, at + 1, flags)


@inlined
def _write(x, at, values, first, size):
    """Elements `first` to ``first + 8`` of a row of `size`."""
    if first + LANES <= size:
        store(x, at, values)
    else:
        store_masked(x, at, values, inside(places(first, 1), size))


@inlined
def _largest(x, windows, rows, offsets, n, j, step):
    """The maxima of eight windows from output `j` on, and their places."""
    size, best, where = windows.size[2], spread(x.dtype.type(0)), spread(-1)
    for i in range(n):
        for k in range(windows.kernel[2]):
            first = j * step - windows.padding[2] + k * windows.dilation[2]
            there = inside(places(first, step), size)
            v = _read_step(x, rows[i] + first, step, there)
            better = either(takes_over(v, best), negative(where))
            if not _whole(first, step, size):
                better = both(there, better)
            best = choose(better, v, best)
            where = choose(better, spread(offsets[i] + k), where)
    return best, where


@jit
def max_lanes(x, windows, y, place, b0, b1):
    """Rows ``b0:b1`` of the maxima and their places."""
    kernel, cols = windows.kernel, windows.out[2]
    rows = np.empty(kernel[0] * kernel[1], np.int64)
    offsets = np.empty(kernel[0] * kernel[1], np.int64)
    m, d, h = row_at(b0, windows.out)
    for r in range(b0, b1):
        n = reached_rows(m, d, h, windows, rows, offsets)
        for j in range(0, cols, LANES):
            if windows.stride[2] == 1:  # with the step as a constant each is quick
                best, where = _largest(x, windows, rows, offsets, n, j, 1)
            else:
                best, where = _largest(x, windows, rows, offsets, n, j, 2)
            _write(y, r * cols + j, best, j, cols)
            _write(place, r * cols + j, where, j, cols)
        m, d, h = next_row(m, d, h, windows.out)


@inlined
def _total(x, windows, rows, n, j, step):
    """The sums of eight windows from output `j` on."""
    size, zero = windows.size[2], spread(x.dtype.type(0))
    total = zero
    for i in range(n):
        for k in range(windows.kernel[2]):
            first = j * step - windows.padding[2] + k * windows.dilation[2]
            there = inside(places(first, step), size)
            v = _read_step(x, rows[i] + first, step, there)
            if not _whole(first, step, size):
                v = choose(there, v, zero)
            total = add(total, v)
    return total


@jit
def sum_lanes(x, windows, counts, y, b0, b1):
    """Rows ``b0:b1`` of the sums, divided by a product of `counts`, one per dimension."""
    kernel, cols = windows.kernel, windows.out[2]
    rows = np.empty(kernel[0] * kernel[1], np.int64)
    offsets = np.empty(kernel[0] * kernel[1], np.int64)
    m, d, h = row_at(b0, windows.out)
    for r in range(b0, b1):
        n = reached_rows(m, d, h, windows, rows, offsets)
        share = spread(counts[0][d] * counts[1][h])
        for j in range(0, cols, LANES):
            if windows.stride[2] == 1:
                total = _total(x, windows, rows, n, j, 1)
            else:
                total = _total(x, windows, rows, n, j, 2)
            along = _read(counts[2], j, inside(places(j, 1), cols))
            _write(y, r * cols + j, divide(total, multiply(share, along)), j, cols)
        m, d, h = next_row(m, d, h, windows.out)


@jit
def _sources(phase, windows):
    """What to add to `q` to get the outputs that reach input ``step * q + phase``, one for each
    column of the window that lies there.
    """
    step, table, n = windows.stride[2], np.empty(windows.kernel[2], np.int64), 0
    for k in range(table.size):
        shift = phase + windows.padding[2] - k * windows.dilation[2]
        if shift % step == 0:
            table[n] = shift // step
            n += 1
    return table[:n]


@inlined
def _collected(g, along, cols, rows, scales, n, sources, q):
    """The gradient of inputs ``step * (q + i) + phase`` of one row."""
    none = spread(g.dtype.type(0))
    total = none
    for i in range(n):
        scale = spread(scales[i])
        for s in range(sources.size):
            j = q + sources[s]
            if j < cols and j + LANES > 0:
                there = inside(places(j, 1), cols)
                share = multiply(scale, _read(along, j, there))
                flow = multiply(_read(g, rows[i] + j, there), share)
                if not _whole(j, 1, cols):
                    flow = choose(there, flow, none)
                total = add(total, flow)
    return total


@inlined
def _write_pairs(x, at, even, odd, first, size):
    """Two phases, put together: elements `first` to ``first + 16`` of a row of `size`."""
    _write(x, at, interleaved(even, odd, False), first, size)
    if first + LANES < size:
        _write(x, at + LANES, interleaved(even, odd, True), first + LANES, size)


@jit
def spread_lanes(g, windows, shares, dx, b0, b1):
    """Rows ``b0:b1`` of the transpose of sums."""
    step, size, cols = windows.stride[2], windows.size[2], windows.out[2]
    depths, heights, along = reaching(0, windows), reaching(1, windows), shares[2]
    first, second = _sources(0, windows), _sources(1, windows)
    rows = np.empty(windows.kernel[0] * windows.kernel[1], np.int64)
    scales = np.empty(rows.size, dx.dtype)
    m, d, h = row_at(b0, windows.size)
    for r in range(b0, b1):
        n = reaching_rows(m, d, h, depths, heights, windows, shares, rows, scales)
        for q in range(0, (size + step - 1) // step, LANES):
            even = _collected(g, along, cols, rows, scales, n, first, q)
            if step == 1:
                _write(dx, r * size + q, even, q, size)
            else:
                odd = _collected(g, along, cols, rows, scales, n, second, q)
                _write_pairs(dx, r * size + 2 * q, even, odd, 2 * q, size)
        m, d, h = next_row(m, d, h, windows.size)


# --- Blocks: windows of width 2 that fill the input, each element in one of them -----------------
#
# Row `kh` of the windows of output row `r` is input row ``r * height + kh``.


@jit
def max_blocks(x, windows, y, place, b0, b1):
    """Rows ``b0:b1`` of the maxima and their places."""
    height, size, cols = windows.kernel[1], windows.size[2], windows.out[2]
    for r in range(b0, b1):
        for j in range(0, cols, LANES):
            there, at = inside(places(j, 1), cols), r * height * size + 2 * j
            best, where = _read_step(x, at, 2, there), spread(0)
            for kh in range(height):
                v, u = _read_pairs(x, at + kh * size, there)
                better = takes_over(v, best)
                best, where = choose(better, v, best), choose(better, spread(2 * kh), where)
                better = takes_over(u, best)
                best, where = choose(better, u, best), choose(better, spread(2 * kh + 1), where)
            _write(y, r * cols + j, best, j, cols)
            _write(place, r * cols + j, where, j, cols)


@jit
def max_backward_blocks(g, place, windows, dx, b0, b1):
    """The inputs of output rows ``b0:b1``."""
    height, size, cols = windows.kernel[1], windows.size[2], windows.out[2]
    none = spread(g.dtype.type(0))
    for r in range(b0, b1):
        for j in range(0, cols, LANES):
            there, at = inside(places(j, 1), cols), r * height * size + 2 * j
            flow, found = _read(g, r * cols + j, there), _read(place, r * cols + j, there)
            for kh in range(height):
                even = choose(equal(found, 2 * kh), flow, none)
                odd = choose(equal(found, 2 * kh + 1), flow, none)
                _write_pairs(dx, at + kh * size, even, odd, 2 * j, size)


@jit
def sum_blocks(x, windows, counts, y, b0, b1):
    """Rows ``b0:b1`` of the sums, divided by a product of `counts`, one per dimension."""
    height, size, cols = windows.kernel[1], windows.size[2], windows.out[2]
    m, d, h = row_at(b0, windows.out)
    for r in range(b0, b1):
        share = spread(counts[0][d] * counts[1][h])
        for j in range(0, cols, LANES):
            there, at = inside(places(j, 1), cols), r * height * size + 2 * j
            total = spread(x.dtype.type(0))
            for kh in range(height):
                v, u = _read_pairs(x, at + kh * size, there)
                total = add(add(total, v), u)
            along = _read(counts[2], j, there)
            _write(y, r * cols + j, divide(total, multiply(share, along)), j, cols)
        m, d, h = next_row(m, d, h, windows.out)


@jit
def spread_blocks(g, windows, shares, dx, b0, b1):
    """The inputs of output rows ``b0:b1``: the transpose of sums."""
    height, size, cols = windows.kernel[1], windows.size[2], windows.out[2]
    m, d, h = row_at(b0, windows.out)
    for r in range(b0, b1):
        share = spread(shares[0][d] * shares[1][h])
        for j in range(0, cols, LANES):
            there, at = inside(places(j, 1), cols), r * height * size + 2 * j
            scale = multiply(share, _read(shares[2], j, there))
            flow = multiply(_read(g, r * cols + j, there), scale)
            for kh in range(height):
                _write_pairs(dx, at + kh * size, flow, flow, 2 * j, size)
        m, d, h = next_row(m, d, h, windows.out)
