"""Winograd's convolution, the backward pass of the weight: 16 multiplications instead of 36.

The gradient of a 3x3 kernel is ``Gt [sum over tiles of (Bt x B) * (A dy At)] G``: the maps of the
forward pass, transposed. The sums over tiles are, at each of sixteen places, the product of the
matrices (channels in, tiles) and (tiles, channels out).

As in :mod:`minigrad.kernels.conv.direct_weight` the images are dealt out to a fixed number of
parts with sums of their own, which are added in order: the bits do not depend on the number of
threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.conv.case import Case, Prepared
from minigrad.kernels.conv.code import address
from minigrad.kernels.conv.direct_weight import code_of_sums, cut_parts
from minigrad.kernels.conv.tiles import pixels_tile
from minigrad.kernels.conv.winograd import Input, cut_input, transform_input
from minigrad.kernels.conv.winograd_code import PLACES
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.plan import HEAD_BYTES, Head, claim, padded, planned, release
from minigrad.kernels.scalar import smaller
from minigrad.kernels.vector.emitter import call

__all__ = ["prepared"]

Array = np.ndarray[Any, Any]

#: Tiles that a part must at least have, to be worth adding its sums.
PART = 128
#: Input channels of a task that adds.
CHANNELS = 8


class Terms(NamedTuple):
    """The sums over tiles."""

    images: int
    groups: int
    size: int  # bytes of a number
    in_channels: int  # of a group, as all channels here
    channels: int
    height: int  # of the result
    width: int
    together: int  # see `winograd.Tiles`
    rows: int
    columns: int
    row_tasks: int
    units: int
    parts: int
    lanes: int  # output channels of a block, and how many blocks
    blocks: int
    task_blocks: int
    block_tasks: int
    tile_rows: int  # input channels of a tile of sums, and how many such tiles there are
    tiles: int
    place_bytes: int  # sums from place to place, and of a block
    block_bytes: int
    packed_bytes: int  # rows of `dy`, and their transform
    chunks: int  # of input channels, when sums are added
    offsets: int  # addresses of the rows of tiles, and of code
    over_pixels: int
    flow: int
    gradient: int
    clear: int
    add: int
    pack: int
    transpose: int


INPUT_AT = HEAD_BYTES
TERMS_AT = INPUT_AT + 8 * len(Input._fields)


def prepared(case: Case) -> Prepared:
    """Choose the tile, cut the work, and write the table of rows."""
    (n, _, height, width), groups, size = case.y, case.how.groups, case.size
    c, o = case.w[1], case.w[0] // groups
    vector = case.registers.vector(size)
    rows, columns = -(-height // 2), -(-width // 2)
    products = n * groups * c * o * 4 * rows * columns
    tiles, inputs = cut_input(vector, case.x, (height, width), case.how.padding, groups, 1)
    tile = pixels_tile(case.registers, vector.lanes, c, o, 1)
    pixel = tile.vectors * vector.bytes
    blocks, sum_tiles = -(-o * size // pixel), -(-c // tile.height)
    block_bytes = PLACES * (sum_tiles * tile.height + 1) * pixel
    parts, task_blocks, block_tasks = cut_parts(
        case, tiles.units, n * rows * columns // PART, groups * blocks * block_bytes, blocks,
        products,
    )  # fmt: skip
    table = [i * inputs.pitch for i in range(c)]
    offsets = np.array(table + table[-1:] * (sum_tiles * tile.height - c), np.int64)
    terms = Terms(
        images=n, groups=groups, size=size, in_channels=c, channels=o, height=height, width=width,
        together=tiles.together, rows=tiles.rows, columns=columns, row_tasks=tiles.row_tasks,
        units=tiles.units, parts=parts, lanes=pixel // size, blocks=blocks,
        task_blocks=task_blocks, block_tasks=block_tasks, tile_rows=tile.height, tiles=sum_tiles,
        place_bytes=block_bytes // PLACES, block_bytes=block_bytes,
        packed_bytes=padded(4 * tiles.rows * columns * pixel), chunks=-(-c // CHANNELS),
        offsets=offsets.ctypes.data,
        over_pixels=address("over_pixels", vector, tile.height, tile.vectors, 1, 1),
        flow=address("flow", vector, tile.vectors),
        gradient=address("gradient", vector, tile.vectors), **code_of_sums(vector),
    )  # fmt: skip
    flows = PLACES * (tiles.most + 1) * pixel
    work_bytes = inputs.bytes + inputs.buffer_bytes + terms.packed_bytes + flows
    plan = planned(
        max(work_bytes, 9 * CHANNELS * pixel), (inputs, terms), _parts,
        parts * groups * block_tasks, kept=(offsets,), second=_add_parts,
        more=groups * blocks * terms.chunks, shared=parts * groups * blocks * block_bytes,
        parallel=products >= costs.TASK,
    )  # fmt: skip
    return Prepared(plan, np.zeros(1, f"f{case.size}"))


# -------------------------------------------------------------------------------------- compiled


@inner
def _pack_flow(source, first, rows, channels, target, address):
    """Rows of `dy` as (pixels, channels of a block), with zeros to make both sizes even."""
    p = numbers_at(Terms, address + TERMS_AT)
    pixel = p.lanes * p.size
    plane = p.height * p.width * p.size
    row = 2 * p.columns * pixel
    height = smaller(2 * rows, p.height - first)
    source += first * p.width * p.size
    if p.width == 2 * p.columns:
        pixels = height * p.width
        call(p.pack, (source, plane, channels, pixels, target, pixel, p.lanes))
    else:
        for i in range(height):
            line, goal = source + i * p.width * p.size, target + i * row
            call(p.pack, (line, plane, channels, p.width, goal, pixel, p.lanes))
            call(p.clear, (goal + p.width * pixel, p.lanes))
    if height < 2 * rows:
        call(p.clear, (target + height * row, row // p.size))


@inner
def _transform_flow(image, images, channel, first, rows, packed, flows, count, address):
    """The tiles of a block of channels at the sixteen places, as (places, tiles, channels)."""
    p = numbers_at(Terms, address + TERMS_AT)
    pixel = p.lanes * p.size
    plane = p.height * p.width * p.size
    gradient = numbers_at(Head, address).other
    channels = smaller(p.lanes, p.channels - channel % p.channels)
    for i in range(images):
        source = gradient + ((image + i) * p.groups * p.channels + channel) * plane
        _pack_flow(source, 2 * first, rows, channels, packed, address)
        target = flows + i * rows * p.columns * pixel
        call(p.flow, (packed, 2 * p.columns * pixel, rows, p.columns, target, (count + 1) * pixel))


@inner
def _add_products(inputs, flows, sums, count, address):
    """Add the products over `count` tiles to the sums of one block."""
    p = numbers_at(Terms, address + TERMS_AT)
    pixel = p.lanes * p.size
    between = numbers_at(Input, address + INPUT_AT).place
    for place in range(PLACES):
        for tile in range(p.tiles):
            call(
                p.over_pixels,
                (
                    inputs + place * between,
                    0,
                    0,
                    p.offsets + 8 * tile * p.tile_rows,
                    flows + place * (count + 1) * pixel,
                    1,
                    1,
                    count,
                    sums + place * p.place_bytes + tile * p.tile_rows * pixel,
                ),
            )


@inner
def _add_unit(unit, group, begin, end, sums, inputs, address):
    """The sums of some blocks of output channels over one unit; `sums` are those of block 0."""
    head, lines = numbers_at(Head, address), numbers_at(Input, address + INPUT_AT)
    p = numbers_at(Terms, address + TERMS_AT)
    image = unit // p.row_tasks * p.together
    images = smaller(p.together, p.images - image)
    first = unit % p.row_tasks * p.rows
    rows = smaller(p.rows, (p.height + 1) // 2 - first)
    count = images * rows * p.columns
    transform_input(head.source, image, images, group, first, rows, inputs, address + INPUT_AT)
    packed = inputs + lines.bytes + lines.buffer_bytes
    flows = packed + p.packed_bytes
    for block in range(begin, end):
        channel = group * p.channels + block * p.lanes
        _transform_flow(image, images, channel, first, rows, packed, flows, count, address)
        _add_products(inputs, flows, sums + block * p.block_bytes, count, address)


@Body
def _parts(address, b0, b1):
    """Tasks: one part of the tiles for some blocks of output channels."""
    head, p = numbers_at(Head, address), numbers_at(Terms, address + TERMS_AT)
    slot = claim(address)
    inputs = head.work + slot * head.work_bytes
    for task in range(b0, b1):
        number, rest = task % p.block_tasks, task // p.block_tasks
        group, part = rest % p.groups, rest // p.groups
        begin = number * p.task_blocks
        end = smaller(p.blocks, begin + p.task_blocks)
        sums = head.memory + rest * p.blocks * p.block_bytes
        call(p.clear, (sums + begin * p.block_bytes, (end - begin) * p.block_bytes // p.size))
        for unit in range(part * p.units // p.parts, (part + 1) * p.units // p.parts):
            _add_unit(unit, group, begin, end, sums, inputs, address)
    release(address, slot)


@Body
def _add_parts(address, b0, b1):
    """Tasks: add the sums of all parts for some channels, and map them to the gradient."""
    head, p = numbers_at(Head, address), numbers_at(Terms, address + TERMS_AT)
    slot = claim(address)
    taps = head.work + slot * head.work_bytes
    pixel = p.lanes * p.size
    part_bytes = p.groups * p.blocks * p.block_bytes
    for task in range(b0, b1):
        block, first = task // p.chunks, task % p.chunks * CHANNELS
        channels = smaller(CHANNELS, p.in_channels - first)
        sums = head.memory + block * p.block_bytes + first * pixel
        for place in range(PLACES):
            total = sums + place * p.place_bytes
            for part in range(1, p.parts):
                call(p.add, (total, total + part * part_bytes, channels * p.lanes))
        call(p.gradient, (sums, p.place_bytes, channels, taps))
        channel = block % p.blocks * p.lanes
        row = (block // p.blocks * p.channels + channel) * p.in_channels + first
        call(
            p.transpose,
            (
                taps,
                pixel,
                9 * channels,
                smaller(p.lanes, p.channels - channel),
                head.result + 9 * row * p.size,
                9 * p.in_channels * p.size,
                9 * channels,
            ),
        )
    release(address, slot)
