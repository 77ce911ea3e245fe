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

from minigrad.kernels.conv.code import address
from minigrad.kernels.conv.drive import HEAD_BYTES, Head, claim, padded, release, sections
from minigrad.kernels.conv.drive import run as drive
from minigrad.kernels.conv.gather import fill_frame
from minigrad.kernels.conv.gather_plan import FRAME, SCRATCH, SLACK, TASK, TASKS, Frame, Pair
from minigrad.kernels.conv.tiles import scatter_tile
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.scalar import smaller
from minigrad.kernels.vector.emitter import call
from minigrad.kernels.vector.registers import Registers

__all__ = ["SUMS", "plan", "run"]

Array = np.ndarray[Any, Any]

#: Pixels that a part must at least have, to be worth adding its sums.
PART = 256
#: Bytes of the sums of all parts.
SUMS = 33_554_432


class Terms(NamedTuple):
    """The sums over pixels."""

    images: int
    groups: int
    size: int  # bytes of a number
    copied: int  # whether tasks copy rows of the input into a frame
    frame_image: int  # bytes of an image's frame
    frame_bytes: int
    image_bytes: int  # of the input: an image, a row as it is read, a group
    row_bytes: int
    group_bytes: int
    top: int  # minus the padding
    stride: int
    channels: int  # output channels of a group
    height: int  # of the result
    width: int
    together: int  # images that are read together, if they are small
    unit_rows: int  # output rows in one frame, and how many such units an image is
    row_units: int
    units: int  # of all images
    block_rows: int
    parts: int
    lanes: int
    blocks: int
    task_blocks: int
    block_tasks: int
    tiles: int  # of weights, for a block of output channels
    tile_taps: int  # taps in a tile, and bytes of their sums
    tile_bytes: int
    tile_rows: int
    taps: int  # in the kernel of one output channel
    offsets: int  # addresses of the rows of tiles, and of code
    scatter: int
    clear: int
    add: int
    pack: int
    transpose: int


FRAME_AT = HEAD_BYTES
TERMS_AT = FRAME_AT + 8 * len(Frame._fields)


class Plan(NamedTuple):
    """A convolution of certain sizes, prepared."""

    numbers: Array
    offsets: Array  # what the numbers have the address of
    tasks: int
    adding: int
    sums_bytes: int
    parallel: bool


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
    tile_taps = tile.height * tile.taps
    sums = groups * blocks * tiles * tile_taps * lanes * size
    work = n * groups * o * c * kh * kw * oh * ow
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
    table = [
        ((channel * frame_height + i * dilation[0]) * frame_width + j * dilation[1]) * size
        for channel in range(c)
        for i in range(kh)
        for j in range(0, kw, tile.taps)
    ]
    offsets = np.array(table + table[-1:] * (tiles * tile.height - rows), np.int64)
    frame = Frame(
        size=size,
        channels=c,
        in_height=in_height,
        in_width=in_width,
        height=frame_height,
        width=frame_width,
        left=padding[1],
        pad=address("pad", vector),
        clear=address("clear", vector),
    )
    frame_image = c * frame_height * frame_width * size
    frame_bytes = padded(copied * (together * frame_image + SLACK * size))
    terms = Terms(
        images=n,
        groups=groups,
        size=size,
        copied=int(copied),
        frame_image=frame_image,
        frame_bytes=frame_bytes,
        image_bytes=groups * c * in_height * in_width * size,
        row_bytes=frame_width * size,
        group_bytes=c * in_height * in_width * size,
        top=-padding[0],
        stride=stride[0],
        channels=o,
        height=oh,
        width=ow,
        together=together,
        unit_rows=unit_rows,
        row_units=row_units,
        units=units,
        block_rows=block_rows,
        parts=parts,
        lanes=lanes,
        blocks=blocks,
        task_blocks=task_blocks,
        block_tasks=block_tasks,
        tiles=tiles,
        tile_taps=tile_taps,
        tile_bytes=tile_taps * lanes * size,
        tile_rows=tile.height,
        taps=c * kh * kw,
        offsets=offsets.ctypes.data,
        scatter=address("scatter", vector, tile.height, tile.vectors, tile.taps, stride[1]),
        clear=address("clear", vector),
        add=address("add", vector),
        pack=address("transpose", vector, 0),
        transpose=address("transpose", vector, 1),
    )
    return Plan(
        numbers=sections(frame_bytes + together * block_rows * ow * lanes * size, frame, terms),
        offsets=offsets,
        tasks=parts * groups * block_tasks,
        adding=groups * blocks * tiles,
        sums_bytes=parts * sums,
        parallel=work >= TASK,
    )


# -------------------------------------------------------------------------------------- compiled


