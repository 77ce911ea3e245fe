"""Functions element by element: minigrad's, on operands in the type that the standard wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.run.quiet import call_quietly
from minigrad.ops.functions import PUBLIC, cast
from minigrad.ops.index import recorded
from minigrad.tensor import Tensor
from minigrad.xp._array import Array, as_tensor, wrap
from minigrad.xp._dtypes import as_float, number_as, together

__all__: list[str] = []

Function = Callable[..., Array]


def _offer(function: Any, name: str, text: str) -> Function:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    __all__.append(name)
    return function  # type: ignore[no-any-return]


# -- one operand -----------------------------------------------------------------------------------


def _unary(name: str, known: str = "", wants_float: bool = False, whole: bool = False) -> Function:
    compute = PUBLIC[known or name]

    def function(x: Any, /) -> Array:
        t = as_tensor(x, name)
        if whole and not t.dtype.is_floating_point:
            return wrap(PUBLIC["clone"](t))  # integers are whole already
        return wrap(compute(as_float(t) if wants_float else t), x)

    return _offer(function, name, f"Element by element, :func:`minigrad.{known or name}`.")


acos, acosh, asin, asinh, atan, atanh, cos, cosh, exp, expm1, log, log10, log1p, log2 = (
    _unary(name, wants_float=True)
    for name in (
        "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log",
        "log10", "log1p", "log2",
    )
)  # fmt: skip
reciprocal, sin, sinh, sqrt, tan, tanh = (
    _unary(name, wants_float=True) for name in ("reciprocal", "sin", "sinh", "sqrt", "tan", "tanh")
)
ceil, floor, round, trunc = (_unary(n, whole=True) for n in ("ceil", "floor", "round", "trunc"))
isfinite, isinf, isnan, logical_not = (
    _unary(name) for name in ("isfinite", "isinf", "isnan", "logical_not")
)
abs = _unary("abs")
bitwise_invert = _unary("bitwise_invert", "bitwise_not")
negative = _unary("negative", "neg")
square = _unary("square")


def _sign(x: Any, /) -> Array:
    t = as_tensor(x, "sign")
    if t.dtype.is_floating_point:
        missing = np.isnan(t.array)
        signs = PUBLIC["sign"](t)  # PyTorch's sign of NaN is 0, the standard's NaN
        return wrap(
            PUBLIC["where"](Tensor(np.asarray(missing)), t, signs) if missing.any() else signs
        )
    return wrap(Tensor(np.asarray(np.sign(t.array), t.array.dtype)))


sign = _offer(_sign, "sign", "Element by element, -1, 0 or 1.")


def _signbit(x: Any, /) -> Array:
    return wrap(Tensor(np.asarray(np.signbit(as_tensor(x, "signbit").array))))


signbit = _offer(_signbit, "signbit", "Element by element, whether the sign bit is set.")


def _identity(name: str) -> Function:
    def function(x: Any, /) -> Array:
        return wrap(PUBLIC["clone"](as_tensor(x, name)))

    return _offer(function, name, "Element by element, the same: there are no complex numbers.")


conj, positive, real = (_identity(name) for name in ("conj", "positive", "real"))


def _imag(x: Any, /) -> Array:
    kind = as_tensor(x, "imag").dtype
    raise TypeError(f"imag() takes complex numbers, which minigrad has none of; got {kind}")


imag = _offer(_imag, "imag", "Refused: there are no complex numbers.")

# -- two operands ----------------------------------------------------------------------------------


def _binary(name: str, known: str = "", wants_float: bool = False) -> Function:
    compute = PUBLIC[known or name]

    def function(x1: Any, x2: Any, /) -> Array:
        a, b = together(x1, x2, name)
        if wants_float:
            a, b = as_float(a), as_float(b)
        return wrap(compute(a, b), x1, x2)

    return _offer(function, name, f"Element by element, :func:`minigrad.{known or name}`.")


add = _binary("add")
subtract = _binary("subtract", "sub")
multiply = _binary("multiply", "mul")
divide = _binary("divide", "div", wants_float=True)
atan2, copysign, hypot, logaddexp, nextafter = (
    _binary(name, wants_float=True)
    for name in ("atan2", "copysign", "hypot", "logaddexp", "nextafter")
)
equal, greater, greater_equal, less, less_equal, not_equal = (
    _binary(name, known)
    for name, known in (
        ("equal", "eq"), ("greater", "gt"), ("greater_equal", "ge"), ("less", "lt"),
        ("less_equal", "le"), ("not_equal", "ne"),
    )
)  # fmt: skip
logical_and, logical_or, logical_xor, maximum, minimum = (
    _binary(name) for name in ("logical_and", "logical_or", "logical_xor", "maximum", "minimum")
)
bitwise_and, bitwise_or, bitwise_xor, bitwise_left_shift, bitwise_right_shift = (
    _binary(name)
    for name in (
        "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift",
    )
)  # fmt: skip


def _pow(x1: Any, x2: Any, /) -> Array:
    a, b = together(x1, x2, "pow")
    if a.dtype.is_floating_point:
        if b.array.size == 1 and _size_of(b.array) == 0.5:
            a = _without_negative_limits(a)
        if isinstance(x2, (int, float)):
            return wrap(PUBLIC["pow"](a, x2), x1)  # squares and roots have a quicker way
    return wrap(PUBLIC["pow"](a, b), x1, x2)


def _size_of(x: np.ndarray[Any, Any]) -> float:
    """The absolute value of the only element."""
    return float(np.abs(x).item())


def _without_negative_limits(a: Tensor) -> Tensor:
    """-inf and -0 as inf and 0: their square roots are NaN and -0, their powers 0.5 are not."""
    x = a.array
    wrong = np.asarray((x == -np.inf) | ((x == 0) & np.signbit(x)))
    return PUBLIC["where"](Tensor(wrong), PUBLIC["neg"](a), a) if wrong.any() else a


pow = _offer(_pow, "pow", "Element by element, ``x1 ** x2``.")


def _exact(ufunc: Any, name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Numpy's where no derivative is wanted: its NaN, infinities and signs are the standard's."""

    def compute(a: Tensor, b: Tensor) -> Tensor:
        if recorded(a, b) or a.array.dtype.kind != "f":
            return PUBLIC[name](a, b)  # type: ignore[no-any-return]
        return Tensor(np.asarray(call_quietly(ufunc, a.array, b.array)))

    return compute


