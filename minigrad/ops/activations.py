"""Activations: one declaration each makes the operation, ``nn.functional.name`` and the module.

    @activation(
        vjp=lambda g, x: g / (1 + fx.abs(x)) ** 2, sample=span(-3, 3), module="Softsign",
        inplace=False,
    )
    def softsign(x):
        "``x / (1 + |x|)``."
        return x / (1 + fx.abs(x))

The formula is the function, its parameters are those with a default, and its text is that of all
three. relu, sigmoid and tanh are declared in `core.ops.elementwise`. At a kink the derivative is
that of the flat side where there is one, as in PyTorch; the tests name each point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise
from minigrad.core.public import OpFunction
from minigrad.core.samples import Sampler, pair, span

__all__ = ["Activation", "activation", "follow", "offer"]

SQRT_HALF = math.sqrt(0.5)
RSQRT_2PI = 1 / math.sqrt(2 * math.pi)


class Activation(NamedTuple):
    """An operation that `nn` has a function and a module of.

    Attributes
    ----------
    op : callable
        The function of the operation, without ``inplace``.
    module : str
        The name of the class.
    text : str
        The docstring.
    inplace : bool
        Whether there is an argument for writing over the input.
    underscore : bool
        Whether `nn.functional` has ``name_``, too.
    check : callable, optional
        Called with the parameters; raises for those that make no sense.
    shown : str, optional
        The text of the module between parentheses, where it is not all parameters.
    """

    op: OpFunction
    module: str
    text: str
    inplace: bool = True
    underscore: bool = False
    check: Callable[..., None] | None = None
    shown: str | None = None


_declared: list[Activation] = []
_followers: list[Callable[[Activation], None]] = []


def offer(new: Activation) -> None:
    """Tell those who make functions and modules of activations."""
    _declared.append(new)
    for follower in _followers:
        follower(new)


def follow(follower: Callable[[Activation], None]) -> None:
    """Call `follower` with each activation, those to come included."""
    _followers.append(follower)
    for known in _declared:
        follower(known)


def activation(
    vjp: Callable[..., Any], *, sample: Sampler, module: str, inplace: bool = True,
    underscore: bool = False, check: Callable[..., None] | None = None, shown: str | None = None,
    kind: str = "float", public: bool = False, method: bool = False,
) -> Callable[[Callable[..., Any]], OpFunction]:  # fmt: skip
    """Declare an activation by its formula; see `elementwise` and :class:`Activation`."""

    def declare(formula: Callable[..., Any]) -> OpFunction:
        text = formula.__doc__ or ""
        op = elementwise(
            formula.__name__, formula, vjp, sample=sample, kind=kind, public=public, method=method,
            doc=text.partition("\n")[0],
        )  # fmt: skip
        offer(Activation(op, module, text, inplace, underscore, check, shown))
        return op

    return declare


# -- in pieces -----------------------------------------------------------------------------------


@activation(
    vjp=lambda g, x: fx.where((x > 0) & (x < 6), g, 0), sample=span(-3, 9, avoid=(0, 6)),
    kind="promote", module="ReLU6",
)  # fmt: skip
def relu6(x: Any) -> Any:
    """``min(max(0, x), 6)`` (Howard et al. 2017)."""
    return fx.minimum(fx.maximum(x, 0), 6)


@activation(
    vjp=lambda g, x, negative_slope: fx.where(x > 0, g, negative_slope * g),
    sample=span(-3, 3, avoid=(0,), params=(0.1,)), module="LeakyReLU", underscore=True,
)  # fmt: skip
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """``x`` where positive, ``negative_slope * x`` elsewhere (Maas, Hannun and Ng 2013).

    A unit never dies: some gradient passes everywhere.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.LeakyReLU(0.1)(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.2000,  0.0000,  2.0000])
    """
    return fx.where(x > 0, x, negative_slope * x)


@activation(
    vjp=lambda g, x, lambd: fx.where((x >= -lambd) & (x <= lambd), 0, g),
    sample=span(-2, 2, avoid=(-0.5, 0.5), params=(0.5,)), module="Hardshrink", inplace=False,
    shown="{lambd}", public=True,
)  # fmt: skip
def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """``x``, and 0 within `lambd` of 0."""
    return fx.where((x >= -lambd) & (x <= lambd), 0, x)


def _check_lambd(lambd: float) -> None:
    if isinstance(lambd, (int, float)) and lambd < 0:  # others are refused by type
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")


@activation(
    vjp=lambda g, x, lambd: fx.where((x >= -lambd) & (x <= lambd), 0, g),
    sample=span(-2, 2, avoid=(-0.5, 0.5), params=(0.5,)), module="Softshrink", inplace=False,
    shown="{lambd}", check=_check_lambd,
)  # fmt: skip
def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """``x`` moved by `lambd` towards 0, and 0 within `lambd` of it."""
    return x - fx.minimum(fx.maximum(x, -lambd), lambd)


@activation(
    vjp=lambda g, x: fx.where((x > -3) & (x < 3), g / 6, 0), sample=span(-5, 5, avoid=(-3, 3)),
    module="Hardsigmoid", shown="",
)  # fmt: skip
def hardsigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6`` (Howard et al. 2019)."""
    return fx.minimum(fx.maximum(x + 3, 0), 6) / 6


