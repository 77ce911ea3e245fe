"""Plans of pooling: which loop, and tables of what rows meet."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.pool.code import Walk, sources
from minigrad.kernels.pool.windows import Windows, clamped, counts, flat_places, row_meetings
from minigrad.kernels.run.bodies import Body, numbers_at
from minigrad.kernels.run.plan import HEAD_BYTES, Plan, planned
from minigrad.kernels.vector.emitter import Vector, call
from minigrad.kernels.vector.registers import HOST, Registers, variant

__all__ = ["AVAILABLE", "REGISTERS", "Mean", "backward_plan", "forward_plan"]

Array = np.ndarray[Any, Any]
#: Whether padding counts, and what to divide by instead of counting.
Mean = tuple[bool, int | None]

#: Whether the loops can be compiled.
AVAILABLE = not numba.config.DISABLE_JIT
#: The registers to make loops for.
REGISTERS: Registers = HOST


@Body
def _rows(address, b0, b1):
    """Tasks: rows of the result."""
    call(numbers_at(Walk, address + HEAD_BYTES).code, (address, b0, b1))


def _vector(registers: Registers, size: int, results: int) -> Vector:
    """A register for so many results; no wider, so that there is little to mask."""
    widest = registers.vector(size).lanes
    return Vector(size, max(4, min(widest, 1 << (results - 1).bit_length())))


def _row_table(rows: Array, others: Array, offsets: Array, count: int) -> tuple[Array, Array]:
    """For each row where its meetings are and how many; the meetings (other row, offset)."""
    order = np.argsort(rows, kind="stable")
    met = np.stack([others[order], offsets[order]], 1).astype(np.int64)
    return _index(met, np.bincount(rows, minlength=count)), met


def _index(pairs: Array, lengths: Array) -> Array:
    """Where runs of pairs begin, and how long they are."""
    starts = pairs.ctypes.data + 16 * (np.cumsum(lengths) - lengths)
    return np.stack([starts, lengths], 1).astype(np.int64)


def _shares(windows: Windows, mean: Mean | None, dtype: Any, turned: bool) -> tuple[Array, Array]:
    """What to divide by, or (`turned`) to multiply by, for each row and column of windows."""
    if mean is None:
        return np.zeros(1, dtype), np.zeros(1, dtype)
    depth, height, width = [(1 / c if turned else c).astype(dtype) for c in counts(windows, *mean)]
    return np.multiply.outer(depth, height).reshape(-1), width


def _plan(walk: Walk, kept: tuple[Array, ...], planes: int, numbers: int, tasks: int = 0) -> Plan:
    tasks = tasks or planes * walk.rows
    return planned(0, (walk,), _rows, tasks, kept=kept, parallel=numbers >= costs.POOLED)


@lru_cache(maxsize=256)
def forward_plan(
    registers: Registers, size: int, planes: int, windows: Windows, place_bytes: int,
    mean: Mean | None,
) -> Plan:  # fmt: skip
    """Maxima and their places, in so many bytes each, or means; `size` is that of a number."""
    given, windows = windows, clamped(windows)
    out, read = windows.out, windows.size
    outputs, offsets, inputs = row_meetings(windows)
    index, met = _row_table(outputs, inputs, offsets, out[0] * out[1])
    shares, along = _shares(given, mean, f"f{size}", False)
    taps, step = windows.kernel[2], windows.stride[2]
    known = (step if step <= 2 else 0, taps if taps <= costs.WRITTEN_OUT else 0)
    dense = int(windows.dilation[2] == 1)
    vector = _vector(registers, size, out[2])
    walk = Walk(
        rows=out[0] * out[1], columns=out[2], read_rows=read[0] * read[1], read_columns=read[2],
        taps=taps, step=step, padding=windows.padding[2], dilation=windows.dilation[2],
        table=index.ctypes.data, shares=shares.ctypes.data, along=along.ctypes.data,
        phases=0, low=0, high=0,
        code=variant("pool.code", "forward", vector, place_bytes, *known, dense),
    )  # fmt: skip
    numbers = planes * walk.read_rows * walk.read_columns
    return _plan(walk, (index, met, shares, along), planes, numbers)


@lru_cache(maxsize=256)
def backward_plan(
    registers: Registers, size: int, planes: int, windows: Windows, place_bytes: int,
    mean: Mean | None,
) -> Plan:  # fmt: skip
    """The gradient of what was pooled, from that of the result."""
    given, windows = windows, clamped(windows)
    if place_bytes and not _apart(windows):
        return _routed_plan(registers, size, planes, windows, place_bytes)
    out, written = windows.out, windows.size
    outputs, offsets, inputs = row_meetings(windows)
    index, met = _row_table(inputs, outputs, offsets, written[0] * written[1])
    shares, along = _shares(given, mean, f"f{size}", True)
    taps, step = windows.kernel[2], windows.stride[2]
    padding, dilation = windows.padding[2], windows.dilation[2]
    by_residue = sources(taps, step, padding, dilation)
    pairs = np.array([pair for some in by_residue for pair in some], np.int64).reshape(-1, 2)
    phases = _index(pairs, np.array([len(some) for some in by_residue]))
    written_out = step <= 2 and dilation == 1 and taps <= costs.WRITTEN_OUT
    known = (step if step <= 2 else 0, *((taps, padding) if written_out else (0, 0)))
    vector = _vector(registers, size, -(-written[2] // step))
    walk = Walk(
        rows=written[0] * written[1], columns=written[2], read_rows=out[0] * out[1],
        read_columns=out[2], taps=taps, step=step, padding=padding, dilation=dilation,
        table=index.ctypes.data, shares=shares.ctypes.data, along=along.ctypes.data,
        phases=phases.ctypes.data, low=int(pairs[:, 0].min()), high=int(pairs[:, 0].max()),
        code=variant("pool.code", "backward", vector, place_bytes, *known),
    )  # fmt: skip
    kept = (index, met, shares, along, pairs, phases)
    return _plan(walk, kept, planes, planes * walk.rows * walk.columns)


def _apart(windows: Windows) -> bool:
    """Whether windows do not overlap, and their rows fill registers."""
    return (
        windows.stride[2] <= 2
        and windows.out[2] >= costs.WIDE
        and all(
            k <= s and d == 1 for k, s, d in zip(windows.kernel, windows.stride, windows.dilation)
        )
    )


def _routed_plan(
    registers: Registers, size: int, planes: int, windows: Windows, place_bytes: int
) -> Plan:
    """The gradient of maxima whose windows overlap."""
    out, written = windows.out, windows.size
    origins, offsets = flat_places(windows)
    rows = np.ascontiguousarray(origins[:: out[2]])
    walk = Walk(
        rows=written[0] * written[1], columns=written[2], read_rows=out[0] * out[1],
        read_columns=out[2], taps=windows.kernel[2], step=windows.stride[2],
        padding=windows.padding[2], dilation=windows.dilation[2], table=rows.ctypes.data,
        shares=0, along=0, phases=offsets.ctypes.data, low=0, high=0,
        code=variant("pool.code", "routed", registers.vector(size), place_bytes),
    )  # fmt: skip
    return _plan(walk, (rows, offsets), planes, planes * walk.rows * walk.columns, planes)
