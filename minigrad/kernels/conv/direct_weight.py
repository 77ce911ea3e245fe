"""Direct convolution as sums over pixels: the backward pass of the weight.

The gradient of one weight is the sum over all pixels of all images of ``dy`` times the input that
the pixel read with this weight. The inner loop keeps the sums of a tile of weights in registers
while it goes over some rows of an image.

The images are dealt out to a fixed number of *parts*, each with sums of its own, that are added in
order at the end: the bits depend on the sizes, not on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.conv.case import Case, Prepared
from minigrad.kernels.conv.code import address
from minigrad.kernels.conv.direct import fill_frame
from minigrad.kernels.conv.direct_plan import SLACK, Frame, frame_of
from minigrad.kernels.conv.tiles import Tile, pixels_tile
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.plan import HEAD_BYTES, Head, claim, padded, planned, release
from minigrad.kernels.scalar import smaller
from minigrad.kernels.vector.emitter import Vector, call

__all__ = ["SUMS", "code_of_sums", "cut_parts", "prepared"]

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
    over_pixels: int
    clear: int
    add: int
    pack: int
    transpose: int


FRAME_AT = HEAD_BYTES
TERMS_AT = FRAME_AT + 8 * len(Frame._fields)


class _Cut(NamedTuple):
    """How images are read, and how the work is cut."""

    copied: bool
    frame_height: int  # of what is read: a frame, or the image as it is
    frame_width: int
    together: int  # see `Terms`, as the others here
    unit_rows: int
    row_units: int
    units: int
    block_rows: int


def _cut(case: Case, lanes: int) -> _Cut:
    """Rows of an image, or several images, that are read from one frame."""
    (n, _, in_height, in_width), (_, c, _, _), size = case.x, case.w, case.size
    oh, ow = case.y[2:]
    stride, copied = case.how.stride, any(case.how.padding)
    reach = [d * (k - 1) + 1 for k, d in zip(case.how.kernel, case.how.dilation)]
    frame_width = (ow - 1) * stride[1] + reach[1] if copied else in_width
    row_bytes = c * frame_width * size
    unit_rows = max(1, min(oh, (costs.FRAME // row_bytes - reach[0]) // stride[0] + 1))
    row_units = -(-oh // unit_rows)
    unit_rows = -(-oh // row_units)
    frame_height = (unit_rows - 1) * stride[0] + reach[0] if copied else in_height
    together = 1
    if row_units == 1:
        together = costs.SCRATCH // (oh * ow * lanes * size)
        if copied:
            together = min(together, costs.FRAME // (row_bytes * frame_height))
        together = max(1, min(together, n, n * case.how.groups // costs.TASKS))
    block_rows = max(1, min(unit_rows, costs.SCRATCH // (ow * lanes * size)))
    units = -(-n // together) * row_units
    return _Cut(
        copied, frame_height, frame_width, together, unit_rows, row_units, units, block_rows
    )


def _offsets(case: Case, cut: _Cut, tile: Tile) -> Array:
    """Where each row of taps begins in a frame; the last tile is filled up with its last row."""
    (_, c, kh, kw), dilation = case.w, case.how.dilation
    planes = np.arange(c)[:, None, None] * cut.frame_height
    rows = (planes + np.arange(kh)[:, None] * dilation[0]) * cut.frame_width
    offsets = ((rows + np.arange(0, kw, tile.taps) * dilation[1]) * case.size).reshape(-1)
    return np.pad(offsets, (0, -offsets.size % tile.height), "edge").astype(np.int64)


def cut_parts(
    case: Case, units: int, pixels: int, sums: int, blocks: int, products: int
) -> tuple[int, int, int]:
    """Into how many parts to deal the images, and the blocks of a task and such tasks of a part.

    A part has at least `pixels` of them; the sums of one part take so many bytes.
    """
    groups = case.how.groups
    wanted = max(1, min(costs.TASKS, products // costs.TASK))
    parts = min(units, -(-wanted // groups), max(1, pixels), max(1, SUMS // sums))
    block_tasks = min(blocks, -(-wanted // (parts * groups)))
    task_blocks = -(-blocks // block_tasks)
    return parts, task_blocks, -(-blocks // task_blocks)


def prepared(case: Case) -> Prepared:
    """Choose the tile, cut the work, and write the table of rows."""
    (o, c, kh, kw), groups, size = case.w, case.how.groups, case.size
    o //= groups
    vector = case.registers.vector(size)
    wide = kw if case.how.dilation[1] == 1 else 1
    tile = pixels_tile(case.registers, vector.lanes, c * kh * (kw // wide), o, wide)
    lanes = tile.vectors * vector.lanes
    cut = _cut(case, lanes)
    offsets = _offsets(case, cut, tile)
    blocks, tiles = -(-o // lanes), offsets.size // tile.height
    sums = groups * blocks * offsets.size * tile.taps * lanes * size
    pixels = case.y[0] * math.prod(case.y[2:]) // PART
    parts, task_blocks, block_tasks = cut_parts(
        case, cut.units, pixels, sums, blocks, case.products
    )
    frame = frame_of(
        vector, (c, *case.x[2:]), (cut.frame_height, cut.frame_width), case.how.padding[1]
    )
    frame_image = c * cut.frame_height * cut.frame_width * size
    frame_bytes = padded(cut.copied * (cut.together * frame_image + SLACK * size))
    terms = Terms(
        frame_image=frame_image, frame_bytes=frame_bytes, parts=parts, lanes=lanes, blocks=blocks,
        task_blocks=task_blocks, block_tasks=block_tasks, tiles=tiles,
        tile_taps=tile.height * tile.taps, tile_bytes=tile.height * tile.taps * lanes * size,
        tile_rows=tile.height, offsets=offsets.ctypes.data,
        over_pixels=address(
            "over_pixels", vector, tile.height, tile.vectors, tile.taps, case.how.stride[1]
        ),
        **_shape_terms(case, cut), **code_of_sums(vector),
    )  # fmt: skip
    scratch = cut.together * cut.block_rows * case.y[3] * lanes * size
    plan = planned(
        frame_bytes + scratch, (frame, terms), _parts, parts * groups * block_tasks,
        kept=(offsets,), second=_add_parts, more=groups * blocks * tiles, shared=parts * sums,
        parallel=case.products >= costs.TASK,
    )  # fmt: skip
    return Prepared(plan, np.zeros(1, f"f{size}"))


def code_of_sums(vector: Vector) -> dict[str, int]:
    """The addresses of code that all sums over pixels need."""
    return {
        "clear": address("clear", vector),
        "add": address("add", vector),
        "pack": address("transpose", vector, 0),
        "transpose": address("transpose", vector, 1),
    }


def _shape_terms(case: Case, cut: _Cut) -> dict[str, int]:
    (n, _, in_height, in_width), (o, c, kh, kw), size = case.x, case.w, case.size
    groups = case.how.groups
    group_bytes = c * in_height * in_width * size
    return {
        "images": n, "groups": groups, "size": size, "copied": int(cut.copied),
        "image_bytes": groups * group_bytes, "row_bytes": cut.frame_width * size,
        "group_bytes": group_bytes, "top": -case.how.padding[0], "stride": case.how.stride[0],
        "channels": o // groups, "height": case.y[2], "width": case.y[3],
        "together": cut.together, "unit_rows": cut.unit_rows, "row_units": cut.row_units,
        "units": cut.units, "block_rows": cut.block_rows, "taps": c * kh * kw,
    }  # fmt: skip


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
            p.over_pixels,
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
