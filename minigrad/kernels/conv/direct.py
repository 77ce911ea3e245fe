"""Direct convolution as sums over taps: the forward pass and the backward pass of the data.

A task is a range of rows of one image. It copies what these rows read into a frame with zeros
around (unless there is no padding), lets the inner loop sum all taps of a block of channels into a
scratch of (pixels, channels), and transposes that into the result. The tasks depend on the sizes
alone, and no sum depends on the tasks, so the bits are the same for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.conv.case import Prepared
from minigrad.kernels.conv.direct_plan import (
    FETCH,
    FRAME_AT,
    PACKING_AT,
    PHASE_BYTES,
    SUMS_AT,
    Frame,
    Packing,
    Phase,
    Sums,
    Work,
    prepare,
)
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.plan import Head, claim, release
from minigrad.kernels.scalar import smaller
from minigrad.kernels.vector.emitter import call

__all__ = ["fill_frame", "pack_blocks", "pack_weights", "prepared"]

Array = np.ndarray[Any, Any]


@inner
def pack_blocks(address, target, b0, b1):
    """The weights of blocks of channels as (parts, taps, channels); `target` is that of block 0."""
    weights = numbers_at(Head, address).other
    p = numbers_at(Packing, address + PACKING_AT)
    for task in range(b0, b1):
        group, block = task // p.blocks, task % p.blocks
        channels = smaller(p.lanes, p.channels - block * p.lanes)
        source = group * p.group + block * p.block
        for part in range(p.parts):
            call(
                p.transpose,
                (
                    weights + (source + part * p.part) * p.size,
                    p.rows * p.size,
                    channels,
                    p.rows,
                    target + task * p.block_bytes + part * p.rows * p.lanes * p.size,
                    p.lanes * p.size,
                    p.lanes,
                ),
            )


@Body
def pack_weights(address, b0, b1):
    """Tasks: the weights of one block."""
    pack_blocks(address, numbers_at(Head, address).memory, b0, b1)


@inner
def fill_frame(image, first, target, numbers):
    """Copy the rows from `first` on, of all channels of an image, zeros where there are none."""
    p = numbers_at(Frame, numbers)
    begin = smaller(p.height, max(0, -first))
    end = max(begin, smaller(p.height, p.in_height - first))
    row = p.width * p.size
    for channel in range(p.channels):
        goal = target + channel * p.height * row
        if begin > 0:
            call(p.clear, (goal, begin * p.width))
        if end > begin:
            call(
                p.pad,
                (
                    image + (channel * p.in_height + first + begin) * p.in_width * p.size,
                    p.in_width * p.size,
                    goal + begin * row,
                    end - begin,
                    p.in_width,
                    p.left,
                    p.width,
                    FETCH * p.in_height * p.in_width * p.size,
                ),
            )
        if end < p.height:
            call(p.clear, (goal + end * row, (p.height - end) * p.width))


@inner
def _sum_phase(phase, origin, pitch, scratch, weights, start, height, lanes, address):
    """The pixels of one phase, into the scratch."""
    p = numbers_at(Sums, address + SUMS_AT)
    pixel = lanes * p.size
    target = scratch + (phase.row * p.width + phase.column) * pixel
    if phase.pairs > 0:
        call(
            phase.code,
            (
                origin,
                p.stride * pitch,
                height,
                phase.width,
                phase.table,
                phase.pairs,
                weights,
                phase.step,
                start,
                target,
                p.row_phases * p.width * pixel,
                p.column_phases * pixel,
            ),
        )
        return
    pad = numbers_at(Frame, address + FRAME_AT).pad  # no tap reaches these pixels
    for i in range(height):
        for j in range(phase.width):
            place = i * p.row_phases * p.width + j * p.column_phases
            call(pad, (start, 0, target + place * pixel, 1, lanes, 0, lanes, 0))


@inner
def _sum_rows(origin, pitch, result, scratch, weights, start, q, rows, channels, address):
    """All phases of `rows` rows from `q` on; `origin`: what row `q` reads."""
    p = numbers_at(Sums, address + SUMS_AT)
    lanes = numbers_at(Packing, address + PACKING_AT).lanes
    plane = p.height * p.width * p.size
    result += q * p.row_phases * p.width * p.size
    if p.line != 0:
        row = p.width * p.size
        call(
            p.line,
            (
                origin, pitch, rows, p.width, p.table, p.pairs, weights, start, result, plane, row,
            ),
        )  # fmt: skip
        return
    for i in range(p.row_phases * p.column_phases):
        phase = numbers_at(Phase, p.phases + PHASE_BYTES * i)
        height = smaller(rows, (p.height - phase.row + p.row_phases - 1) // p.row_phases - q)
        if height > 0 and phase.width > 0:
            _sum_phase(phase, origin, pitch, scratch, weights, start, height, lanes, address)
    pixels = (smaller(p.height, (q + rows) * p.row_phases) - q * p.row_phases) * p.width
    call(p.transpose, (scratch, lanes * p.size, pixels, channels, result, plane, pixels))


@inner
def _sum_blocks(source, pitch, scratch, image, begin, end, first, last, address):
    """Rows `first` to `last` of some blocks of channels; `source`: what row `first` reads."""
    head, packing = numbers_at(Head, address), numbers_at(Packing, address + PACKING_AT)
    p = numbers_at(Sums, address + SUMS_AT)
    for block in range(begin, end):
        number = image % p.groups * packing.blocks + block
        weights = head.memory + number * packing.block_bytes
        start = head.start + head.starts * number * packing.lanes * p.size
        channels = smaller(packing.lanes, p.channels - block * packing.lanes)
        channel = image * p.channels + block * packing.lanes
        result = head.result + channel * p.height * p.width * p.size
        for q in range(first, last, p.block_rows):
            rows = smaller(p.block_rows, last - q)
            origin = source + (q - first) * p.stride * pitch
            _sum_rows(origin, pitch, result, scratch, weights, start, q, rows, channels, address)


@Body
def _image_rows(address, b0, b1):
    """Tasks: rows of one image and group, some blocks of channels."""
    head, frame = numbers_at(Head, address), numbers_at(Frame, address + FRAME_AT)
    p = numbers_at(Sums, address + SUMS_AT)
    blocks = numbers_at(Packing, address + PACKING_AT).blocks
    slot = claim(address)
    work = head.work + slot * head.work_bytes
    height = (p.height + p.row_phases - 1) // p.row_phases
    plane = frame.in_height * frame.in_width * p.size
    pitch = (frame.width if p.copied != 0 else frame.in_width) * p.size
    copied = -1
    for task in range(b0, b1):
        number, rest = task % p.block_tasks, task // p.block_tasks
        row_task, image = rest % p.row_tasks, rest // p.row_tasks
        # too short a last task makes some rows of the one before again
        first = smaller(row_task * p.task_rows, height - p.least_rows)
        last = smaller(first + p.task_rows, height)
        source = head.source + image * frame.channels * plane
        if p.copied == 0:
            source += (first * p.stride + p.top) * pitch + p.left * p.size
        else:
            if copied != rest:
                fill_frame(source, first * p.stride + p.top, work, address + FRAME_AT)
                copied = rest
            source = work
        begin = number * p.task_blocks
        end = smaller(blocks, begin + p.task_blocks)
        scratch = work + p.frame_bytes
        _sum_blocks(source, pitch, scratch, image, begin, end, first, last, address)
    release(address, slot)


def prepared(work: Work) -> Prepared:
    """The plan of the forward pass, or of the gradient of the data."""
    return prepare(work, pack_weights, _image_rows)
