"""Machine code of the product of float32 matrices: the innermost loop, and the copies around it.

One function computes a *tile* of the result: some rows, times two vector registers. All sums of the
tile stay in registers while the function goes along the inner dimension; in each step it loads two
vectors of `b`, and for each row copies one number of `a` into all lanes. With 14 rows of AVX-512
registers that is 16 loads for 28 multiply-adds, so the loads keep out of the way of the arithmetic.

Where the numbers of `a` lie is given by two distances, which serve `a` and its transpose alike.
The four addresses carried along for this cost nothing beside the arithmetic (measured), and half as
much code is to be compiled; unrolling the loop costs registers and gains nothing.

The right edge of the result is masked, always: with AVX-512 that is free, with AVX2 nearly so.
"""

from __future__ import annotations

from llvmlite import ir

from minigrad.kernels.vector.emitter import LINE, Emitter, Function, Value, Vector

__all__ = ["VECTORS", "pack_function", "tile_function", "transpose_function"]

#: Vector registers across a tile.
VECTORS = 2

I32 = ir.IntType(32)


def tile_function(vector: Vector, rows: int, vectors: int) -> Function:
    """``c = scale * a @ b``, to which the numbers at `start` may be added, for one tile.

    The function has the arguments ``(a, a_row, a_step, b, b_step, count, start, start_row, add, c,
    c_row, columns, scale)``: distances in bytes; `count` >= 1, the inner dimension; `add`, 0 or 1,
    whether to add; `columns`, how many are read of `b` and written, which reach into the last
    vector; `scale`, the bits of a float32. `start` may be `c`.
    """
    width, lanes = vector.bytes, vector.lanes
    last = vectors - 1

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        a, a_row, a_step, panel, b_step, count, start, start_row, add, c, c_row = args[:11]
        columns, scale = args[11:]
        mask = e.below(columns, lanes * last)
        # x86 adds a distance, or twice it, to an address for free: four rows share an address
        within = [e.times(a_row, i) for i in range(4)]
        groups = [b.add(a, e.times(a_row, i)) for i in range(0, rows, 4)]
        targets = [b.add(c, e.times(c_row, i)) for i in range(rows)]
        begins = [b.add(start, e.times(start_row, i)) for i in range(rows)]
        for begin, target in zip(begins, targets, strict=True):
            for line in range(0, width * vectors, LINE):
                e.prefetch(e.at(begin, line))
                e.prefetch(e.at(target, line), 1)

        def step(index: Value, addresses: list[Value], sums: list[Value]) -> list[Value]:
            *places, place = addresses
            loaded = [e.load(place, width * v) for v in range(last)]
            loaded.append(e.load_masked(e.at(place, width * last), mask))
            sums = list(sums)
            for i in range(rows):
                number = e.broadcast(places[i // 4], within[i % 4])
                for v in range(vectors):
                    at = i * vectors + v
                    sums[at] = e.multiply_add(number, loaded[v], sums[at])
            return sums

        steps = [a_step] * len(groups) + [b_step]
        sums = e.loop(count, [*groups, panel], steps, [e.zero] * (rows * vectors), step)
        factor = _in_all_lanes(e, b.bitcast(b.trunc(scale, I32), e.element))
        adding = e.below(e.times(add, lanes))  # no lane, and nothing is read: these are zeros
        masks = [adding] * last + [b.and_(mask, adding)]
        for i, target in enumerate(targets):
            old = [e.load_masked(e.at(begins[i], width * v), masks[v]) for v in range(vectors)]
            for v in range(vectors):
                total = e.multiply_add(sums[i * vectors + v], factor, old[v])
                if v < last:
                    e.store(total, target, width * v)
                else:
                    e.store_masked(total, e.at(target, width * v), mask)

    return Function(vector, "tile", 13, write)


def _in_all_lanes(e: Emitter, number: Value) -> Value:
    nothing = ir.Constant(e.type, ir.Undefined)
    first = e.b.insert_element(nothing, number, I32(0))
    return e.shuffled(first, nothing, [0] * e.vector.lanes)


def pack_function(vector: Vector) -> Function:
    """Rows to panels: pieces of rows, :data:`VECTORS` wide, of which those of equal number go on.

    The function has the arguments ``(source, source_row, rows, columns, target, target_panel)``,
    `rows` and `columns` >= 1. Rows are read straight through; the last panel is filled up with
    zeros.
    """
    lanes, width = vector.lanes, vector.bytes

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        source, source_row, rows, columns, target, target_panel = args
        across = VECTORS * lanes
        panels = b.sdiv(e.at(columns, across - 1), e.integer_constant(across))
        wide = e.integer_constant(VECTORS * width)

        def piece(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            for v in range(VECTORS):
                mask = e.below(columns, e.at(e.times(index, across), v * lanes))
                e.store(e.load_masked(e.at(addresses[0], width * v), mask), addresses[1], width * v)
            return []

        def row(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            e.loop(panels, addresses, [wide, target_panel], [], piece)
            return []

        e.loop(rows, [source, target], [source_row, wide], [], row)

    return Function(vector, "pack", 6, write)


def transpose_function(vector: Vector) -> Function:
    """A vector of rows, at most, to as many columns: row `i` to lane `i`.

    The function has the arguments ``(source, source_row, rows, columns, target, target_row)``, at
    most as many rows as a vector has lanes. All lanes are written, those without a row with the
    last row's numbers; and at least as many vectors are written as there are lanes, so that memory
    after `target` is overwritten if there are fewer columns. Blocks of columns are transposed in
    registers; where the columns do not divide, the last block overlaps the one before.
    """
    lanes, size = vector.lanes, vector.size

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        source, source_row, rows, columns, target, target_row = args

        def smaller(x: Value, y: Value) -> Value:
            return b.select(b.icmp_signed("<", x, y), x, y)

        limit = e.at(rows, -1)
        starts = [
            b.add(source, b.mul(smaller(e.integer_constant(i), limit), source_row))
            for i in range(lanes)
        ]
        zero, last = e.integer_constant(0), e.at(columns, -lanes)
        last = b.select(b.icmp_signed("<", last, zero), zero, last)

        def block(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            first = smaller(e.times(index, lanes), last)
            offset, mask = e.times(first, size), e.below(columns, first)
            loaded = [e.load_masked(b.add(start, offset), mask) for start in starts]
            place = b.add(target, b.mul(first, target_row))
            for column in e.transposed(loaded):
                e.store(column, place)
                place = b.add(place, target_row)
            return []

        e.loop(b.sdiv(e.at(columns, lanes - 1), e.integer_constant(lanes)), [], [], [], block)

    return Function(vector, "transpose", 6, write)
