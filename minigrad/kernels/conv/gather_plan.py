"""Plans of direct convolution: the kernel, how the work is cut, and tables of what is read.

Both the forward pass and the backward pass of the data compute an image from another one. Forward,
output ``i`` reads the inputs ``stride * i + dilation * k - padding``. Backward, the input
``i = a + stride * q`` gets something from those taps `k` for which ``a + padding - dilation * k``
is a multiple of the stride; they read row ``q + (a + padding - dilation * k) / stride`` of ``dy``.
For each residue `a` in height and width (a *phase*) this is a convolution of stride 1 with some of
the taps. So both have plans of one kind, for the driver in :mod:`minigrad.kernels.conv.gather`.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.conv.code import address
from minigrad.kernels.conv.drive import HEAD_BYTES, padded, sections
from minigrad.kernels.conv.tiles import gather_tile, line_tile
from minigrad.kernels.vector.emitter import Vector
from minigrad.kernels.vector.registers import Registers

__all__ = [
    "FETCH",
    "FRAME",
    "FRAME_AT",
    "PACKING_AT",
    "PHASE_BYTES",
    "SCRATCH",
    "SLACK",
    "SUMS_AT",
    "TASK",
    "TASKS",
    "Frame",
    "Packing",
    "Pair",
    "Phase",
    "Plan",
    "Sums",
    "backward_plan",
    "forward_plan",
    "packing",
]

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]

#: Bytes of the padded rows that a task works on, to stay in the second-level cache.
FRAME = 262_144
#: Bytes of sums between two transposes, to stay in the first-level cache.
SCRATCH = 16_384
#: Channels that images are fetched ahead: a channel takes less time than main memory does.
FETCH = 4
#: Numbers that the inner loops may read or write beyond a frame.
SLACK = 128
#: Channels read, up to which pixels may be in the lanes though channels would fill them: what is
#: saved is the transpose.
FEW = 4
#: Half cycles to transpose one number of the result.
TRANSPOSE = 0.6
#: Tasks to make at least, and multiplications that are worth one: some 4 us.
TASKS, TASK = 16, 500_000


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
    starts: int  # 1 if each channel has a bias
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


#: Where the sections lie in the numbers of a plan (STARTS: counted in numbers, not in bytes).
PACKING_AT = HEAD_BYTES
FRAME_AT = PACKING_AT + 8 * len(Packing._fields)
SUMS_AT = FRAME_AT + 8 * len(Frame._fields)
PHASE_BYTES = 8 * len(Phase._fields)
STARTS = SUMS_AT // 8 + Sums._fields.index("starts")


class Plan(NamedTuple):
    """A convolution of certain sizes, prepared."""

    numbers: Array
    kept: tuple[Array, ...]  # what the numbers have addresses of
    zeros: Array  # what sums begin with where there is no bias
    packed_tasks: int
    tasks: int
    packed_bytes: int
    parallel: bool
    groups: int
    channels: int  # output channels of a group, and with those that fill up the last block
    padded_channels: int
    out_shape: tuple[int, ...]
    starts: int  # which of the numbers says that sums begin with a bias


class _Axis(NamedTuple):
    """How the pixels of one dimension read: for each phase its taps, (index, offset) ascending."""

    stride: int
    phases: list[list[Pair]]

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


def _neighbours(taps: list[Pair]) -> bool:
    """Whether taps read neighbouring pixels, with weights at equal distances."""
    pairs = pairwise(taps)
    return all(b[1] - a[1] == 1 and b[0] - a[0] == taps[1][0] - taps[0][0] for a, b in pairs)


class _Case(NamedTuple):
    """Everything that decides on a plan."""

    registers: Registers
    size: int
    images: int
    groups: int
    source: tuple[int, int, int]  # channels of a group, height, width of what is read
    target: tuple[int, int, int]
    kernel: Pair
    rows: _Axis
    columns: _Axis
    backward: bool


@functools.lru_cache(maxsize=1024)
def forward_plan(
    registers: Registers,
    size: int,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Plan:
    """The plan of the forward pass."""
    n, c, h, w = x_shape
    o, _, kh, kw = w_shape
    oh = (h + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (w + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    rows = _forward_axis(kh, stride[0], padding[0], dilation[0])
    columns = _forward_axis(kw, stride[1], padding[1], dilation[1])
    source, target = (c // groups, h, w), (o // groups, oh, ow)
    return _plan(_Case(registers, size, n, groups, source, target, (kh, kw), rows, columns, False))


@functools.lru_cache(maxsize=1024)
def backward_plan(
    registers: Registers,
    size: int,
    dy_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    x_shape: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Plan:
    """The plan of the backward pass of the data."""
    n, o, oh, ow = dy_shape
    kh, kw = w_shape[2:]
    rows = _backward_axis(kh, stride[0], padding[0], dilation[0])
    columns = _backward_axis(kw, stride[1], padding[1], dilation[1])
    source, target = (o // groups, oh, ow), (x_shape[1] // groups, x_shape[2], x_shape[3])
    return _plan(_Case(registers, size, n, groups, source, target, (kh, kw), rows, columns, True))


class _Choice(NamedTuple):
    """The kernel: how many taps together, channels in a block, and what makes its code."""

    line: bool  # pixels in the lanes, or channels
    taps: int
    lanes: int
    least_rows: int
    numbers: tuple[int, int, int]


def _choose(case: _Case) -> _Choice:
    """The kernel that should be the quickest for these sizes."""
    vector = case.registers.vector(case.size)
    channels, height, width = case.target
    most = max(case.columns.phases, key=len)
    phases = len(case.columns.phases)
    taps = len(most) if _neighbours(most) else 1
    tile = gather_tile(
        case.registers, vector.lanes, max(1, width // phases), channels, taps, case.columns.stride
    )
    lanes = tile.vectors * vector.lanes
    few = case.source[0] <= FEW or channels % vector.lanes != 0
    if few and phases == len(case.rows.phases) == case.columns.stride == case.rows.stride == 1:
        line = line_tile(case.registers, vector.lanes, height, width, channels, case.kernel[1])
        moves = TRANSPOSE * width * lanes * -(-channels // lanes)
        if line.cost < tile.cost + moves / (case.source[0] * case.kernel[0]):
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
    work: int


def _cut(case: _Case, choice: _Choice) -> _Cut:
    """Tasks that fit the cache, and enough of them."""
    rows, columns, size = case.rows, case.columns, case.size
    channels, height, width = case.source
    out_channels, out_height, out_width = case.target
    phases, column_phases = len(rows.phases), len(columns.phases)
    phase_height, phase_width = -(-out_height // phases), -(-out_width // column_phases)
    bottom = (phase_height - 1) * rows.stride + rows.high
    right = (phase_width - 1) * columns.stride + columns.high
    inside = rows.low >= 0 <= columns.low and bottom < height and right < width
    copied = choice.line or not inside  # pixels in the lanes are read beyond the end of lines

    reach = rows.high - rows.low + 1
    frame_width = right - columns.low + 1 if copied else width
    row_bytes = channels * frame_width * size
    most_rows = (FRAME // row_bytes - reach) // rows.stride + 1
    task_rows = max(choice.least_rows, min(phase_height, most_rows))
    work = case.images * case.groups * channels * out_channels * phase_height * phase_width
    work *= case.kernel[0] * case.kernel[1]
    wanted = min(TASKS, work // TASK)
    alone = case.images * case.groups
    if wanted > alone:
        task_rows = min(task_rows, max(choice.least_rows, -(-phase_height * alone // wanted)))
    row_tasks = -(-phase_height // task_rows)
    blocks = -(-out_channels // choice.lanes)
    block_tasks = min(blocks, max(1, wanted // (alone * row_tasks)))
    task_blocks = -(-blocks // block_tasks)
    frame_height = (task_rows - 1) * rows.stride + reach if copied else height
    row_sums = phases * out_width * choice.lanes * size
    block_rows = task_rows if choice.line else max(1, min(task_rows, SCRATCH // row_sums))
    return _Cut(
        copied, frame_height, frame_width, task_rows, row_tasks, block_rows,
        blocks, task_blocks, -(-blocks // task_blocks), work,
    )  # fmt: skip


def _plan(case: _Case) -> Plan:
    """Choose the kernel, cut the work, and write the tables."""
    size, vector = case.size, case.registers.vector(case.size)
    choice = _choose(case)
    cut = _cut(case, choice)
    channels, height, width = case.source
    out_channels, out_height, out_width = case.target
    taps = case.kernel[0] * case.kernel[1]
    weights = packing(vector, out_channels, channels, taps, choice.lanes, case.backward)
    table, phases = _tables(case, choice, cut)
    frame = Frame(
        size=size,
        channels=channels,
        in_height=height,
        in_width=width,
        height=cut.frame_height,
        width=cut.frame_width,
        left=-case.columns.low,
        pad=address("pad", vector),
        clear=address("clear", vector),
    )
    frame_bytes = cut.copied * (channels * cut.frame_height * cut.frame_width + SLACK) * size
    row_phases = len(case.rows.phases)
    sums = Sums(
        images=case.images * case.groups,
        groups=case.groups,
        size=size,
        copied=int(cut.copied),
        frame_bytes=padded(frame_bytes),
        top=case.rows.low,
        left=case.columns.low,
        stride=case.rows.stride,
        channels=out_channels,
        height=out_height,
        width=out_width,
        row_phases=row_phases,
        column_phases=len(case.columns.phases),
        task_rows=cut.task_rows,
        row_tasks=cut.row_tasks,
        block_rows=cut.block_rows,
        least_rows=choice.least_rows,
        task_blocks=cut.task_blocks,
        block_tasks=cut.block_tasks,
        starts=0,
        table=table.ctypes.data,
        pairs=table.size // 2,
        phases=phases.ctypes.data,
        line=address("line", vector, *choice.numbers) if choice.line else 0,
        transpose=address("transpose", vector, 1),
    )
    scratch = cut.block_rows * row_phases * out_width * choice.lanes * size
    work = padded(frame_bytes) + (0 if choice.line else scratch)
    blocks = case.groups * cut.blocks
    return Plan(
        numbers=sections(work, weights, frame, sums),
        kept=(table, phases),
        zeros=np.zeros(choice.lanes, np.float32 if size == 4 else np.float64),
        packed_tasks=blocks,
        tasks=case.images * case.groups * cut.row_tasks * cut.block_tasks,
        packed_bytes=blocks * weights.block_bytes,
        parallel=cut.work >= TASK,
        groups=case.groups,
        channels=out_channels,
        padded_channels=cut.blocks * choice.lanes,
        out_shape=(case.images, case.groups * out_channels, out_height, out_width),
        starts=STARTS,
    )


def _tables(case: _Case, choice: _Choice, cut: _Cut) -> tuple[Array, Array]:
    """Offsets of all taps, as pairs for the inner loops, and all phases."""
    rows, columns, size = case.rows, case.columns, case.size
    vector, lanes = case.registers.vector(size), choice.lanes
    table: list[Pair] = []
    phases: list[list[int]] = []
    taps = case.kernel[0] * case.kernel[1]
    for a, row_taps in enumerate(rows.phases):
        for b, column_taps in enumerate(columns.phases):
            first = len(table)
            together = choice.taps > 1 and _neighbours(column_taps)
            for channel in range(case.source[0]):
                for kh, row in row_taps:
                    line = (channel * cut.frame_height + row - rows.low) * cut.frame_width
                    for kw, column in column_taps[:1] if together else column_taps:
                        place = line + column - columns.low
                        weight = channel * taps + kh * case.kernel[1] + kw
                        table.append((place * size, weight * lanes * size))
            step = column_taps[1][0] - column_taps[0][0] if len(column_taps) > 1 else 0
            width = -(-(case.target[2] - b) // len(columns.phases))
            code = 0
            if width > 0 and column_taps and not choice.line:
                pixels, vectors = min(choice.numbers[0], width), choice.numbers[1]
                unrolled = len(column_taps) if together else 1
                code = address("gather", vector, pixels, vectors, unrolled, columns.stride)
            phase = Phase(code, first, len(table) - first, step * lanes * size, a, b, width)
            phases.append(list(phase))
    pairs = np.array(table or [(0, 0)], np.int64)
    for phase_numbers in phases:
        phase_numbers[1] = pairs.ctypes.data + 16 * phase_numbers[1]
    return pairs, np.array(phases, np.int64)
