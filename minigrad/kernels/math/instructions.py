"""The instructions that elementary functions are written in: names, without a compiler behind them.

:mod:`~minigrad.kernels.math.vecmath32` and its sister are straight lines of these names and of
arithmetic. Who runs such a function decides what an instruction is:

- numba compiles it: :mod:`~minigrad.kernels.math.intrinsics` has told it what each name means;
- values that write code (:class:`~minigrad.kernels.emit.vector.Vector`) append it to a loop: their
  class has the names in ``__instructions__``.

So one text serves both, and to run it in the second way nothing of numba is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

__all__ = [
    "bits_f32", "bits_f64", "ceil", "copysign", "f32_to_f64", "f64_to_f32", "fabs", "float_f32",
    "float_f64", "floor", "fma", "i32_add", "i32_and", "i32_shift_left", "i32_shift_right",
    "i32_sub", "i32_to_f32", "i64_to_i32", "looked_up", "maximum", "minimum", "polynomial", "rint",
    "select", "sqrt", "trunc",
]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])
Instruction = Callable[..., Any]

# What a value is inside compiled code. Python's type checkers see only Any.
F32: TypeAlias = Any
F64: TypeAlias = Any
I32: TypeAlias = Any
I64: TypeAlias = Any

#: From this many coefficients on, a polynomial is evaluated as two independent halves.
TWO_CHAINS_FROM = 8

#: The functions marked by :func:`inlined`, which numba is to be told of.
INLINED: list[Callable[..., Any]] = []


def inlined(function: Function) -> Function:
    """Mark a function of instructions: a part of every loop that calls it, whatever its length."""
    INLINED.append(function)
    return function


def _instruction(name: str, doc: str) -> Instruction:
    def call(*operands: Any) -> Any:
        for operand in operands:
            known = getattr(operand, "__instructions__", None)
            if known is not None:
                return known[name](*operands)
        kinds = ", ".join(type(operand).__name__ for operand in operands)
        raise TypeError(f"{name} is an instruction of compiled loops, it was called on ({kinds})")

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return call


fabs = _instruction("fabs", "``|x|``: clears the sign bit, of NaN and zero too.")
sqrt = _instruction("sqrt", "Square root, correctly rounded; NaN below 0, ``sqrt(-0.0) = -0.0``.")
floor = _instruction("floor", "Largest whole number ``<= x``.")
ceil = _instruction("ceil", "Smallest whole number ``>= x``; ``ceil(-0.5) = -0.0``.")
trunc = _instruction("trunc", "``x`` without its fraction, towards zero.")
rint = _instruction("rint", "Nearest whole number, halves to even: ``rint(2.5) = 2``.")
copysign = _instruction("copysign", "``|a|`` with the sign bit of ``b``.")
maximum = _instruction("maximum", "Larger of two; NaN if either is; ``+0.0`` above ``-0.0``.")
minimum = _instruction("minimum", "Smaller of two; NaN if either is; ``-0.0`` below ``+0.0``.")
fma = _instruction("fma", "``a * b + c`` with a single rounding.")
select = _instruction(
    "select", "``a if condition else b`` without a branch: both are computed, one is kept."
)
polynomial = _instruction(
    "polynomial",
    """Polynomial in ``x`` with a tuple of constants of its type, leading coefficient first.

    Horner's rule with fma. It is one long chain in which each step waits for the one before, so
    a long polynomial is split: even and odd powers are two polynomials in ``x**2`` that the
    processor evaluates side by side.
    """,
)
looked_up = _instruction("looked_up", "``table[row, column]`` of a constant table of float64.")

bits_f32 = _instruction("bits_f32", "The bits of a float32 as int32.")
float_f32 = _instruction("float_f32", "The float32 with these bits.")
bits_f64 = _instruction("bits_f64", "The bits of a float64 as int64.")
float_f64 = _instruction("float_f64", "The float64 with these bits.")
i32_to_f32 = _instruction("i32_to_f32", "int32 to the nearest float32.")
i64_to_i32 = _instruction("i64_to_i32", "The low 32 bits of an int64.")
f32_to_f64 = _instruction("f32_to_f64", "float32 as float64.")
f64_to_f32 = _instruction("f64_to_f32", "float64 to the nearest float32.")

i32_add = _instruction("i32_add", "``a + b`` in int32.")
i32_sub = _instruction("i32_sub", "``a - b`` in int32.")
i32_and = _instruction("i32_and", "``a & b`` in int32.")
i32_shift_left = _instruction("i32_shift_left", "``a << b`` in int32.")
i32_shift_right = _instruction("i32_shift_right", "``a >> b`` in int32, the sign shifted in.")
