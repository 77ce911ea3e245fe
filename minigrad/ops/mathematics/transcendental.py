"""Bessel functions, the normal distribution, incomplete gamma functions, Hurwitz's zeta.

Values come from `kernels.math.special`; the rules are written with tensors, so that derivatives of
any order exist. Most are offered in `minigrad.special`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.reduce import sum
from minigrad.core.promotion import as_operand, cast, promote, result_type
from minigrad.core.public import called, method, public
from minigrad.core.refusal import explain
from minigrad.core.samples import pair, span
from minigrad.core.tensor import Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import broadcasting, same
from minigrad.ops.guard import guarded
from minigrad.ops.inplace import write
from minigrad.ops.mathematics.special import _Binary, lgamma

__all__ = [
    "entr", "erfcx", "gammainc", "gammaincc", "i0", "i0e", "i1", "i1e", "log_ndtr", "multigammaln",
    "ndtr", "ndtri", "xlog1py", "zeta",
]  # fmt: skip

kernels = lazy("math.special")
OneNumber = Callable[[Tensor], Tensor]
TwoNumbers = Callable[[Any, Any], Tensor]
SQRT_HALF, SQRT_2PI = math.sqrt(0.5), math.sqrt(2 * math.pi)


def _unary(module: str, name: str, vjp: Any, sample: Any, text: str) -> OneNumber:
    """A function of one number with a kernel, for tensors of any type."""
    op = primitive(
        name, lambda x: kernels.of_one(module, name, x), vjp=vjp, batch=same, sample=sample,
        doc=text,
    )  # fmt: skip

    @called(name, f"Element by element, {text}")
    def function(input: Tensor) -> Tensor:
        x = as_operand(input, name, 0)
        if not x.dtype.is_floating_point:
            x = cast(x, dtypes.get_default_dtype().numpy)
        return op((x,))

    return function


def _binary(module: str, name: str, vjp: Any, sample: Any, text: str) -> TwoNumbers:
    """The same of two numbers; no gradient flows to the first."""
    like: Any = _Binary(name, "float")
    op = primitive(
        name, lambda a, b: kernels.of_two(module, name, a, b), vjp=(None, vjp), inputs=2,
        broadcasts=True, batch=broadcasting, sample=sample, doc=text,
    )  # fmt: skip

    @called(name, f"Element by element, {text}")
    def function(input: Any, other: Any) -> Tensor:
        operands = promote(like, (input, other))
        if operands[0].requires_grad:
            raise NotImplementedError(
                f"the derivative for '{name}' with respect to its first argument is not "
                "implemented; detach() it"
            )
        try:
            return op(operands)
        except ValueError as error:
            raise explain(name, operands, error) from None

    return function


# -- modified Bessel functions ---------------------------------------------------------------------


def _over_x(y: Tensor, x: Tensor) -> Tensor:
    """``I1(x) / x``, 1/2 at 0."""
    zero = x == 0
    return e.choose(zero, 0.5, y / e.choose(zero, 1.0, x))


i0: OneNumber = _unary(
    "bessel", "i0", lambda g, x: g * i1(x), span(-3, 3),
    "the modified Bessel function of the first kind of order 0.",
)  # fmt: skip
i0e: OneNumber = _unary(
    "bessel", "i0e", lambda g, x, y: g * (i1e(x) - e.sign(x) * y),
    span(-3, 3, avoid=(0,)), "``exp(-|x|) i0(x)``, which does not overflow.",
)  # fmt: skip
i1: OneNumber = _unary(
    "bessel", "i1", lambda g, x, y: g * (i0(x) - _over_x(y, x)), span(-3, 3),
    "the modified Bessel function of the first kind of order 1.",
)  # fmt: skip
i1e: OneNumber = _unary(
    "bessel", "i1e", lambda g, x, y: g * (i0e(x) - e.sign(x) * y - _over_x(y, x)),
    span(-3, 3, avoid=(0,)), "``exp(-|x|) i1(x)``, which does not overflow.",
)  # fmt: skip
public(i0, inplace=True)

# -- the normal distribution -----------------------------------------------------------------------

erfcx = _unary(
    "gauss", "erfcx", lambda g, x, y: g * (2 * x * y - 2 / math.sqrt(math.pi)), span(-2, 3),
    "``exp(x**2) erfc(x)``, which does not underflow.",
)  # fmt: skip
ndtr = _unary(
    "gauss", "ndtr", lambda g, x: g * e.exp(x * x * -0.5) / SQRT_2PI, span(-3, 3),
    "the share of a standard normal distribution below it.",
)  # fmt: skip
log_ndtr = _unary(
    "gauss", "log_ndtr", lambda g, x: g / erfcx(x * -SQRT_HALF) * math.sqrt(2 / math.pi),
    span(-6, 2), "the logarithm of ndtr, without underflow.",
)  # fmt: skip
ndtri = _unary(
    "gauss", "ndtri", lambda g, y: g * e.exp(y * y * 0.5) * SQRT_2PI, span(0.1, 0.9),
    "the inverse of ndtr.",
)  # fmt: skip

# -- entropies -------------------------------------------------------------------------------------

entr = elementwise(
    "entr",
    lambda x: fx.where(
        fx.isnan(x), x, fx.where(x > 0, -x * fx.log(x), fx.where(x == 0, 0 * x, -math.inf))
    ),
    vjp=lambda g, x: g * (-1 - fx.log(x)), sample=span(0.2, 3), public=False, method=False,
    doc="``-x log(x)``, 0 at 0 and -inf below.",
)  # fmt: skip
xlog1py = elementwise(
    "xlog1py", lambda a, b: fx.where(fx.isnan(b), b, fx.where(a == 0, 0, a * fx.log1p(b))),
    vjp=(
        lambda g, a, b: fx.where((a == 0) & (b <= -1), 0, g * fx.log1p(b)),
        lambda g, a, b: g * a / (b + 1),
    ),
    sample=pair(first=(0.2, 3), second=(-0.5, 3)), public=False, method=False,
    doc="``a * log1p(b)``, and 0 where a is 0.",
)  # fmt: skip

# -- gamma functions -------------------------------------------------------------------------------


def _density(g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The derivative of the lower function: ``b**(a - 1) exp(-b) / gamma(a)``."""
    return g * e.exp((a - 1) * e.log(b) - b - lgamma(a))


