"""Values that write instructions: what a formula becomes when it runs on :class:`Vector`.

Each operation on a vector appends one LLVM instruction to a :class:`.Code` and
returns the vector that it computes. Formulas (:mod:`minigrad.core.expr`) and the elementary
functions (:mod:`minigrad.kernels.math.vecmath32`) are straight lines of such operations, so running
one of them once writes the body of a loop over arrays. The instructions are those that numba's
compiled code has, so the results have the same bits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad.kernels.emit.code import Code, Kind, literal
from minigrad.kernels.math import vecmath32, vecmath64
from minigrad.kernels.math.instructions import TWO_CHAINS_FROM

__all__ = ["Vector"]

#: The type that a number of numpy brings with it; Python's take that of the vector they meet.
_OWN_DTYPE: dict[type, str] = {
    np.float32: "f32", np.float64: "f64", np.int32: "i32", np.int64: "i64"
}  # fmt: skip
#: How an operation is spelled on floats and on integers.
_ARITHMETIC = {
    "add": ("fadd", "add"), "sub": ("fsub", "sub"), "mul": ("fmul", "mul"), "div": ("fdiv", ""),
    "and": ("", "and"), "or": ("", "or"), "xor": ("", "xor"), "shl": ("", "shl"),
    "shr": ("", "ashr"),
}  # fmt: skip
#: Comparisons of floats and of integers: with NaN all are false, but that it differs is true.
_COMPARISONS = {
    "lt": ("olt", "slt"), "le": ("ole", "sle"), "gt": ("ogt", "sgt"), "ge": ("oge", "sge"),
    "eq": ("oeq", "eq"), "ne": ("une", "ne"),
}  # fmt: skip


def _pair(a: Vector, b: Any) -> tuple[Vector, Vector]:
    """Both operands of an operation in one type."""
    b = a.of(b)
    a = b.of(a)
    if a.kind != b.kind:
        raise TypeError(f"operands of one type are expected, got {a.kind.text} and {b.kind.text}")
    return a, b


def _arithmetic(name: str, reverse: bool = False) -> Callable[[Vector, Any], Vector]:
    of_floats, of_integers = _ARITHMETIC[name]

    def operate(self: Vector, other: Any) -> Vector:
        a, b = _pair(self, other)
        operation = of_floats if a.kind.dtype[0] == "f" else of_integers
        if not operation:
            raise TypeError(f"{name} is not for {a.kind.dtype}")
        if reverse:
            a, b = b, a
        return a.apply(f"{operation} {a.kind.text} {a.name}, {b.name}")

    return operate


def _comparison(name: str) -> Callable[[Vector, Any], Vector]:
    of_floats, of_integers = _COMPARISONS[name]

    def compare(self: Vector, other: Any) -> Vector:
        a, b = _pair(self, other)
        operation = f"fcmp {of_floats}" if a.kind.dtype[0] == "f" else f"icmp {of_integers}"
        text = f"{operation} {a.kind.text} {a.name}, {b.name}"
        return a.apply(text, Kind("i1", a.kind.lanes))

    return compare


class Vector:
    """Numbers of one type, one in each lane; arithmetic and comparisons write instructions.

    Parameters
    ----------
    code : Code
        Where they are written.
    kind : Kind
        The type of number, and how many there are.
    name : str
        What the instructions call it.
    """

    __slots__ = ("code", "kind", "name")
    __array_ufunc__ = None  # numpy's numbers leave the arithmetic to this class
    __hash__ = None  # type: ignore[assignment]  # == writes a comparison

    __instructions__: ClassVar[dict[str, Callable[..., Any]]] = {}
    __formulas__: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(self, code: Code, kind: Kind, name: str) -> None:
        self.code = code
        self.kind = kind
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.kind.text} {self.name}>"

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on its input: use fx.where(condition, a, b)")

    # -------------------------------------------------------------------- numbers and conversions

    def like(self, number: Any, dtype: str = "") -> Vector:
        """A constant with as many lanes, of the type of the vector unless it brings its own."""
        dtype = dtype or _OWN_DTYPE.get(type(number), self.kind.dtype)
        kind = Kind(dtype, self.kind.lanes)
        spelled = literal(number, dtype)
        name = spelled if kind.lanes == 1 else f"splat ({kind.element} {spelled})"
        return Vector(self.code, kind, name)

    def of(self, operand: Any) -> Vector:
        """A vector as it is, a number as a constant; flags that meet numbers are 0 and 1."""
        if not isinstance(operand, Vector):
            return self.like(operand)
        if operand.kind.dtype == "i1" and self.kind.dtype != "i1":
            return operand.to(self.kind.dtype)
        return operand

    def to(self, dtype: str) -> Vector:
        """The numbers in another type, as C converts them."""
        return (
            self
            if dtype == self.kind.dtype
            else self._cast(_cast_of(self.kind.dtype, dtype), dtype)
        )

    def not_zero(self) -> Vector:
        """A flag for each number; flags as they are."""
        return self if self.kind.dtype == "i1" else _comparison("ne")(self, 0)

    def cast_bits(self, dtype: str) -> Vector:
        """The same bits as another type of the same width."""
        return self._cast("bitcast", dtype)

    def _cast(self, operation: str, dtype: str) -> Vector:
        kind = Kind(dtype, self.kind.lanes)
        text = f"{operation} {self.kind.text} {self.name} to {kind.text}"
        return Vector(self.code, kind, self.code.value(text))

    def apply(self, text: str, kind: Kind | None = None) -> Vector:
        """The value of an instruction."""
        return Vector(self.code, kind or self.kind, self.code.value(text))

    # ------------------------------------------------------------------------------- arithmetic

    __add__, __radd__ = _arithmetic("add"), _arithmetic("add", reverse=True)
    __sub__, __rsub__ = _arithmetic("sub"), _arithmetic("sub", reverse=True)
    __mul__, __rmul__ = _arithmetic("mul"), _arithmetic("mul", reverse=True)
    __truediv__, __rtruediv__ = _arithmetic("div"), _arithmetic("div", reverse=True)
    __and__, __rand__ = _arithmetic("and"), _arithmetic("and", reverse=True)
    __or__, __ror__ = _arithmetic("or"), _arithmetic("or", reverse=True)
    __xor__ = _arithmetic("xor")
    __lshift__, __rshift__ = _arithmetic("shl"), _arithmetic("shr")
    __lt__, __le__ = _comparison("lt"), _comparison("le")
    __gt__, __ge__ = _comparison("gt"), _comparison("ge")
    __eq__ = _comparison("eq")  # type: ignore[assignment]  # writes a comparison, as numpy's does
    __ne__ = _comparison("ne")  # type: ignore[assignment]

    def __neg__(self) -> Vector:
        if self.kind.dtype[0] == "f":
            return self.apply(f"fneg {self.kind.text} {self.name}")
        return self.like(0) - self

    def __invert__(self) -> Vector:
        ones = self.like(True if self.kind.dtype == "i1" else -1)
        return self.apply(f"xor {self.kind.text} {self.name}, {ones.name}")

    def __pow__(self, other: Any) -> Vector:
        return _call("pow", 2)(self, other)

    def __rpow__(self, other: Any) -> Vector:
        return _call("pow", 2)(self.like(other), self)


def _cast_of(source: str, target: str) -> str:
    """LLVM's conversion between two types of numbers."""
    if source == "i1":
        return "uitofp" if target[0] == "f" else "zext"
    if source[0] == target[0]:
        widens = int(target[1:]) > int(source[1:])
        return (
            ("fpext" if widens else "fptrunc")
            if source[0] == "f"
            else ("sext" if widens else "trunc")
        )
    return "sitofp" if target[0] == "f" else "fptosi"


