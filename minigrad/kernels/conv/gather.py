"""Direct convolution as sums over taps: the forward pass and the backward pass of the data.

A task is a range of rows of one image. It copies what these rows read into a frame with zeros
around (unless there is no padding), lets the inner loop sum all taps of a block of channels into a
scratch of (pixels, channels), and transposes that into the result. The tasks depend on the sizes
alone, and no sum depends on the tasks, so the bits are the same for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.conv.emitter import call
from minigrad.kernels.conv.gather_plan import FETCH, SLACK, Plan
from minigrad.kernels.jit import jit
from minigrad.kernels.scalar import smaller
from minigrad.kernels.threads import parallel_for, pool_address

__all__ = ["by_block", "fill_frame", "pack_blocks", "run"]

Array = np.ndarray[Any, Any]


@jit
def pack_blocks(w, packed, p, b0, b1):  # type: ignore[no-untyped-def]
    """The weights of blocks of channels as (parts, taps, channels)."""
    for task in range(b0, b1):
        group, block = task // p.blocks, task % p.blocks
        channels = smaller(p.lanes, p.out_channels - block * p.lanes)
        source = group * p.weight_group + block * p.weight_block
        target = packed.ctypes.data + task * p.block_bytes
        for part in range(p.packed_parts):
            call(
                p.pack,
                (
                    w.ctypes.data + (source + part * p.weight_part) * p.size,
                    p.packed_rows * p.size,
                    channels,
                    p.packed_rows,
                    target + part * p.packed_rows * p.lanes * p.size,
                    p.lanes * p.size,
                    p.lanes,
                ),
            )


@jit
def fill_frame(image, first, frame, p):  # type: ignore[no-untyped-def]
    """Copy the rows from `first` on, of all channels of an image, zeros where there are none."""
    begin = smaller(p.frame_height, max(0, -first))
    end = max(begin, smaller(p.frame_height, p.in_height - first))
    width = p.frame_width
    zero = frame.dtype.type(0)
    for channel in range(p.in_channels):
        place = channel * p.frame_height * width
        above = frame[place : place + begin * width]
        for i in range(above.size):
            above[i] = zero
        if end > begin:
            source = image + (channel * p.in_height + first + begin) * p.in_width * p.size
            target = frame.ctypes.data + (place + begin * width) * p.size
            call(
                p.pad,
                (
                    source,
                    p.in_width * p.size,
                    target,
                    end - begin,
                    p.in_width,
                    -p.left,
                    width,
                    FETCH * p.in_height * p.in_width * p.size,
                ),
            )
        below = frame[place + end * width : place + p.frame_height * width]
        for i in range(below.size):
            below[i] = zero


@jit
def _empty_phase(scratch, rows, width, row, column, p):  # type: ignore[no-untyped-def]
    """Zeros for the pixels that no tap reaches."""
    zero = scratch.dtype.type(0)
    for i in range(rows):
        for j in range(width):
            place = ((i * p.phases + row) * p.out_width + j * p.column_phases + column) * p.lanes
            pixel = scratch[place : place + p.lanes]
            for lane in range(pixel.size):
                pixel[lane] = zero


@jit
def _sum_rows(origin, scratch, weights, start, table, phases, q, rows, p):  # type: ignore[no-untyped-def]
    """All phases of `rows` rows from `q` on, into the scratch; `origin`: what row `q` reads."""
    pixel = p.lanes * p.size
    for phase in range(phases.shape[0]):
        code, first, count, step, row, column, width = phases[phase]
        height = smaller(rows, (p.out_height - row + p.phases - 1) // p.phases - q)
        if height <= 0 or width <= 0:
            continue
        if count == 0:
            _empty_phase(scratch, height, width, row, column, p)
            continue
        call(
            code,
            (
                origin,
                p.stride * p.frame_width * p.size,
                height,
                width,
                table.ctypes.data + 16 * first,
                count,
                weights,
                step,
                start,
                scratch.ctypes.data + (row * p.out_width + column) * pixel,
                p.phases * p.out_width * pixel,
                p.column_phases * pixel,
            ),
        )


@jit
def _write_lines(origin, y, place, weights, start, table, rows, p):  # type: ignore[no-untyped-def]
    """Rows of a block of channels, with pixels in the lanes."""
    pitch = p.out_width * p.size
    call(
        p.line,
        (
            origin,
            p.frame_width * p.size,
            rows,
            p.out_width,
            table.ctypes.data,
            table.size // 2,
            weights,
            start,
            y.ctypes.data + place * p.size,
            p.out_height * pitch,
            pitch,
        ),
    )


@jit
def _write_pixels(scratch, y, place, rows, channels, p):  # type: ignore[no-untyped-def]
    """Rows of a block of channels, from sums with channels in the lanes."""
    pixels = rows * p.out_width
    call(
        p.transpose,
        (
            scratch.ctypes.data,
            p.lanes * p.size,
            pixels,
            channels,
            y.ctypes.data + place * p.size,
            p.out_height * p.out_width * p.size,
            pixels,
        ),
    )


@jit
def _image_rows(x, y, packed, start, starts, table, phases, p, b0, b1):  # type: ignore[no-untyped-def]
    """Tasks: rows of one image and group, some blocks of channels."""
    frame = np.empty(p.copied * p.in_channels * p.frame_height * p.frame_width + SLACK, x.dtype)
    scratch = np.empty(p.block_rows * p.phases * p.out_width * p.lanes, x.dtype)
    height = (p.out_height + p.phases - 1) // p.phases
    copied = -1
    for task in range(b0, b1):
        blocks, rest = task % p.block_tasks, task // p.block_tasks
        row_task, image = rest % p.row_tasks, rest // p.row_tasks
        group = image % p.groups
        # too short a last task makes some rows of the one before again
        first = smaller(row_task * p.task_rows, height - p.least_rows)
        last = smaller(first + p.task_rows, height)
        source = x.ctypes.data + image * p.in_channels * p.in_height * p.in_width * p.size
        if p.copied and copied != rest:
            fill_frame(source, first * p.stride + p.top, frame, p)
            copied = rest
        for block in range(blocks * p.task_blocks, smaller(p.blocks, (blocks + 1) * p.task_blocks)):
            number = group * p.blocks + block
            weights = packed.ctypes.data + number * p.block_bytes
            begin = start.ctypes.data + starts * number * p.lanes * p.size
            channel = image * p.out_channels + block * p.lanes
            for q in range(first, last, p.block_rows):
                rows = smaller(p.block_rows, last - q)
                place = (channel * p.out_height + q * p.phases) * p.out_width
                if p.copied:
                    origin = frame.ctypes.data + (q - first) * p.stride * p.frame_width * p.size
                else:
                    origin = source + ((q * p.stride + p.top) * p.in_width + p.left) * p.size
                if p.line != 0:
                    _write_lines(origin, y, place, weights, begin, table, rows, p)
                else:
                    _sum_rows(origin, scratch, weights, begin, table, phases, q, rows, p)
                    pixel_rows = smaller(p.out_height, (q + rows) * p.phases) - q * p.phases
                    channels = smaller(p.lanes, p.out_channels - block * p.lanes)
                    _write_pixels(scratch, y, place, pixel_rows, channels, p)


@jit
def _gather(pool, x, w, start, starts, y, packed, table, phases, tasks, p):  # type: ignore[no-untyped-def]
    parallel_for(pool, pack_blocks, (w, packed, p), p.groups * p.blocks)
    parallel_for(pool, _image_rows, (x, y, packed, start, starts, table, phases, p), tasks)


def by_block(bias: Array, groups: int, channels: int, padded: int) -> Array:
    """The bias of each group's channels, with zeros for those that fill up the last block."""
    if groups == 1 and channels == padded:
        return bias
    filled = np.zeros((groups, padded), bias.dtype)
    filled[:, :channels] = bias.reshape(groups, -1)
    return filled.reshape(-1)


def run(plan: Plan, x: Array, w: Array, bias: Array | None = None) -> Array:
    """The result of a plan for images `x` and weights `w`, C-contiguous, of the plan's shapes."""
    p = plan.numbers
    y = np.empty(plan.out_shape, x.dtype)
    packed = np.empty(plan.packed, x.dtype)
    start, starts = plan.zeros, 0
    if bias is not None:
        start, starts = by_block(bias, p.groups, p.out_channels, p.blocks * p.lanes), 1
    pool = pool_address() if plan.shared else 0
    _gather(
        pool, x.reshape(-1), w.reshape(-1), start, starts, y.reshape(-1), packed,
        plan.table, plan.phases, plan.tasks, p,
    )  # fmt: skip
    return y