gammainc = _binary(
    "gamma", "gammainc", lambda g, a, b: _density(g, a, b), pair(first=(0.5, 4), second=(0.3, 4)),
    "the regularized lower incomplete gamma function: the integral of ``t**(a - 1) exp(-t)`` from "
    "0 to b, over ``gamma(a)``. Its gradient is that in b.",
)  # fmt: skip
gammaincc = _binary(
    "gamma", "gammaincc", lambda g, a, b: -_density(g, a, b), pair(first=(0.5, 4), second=(0.3, 4)),
    "the regularized upper incomplete gamma function: the integral from b on. Its gradient is that "
    "in b.",
)  # fmt: skip
zeta: TwoNumbers = _binary(
    "gamma", "zeta", lambda g, a, b: -g * a * zeta(a + 1, b),
    pair(first=(1.5, 4), second=(0.5, 4)),
    "Hurwitz's zeta function, the sum of ``(b + k)**-a`` over k = 0, 1, ... Its gradient is that "
    "in b.",
)  # fmt: skip
public(gammainc, name="igamma", inplace=True)
public(gammaincc, name="igammac", inplace=True)


@guarded
def multigammaln(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension `p`.

    ``log(pi) p (p - 1) / 4`` and the sum of ``lgamma(x - j / 2)`` over j = 0, ..., p - 1.

    Raises
    ------
    RuntimeError
        If `p` is less than 1.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.special.multigammaln(mg.tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    if p < 1:
        raise RuntimeError("mvlgamma: p has to be greater than or equal to 1")
    x = cast(input, result_type(input, 1.0).numpy)
    shifts = given((np.arange(p) * -0.5).astype(x.array.dtype))
    return sum(lgamma(x.unsqueeze(-1) + shifts), -1) + p * (p - 1) / 4 * math.log(math.pi)


@public
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """As :func:`minigrad.special.multigammaln`."""
    return multigammaln(input, p)


@method
def mvlgamma_(self: Tensor, p: int) -> Tensor:
    """In-place form of :func:`mvlgamma`."""
    return write(self, lambda x: multigammaln(x, p), "mvlgamma_")
