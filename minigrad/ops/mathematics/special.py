"""Elementwise functions beyond those of `elementwise`: numpy computes them, rules differentiate.

They are less common than those that have fused kernels, and some (``erfinv``, ``digamma``) have no
short formula but a kernel of their own, see `kernels.math.special`. Their rules are written with
tensors, so they have derivatives of any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.core import dtypes
from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.plain import Plain, plain
from minigrad.core.promotion import as_operand, cast, constant, promote, require_tensor, result_type
from minigrad.core.public import OpFunction, called, method, named, public
from minigrad.core.quiet import call_quietly
from minigrad.core.refusal import explain
from minigrad.core.samples import pair, span
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.arithmetic import add, div, sub
from minigrad.ops.batching import broadcasting, same
from minigrad.ops.elementwise import trunc
from minigrad.ops.guard import guarded
from minigrad.ops.inplace import write
from minigrad.ops.shape import broadcast_tensors

kernels = lazy("math.special")
LN2 = math.log(2)

# -- declarations ----------------------------------------------------------------------------------


def _unary(name: str, compute: Callable[..., Any], vjp: Any, sample: Any, text: str) -> Any:
    op = primitive(
        name,
        lambda x: np.asarray(call_quietly(compute, x), x.dtype),
        vjp=vjp,
        batch=same,
        sample=sample,
        doc=text,
    )

    @called(name, f"Element by element, {text}.")
    def function(input: Tensor) -> Tensor:
        x = as_operand(input, name, 0)
        if x.array.dtype.kind != "f":
            x = cast(x, dtypes.get_default_dtype().numpy)
        return op((x,))

    return public(function, inplace=True)


class _Binary:
    """What promotion and messages need to know about an operation of two operands."""

    flags = 0

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind


def _binary(
    name: str, compute: Callable[..., Any], vjp: Any, sample: Any, text: str, kind: str = "float"
) -> Any:
    like: Any = _Binary(name, kind)
    op = primitive(
        name, lambda a, b: np.asarray(call_quietly(compute, a, b)), vjp=vjp, sample=sample,
        inputs=2, broadcasts=True, batch=broadcasting, doc=text,
    )  # fmt: skip

    @called(name, f"Element by element, {text}.")
    def function(input: Tensor, other: Any) -> Tensor:
        operands = promote(like, (input, other))
        try:
            return op(operands)
        except ValueError as error:
            raise explain(name, operands, error) from None

    return public(function, inplace=True)


def _sinh_grad(g: Tensor, x: Tensor) -> Tensor:
    return g * named("cosh")(x)


def _lgamma_grad(g: Tensor, x: Tensor) -> Tensor:
    return g * named("digamma")(x)


def _polygamma_grad(g: Tensor, x: Tensor, n: int) -> Tensor:
    return g * named("polygamma")(n + 1, x)


def _digamma_grad(g: Tensor, x: Tensor) -> Tensor:
    return _polygamma_grad(g, x, 0)


# -- inverse and hyperbolic functions --------------------------------------------------------------

asin = _unary(
    "asin", np.arcsin, lambda g, x: g * e.rsqrt(1 - x * x), span(-0.9, 0.9), "the arc sine"
)
acos = _unary(
    "acos", np.arccos, lambda g, x: -g * e.rsqrt(1 - x * x), span(-0.9, 0.9), "the arc cosine"
)
atan = _unary("atan", np.arctan, lambda g, x: g / (1 + x * x), span(-3, 3), "the arc tangent")
sinh = _unary("sinh", np.sinh, _sinh_grad, span(-3, 3), "the hyperbolic sine")
cosh = _unary("cosh", np.cosh, lambda g, x: g * sinh(x), span(-3, 3), "the hyperbolic cosine")
asinh = _unary(
    "asinh", np.arcsinh, lambda g, x: g * e.rsqrt(x * x + 1), span(-3, 3), "the inverse of sinh"
)
acosh = _unary(
    "acosh", np.arccosh, lambda g, x: g * e.rsqrt(x * x - 1), span(1.2, 4), "the inverse of cosh"
)
atanh = _unary(
    "atanh", np.arctanh, lambda g, x: g / (1 - x * x), span(-0.9, 0.9), "the inverse of tanh"
)
log2 = _unary("log2", np.log2, lambda g, x: g / (x * LN2), span(0.3, 4), "the logarithm to base 2")
log10 = _unary(
    "log10", np.log10, lambda g, x: g / (x * math.log(10)), span(0.3, 4), "the logarithm to base 10"
)
exp2 = _unary("exp2", np.exp2, lambda g, y: g * y * LN2, span(-3, 3), "2 to the power of it")
for _name in ("asin", "acos", "atan", "asinh", "acosh", "atanh"):
    public(globals()[_name], name=_name.replace("a", "arc", 1), inplace=True)


def _sinc_grad(g: Tensor, x: Tensor) -> Tensor:
    zero = x == 0
    z = e.choose(zero, 1.0, x) * math.pi
    slope = (z * e.cos(z) - e.sin(z)) / (z * z) * math.pi
    return g * e.choose(zero, x * (-(math.pi**2) / 3), slope)


sinc = _unary("sinc", np.sinc, _sinc_grad, span(-2, 2), "``sin(pi x) / (pi x)``, 1 at 0")

# -- error and gamma functions ---------------------------------------------------------------------


def _kernel(module: str, name: str) -> Callable[[Array], Array]:
    return lambda x: kernels.of_one(module, name, x)


erfc = _unary(
    "erfc", _kernel("gauss", "erfc"), lambda g, x: -g * (2 / math.sqrt(math.pi)) * e.exp(-x * x),
    span(-3, 3), "``1 - erf(x)``, exact where that is small",
)  # fmt: skip
erfinv = _unary(
    "erfinv", _kernel("gauss", "erfinv"),
    lambda g, y: g * (math.sqrt(math.pi) / 2) * e.exp(y * y), span(-0.9, 0.9), "the inverse of erf",
)  # fmt: skip

lgamma = _unary(
    "lgamma", _kernel("gamma", "lgamma"), _lgamma_grad, span(0.3, 4),
    "the logarithm of the gamma function",
)  # fmt: skip
digamma = _unary(
    "digamma", _kernel("gamma", "digamma"), _digamma_grad, span(0.3, 4),
    "the derivative of lgamma",
)  # fmt: skip
_polygamma = primitive(
    "polygamma",
    lambda x, n: kernels.of_two("gamma", "polygamma", np.asarray(n, x.dtype), x),
    vjp=_polygamma_grad, batch=same,
    sample=span(0.5, 4, params=(1,)), doc="The n-th derivative of digamma.",
)  # fmt: skip


@public(method=False)
@guarded
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of :func:`digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    x = cast(input, result_type(input, 1.0).numpy)
    return digamma(x) if n == 0 else _polygamma((x,), (n,))


@method(name="polygamma")
def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The `n`-th derivative of :func:`digamma` at the elements."""
    return polygamma(n, self)