@activation(
    vjp=lambda g, x: g * fx.where(x <= -3, 0, fx.where(x < 3, x / 3 + 0.5, 1)),
    sample=span(-5, 5, avoid=(-3, 3)), module="Hardswish", shown="",
)  # fmt: skip
def hardswish(x: Any) -> Any:
    """``x * relu6(x + 3) / 6`` (Howard et al. 2019)."""
    return x * fx.minimum(fx.maximum(x + 3, 0), 6) / 6


# PyTorch's hardtanh and threshold check and convert their numbers, and gelu chooses between two
# formulas: their functions are written out in `nn.functions.activation`.
hardtanh = elementwise(
    "hardtanh", lambda x, min_val=-1.0, max_val=1.0: fx.minimum(fx.maximum(x, min_val), max_val),
    vjp=lambda g, x, min_val, max_val: fx.where((x > min_val) & (x < max_val), g, 0),
    sample=span(-3, 3, avoid=(-1, 1), params=(-1.0, 1.0)), public=False, method=False,
)  # fmt: skip
threshold = elementwise(
    "threshold", lambda x, threshold=0.0, value=0.0: fx.where(x <= threshold, value, x),
    vjp=lambda g, x, threshold: fx.where(x <= threshold, 0, g), kind="promote",
    sample=span(-3, 3, avoid=(0.5,), params=(0.5, -1.0)), public=False, method=False,
)  # fmt: skip
prelu = elementwise(
    "prelu_kernel", lambda x, w: fx.where(x > 0, x, w * x),
    vjp=(lambda g, x, w: fx.where(x > 0, g, w * g), lambda g, x: fx.where(x > 0, 0, g * x)),
    sample=pair(first=(0.2, 2), second=(0.1, 0.5)), public=False, method=False,
    doc="He et al. 2015.",
)  # fmt: skip

# -- exponential ---------------------------------------------------------------------------------


@activation(
    vjp=lambda g, x, alpha: fx.where(x > 0, g, g * alpha * fx.exp(fx.minimum(x, 0))),
    sample=span(-3, 3, avoid=(0,), params=(1.3,)), module="ELU", underscore=True,
)  # fmt: skip
def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al. 2016).

    The negative values bring the mean of a layer near 0; far below it saturates at ``-alpha``,
    which makes it robust against noise.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.ELU()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.8647,  0.0000,  2.0000])
    """
    return fx.where(x > 0, x, alpha * fx.expm1(x))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@activation(
    vjp=lambda g, x: g * SELU_SCALE * fx.where(x > 0, 1, SELU_ALPHA * fx.exp(fx.minimum(x, 0))),
    sample=span(-3, 3, avoid=(0,)), module="SELU", underscore=True, public=True, method=True,
)  # fmt: skip
def selu(x: Any) -> Any:
    """``scale * (x if x > 0 else alpha * (exp(x) - 1))``: mean 0 and variance 1 hold through depth.

    With alpha 1.6732632423543772 and scale 1.0507009873554805 they are a fixed point that layers
    with LeCun initialization (:func:`minigrad.nn.init.lecun_normal_`) are drawn to, without any
    normalization; in place of dropout there is :class:`AlphaDropout` (Klambauer et al. 2017).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.SELU()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-1.5202,  0.0000,  2.1014])
    """
    return SELU_SCALE * fx.where(x > 0, x, SELU_ALPHA * fx.expm1(x))


def _check_alpha(alpha: float) -> None:
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")


@activation(
    vjp=lambda g, x, alpha: fx.where(x > 0, g, g * fx.exp(fx.minimum(x, 0) / alpha)),
    sample=span(-3, 3, avoid=(0,), params=(1.3,)), module="CELU", underscore=True,
    check=_check_alpha, public=True, method=True,
)  # fmt: skip
def celu(x: Any, alpha: float = 1.0) -> Any:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`` (Barron 2017)."""
    return fx.where(x > 0, x, alpha * fx.expm1(x / alpha))


