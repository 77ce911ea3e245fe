"""Convolution of any kind as matrix products of columns: forward and both backward passes.

With the columns of an image (see :mod:`minigrad.kernels.conv.columns`) as a matrix, one group is

    y = w @ columns      d columns = w.T @ dy      dw = dy @ columns.T

(Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
processing", 2006.) The columns are never made as a whole: units of work take as many output
positions, or small images, as fit the cache, and the pool shares the units. What a unit is follows
from the sizes alone, so the bits do not depend on the number of threads.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.conv.columns import grid_of, walk
from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.matmul.gemm import (
    AVAILABLE,
    address,
    gemm,
    one_thread,
    restore_threads,
    row_at,
)
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for, pool_address
from minigrad.kernels.scalar import smaller

__all__ = ["AVAILABLE", "backward_data", "backward_weight", "forward"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]

#: Elements of columns that a unit of work has at a time: some 256 KB of float32.
SCRATCH = 65_536
#: From how many multiplications the pool takes part; some 10 us of work.
PARALLEL_FROM = 500_000
#: Units of work to make at least, where the pool takes part.
UNITS = 16
#: A product with fewer columns than this takes several images together.
NARROW = 64


class _Plan(NamedTuple):
    """What the kernels read of the sizes, and how the work is cut."""

    sizes: Ints  # images, groups, channels in and out of a group, rows, inputs, outputs, straight
    grid: Ints
    cut: Ints  # images of a unit, positions of a piece, pieces of an image, channels of a block
    units: Ints  # of the forward pass, of backward data, of backward weight
    parts: int  # sums that backward weight makes before they are added
    shared: bool
    out: Ints


@functools.lru_cache(maxsize=1024)
def _plan(x_shape: Ints, outputs: int, how: Geometry) -> _Plan:
    n, groups = x_shape[0], how.groups
    c, o = x_shape[1] // groups, outputs // groups
    out = how.output_sizes(x_shape[2:])
    positions, taps = math.prod(out), math.prod(how.kernel)
    rows = c * taps
    shared = n * groups * o * rows * positions >= PARALLEL_FROM
    wanted = UNITS if shared else 1
    pointwise = taps == 1 and how.stride == (1,) * len(out) and not any(how.padding)
    straight = pointwise and positions >= NARROW
    images, pieces = 1, 1
    width = positions if straight else max(NARROW, SCRATCH // rows)
    if 2 * positions <= width:
        least = max(n * groups // wanted, 2 * NARROW // positions)
        images = max(1, min(n, width // positions, least))
    else:
        most = -(-positions // NARROW)
        pieces = max(-(-positions // width), min(-(-wanted // (n * groups)), most))
    columns = -(-positions // pieces)
    columns = min(positions, -(-columns // 16) * 16)
    pieces = -(-positions // columns)
    batches = -(-n // images)
    block = max(-(-c * batches * groups // wanted), -(-NARROW // taps))
    block = min(c, block)
    blocks = -(-c // block)
    # the weight's gradient is cut by channels first, which costs no sums afterwards
    wide = min(c, max(-(-c * groups // wanted), -(-NARROW // taps)))
    wides = -(-c // wide)
    parts = max(1, min(batches * pieces, -(-wanted // (groups * wides))))
    return _Plan(
        (n, groups, c, o, rows, math.prod(x_shape[2:]), positions, int(straight)),
        grid_of(x_shape[2:], out, how),
        (images, columns, pieces, block, wide),
        (batches * groups * pieces, batches * groups * blocks, parts * groups * wides),
        parts,
        shared,
        out,
    )


@jit
def _without_owner(memory, first, size):
    """A part of an array that does not count references to it.

    Counting makes each slice of a short row cost more than the row. Who uses the part hands the
    array itself on as well, which keeps it alive.
    """
    return row_at(address(memory, first), size, memory)


@jit
def _exchange(rows, distance, images, at, far, count, length, height, bias, back):
    """Row `r` of `rows` has a stretch for each of `count` images, which lies apart in memory there.

    The stretch of image `i` begins at ``images[at + i * far + r * length]``. Copies to `rows`, or
    `back` from them, plus the bias of the row.
    """
    for r in range(height):
        for i in range(count):
            here = at + i * far + r * length
            apart = images[here : here + length]
            start = r * distance + i * length
            together = rows[start : start + length]
            if not back:
                for t in range(length):
                    together[t] = apart[t]
            elif bias.size:
                shift = bias[r]
                for t in range(length):
                    apart[t] = together[t] + shift
            else:
                for t in range(length):
                    apart[t] = together[t]


# -- forward -------------------------------------------------------------------------------------


@jit
def _forward_range(x, w, bias, y, sizes, grid, cut, scratch, result, owner, b0, b1):
    n, groups, c, o, rows, volume, positions, straight = sizes
    images, columns, pieces, _, _ = cut
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for b in range(b0, b1):
        g, first = b // pieces % groups, b // (pieces * groups) * images
        count = smaller(images, n - first)
        p0 = b % pieces * columns
        span = smaller(columns, positions - p0)
        wide = count * span
        for i in range(0 if straight else count):
            at = ((first + i) * groups + g) * c * volume
            walk(x, at, c, grid, p0, p0 + span, scratch, i * span, wide, False)
        source = address(scratch, 0)
        if straight:
            wide = volume
            source = address(x, (first * groups + g) * c * volume + p0)
        kernel, shifts = address(w, g * o * rows), bias[g * o : (g + 1) * o]
        at = (first * groups + g) * o * positions + p0
        if images > 1:
            target = address(result, 0)
            gemm(
                x, False, False, o, wide, rows, one, kernel, rows, source, wide, zero, target, wide
            )
            far = groups * o * positions
            _exchange(result, wide, y, at, far, count, positions, o, shifts, True)
            continue
        for r in range(shifts.size):
            line = y[at + r * positions : at + r * positions + span]
            for t in range(line.size):
                line[t] = shifts[r]
        target, beta = address(y, at), one if shifts.size else zero
        gemm(
            x, False, False, o, span, rows, one, kernel, rows, source, wide, beta, target, positions
        )


@jit
def _forward_units(x, w, bias, y, sizes, grid, cut, b0, b1):
    images, columns, _, _, _ = cut
    size = 0 if sizes[7] else sizes[4] * images * columns
    more = sizes[3] * images * columns if images > 1 else 0
    memory = np.empty(size + more + 1, x.dtype)
    scratch, result = _without_owner(memory, 0, size), _without_owner(memory, size, more)
    _forward_range(x, w, bias, y, sizes, grid, cut, scratch, result, memory, b0, b1)


@jit
def _forward(pool, x, w, bias, y, sizes, grid, cut, units):
    one_thread()
    parallel_for(pool, _forward_units, (x, w, bias, y, sizes, grid, cut), units)
    restore_threads()


def forward(x: Array, w: Array, bias: Array | None, how: Geometry) -> Array:
    """The convolution of (N, C, ...) with (O, C / groups, ...), plus a bias for each channel.

    Parameters
    ----------
    x, w : ndarray
        C-contiguous, float32 or float64, of one type; not empty.
    bias : ndarray, shape (O,), optional
    how : Geometry

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, -1.0]]])
    >>> forward(x, w, None, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[-1., -2.]]])
    """
    plan = _plan(x.shape, w.shape[0], how)
    y = np.empty((x.shape[0], w.shape[0], *plan.out), x.dtype)
    shifts = _NOTHING[x.dtype.char] if bias is None else bias
    pool = pool_address() if plan.shared else 0
    _forward(
        pool, x.reshape(-1), w.reshape(-1), shifts, y.reshape(-1), plan.sizes, plan.grid, plan.cut,
        plan.units[0],
    )  # fmt: skip
    return y


_NOTHING = {"f": np.empty(0, np.float32), "d": np.empty(0, np.float64)}


# -- backward: the input -------------------------------------------------------------------------


@jit
def _flows(dy, packed, nothing, groups, g, first, count, o, positions, p0):
    """Address of the gradients of a unit as a matrix, and the distance of its rows."""
    at = (first * groups + g) * o * positions + p0
    if count == 1:
        return address(dy, at), positions
    wide = count * positions
    _exchange(packed, wide, dy, at, groups * o * positions, count, positions, o, nothing, False)
    return address(packed, 0), wide


@jit
def _data_range(dy, w, dx, nothing, sizes, grid, cut, scratch, packed, owner, b0, b1):
    n, groups, c, o, rows, volume, positions, straight = sizes
    images, columns, pieces, block, _ = cut
    taps, blocks = rows // c, (c + block - 1) // block
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    for b in range(b0, b1):
        c0, g = b % blocks * block, b // blocks % groups
        first = b // (blocks * groups) * images
        count, channels = smaller(images, n - first), smaller(block, c - c0)
        height, kernel = channels * taps, address(w, g * o * rows + c0 * taps)
        start = ((first * groups + g) * c + c0) * volume
        for i in range(0 if straight else count):
            plane = dx[start + i * groups * c * volume :][: channels * volume]
            for t in range(plane.size):
                plane[t] = 0
        for piece in range(pieces):
            p0 = piece * columns
            span = smaller(columns, positions - p0)
            source, far = _flows(dy, packed, nothing, groups, g, first, count, o, positions, p0)
            target, wide = address(scratch, 0), count * span
            if straight:
                target, wide = address(dx, start + p0), volume
            gemm(
                dy, True, False, height, count * span, o, one, kernel, rows, source, far, zero,
                target, wide,
            )  # fmt: skip
            for i in range(0 if straight else count):
                at = start + i * groups * c * volume
                walk(dx, at, channels, grid, p0, p0 + span, scratch, i * span, wide, True)


@jit
def _data_units(dy, w, dx, nothing, sizes, grid, cut, b0, b1):
    images, columns, _, block, _ = cut
    size = 0 if sizes[7] else sizes[4] // sizes[2] * block * images * columns
    more = sizes[3] * images * columns if images > 1 else 0
    memory = np.empty(size + more + 1, dy.dtype)
    scratch, packed = _without_owner(memory, 0, size), _without_owner(memory, size, more)
    _data_range(dy, w, dx, nothing, sizes, grid, cut, scratch, packed, memory, b0, b1)


@jit
def _data(pool, dy, w, dx, nothing, sizes, grid, cut, units):
    one_thread()
    parallel_for(pool, _data_units, (dy, w, dx, nothing, sizes, grid, cut), units)
    restore_threads()


def backward_data(dy: Array, w: Array, x_shape: Ints, how: Geometry) -> Array:
    """The gradient of the input of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([[[1.0, 10.0]]]), np.array([[[1.0, -1.0]]])
    >>> backward_data(dy, w, (1, 1, 3), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[  1.,   9., -10.]]])
    """
    plan = _plan(x_shape, w.shape[0], how)
    dx = np.empty(x_shape, dy.dtype)
    pool = pool_address() if plan.shared else 0
    _data(
        pool, dy.reshape(-1), w.reshape(-1), dx.reshape(-1), _NOTHING[dy.dtype.char], plan.sizes,
        plan.grid, plan.cut, plan.units[1],
    )  # fmt: skip
    return dx


# -- backward: the weight ------------------------------------------------------------------------


@jit
def _weight_range(dy, x, dw, nothing, sizes, grid, cut, parts, scratch, packed, owner, b0, b1):
    n, groups, c, o, rows, volume, positions, straight = sizes
    images, columns, pieces, _, block = cut
    taps, blocks = rows // c, (c + block - 1) // block
    items = (n + images - 1) // images * pieces
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    for b in range(b0, b1):
        c0, g, part = b % blocks * block, b // blocks % groups, b // (blocks * groups)
        channels = smaller(block, c - c0)
        target = address(dw, (part * groups + g) * o * rows + c0 * taps)
        begin = part * items // parts
        for item in range(begin, (part + 1) * items // parts):
            first, p0 = item // pieces * images, item % pieces * columns
            count, span = smaller(images, n - first), smaller(columns, positions - p0)
            wide = count * span
            for i in range(0 if straight else count):
                at = (((first + i) * groups + g) * c + c0) * volume
                walk(x, at, channels, grid, p0, p0 + span, scratch, i * span, wide, False)
            source, far = _flows(dy, packed, nothing, groups, g, first, count, o, positions, p0)
            inputs, apart = address(scratch, 0), wide
            if straight:
                inputs, apart = address(x, ((first * groups + g) * c + c0) * volume + p0), volume
            gemm(
                dy, False, True, o, channels * taps, wide, one, source, far, inputs, apart,
                zero if item == begin else one, target, rows,
            )  # fmt: skip


@jit
def _weight_units(dy, x, dw, nothing, sizes, grid, cut, parts, b0, b1):
    images, columns, _, _, block = cut
    size = 0 if sizes[7] else sizes[4] // sizes[2] * block * images * columns
    more = sizes[3] * images * columns if images > 1 else 0
    memory = np.empty(size + more + 1, dy.dtype)
    scratch, packed = _without_owner(memory, 0, size), _without_owner(memory, size, more)
    _weight_range(dy, x, dw, nothing, sizes, grid, cut, parts, scratch, packed, memory, b0, b1)


@jit
def _weight(pool, dy, x, dw, nothing, sizes, grid, cut, parts, units):
    one_thread()
    arguments = (dy, x, dw, nothing, sizes, grid, cut, parts)
    parallel_for(pool, _weight_units, arguments, units)
    restore_threads()


def backward_weight(dy: Array, x: Array, how: Geometry) -> Array:
    """The gradient of the weight of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 4.0]]])
    >>> backward_weight(dy, x, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[21., 42.]]])
    """
    plan = _plan(x.shape, dy.shape[1], how)
    shape = (dy.shape[1], x.shape[1] // how.groups, *how.kernel)
    dw = np.empty((plan.parts, *shape), dy.dtype)
    pool = pool_address() if plan.shared else 0
    _weight(
        pool, dy.reshape(-1), x.reshape(-1), dw.reshape(-1), _NOTHING[dy.dtype.char], plan.sizes,
        plan.grid, plan.cut, plan.parts, plan.units[2],
    )  # fmt: skip
    return dw[0] if plan.parts == 1 else np.asarray(dw.sum(0))
