"""Functions element by element: minigrad's, on operands in the type that the standard wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Tensor
from minigrad.ops.index import recorded
from minigrad.xp._array import Array, as_tensor, wrap
from minigrad.xp._dtypes import as_float, number_as, together

Function = Callable[..., Any]

#: The functions, by name.
FUNCTIONS: dict[str, Function] = {}

# -- one operand -----------------------------------------------------------------------------------

#: What is an operation of the same name, or of the name behind "=".
_UNARY = """
    abs acos acosh asin asinh atan atanh bitwise_invert=bitwise_not ceil cos cosh exp expm1 floor
    isfinite isinf isnan log log10 log1p log2 logical_not negative=neg reciprocal round signbit sin
    sinh sqrt square tan tanh trunc
"""
_BINARY = """
    add subtract=sub multiply=mul equal=eq not_equal=ne greater=gt greater_equal=ge less=lt
    less_equal=le logical_and logical_or logical_xor maximum minimum bitwise_and bitwise_or
    bitwise_xor bitwise_left_shift bitwise_right_shift
"""
#: Those that compute integers as the default floating point type.
_BINARY_OF_FLOATS = "divide=div atan2 copysign hypot logaddexp nextafter"


def _offer(name: str, text: str, function: Function) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    function.__module__ = "minigrad.xp"  # here their names are Python's own
    FUNCTIONS[name] = function


def _unary(name: str, compute: Function, text: str) -> None:
    _offer(name, text, lambda x, /: wrap(compute(as_tensor(x, name)), x))


def _binary(name: str, compute: Function, text: str, wants_float: bool = False) -> None:
    def function(x1: Any, x2: Any, /) -> Array:
        a, b = together(x1, x2, name)
        if wants_float:
            a, b = as_float(a), as_float(b)
        return wrap(compute(a, b), x1, x2)

    _offer(name, text, function)


for _word in _UNARY.split():
    _name, _, _known = _word.partition("=")
    _known = _known or _name
    _unary(_name, PUBLIC[_known], f"Element by element, :func:`minigrad.{_known}`.")
for _word in (*_BINARY.split(), *_BINARY_OF_FLOATS.split()):
    _name, _, _known = _word.partition("=")
    _known = _known or _name
    _text = f"Element by element, :func:`minigrad.{_known}`."
    _binary(_name, PUBLIC[_known], _text, _word in _BINARY_OF_FLOATS.split())
for _name in ("conj", "positive", "real"):
    _text = "Element by element, the same: there are no complex numbers."
    _unary(_name, PUBLIC["clone"], _text)


def _sign(x: Tensor) -> Any:
    """PyTorch's sign of NaN is 0, the standard's NaN."""
    signs = PUBLIC["sign"](x)
    return PUBLIC["where"](PUBLIC["isnan"](x), x, signs) if x.dtype.is_floating_point else signs


def _imag(x: Tensor) -> Any:
    raise TypeError(f"imag() takes complex numbers, which minigrad has none of; got {x.dtype}")


_unary("sign", _sign, "Element by element, -1, 0 or 1.")
_unary("imag", _imag, "Refused: there are no complex numbers.")

# -- two operands ----------------------------------------------------------------------------------


def _pow(x1: Any, x2: Any, /) -> Array:
    a, b = together(x1, x2, "pow")
    if a.dtype.is_floating_point:
        if b.array.size == 1 and abs(b.array.item()) == 0.5:
            a = _without_negative_limits(a)
        if isinstance(x2, (int, float)):
            return wrap(PUBLIC["pow"](a, x2), x1)  # squares and roots have a quicker way
    return wrap(PUBLIC["pow"](a, b), x1, x2)


def _without_negative_limits(a: Tensor) -> Tensor:
    """-inf and -0 as inf and 0: their square roots are NaN and -0, their powers 0.5 are not."""
    x = a.array
    wrong = np.asarray((x == -np.inf) | ((x == 0) & np.signbit(x)))
    return PUBLIC["where"](Tensor(wrong), PUBLIC["neg"](a), a) if wrong.any() else a


def _exact(ufunc: Any, name: str) -> Callable[[Tensor, Tensor], Any]:
    """Numpy's where no derivative is wanted: its NaN, infinities and signs are the standard's."""

    def compute(a: Tensor, b: Tensor) -> Any:
        if recorded(a, b) or a.array.dtype.kind != "f":
            return PUBLIC[name](a, b)
        return Tensor(np.asarray(call_quietly(ufunc, a.array, b.array)))

    return compute


_numpy_floor_divide = _exact(np.floor_divide, "floor_divide")


def _floor_divide(a: Tensor, b: Tensor) -> Any:
    quotient = _numpy_floor_divide(a, b)
    if a.array.dtype.kind == "f":
        infinite = np.asarray(np.isinf(a.array) | np.isinf(b.array))
        if infinite.any():  # numpy says NaN or -1 where the standard says inf or -0
            quotient = PUBLIC["where"](Tensor(infinite), PUBLIC["div"](a, b), quotient)
    return quotient


_offer("pow", "Element by element, ``x1 ** x2``.", _pow)
_text = "Element by element, ``x1 % x2`` with the sign of `x2`."
_binary("remainder", _exact(np.remainder, "remainder"), _text)
_binary("floor_divide", _floor_divide, "Element by element, the quotient rounded down.")

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


_offer("clip", str(clip.__doc__), clip)