gelu = elementwise(
    "gelu", lambda x: 0.5 * x * (1 + fx.erf(x * SQRT_HALF)),
    vjp=lambda g, x: g * (0.5 * (1 + fx.erf(x * SQRT_HALF)) + x * RSQRT_2PI * fx.exp(-0.5 * x * x)),
    sample=span(-3, 3), public=False, method=False, doc="Hendrycks and Gimpel 2016.",
)  # fmt: skip
_GELU_A, _GELU_B = math.sqrt(2 / math.pi), 0.044715
gelu_tanh = elementwise(
    "gelu_tanh", lambda x: 0.5 * x * (1 + fx.tanh(_GELU_A * (x + _GELU_B * x * x * x))),
    vjp=lambda g, x: g * 0.5 * (
        (t := fx.tanh(_GELU_A * (x + _GELU_B * x * x * x))) + 1
        + x * (1 - t * t) * (_GELU_A * (1 + 3 * _GELU_B * x * x))
    ),
    sample=span(-3, 3), public=False, method=False,
    doc="The tanh approximation of gelu (Hendrycks and Gimpel 2016).",
)  # fmt: skip


@activation(
    vjp=lambda g, x: g * fx.sigmoid(x) * (1 + x * (1 - fx.sigmoid(x))), sample=span(-4, 4),
    module="SiLU",
)  # fmt: skip
def silu(x: Any) -> Any:
    """``x * sigmoid(x)`` (Elfwing et al. 2017), also called swish."""
    return x * fx.sigmoid(x)


def _softplus(x: Any) -> Any:
    return fx.maximum(x, 0) + fx.log1p(fx.exp(-fx.abs(x)))


@activation(
    vjp=lambda g, x, beta, threshold: fx.where(beta * x > threshold, g, g * fx.sigmoid(beta * x)),
    sample=span(-4, 4, params=(1.5, 20.0)), module="Softplus", inplace=False,
)  # fmt: skip
def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta * x)) / beta``, a smooth relu; linear where ``beta * x > threshold``."""
    return fx.where(beta * x > threshold, x, _softplus(beta * x) / beta)


@activation(
    vjp=lambda g, x: g * ((t := fx.tanh(_softplus(x))) + x * fx.sigmoid(x) * (1 - t * t)),
    sample=span(-4, 4), module="Mish",
)  # fmt: skip
def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))`` (Misra 2019)."""
    return x * fx.tanh(_softplus(x))


@activation(
    vjp=lambda g, x: g * fx.sigmoid(-x), sample=span(-4, 4), module="LogSigmoid", inplace=False
)
def logsigmoid(x: Any) -> Any:
    """``log(sigmoid(x))``, without underflow."""
    return fx.minimum(x, 0) - fx.log1p(fx.exp(-fx.abs(x)))


@activation(
    vjp=lambda g, x: g / (1 + fx.abs(x)) ** 2, sample=span(-3, 3), module="Softsign", inplace=False
)
def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    return x / (1 + fx.abs(x))


@activation(
    vjp=lambda g, x: g * (t := fx.tanh(x)) * t, sample=span(-3, 3), module="Tanhshrink",
    inplace=False,
)  # fmt: skip
def tanhshrink(x: Any) -> Any:
    """``x - tanh(x)``."""
    return x - fx.tanh(x)