@method
def polygamma_(self: Tensor, n: int) -> Tensor:
    """In-place form of :func:`polygamma`."""
    return write(self, lambda x: polygamma(n, x), "polygamma_")


# -- two operands ----------------------------------------------------------------------------------

atan2 = _binary(
    "atan2", np.arctan2,
    (lambda g, a, b: g * b / (a * a + b * b), lambda g, a, b: -g * a / (a * a + b * b)),
    pair(second=(0.3, 3)), "the angle of the point ``(other, input)``",
)  # fmt: skip
public(atan2, name="arctan2", inplace=True)
hypot = _binary(
    "hypot", np.hypot, (lambda g, a, y: g * (a / y), lambda g, b, y: g * (b / y)),
    pair(first=(0.3, 3)), "``sqrt(input**2 + other**2)`` without overflow",
)  # fmt: skip
copysign = _binary(
    "copysign", np.copysign,
    (lambda g, a, y: e.choose(a == 0, 0.0, g * (y / e.choose(a == 0, 1.0, a))), lambda g: g * 0),
    pair(first=(0.3, 3), second=(0.3, 3)), "the size of `input` with the sign of `other`",
)  # fmt: skip
fmax = _binary(
    "fmax", np.fmax,
    (
        lambda g, a, b: e.choose(e.ge(a, b) | e.isnan(b), g, 0.0),
        lambda g, a, b: e.choose(e.ge(a, b) | e.isnan(b), 0.0, g),
    ),
    pair(apart=0.1), "the larger one, or the one that is not NaN", kind="promote",
)  # fmt: skip
fmin = _binary(
    "fmin", np.fmin,
    (
        lambda g, a, b: e.choose(e.le(a, b) | e.isnan(b), g, 0.0),
        lambda g, a, b: e.choose(e.le(a, b) | e.isnan(b), 0.0, g),
    ),
    pair(apart=0.1), "the smaller one, or the one that is not NaN", kind="promote",
)  # fmt: skip
logaddexp2 = _binary(
    "logaddexp2", np.logaddexp2,
    (lambda g, a, y: g * exp2(a - y), lambda g, b, y: g * exp2(b - y)),
    pair(), "``log2(2**input + 2**other)`` without overflow",
)  # fmt: skip
logaddexp = elementwise(
    "logaddexp",
    lambda a, b: fx.where(a == b, a + LN2, fx.maximum(a, b) + fx.log1p(fx.exp(-fx.abs(a - b)))),
    vjp=(
        lambda g, a, b: fx.where(a == b, g / 2, g * fx.sigmoid(a - b)),
        lambda g, a, b: fx.where(a == b, g / 2, g * fx.sigmoid(b - a)),
    ),
    sample=pair(), doc="``log(exp(a) + exp(b))`` without overflow.",
)  # fmt: skip
xlogy = elementwise(
    "xlogy", lambda a, b: fx.where(fx.isnan(b), b, fx.where(a == 0, 0, a * fx.log(b))),
    vjp=(
        lambda g, a, b: fx.where((a == 0) & (b <= 0), 0, g * fx.log(b)),
        lambda g, a, b: g * a / b,
    ),
    sample=pair(first=(0.2, 3), second=(0.3, 3)), doc="``a * log(b)``, and 0 where a is 0.",
)  # fmt: skip


