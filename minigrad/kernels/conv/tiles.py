"""How large the tiles of direct convolution's inner loops should be, by counting instructions."""

from __future__ import annotations

import functools
from typing import NamedTuple

from minigrad.kernels.vector.registers import Registers

__all__ = ["Line", "Tile", "lines_tile", "pixels_tile", "taps_tile"]


class Tile(NamedTuple):
    """A choice of variant: pixels or rows, vectors of channels, taps."""

    height: int
    vectors: int
    taps: int
    cost: float  # half cycles for one row of pixels, one row of taps and one channel


class Line(NamedTuple):
    """A choice of variant with pixels in the lanes."""

    rows: int
    vectors: int
    channels: int
    cost: float


#: Instructions around the multiply-adds of one turn of the innermost loop, in units of one.
_OVERHEAD = 2.0
#: Sums that are needed to hide the latency of a multiply-add: 4 cycles, two of them each cycle.
_LATENCY = 8


def _cost(fmas: int, loads: int, sums: int, taps: int) -> float:
    """Time of one turn of the innermost loop, in half cycles: two fmas and two loads a cycle."""
    return max(fmas, loads, taps * _LATENCY if sums < _LATENCY else 0) + _OVERHEAD


@functools.cache
def taps_tile(
    registers: Registers, lanes: int, width: int, channels: int, taps: int, stride: int
) -> Tile:
    """The quickest tile for rows of `width` pixels, with `taps` neighbouring taps.

    The accumulators, the weights of the taps and one number of `x` must fit the registers. Rows
    that the tile does not divide, and channels that do not fill the vectors, are computed in vain.

    Examples
    --------
    >>> from minigrad.kernels.conv.tiles import taps_tile
    >>> from minigrad.kernels.vector.registers import Registers
    >>> taps_tile(Registers(64, 32), 16, 32, 64, 3, 1)[:3]
    (16, 1, 3)
    """
    chosen = Tile(1, 1, 1, float("inf"))
    for unrolled in dict.fromkeys((taps, 1)):  # the wider one if they are equal
        for vectors in range(1, min(4, -(-channels // lanes)) + 1):
            for pixels in range(1, width + 1):
                sums, weights = pixels * vectors, unrolled * vectors
                if sums + weights + 1 > registers.number:
                    break
                numbers = stride * (pixels - 1) + unrolled
                if unrolled < stride:
                    numbers = pixels * unrolled
                cost = _cost(sums * unrolled, weights + numbers, sums, unrolled)
                cost *= -(-width // pixels) * -(-channels // (lanes * vectors)) * (taps // unrolled)
                if cost < chosen.cost:
                    chosen = Tile(pixels, vectors, unrolled, cost)
    return chosen


@functools.cache
def lines_tile(
    registers: Registers, lanes: int, height: int, width: int, channels: int, taps: int
) -> Line:
    """The quickest tile for a plane of pixels if the pixels are in the lanes.

    Examples
    --------
    >>> from minigrad.kernels.conv.tiles import lines_tile
    >>> from minigrad.kernels.vector.registers import Registers
    >>> lines_tile(Registers(64, 32), 16, 14, 14, 6, 5)[:3]
    (7, 1, 3)
    """
    chosen = Line(1, 1, 1, float("inf"))
    for block in range(1, channels + 1):
        if channels % block:
            continue  # there is no place for the results of absent channels
        for vectors in range(1, min(4, -(-width // lanes)) + 1):
            for rows in range(1, height + 1):
                numbers, sums = rows * vectors, rows * vectors * block
                if sums + numbers + 1 > registers.number:
                    break
                cost = _cost(sums, numbers + block, sums, 1) * (channels // block) * taps
                cost *= -(-width // (lanes * vectors)) * -(-height // rows) / height
                if cost < chosen.cost:
                    chosen = Line(rows, vectors, block, cost)
    return chosen


@functools.cache
def pixels_tile(registers: Registers, lanes: int, rows: int, channels: int, taps: int) -> Tile:
    """The quickest tile for a kernel of `rows` rows of `taps` neighbouring taps.

    Examples
    --------
    >>> from minigrad.kernels.conv.tiles import pixels_tile
    >>> from minigrad.kernels.vector.registers import Registers
    >>> pixels_tile(Registers(64, 32), 16, 96, 64, 3)[:3]
    (4, 2, 3)
    """
    chosen = Tile(1, 1, 1, float("inf"))
    for unrolled in dict.fromkeys((taps, 1)):  # the wider one if they are equal
        total = rows * (taps // unrolled)
        for vectors in range(1, min(4, -(-channels // lanes)) + 1):
            for height in range(1, min(total, 12) + 1):  # each row needs an address in a register
                sums = height * unrolled * vectors
                if sums + vectors + 1 > registers.number:
                    break
                cost = _cost(sums, height * unrolled + vectors, sums, 1)
                cost *= -(-total // height) * -(-channels // (lanes * vectors))
                if cost < chosen.cost:
                    chosen = Tile(height, vectors, unrolled, cost)
    return chosen
