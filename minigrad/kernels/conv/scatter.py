"""Direct convolution as sums over pixels: the backward pass of the weight.

The gradient of one weight is the sum over all pixels of all images of ``dy`` times the input that
the pixel read with this weight. The inner loop keeps the sums of a tile of weights in registers
while it goes over some rows of an image.

The images are dealt out to a fixed number of *parts*, each with sums of its own, that are added in
order at the end: the bits depend on the sizes, not on the number of threads.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.conv.emitter import call
from minigrad.kernels.conv.gather import fill_frame
from minigrad.kernels.conv.gather_plan import FRAME, SCRATCH, SLACK, TASK, TASKS, Pair
from minigrad.kernels.conv.variants import Registers, address, scatter_tile
from minigrad.kernels.jit import jit
from minigrad.kernels.scalar import smaller
from minigrad.kernels.threads import parallel_for, pool_address

__all__ = ["plan", "run"]

Array = np.ndarray[Any, Any]

#: Pixels that a part must at least have, to be worth adding its sums.
PART = 256
#: Bytes of the sums of all parts.
SUMS = 33_554_432


class Numbers(NamedTuple):
    """What the compiled driver must know; sizes in bytes where a name says so."""

    images: int
    groups: int
    size: int
    in_channels: int  # of a group, as all channels here
    in_height: int
    in_width: int
    copied: int  # whether tasks copy rows of the input into a frame
    frame_height: int
    frame_width: int
    top: int  # minus the padding
    left: int
    stride: int
    out_channels: int
    out_height: int
    out_width: int
    together: int  # images that are read together, if they are small
    unit_rows: int  # output rows in one frame, and how many such units an image is
    units: int  # of all images, or batches of images
    row_units: int
    block_rows: int
    parts: int
    lanes: int
    blocks: int
    task_blocks: int
    block_tasks: int
    height: int  # rows of the kernel in a tile, and how many such tiles there are
    tiles: int
    taps: int  # taps in a row of a tile, and in the kernel of one output channel
    weights: int
    code: int
    pad: int  # addresses of code
    pack: int
    transpose: int


class Plan(NamedTuple):
    """A convolution of certain sizes, prepared."""

    numbers: Numbers
    offsets: Array
    shared: bool


@functools.lru_cache(maxsize=1024)
def plan(
    registers: Registers,
    size: int,
    dy_shape: tuple[int, ...],
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Plan:
    """Choose the tile, cut the work, and write the table of rows."""
    n, in_height, in_width = x_shape[0], *x_shape[2:]
    o, c, kh, kw = w_shape
    o //= groups
    oh, ow = dy_shape[2:]
    vector = registers.vector(size)
    wide = kw if dilation[1] == 1 else 1
    tile = scatter_tile(registers, vector.lanes, c * kh * (kw // wide), o, wide)
    lanes = tile.vectors * vector.lanes
    blocks = -(-o // lanes)
    copied = any(padding)
    reach = dilation[0] * (kh - 1) + 1
    frame_width = in_width
    if copied:
        frame_width = (ow - 1) * stride[1] + dilation[1] * (kw - 1) + 1

    # rows of an image, or several images, that are read from one frame
    row_bytes = c * frame_width * size
    unit_rows = max(1, min(oh, (FRAME // row_bytes - reach) // stride[0] + 1))
    row_units = -(-oh // unit_rows)
    unit_rows = -(-oh // row_units)
    frame_height = (unit_rows - 1) * stride[0] + reach if copied else in_height
    together = 1
    if row_units == 1:
        together = SCRATCH // (oh * ow * lanes * size)
        if copied:
            together = min(together, FRAME // (row_bytes * frame_height))
        together = max(1, min(together, n, n * groups // TASKS))
    units = -(-n // together) * row_units
    block_rows = max(1, min(unit_rows, SCRATCH // (ow * lanes * size)))

    rows = c * kh * (kw // tile.taps)
    tiles = -(-rows // tile.height)
    weights = c * kh * kw
    sums = groups * blocks * tiles * tile.height * tile.taps * lanes * size
    work = n * groups * o * weights * oh * ow
    wanted = max(1, min(TASKS, work // TASK))
    parts = min(
        units,
        -(-wanted // groups),
        max(1, n * oh * ow // PART),
        max(1, SUMS // sums),
    )
    block_tasks = min(blocks, -(-wanted // (parts * groups)))
    task_blocks = -(-blocks // block_tasks)
    block_tasks = -(-blocks // task_blocks)
    offsets = [
        ((channel * frame_height + i * dilation[0]) * frame_width + j * dilation[1]) * size
        for channel in range(c)
        for i in range(kh)
        for j in range(0, kw, tile.taps)
    ]
    offsets += offsets[-1:] * (tiles * tile.height - rows)
    numbers = Numbers(
        images=n, groups=groups, size=size,
        in_channels=c, in_height=in_height, in_width=in_width,
        copied=int(copied), frame_height=frame_height, frame_width=frame_width,
        top=-padding[0], left=-padding[1], stride=stride[0],
        out_channels=o, out_height=oh, out_width=ow,
        together=together, unit_rows=unit_rows, units=units, row_units=row_units,
        block_rows=block_rows, parts=parts, lanes=lanes, blocks=blocks,
        task_blocks=task_blocks, block_tasks=block_tasks,
        height=tile.height, tiles=tiles, taps=tile.taps, weights=weights,
        code=address("scatter", vector, tile.height, tile.vectors, tile.taps, stride[1]),
        pad=address("pad", vector), pack=address("transpose", vector, 0),
        transpose=address("transpose", vector, 1),
    )  # fmt: skip
    return Plan(numbers, np.array(offsets, np.int64), work >= TASK)


# -------------------------------------------------------------------------------------- compiled


@jit
def _add_rows(source, image, first, rows, images, dy, flow, sums, offsets, block, p):  # type: ignore[no-untyped-def]
    """The sums of all tiles over `rows` rows of `images` images, read at `source`."""
    group_image = image * p.groups
    pixels = rows * p.out_width
    plane = p.out_height * p.out_width
    channels = smaller(p.lanes, p.out_channels - (block % p.blocks) * p.lanes)
    for i in range(images):
        channel = (group_image + i * p.groups) * p.out_channels
        channel += block // p.blocks * p.out_channels + block % p.blocks * p.lanes
        call(
            p.pack,
            (
                dy.ctypes.data + (channel * plane + first * p.out_width) * p.size,
                plane * p.size,
                channels,
                pixels,
                flow.ctypes.data + i * pixels * p.lanes * p.size,
                p.lanes * p.size,
                p.lanes,
            ),
        )
    if p.copied:
        between = p.in_channels * p.frame_height * p.frame_width * p.size
    else:
        between = p.groups * p.in_channels * p.in_height * p.in_width * p.size
    tile_bytes = p.height * p.taps * p.lanes * p.size
    for tile in range(p.tiles):
        call(
            p.code,
            (
                source,
                between,
                p.stride * p.frame_width * p.size,
                offsets.ctypes.data + 8 * tile * p.height,
                flow.ctypes.data,
                images,
                rows,
                p.out_width,
                sums + tile * tile_bytes,
            ),
        )


@jit
def _parts(x, dy, sums, offsets, p, b0, b1):  # type: ignore[no-untyped-def]
    """Tasks: one part of the images for some blocks of output channels."""
    plane = p.in_channels * p.frame_height * p.frame_width
    frame = np.empty(p.copied * p.together * plane + SLACK, x.dtype)
    flow = np.empty(p.together * p.block_rows * p.out_width * p.lanes, x.dtype)
    count = p.tiles * p.height * p.taps * p.lanes
    zero = x.dtype.type(0)
    for task in range(b0, b1):
        blocks, rest = task % p.block_tasks, task // p.block_tasks
        group, part = rest % p.groups, rest // p.groups
        begin = group * p.blocks + blocks * p.task_blocks
        end = smaller((group + 1) * p.blocks, begin + p.task_blocks)
        place = part * p.groups * p.blocks
        own = sums[(place + begin) * count : (place + end) * count]
        for i in range(own.size):
            own[i] = zero
        for unit in range(part * p.units // p.parts, (part + 1) * p.units // p.parts):
            image = unit // p.row_units * p.together
            images = smaller(p.together, p.images - image)
            first = unit % p.row_units * p.unit_rows
            last = smaller(p.out_height, first + p.unit_rows)
            channel = (image * p.groups + group) * p.in_channels
            source = x.ctypes.data + channel * p.in_height * p.in_width * p.size
            if p.copied:
                step = p.groups * p.in_channels * p.in_height * p.in_width * p.size
                for i in range(images):
                    target = frame[i * plane :]
                    fill_frame(source + i * step, first * p.stride + p.top, target, p)
                source = frame.ctypes.data
            else:
                source += first * p.stride * p.in_width * p.size
            for block in range(begin, end):
                target = sums.ctypes.data + (place + block) * count * p.size
                for row in range(first, last, p.block_rows):
                    rows = smaller(p.block_rows, last - row)
                    origin = source + (row - first) * p.stride * p.frame_width * p.size
                    _add_rows(origin, image, row, rows, images, dy, flow, target, offsets, block, p)


@jit
def _add_parts(sums, dw, p, b0, b1):  # type: ignore[no-untyped-def]
    """Tasks: add the sums of all parts of one tile, then transpose them into the result."""
    tile_count = p.height * p.taps * p.lanes
    count = p.tiles * tile_count
    for task in range(b0, b1):
        block, tile = task // p.tiles, task % p.tiles
        total = sums[block * count + tile * tile_count :][:tile_count]
        for part in range(1, p.parts):
            place = (part * p.groups * p.blocks + block) * count + tile * tile_count
            other = sums[place : place + tile_count]
            for i in range(total.size):
                total[i] += other[i]
        first = tile * p.height * p.taps
        taps = smaller(p.height * p.taps, p.weights - first)
        channel = block // p.blocks * p.out_channels + block % p.blocks * p.lanes
        channels = smaller(p.lanes, p.out_channels - block % p.blocks * p.lanes)
        call(
            p.transpose,
            (
                total.ctypes.data,
                p.lanes * p.size,
                taps,
                channels,
                dw.ctypes.data + (channel * p.weights + first) * p.size,
                p.weights * p.size,
                taps,
            ),
        )


@jit
def _scatter(pool, x, dy, sums, offsets, dw, p):  # type: ignore[no-untyped-def]
    blocks = p.groups * p.blocks
    parallel_for(pool, _parts, (x, dy, sums, offsets, p), p.parts * p.groups * p.block_tasks)
    parallel_for(pool, _add_parts, (sums, dw, p), blocks * p.tiles)


def run(plan: Plan, dy: Array, x: Array, w_shape: tuple[int, ...]) -> Array:
    """The gradient of the weight; arrays C-contiguous and of the plan's shapes."""
    p = plan.numbers
    dw = np.empty(w_shape, x.dtype)
    count = p.parts * p.groups * p.blocks * p.tiles * p.height * p.taps * p.lanes
    sums = np.empty(count, x.dtype)
    pool = pool_address() if plan.shared else 0
    _scatter(pool, x.reshape(-1), dy.reshape(-1), sums, plan.offsets, dw.reshape(-1), p)
    return dw
