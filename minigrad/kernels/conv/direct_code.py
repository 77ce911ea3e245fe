"""The innermost loops of direct convolution: sums that stay in registers.

A convolution is fast if each product costs a multiply-add and nothing else. So a *tile* of results
is computed at a time, one register for each vector of sums::

    gather    out[p, o] = start[o] + sum over taps t of  x[place(p) + offset(t)] * w[t, o]
    scatter   sums[t, o] += sum over pixels p of  x[place(p) + offset(t)] * dy[p, o]

A vector holds the *channels* `o` of one pixel; the other factor is a single number that the
processor copies into all lanes as it loads it (a *broadcast*). A single number may lie anywhere, so
all strides, widths and sizes of kernel are served alike, straight from images as they are. `gather`
is the forward pass and, with other tables, the backward pass of the data; `scatter` is the backward
pass of the weight. The third loop, `line`, is `gather` with pixels in the lanes, for images of few
channels. On a core that can do 247 GFLOP/s these loops do 225 to 245.

(Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD architectures",
2018, describe such blocking, for images that are stored in blocks of channels.)
"""

from __future__ import annotations

from typing import Any

from minigrad.kernels.vector.emitter import Emitter, Function, Value, Vector

__all__ = ["lines_function", "over_pixels_function", "over_taps_function"]


