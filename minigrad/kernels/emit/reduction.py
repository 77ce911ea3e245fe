"""Reductions of rows: a formula of the elements, added up or compared, and a formula of the result.

``out[r] = finish(reduce over c of root(x[r, c], ...))``. Operands are laid out as for
:mod:`.loops`; each output is a column, one value per row, and so are the numbers at the address.

A sum adds at most a block of neighbours in the type that is computed in, in vector lanes, and adds
the blocks in float64: its error does not grow with the length. The order is fixed by the length
(and by the width of the processor's registers), not by the threads.

Extremes are found among *keys*, integers that sort as the numbers do, with NaN above all: the
larger of two integers is one instruction, that of two floats which may be NaN or -0.0 is six.

Within a block, cheap formulas are computed on several vectors side by side, since each addition
waits for the one before; what is left over at the end goes through a loop on one vector at a time,
in which the lanes that lie beyond the end are masked.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.core import expr as fx
from minigrad.core.expr import Expr, symbol
from minigrad.kernels.emit.body import Body
from minigrad.kernels.emit.code import Kind
from minigrad.kernels.emit.expressions import ELEMENTARY, evaluate, walk
from minigrad.kernels.emit.vector import Vector
from minigrad.kernels.run.sizes import BLOCK

__all__ = ["TOTAL", "RowReduction"]

#: What `finish` calls the reduced value.
TOTAL = symbol("total")

#: What changes nothing when it is joined with something else: a number, or the least key.
_NEUTRAL = {"f32": 0.0, "f64": 0.0, "i32": -(2**31), "i64": -(2**63)}
#: Vectors side by side, and up to how many instructions a formula is cheap.
_SIDE_BY_SIDE, _CHEAP = 4, 12


class RowReduction(Body):
    """Writes the body of one reduction.

    Parameters
    ----------
    operation : {"add", "max", "min"}
        How values are joined.
    root : Expr
        What is reduced, a formula of the operands and params.
    finish : Expr
        The result, a formula of :data:`TOTAL` and the params, computed in float64 for sums.
    """

    def __init__(
        self,
        name: str,
        operation: str,
        root: Expr,
        finish: Expr,
        operands: Sequence[str],
        pattern: str,
        chars: str,
        dtype: str,
        params: Sequence[str],
        register: int,
    ) -> None:
        super().__init__(name, operands, pattern + "c", chars, dtype, params, register)
        self.operation = operation
        self.root = root
        self.finish = finish
        bits = self.kind.dtype[1:]
        #: The type in which vectors are joined, and that of the whole row.
        self.joined = self.kind if operation == "add" else Kind(f"i{bits}", self.kind.lanes)
        self.total = Kind("f64" if operation == "add" else self.joined.dtype)
        (self.out,) = self.outputs

    def combine(self, a: Vector, b: Vector) -> Vector:
        """Two values or keys as one."""
        return a + b if self.operation == "add" else fx.maximum(a, b)

    def neutral(self, kind: Kind) -> Vector:
        """What changes nothing."""
        return Vector(self.code, kind, "").like(_NEUTRAL[kind.dtype])

    def write(self, rows: str, columns: str) -> None:
        """The loop over rows."""
        self.each_row(rows, columns, lambda row: self._row(row, columns))

    def _row(self, row: str, columns: str) -> None:
        """All blocks of one row, then the result."""
        code, kind = self.code, self.total
        none = self.neutral(kind).name
        code.line("br label %each_block")
        code.block("each_block")
        start = code.phi("%start", "i64", ("0", "each_row"), ("%next_start", "block_done"))
        before = code.phi("%before", kind.text, (none, "each_row"), ("%after", "block_done"))
        rest = code.value(f"sub i64 {columns}, {start}")
        count = self.larger(self.smaller(rest, str(BLOCK)), "0")
        joined = self._block(start, count)
        total = self.combine(Vector(code, kind, before), joined.to(kind.dtype))
        ended = code.label
        code.line("br label %block_done")
        code.block("block_done")
        code.phi("%after", kind.text, (total.name, ended))
        code.line(f"%next_start = add i64 {start}, {BLOCK}")
        more = code.new(f"icmp slt i64 %next_start, {columns}")
        code.line(f"br i1 {more}, label %each_block, label %finish")
        code.block("finish")
        self._finish(row, Vector(code, kind, "%after"))
        code.line("br label %row_done")

    def _finish(self, row: str, total: Vector) -> None:
        """Write the result of a row."""
        if self.operation != "add":
            total = self._unkeyed(total)
        numbers = self.numbers.items()
        values = {"total": total} | {name: v.to(total.kind.dtype) for name, v in numbers}
        (result,) = evaluate([self.finish], values, total.like)
        result = result.to(self.out.kind.dtype)
        place = self.at(self.out, self.out.base, row)
        size = self.out.kind.size
        self.code.line(f"store {result.kind.text} {result.name}, ptr {place}, align {size}")

    def _value(self, values: dict[str, Vector]) -> Vector:
        """The formula, as what is joined."""
        some = next(iter(values.values()))
        (value,) = evaluate([self.root], values, lambda x: some.like(x, self.kind.dtype))
        return value if self.operation == "add" else self._keyed(value)

    def _keyed(self, value: Vector) -> Vector:
        """Integers that grow with the numbers (fall, for a minimum); NaN is above all others."""
        kind = Kind(self.joined.dtype, value.kind.lanes)
        width = int(kind.dtype[1:])
        key = _flipped(value.cast_bits(kind.dtype))
        if self.operation == "min":
            key = ~key
        return fx.where(value != value, key.like(2 ** (width - 1) - 1), key)

    def _unkeyed(self, key: Vector) -> Vector:
        if self.operation == "min":
            key = ~key
        return _flipped(key).cast_bits(self.kind.dtype)

    # ----------------------------------------------------------------------------------- a block

    def _block(self, start: str, count: str) -> Vector:
        """The elements from `start` of the present row, joined: one number."""
        code = self.code
        for array in self.moving:
            array.place = self.at(array, array.start, start)
        first, begin = self.neutral(self.joined).name, "0"
        if self._vectors_at_once() > 1:
            first, begin = self._wide(count)
        else:
            code.line("br label %narrow_start")
            code.block("narrow_start")
        return self._narrow(first, begin, count)

    def _wide(self, count: str) -> tuple[str, str]:
        """Several vectors side by side, while there are so many; what they come to, and where
        they end.
        """
        code, kind = self.code, self.joined
        none, known = self.neutral(kind).name, code.label
        step = _SIDE_BY_SIDE * self.kind.lanes
        whole = code.value(f"and i64 {count}, {-step}")
        some = code.value(f"icmp ne i64 {whole}, 0")
        code.line(f"br i1 {some}, label %wide, label %narrow_start")
        code.block("wide")
        i = code.phi("%wide_i", "i64", ("0", known), ("%wide_next", "wide"))
        names = [f"%wide{k}" for k in range(_SIDE_BY_SIDE)]
        for name in names:
            code.phi(name, kind.text, (none, known), (f"{name}_next", "wide"))
        for k, name in enumerate(names):
            elements = self._elements(code.value(f"add i64 {i}, {k * self.kind.lanes}"), None)
            self._named(f"{name}_next", self.combine(Vector(code, kind, name), elements))
        code.line(f"%wide_next = add i64 {i}, {step}")
        more = code.new(f"icmp slt i64 %wide_next, {whole}")
        code.line(f"br i1 {more}, label %wide, label %wide_done")
        code.block("wide_done")
        sums = [Vector(code, kind, f"{name}_next") for name in names]
        while len(sums) > 1:
            sums = [self.combine(*sums[k : k + 2]) for k in range(0, len(sums), 2)]
        code.line("br label %narrow_start")
        code.block("narrow_start")
        first = code.phi("%joined", kind.text, (none, known), (sums[0].name, "wide_done"))
        return first, whole

    def _narrow(self, first: str, begin: str, count: str) -> Vector:
        """One masked vector at a time; then all lanes joined."""
        code, lanes = self.code, self.kind.lanes
        some = code.value(f"icmp slt i64 {begin}, {count}")
        code.line(f"br i1 {some}, label %narrow, label %lanes")
        code.block("narrow")
        i = code.phi("%i", "i64", (begin, "narrow_start"), ("%next", "narrow"))
        known = Vector(
            code, self.joined, code.phi(
                "%sum", self.joined.text, (first, "narrow_start"), ("%grown", "narrow")
            )
        )  # fmt: skip
        mask = self.mask(code.value(f"sub i64 {count}, {i}"))
        value = self.combine(known, self._elements(i, mask))
        flags = Vector(code, Kind("i1", lanes), mask.split()[-1])
        self._named("%grown", fx.where(flags, value, known))
        code.line(f"%next = add i64 {i}, {lanes}")
        more = code.new(f"icmp slt i64 %next, {count}")
        code.line(f"br i1 {more}, label %narrow, label %lanes")
        code.block("lanes")
        name = code.phi(
            "%lanes_of_sum", self.joined.text, (first, "narrow_start"), ("%grown", "narrow")
        )
        return self._across(Vector(code, self.joined, name))

    def _across(self, vector: Vector) -> Vector:
        """All lanes joined, halves first."""
        while vector.kind.lanes > 1:
            half = vector.kind.lanes // 2
            vector = self.combine(*(self._part(vector, half, k * half) for k in (0, 1)))
        return vector

    def _part(self, vector: Vector, count: int, first: int) -> Vector:
        """So many lanes of a vector."""
        kind, text = Kind(vector.kind.dtype, count), f"{vector.kind.text} {vector.name}"
        if count == 1:
            return vector.apply(f"extractelement {text}, i32 {first}", kind)
        lanes = ", ".join(f"i32 {first + k}" for k in range(count))
        pick = f"{vector.kind.text} poison, <{count} x i32> <{lanes}>"
        return vector.apply(f"shufflevector {text}, {pick}", kind)

    def _elements(self, i: str, mask: str | None) -> Vector:
        """The formula on one vector of each operand."""
        values = dict(self.fixed)
        for array in self.operands:
            if array.letter in "fr":
                place = self.at(array, array.place, i)
                if mask is None:
                    values[array.name] = self.load(array, place)
                else:
                    read = Vector(self.code, array.kind, self.load_masked(array, place, mask))
                    values[array.name] = self.computed(array, read)
        return self._value(values)

    def _named(self, name: str, value: Vector) -> None:
        """Give a value a name that was used before it was there."""
        kind = value.kind.text
        self.code.line(f"{name} = bitcast {kind} {value.name} to {kind}")

    def _vectors_at_once(self) -> int:
        """Several, where the formula is so cheap that additions would wait for each other."""
        operations = [e for e in walk(self.root) if e.op not in ("symbol", "const")]
        heavy = any(e.op in ELEMENTARY for e in operations)
        return 1 if heavy or len(operations) > _CHEAP else _SIDE_BY_SIDE


def _flipped(bits: Vector) -> Vector:
    """Reverse the order of negative numbers, whose bits grow as they fall; its own inverse."""
    width = int(bits.kind.dtype[1:])
    return bits ^ ((bits >> (width - 1)) & (2 ** (width - 1) - 1))
