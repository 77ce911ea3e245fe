"""The loops of pooling, written register by register.

A register holds neighbouring results of one row. *Forward* a result is the maximum, or the sum, of
what its window reads; *backward* it is the sum of what reaches one input. Each result is written
once, with its terms in ascending order, so bits depend neither on threads nor on registers.

Where a register lies wholly inside of what is read there are no masks; at the ends of rows there
are. Steps of 1 and 2 along the width are read by whole vectors, others number by number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir

from minigrad.kernels.run.plan import HEAD_BYTES
from minigrad.kernels.vector.emitter import I32, Emitter, Function, Value, Vector

__all__ = ["Walk", "backward_function", "forward_function", "routed_function", "sources"]


class Walk(NamedTuple):
    """What the loops need to know of the sizes; `rows` and `columns` are those of the result."""

    rows: int  # of a plane
    columns: int
    read_rows: int
    read_columns: int
    taps: int  # along the width: the windows' kernel, stride, padding, dilation
    step: int
    padding: int
    dilation: int
    table: int  # addresses: for each row where its meetings are, and how many (see the functions)
    shares: int  # of a number for each row of windows, and for each column
    along: int
    phases: int  # backward, for each residue of the stride where its sources are, and how many
    low: int  # the least and the largest shift of a source
    high: int
    code: int  # address of the loop


class _Loop:
    """Instructions that the loops share, with the numbers of the plan at hand."""

    def __init__(self, e: Emitter, address: Value, step: int) -> None:
        self.e, self.b = e, e.b
        at = [e.at(address, HEAD_BYTES + 8 * i) for i in range(len(Walk._fields))]
        self.n: Any = Walk(*[e.integer(place) for place in at])
        head = [e.integer(e.at(address, 8 * i)) for i in range(4)]
        self.source, self.other, self.result = head[0], head[1], head[3]
        self.one = e.integer_constant(1)
        #: The stride: known when the code is written, or one of the numbers.
        self.step = e.integer_constant(step) if step else self.n.step

    def each_row(
        self, first: Value, last: Value, body: Callable[[Value, Value, Value], None]
    ) -> None:
        """Run ``body(row, row in the plane, plane)``."""
        b, e = self.b, self.e

        def row(index: Value, none: list[Value], carried: list[Value]) -> list[Value]:
            local, plane = carried
            body(b.add(first, index), local, plane)
            grown = b.add(local, self.one)
            over = b.icmp_signed("==", grown, self.n.rows)
            zero = e.integer_constant(0)
            return [b.select(over, zero, grown), b.select(over, b.add(plane, self.one), plane)]

        start = [b.srem(first, self.n.rows), b.sdiv(first, self.n.rows)]
        e.loop(b.sub(last, first), [], [], start, row)

    def each_block(self, columns: Value, body: Callable[[Value], None]) -> None:
        """Run ``body(first column)`` for vectors of columns."""
        lanes = self.e.vector.lanes

        def block(index: Value, none: list[Value], carried: list[Value]) -> list[Value]:
            body(self.e.times(index, lanes))
            return []

        count = self.b.sdiv(self.e.at(columns, lanes - 1), self.e.integer_constant(lanes))
        self.e.loop(count, [], [], [], block)

    def pair(self, table: Value, index: Value) -> tuple[Value, Value]:
        """A pair of integers of a table."""
        place = self.b.add(table, self.e.times(index, 16))
        return self.e.integer(place), self.e.integer(self.e.at(place, 8))

    def plane(self, array: Value, plane: Value, size: int) -> Value:
        """Where a plane of what is read begins."""
        count = self.b.mul(self.n.read_rows, self.n.read_columns)
        return self.b.add(array, self.e.times(self.b.mul(plane, count), size))

    def line(self, array: Value, row: Value, columns: Value, size: int) -> Value:
        """Where a row begins."""
        return self.b.add(array, self.e.times(self.b.mul(row, columns), size))

    def both_ways(self, whole: Value, write: Callable[[bool], None]) -> None:
        """Write code without masks, and with them, and choose."""
        with self.b.if_else(whole) as (inside, edge):
            with inside:
                write(False)
            with edge:
                write(True)

    def load(self, row: Value, at: Value, mask: Value | None) -> Value:
        """Neighbours, from element `at` of a row."""
        place = self.b.add(row, self.e.times(at, self.e.vector.size))
        return self.e.load(place) if mask is None else self.e.load_masked(place, mask)

    def store(self, value: Value, row: Value, at: Value, mask: Value | None) -> None:
        """The opposite of :meth:`load`."""
        place = self.b.add(row, self.e.times(at, self.e.vector.size))
        if mask is None:
            self.e.store(value, place)
        else:
            self.e.store_masked(value, place, mask)

    def two(self, row: Value, at: Value, masked: bool) -> tuple[Value, Value]:
        """The even and the odd ones of two vectors of neighbours."""
        lanes = self.e.vector.lanes
        places = [at, self.e.at(at, lanes)]
        masks = [
            self.e.inside(place, self.one, self.n.read_columns) if masked else None
            for place in places
        ]
        low, high = [self.load(row, p, m) for p, m in zip(places, masks)]
        even = list(range(0, 2 * lanes, 2))
        return self.e.shuffled(low, high, even), self.e.shuffled(low, high, [i + 1 for i in even])

    def one_by_one(self, row: Value, at: Value, masked: bool) -> Value:
        """Numbers at any distance; of those outside, the nearest one inside."""
        b, e = self.b, self.e
        value = ir.Constant(e.type, ir.Undefined)
        zero, last = e.integer_constant(0), e.at(self.n.read_columns, -1)
        for lane in range(e.vector.lanes):
            place = b.add(at, e.times(self.step, lane))
            if masked:
                place = b.select(b.icmp_signed("<", place, zero), zero, place)
                place = b.select(b.icmp_signed(">", place, last), last, place)
            number = e.scalar(b.add(row, e.times(place, e.vector.size)))
            value = b.insert_element(value, number, I32(lane))
        return value


# -- forward -------------------------------------------------------------------------------------


def forward_function(vector: Vector, place_bytes: int, step: int, taps: int, dense: int) -> Any:
    """Rows of maxima and their places, or (`place_bytes` 0) of sums, divided by their counts.

    `step` is the stride along the width if it is 1 or 2, and `taps` the windows' width if it is
    small, 0 otherwise; `dense` says that there is no dilation along the width. The function has the
    arguments ``(numbers, first row, last row)``.
    """

    def write(e: Emitter, args: list[Value]) -> None:
        loop = _Forward(e, args[0], place_bytes, step, taps, bool(dense and step == 2 and taps))
        loop.each_row(args[1], args[2], loop.row)

    return Function(vector, "forward", 3, write)


class _Forward(_Loop):
    def __init__(
        self, e: Emitter, address: Value, place_bytes: int, step: int, taps: int, pairs: bool
    ) -> None:
        super().__init__(e, address, step)
        self.place_bytes, self.fixed_step, self.taps, self.pairs = place_bytes, step, taps, pairs

    def row(self, row: Value, local: Value, plane: Value) -> None:
        e, n = self.e, self.n
        begin, count = self.pair(n.table, local)
        source = self.plane(self.source, plane, e.vector.size)
        target = self.line(self.result, row, n.columns, e.vector.size)
        places = self.line(self.other, row, n.columns, self.place_bytes)

        def block(j: Value) -> None:
            def write(masked: bool) -> None:
                mask = e.inside(j, self.one, n.columns) if masked else None
                found = self.window(source, begin, count, j, masked)
                if self.place_bytes:
                    place = self.b.add(places, e.times(j, self.place_bytes))
                    e.store_bytes(found[1], place, self.place_bytes, mask)
                    self.store(found[0], target, j, mask)
                else:
                    share = e.broadcast(self.line(n.shares, local, self.one, e.vector.size))
                    divisor = self.b.fmul(share, self.load(n.along, j, mask))
                    self.store(self.b.fdiv(found[0], divisor), target, j, mask)

            self.both_ways(self.whole(j), write)

        self.each_block(n.columns, block)

    def whole(self, j: Value) -> Value:
        """Whether all that windows from `j` on read is inside."""
        b, e, n = self.b, self.e, self.n
        lanes = e.vector.lanes
        first = b.sub(b.mul(j, self.step), n.padding)
        reach = b.mul(e.at(n.taps, -1), n.dilation)
        last = b.add(first, b.add(reach, e.times(self.step, lanes - 1)))
        if self.fixed_step == 2:  # whole vectors of pairs
            last = e.at(last, 1)
        return b.and_(
            b.and_(
                b.icmp_signed(">=", first, e.integer_constant(0)),
                b.icmp_signed("<", last, n.read_columns),
            ),
            b.icmp_signed("<=", e.at(j, lanes), n.columns),
        )

    def window(
        self, source: Value, begin: Value, count: Value, j: Value, masked: bool
    ) -> list[Value]:
        """The maxima and their places, or the sums, of windows from `j` on."""
        b, e = self.b, self.e
        start = b.sub(b.mul(j, self.step), self.n.padding)

        def meeting(index: Value, entries: list[Value], carried: list[Value]) -> list[Value]:
            line, number = self.pair(entries[0], e.integer_constant(0))
            row = self.line(source, line, self.n.read_columns, e.vector.size)
            if not self.taps:

                def tap(k: Value, none: list[Value], carried: list[Value]) -> list[Value]:
                    return self.take(carried, row, start, number, k, masked)

                return e.loop(self.n.taps, [], [], carried, tap)
            for k in range(0, self.taps, 2 if self.pairs else 1):
                carried = self.take(carried, row, start, number, e.integer_constant(k), masked)
            return carried

        initial = [e.zero]
        if self.place_bytes:
            number = self.pair(begin, e.integer_constant(0))[1]
            first = ir.Constant(I32, -1) if masked else b.trunc(number, I32)
            lowest = ir.Constant(e.type, [float("-inf")] * e.vector.lanes)
            initial = [lowest, e.spread(first, e.whole)]
        return e.loop(count, [begin], [e.integer_constant(16)], initial, meeting)

    def take(
        self, carried: list[Value], row: Value, start: Value, number: Value, k: Value, masked: bool
    ) -> list[Value]:
        """Let what offset `k` (or the two from it on) reads take part."""
        b, e, n = self.b, self.e, self.n
        at = b.add(start, b.mul(k, n.dilation))
        if not self.pairs:
            return self.join(carried, self.read(row, at, masked), at, b.add(number, k), masked)
        for shift, value in enumerate(self.two(row, at, masked)):
            if k.constant + shift < self.taps:
                here = e.at(at, shift)
                carried = self.join(carried, value, here, e.at(b.add(number, k), shift), masked)
        return carried

    def read(self, row: Value, at: Value, masked: bool) -> Value:
        if self.fixed_step == 1:
            mask = self.e.inside(at, self.one, self.n.read_columns) if masked else None
            return self.load(row, at, mask)
        if self.fixed_step == 2:
            return self.two(row, at, masked)[0]
        return self.one_by_one(row, at, masked)

    def join(
        self, carried: list[Value], value: Value, at: Value, number: Value, masked: bool
    ) -> list[Value]:
        """The larger one of each lane and its place, or the sum."""
        b, e = self.b, self.e
        inside = e.inside(at, self.step, self.n.read_columns) if masked else None
        if not self.place_bytes:
            if masked:
                value = b.select(inside, value, e.zero)
            return [b.fadd(carried[0], value)]
        best, where = carried
        better = b.or_(b.fcmp_ordered(">", value, best), b.fcmp_unordered("uno", value, value))
        if masked:
            nothing = ir.Constant(e.whole, [0] * e.vector.lanes)
            better = b.and_(inside, b.or_(better, b.icmp_signed("<", where, nothing)))
        place = e.spread(b.trunc(number, I32), e.whole)
        return [b.select(better, value, best), b.select(better, place, where)]


# -- backward ------------------------------------------------------------------------------------


def backward_function(vector: Vector, place_bytes: int, step: int, taps: int, padding: int) -> Any:
    """Rows of the gradient of what was pooled, from that of the maxima, or (`place_bytes` 0) of
    the sums times their shares.

    If `taps` is not 0, the windows' width and padding along it, without dilation, are known. The
    function has the arguments ``(numbers, first row, last row)``.
    """

    def write(e: Emitter, args: list[Value]) -> None:
        loop = _Backward(e, args[0], place_bytes, step, taps, padding)
        loop.each_row(args[1], args[2], loop.row)

    return Function(vector, "backward", 3, write)


def sources(taps: int, step: int, padding: int, dilation: int) -> list[list[tuple[int, int]]]:
    """For each residue of the stride, by which offsets windows reach such an input: pairs (window,
    counted from that of the same quotient; offset), windows in ascending order.

    Examples
    --------
    >>> sources(3, 2, 1, 1)
    [[(0, 1)], [(0, 2), (1, 0)]]
    """
    found = []
    for residue in range(step):
        places = [(residue + padding - k * dilation, k) for k in reversed(range(taps))]
        found.append([(place // step, k) for place, k in places if place % step == 0])
    return found


class _Backward(_Loop):
    def __init__(
        self, e: Emitter, address: Value, place_bytes: int, step: int, taps: int, padding: int
    ) -> None:
        super().__init__(e, address, step)
        self.place_bytes, self.fixed_step = place_bytes, step
        self.sources = sources(taps, step, padding, 1) if taps else None

    def row(self, row: Value, local: Value, plane: Value) -> None:
        b, e, n = self.b, self.e, self.n
        size, lanes = e.vector.size, e.vector.lanes
        begin, count = self.pair(n.table, local)
        self.flow = self.plane(self.source, plane, size)
        self.places = self.plane(self.other, plane, self.place_bytes)
        target = self.line(self.result, row, n.columns, size)

        def block(q: Value) -> None:
            whole = b.and_(
                b.and_(
                    b.icmp_signed(">=", b.add(q, n.low), e.integer_constant(0)),
                    b.icmp_signed("<=", e.at(b.add(q, n.high), lanes), n.read_columns),
                ),
                b.icmp_signed("<=", b.mul(e.at(q, lanes), self.step), n.columns),
            )
            self.both_ways(whole, lambda masked: self.block(target, begin, count, q, masked))

        quotients = b.sdiv(b.add(n.columns, e.at(self.step, -1)), self.step)
        self.each_block(quotients, block)

    def block(self, target: Value, begin: Value, count: Value, q: Value, masked: bool) -> None:
        """All residues of one vector of quotients."""
        e, n = self.e, self.n
        lanes = e.vector.lanes
        if self.fixed_step:
            parts = [
                self.total(begin, count, q, e.integer_constant(residue), residue, masked)
                for residue in range(self.fixed_step)
            ]
            values = parts if self.fixed_step == 1 else e.interleaved(*parts)
            for i, value in enumerate(values):
                at = e.at(e.times(q, self.fixed_step), i * lanes)
                mask = e.inside(at, self.one, n.columns) if masked else None
                self.store(value, target, at, mask)
            return

        def phase(residue: Value, none: list[Value], carried: list[Value]) -> list[Value]:
            value = self.total(begin, count, q, residue, 0, masked)
            self.scattered(value, target, self.b.add(self.b.mul(q, n.step), residue), masked)
            return []

        e.loop(n.step, [], [], [], phase)

    def scattered(self, value: Value, row: Value, at: Value, masked: bool) -> None:
        """Write numbers a stride apart."""
        b, e = self.b, self.e
        for lane in range(e.vector.lanes):
            place = b.add(at, e.times(self.step, lane))
            pointer = b.inttoptr(b.add(row, e.times(place, e.vector.size)), e.element.as_pointer())
            number = b.extract_element(value, I32(lane))
            if not masked:
                b.store(number, pointer, align=e.vector.size)
                continue
            with b.if_then(b.icmp_signed("<", place, self.n.columns)):
                b.store(number, pointer, align=e.vector.size)

    def total(
        self, begin: Value, count: Value, q: Value, residue: Value, known: int, masked: bool
    ) -> Value:
        """What reaches the inputs of one residue, from quotient `q` on."""
        e = self.e

        def meeting(index: Value, entries: list[Value], carried: list[Value]) -> list[Value]:
            line, number = self.pair(entries[0], e.integer_constant(0))
            flow = self.line(self.flow, line, self.n.read_columns, e.vector.size)
            places = self.line(self.places, line, self.n.read_columns, self.place_bytes)
            scale = None
            if not self.place_bytes:
                scale = e.broadcast(self.line(self.n.shares, line, self.one, e.vector.size))

            def add(total: Value, shift: Value, k: Value) -> Value:
                j, here = self.b.add(q, shift), self.b.add(number, k)
                return self.b.fadd(total, self.term(flow, places, scale, j, here, masked))

            if self.sources is not None:
                (total,) = carried
                for shift, k in self.sources[known]:
                    total = add(total, e.integer_constant(shift), e.integer_constant(k))
                return [total]

            def source(index: Value, pairs: list[Value], carried: list[Value]) -> list[Value]:
                return [add(carried[0], *self.pair(pairs[0], e.integer_constant(0)))]

            first, some = self.pair(self.n.phases, residue)
            return e.loop(some, [first], [e.integer_constant(16)], carried, source, maybe=True)

        steps = [e.integer_constant(16)]
        return e.loop(count, [begin], steps, [e.zero], meeting, maybe=True)[0]

    def term(
        self, flow: Value, places: Value, scale: Value, j: Value, number: Value, masked: bool
    ) -> Value:
        """What windows from `j` on give to the inputs that they meet by one offset."""
        b, e, n = self.b, self.e, self.n
        mask = e.inside(j, self.one, n.read_columns) if masked else None
        values = self.load(flow, j, mask)
        if self.place_bytes:
            place = b.add(places, e.times(j, self.place_bytes))
            found = e.load_bytes(place, self.place_bytes, mask)
            here = b.icmp_signed("==", found, e.spread(b.trunc(number, I32), e.whole))
            return b.select(here, values, e.zero)
        share = b.fmul(scale, self.load(n.along, j, mask))
        return b.fmul(values, share)


def routed_function(vector: Vector, place_bytes: int) -> Any:
    """Planes of the gradient of what was pooled, from that of the maxima: each goes where its
    maximum was, one after the other.

    For windows that overlap: that an input asks all windows it is in takes longer than this. The
    function has the arguments ``(numbers, first plane, last plane)``; the table has the place in
    the plane where the first window of each row begins, and `phases` that of each place in it.
    """

    def write(e: Emitter, args: list[Value]) -> None:
        _Routed(e, args[0], place_bytes).planes(args[1], args[2])

    return Function(vector, "routed", 3, write)


class _Routed(_Loop):
    def __init__(self, e: Emitter, address: Value, place_bytes: int) -> None:
        super().__init__(e, address, 0)
        self.place_bytes = place_bytes

    def planes(self, first: Value, last: Value) -> None:
        b, e, n = self.b, self.e, self.n
        size, count = e.vector.size, b.mul(n.rows, n.columns)
        read = b.mul(n.read_rows, n.read_columns)

        def plane(index: Value, places: list[Value], carried: list[Value]) -> list[Value]:
            target, flow, found = places
            self.clear(target, count)

            def row(i: Value, lines: list[Value], carried: list[Value]) -> list[Value]:
                origin, line, where = lines
                start = b.add(target, e.times(e.integer(origin), size))
                self.row(start, line, where)
                return []

            steps = [e.integer_constant(8), e.times(n.read_columns, size)]
            steps.append(e.times(n.read_columns, self.place_bytes))
            e.loop(n.read_rows, [n.table, flow, found], steps, [], row)
            return []

        steps = [e.times(count, size), e.times(read, size), e.times(read, self.place_bytes)]
        arrays = [self.result, self.source, self.other]
        starts = [b.add(array, b.mul(first, step)) for array, step in zip(arrays, steps)]
        e.loop(b.sub(last, first), starts, steps, [], plane)

    def clear(self, target: Value, count: Value) -> None:
        """Zeros."""

        def part(i: Value) -> None:
            self.store(self.e.zero, target, i, self.e.below(count, i))

        self.each_block(count, part)

    def row(self, start: Value, line: Value, where: Value) -> None:
        """The gradients of one row of windows."""
        b, e = self.b, self.e
        size = e.vector.size
        byte = ir.IntType(8 * self.place_bytes).as_pointer()

        def window(j: Value, places: list[Value], carried: list[Value]) -> list[Value]:
            begin, flow, found = places
            place = b.load(b.inttoptr(found, byte), align=self.place_bytes)
            reach = b.add(self.n.phases, e.times(b.zext(place, begin.type), 8))
            target = b.add(begin, e.times(e.integer(reach), size))
            total = b.fadd(e.scalar(target), e.scalar(flow))
            b.store(total, b.inttoptr(target, e.element.as_pointer()), align=size)
            return []

        steps = [e.times(self.n.step, size), e.integer_constant(size)]
        steps.append(e.integer_constant(self.place_bytes))
        e.loop(self.n.read_columns, [start, line, where], steps, [], window)