@public
def float_power(input: Any, exponent: Any) -> Tensor:
    """Element by element, ``input ** exponent`` in float64."""
    require_tensor("float_power", (input, exponent))
    wide = np.dtype(np.float64)
    base, power = (cast(x, wide) if isinstance(x, Tensor) else float(x) for x in (input, exponent))
    return base**power


@method
def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place form of :func:`float_power`, of float64 tensors."""
    if self.array.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype.name} but the operation's "
            "result requires dtype float64"
        )
    return write(self, lambda x: float_power(x, exponent), "float_power_")


@public(inplace=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """Element by element, ``input * 2 ** other``."""
    return e.mul(input, exp2(other))


@plain
def _step(x: Array, v: Array) -> Array:
    return np.asarray(np.where(x == 0, v, x > 0)).astype(x.dtype)


@public(inplace=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, `values` at 0."""
    _second_tensor("heaviside", "values", values)
    if input.array.dtype != values.array.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return _step(tuple(broadcast_tensors(input, values)))


def _second_tensor(name: str, word: str, other: Any) -> None:
    if not isinstance(other, Tensor):
        raise TypeError(
            f"{name}(): argument '{word}' (position 2) must be Tensor, not {type(other).__name__}"
        )


def _plain(name: str, compute: Any, kinds: str, text: str) -> Any:
    op = Plain(compute, name=name)

    @called(name, f"Element by element, {text}.")
    def function(input: Tensor, other: Tensor) -> Tensor:
        _second_tensor(name, "other", other)
        kind = result_type(input, other)
        if kind.numpy.kind not in kinds:
            raise NotImplementedError(f'"{name}" not implemented for {kind}')
        return op(tuple(cast(x, kind.numpy) for x in (input, other)))

    return public(function, inplace=True)


gcd = _plain("gcd", np.gcd, "iu", "the greatest common divisor")
lcm = _plain("lcm", np.lcm, "iu", "the least common multiple")
_nextafter = _binary(
    "nextafter", np.nextafter, (lambda g, a, b: e.choose(e.eq(a, b), 0.0, g), lambda g: g * 0),
    pair(apart=0.1), "the next number after `input` towards `other`", kind="promote",
)  # fmt: skip


