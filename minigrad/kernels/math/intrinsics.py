"""What the instructions of :mod:`~minigrad.kernels.math.instructions` are to numba.

A numba loop is vectorised by LLVM only if its body has no branch and no library call, and it runs
at full width only if float32 stays float32 and int32 stays int32. Plain Python operators break
both rules: ``a if c else b`` is a branch, ``int32 + int32`` becomes int64. These intrinsics, one
LLVM instruction (or nearly) each, are the way round. All the floating-point ones take float32 or
float64, every operand of one type.

They exist only inside compiled code; :mod:`minigrad.kernels.math.vecmath` gives stand-ins when
``NUMBA_DISABLE_JIT=1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.typing.templates import infer, infer_global, make_intrinsic_template
from numba.extending import overload, register_jitable

from minigrad.kernels.math import instructions
from minigrad.kernels.math.instructions import *  # noqa: F403
from minigrad.kernels.math.instructions import TWO_CHAINS_FROM

__all__ = ["inlined"]
__all__ += instructions.__all__

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """Make a scalar function a part of every compiled loop that calls it, whatever its length.

    LLVM leaves functions beyond a certain size as calls, and a loop with a call does not vectorise.
    """
    return register_jitable(forceinline=True)(function)


def _means(name: str, typing: Callable[..., Any]) -> None:
    """Tell numba what an instruction is, as ``numba.extending.intrinsic`` does for a new name."""
    instruction = getattr(instructions, name)
    template = make_intrinsic_template(instruction, typing, name)
    infer(template)
    infer_global(instruction, types.Function(template))


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


def _float_operation(name: str, operands: int) -> None:
    """An LLVM intrinsic of the same name on operands of one type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call_llvm(builder, f"llvm.{name}", args)

    def unary(typingctx: Any, x: Any) -> Any:
        common = _one_float_type(name, x)
        return common(common), codegen

    def binary(typingctx: Any, a: Any, b: Any) -> Any:
        common = _one_float_type(name, a, b)
        return common(common, common), codegen

    def ternary(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        common = _one_float_type(name, a, b, c)
        return common(common, common, common), codegen

    _means(name, (unary, binary, ternary)[operands - 1])


for _name in ("fabs", "sqrt", "floor", "ceil", "trunc", "rint"):
    _float_operation(_name, 1)
for _name in ("copysign", "maximum", "minimum"):
    _float_operation(_name, 2)
_float_operation("fma", 3)


def _select(typingctx: Any, condition: Any, a: Any, b: Any) -> Any:
    common = _one_type("select", a, b)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return common(types.boolean, common, common), codegen


_means("select", _select)


def _horner(builder: Any, x: Any, coefficients: list[Any]) -> Any:
    """Emit a polynomial by Horner's rule, leading coefficient first."""
    value, *rest = coefficients
    for coefficient in rest:
        value = _call_llvm(builder, "llvm.fma", [value, x, coefficient])
    return value


def _polynomial(typingctx: Any, x: Any, coefficients: Any) -> Any:
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


_means("polynomial", _polynomial)


# numba compares the parameters of the two functions, so neither may be annotated.
@overload(instructions.looked_up, jit_options={"forceinline": True})
def _looked_up(table, row, column):
    return lambda table, row, column: table[row, column]


def _conversion(name: str, source: Any, target: Any, operation: str) -> None:
    """One cast instruction, `source` type to `target` type."""

    def typing(typingctx: Any, x: Any) -> Any:
        if types.unliteral(x) != source:
            raise TypingError(f"{name}: expected {source}, got {x}")

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, operation)(args[0], context.get_value_type(target))

        return target(source), codegen

    _means(name, typing)


_conversion("bits_f32", types.float32, types.int32, "bitcast")
_conversion("float_f32", types.int32, types.float32, "bitcast")
_conversion("bits_f64", types.float64, types.int64, "bitcast")
_conversion("float_f64", types.int64, types.float64, "bitcast")
_conversion("i32_to_f32", types.int32, types.float32, "sitofp")
_conversion("i64_to_i32", types.int64, types.int32, "trunc")
_conversion("f32_to_f64", types.float32, types.float64, "fpext")
_conversion("f64_to_f32", types.float64, types.float32, "fptrunc")


def _i32_operation(name: str, operation: str) -> None:
    """int32 arithmetic that stays int32 (wrapping), where numba would widen to int64."""

    def typing(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, operation)(*args)

        return types.int32(types.int32, types.int32), codegen

    _means(name, typing)


_i32_operation("i32_add", "add")
_i32_operation("i32_sub", "sub")
_i32_operation("i32_and", "and_")
_i32_operation("i32_shift_left", "shl")
_i32_operation("i32_shift_right", "ashr")
