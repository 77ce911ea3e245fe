"""Plans of direct convolution: the kernel, how the work is cut, and tables of what is read.

Both the forward pass and the backward pass of the data compute an image from another one. Forward,
output ``i`` reads the inputs ``stride * i + dilation * k - padding``. Backward, the input
``i = a + stride * q`` gets something from those taps `k` for which ``a + padding - dilation * k``
is a multiple of the stride; they read row ``q + (a + padding - dilation * k) / stride`` of ``dy``.
For each residue `a` in height and width (a *phase*) this is a convolution of stride 1 with some of
the taps. So both have plans of one kind, for the driver in :mod:`minigrad.kernels.conv.direct`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.conv.case import Case, Prepared
from minigrad.kernels.conv.code import address
from minigrad.kernels.conv.tiles import lines_tile, taps_tile
from minigrad.kernels.run.bodies import Body
from minigrad.kernels.run.plan import HEAD_BYTES, Plan, padded, planned
from minigrad.kernels.vector.emitter import Vector
from minigrad.kernels.vector.registers import Registers

__all__ = [
    "FETCH", "FRAME_AT", "PACKING_AT", "PHASE_BYTES", "SLACK", "SUMS_AT", "Frame", "Packing",
    "Pair", "Phase", "Sums", "Work", "data_work", "forward_work", "frame_of", "packing", "prepare",
    "prepared",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Pair = tuple[int, ...]  # of two dimensions
Image = tuple[int, ...]  # channels, height and width

#: Channels that images are fetched ahead: a channel takes less time than main memory does.
FETCH = 4
#: Numbers that the inner loops may read or write beyond a frame.
SLACK = 128


class Packing(NamedTuple):
    """How weights are put in order for the inner loops; all sizes but `block_bytes` in numbers."""

    size: int  # bytes of a number
    blocks: int  # blocks of output channels in a group, and their channels
    lanes: int
    channels: int  # output channels of a group
    block_bytes: int
    parts: int  # matrices to transpose for one block, and the rows of each when transposed
    rows: int
    group: int  # between the weights of groups, blocks and parts
    block: int
    part: int
    transpose: int  # address of code


def packing(
    vector: Vector, channels: int, read: int, taps: int, lanes: int, backward: bool
) -> Packing:
    """Weights to make `channels` from `read` channels; backward, they are stored the other way."""
    parts, rows = (read, taps) if backward else (1, read * taps)
    return Packing(
        size=vector.size,
        blocks=-(-channels // lanes),
        lanes=lanes,
        channels=channels,
        block_bytes=parts * rows * lanes * vector.size,
        parts=parts,
        rows=rows,
        group=read * channels * taps,
        block=lanes * rows,
        part=channels * taps if backward else 0,
        transpose=address("transpose", vector, 0),
    )


class Frame(NamedTuple):
    """Rows of all channels of an image, of one group, with zeros around."""

    size: int  # bytes of a number
    channels: int
    in_height: int  # of the image
    in_width: int
    height: int
    width: int
    left: int  # zeros in front of each row
    pad: int  # addresses of code
    clear: int


class Sums(NamedTuple):
    """The sums over taps."""

    images: int  # times groups
    groups: int
    size: int  # bytes of a number
    copied: int  # whether tasks copy their rows into a frame
    frame_bytes: int
    top: int  # the input row, and column, that the first pixel reads first
    left: int
    stride: int  # input rows from pixel to pixel of a phase
    channels: int  # output channels of a group
    height: int  # of the result
    width: int
    row_phases: int
    column_phases: int
    task_rows: int  # rows of a phase in one task, and how many such tasks an image is
    row_tasks: int
    block_rows: int  # rows of a phase between two transposes
    least_rows: int  # that the inner loop needs at least
    task_blocks: int
    block_tasks: int
    table: int  # addresses of pairs of offsets, and of phases
    pairs: int
    phases: int
    line: int  # code of the loop with pixels in the lanes, or 0 for that with channels
    transpose: int  # address of code


class Phase(NamedTuple):
    """The pixels of one residue of row and column."""

    code: int
    table: int
    pairs: int
    step: int  # of weights, in bytes
    row: int
    column: int
    width: int


#: Where the sections lie in the numbers of a plan.
PACKING_AT = HEAD_BYTES
FRAME_AT = PACKING_AT + 8 * len(Packing._fields)
SUMS_AT = FRAME_AT + 8 * len(Frame._fields)
PHASE_BYTES = 8 * len(Phase._fields)


class _Axis(NamedTuple):
    """How the pixels of one dimension read: for each phase its taps, (index, offset) ascending."""

    stride: int
    phases: list[list[tuple[int, int]]]

    @property
    def low(self) -> int:
        return min(offset for taps in self.phases for _, offset in taps)

    @property
    def high(self) -> int:
        return max(offset for taps in self.phases for _, offset in taps)


def _forward_axis(kernel: int, stride: int, padding: int, dilation: int) -> _Axis:
    return _Axis(stride, [[(k, k * dilation - padding) for k in range(kernel)]])


def _backward_axis(kernel: int, stride: int, padding: int, dilation: int) -> _Axis:
    phases = []
    for a in range(stride):
        places = [(k, a + padding - k * dilation) for k in reversed(range(kernel))]
        phases.append([(k, place // stride) for k, place in places if place % stride == 0])
    return _Axis(1, phases)


def _neighbours(taps: list[tuple[int, int]]) -> bool:
    """Whether taps read neighbouring pixels, with weights at equal distances."""
    pairs = pairwise(taps)
    return all(b[1] - a[1] == 1 and b[0] - a[0] == taps[1][0] - taps[0][0] for a, b in pairs)


class Work(NamedTuple):
    """An image computed from another one: the forward pass, or that of the data."""

    registers: Registers
    size: int
    images: int
    groups: int
    source: Image  # channels of a group, height, width of what is read
    target: Image
    kernel: Pair
    rows: _Axis
    columns: _Axis
    backward: bool


def forward_work(case: Case) -> Work:
    """The forward pass."""
    (n, c, *source), (_, o, *target) = case.x, case.y
    kernel, stride, padding, dilation, groups = case.how
    rows, columns = map(_forward_axis, kernel, stride, padding, dilation)
    return Work(
        case.registers, case.size, n, groups, (c // groups, *source), (o // groups, *target),
        kernel, rows, columns, False,
    )  # fmt: skip


def data_work(case: Case) -> Work:
    """The gradient of the data."""
    (n, o, *source), (_, c, *target) = case.y, case.x
    kernel, stride, padding, dilation, groups = case.how
    rows, columns = map(_backward_axis, kernel, stride, padding, dilation)
    return Work(
        case.registers, case.size, n, groups, (o // groups, *source), (c // groups, *target),
        kernel, rows, columns, True,
    )  # fmt: skip


class _Choice(NamedTuple):
    """The kernel: how many taps together, channels in a block, and what makes its code."""

    line: bool  # pixels in the lanes, or channels
    taps: int
    lanes: int
    least_rows: int
    numbers: tuple[int, int, int]


def _choose(work: Work) -> _Choice:
    """The kernel that should be the quickest for these sizes."""
    vector = work.registers.vector(work.size)
    channels, height, width = work.target
    most = max(work.columns.phases, key=len)
    phases = len(work.columns.phases)
    taps = len(most) if _neighbours(most) else 1
    tile = taps_tile(
        work.registers, vector.lanes, max(1, width // phases), channels, taps, work.columns.stride
    )
    lanes = tile.vectors * vector.lanes
    few = work.source[0] <= costs.FEW or channels % vector.lanes != 0
    if few and phases == len(work.rows.phases) == work.columns.stride == work.rows.stride == 1:
        line = lines_tile(work.registers, vector.lanes, height, width, channels, work.kernel[1])
        moves = costs.TRANSPOSE * width * lanes * -(-channels // lanes)
        if line.cost < tile.cost + moves / (work.source[0] * work.kernel[0]):
            return _Choice(True, 1, line.channels, line.rows, line[:3])
    return _Choice(False, tile.taps, lanes, 1, tile[:3])


class _Cut(NamedTuple):
    """The frame, and how the work is cut."""

    copied: bool
    frame_height: int
    frame_width: int
    task_rows: int
    row_tasks: int
    block_rows: int
    blocks: int
    task_blocks: int
    block_tasks: int
    products: int


def _cut(work: Work, choice: _Choice) -> _Cut:
    """Tasks that fit the cache, and enough of them."""
    rows, columns, size = work.rows, work.columns, work.size
    channels, height, width = work.source
    out_channels, out_height, out_width = work.target
    phases, column_phases = len(rows.phases), len(columns.phases)
    phase_height, phase_width = -(-out_height // phases), -(-out_width // column_phases)
    bottom = (phase_height - 1) * rows.stride + rows.high
    right = (phase_width - 1) * columns.stride + columns.high
    inside = rows.low >= 0 <= columns.low and bottom < height and right < width
    copied = choice.line or not inside  # pixels in the lanes are read beyond the end of lines

    reach = rows.high - rows.low + 1
    frame_width = right - columns.low + 1 if copied else width
    row_bytes = channels * frame_width * size
    most_rows = (costs.FRAME // row_bytes - reach) // rows.stride + 1
    task_rows = max(choice.least_rows, min(phase_height, most_rows))
    products = work.images * work.groups * channels * out_channels * phase_height * phase_width
    products *= work.kernel[0] * work.kernel[1]
    wanted = min(costs.TASKS, products // costs.TASK)
    alone = work.images * work.groups
    if wanted > alone:
        task_rows = min(task_rows, max(choice.least_rows, -(-phase_height * alone // wanted)))
    row_tasks = -(-phase_height // task_rows)
    blocks = -(-out_channels // choice.lanes)
    block_tasks = min(blocks, max(1, wanted // (alone * row_tasks)))
    task_blocks = -(-blocks // block_tasks)
    frame_height = (task_rows - 1) * rows.stride + reach if copied else height
    row_sums = phases * out_width * choice.lanes * size
    block_rows = task_rows if choice.line else max(1, min(task_rows, costs.SCRATCH // row_sums))
    return _Cut(
        copied, frame_height, frame_width, task_rows, row_tasks, block_rows,
        blocks, task_blocks, -(-blocks // task_blocks), products,
    )  # fmt: skip


def prepare(work: Work, pack: Body, compute: Body) -> Prepared:
    """Choose the kernel, cut the work, and write the tables."""
    size, vector = work.size, work.registers.vector(work.size)
    choice = _choose(work)
    cut = _cut(work, choice)
    channels, made = work.source[0], work.target[0]
    taps = work.kernel[0] * work.kernel[1]
    weights = packing(vector, made, channels, taps, choice.lanes, work.backward)
    table, phases = _tables(work, choice, cut)
    frame = frame_of(vector, work.source, (cut.frame_height, cut.frame_width), -work.columns.low)
    frame_bytes = cut.copied * (channels * cut.frame_height * cut.frame_width + SLACK) * size
    sums = _sums(work, choice, cut, padded(frame_bytes), table, phases)
    scratch = cut.block_rows * sums.row_phases * sums.width * choice.lanes * size
    blocks = work.groups * cut.blocks
    plan = planned(
        padded(frame_bytes) + (0 if choice.line else scratch), (weights, frame, sums), pack, blocks,
        kept=(table, phases), second=compute,
        more=work.images * work.groups * cut.row_tasks * cut.block_tasks,
        shared=blocks * weights.block_bytes, parallel=cut.products >= costs.TASK,
    )  # fmt: skip
    return prepared(plan, size, made, choice.lanes, cut.blocks)


def prepared(plan: Plan, size: int, channels: int, lanes: int, blocks: int) -> Prepared:
    """With zeros to begin with; a bias must fill blocks of channels of each group."""
    zeros = np.zeros(lanes, f"f{size}")
    return Prepared(plan, zeros, 0 if channels == blocks * lanes else blocks * lanes)


def frame_of(vector: Vector, source: Image, sizes: Pair, left: int) -> Frame:
    """A frame of these sizes for images of these channels and sizes."""
    return Frame(
        size=vector.size, channels=source[0], in_height=source[1], in_width=source[2],
        height=sizes[0], width=sizes[1], left=left, pad=address("pad", vector),
        clear=address("clear", vector),
    )  # fmt: skip


def _sums(
    work: Work, choice: _Choice, cut: _Cut, frame_bytes: int, table: Array, phases: Array
) -> Sums:
    vector = work.registers.vector(work.size)
    return Sums(
        images=work.images * work.groups,
        groups=work.groups,
        size=work.size,
        copied=int(cut.copied),
        frame_bytes=frame_bytes,
        top=work.rows.low,
        left=work.columns.low,
        stride=work.rows.stride,
        channels=work.target[0],
        height=work.target[1],
        width=work.target[2],
        row_phases=len(work.rows.phases),
        column_phases=len(work.columns.phases),
        task_rows=cut.task_rows,
        row_tasks=cut.row_tasks,
        block_rows=cut.block_rows,
        least_rows=choice.least_rows,
        task_blocks=cut.task_blocks,
        block_tasks=cut.block_tasks,
        table=table.ctypes.data,
        pairs=table.size // 2,
        phases=phases.ctypes.data,
        line=address("lines", vector, *choice.numbers) if choice.line else 0,
        transpose=address("transpose", vector, 1),
    )


def _tables(work: Work, choice: _Choice, cut: _Cut) -> tuple[Array, Array]:
    """Offsets of all taps, as pairs for the inner loops, and all phases."""
    rows, columns, size = work.rows, work.columns, work.size
    vector, lanes = work.registers.vector(size), choice.lanes
    table: list[Pair] = []
    phases: list[list[int]] = []
    taps = work.kernel[0] * work.kernel[1]
    for a, row_taps in enumerate(rows.phases):
        for b, column_taps in enumerate(columns.phases):
            first = len(table)
            together = choice.taps > 1 and _neighbours(column_taps)
            for channel in range(work.source[0]):
                for kh, row in row_taps:
                    line = (channel * cut.frame_height + row - rows.low) * cut.frame_width
                    for kw, column in column_taps[:1] if together else column_taps:
                        place = line + column - columns.low
                        weight = channel * taps + kh * work.kernel[1] + kw
                        table.append((place * size, weight * lanes * size))
            step = column_taps[1][0] - column_taps[0][0] if len(column_taps) > 1 else 0
            width = -(-(work.target[2] - b) // len(columns.phases))
            code = 0
            if width > 0 and column_taps and not choice.line:
                pixels, vectors = min(choice.numbers[0], width), choice.numbers[1]
                unrolled = len(column_taps) if together else 1
                code = address("over_taps", vector, pixels, vectors, unrolled, columns.stride)
            phase = Phase(code, first, len(table) - first, step * lanes * size, a, b, width)
            phases.append(list(phase))
    pairs = np.array(table or [(0, 0)], np.int64)
    for phase_numbers in phases:
        phase_numbers[1] = pairs.ctypes.data + 16 * phase_numbers[1]
    return pairs, np.array(phases, np.int64)
