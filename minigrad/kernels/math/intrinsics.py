"""Scalar building blocks that numba lacks: one LLVM instruction (or nearly) each.

A numba loop is vectorised by LLVM only if its body has no branch and no library call, and it runs
at full width only if float32 stays float32 and int32 stays int32. Plain Python operators break
both rules: ``a if c else b`` is a branch, ``int32 + int32`` becomes int64. These intrinsics are
the way round. All the floating-point ones take float32 or float64, every operand of one type.

They exist only inside compiled code; :mod:`minigrad.kernels.math.vecmath` gives stand-ins when
``NUMBA_DISABLE_JIT=1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, register_jitable

__all__ = [
    "bits_f32",
    "bits_f64",
    "ceil",
    "copysign",
    "fabs",
    "float_f32",
    "float_f64",
    "floor",
    "fma",
    "i32_add",
    "i32_and",
    "i32_shift_left",
    "i32_shift_right",
    "i32_sub",
    "i32_to_f32",
    "i64_to_i32",
    "inlined",
    "maximum",
    "minimum",
    "polynomial",
    "rint",
    "select",
    "sqrt",
    "trunc",
]

F = TypeVar("F", bound=Callable[..., Any])
Intrinsic = Callable[..., Any]

# What a scalar is inside compiled code. Python's type checkers see only Any: numba does the typing.
F32: TypeAlias = Any
F64: TypeAlias = Any
I32: TypeAlias = Any
I64: TypeAlias = Any


def inlined(function: F) -> F:
    """Make a scalar function a part of every compiled loop that calls it, whatever its length.

    LLVM leaves functions beyond a certain size as calls, and a loop with a call does not vectorise.
    """
    return register_jitable(forceinline=True)(function)


def _intrinsic(typing: Callable[..., Any]) -> Intrinsic:
    """Numba's ``intrinsic``, with a type that lets the functions be called in checked code."""
    return intrinsic(typing)


def _one_type(name: str, *operands: Any) -> Any:
    """The common type of the operands; a typing error unless all are equal."""
    first, *others = (types.unliteral(operand) for operand in operands)
    if any(other != first for other in others):
        got = ", ".join(str(operand) for operand in operands)
        raise TypingError(
            f"{name}: expected operands of one type, got ({got}); "
            "give constants that type, as np.float32(0.5)"
        )
    return first


def _one_float_type(name: str, *operands: Any) -> Any:
    """As :func:`_one_type`, float32 and float64 only."""
    common = _one_type(name, *operands)
    if common not in (types.float32, types.float64):
        raise TypingError(f"{name}: expected float32 or float64, got {common}")
    return common


def _call_llvm(builder: Any, llvm_name: str, operands: Any) -> Any:
    """Emit a call of the LLVM intrinsic overloaded on the operands' type."""
    operand_type = operands[0].type
    signature = ir.FunctionType(operand_type, [operand_type] * len(operands))
    function = builder.module.declare_intrinsic(llvm_name, [operand_type], signature)
    return builder.call(function, operands)


def _unary(name: str, doc: str) -> Intrinsic:
    def typing(typingctx: Any, x: Any) -> Any:
        common = _one_float_type(name, x)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _call_llvm(builder, f"llvm.{name}", args)

        return common(common), codegen

    typing.__name__, typing.__doc__ = name, doc
    return _intrinsic(typing)


def _binary(name: str, doc: str) -> Intrinsic:
    def typing(typingctx: Any, a: Any, b: Any) -> Any:
        common = _one_float_type(name, a, b)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _call_llvm(builder, f"llvm.{name}", args)

        return common(common, common), codegen

    typing.__name__, typing.__doc__ = name, doc
    return _intrinsic(typing)


