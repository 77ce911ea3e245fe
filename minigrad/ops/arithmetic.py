"""The operators of tensors, and elementwise functions with more arguments than a formula has."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.operators import as_operator, known, power
from minigrad.core.promotion import (
    NUMBERS,
    as_operand,
    cast,
    constant,
    promote,
    require_tensor,
    result_type,
)
from minigrad.core.public import PUBLIC, OpFunction, called, method, public
from minigrad.core.refusal import explain
from minigrad.core.samples import cases, pair, span
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops import elementwise as more
from minigrad.ops.batching import broadcasting
from minigrad.ops.guard import all_values, guarded
from minigrad.ops.inplace import write
from minigrad.ops.limits import iinfo

kernels = lazy("reduce")

_plus, _minus, _over = e.plus, e.minus, e.over


def _scaled(input: Any, other: Any, alpha: Any) -> Any:
    """``alpha * other``, of the type of `other`."""
    if alpha == 1:
        return other
    if isinstance(alpha, float) and not result_type(input, other).is_floating_point:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if isinstance(other, Tensor):
        return cast(e.mul(other, alpha), other.array.dtype)
    return other * alpha


@public(inplace=True)
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Element by element, ``input + alpha * other``."""
    return _plus(input, other if alpha == 1 else _scaled(input, other, alpha))


@public(inplace=True)
def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """Element by element, ``input - alpha * other``; of booleans there is no difference."""
    return _minus(input, _scaled(input, other, alpha))


_minus.op.refuses_booleans = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. Use the `^` or "
    "`logical_xor()` operator for two of them; to invert a mask, the `~` or `logical_not()` "
    "operator; to compute with it, convert it with .float() or .int()."
)


