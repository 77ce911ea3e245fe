"""Winograd's convolution for 3x3 kernels of stride 1: 16 multiplications where there were 36.

The maps are those of :mod:`minigrad.kernels.conv.transforms`. Between them, at each of the sixteen
places, there is a product of the matrices (tiles, channels in) and (channels in, channels out), for
which the inner loops of direct convolution serve as well. A task does all of it for some tiles, as
many as fit the second-level cache.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.conv.emitter import call
from minigrad.kernels.conv.gather import by_block, pack_blocks
from minigrad.kernels.conv.gather_plan import FETCH, TASK, TASKS, Pair
from minigrad.kernels.conv.transforms import PLACES
from minigrad.kernels.conv.variants import Registers, address, gather_tile
from minigrad.kernels.jit import jit
from minigrad.kernels.scalar import smaller
from minigrad.kernels.threads import parallel_for, pool_address

__all__ = ["even_parts", "plan", "run", "transform_input"]

Array = np.ndarray[Any, Any]

#: Tiles of a task, where the input's transform is no larger than this number of bytes.
TILES, INPUT = 64, 524_288


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
    together: int  # images of a task
    least: int  # tiles that the inner loop needs at least
    tile_rows: int  # of an image in a task, and how many such tasks an image is
    tile_columns: int
    row_tasks: int
    pitch: int  # tiles from channel to channel, bytes from place to place of the input
    in_place: int
    lanes: int  # channels of a block, and how many blocks
    blocks: int
    task_blocks: int
    block_tasks: int
    block_bytes: int  # of packed weights
    packed_parts: int
    packed_rows: int
    weight_group: int
    weight_block: int
    weight_part: int
    first_tap: int  # bytes to the first tap of packed weights, and from tap to tap
    tap: int
    pack: int  # addresses of code
    transpose: int
    gather: int
    input: int
    output: int
    weight: int


class Plan(NamedTuple):
    """A convolution of certain sizes, prepared."""

    numbers: Numbers
    table: Array
    zeros: Array
    tasks: int
    packed: int
    shared: bool
    out_shape: tuple[int, ...]


def even_parts(count: int, most: int) -> int:
    """The size of equal parts of `count`, none larger than `most`."""
    parts = -(-count // most)
    return -(-count // parts)


@functools.lru_cache(maxsize=1024)
def plan(
    registers: Registers,
    size: int,
    source: tuple[int, int, int, int],
    target: tuple[int, int, int, int],
    padding: Pair,
    groups: int,
    backward: bool,
) -> Plan:
    """The plan of a convolution from images of shape `source` to images of shape `target`.

    `backward` turns the kernel round and exchanges its channels.
    """
    n, c, h, w = source
    o, oh, ow = target[1:]
    c, o = c // groups, o // groups
    vector = registers.vector(size)
    columns, rows = -(-ow // 2), -(-oh // 2)
    most = max(16, min(TILES, INPUT // (PLACES * c * size)))
    tile_rows = even_parts(rows, max(1, most // columns))
    row_tasks = -(-rows // tile_rows)
    together = max(1, min(n, most // (rows * columns))) if row_tasks == 1 else 1
    work = n * groups * c * o * 4 * rows * columns
    wanted = min(TASKS, work // TASK)
    together = max(1, min(together, n * groups // max(1, wanted)))
    units = -(-n // together) * groups * row_tasks
    count = together * tile_rows * columns
    tile = gather_tile(registers, vector.lanes, count, o, 1, 1)
    lanes = tile.vectors * vector.lanes
    blocks = -(-o // lanes)
    block_tasks = min(blocks, max(1, -(-wanted // units)))
    task_blocks = -(-blocks // block_tasks)
    block_tasks = -(-blocks // task_blocks)
    narrow = min(vector.lanes, 1 << (columns - 1).bit_length())
    parts, packed_rows = (c, 9) if backward else (1, 9 * c)
    # each image writes whole vectors, the last one beyond its own tiles
    pitch = count - tile_rows * columns + vector.lanes * -(-tile_rows * columns // vector.lanes)
    pitch = -(-pitch // vector.lanes) * vector.lanes
    numbers = Numbers(
        images=n, groups=groups, size=size,
        in_channels=c, in_height=h, in_width=w, top=padding[0], left=padding[1],
        out_channels=o, out_height=oh, out_width=ow,
        together=together, least=min(tile.height, count),
        tile_rows=tile_rows, tile_columns=columns, row_tasks=row_tasks,
        pitch=pitch, in_place=(c * pitch + vector.lanes) * size,
        lanes=lanes, blocks=blocks, task_blocks=task_blocks, block_tasks=block_tasks,
        block_bytes=9 * c * lanes * size, packed_parts=parts, packed_rows=packed_rows,
        weight_group=c * o * 9, weight_block=lanes * packed_rows,
        weight_part=o * 9 if backward else 0,
        first_tap=8 * lanes * size if backward else 0,
        tap=-lanes * size if backward else lanes * size,
        pack=address("transpose", vector, 0), transpose=address("transpose", vector, 1),
        gather=address("gather", vector, min(tile.height, count), tile.vectors, 1, 1),
        input=address("input", vector, narrow),
        output=address("output", vector, tile.vectors),
        weight=address("weight", vector, tile.vectors),
    )  # fmt: skip
    table = [(i * pitch * size, i * lanes * size) for i in range(c)]
    return Plan(
        numbers,
        np.array(table, np.int64).ravel(),
        np.zeros(lanes, np.float32 if size == 4 else np.float64),
        units * block_tasks,
        groups * blocks * 9 * c * lanes,
        work >= TASK,
        (n, groups * o, oh, ow),
    )


# -------------------------------------------------------------------------------------- compiled


@jit
def _transform_weights(w, packed, factors, p, b0, b1):  # type: ignore[no-untyped-def]
    """The weights of blocks of channels at the sixteen places, as (places, in, out)."""
    place = (p.in_channels + 1) * p.lanes * p.size
    pack_blocks(w, packed, p, b0, b1)
    for block in range(b0, b1):
        source = packed.ctypes.data + block * p.block_bytes + p.first_tap
        target = factors.ctypes.data + block * 16 * place
        call(p.weight, (source, p.tap, p.in_channels, target, place))


@jit
def transform_input(x, image, images, group, first, rows, empty, buffer, inputs, p):  # type: ignore[no-untyped-def]
    """The tiles of some rows of some images at the sixteen places, as (places, channels, tiles)."""
    plane = p.in_height * p.in_width * p.size
    for channel in range(p.in_channels):
        for i in range(images):
            place = ((image + i) * p.groups + group) * p.in_channels + channel
            target = channel * p.pitch + i * rows * p.tile_columns
            call(
                p.input,
                (
                    x.ctypes.data + place * plane,
                    p.in_width * p.size,
                    p.top - 2 * first,
                    p.in_height,
                    p.left,
                    p.in_width,
                    rows,
                    p.tile_columns,
                    empty.ctypes.data,
                    buffer.ctypes.data,
                    inputs.ctypes.data + target * p.size,
                    p.in_place,
                    FETCH * plane,
                ),
            )


@jit
def _multiply(inputs, factors, products, zeros, table, count, p):  # type: ignore[no-untyped-def]
    """The products of one block of channels at all places, as (places, tiles, channels)."""
    pixel = p.lanes * p.size
    for place in range(16):
        call(
            p.gather,
            (
                inputs.ctypes.data + place * p.in_place,
                0,
                1,
                count,
                table.ctypes.data,
                p.in_channels,
                factors + place * (p.in_channels + 1) * pixel,
                0,
                zeros.ctypes.data,
                products.ctypes.data + place * (count + 1) * pixel,
                0,
                pixel,
            ),
        )


@jit
def _write_output(y, image, images, channel, first, rows, begin, products, count, scratch, p):  # type: ignore[no-untyped-def]
    """The pixels of one block of channels."""
    pixel = p.lanes * p.size
    tiles = rows * p.tile_columns
    plane = p.out_height * p.out_width * p.size
    pixels = (smaller(p.out_height, 2 * (first + rows)) - 2 * first) * p.out_width
    for i in range(images):
        call(
            p.output,
            (
                products.ctypes.data + i * tiles * pixel,
                (count + 1) * pixel,
                rows,
                p.tile_columns,
                begin,
                scratch.ctypes.data,
                p.out_width * pixel,
            ),
        )
        place = (image + i) * p.groups * p.out_channels + channel
        call(
            p.transpose,
            (
                scratch.ctypes.data,
                pixel,
                pixels,
                smaller(p.lanes, p.out_channels - channel % p.out_channels),
                y.ctypes.data + place * plane + 2 * first * p.out_width * p.size,
                plane,
                pixels,
            ),
        )


@jit
def _tiles(x, y, factors, start, starts, zeros, table, p, b0, b1):  # type: ignore[no-untyped-def]
    """Tasks: some rows of one image, or some images, for some blocks of channels."""
    most = p.together * p.tile_rows * p.tile_columns
    inputs = np.empty(16 * p.in_place // p.size + 64, x.dtype)
    products = np.empty(16 * (most + 1) * p.lanes, x.dtype)
    buffer = np.empty(8 * ((p.tile_rows + 1) * p.tile_columns + 16) + 64, x.dtype)
    empty = np.zeros(p.in_width, x.dtype)
    scratch = np.empty((2 * p.tile_rows * p.out_width + 2) * p.lanes, x.dtype)
    done = -1
    for task in range(b0, b1):
        blocks, rest = task % p.block_tasks, task // p.block_tasks
        row_task, unit = rest % p.row_tasks, rest // p.row_tasks
        group = unit % p.groups
        image = unit // p.groups * p.together
        images = smaller(p.together, p.images - image)
        first = row_task * p.tile_rows
        rows = smaller(p.tile_rows, (p.out_height + 1) // 2 - first)
        count = max(p.least, images * rows * p.tile_columns)
        if done != rest:
            transform_input(x, image, images, group, first, rows, empty, buffer, inputs, p)
            done = rest
        for block in range(blocks * p.task_blocks, smaller(p.blocks, (blocks + 1) * p.task_blocks)):
            number = group * p.blocks + block
            weights = factors.ctypes.data + number * 16 * (p.in_channels + 1) * p.lanes * p.size
            _multiply(inputs, weights, products, zeros, table, count, p)
            channel = group * p.out_channels + block * p.lanes
            begin = start.ctypes.data + starts * number * p.lanes * p.size
            _write_output(
                y, image, images, channel, first, rows, begin, products, count, scratch, p
            )


@jit
def _winograd(pool, x, w, start, starts, zeros, y, packed, factors, table, tasks, p):  # type: ignore[no-untyped-def]
    parallel_for(pool, _transform_weights, (w, packed, factors, p), p.groups * p.blocks)
    parallel_for(pool, _tiles, (x, y, factors, start, starts, zeros, table, p), tasks)


def run(plan: Plan, x: Array, w: Array, bias: Array | None = None) -> Array:
    """The result of a plan for images `x` and weights `w`, C-contiguous, of the plan's shapes."""
    p = plan.numbers
    y = np.empty(plan.out_shape, x.dtype)
    packed = np.empty(plan.packed, x.dtype)
    factors = np.empty(p.groups * p.blocks * 16 * (p.in_channels + 1) * p.lanes, x.dtype)
    start, starts = plan.zeros, 0
    if bias is not None:
        start, starts = by_block(bias, p.groups, p.out_channels, p.blocks * p.lanes), 1
    pool = pool_address() if plan.shared else 0
    _winograd(
        pool, x.reshape(-1), w.reshape(-1), start, starts, plan.zeros, y.reshape(-1), packed,
        factors, plan.table, plan.tasks, p,
    )  # fmt: skip
    return y
