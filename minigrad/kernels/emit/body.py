"""What the bodies of all loops share: numbers at an address, arrays, rows, masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad.kernels.emit.code import Code, Kind
from minigrad.kernels.emit.vector import Vector
from minigrad.kernels.run.sizes import BLOCK

__all__ = ["Array", "Body"]

#: numpy's letters for types, as :class:`Kind` names them.
DTYPES = {"f": "f32", "d": "f64", "i": "i32", "l": "i64", "?": "i8"}


class Array:
    """An operand or an output in memory, for the writer of the loop."""

    def __init__(self, name: str, letter: str, char: str, lanes: int) -> None:
        self.name = name
        self.letter = letter
        self.boolean = char == "?"
        self.kind = Kind(DTYPES[char], lanes)
        self.base = ""  # where it begins
        self.start = ""  # where the present run of it begins
        self.buffer = ""  # a vector on the stack, for the end of the run
        self.place = ""  # where the loop reads or writes now


class Body:
    """Writes one function ``(address, b0, b1)``; see :mod:`.loops` for the numbers it reads.

    Parameters
    ----------
    name : str
        What the function is called.
    operands : sequence of str
        The names of the symbols that are operands.
    pattern : str
        One letter per operand, then per output.
    chars : str
        numpy's letter for the type of each operand, then of each output.
    dtype : {"f", "d", "i", "l"}
        The type that is computed in.
    params : sequence of str
        Symbols that are numbers for the whole array, such as ``alpha``.
    register : int
        Bytes of a vector register.
    """

    def __init__(
        self,
        name: str,
        operands: Sequence[str],
        pattern: str,
        chars: str,
        dtype: str,
        params: Sequence[str],
        register: int,
    ) -> None:
        self.code = Code()
        self.name = name
        self.params = params
        compute = Kind(DTYPES[dtype])
        self.kind = Kind(compute.dtype, register // compute.size)
        names = [*operands, *(f"out{k}" for k in range(len(pattern) - len(operands)))]
        arrays = [Array(*a, self.kind.lanes) for a in zip(names, pattern, chars, strict=True)]
        self.operands, self.outputs = arrays[: len(operands)], arrays[len(operands) :]
        self.moving = [a for a in arrays if a.letter in "fr"]
        self.fixed: dict[str, Vector] = {}  # what is one number for the whole run
        self.numbers: dict[str, Vector] = {}  # params as they are in memory

    def text(self) -> str:
        """The module with the function."""
        code = self.code
        header = "ptr %result, ptr %error, i64 %address, i64 %b0, i64 %b1"
        code.lines.append(f"define i32 @{self.name}({header}) {{")
        code.block("entry")
        self.write(*self.read_numbers())
        code.block("end")
        code.line("ret i32 0")
        code.lines.append("}")
        return code.module()

    def write(self, rows: str, columns: str) -> None:
        """The loops; they end in the block ``end``."""
        raise NotImplementedError

    # ------------------------------------------------------------------------ numbers and counts

    def read_numbers(self) -> tuple[str, str]:
        """Read all numbers; returns rows and columns."""
        code = self.code
        code.line("%numbers = inttoptr i64 %address to ptr")
        rows, columns = self.number("i64", 0), self.number("i64", 1)
        place = 2
        for array in self.operands:
            array.base = self.number("ptr", place)
            place += 1
        for param in self.params:
            number = code.value(f"load double, ptr {self.number('ptr', place)}, align 8")
            self.numbers[param] = wide = Vector(code, Kind("f64"), number)
            self.fixed[param] = self.spread(wide.to(self.kind.dtype))
            place += 1
        for array in self.outputs:
            array.base = self.number("ptr", place)
            place += 1
        for array in self.operands:
            if array.letter == "s":
                self.fixed[array.name] = self.one(array, array.base)
        return rows, columns

    def number(self, kind: str, place: int) -> str:
        """The number at a place, an integer or an address."""
        pointer = self.code.value(f"getelementptr i64, ptr %numbers, i64 {place}")
        return self.code.value(f"load {kind}, ptr {pointer}, align 8")

    def one(self, array: Array, address: str) -> Vector:
        """The number at an address, in all lanes."""
        kind = Kind(array.kind.dtype)
        name = self.code.new(f"load {kind.text}, ptr {address}, align {kind.size}")
        return self.spread(self.computed(array, Vector(self.code, kind, name)))

    def computed(self, array: Array, value: Vector) -> Vector:
        """What was read, in the type that is computed in; booleans as flags."""
        return value.not_zero() if array.boolean else value.to(self.kind.dtype)

    def spread(self, number: Vector) -> Vector:
        """One number in all lanes."""
        kind = Kind(number.kind.dtype, self.kind.lanes)
        return Vector(self.code, kind, self.code.splat(number.name, kind))

    def smaller(self, a: str, b: str) -> str:
        """The smaller of two integers."""
        return self.code.call("llvm.smin.i64", "i64", [f"i64 {a}", f"i64 {b}"])

    def larger(self, a: str, b: str) -> str:
        """The larger of two integers."""
        return self.code.call("llvm.smax.i64", "i64", [f"i64 {a}", f"i64 {b}"])

    # -------------------------------------------------------------------------------------- rows

    def each_row(self, rows: str, columns: str, run: Callable[[str], None]) -> None:
        """Whole rows per block; `run` writes what is done with one, and ends in ``row_done``.

        It is given the number of the row; arrays `start` where the row does.
        """
        code = self.code
        per = code.value(f"sdiv i64 {BLOCK}, {self.larger(columns, '1')}")
        per = self.larger(per, "1")
        first = code.value(f"mul i64 %b0, {per}")
        last = self.smaller(code.value(f"mul i64 %b1, {per}"), rows)
        some = code.value(f"icmp slt i64 {first}, {last}")
        code.line(f"br i1 {some}, label %each_row, label %end")
        code.block("each_row")
        row = code.phi("%row", "i64", (first, "entry"), ("%next_row", "row_done"))
        before = code.value(f"mul i64 {row}, {columns}")
        for array in self.moving:
            array.start = self.at(array, array.base, before) if array.letter == "f" else array.base
        for array in self.operands:
            if array.letter == "c":
                self.fixed[array.name] = self.one(array, self.at(array, array.base, row))
        run(row)
        code.block("row_done")
        code.line(f"%next_row = add i64 {row}, 1")
        more = code.new(f"icmp slt i64 %next_row, {last}")
        code.line(f"br i1 {more}, label %each_row, label %end")

    # ------------------------------------------------------------------------------------ memory

    def at(self, array: Array, pointer: str, index: str) -> str:
        """The address of an element."""
        kind = array.kind.element
        return self.code.value(f"getelementptr {kind}, ptr {pointer}, i64 {index}")

    def load(self, array: Array, pointer: str) -> Vector:
        """The vector at an address."""
        kind = array.kind
        name = self.code.new(f"load {kind.text}, ptr {pointer}, align {kind.size}")
        return self.computed(array, Vector(self.code, kind, name))

    def store(self, array: Array, pointer: str, value: Vector) -> None:
        """Write a vector."""
        if array.boolean:
            value = value.not_zero()
        value = value.to(array.kind.dtype)
        kind = array.kind
        self.code.line(f"store {kind.text} {value.name}, ptr {pointer}, align {kind.size}")

    def mask(self, left: str) -> str:
        """The lanes of which ``lane < left``."""
        lanes = self.kind.lanes
        count = self.code.splat(self.code.value(f"trunc i64 {left} to i32"), Kind("i32", lanes))
        numbers = ", ".join(f"i32 {lane}" for lane in range(lanes))
        text = f"icmp sgt <{lanes} x i32> {count}, <{numbers}>"
        return f"<{lanes} x i1> {self.code.value(text)}"

    def load_masked(self, array: Array, pointer: str, mask: str) -> str:
        """The lanes of the mask, as they are in memory; 0 in the others."""
        kind = array.kind
        operands = [f"ptr {pointer}", f"i32 {kind.size}", mask, f"{kind.text} zeroinitializer"]
        return self.code.call(f"llvm.masked.load.{kind.suffix}.p0", kind.text, operands)

    def store_masked(self, array: Array, pointer: str, value: str, mask: str) -> None:
        """Write the lanes of the mask only."""
        kind = array.kind
        operands = [f"{kind.text} {value}", f"ptr {pointer}", f"i32 {kind.size}", mask]
        self.code.effect(f"llvm.masked.store.{kind.suffix}.p0", operands)