def over_taps_function(vector: Vector, pixels: int, vectors: int, taps: int, stride: int) -> Any:
    """Sums over taps for tiles of pixels.

    One tile is `pixels` neighbours in a row times `vectors` registers of channels, all in
    registers, with the weights of `taps` neighbouring taps. A number of `x` that several of these
    taps need is loaded once.

    The function has the arguments ``(x, x_pitch, rows, columns, table, count, w, w_step, start,
    out, out_pitch, out_step)``, sizes in bytes: `rows` times `columns` (at least `pixels`) pixels,
    of which the rows lie `x_pitch` apart in `x`. The table has `count` >= 1 pairs (offset in `x`,
    offset in `w`) of the first of `taps` taps; the weights of the next tap are `w_step` further.
    All tiles begin with the vectors at `start`. Where `pixels` does not divide a row, its last tile
    overlaps the one before, so nothing is read or written beyond the row.
    """
    size, width = vector.size, vector.bytes

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        x, x_pitch, rows, columns, table, count, w, w_step, start, out, out_pitch, out_step = args
        tiles = b.sdiv(e.at(columns, pixels - 1), e.integer_constant(pixels))
        last = b.sub(columns, e.integer_constant(pixels))
        begin = [e.load(start, width * v) for v in range(vectors)]
        w_taps = [b.mul(w_step, e.integer_constant(k)) for k in range(taps)]

        def one_tap_row(index: Value, addresses: list[Value], sums: list[Value]) -> list[Value]:
            entry, row = addresses
            place = b.add(row, e.integer(entry))
            weights = b.add(w, e.integer(e.at(entry, 8)))
            loaded = [
                [e.load(b.add(weights, w_taps[k]), width * v) for v in range(vectors)]
                for k in range(taps)
            ]
            sums = list(sums)
            for column in range(stride * (pixels - 1) + taps):
                users = [
                    ((column - k) // stride, k)
                    for k in range(taps)
                    if (column - k) % stride == 0 and 0 <= column - k <= stride * (pixels - 1)
                ]
                if not users:
                    continue
                number = e.broadcast(place, size * column)
                for pixel, k in users:
                    for v in range(vectors):
                        i = pixel * vectors + v
                        sums[i] = e.multiply_add(number, loaded[k][v], sums[i])
            return sums

        def tile(x_row: Value, out_row: Value, index: Value) -> None:
            first = e.times(index, pixels)
            first = b.select(b.icmp_signed("<", first, last), first, last)
            place = b.add(x_row, e.times(first, size * stride))
            sums = e.loop(
                count,
                [table, place],
                [e.integer_constant(16), e.integer_constant(0)],
                begin * pixels,
                one_tap_row,
            )
            target = b.add(out_row, b.mul(first, out_step))
            for pixel in range(pixels):
                for v in range(vectors):
                    e.store(sums[pixel * vectors + v], target, width * v)
                target = b.add(target, out_step)

        def row(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            def each(index: Value, none: list[Value], carried: list[Value]) -> list[Value]:
                tile(addresses[0], addresses[1], index)
                return []

            e.loop(tiles, [], [], [], each)
            return []

        e.loop(rows, [x, out], [x_pitch, out_pitch], [], row)

    return Function(vector, "over_taps", 12, write)


def lines_function(vector: Vector, rows: int, vectors: int, channels: int) -> Any:
    """Sums over taps for pieces of lines, where there are few output channels.

    Here a vector holds neighbouring pixels and the weight is the single number. A tile is `rows`
    rows of `vectors` registers in each of the output channels, the stride is 1.

    The function has the arguments ``(x, x_pitch, height, width, table, count, w, start, out,
    out_channel, out_pitch)``, sizes in bytes; the table is that of :func:`over_taps_function`, the
    weights of all output channels follow each other, as do the starts. `height` must be at least
    `rows`. Beyond the end of its lines `x` is read, but not used, up to the end of the last vector.
    """
    size, width = vector.size, vector.bytes
    places = [(o, r, v) for o in range(channels) for r in range(rows) for v in range(vectors)]

    def write(e: Emitter, args: list[Value]) -> None:
        b = e.b
        x, x_pitch, height, columns, table, count, w, start, out, out_channel, out_pitch = args
        last_row = e.at(height, -rows)
        across = vectors * vector.lanes
        begin = [e.broadcast(start, size * o) for o, _, _ in places]

        def tap(index: Value, addresses: list[Value], sums: list[Value]) -> list[Value]:
            entry, place = addresses
            place = b.add(place, e.integer(entry))
            weights = b.add(w, e.integer(e.at(entry, 8)))
            pixels = [
                [e.load(b.add(place, e.times(x_pitch, r)), width * v) for v in range(vectors)]
                for r in range(rows)
            ]
            numbers = [e.broadcast(weights, size * o) for o in range(channels)]
            return [
                e.multiply_add(numbers[o], pixels[r][v], total)
                for (o, r, v), total in zip(places, sums)
            ]

        def group(index: Value, none: list[Value], carried: list[Value]) -> list[Value]:
            first = e.times(index, rows)
            first = b.select(b.icmp_signed("<", first, last_row), first, last_row)
            line = b.add(x, b.mul(first, x_pitch))
            target = b.add(out, b.mul(first, out_pitch))

            def piece(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
                place, goal = addresses
                steps = [e.integer_constant(16), e.integer_constant(0)]
                sums = e.loop(count, [table, place], steps, begin, tap)
                column = e.times(index, across)
                masks = [e.below(columns, e.at(column, v * vector.lanes)) for v in range(vectors)]
                for (o, r, v), total in zip(places, sums):
                    row = b.add(goal, e.times(out_pitch, r))
                    row = e.at(b.add(row, e.times(out_channel, o)), width * v)
                    e.store_masked(total, row, masks[v])
                return []

            pieces = b.sdiv(e.at(columns, across - 1), e.integer_constant(across))
            e.loop(pieces, [line, target], [e.integer_constant(width * vectors)] * 2, [], piece)
            return []

        e.loop(b.sdiv(e.at(height, rows - 1), e.integer_constant(rows)), [], [], [], group)

    return Function(vector, "lines", 11, write)


def over_pixels_function(vector: Vector, rows: int, vectors: int, taps: int, stride: int) -> Any:
    """Sums over pixels for tiles of taps.

    One tile is `rows` rows of the kernel (of any channel) times `taps` neighbours in each, times
    `vectors` registers of output channels.

    The function has the arguments ``(x, x_image, x_pitch, offsets, dy, images, height, width,
    sums)``, sizes in bytes: the `rows` numbers at `offsets` say where in `x` each row of the tile
    begins; the pixels of `dy` follow each other, a pixel being its `vectors` registers; those of
    `x` lie ``stride`` numbers apart in a row, `x_pitch` from row to row, and `x_image` from image
    to image. The sums, (rows, taps, vectors), are added to.
    """
    size, width = vector.size, vector.bytes

    def write(e: Emitter, args: list[Value]) -> None:
        x, x_image, x_pitch, offsets, dy, images, height, columns, target = args
        starts = [e.integer(e.at(offsets, 8 * r)) for r in range(rows)]
        places = range(rows * taps * vectors)

        def pixel(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            place, *sums = addresses[0], *carried
            flow = [e.load(sums[0], width * v) for v in range(vectors)]
            after = [e.at(sums[0], width * vectors)]
            sums = sums[1:]
            for r in range(rows):
                for k in range(taps):
                    number = e.broadcast(e.b.add(place, starts[r]), size * k)
                    for v in range(vectors):
                        i = (r * taps + k) * vectors + v
                        sums[i] = e.multiply_add(number, flow[v], sums[i])
            return after + sums

        def row(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            return e.loop(columns, addresses, [e.integer_constant(size * stride)], carried, pixel)

        def image(index: Value, addresses: list[Value], carried: list[Value]) -> list[Value]:
            return e.loop(height, addresses, [x_pitch], carried, row)

        begin = [dy] + [e.load(target, width * i) for i in places]
        sums = e.loop(images, [x], [x_image], begin, image)[1:]
        for i in places:
            e.store(sums[i], target, width * i)

    return Function(vector, "over_pixels", 9, write)