@public(inplace=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Element by element, ``input / other``.

    Rounded towards 0 with rounding_mode ``"trunc"``, down with ``"floor"``.
    """
    if rounding_mode is None:
        return _over(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    a, b = promote(_floor_divide.op, (input, other))
    if a.array.dtype.kind == "f":
        quotient = _over(a, b)
        return more.trunc(quotient) if rounding_mode == "trunc" else _floor_divide(a, b)
    _nonzero_divisor(a, b)
    return _floor_divide(a, b) if rounding_mode == "floor" else _trunc_divide((a, b))


def _integers(rng: np.random.Generator) -> Any:
    """Samples for operations on integers."""
    return (rng.integers(-9, 9, (3, 4)), rng.integers(1, 5, 4)), ()


def _on_integers(name: str, compute: Callable[..., Any], inputs: int = 2) -> OpFunction:
    """An operation without derivative, element by element."""
    return primitive(
        name, compute, inputs=inputs, batch=broadcasting,
        sample=cases(lambda rng: (_integers(rng)[0][:inputs], ())),
    )  # fmt: skip


def _towards_zero(a: Array, b: Array) -> Array:
    quotient = np.floor_divide(a, b)
    return np.asarray(quotient + ((quotient < 0) & (quotient * b != a)), a.dtype)


_trunc_divide = _on_integers("trunc_divide", lambda a, b: _towards_zero(a, b))


_floor_divide = elementwise(
    "floor_divide", lambda a, b: fx.floor(a / b), vjp=(lambda g: 0 * g, lambda g, b: 0 * g * b),
    sample=pair(first=(0.2, 0.9), second=(1, 3)), kind="promote", ufunc=np.floor_divide, exact=True,
    public=False, method=False,
)  # fmt: skip


@public(inplace=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """Element by element, the quotient rounded down."""
    return div(input, other, rounding_mode="floor")


def _nonzero_divisor(a: Tensor, b: Tensor) -> None:
    if a.array.dtype.kind != "f" and not all_values(b).all():
        raise RuntimeError("ZeroDivisionError")


@public(inplace=True)
def remainder(input: Any, other: Any) -> Tensor:
    """Element by element, Python's ``input % other``: the sign is that of `other`."""
    a, b = promote(more.mod.op, (input, other))
    _nonzero_divisor(a, b)
    return more.mod(a, b)


@public(inplace=True)
def fmod(input: Any, other: Any) -> Tensor:
    """Element by element, C's ``fmod``: the sign is that of `input`."""
    a, b = promote(more.fmod.op, (input, other))
    _nonzero_divisor(a, b)
    return more.fmod(a, b)


@public(inplace=True)
@guarded
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest whole number, halves to even; or to so many decimals."""
    if input.array.dtype.kind != "f":
        return input.clone()
    if decimals == 0:
        return more.rint(input)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return _over(more.rint(e.mul(input, scale)), scale)
    return e.mul(more.rint(_over(input, scale)), scale)


#: Powers that have an operation of their own, exact and vectorised.


@public(inplace=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """Element by element, ``input ** exponent``; either may be a number.

    Raises
    ------
    RuntimeError
        For integers to negative integer powers.
    """
    if isinstance(input, Tensor) and isinstance(exponent, (int, float)) and exponent != 0:
        if input.array.dtype.kind == "f":
            return power(input, exponent)
        if isinstance(exponent, int) and exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
    try:
        if (kind := result_type(input, exponent)).category == 1:
            y = _integer_power(input, exponent, kind.numpy)
            if y is not None:
                return y
        y = e.pow_tensors(input, exponent)
        if y.array.dtype == np.int8 and result_type(input, exponent).category == 0:
            return cast(y, np.dtype(bool))  # numpy computes powers of booleans as int8
        return y
    except RuntimeError as error:
        if "negative integer powers" in str(error):
            raise RuntimeError("Integers to negative integer powers are not allowed.") from None
        raise


def _integer_power(base: Any, exponent: Any, kind: np.dtype[Any]) -> Tensor | None:
    """Powers with negative exponents: 0, but for the bases 1 and -1; None if there are none."""
    powers = np.asarray(all_values(exponent) if isinstance(exponent, Tensor) else exponent)
    if not powers.size or powers.min() >= 0:
        return None
    operands = (x if isinstance(x, Tensor) else constant(x, kind) for x in (base, exponent))
    y: Tensor = _any_power(tuple(cast(x, kind) for x in operands))
    return y


def _whole_power(bases: Array, powers: Array) -> Array:
    positive = np.power(bases, np.maximum(powers, 0))
    sign = np.where(bases == -1, 1 - 2 * (powers & 1), 0)
    found = np.where(powers < 0, np.where(bases == 1, 1, sign), positive)
    return found.astype(bases.dtype)


_any_power = _on_integers("integer_pow", lambda a, b: _whole_power(a, b))


_function: Any
for _alias, _function in {
    "true_divide": div, "multiply": e.mul, "divide": div, "subtract": sub, "negative": e.neg,
    "absolute": e.abs, "fix": more.trunc, "greater": e.gt, "greater_equal": e.ge, "less": e.lt,
    "less_equal": e.le, "not_equal": e.ne,
}.items():  # fmt: skip
    public(_function, name=_alias, inplace=True)


@public(method=False)
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Elements of `input` where `condition` holds, of `other` elsewhere.

    With `condition` alone, the indices where it holds, one tensor per dimension.
    """
    if input is None and other is None:
        return PUBLIC["nonzero"](as_operand(condition, "where", 0), as_tuple=True)
    return e.choose(condition, input, other)


@method(name="where")
def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    return e.choose(condition, self, other)


# -- clamping ------------------------------------------------------------------------------------

_clamp = elementwise(
    "clamp_both", lambda x, low=-math.inf, high=math.inf: fx.minimum(fx.maximum(x, low), high),
    vjp=lambda g, x, low, high: fx.where((x >= low) & (x <= high), g, 0),
    sample=span(-3, 3, avoid=(-1, 1), params=(-1.0, 1.0)), kind="promote",
    public=False, method=False,
)  # fmt: skip


@public(inplace=True)
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Elements no lower than `min`, no higher than `max`; numbers, or tensors that broadcast."""
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        y = input if min is None else e.maximum(input, min)
        return y if max is None else e.minimum(y, max)
    dtype = result_type(input, *[b for b in (min, max) if b is not None])
    x = cast(input, dtype.numpy)
    if dtype.is_floating_point:
        low = -math.inf if min is None else float(min)
        high = math.inf if max is None else float(max)
    else:
        info = iinfo(dtype) if dtype.category else None
        lowest, highest = (info.min, info.max) if info else (0, 1)
        low, high = (
            default if bound is None else builtins.min(builtins.max(int(bound), lowest), highest)
            for bound, default in ((min, lowest), (max, highest))
        )
    return _clamp(x, low, high)


public(clamp, name="clip", inplace=True)


@public(inplace=True)
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Elements no lower than `min`."""
    return clamp(input, min=min)


@public(inplace=True)
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Elements no higher than `max`."""
    return clamp(input, max=max)


# -- logic ---------------------------------------------------------------------------------------


def _logical(name: str, ufunc: Any, text: str) -> Any:
    op = _on_integers(name, lambda a, b: np.asarray(ufunc(a, b)))

    @called(name, f"Element by element, whether {text} nonzero.")
    def function(input: Tensor, other: Any) -> Tensor:
        operands = (as_operand(input, name, 0), as_operand(other, name, 1))
        try:
            return op(operands)
        except ValueError as error:
            raise explain(name, operands, error) from None

    return public(function, inplace=True)


logical_and = _logical("logical_and", np.logical_and, "both are")
logical_or = _logical("logical_or", np.logical_or, "at least one is")
logical_xor = _logical("logical_xor", np.logical_xor, "exactly one is")


_not = _on_integers("logical_not", lambda x: np.asarray(np.logical_not(x)), 1)


@public(inplace=True)
def logical_not(input: Tensor) -> Tensor:
    """Element by element, whether it is zero."""
    return _not((input,))


def _as_kind(operands: tuple[Any, ...], kind: np.dtype[Any]) -> tuple[Tensor, ...]:
    return tuple([cast(x, kind) if isinstance(x, Tensor) else constant(x, kind) for x in operands])


def _bitwise(name: str, ufunc: Any) -> Any:
    op = _on_integers(name, lambda a, b: np.asarray(ufunc(a, b)))

    @called(name, f"Bit by bit, ``{name.removeprefix('bitwise_')}`` of integers or booleans.")
    def function(input: Any, other: Any) -> Tensor:
        require_tensor(name, (input, other))
        kind = result_type(input, other)
        if kind.is_floating_point:
            raise RuntimeError(
                f'"{name}" is not implemented for floating point tensors, got {kind}'
            )
        return op(_as_kind((input, other), kind.numpy))

    return public(function, inplace=True)


bitwise_and = _bitwise("bitwise_and", np.bitwise_and)
bitwise_or = _bitwise("bitwise_or", np.bitwise_or)
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor)


def _shift(name: str, ufunc: Any, text: str) -> Any:
    def compute(a: Array, b: Array) -> Array:
        bits = 8 * a.dtype.itemsize
        shifted = ufunc(a, np.clip(b, 0, bits - 1))
        out_of_range = (b < 0) | (b >= bits)  # numpy leaves open what shifting by all bits gives
        if name == "bitwise_right_shift" and a.dtype.kind == "i":
            return np.asarray(np.where(b < 0, ufunc(a, bits - 1), shifted), a.dtype)
        return np.asarray(np.where(out_of_range, 0, shifted), a.dtype)

    op = _on_integers(name, lambda a, b: compute(a, b))

    @called(name, f"Integers with their bits shifted {text}.")
    def function(input: Any, other: Any) -> Tensor:
        require_tensor(name, (input, other))
        kind = result_type(input, other)
        if kind.category != 1:
            raise NotImplementedError(f'"{name}" not implemented for {kind}: it takes integers')
        return op(_as_kind((input, other), kind.numpy))

    return public(function, inplace=True)


bitwise_left_shift = _shift("bitwise_left_shift", np.left_shift, "up: ``input * 2 ** other``")
bitwise_right_shift = _shift("bitwise_right_shift", np.right_shift, "down: ``input // 2 ** other``")


_invert = _on_integers("bitwise_not", lambda x: np.asarray(np.invert(x)), 1)


@public(inplace=True)
def bitwise_not(input: Tensor) -> Tensor:
    """Bit by bit, the complement of integers; the negation of booleans."""
    if input.array.dtype.kind == "f":
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return _invert((input,))


# -- operators -----------------------------------------------------------------------------------


def _in_place(function: Callable[[Any, Any], Tensor], name: str) -> Any:
    def operator(self: Tensor, other: Any) -> Any:
        if isinstance(other, NUMBERS):
            operand = known(other)
            return write(self, lambda x: function(x, operand), name)
        return NotImplemented

    return operator


for _name, _function in {
    "floordiv": floor_divide, "mod": remainder, "pow": pow, "and": bitwise_and, "or": bitwise_or,
    "xor": bitwise_xor, "lshift": bitwise_left_shift, "rshift": bitwise_right_shift,
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", as_operator(_function))
    setattr(Tensor, f"__r{_name}__", as_operator(_function, swap=True))
    setattr(Tensor, f"__i{_name}__", _in_place(_function, f"__i{_name}__"))
for _name, _function in {"add": _plus, "sub": sub, "mul": e.mul, "truediv": _over}.items():
    setattr(Tensor, f"__i{_name}__", _in_place(_function, f"__i{_name}__"))
setattr(Tensor, "__rsub__", as_operator(sub, swap=True))  # noqa: B010 - says what booleans lack
setattr(Tensor, "__rdiv__", getattr(Tensor, "__rtruediv__"))  # noqa: B009, B010
setattr(Tensor, "__invert__", bitwise_not)  # noqa: B010
setattr(Tensor, "__pos__", lambda self: self)  # noqa: B010