@public(inplace=True)
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """Element by element, the next number after `input` towards `other`."""
    _second_tensor("nextafter", "other", other)
    kind = result_type(input, other)
    if not kind.is_floating_point:
        raise NotImplementedError(f'"nextafter" not implemented for {kind}')
    return _nextafter(input, other)  # type: ignore[no-any-return]


@public(inplace=True)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``."""
    product = e.mul(tensor1, tensor2)
    if isinstance(value, float) and not result_type(input, product).is_floating_point:
        value = int(value)  # as PyTorch has it
    return add(input, product, alpha=value)


@public(inplace=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``."""
    if not any(x.array.dtype.kind == "f" for x in (tensor1, tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported: convert the tensors with "
            ".float()"
        )
    return add(input, div(tensor1, tensor2), alpha=value)


@public
def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)


# -- parts of a number -----------------------------------------------------------------------------


@public(inplace=True)
def frac(input: Tensor) -> Tensor:
    """The part after the point, with the sign of the number."""
    return sub(input, trunc(input))


@public(inplace=True)
@guarded
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(x / (1 - x))``, the inverse of sigmoid; with `eps`, of x between eps and 1 - eps."""
    x = cast(input, result_type(input, 1.0).numpy)
    if eps is not None:
        x = x.clamp(eps, 1 - eps)
    return e.log(div(x, 1 - x))


@public(inplace=True)
def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """NaN and infinities as numbers: by default 0 and the largest there are."""
    if input.array.dtype.kind != "f":
        return input.clone()
    info = np.finfo(input.array.dtype)
    values = (
        (e.isnan(input), 0.0 if nan is None else nan),
        (e.eq(input, math.inf), float(info.max) if posinf is None else posinf),
        (e.eq(input, -math.inf), float(info.min) if neginf is None else neginf),
    )
    y = input
    for where, value in values:
        y = e.choose(where, float(value), y)
    return y


@public
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    if input.array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@public(inplace=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians."""
    return e.mul(input, math.pi / 180)


@public(inplace=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees."""
    return e.mul(input, 180 / math.pi)


@plain
def _negative(x: Array) -> Array:
    return np.signbit(x) if x.dtype.kind == "f" else x < 0


@public
def signbit(input: Tensor) -> Tensor:
    """Element by element, whether it is negative (-0.0 is)."""
    return _negative((input,))


public(e.sign, name="sgn", inplace=True)


@public
def real(input: Tensor) -> Tensor:
    """The tensor itself: there are no complex numbers."""
    return input


public(real, name="conj")


@public
def angle(input: Tensor) -> Tensor:
    """The angle to the positive half-line: 0, pi for negative numbers, NaN for NaN."""
    x = as_operand(input, "angle", 0)
    if x.array.dtype.kind != "f":
        x = cast(x, dtypes.get_default_dtype().numpy)
    zero = constant(0.0, x.array.dtype)
    return e.choose(e.isnan(x), x, e.choose(e.lt(x, 0), math.pi, zero))


_frexp: OpFunction = primitive(
    "frexp", lambda x: tuple(np.frexp(x)), results=2, batch=same,
    vjp=lambda g, x: None if g[0] is None else g[0] * exp2(-_frexp((x,))[1].to(x.dtype)),
    sample=span(0.6, 0.9), doc="A number between 1/2 and 1 in size, and the power of 2 beside it.",
)  # fmt: skip


class Frexp(NamedTuple):
    """``mantissa * 2**exponent``."""

    mantissa: Tensor
    exponent: Tensor


@public
def frexp(input: Tensor) -> Frexp:
    """``(mantissa, exponent)`` with ``input = mantissa * 2**exponent`` and a mantissa between 1/2
    and 1 in size.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.frexp(mg.tensor([12.0]))
    Frexp(mantissa=tensor([0.7500]), exponent=tensor([4], dtype=minigrad.int32))
    """
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"frexp() only supports floating-point dtypes, got {input.dtype}")
    return Frexp(*_frexp((input,)))