_remainder = _exact(np.remainder, "remainder")
_floor_divide = _exact(np.floor_divide, "floor_divide")


def _remainder_function(x1: Any, x2: Any, /) -> Array:
    return wrap(_remainder(*together(x1, x2, "remainder")), x1, x2)


remainder = _offer(
    _remainder_function, "remainder", "Element by element, ``x1 % x2`` with the sign of `x2`."
)


def _floor_divide_function(x1: Any, x2: Any, /) -> Array:
    a, b = together(x1, x2, "floor_divide")
    quotient = _floor_divide(a, b)
    if a.array.dtype.kind == "f":
        infinite = np.asarray(np.isinf(a.array) | np.isinf(b.array))
        if infinite.any():  # numpy says NaN or -1 where the standard says inf or -0
            quotient = PUBLIC["where"](Tensor(infinite), PUBLIC["div"](a, b), quotient)
    return wrap(quotient, x1, x2)


floor_divide = _offer(
    _floor_divide_function, "floor_divide", "Element by element, the quotient rounded down."
)

# -- three -----------------------------------------------------------------------------------------


def clip(x: Any, /, min: Any = None, max: Any = None) -> Array:
    """Elements no lower than `min`, no higher than `max`: numbers, or arrays that broadcast.

    The result is of the type of `x`.

    Raises
    ------
    TypeError
        For bounds of floating point numbers of an integer array.
    """
    t = as_tensor(x, "clip")
    low, high = (_bound(b, t) for b in (min, max))
    if low is not None:
        t = PUBLIC["maximum"](t, low)
    if high is not None:
        t = PUBLIC["minimum"](t, high)
    return wrap(PUBLIC["clone"](t) if t is x else t)


def _bound(bound: Any, t: Tensor) -> Tensor | None:
    if bound is None:
        return None
    if isinstance(bound, Tensor):
        if bound.dtype.category > t.dtype.category:
            raise TypeError(f"clip(): a bound is {bound.dtype}, and the array is {t.dtype}")
        if t.dtype.category == 1:  # saturate where the bound is out of range
            info = np.iinfo(t.array.dtype)
            wide = bound.array.astype(object) if bound.array.size else bound.array
            return Tensor(np.asarray(np.clip(wide, info.min, info.max)).astype(t.array.dtype))
        return cast(bound, t.array.dtype)
    if t.dtype.category == 1:
        if isinstance(bound, float):
            raise TypeError(f"clip(): a bound is the number {bound}, and the array is {t.dtype}")
        info = np.iinfo(t.array.dtype)
        return number_as(sorted((int(info.min), bound, int(info.max)))[1], t.dtype)
    return number_as(bound, t.dtype)


__all__ += ["clip"]
