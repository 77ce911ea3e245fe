"""Changes of layout: between images of single channels and pixels of many channels, and frames.

The loops of :mod:`minigrad.kernels.conv.direct_code` have the channels of a pixel in one vector;
images have each channel for itself. :func:`transpose_function` goes from one to the other, 16
registers at a time (16 ns for 256 numbers). :func:`pad_function` copies an image into a frame of
zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from minigrad.kernels.vector.emitter import Emitter, Function, Value, Vector

__all__ = ["add_function", "clear_function", "pad_function", "transpose_function"]

#: How many bytes ahead a matrix is fetched.
AHEAD = 128


def transpose_function(vector: Vector, far_target: int) -> Any:
    """A transposed copy of a matrix, one square of registers at a time.

    One of the two matrices is expected in the cache; the other one (`far_target`: the target), with
    rows that lie as far apart as the channels of images do, is fetched ahead, which no processor
    does of itself.

    The function has the arguments ``(source, source_pitch, rows, columns, target, target_pitch,
    target_columns)``, pitches in bytes. Row `j` of the target gets column `j` of the source, and
    zeros up to `target_columns` where that is more than `rows`.
    """
    lanes, size = vector.lanes, vector.size

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        source, source_pitch, rows, columns, target, target_pitch, target_columns = args
        nothing = ir.Constant(e.flags, [0] * lanes)

        def square(origin: Value, goal: Value, i: Value, j: Value) -> None:
            whole = b.and_(
                b.icmp_signed("<=", e.at(i, lanes), rows),
                b.icmp_signed("<=", e.at(j, lanes), columns),
            )
            with b.if_else(whole, likely=True) as (full, edge):
                with full:
                    far, pitch = (goal, target_pitch) if far_target else (origin, source_pitch)
                    for q in range(lanes):
                        ahead = e.at(b.add(far, e.times(pitch, q)), AHEAD)
                        e.prefetch(ahead, far_target)
                    read = [e.load(origin, e.times(source_pitch, q)) for q in range(lanes)]
                    for q, value in enumerate(e.transposed(read)):
                        e.store(value, goal, e.times(target_pitch, q))
                with edge:
                    across, down = e.below(columns, j), e.below(target_columns, i)
                    read = []
                    for q in range(lanes):
                        inside = b.icmp_signed("<", e.at(i, q), rows)
                        mask = b.select(inside, across, nothing)
                        read.append(e.load_masked(e.at(origin, e.times(source_pitch, q)), mask))
                    for q, value in enumerate(e.transposed(read)):
                        inside = b.icmp_signed("<", e.at(j, q), columns)
                        mask = b.select(inside, down, nothing)
                        e.store_masked(value, e.at(goal, e.times(target_pitch, q)), mask)

        def squares_of_row(i: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            first = e.times(i, lanes)

            def each(j: Value, inner: list[Value], none: list[Value]) -> list[Value]:
                square(inner[0], inner[1], first, e.times(j, lanes))
                return []

            steps = [e.integer_constant(vector.bytes), e.times(target_pitch, lanes)]
            e.loop(blocks(columns), addresses, steps, [], each)
            return []

        def blocks(count: Value) -> Value:
            return b.sdiv(e.at(count, lanes - 1), e.integer_constant(lanes))

        steps = [e.times(source_pitch, lanes), e.integer_constant(size * lanes)]
        e.loop(blocks(target_columns), [source, target], steps, [], squares_of_row)

    return Function(vector, "transpose", 7, write)


def pad_function(vector: Vector) -> Any:
    """A copy of rows with zeros before and after each.

    The function has the arguments ``(source, source_pitch, target, rows, width, left, columns,
    ahead)``, the pitch in bytes: of each row of `width` numbers it writes `columns`, the first
    `left` of which are zeros (or, if negative, of which that many are left out). The target's rows
    follow each other. Up to a vector beyond its end is overwritten. What lies `ahead` (in bytes) of
    the source is fetched into the cache.
    """
    lanes, size = vector.lanes, vector.size

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        source, source_pitch, target, rows, width, left, columns, ahead = args
        vectors = b.sdiv(e.at(columns, lanes - 1), e.integer_constant(lanes))
        start = b.sub(source, e.times(left, size))
        end = b.add(width, left)

        def part(index: Value, none: list[Value], carried: list[Value]) -> list[Value]:
            # from right to left: what is written beyond a row is written again, or is the next row
            first = e.times(b.sub(e.at(vectors, -1), index), lanes)
            mask = b.and_(e.below(end, first), b.not_(e.below(left, first)))
            skip = e.times(first, size)

            def row(index: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
                e.prefetch(b.add(addresses[0], e.at(ahead, vector.bytes - 1)))
                e.store(e.load_masked(addresses[0], mask), addresses[1])
                return []

            starts = [b.add(start, skip), b.add(target, skip)]
            e.loop(rows, starts, [source_pitch, e.times(columns, size)], [], row)
            return []

        e.loop(vectors, [], [], [], part)

    return Function(vector, "pad", 8, write)


def clear_function(vector: Vector) -> Any:
    """Zeros. The function has the arguments ``(target, count)``, a number of numbers."""

    def write(e: Emitter, args: list[Value]) -> None:
        target, count = args

        def whole(index: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            e.store(e.zero, addresses[0])
            return []

        def part(address: Value, mask: Value) -> None:
            e.store_masked(e.zero, address, mask)

        _each_vector(e, count, [target], whole, lambda places, mask: part(places[0], mask))

    return Function(vector, "clear", 2, write)


def add_function(vector: Vector) -> Any:
    """Sums in place. The arguments are ``(target, source, count)``, a number of numbers."""

    def write(e: Emitter, args: list[Value]) -> None:
        target, source, count = args

        def whole(index: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            goal, origin = addresses
            e.store(e.b.fadd(e.load(goal), e.load(origin)), goal)
            return []

        def part(places: list[Value], mask: Value) -> None:
            goal, origin = places
            total = e.b.fadd(e.load_masked(goal, mask), e.load_masked(origin, mask))
            e.store_masked(total, goal, mask)

        _each_vector(e, count, [target, source], whole, part)

    return Function(vector, "add", 3, write)


def _each_vector(
    e: Emitter,
    count: Value,
    starts: list[Value],
    whole: Callable[[Value, list[Value], list[Value]], list[Value]],
    part: Callable[[list[Value], Value], None],
) -> None:
    """Go through arrays by vectors, then through what is left."""
    b, lanes = e.b, e.vector.lanes
    vectors = b.sdiv(count, e.integer_constant(lanes))
    with b.if_then(b.icmp_signed(">", vectors, e.integer_constant(0))):
        e.loop(vectors, starts, [e.integer_constant(e.vector.bytes)] * len(starts), [], whole)
    rest = e.below(count, e.times(vectors, lanes))
    part([b.add(start, e.times(vectors, e.vector.bytes)) for start in starts], rest)