# ------------------------------------------------- the instructions of kernels.math.instructions


def _vectors(operands: Sequence[Any]) -> list[Vector]:
    """Vectors and numbers as vectors of one type."""
    first = next(o for o in operands if isinstance(o, Vector))
    found = [first.of(o) for o in operands]
    if any(v.kind != first.kind for v in found):
        kinds = ", ".join(v.kind.text for v in found)
        raise TypeError(f"operands of one type are expected, got {kinds}")
    return found


def _call(name: str, count: int) -> Callable[..., Vector]:
    """One of LLVM's functions on operands of one type."""

    def call(*operands: Any) -> Vector:
        if len(operands) != count:
            raise TypeError(f"{name} takes {count} operands, got {len(operands)}")
        vectors = _vectors(operands)
        kind = vectors[0].kind
        spelled = [f"{kind.text} {v.name}" for v in vectors]
        code = vectors[0].code
        return Vector(code, kind, code.call(f"llvm.{name}.{kind.suffix}", kind.text, spelled))

    return call


_fma = _call("fma", 3)


def _select(condition: Vector, a: Any, b: Any) -> Vector:
    if isinstance(a, Vector) or isinstance(b, Vector):
        a, b = _vectors((a, b))
    else:  # two numbers, which bring their type or are floats or integers of Python
        own = "f64" if isinstance(a, float) or isinstance(b, float) else "i64"
        dtypes = {_OWN_DTYPE.get(type(number), own) for number in (a, b)}
        (dtype,) = dtypes if len(dtypes) == 1 else (dtypes - {own})
        a, b = condition.like(a, dtype), condition.like(b, dtype)
    return a.apply(
        f"select {condition.kind.text} {condition.name}, "
        f"{a.kind.text} {a.name}, {b.kind.text} {b.name}"
    )


def _horner(x: Vector, coefficients: Sequence[Any]) -> Any:
    value, *rest = coefficients
    for coefficient in rest:
        value = _fma(x.of(value), x, coefficient)
    return value


