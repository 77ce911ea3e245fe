"""The linear maps of Winograd's convolution, written as LLVM code on whole registers.

Two by two neighbouring outputs of a 3x3 convolution need 36 multiplications; of the form

    y = At [(G w Gt) * (Bt x B)] A          x: 4x4 inputs, w: 3x3 weights, y: 2x2 outputs

with a product element by element, they need 16. (Winograd, "Arithmetic complexity of computations",
1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.) Sums over channels
can be made between the maps, of which there is therefore one for each image and not for each pair
of channels. The matrices hold zeros, ones and halves: the results are about as exact as those of
the plain sum.

The backward passes are convolutions of the same kind; for the gradient of the weight the maps are
transposed, ``dw = Gt [(Bt x B) * (A dy At)] G``.

A *tile* is 2x2 outputs, and the sixteen numbers it becomes are its *places*.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from minigrad.kernels.vector.emitter import LINE, Emitter, Function, Value, Vector

__all__ = [
    "flow_function", "gradient_function", "input_function", "output_function", "weight_function",
]  # fmt: skip

Matrix = tuple[tuple[float, ...], ...]

BT: Matrix = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
G: Matrix = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
AT: Matrix = ((1, 1, 1, 0), (0, 1, -1, -1))
PLACES = 16


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix))


def _combine(e: Emitter, row: tuple[float, ...], values: list[Value]) -> Value:
    """The sum of vectors with factors of which all but 0 are equal in size."""
    terms = [(factor, value) for factor, value in zip(row, values) if factor]
    terms.sort(key=lambda term: term[0] < 0)  # begin with a positive one
    total = terms[0][1] if terms[0][0] > 0 else e.b.fneg(terms[0][1])
    for factor, value in terms[1:]:
        total = e.b.fadd(total, value) if factor > 0 else e.b.fsub(total, value)
    size = abs(terms[0][0])
    if size != 1:
        total = e.b.fmul(total, ir.Constant(e.type, [size] * e.vector.lanes))
    return total


def _map(e: Emitter, matrix: Matrix, square: list[list[Value]]) -> list[list[Value]]:
    """``matrix @ square @ matrix.T``, with vectors for elements."""
    columns = [[_combine(e, row, list(column)) for row in matrix] for column in zip(*square)]
    return [[_combine(e, row, list(values)) for row in matrix] for values in zip(*columns)]


def input_function(vector: Vector, lanes: int) -> Any:
    """``Bt x B`` for all tiles of some rows of one channel.

    The function has the arguments ``(source, pitch, above, height, left, width, tile_rows,
    tile_columns, zeros, buffer, target, place, ahead)``, sizes in bytes: the tiles begin `above`
    rows above (negative: below) and `left` columns left of `source`, an image of `height` times
    `width` numbers; what lies outside is zero, and so is the row of `width` numbers at `zeros`.
    Tiles follow each other at `target`, the next place is `place` further; up to a vector more is
    written. The buffer keeps, for even and odd rows, the four columns of ``x B``: eight planes of
    ``(tile_rows + 1) * tile_columns`` numbers and a vector. What lies `ahead` of the tiles is
    fetched into the cache.

    `lanes` is the number of tiles in a row that are made at a time from the image: a power of 2,
    no more than a vector has.
    """
    size = vector.size

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        source, pitch, above, height, left, width, tile_rows, tile_columns, *rest = args
        zeros, buffer, target, place, ahead = rest
        row_bytes = e.times(tile_columns, size)
        plane = e.at(b.mul(e.at(tile_rows, 1), row_bytes), vector.bytes)
        rows = _Rows(e, Vector(size, lanes), left, b.add(left, width), plane, ahead)
        blocks = b.sdiv(e.at(tile_columns, lanes - 1), e.integer_constant(lanes))
        start = b.sub(b.sub(source, b.mul(above, pitch)), e.times(left, size))
        nothing = b.sub(zeros, e.times(left, size))

        def block(i: Value, none: list[Value], carried: list[Value]) -> list[Value]:
            # from right to left: what the last block writes beyond its row is written again
            first = e.times(b.sub(e.at(blocks, -1), i), lanes)
            skip = e.times(first, 2 * size)
            masks = rows.masks(e.times(first, 2))

            def pair(line: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
                origin, goal = addresses
                for odd in (0, 1):
                    distance = b.sub(e.at(e.times(line, 2), odd), above)
                    inside = b.icmp_unsigned("<", distance, height)
                    row = b.select(inside, origin, nothing)
                    rows.write(b.add(row, skip), masks, e.at(goal, e.times(plane, 4 * odd)))
                    origin = b.add(origin, pitch)
                return []

            starts = [start, b.add(buffer, e.times(first, size))]
            e.loop(e.at(tile_rows, 1), starts, [e.times(pitch, 2), row_bytes], [], pair)
            return []

        e.loop(blocks, [], [], [], block)
        count = b.mul(tile_rows, tile_columns)
        vectors = b.sdiv(e.at(count, vector.lanes - 1), e.integer_constant(vector.lanes))

        def column(k: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            def tiles(i: Value, inner: list[Value], none: list[Value]) -> list[Value]:
                """A vector of tiles, of any rows: what follows a row in the planes is the next."""
                origin, goal = inner
                odd = b.add(origin, e.times(plane, 4))
                lines = [
                    e.load(x, o) for o in (e.integer_constant(0), row_bytes) for x in (origin, odd)
                ]
                for a, line in enumerate(BT):
                    e.store(_combine(e, line, lines), goal, e.times(place, 4 * a))
                return []

            e.loop(vectors, addresses, [e.integer_constant(vector.bytes)] * 2, [], tiles)
            return []

        e.loop(e.integer_constant(4), [buffer, target], [plane, place], [], column)

    return Function(vector, "input", 13, write)


class _Rows:
    """The four columns of ``x B`` for some neighbouring tiles of a row."""

    def __init__(
        self, e: Emitter, vector: Vector, left: Value, end: Value, plane: Value, ahead: Value
    ) -> None:
        self.e = Emitter(e.b, vector)
        self.left, self.end, self.plane, self.ahead = left, end, plane, ahead
        self.shifts = [0, vector.lanes, 2, vector.lanes + 2]

    def masks(self, first: Value) -> list[Value]:
        """Which columns, from `first` on, lie in the image: of each of the four vectors read."""
        e = self.e
        columns = [e.at(first, shift) for shift in self.shifts]
        return [
            e.b.and_(e.below(self.end, column), e.b.not_(e.below(self.left, column)))
            for column in columns
        ]

    def write(self, row: Value, masks: list[Value], target: Value) -> None:
        e, lanes, size = self.e, self.e.vector.lanes, self.e.vector.size
        next_channel = e.at(row, self.ahead)
        for end_of_line in range(min(LINE, 2 * lanes * size), 2 * lanes * size + 1, LINE):
            e.prefetch(e.at(next_channel, end_of_line - 1))
        read = [
            e.load_masked(e.at(row, size * shift), mask) for shift, mask in zip(self.shifts, masks)
        ]
        even, odd = list(range(0, 2 * lanes, 2)), list(range(1, 2 * lanes, 2))
        x = [e.shuffled(read[k], read[k + 1], places) for k in (0, 2) for places in (even, odd)]
        for k, line in enumerate(BT):
            e.store(_combine(e, line, x), e.at(target, e.times(self.plane, k)))


def output_function(vector: Vector, vectors: int) -> Any:
    """``At m A`` plus a start, for all tiles of some rows.

    The function has the arguments ``(m, place, tile_rows, tile_columns, start, out, out_pitch)``,
    sizes in bytes: a tile of `m`, as a pixel of `out`, is `vectors` registers, and `place` is from
    place to place. A pixel too many at the end of each row may be written, before the next row.
    """
    width = vector.bytes
    pixel = width * vectors

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        m, place, tile_rows, tile_columns, start, out, out_pitch = args
        begin = [e.load(start, width * v) for v in range(vectors)]
        row_bytes = e.times(tile_columns, pixel)
        last = e.at(tile_columns, -1)

        def row(i: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            # from right to left: if the width is odd, the pixel too many of the upper row is the
            # first of the lower row, which is to be written later
            def tile(j: Value, inner: list[Value], none: list[Value]) -> list[Value]:
                origin, goal = inner
                for v in range(vectors):
                    square = [
                        [
                            e.load(e.at(origin, e.times(place, 4 * r + k)), width * v)
                            for k in range(4)
                        ]
                        for r in range(4)
                    ]
                    for r, line in enumerate(_map(e, AT, square)):
                        for k, value in enumerate(line):
                            address = b.add(goal, e.times(out_pitch, r))
                            e.store(b.fadd(value, begin[v]), address, pixel * k + width * v)
                return []

            starts = [
                b.add(addresses[0], e.times(last, pixel)),
                b.add(addresses[1], e.times(last, 2 * pixel)),
            ]
            steps = [e.integer_constant(-pixel), e.integer_constant(-2 * pixel)]
            e.loop(tile_columns, starts, steps, [], tile)
            return []

        e.loop(tile_rows, [m, out], [row_bytes, e.times(out_pitch, 2)], [], row)

    return Function(vector, "output", 7, write)


def weight_function(vector: Vector, vectors: int) -> Any:
    """``G w Gt`` for all input channels.

    The function has the arguments ``(w, tap, channels, target, place)``, sizes in bytes: the 9 taps
    of the first channel begin at `w`, `tap` apart (negative: to turn the kernel round), those of
    the next one follow.
    """
    width = vector.bytes

    def write(e: Emitter, args: list[Value]) -> None:
        w, tap, channels, target, place = args

        def channel(i: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            origin, goal = addresses
            for v in range(vectors):
                square = [
                    [e.load(e.at(origin, e.times(tap, 3 * r + k)), width * v) for k in range(3)]
                    for r in range(3)
                ]
                for r, line in enumerate(_map(e, G, square)):
                    for k, value in enumerate(line):
                        e.store(value, e.b.add(goal, e.times(place, 4 * r + k)), width * v)
            return []

        steps = [e.integer_constant(9 * width * vectors), e.integer_constant(width * vectors)]
        e.loop(channels, [w, target], steps, [], channel)

    return Function(vector, "weight", 5, write)


def flow_function(vector: Vector, vectors: int) -> Any:
    """``A dy At`` for all tiles of some rows.

    The function has the arguments ``(dy, pitch, tile_rows, tile_columns, target, place)``, sizes in
    bytes; a pixel of `dy` and a tile of the target is `vectors` registers. `dy` must have an even
    number of rows, and of pixels in each.
    """
    width = vector.bytes
    pixel = width * vectors

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        dy, pitch, tile_rows, tile_columns, target, place = args
        matrix = _transposed(AT)

        def row(i: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            def tile(j: Value, inner: list[Value], none: list[Value]) -> list[Value]:
                origin, goal = inner
                for v in range(vectors):
                    square = [
                        [
                            e.load(b.add(origin, e.times(pitch, r)), pixel * k + width * v)
                            for k in range(2)
                        ]
                        for r in range(2)
                    ]
                    for r, line in enumerate(_map(e, matrix, square)):
                        for k, value in enumerate(line):
                            e.store(value, b.add(goal, e.times(place, 4 * r + k)), width * v)
                return []

            steps = [e.integer_constant(2 * pixel), e.integer_constant(pixel)]
            e.loop(tile_columns, addresses, steps, [], tile)
            return []

        steps = [e.times(pitch, 2), e.times(tile_columns, pixel)]
        e.loop(tile_rows, [dy, target], steps, [], row)

    return Function(vector, "flow", 6, write)


def gradient_function(vector: Vector, vectors: int) -> Any:
    """``Gt m G`` for some input channels: the gradient of nine taps each.

    The function has the arguments ``(m, place, channels, target)``, sizes in bytes: the taps of a
    channel follow each other, and so do channels, in `m` at each place.
    """
    width = vector.bytes

    def write(e: Emitter, args: list[Value]) -> None:
        m, place, channels, target = args
        matrix = _transposed(G)

        def channel(i: Value, addresses: list[Value], none: list[Value]) -> list[Value]:
            origin, goal = addresses
            for v in range(vectors):
                square = [
                    [e.load(e.at(origin, e.times(place, 4 * r + k)), width * v) for k in range(4)]
                    for r in range(4)
                ]
                for r, line in enumerate(_map_halves(e, matrix, square)):
                    for k, value in enumerate(line):
                        e.store(value, goal, width * (vectors * (3 * r + k) + v))
            return []

        steps = [e.integer_constant(width * vectors), e.integer_constant(9 * width * vectors)]
        e.loop(channels, [m, target], steps, [], channel)

    return Function(vector, "gradient", 4, write)


def _map_halves(e: Emitter, matrix: Matrix, square: list[list[Value]]) -> list[list[Value]]:
    """As :func:`_map`, for rows whose factors differ in size."""
    half = ir.Constant(e.type, [0.5] * e.vector.lanes)

    def combine(row: tuple[float, ...], values: list[Value]) -> Value:
        whole = [value for factor, value in zip(row, values) if abs(factor) == 1]
        rest = tuple(2 * factor if abs(factor) == 0.5 else 0 for factor in row)
        part = e.b.fmul(_combine(e, rest, values), half)
        return e.b.fadd(whole[0], part) if whole else part

    columns = [[combine(row, list(column)) for row in matrix] for column in zip(*square)]
    return [[combine(row, list(values)) for row in matrix] for values in zip(*columns)]
