"""Winograd's convolution, the backward pass of the weight: 16 multiplications instead of 36.

The gradient of a 3x3 kernel is ``Gt [sum over tiles of (Bt x B) * (A dy At)] G``: the maps of the
forward pass, transposed. The sums over tiles are, at each of sixteen places, the product of the
matrices (channels in, tiles) and (tiles, channels out).

As in :mod:`minigrad.kernels.conv.scatter` the images are dealt out to a fixed number of parts with
sums of their own, which are added in order: the bits do not depend on the number of threads.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.conv.emitter import call
from minigrad.kernels.conv.gather_plan import TASK, TASKS, Pair
from minigrad.kernels.conv.scatter import SUMS
from minigrad.kernels.conv.transforms import PLACES
from minigrad.kernels.conv.variants import Registers, address, scatter_tile
from minigrad.kernels.conv.winograd import INPUT, TILES, even_parts, transform_input
from minigrad.kernels.jit import jit
from minigrad.kernels.scalar import smaller
from minigrad.kernels.threads import parallel_for, pool_address

__all__ = ["plan", "run"]

Array = np.ndarray[Any, Any]

#: Tiles that a part must at least have, to be worth adding its sums.
PART = 128
#: Input channels of a task that adds.
CHANNELS = 8


class Numbers(NamedTuple):
    """What the compiled driver must know; sizes in bytes where a name says so."""

    images: int
    groups: int
    size: int
    in_channels: int  # of a group, as all channels here
    in_height: int
    in_width: int
    top: int  # the padding
    left: int
    out_channels: int
    out_height: int
    out_width: int
    together: int  # images that are worked on together
    tile_rows: int  # of an image at a time, and how many times
    tile_columns: int
    row_units: int
    units: int
    parts: int
    pitch: int  # tiles from channel to channel, bytes from place to place of the input
    in_place: int
    lanes: int  # channels of a block, and how many blocks
    blocks: int
    task_blocks: int
    block_tasks: int
    height: int  # input channels of a tile of sums, and how many such tiles there are
    rows: int
    sum_place: int  # elements of sums from place to place, and of a block
    sums: int
    pack: int  # addresses of code
    transpose: int
    scatter: int
    input: int
    flow: int
    gradient: int


class Plan(NamedTuple):
    """A convolution of certain sizes, prepared."""

    numbers: Numbers
    offsets: Array
    shared: bool


@functools.lru_cache(maxsize=1024)
def plan(
    registers: Registers,
    size: int,
    dy_shape: tuple[int, int, int, int],
    x_shape: tuple[int, int, int, int],
    padding: Pair,
    groups: int,
) -> Plan:
    """Choose the tile, cut the work, and write the table of rows."""
    n, c, h, w = x_shape
    o, oh, ow = dy_shape[1:]
    c, o = c // groups, o // groups
    vector = registers.vector(size)
    columns, rows = -(-ow // 2), -(-oh // 2)
    most = max(16, min(TILES, INPUT // (PLACES * c * size)))
    tile_rows = even_parts(rows, max(1, most // columns))
    row_units = -(-rows // tile_rows)
    together = max(1, min(n, most // (rows * columns))) if row_units == 1 else 1
    units = -(-n // together) * row_units
    count = together * tile_rows * columns
    tile = scatter_tile(registers, vector.lanes, c, o, 1)
    lanes = tile.vectors * vector.lanes
    blocks = -(-o // lanes)
    tiles = -(-c // tile.height)
    sum_place = (tiles * tile.height + 1) * lanes
    sums = PLACES * sum_place
    work = n * groups * c * o * 4 * rows * columns
    wanted = max(1, min(TASKS, work // TASK))
    parts = min(
        units,
        -(-wanted // groups),
        max(1, n * rows * columns // PART),
        max(1, SUMS // (groups * blocks * sums * size)),
    )
    block_tasks = min(blocks, -(-wanted // (parts * groups)))
    task_blocks = -(-blocks // block_tasks)
    block_tasks = -(-blocks // task_blocks)
    pitch = count - tile_rows * columns + vector.lanes * -(-tile_rows * columns // vector.lanes)
    pitch = -(-pitch // vector.lanes) * vector.lanes
    narrow = min(vector.lanes, 1 << (columns - 1).bit_length())
    numbers = Numbers(
        images=n, groups=groups, size=size,
        in_channels=c, in_height=h, in_width=w, top=padding[0], left=padding[1],
        out_channels=o, out_height=oh, out_width=ow,
        together=together, tile_rows=tile_rows, tile_columns=columns, row_units=row_units,
        units=units, parts=parts, pitch=pitch, in_place=(c * pitch + vector.lanes) * size,
        lanes=lanes, blocks=blocks, task_blocks=task_blocks, block_tasks=block_tasks,
        height=tile.height, rows=tiles, sum_place=sum_place, sums=sums,
        pack=address("transpose", vector, 0), transpose=address("transpose", vector, 1),
        scatter=address("scatter", vector, tile.height, tile.vectors, 1, 1),
        input=address("input", vector, narrow),
        flow=address("flow", vector, tile.vectors),
        gradient=address("gradient", vector, tile.vectors),
    )  # fmt: skip
    offsets = [i * pitch * size for i in range(c)]
    offsets += offsets[-1:] * (tiles * tile.height - c)
    return Plan(numbers, np.array(offsets, np.int64), work >= TASK)


# -------------------------------------------------------------------------------------- compiled


@jit
def _pack_flow(dy, channel, first, rows, packed, p):  # type: ignore[no-untyped-def]
    """Rows of `dy` as (pixels, channels of a block), with zeros to make both sizes even."""
    width = 2 * p.tile_columns
    height = smaller(2 * rows, p.out_height - first)
    plane = p.out_height * p.out_width * p.size
    channels = smaller(p.lanes, p.out_channels - channel % p.out_channels)
    even = width == p.out_width
    count = 1 if even else height
    pixels = height * p.out_width if even else p.out_width
    for i in range(count):
        source = channel * plane + (first + i) * p.out_width * p.size
        call(
            p.pack,
            (
                dy.ctypes.data + source,
                plane,
                channels,
                pixels,
                packed.ctypes.data + i * width * p.lanes * p.size,
                p.lanes * p.size,
                p.lanes,
            ),
        )
    zero = packed.dtype.type(0)
    if not even:
        for i in range(height):
            pixel = packed[((i + 1) * width - 1) * p.lanes : (i + 1) * width * p.lanes]
            for j in range(pixel.size):
                pixel[j] = zero
    below = packed[height * width * p.lanes : 2 * rows * width * p.lanes]
    for j in range(below.size):
        below[j] = zero


@jit
def _transform_flow(dy, image, images, channel, first, rows, packed, flows, count, p):  # type: ignore[no-untyped-def]
    """The tiles of a block of channels at the sixteen places, as (places, tiles, channels)."""
    pixel = p.lanes * p.size
    for i in range(images):
        place = (image + i) * p.groups * p.out_channels + channel
        _pack_flow(dy, place, 2 * first, rows, packed, p)
        call(
            p.flow,
            (
                packed.ctypes.data,
                2 * p.tile_columns * pixel,
                rows,
                p.tile_columns,
                flows.ctypes.data + i * rows * p.tile_columns * pixel,
                (count + 1) * pixel,
            ),
        )


@jit
def _add_products(inputs, flows, sums, offsets, count, p):  # type: ignore[no-untyped-def]
    """Add the products over `count` tiles to the sums of one block."""
    pixel = p.lanes * p.size
    for place in range(16):
        for row in range(p.rows):
            call(
                p.scatter,
                (
                    inputs.ctypes.data + place * p.in_place,
                    0,
                    0,
                    offsets.ctypes.data + 8 * row * p.height,
                    flows.ctypes.data + place * (count + 1) * pixel,
                    1,
                    1,
                    count,
                    sums + place * p.sum_place * p.size + row * p.height * pixel,
                ),
            )


@jit
def _parts(x, dy, sums, offsets, p, b0, b1):  # type: ignore[no-untyped-def]
    """Tasks: one part of the tiles for some blocks of output channels."""
    most = p.together * p.tile_rows * p.tile_columns
    inputs = np.empty(16 * p.in_place // p.size + 64, x.dtype)
    buffer = np.empty(8 * ((p.tile_rows + 1) * p.tile_columns + 16) + 64, x.dtype)
    empty = np.zeros(p.in_width, x.dtype)
    packed = np.empty(4 * p.tile_rows * p.tile_columns * p.lanes, x.dtype)
    flows = np.empty(16 * (most + 1) * p.lanes, x.dtype)
    zero = x.dtype.type(0)
    for task in range(b0, b1):
        blocks, rest = task % p.block_tasks, task // p.block_tasks
        group, part = rest % p.groups, rest // p.groups
        begin = blocks * p.task_blocks
        end = smaller(p.blocks, begin + p.task_blocks)
        place = (part * p.groups + group) * p.blocks
        own = sums[(place + begin) * p.sums : (place + end) * p.sums]
        for i in range(own.size):
            own[i] = zero
        for unit in range(part * p.units // p.parts, (part + 1) * p.units // p.parts):
            image = unit // p.row_units * p.together
            images = smaller(p.together, p.images - image)
            first = unit % p.row_units * p.tile_rows
            rows = smaller(p.tile_rows, (p.out_height + 1) // 2 - first)
            count = images * rows * p.tile_columns
            transform_input(x, image, images, group, first, rows, empty, buffer, inputs, p)
            for block in range(begin, end):
                channel = group * p.out_channels + block * p.lanes
                _transform_flow(dy, image, images, channel, first, rows, packed, flows, count, p)
                target = sums.ctypes.data + (place + block) * p.sums * p.size
                _add_products(inputs, flows, target, offsets, count, p)


@jit
def _add_parts(sums, dw, chunks, p, b0, b1):  # type: ignore[no-untyped-def]
    """Tasks: add the sums of all parts for some channels, and map them to the gradient."""
    taps = np.empty(9 * CHANNELS * p.lanes, sums.dtype)
    for task in range(b0, b1):
        number, first = task // chunks, task % chunks * CHANNELS
        channels = smaller(CHANNELS, p.in_channels - first)
        for place in range(16):
            begin = number * p.sums + place * p.sum_place + first * p.lanes
            total = sums[begin : begin + channels * p.lanes]
            for part in range(1, p.parts):
                other = sums[begin + part * p.groups * p.blocks * p.sums :][: channels * p.lanes]
                for i in range(total.size):
                    total[i] += other[i]
        source = sums.ctypes.data + (number * p.sums + first * p.lanes) * p.size
        call(p.gradient, (source, p.sum_place * p.size, channels, taps.ctypes.data))
        group, block = number // p.blocks, number % p.blocks
        row = (group * p.out_channels + block * p.lanes) * p.in_channels + first
        call(
            p.transpose,
            (
                taps.ctypes.data,
                p.lanes * p.size,
                9 * channels,
                smaller(p.lanes, p.out_channels - block * p.lanes),
                dw.ctypes.data + 9 * row * p.size,
                9 * p.in_channels * p.size,
                9 * channels,
            ),
        )


@jit
def _winograd_weight(pool, x, dy, sums, offsets, dw, p):  # type: ignore[no-untyped-def]
    parallel_for(pool, _parts, (x, dy, sums, offsets, p), p.parts * p.groups * p.block_tasks)
    chunks = (p.in_channels + CHANNELS - 1) // CHANNELS
    parallel_for(pool, _add_parts, (sums, dw, chunks, p), p.groups * p.blocks * chunks)


def run(plan: Plan, dy: Array, x: Array, w_shape: tuple[int, ...]) -> Array:
    """The gradient of the weight; arrays C-contiguous and of the plan's shapes."""
    p = plan.numbers
    dw = np.empty(w_shape, x.dtype)
    sums = np.empty(p.parts * p.groups * p.blocks * p.sums, x.dtype)
    pool = pool_address() if plan.shared else 0
    _winograd_weight(pool, x.reshape(-1), dy.reshape(-1), sums, plan.offsets, dw.reshape(-1), p)
    return dw