def _polynomial(x: Vector, coefficients: Sequence[Any]) -> Vector:
    count = len(coefficients)
    if count < TWO_CHAINS_FROM:
        return _horner(x, coefficients)
    square = x * x
    even = _horner(square, coefficients[(count - 1) % 2 :: 2])
    odd = _horner(square, coefficients[count % 2 :: 2])
    return _fma(odd, x, even)


def _looked_up(table: np.ndarray[Any, Any], row: Vector, column: int) -> Vector:
    """Numbers of a constant table of float64, one for each lane."""
    code, kind = row.code, Kind("f64", row.kind.lanes)
    rows, columns = table.shape
    name = f"table{zlib.crc32(table.tobytes()):08x}"
    numbers = ", ".join(f"double {literal(v, 'f64')}" for v in table.ravel())
    code.outside[name] = (
        f"@{name} = private unnamed_addr constant [{rows * columns} x double] [{numbers}], align 8"
    )
    place = row * columns + column
    pointers = f"<{kind.lanes} x ptr>"
    address = code.value(f"getelementptr double, ptr @{name}, {row.kind.text} {place.name}")
    if kind.lanes == 1:
        return Vector(code, kind, code.value(f"load double, ptr {address}, align 8"))
    everywhere = f"<{kind.lanes} x i1> splat (i1 true)"
    operands = [f"{pointers} {address}", "i32 8", everywhere, f"{kind.text} zeroinitializer"]
    function = f"llvm.masked.gather.{kind.suffix}.v{kind.lanes}p0"
    return Vector(code, kind, code.call(function, kind.text, operands))


def _bits(dtype: str) -> Callable[[Vector], Vector]:
    return lambda x: x.cast_bits(dtype)


def _conversion(dtype: str) -> Callable[[Vector], Vector]:
    return lambda x: x.to(dtype)


def _operator(method: str) -> Callable[[Any, Any], Vector]:
    def operate(a: Any, b: Any) -> Vector:
        first, second = _vectors((a, b))
        return getattr(first, method)(second)

    return operate


def _of_either(of_floats: str, of_integers: str) -> Callable[..., Vector]:
    """One of LLVM's functions of two numbers, which has another name for integers."""

    def call(a: Any, b: Any) -> Vector:
        first, second = _vectors((a, b))
        name = of_floats if first.kind.dtype[0] == "f" else of_integers
        return _call(name, 2)(first, second)

    return call


def _fabs(x: Vector) -> Vector:
    return _call("fabs", 1)(x) if x.kind.dtype[0] == "f" else _select(x < 0, -x, x)


_FUNCTIONS = {
    name: _call(name, count)
    for name, count in {
        "sqrt": 1, "floor": 1, "ceil": 1, "trunc": 1, "rint": 1,
        "copysign": 2,
    }.items()
} | {
    "fabs": _fabs,
    "maximum": _of_either("maximum", "smax"),
    "minimum": _of_either("minimum", "smin"),
}  # fmt: skip

Vector.__instructions__ = _FUNCTIONS | {
    "fma": _fma,
    "select": _select,
    "polynomial": _polynomial,
    "looked_up": _looked_up,
    "bits_f32": _bits("i32"),
    "float_f32": _bits("f32"),
    "bits_f64": _bits("i64"),
    "float_f64": _bits("f64"),
    "i32_to_f32": _conversion("f32"),
    "i64_to_i32": _conversion("i32"),
    "f32_to_f64": _conversion("f64"),
    "f64_to_f32": _conversion("f32"),
    "i32_add": _operator("__add__"),
    "i32_sub": _operator("__sub__"),
    "i32_and": _operator("__and__"),
    "i32_shift_left": _operator("__lshift__"),
    "i32_shift_right": _operator("__rshift__"),
}


# ---------------------------------------------------------------- the functions of formulas


def _per_type(name: str) -> Callable[[Vector], Vector]:
    """An elementary function in the type of its operand."""
    functions = {
        "f32": getattr(vecmath32, f"{name}_f32"), "f64": getattr(vecmath64, f"{name}_f64")
    }  # fmt: skip
    return lambda x: functions[x.kind.dtype](x)


def _sign(x: Vector) -> Vector:
    return _select(x > 0, x.like(1), _select(x < 0, x.like(-1), x.like(0)))


Vector.__formulas__ = {
    name: _per_type(name)
    for name in (
        "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf",
    )
} | {
    "abs": _FUNCTIONS["fabs"],
    "sign": _sign,
    "sqrt": _FUNCTIONS["sqrt"],
    "rsqrt": lambda x: 1 / _FUNCTIONS["sqrt"](x),
    "floor": _FUNCTIONS["floor"],
    "ceil": _FUNCTIONS["ceil"],
    "round": _FUNCTIONS["rint"],
    "trunc": _FUNCTIONS["trunc"],
    "maximum": _FUNCTIONS["maximum"],
    "minimum": _FUNCTIONS["minimum"],
    "where": _select,
    "isnan": lambda x: x != x,
    "copysign": _FUNCTIONS["copysign"],
}  # fmt: skip
