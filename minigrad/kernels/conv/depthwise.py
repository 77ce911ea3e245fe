"""Convolutions in which each group has one input channel (depthwise convolutions).

Their matrix products have but one row, so nothing is gained by them. Here each channel of an image
is copied into a *frame* with its padding, and each element of the kernel adds one multiple of a
shifted frame to the result. A whole plane is one such addition: the result is as wide as the frame
for the time being, with unused numbers at the ends of its lines.

With a stride of 2, the even and the odd lines and columns of the frame lie apart, so that what one
element of the kernel reads lies together again; so for other strides. The position of an element
``(z, y, x)`` of the padded channel is::

    ((z * sh + y % sh) * sw + x % sw) * slot + y // sh * width + x // sw

(Howard et al., "MobileNets", 2017, made such layers known.)
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.conv.case import Case, Prepared
from minigrad.kernels.conv.columns import Grid, grid_of, stretch
from minigrad.kernels.matmul.gemm import row_at
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.jit import jit_sum
from minigrad.kernels.run.plan import HEAD_BYTES, Head, claim, planned, release
from minigrad.kernels.scalar import smaller

__all__ = ["data", "forward", "serves", "weight"]

Array = np.ndarray[Any, Any]

#: What has the type that bodies compute in.
_F4, _F8 = np.empty(0, np.float32), np.empty(0, np.float64)


class Layout(NamedTuple):
    """How frames and planes lie in memory, in numbers."""

    frame: int  # of a channel
    slot: int  # lines and columns of one residue, and how wide they are
    width: int
    length: int  # of a plane as wide as the frame
    outputs: int  # channels made from each, and channels
    channels: int
    images: int


LAYOUT_AT = HEAD_BYTES
GRID_AT = LAYOUT_AT + 8 * len(Layout._fields)


def serves(kind: str, case: Case) -> bool:
    """Groups of one channel, of which a few are made, with planes and frames that stay small."""
    how, channels = case.how, case.x[1]
    if not (channels == how.groups > 3 and case.w[0] <= 4 * channels):
        return False
    frame = [-(-(n + 2 * p) // s) * s for n, p, s in zip(case.x[2:], how.padding, how.stride)]
    return math.prod(case.x[2:]) <= costs.PLANE and math.prod(frame) <= 4 * costs.PLANE


def _prepared(case: Case, body: Body, tasks: int, sums: int = 0) -> Prepared:
    grid = grid_of(case.x, case.y, case.how)
    d, h, w = (n + 2 * p for n, p in zip(grid[:3], grid[12:15]))
    width = -(-w // grid.sw)
    slot = -(-h // grid.sh) * width
    outputs = case.w[0] // case.how.groups
    layout = Layout(
        d * grid.sh * grid.sw * slot, slot, width, (grid.oh - 1) * width + grid.ow, outputs,
        case.how.groups, case.x[0],
    )  # fmt: skip
    plan = planned(
        (layout.frame + layout.length) * case.size, (layout, grid), body, tasks, shared=8 * sums,
        parallel=case.products >= costs.DEPTHWISE_TASK,
    )  # fmt: skip
    return Prepared(plan, np.zeros(1, f"f{case.size}"))


def forward(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    body = _forward_f4 if case.size == 4 else _forward_f8
    return _prepared(case, body, case.x[0] * case.x[1])


def data(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    return _prepared(case, _data_f4 if case.size == 4 else _data_f8, case.x[0] * case.x[1])


def weight(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    body = _weight_f4 if case.size == 4 else _weight_f8
    return _prepared(case, body, case.x[1], math.prod(case.w))


# -- planes and frames ---------------------------------------------------------------------------


@jit_sum
def _add_one(plane, source, a):
    for i in range(plane.size):
        plane[i] += a * source[i]


@jit_sum
def _add_three(plane, first, second, third, a, b, c):
    for i in range(plane.size):
        plane[i] += a * first[i] + b * second[i] + c * third[i]


@jit_sum
def _dot(plane, source):
    total = plane.dtype.type(0)
    for i in range(plane.size):
        total += plane[i] * source[i]
    return total


@inner
def _clear(x):
    for i in range(x.size):
        x[i] = 0


@inner
def _copy_line(inside, line, step, back):
    """Every `step`-th number of a line into the frame, or `back`."""
    if step == 1 and back:
        for i in range(inside.size):
            line[i] = inside[i]
    elif step == 1:
        for i in range(inside.size):
            inside[i] = line[i]
    elif back:
        for i in range(inside.size):
            line[i * step] = inside[i]
    else:
        for i in range(inside.size):
            inside[i] = line[i * step]


@inner
def _copy_plane(plane, width, x, start, count, length, back):
    """`count` lines of `length`: `width` apart in the plane, without gaps in `x`."""
    for r in range(count):
        inside = stretch(plane, r * width, length)
        _copy_line(inside, stretch(x, start + r * length, length), 1, back)


@inner
def _copy_channel(frame, layout, grid, x, start, back):
    """The channel at ``x[start]`` into the middle of the frame, or `back`."""
    slot, width = layout.slot, layout.width
    d, h, w, sh, sw = grid[0], grid[1], grid[2], grid[10], grid[11]
    pd, ph, pw = grid[12], grid[13], grid[14]
    for r in range(d * h):
        z, y = r // h + pd, r % h + ph
        origin = (z * sh + y % sh) * sw * slot + y // sh * width
        for first in range(smaller(sw, w)):
            column = first + pw
            count = (w - 1 - first) // sw + 1
            here = origin + column % sw * slot + column // sw
            inside = stretch(frame, here, count)
            line = stretch(x, start + r * w + first, w - first)
            _copy_line(inside, line, sw, back)


@inner
def _seen(frame, layout, grid, z, tap):
    """What an element of the kernel reads for depth `z` of the result: a shifted frame."""
    slot, width, length = layout.slot, layout.width, layout.length
    _, _, _, _, kh, kw, _, _, _, sd, sh, sw, _, _, _, dd, dh, dw = grid
    x, y = tap % kw * dw, tap // kw % kh * dh
    depth = z * sd + tap // (kw * kh) * dd
    start = ((depth * sh + y % sh) * sw + x % sw) * slot + y // sh * width + x // sw
    return stretch(frame, start, length)


# -- forward -------------------------------------------------------------------------------------


@inner
def _sum_taps(plane, frame, w, at, z, layout, grid):
    """``plane = sum of w[tap] * shifted frame`` for depth `z` of the result."""
    _clear(plane)
    taps, tap = grid[3] * grid[4] * grid[5], 0
    while tap + 3 <= taps:
        first = _seen(frame, layout, grid, z, tap)
        second = _seen(frame, layout, grid, z, tap + 1)
        third = _seen(frame, layout, grid, z, tap + 2)
        t = at + tap
        _add_three(plane, first, second, third, w[t], w[t + 1], w[t + 2])
        tap += 3
    while tap < taps:
        _add_one(plane, _seen(frame, layout, grid, z, tap), w[at + tap])
        tap += 1


@inner
def _memory(like, numbers, slot):
    """The frame and the plane of a slot."""
    head, layout = numbers_at(Head, numbers), numbers_at(Layout, numbers + LAYOUT_AT)
    begin = head.work + slot * head.work_bytes
    work = row_at(begin, layout.frame + layout.length, like)
    return work[: layout.frame], work[layout.frame :]


@inner
def _arrays(like, numbers, images, pixels, weights):
    """Arrays at addresses: images, pixels of the result, weights; bias by outputs and inputs."""
    layout, grid = numbers_at(Layout, numbers + LAYOUT_AT), numbers_at(Grid, numbers + GRID_AT)
    planes = layout.images * layout.channels
    positions = grid.od * grid.oh * grid.ow * layout.outputs
    taps = layout.channels * layout.outputs * grid.kd * grid.kh * grid.kw
    return (
        row_at(images, planes * grid.d * grid.h * grid.w, like),
        row_at(pixels, planes * positions, like),
        row_at(weights, taps, like),
    )


@inner
def _forward_planes(like, numbers, b0, b1):
    head, layout = numbers_at(Head, numbers), numbers_at(Layout, numbers + LAYOUT_AT)
    grid, outputs, channels = numbers_at(Grid, numbers + GRID_AT), layout.outputs, layout.channels
    x, y, w = _arrays(like, numbers, head.source, head.result, head.other)
    bias = row_at(head.start, head.starts * outputs * channels, like)
    volume, taps = grid.d * grid.h * grid.w, grid.kd * grid.kh * grid.kw
    slot = claim(numbers)
    frame, plane = _memory(like, numbers, slot)
    _clear(frame)
    for b in range(b0, b1):
        _copy_channel(frame, layout, grid, x, b * volume, False)
        for r in range(outputs):
            o = b % channels * outputs + r
            for z in range(grid.od):
                _sum_taps(plane, frame, w, o * taps, z, layout, grid)
                if bias.size:
                    shift = bias[o]
                    for i in range(plane.size):
                        plane[i] += shift
                start = ((b * outputs + r) * grid.od + z) * grid.oh * grid.ow
                _copy_plane(plane, layout.width, y, start, grid.oh, grid.ow, True)
    release(numbers, slot)


@Body
def _forward_f4(numbers, b0, b1):
    """Tasks: a channel of an image."""
    _forward_planes(_F4, numbers, b0, b1)


@Body
def _forward_f8(numbers, b0, b1):
    """Tasks: a channel of an image."""
    _forward_planes(_F8, numbers, b0, b1)


# -- backward ------------------------------------------------------------------------------------


@inner
def _spread_taps(plane, frame, w, at, z, layout, grid):
    """``shifted frame += w[tap] * plane`` for depth `z` of the result: :func:`_sum_taps` back."""
    for tap in range(grid[3] * grid[4] * grid[5]):
        _add_one(_seen(frame, layout, grid, z, tap), plane, w[at + tap])


@inner
def _data_planes(like, numbers, b0, b1):
    head, layout = numbers_at(Head, numbers), numbers_at(Layout, numbers + LAYOUT_AT)
    grid, outputs, channels = numbers_at(Grid, numbers + GRID_AT), layout.outputs, layout.channels
    dx, dy, w = _arrays(like, numbers, head.result, head.source, head.other)
    bias = row_at(head.start, head.starts * channels, like)
    volume, taps = grid.d * grid.h * grid.w, grid.kd * grid.kh * grid.kw
    slot = claim(numbers)
    frame, plane = _memory(like, numbers, slot)
    _clear(plane)
    for b in range(b0, b1):
        _clear(frame)
        if bias.size:
            for i in range(frame.size):
                frame[i] = bias[b % channels]
        for r in range(outputs):
            o = b % channels * outputs + r
            for z in range(grid.od):
                start = ((b * outputs + r) * grid.od + z) * grid.oh * grid.ow
                _copy_plane(plane, layout.width, dy, start, grid.oh, grid.ow, False)
                _spread_taps(plane, frame, w, o * taps, z, layout, grid)
        _copy_channel(frame, layout, grid, dx, b * volume, True)
    release(numbers, slot)


@Body
def _data_f4(numbers, b0, b1):
    """Tasks: a channel of an image."""
    _data_planes(_F4, numbers, b0, b1)


@Body
def _data_f8(numbers, b0, b1):
    """Tasks: a channel of an image."""
    _data_planes(_F8, numbers, b0, b1)


@inner
def _dot_taps(plane, frame, sums, at, z, layout, grid):
    """``sums[tap] += plane . shifted frame`` for depth `z` of the result."""
    for tap in range(grid[3] * grid[4] * grid[5]):
        sums[at + tap] += np.float64(_dot(plane, _seen(frame, layout, grid, z, tap)))


@inner
def _weight_groups(like, numbers, b0, b1):
    head, layout = numbers_at(Head, numbers), numbers_at(Layout, numbers + LAYOUT_AT)
    grid, outputs, channels = numbers_at(Grid, numbers + GRID_AT), layout.outputs, layout.channels
    x, dy, dw = _arrays(like, numbers, head.source, head.other, head.result)
    sums = row_at(head.memory, dw.size, _F8)
    volume, taps = grid.d * grid.h * grid.w, grid.kd * grid.kh * grid.kw
    slot = claim(numbers)
    frame, plane = _memory(like, numbers, slot)
    _clear(plane)
    _clear(frame)
    for g in range(b0, b1):
        first = g * outputs * taps
        _clear(stretch(sums, first, outputs * taps))
        for n in range(layout.images):
            b = n * channels + g
            _copy_channel(frame, layout, grid, x, b * volume, False)
            for r in range(outputs):
                for z in range(grid.od):
                    start = ((b * outputs + r) * grid.od + z) * grid.oh * grid.ow
                    _copy_plane(plane, layout.width, dy, start, grid.oh, grid.ow, False)
                    _dot_taps(plane, frame, sums, first + r * taps, z, layout, grid)
        for i in range(first, first + outputs * taps):
            dw[i] = sums[i]
    release(numbers, slot)


@Body
def _weight_f4(numbers, b0, b1):
    """Tasks: a channel of all images."""
    _weight_groups(_F4, numbers, b0, b1)


@Body
def _weight_f8(numbers, b0, b1):
    """Tasks: a channel of all images."""
    _weight_groups(_F8, numbers, b0, b1)