@inner
def _add_rows(source, image, images, channel, first, rows, flow, sums, address):
    """The sums of all tiles over `rows` rows of `images` images, read at `source`."""
    p = numbers_at(Terms, address + TERMS_AT)
    pixels = rows * p.width
    pixel = p.lanes * p.size
    plane = p.height * p.width * p.size
    gradient = numbers_at(Head, address).other + first * p.width * p.size
    for i in range(images):
        place = (image + i) * p.groups * p.channels + channel
        call(
            p.pack,
            (
                gradient + place * plane,
                plane,
                smaller(p.lanes, p.channels - channel % p.channels),
                pixels,
                flow + i * pixels * pixel,
                pixel,
                p.lanes,
            ),
        )
    between = p.frame_image if p.copied != 0 else p.image_bytes
    for tile in range(p.tiles):
        call(
            p.scatter,
            (
                source,
                between,
                p.stride * p.row_bytes,
                p.offsets + 8 * tile * p.tile_rows,
                flow,
                images,
                rows,
                p.width,
                sums + tile * p.tile_bytes,
            ),
        )


@inner
def _add_unit(unit, group, begin, end, sums, work, address):
    """The sums of some blocks of output channels over one unit; `sums` are those of block 0."""
    head, p = numbers_at(Head, address), numbers_at(Terms, address + TERMS_AT)
    image = unit // p.row_units * p.together
    images = smaller(p.together, p.images - image)
    first = unit % p.row_units * p.unit_rows
    last = smaller(p.height, first + p.unit_rows)
    source = head.source + image * p.image_bytes + group * p.group_bytes
    if p.copied != 0:
        for i in range(images):
            origin, target = source + i * p.image_bytes, work + i * p.frame_image
            fill_frame(origin, first * p.stride + p.top, target, address + FRAME_AT)
        source = work
    else:
        source += first * p.stride * p.row_bytes
    flow = work + p.frame_bytes
    for block in range(begin, end):
        channel = group * p.channels + block * p.lanes
        target = sums + block * p.tiles * p.tile_bytes
        for row in range(first, last, p.block_rows):
            rows = smaller(p.block_rows, last - row)
            origin = source + (row - first) * p.stride * p.row_bytes
            _add_rows(origin, image, images, channel, row, rows, flow, target, address)


@Body
def _parts(address, b0, b1):
    """Tasks: one part of the images for some blocks of output channels."""
    head, p = numbers_at(Head, address), numbers_at(Terms, address + TERMS_AT)
    slot = claim(address)
    work = head.work + slot * head.work_bytes
    block_bytes = p.tiles * p.tile_bytes
    for task in range(b0, b1):
        number, rest = task % p.block_tasks, task // p.block_tasks
        group, part = rest % p.groups, rest // p.groups
        begin = number * p.task_blocks
        end = smaller(p.blocks, begin + p.task_blocks)
        sums = head.memory + rest * p.blocks * block_bytes
        call(p.clear, (sums + begin * block_bytes, (end - begin) * block_bytes // p.size))
        for unit in range(part * p.units // p.parts, (part + 1) * p.units // p.parts):
            _add_unit(unit, group, begin, end, sums, work, address)
    release(address, slot)


@Body
def _add_parts(address, b0, b1):
    """Tasks: add the sums of all parts of one tile, then transpose them into the result."""
    head, p = numbers_at(Head, address), numbers_at(Terms, address + TERMS_AT)
    part_bytes = p.groups * p.blocks * p.tiles * p.tile_bytes
    for task in range(b0, b1):
        block, tile = task // p.tiles, task % p.tiles
        total = head.memory + task * p.tile_bytes
        for part in range(1, p.parts):
            call(p.add, (total, total + part * part_bytes, p.tile_bytes // p.size))
        taps = smaller(p.tile_taps, p.taps - tile * p.tile_taps)
        channel = block % p.blocks * p.lanes
        place = (block // p.blocks * p.channels + channel) * p.taps + tile * p.tile_taps
        call(
            p.transpose,
            (
                total,
                p.lanes * p.size,
                taps,
                smaller(p.lanes, p.channels - channel),
                head.result + place * p.size,
                p.taps * p.size,
                taps,
            ),
        )


def run_parts(
    plan: Plan, parts: Body, add: Body, dy: Array, x: Array, w_shape: tuple[int, ...]
) -> Array:
    """Sum the parts in the plan's `tasks`, then add them in its `adding`."""
    dw = np.empty(w_shape, x.dtype)
    flat = x.reshape(-1)
    drive(
        plan.numbers,
        plan.sums_bytes,
        (flat, dy.reshape(-1), flat, dw.reshape(-1)),  # there is no bias
        (parts, plan.tasks),
        (add, plan.adding),
        plan.parallel,
    )
    return dw


def run(plan: Plan, dy: Array, x: Array, w_shape: tuple[int, ...]) -> Array:
    """The gradient of the weight; arrays C-contiguous and of the plan's shapes."""
    return run_parts(plan, _parts, _add_parts, dy, x, w_shape)
