"""The loop around a formula: the body of an elementwise kernel.

A kernel reads its operands, computes one value per element and writes it; the *pattern* says how
each operand is laid out against the output:

====  ==========================================================================
``f``  full: the same shape as the output (or the output itself: in place)
``r``  row: one value per column, ``(C,)`` against ``(R, C)``
``c``  column: one value per row, ``(R,)`` against ``(R, C)``
``s``  scalar: one value
====  ==========================================================================

With only ``f`` and ``s`` the loop is flat. A body finds its numbers, all int64, at one address::

    R, C (flat: 1, n), the addresses of the operands, of the params (float64), of the outputs

The last elements of a run, fewer than a vector has lanes, are copied into vectors on the stack, go
through the same loop as all the others, and are copied back. So a formula is written, and compiled,
once.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.core.expr import Expr, evaluate
from minigrad.kernels.emit.code import Code, Kind
from minigrad.kernels.emit.vector import Vector
from minigrad.kernels.run.sizes import BLOCK

__all__ = ["ElementwiseLoop"]

#: numpy's letters for types, as :class:`Kind` names them.
_DTYPES = {"f": "f32", "d": "f64", "i": "i32", "l": "i64", "?": "i8"}


class _Array:
    """An operand or an output in memory, for the writer of the loop."""

    def __init__(self, name: str, letter: str, char: str, lanes: int) -> None:
        self.name = name
        self.letter = letter
        self.boolean = char == "?"
        self.kind = Kind(_DTYPES[char], lanes)
        self.base = ""  # where it begins
        self.start = ""  # where the present run of it begins
        self.buffer = ""  # a vector on the stack, for the end of the run
        self.place = ""  # where the loop reads or writes now


class ElementwiseLoop:
    """Writes one body.

    Parameters
    ----------
    name : str
        What the function is called.
    roots : sequence of Expr
        One expression per output.
    operands : sequence of str
        The names of the symbols that are operands.
    pattern : str
        One letter per operand.
    chars : str
        numpy's letter for the type of each operand, then of each output.
    dtype : {"f", "d"}
        The type that is computed in.
    params : sequence of str
        Symbols that are numbers for the whole array, such as ``alpha``.
    register : int
        Bytes of a vector register.
    """

    def __init__(
        self,
        name: str,
        roots: Sequence[Expr],
        operands: Sequence[str],
        pattern: str,
        chars: str,
        dtype: str,
        params: Sequence[str],
        register: int,
    ) -> None:
        self.code = Code()
        self.name = name
        self.roots = roots
        self.params = params
        compute = Kind(_DTYPES[dtype])
        self.kind = Kind(compute.dtype, register // compute.size)
        lanes = self.kind.lanes
        letters = pattern + "f" * len(roots)
        names = [*operands, *(f"out{k}" for k in range(len(roots)))]
        arrays = [_Array(*a, lanes) for a in zip(names, letters, chars, strict=True)]
        self.operands, self.outputs = arrays[: len(operands)], arrays[len(operands) :]
        self.moving = [a for a in arrays if a.letter in "fr"]
        self.fixed: dict[str, Vector] = {}  # what is one number for the whole run
        self.rows = any(letter in "rc" for letter in pattern)

    def text(self) -> str:
        """The module with the function."""
        code = self.code
        header = "ptr %result, ptr %error, i64 %address, i64 %b0, i64 %b1"
        code.line(f"define i32 @{self.name}({header}) {{")
        code.block("entry")
        rows, columns = self._read_numbers()
        if self.rows:
            self._each_row(rows, columns)
        else:
            self._flat(rows, columns)
        code.block("end")
        code.line("ret i32 0")
        code.line("}")
        return code.module()

    # ------------------------------------------------------------------------ numbers and counts

    def _read_numbers(self) -> tuple[str, str]:
        """Read all numbers; returns rows and columns."""
        code = self.code
        code.line("%numbers = inttoptr i64 %address to ptr")
        rows, columns = self._number("i64", 0), self._number("i64", 1)
        place = 2
        for array in self.operands:
            array.base = self._number("ptr", place)
            place += 1
        for param in self.params:
            number = code.value(f"load double, ptr {self._number('ptr', place)}, align 8")
            wide = Vector(code, Kind("f64"), number)
            self.fixed[param] = self._spread(wide.to(self.kind.dtype))
            place += 1
        for array in self.outputs:
            array.base = self._number("ptr", place)
            place += 1
        for array in self.operands:
            if array.letter == "s":
                self.fixed[array.name] = self._one(array, array.base)
        for array in self.moving:
            array.buffer = code.new(f"alloca {array.kind.text}, align 64")
        return rows, columns

    def _number(self, kind: str, place: int) -> str:
        pointer = self.code.value(f"getelementptr i64, ptr %numbers, i64 {place}")
        return self.code.value(f"load {kind}, ptr {pointer}, align 8")

    def _one(self, array: _Array, address: str) -> Vector:
        """The number at an address, in all lanes."""
        kind = Kind(array.kind.dtype)
        name = self.code.new(f"load {kind.text}, ptr {address}, align {kind.size}")
        number = Vector(self.code, kind, name)
        return self._spread(number != 0 if array.boolean else number)

    def _spread(self, number: Vector) -> Vector:
        kind = Kind(number.kind.dtype, self.kind.lanes)
        return Vector(self.code, kind, self.code.splat(number.name, kind))

    def _smaller(self, a: str, b: str) -> str:
        return self.code.call("llvm.smin.i64", "i64", [f"i64 {a}", f"i64 {b}"])

    def _larger(self, a: str, b: str) -> str:
        return self.code.call("llvm.smax.i64", "i64", [f"i64 {a}", f"i64 {b}"])

    # ------------------------------------------------------------------------------------- loops

    def _flat(self, rows: str, columns: str) -> None:
        """One run: the blocks asked for."""
        code = self.code
        size = code.value(f"mul i64 {rows}, {columns}")
        start = code.value(f"mul i64 %b0, {BLOCK}")
        stop = self._smaller(code.value(f"mul i64 %b1, {BLOCK}"), size)
        for array in self.moving:
            array.start = self._at(array, array.base, start)
        count = self._larger(code.value(f"sub i64 {stop}, {start}"), "0")
        self._run(count, "end")

    def _each_row(self, rows: str, columns: str) -> None:
        """Whole rows per block, each a run of its own."""
        code = self.code
        per = code.value(f"sdiv i64 {BLOCK}, {self._larger(columns, '1')}")
        per = self._larger(per, "1")
        first = code.value(f"mul i64 %b0, {per}")
        last = self._smaller(code.value(f"mul i64 %b1, {per}"), rows)
        some = code.value(f"icmp slt i64 {first}, {last}")
        code.line(f"br i1 {some}, label %each_row, label %end")
        code.block("each_row")
        row = code.phi("%row", "i64", (first, "entry"), ("%next_row", "row_done"))
        before = code.value(f"mul i64 {row}, {columns}")
        for array in self.moving:
            array.start = self._at(array, array.base, before) if array.letter == "f" else array.base
        for array in self.operands:
            if array.letter == "c":
                self.fixed[array.name] = self._one(array, self._at(array, array.base, row))
        self._run(columns, "row_done")
        code.block("row_done")
        code.line(f"%next_row = add i64 {row}, 1")
        more = code.value(f"icmp slt i64 %next_row, {last}")
        code.line(f"br i1 {more}, label %each_row, label %end")

    def _run(self, count: str, done: str) -> None:
        """All elements from where the arrays `start`, then to the block `done`."""
        code, lanes = self.code, self.kind.lanes
        whole = code.value(f"and i64 {count}, {-lanes}")
        left = code.value(f"sub i64 {count}, {whole}")
        some = code.value(f"icmp ne i64 {whole}, 0")
        before = code.label
        code.line(f"br i1 {some}, label %vectors, label %rest")

        code.block("vectors")
        i = code.phi("%i", "i64", ("0", before), ("%next", "vectors"), ("0", "copy_in"))
        code.phi("%stop", "i64", (whole, before), ("%stop", "vectors"), (str(lanes), "copy_in"))
        code.phi("%last", "i1", ("false", before), ("%last", "vectors"), ("true", "copy_in"))
        for k, array in enumerate(self.moving):
            array.place = place = f"%place{k}"
            sources = (array.start, before), (place, "vectors"), (array.buffer, "copy_in")
            code.phi(place, "ptr", *sources)
        self._compute(i)
        code.line(f"%next = add i64 {i}, {lanes}")
        more = code.new("icmp slt i64 %next, %stop")
        code.line(f"br i1 {more}, label %vectors, label %vectors_done")
        code.block("vectors_done")
        code.line("br i1 %last, label %copy_back, label %rest")
        self._rest(whole, left, done)

    def _compute(self, i: str) -> None:
        """One vector of each output."""
        values = dict(self.fixed)
        for array in self.operands:
            if array.letter in "fr":
                values[array.name] = self._load(array, self._at(array, array.place, i))
        some = next(iter(values.values()))
        results = evaluate(self.roots, values, lambda x: some.like(x, self.kind.dtype))
        for array, result in zip(self.outputs, results, strict=True):
            self._store(array, self._at(array, array.place, i), result)

    def _rest(self, whole: str, left: str, done: str) -> None:
        """The last elements, `left` of them: to the stack, through the loop, and back."""
        code = self.code
        code.block("rest")
        none = code.value(f"icmp eq i64 {left}, 0")
        code.line(f"br i1 {none}, label %{done}, label %copy_in")
        code.block("copy_in")
        mask = self._mask(left)
        for array in self.moving:
            if array not in self.outputs:
                where = self._at(array, array.start, whole)
                value = self._load_masked(array, where, mask)
                code.line(f"store {array.kind.text} {value}, ptr {array.buffer}, align 64")
        code.line("br label %vectors")
        code.block("copy_back")
        mask = self._mask(left)
        for array in self.outputs:
            value = code.new(f"load {array.kind.text}, ptr {array.buffer}, align 64")
            self._store_masked(array, self._at(array, array.start, whole), value, mask)
        code.line(f"br label %{done}")

    # ------------------------------------------------------------------------------------ memory

    def _at(self, array: _Array, pointer: str, index: str) -> str:
        kind = array.kind.element
        return self.code.value(f"getelementptr {kind}, ptr {pointer}, i64 {index}")

    def _load(self, array: _Array, pointer: str) -> Vector:
        kind = array.kind
        name = self.code.new(f"load {kind.text}, ptr {pointer}, align {kind.size}")
        value = Vector(self.code, kind, name)
        return value != 0 if array.boolean else value

    def _store(self, array: _Array, pointer: str, value: Vector) -> None:
        value = value.to(array.kind.dtype)
        kind = array.kind
        self.code.line(f"store {kind.text} {value.name}, ptr {pointer}, align {kind.size}")

    def _mask(self, left: str) -> str:
        """The lanes of which ``lane < left``."""
        lanes = self.kind.lanes
        count = self.code.splat(self.code.value(f"trunc i64 {left} to i32"), Kind("i32", lanes))
        numbers = ", ".join(f"i32 {lane}" for lane in range(lanes))
        text = f"icmp sgt <{lanes} x i32> {count}, <{numbers}>"
        return f"<{lanes} x i1> {self.code.value(text)}"

    def _load_masked(self, array: _Array, pointer: str, mask: str) -> str:
        kind = array.kind
        operands = [f"ptr {pointer}", f"i32 {kind.size}", mask, f"{kind.text} zeroinitializer"]
        return self.code.call(f"llvm.masked.load.{kind.suffix}.p0", kind.text, operands)

    def _store_masked(self, array: _Array, pointer: str, value: str, mask: str) -> None:
        kind = array.kind
        operands = [f"{kind.text} {value}", f"ptr {pointer}", f"i32 {kind.size}", mask]
        self.code.effect(f"llvm.masked.store.{kind.suffix}.p0", operands)