fabs = _unary("fabs", "``|x|``: clears the sign bit, of NaN and zero too.")
sqrt = _unary("sqrt", "Square root, correctly rounded; NaN below zero, ``sqrt(-0.0) = -0.0``.")
floor = _unary("floor", "Largest whole number ``<= x``.")
ceil = _unary("ceil", "Smallest whole number ``>= x``; ``ceil(-0.5) = -0.0``.")
trunc = _unary("trunc", "``x`` without its fraction, towards zero.")
rint = _unary("rint", "Nearest whole number, halves to even: ``rint(2.5) = 2``.")
copysign = _binary("copysign", "``|a|`` with the sign bit of ``b``.")
maximum = _binary("maximum", "Larger of two; NaN if either is NaN; ``+0.0`` above ``-0.0``.")
minimum = _binary("minimum", "Smaller of two; NaN if either is NaN; ``-0.0`` below ``+0.0``.")


@_intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` with a single rounding."""
    common = _one_float_type("fma", a, b, c)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call_llvm(builder, "llvm.fma", args)

    return common(common, common, common), codegen


@_intrinsic
def select(typingctx: Any, condition: Any, a: Any, b: Any) -> Any:
    """``a if condition else b`` without a branch: both values are computed, one is kept."""
    common = _one_type("select", a, b)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return common(types.boolean, common, common), codegen


def _horner(builder: Any, x: Any, coefficients: list[Any]) -> Any:
    """Emit a polynomial by Horner's rule, leading coefficient first."""
    value, *rest = coefficients
    for coefficient in rest:
        value = _call_llvm(builder, "llvm.fma", [value, x, coefficient])
    return value


#: From this many coefficients on, a polynomial is evaluated as two independent halves.
TWO_CHAINS_FROM = 8


@_intrinsic
def polynomial(typingctx: Any, x: Any, coefficients: Any) -> Any:
    """Polynomial in ``x`` with a tuple of constants of its type, leading coefficient first.

    Horner's rule with fma. It is one long chain in which each step waits for the one before, so
    a long polynomial is split: even and odd powers are two polynomials in ``x**2`` that the
    processor evaluates side by side.
    """
    if not isinstance(coefficients, types.UniTuple):
        raise TypingError(f"polynomial: expected a tuple of equal types, got {coefficients}")
    common = _one_float_type("polynomial", x, coefficients.dtype)
    count = coefficients.count

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        variable, packed = args
        constants = [builder.extract_value(packed, position) for position in range(count)]
        if count < TWO_CHAINS_FROM:
            return _horner(builder, variable, constants)
        square = builder.fmul(variable, variable)
        even = _horner(builder, square, constants[(count - 1) % 2 :: 2])
        odd = _horner(builder, square, constants[count % 2 :: 2])
        return _call_llvm(builder, "llvm.fma", [odd, variable, even])

    return common(common, coefficients), codegen


def _convert(source: Any, target: Any, instruction: str, doc: str) -> Intrinsic:
    """An intrinsic of one cast instruction, ``source`` type to ``target`` type."""

    def typing(typingctx: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(args[0], context.get_value_type(target))

        return target(source), codegen

    typing.__doc__ = doc
    return _intrinsic(typing)


bits_f32 = _convert(types.float32, types.int32, "bitcast", "The bits of a float32 as int32.")
float_f32 = _convert(types.int32, types.float32, "bitcast", "The float32 with these bits.")
bits_f64 = _convert(types.float64, types.int64, "bitcast", "The bits of a float64 as int64.")
float_f64 = _convert(types.int64, types.float64, "bitcast", "The float64 with these bits.")
i32_to_f32 = _convert(types.int32, types.float32, "sitofp", "int32 to the nearest float32.")
i64_to_i32 = _convert(types.int64, types.int32, "trunc", "The low 32 bits of an int64.")


def _i32_operation(instruction: str, doc: str) -> Intrinsic:
    """int32 arithmetic that stays int32 (wrapping), where numba would widen to int64."""

    def typing(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return types.int32(types.int32, types.int32), codegen

    typing.__doc__ = doc
    return _intrinsic(typing)


i32_add = _i32_operation("add", "``a + b`` in int32.")
i32_sub = _i32_operation("sub", "``a - b`` in int32.")
i32_and = _i32_operation("and_", "``a & b`` in int32.")
i32_shift_left = _i32_operation("shl", "``a << b`` in int32.")
i32_shift_right = _i32_operation("ashr", "``a >> b`` in int32, the sign bit shifted in.")
