"""Convolution of any kind as matrix products of columns: forward and both backward passes.

With the columns of an image (see :mod:`minigrad.kernels.conv.columns`) as a matrix, one group is

    y = w @ columns      d columns = w.T @ dy      dw = dy @ columns.T

(Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
processing", 2006.) The columns are never made as a whole: units of work take as many output
positions, or small images, as fit the cache, and the pool shares the units. What a unit is follows
from the sizes alone, so the bits do not depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.conv.case import Case, Prepared
from minigrad.kernels.conv.columns import Grid, grid_of, walk
from minigrad.kernels.matmul.gemm import address, gemm, one_thread, restore_threads, row_at
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.plan import HEAD_BYTES, Head, claim, planned, release
from minigrad.kernels.scalar import smaller

__all__ = ["data", "forward", "serves", "weight"]

Array = np.ndarray[Any, Any]

#: What has the type that bodies compute in.
_F4, _F8 = np.empty(0, np.float32), np.empty(0, np.float64)
#: Numbers of the gradient of weights that are added at a time.
_ADDED = 8192


class Sizes(NamedTuple):
    """What the bodies need to know of the sizes, and how the work is cut."""

    n: int  # images
    groups: int
    c: int  # channels of a group, in and out
    o: int
    rows: int  # of the columns of a group
    volume: int  # inputs of a channel, and outputs
    positions: int
    straight: int  # 1 if the image is its own columns
    images: int  # of a unit
    columns: int  # positions of a piece, and pieces of an image
    pieces: int
    block: int  # channels of a block, for the gradient of the data, and of the weight
    wide: int
    parts: int  # sums for the gradient of the weight


SIZES_AT = HEAD_BYTES
GRID_AT = SIZES_AT + 8 * len(Sizes._fields)


def serves(kind: str, case: Case) -> bool:
    """Everything."""
    return True


def _sizes(case: Case) -> Sizes:
    """How the work is cut: units that fit the cache, and enough of them for the pool."""
    n, groups, taps = case.x[0], case.how.groups, math.prod(case.w[2:])
    c, o = case.w[1], case.w[0] // groups
    positions, rows = math.prod(case.y[2:]), case.w[1] * taps
    wanted = costs.TASKS if case.products >= costs.TASK else 1
    pointwise = taps == 1 and max(case.how.stride) == 1 and not any(case.how.padding)
    straight = pointwise and positions >= costs.NARROW
    images, pieces = 1, 1
    width = positions if straight else max(costs.NARROW, costs.COLUMNS // rows)
    if 2 * positions <= width:
        least = max(n * groups // wanted, 2 * costs.NARROW // positions)
        images = max(1, min(n, width // positions, least))
    else:
        most = -(-positions // costs.NARROW)
        pieces = max(-(-positions // width), min(-(-wanted // (n * groups)), most))
    columns = -(-positions // pieces)
    columns = min(positions, -(-columns // 16) * 16)
    pieces = -(-positions // columns)
    batches, filled = -(-n // images), -(-costs.NARROW // taps)
    # the weight's gradient is cut by channels first, which costs no sums afterwards
    wide = min(c, max(-(-c * groups // wanted), filled))
    parts = max(1, min(batches * pieces, -(-wanted // (groups * -(-c // wide)))))
    return Sizes(
        n=n, groups=groups, c=c, o=o, rows=rows, volume=math.prod(case.x[2:]),
        positions=positions, straight=int(straight), images=images, columns=columns,
        pieces=pieces, block=min(c, max(-(-c * batches * groups // wanted), filled)), wide=wide,
        parts=parts,
    )  # fmt: skip


def _prepared(
    case: Case, s: Sizes, body: Body, tasks: int, channels: int, packed: int, sums: int = 0
) -> Prepared:
    """`channels` whose columns, and `packed` ones of pixels, a task has at a time."""
    scratch = 0 if s.straight else channels * (s.rows // s.c) * s.images * s.columns
    together = packed * s.images * s.columns if s.images > 1 else 0
    plan = planned(
        (scratch + together) * case.size, (s, grid_of(case.x, case.y, case.how)), body, tasks,
        second=_add_f4 if case.size == 4 else _add_f8, more=-(-sums // _ADDED),
        shared=sums * s.parts * case.size, parallel=case.products >= costs.TASK,
    )  # fmt: skip
    return Prepared(plan, np.zeros(1, f"f{case.size}"))


def forward(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    s = _sizes(case)
    tasks = -(-s.n // s.images) * s.groups * s.pieces
    return _prepared(case, s, _forward_f4 if case.size == 4 else _forward_f8, tasks, s.c, s.o)


def data(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    s = _sizes(case)
    tasks = -(-s.n // s.images) * s.groups * -(-s.c // s.block)
    return _prepared(case, s, _data_f4 if case.size == 4 else _data_f8, tasks, s.block, s.o)


def weight(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    s = _sizes(case)
    tasks = s.parts * s.groups * -(-s.c // s.wide)
    sums = math.prod(case.w) if s.parts > 1 else 0
    body = _weight_f4 if case.size == 4 else _weight_f8
    return _prepared(case, s, body, tasks, s.wide, s.o, sums)


# -- compiled: what all have in common -----------------------------------------------------------


@inner
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


@inner
def _fill(x, start, length, bias, first, count):
    """`count` stretches of one length from ``x[start]`` on, filled with a bias each, or zeros."""
    for r in range(count):
        line = x[start + r * length : start + (r + 1) * length]
        shift = x.dtype.type(0)
        if bias.size:
            shift = bias[first + r]
        for t in range(line.size):
            line[t] = shift


@inner
def _flows(dy, packed, nothing, s, g, first, count, p0):
    """Address of the gradients of a unit as a matrix, and the distance of its rows."""
    at = (first * s.groups + g) * s.o * s.positions + p0
    if count == 1:
        return address(dy, at), s.positions
    wide, far = count * s.positions, s.groups * s.o * s.positions
    _exchange(packed, wide, dy, at, far, count, s.positions, s.o, nothing, False)
    return address(packed, 0), wide


@inner
def _counts(s):
    """How many numbers there are of images, pixels of the result, and weights."""
    return (
        s.n * s.groups * s.c * s.volume,
        s.n * s.groups * s.o * s.positions,
        s.groups * s.o * s.rows,
    )


# -- compiled: forward ---------------------------------------------------------------------------


@inner
def _forward_units(like, numbers, b0, b1):
    head, s = numbers_at(Head, numbers), numbers_at(Sizes, numbers + SIZES_AT)
    grid = numbers_at(Grid, numbers + GRID_AT)
    inputs, outputs, weights = _counts(s)
    x, w = row_at(head.source, inputs, like), row_at(head.other, weights, like)
    y = row_at(head.result, outputs, like)
    bias = row_at(head.start, head.starts * s.groups * s.o, like)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    slot = claim(numbers)
    work = row_at(head.work + slot * head.work_bytes, head.work_bytes // x.itemsize, like)
    scratch = s.rows * s.images * s.columns * (1 - s.straight)
    result = work[scratch:]
    one_thread()
    for b in range(b0, b1):
        g, first = b // s.pieces % s.groups, b // (s.pieces * s.groups) * s.images
        count = smaller(s.images, s.n - first)
        p0 = b % s.pieces * s.columns
        span = smaller(s.columns, s.positions - p0)
        wide = count * span
        for i in range(0 if s.straight else count):
            at = ((first + i) * s.groups + g) * s.c * s.volume
            walk(x, at, s.c, grid, p0, p0 + span, work, i * span, wide, False)
        source = address(work, 0)
        if s.straight:
            wide = s.volume
            source = address(x, (first * s.groups + g) * s.c * s.volume + p0)
        kernel = address(w, g * s.o * s.rows)
        at = (first * s.groups + g) * s.o * s.positions + p0
        if s.images > 1:
            shifts, target = bias[g * s.o : (g + 1) * s.o], address(result, 0)
            gemm(
                x, False, False, s.o, wide, s.rows, one, kernel, s.rows, source, wide, zero,
                target, wide,
            )  # fmt: skip
            far = s.groups * s.o * s.positions
            _exchange(result, wide, y, at, far, count, s.positions, s.o, shifts, True)
            continue
        if bias.size:
            for r in range(s.o):
                _fill(y, at + r * s.positions, span, bias, g * s.o + r, 1)
        gemm(
            x, False, False, s.o, span, s.rows, one, kernel, s.rows, source, wide,
            one if bias.size else zero, address(y, at), s.positions,
        )  # fmt: skip
    restore_threads()
    release(numbers, slot)


@Body
def _forward_f4(numbers, b0, b1):
    _forward_units(_F4, numbers, b0, b1)


@Body
def _forward_f8(numbers, b0, b1):
    _forward_units(_F8, numbers, b0, b1)


# -- compiled: the gradient of the data ----------------------------------------------------------


@inner
def _data_units(like, numbers, b0, b1):
    head, s = numbers_at(Head, numbers), numbers_at(Sizes, numbers + SIZES_AT)
    grid = numbers_at(Grid, numbers + GRID_AT)
    inputs, outputs, weights = _counts(s)
    dy, w = row_at(head.source, outputs, like), row_at(head.other, weights, like)
    dx = row_at(head.result, inputs, like)
    bias = row_at(head.start, head.starts * s.groups * s.c, like)
    nothing = row_at(head.start, 0, like)
    taps, blocks = s.rows // s.c, (s.c + s.block - 1) // s.block
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    slot = claim(numbers)
    work = row_at(head.work + slot * head.work_bytes, head.work_bytes // dy.itemsize, like)
    packed = work[taps * s.block * s.images * s.columns * (1 - s.straight) :]
    one_thread()
    for b in range(b0, b1):
        c0, g = b % blocks * s.block, b // blocks % s.groups
        first = b // (blocks * s.groups) * s.images
        count, channels = smaller(s.images, s.n - first), smaller(s.block, s.c - c0)
        height, kernel = channels * taps, address(w, g * s.o * s.rows + c0 * taps)
        start = ((first * s.groups + g) * s.c + c0) * s.volume
        for i in range(count if bias.size or not s.straight else 0):
            plane = start + i * s.groups * s.c * s.volume
            _fill(dx, plane, s.volume, bias, g * s.c + c0, channels)
        for piece in range(s.pieces):
            p0 = piece * s.columns
            span = smaller(s.columns, s.positions - p0)
            source, far = _flows(dy, packed, nothing, s, g, first, count, p0)
            target, wide, beta = address(work, 0), count * span, zero
            if s.straight:
                target, wide = address(dx, start + p0), s.volume
                beta = one if bias.size else zero
            gemm(
                dy, True, False, height, count * span, s.o, one, kernel, s.rows, source, far, beta,
                target, wide,
            )  # fmt: skip
            for i in range(0 if s.straight else count):
                at = start + i * s.groups * s.c * s.volume
                walk(dx, at, channels, grid, p0, p0 + span, work, i * span, wide, True)
    restore_threads()
    release(numbers, slot)


@Body
def _data_f4(numbers, b0, b1):
    _data_units(_F4, numbers, b0, b1)


@Body
def _data_f8(numbers, b0, b1):
    _data_units(_F8, numbers, b0, b1)


# -- compiled: the gradient of the weight --------------------------------------------------------


@inner
def _weight_units(like, numbers, b0, b1):
    head, s = numbers_at(Head, numbers), numbers_at(Sizes, numbers + SIZES_AT)
    grid = numbers_at(Grid, numbers + GRID_AT)
    inputs, outputs, weights = _counts(s)
    x, dy = row_at(head.source, inputs, like), row_at(head.other, outputs, like)
    sums = head.result if s.parts == 1 else head.memory
    dw, nothing = row_at(sums, s.parts * weights, like), row_at(head.start, 0, like)
    taps, blocks = s.rows // s.c, (s.c + s.wide - 1) // s.wide
    items = (s.n + s.images - 1) // s.images * s.pieces
    one, zero = x.dtype.type(1), x.dtype.type(0)
    slot = claim(numbers)
    work = row_at(head.work + slot * head.work_bytes, head.work_bytes // x.itemsize, like)
    packed = work[taps * s.wide * s.images * s.columns * (1 - s.straight) :]
    one_thread()
    for b in range(b0, b1):
        c0, g, part = b % blocks * s.wide, b // blocks % s.groups, b // (blocks * s.groups)
        channels = smaller(s.wide, s.c - c0)
        target = address(dw, (part * s.groups + g) * s.o * s.rows + c0 * taps)
        begin = part * items // s.parts
        for item in range(begin, (part + 1) * items // s.parts):
            first, p0 = item // s.pieces * s.images, item % s.pieces * s.columns
            count, span = smaller(s.images, s.n - first), smaller(s.columns, s.positions - p0)
            wide = count * span
            for i in range(0 if s.straight else count):
                at = (((first + i) * s.groups + g) * s.c + c0) * s.volume
                walk(x, at, channels, grid, p0, p0 + span, work, i * span, wide, False)
            source, far = _flows(dy, packed, nothing, s, g, first, count, p0)
            columns, apart = address(work, 0), wide
            if s.straight:
                at = ((first * s.groups + g) * s.c + c0) * s.volume + p0
                columns, apart = address(x, at), s.volume
            gemm(
                x, False, True, s.o, channels * taps, wide, one, source, far, columns, apart,
                zero if item == begin else one, target, s.rows,
            )  # fmt: skip
    restore_threads()
    release(numbers, slot)


@Body
def _weight_f4(numbers, b0, b1):
    _weight_units(_F4, numbers, b0, b1)


@Body
def _weight_f8(numbers, b0, b1):
    _weight_units(_F8, numbers, b0, b1)


@inner
def _add_parts(like, numbers, b0, b1):
    """Tasks: some of the numbers, added over all parts in order."""
    head, s = numbers_at(Head, numbers), numbers_at(Sizes, numbers + SIZES_AT)
    count = s.groups * s.o * s.rows
    sums, dw = row_at(head.memory, s.parts * count, like), row_at(head.result, count, like)
    for i in range(b0 * _ADDED, smaller(count, b1 * _ADDED)):
        total = sums[i]
        for part in range(1, s.parts):
            total += sums[part * count + i]
        dw[i] = total


@Body
def _add_f4(numbers, b0, b1):
    """See :func:`_add_parts`."""
    _add_parts(_F4, numbers, b0, b1)


@Body
def _add_f8(numbers, b0, b1):
    """See :func:`_add_parts`."""
    _add_parts(_F8, numbers, b0, b1)
