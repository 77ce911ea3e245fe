"""Winograd's convolution for 3x3 kernels of stride 1: 16 multiplications where there were 36.

The maps are those of :mod:`minigrad.kernels.conv.winograd_code`. Between them, at each of the
sixteen places, there is a product of the matrices (tiles, channels in) and (channels in, channels
out), for which the inner loops of direct convolution serve as well. A task does all of it for some
tiles, as many as fit the second-level cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.conv.case import Case, Prepared
from minigrad.kernels.conv.code import address
from minigrad.kernels.conv.direct import pack_blocks
from minigrad.kernels.conv.direct_plan import FETCH, PACKING_AT, Packing, Pair, packing
from minigrad.kernels.conv.direct_plan import prepared as finished
from minigrad.kernels.conv.tiles import Tile, taps_tile
from minigrad.kernels.conv.winograd_code import PLACES
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.plan import Head, claim, padded, planned, release
from minigrad.kernels.scalar import smaller
from minigrad.kernels.vector.emitter import LINE, Vector, call

__all__ = ["Input", "Tiles", "cut_input", "prepared", "transform_input"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

#: Tiles of a task, where the input's transform is no larger than this number of bytes.
TILES, INPUT = 64, 524_288


class Tiles(NamedTuple):
    """How images are cut into tiles, and those into tasks."""

    together: int  # images of a task
    rows: int  # of tiles of an image in a task, and how many such tasks an image is
    columns: int
    row_tasks: int
    units: int  # tasks of all images

    @property
    def most(self) -> int:
        """Tiles of a task, at most."""
        return self.together * self.rows * self.columns


class Input(NamedTuple):
    """The transform of images; see `transforms.input_function`."""

    channels: int  # of a group
    groups: int
    size: int  # bytes of a number
    height: int
    width: int
    top: int  # the padding
    left: int
    tile_columns: int
    pitch: int  # bytes from channel to channel at one place
    place: int  # bytes from place to place
    bytes: int  # of all places, then of what a channel is made in
    buffer_bytes: int
    transform: int  # addresses of code
    clear: int


def cut_input(
    vector: Vector, source: Shape, result: Pair, padding: Pair, groups: int, least_units: int
) -> tuple[Tiles, Input]:
    """Tasks of which the transform fits the cache."""
    n, channels, height, width = source
    channels //= groups
    rows, columns = -(-result[0] // 2), -(-result[1] // 2)
    most = max(16, min(TILES, INPUT // (PLACES * channels * vector.size)))
    tile_rows = -(-rows // -(-rows // max(1, most // columns)))
    row_tasks = -(-rows // tile_rows)
    together = 1
    if row_tasks == 1:
        together = max(1, min(n, most // (rows * columns), n * groups // max(1, least_units)))
    tiles = Tiles(together, tile_rows, columns, row_tasks, -(-n // together) * row_tasks)
    # each image writes whole vectors, the last one beyond its own tiles
    lanes = vector.lanes
    pitch = (together - 1) * tile_rows * columns + lanes * -(-tile_rows * columns // lanes)
    pitch = -(-pitch // lanes) * vector.bytes
    # a vector between places, or all sixteen would lie in the same few lines of the cache
    place = channels * pitch + vector.bytes
    plane = (tile_rows + 1) * columns * vector.size + vector.bytes
    return tiles, Input(
        channels=channels,
        groups=groups,
        size=vector.size,
        height=height,
        width=width,
        top=padding[0],
        left=padding[1],
        tile_columns=columns,
        pitch=pitch,
        place=place,
        bytes=padded(PLACES * place + 2 * vector.bytes),
        buffer_bytes=padded(8 * plane + 2 * vector.bytes) + padded(width * vector.size),
        transform=address("input", vector, min(lanes, 1 << (columns - 1).bit_length())),
        clear=address("clear", vector),
    )


class Products(NamedTuple):
    """The products at all places, and the output."""

    images: int
    together: int
    rows: int
    columns: int
    row_tasks: int
    task_blocks: int
    block_tasks: int
    height: int  # of the result
    width: int
    least: int  # tiles that the inner loop needs at least
    factors: int  # bytes from the packed weights to those at the places; from block to block
    block_bytes: int
    products_bytes: int
    first_tap: int  # bytes to the first tap of packed weights, and from tap to tap
    tap: int
    table: int  # addresses of pairs of offsets, and zeros
    zeros: int
    transpose: int  # addresses of code
    over_taps: int
    output: int
    weight: int


INPUT_AT = PACKING_AT + 8 * len(Packing._fields)
PRODUCTS_AT = INPUT_AT + 8 * len(Input._fields)


def prepared(case: Case, backward: bool) -> Prepared:
    """The plan of the forward pass, or of the gradient of the data: that turns the kernel round and
    exchanges its channels.
    """
    source, target = (case.y, case.x) if backward else (case.x, case.y)
    padding, groups, size = case.how.padding, case.how.groups, case.size
    if backward:
        padding = 2 - padding[0], 2 - padding[1]
    (n, c, _, _), (_, o, height, width) = source, target
    c, o = c // groups, o // groups
    vector = case.registers.vector(size)
    products = n * groups * c * o * 4 * -(-height // 2) * -(-width // 2)
    wanted = min(costs.TASKS, products // costs.TASK)
    tiles, inputs = cut_input(vector, source, (height, width), padding, groups, wanted)
    tile = taps_tile(case.registers, vector.lanes, tiles.most, o, 1, 1)
    lanes = tile.vectors * vector.lanes
    weights = packing(vector, o, c, 9, lanes, backward)
    blocks, units = weights.blocks, tiles.units * groups
    task_blocks = -(-blocks // min(blocks, max(1, -(-wanted // units))))
    pixel = lanes * size
    table = np.array([(i * inputs.pitch, i * pixel) for i in range(c)], np.int64)
    zeros = np.zeros(lanes, f"f{size}")
    sums = Products(
        images=n, height=height, width=width, task_blocks=task_blocks,
        block_tasks=-(-blocks // task_blocks),
        factors=padded(groups * blocks * weights.block_bytes),
        table=table.ctypes.data, zeros=zeros.ctypes.data,
        **_tile_products(vector, tiles, tile, c, backward),
    )  # fmt: skip
    scratch = (2 * tiles.rows * width + 2) * pixel
    work_bytes = inputs.bytes + inputs.buffer_bytes + sums.products_bytes + scratch
    plan = planned(
        work_bytes, (weights, inputs, sums), _transform_weights, groups * blocks,
        kept=(table, zeros), second=_tiles, more=units * sums.block_tasks,
        shared=sums.factors + groups * blocks * sums.block_bytes,
        parallel=products >= costs.TASK,
    )  # fmt: skip
    return finished(plan, size, o, lanes, blocks)


def _tile_products(
    vector: Vector, tiles: Tiles, tile: Tile, channels: int, backward: bool
) -> dict[str, int]:
    """What follows from the tile of sums."""
    pixel = tile.vectors * vector.bytes
    pixels = min(tile.height, tiles.most)
    return {
        "together": tiles.together, "rows": tiles.rows, "columns": tiles.columns,
        "row_tasks": tiles.row_tasks, "least": pixels,
        "block_bytes": PLACES * (channels + 1) * pixel,
        "products_bytes": padded(PLACES * (tiles.most + 1) * pixel),
        "first_tap": 8 * pixel if backward else 0, "tap": -pixel if backward else pixel,
        "transpose": address("transpose", vector, 1),
        "over_taps": address("over_taps", vector, pixels, tile.vectors, 1, 1),
        "output": address("output", vector, tile.vectors),
        "weight": address("weight", vector, tile.vectors),
    }  # fmt: skip


# -------------------------------------------------------------------------------------- compiled


@Body
def _transform_weights(address, b0, b1):
    """Tasks: the weights of one block at the sixteen places, as (places, in, out)."""
    memory = numbers_at(Head, address).memory
    packed = numbers_at(Packing, address + PACKING_AT)
    p = numbers_at(Products, address + PRODUCTS_AT)
    channels = numbers_at(Input, address + INPUT_AT).channels
    pack_blocks(address, memory, b0, b1)
    for block in range(b0, b1):
        source = memory + block * packed.block_bytes + p.first_tap
        target = memory + p.factors + block * p.block_bytes
        call(p.weight, (source, p.tap, channels, target, p.block_bytes // PLACES))


@inner
def transform_input(source, image, images, group, first, rows, inputs, numbers):
    """The tiles of some rows of some images at the sixteen places, as (places, channels, tiles)."""
    p = numbers_at(Input, numbers)
    plane = p.height * p.width * p.size
    buffer = inputs + p.bytes
    empty = buffer + p.buffer_bytes - (p.width * p.size + LINE - 1) // LINE * LINE
    call(p.clear, (empty, p.width))
    for channel in range(p.channels):
        for i in range(images):
            place = ((image + i) * p.groups + group) * p.channels + channel
            call(
                p.transform,
                (
                    source + place * plane,
                    p.width * p.size,
                    p.top - 2 * first,
                    p.height,
                    p.left,
                    p.width,
                    rows,
                    p.tile_columns,
                    empty,
                    buffer,
                    inputs + channel * p.pitch + i * rows * p.tile_columns * p.size,
                    p.place,
                    FETCH * plane,
                ),
            )


@inner
def _multiply(inputs, factors, products, count, address):
    """The products of one block of channels at all places, as (places, tiles, channels)."""
    lines = numbers_at(Input, address + INPUT_AT)
    p = numbers_at(Products, address + PRODUCTS_AT)
    pixel = numbers_at(Packing, address + PACKING_AT).lanes * lines.size
    for place in range(PLACES):
        call(
            p.over_taps,
            (
                inputs + place * lines.place,
                0,
                1,
                count,
                p.table,
                lines.channels,
                factors + place * (p.block_bytes // PLACES),
                0,
                p.zeros,
                products + place * (count + 1) * pixel,
                0,
                pixel,
            ),
        )


@inner
def _write_output(image, images, channel, first, rows, start, products, count, scratch, address):
    """The pixels of one block of channels."""
    packed = numbers_at(Packing, address + PACKING_AT)
    groups = numbers_at(Input, address + INPUT_AT).groups
    p = numbers_at(Products, address + PRODUCTS_AT)
    pixel = packed.lanes * packed.size
    plane = p.height * p.width * packed.size
    result = numbers_at(Head, address).result + 2 * first * p.width * packed.size
    pixels = (smaller(p.height, 2 * (first + rows)) - 2 * first) * p.width
    channels = smaller(packed.lanes, packed.channels - channel % packed.channels)
    for i in range(images):
        source = products + i * rows * p.columns * pixel
        call(
            p.output,
            (source, (count + 1) * pixel, rows, p.columns, start, scratch, p.width * pixel),
        )
        target = result + ((image + i) * groups * packed.channels + channel) * plane
        call(p.transpose, (scratch, pixel, pixels, channels, target, plane, pixels))


@inner
def _sum_blocks(image, images, group, begin, end, first, rows, inputs, address):
    """Some blocks of channels, from the input's transform."""
    head, packed = numbers_at(Head, address), numbers_at(Packing, address + PACKING_AT)
    lines = numbers_at(Input, address + INPUT_AT)
    p = numbers_at(Products, address + PRODUCTS_AT)
    count = max(p.least, images * rows * p.columns)
    products = inputs + lines.bytes + lines.buffer_bytes
    scratch = products + p.products_bytes
    for block in range(begin, end):
        number = group * packed.blocks + block
        factors = head.memory + p.factors + number * p.block_bytes
        _multiply(inputs, factors, products, count, address)
        start = head.start + head.starts * number * packed.lanes * packed.size
        channel = group * packed.channels + block * packed.lanes
        _write_output(image, images, channel, first, rows, start, products, count, scratch, address)


@Body
def _tiles(address, b0, b1):
    """Tasks: some rows of one image, or some images, for some blocks of channels."""
    head, groups = numbers_at(Head, address), numbers_at(Input, address + INPUT_AT).groups
    blocks = numbers_at(Packing, address + PACKING_AT).blocks
    p = numbers_at(Products, address + PRODUCTS_AT)
    slot = claim(address)
    inputs = head.work + slot * head.work_bytes
    done = -1
    for task in range(b0, b1):
        number, rest = task % p.block_tasks, task // p.block_tasks
        row_task, unit = rest % p.row_tasks, rest // p.row_tasks
        group, image = unit % groups, unit // groups * p.together
        images = smaller(p.together, p.images - image)
        first = row_task * p.rows
        rows = smaller(p.rows, (p.height + 1) // 2 - first)
        if done != rest:
            lines = address + INPUT_AT
            transform_input(head.source, image, images, group, first, rows, inputs, lines)
            done = rest
        begin = number * p.task_blocks
        end = smaller(blocks, begin + p.task_blocks)
        _sum_blocks(image, images, group, begin, end, first, rows, inputs, address)
    release(address, slot)
