"""Operations that compute element by element: a formula sheet.

Policy at the points where a derivative does not exist (all tested): ``relu'(0) = abs'(0) = 0``;
``sqrt'(0) = inf``; where the two operands of ``maximum`` or ``minimum`` are equal, each gets half;
`sign` has the derivative 0 everywhere. NaN in, NaN out.
"""

from __future__ import annotations

import numpy as np

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise
from minigrad.core.samples import pair, span, spans

# -- arithmetic ----------------------------------------------------------------------------------

plus = elementwise(
    "add", lambda a, b: a + b, vjp=(lambda g: g, lambda g: g),
    sample=pair(), kind="promote", ufunc=np.add, public=False, method=False,
)  # fmt: skip
minus = elementwise(
    "sub", lambda a, b: a - b, vjp=(lambda g: g, lambda g: -g),
    sample=pair(), kind="promote", ufunc=np.subtract, public=False, method=False,
)  # fmt: skip
mul = elementwise(
    "mul", lambda a, b: a * b, vjp=(lambda g, b: g * b, lambda g, a: g * a),
    sample=pair(), kind="promote", ufunc=np.multiply,
)  # fmt: skip
over = elementwise(
    "div", lambda a, b: a / b, vjp=(lambda g, b: g / b, lambda g, a, b: -g * a / (b * b)),
    sample=pair(second=(0.5, 3)), ufunc=np.true_divide, public=False, method=False,
)  # fmt: skip
pow_tensors = elementwise(
    "pow", lambda a, b: a**b,
    vjp=(
        lambda g, a, b: fx.where(b == 0, 0, g * b * a ** (b - 1)),
        lambda g, a, b, y: fx.where((a == 0) & (b >= 0), 0, g * y * fx.log(a)),
    ),
    sample=pair(first=(0.3, 3)), kind="promote", ufunc=np.power, public=False, method=False,
    doc="The derivative in the exponent is taken as 0 where the base is 0.",
)  # fmt: skip
pow_number = elementwise(
    "pow_number", lambda x, p=2.0: x**p, vjp=lambda g, x, p: g * (p * x ** (p - 1)),
    sample=span(0.3, 3, params=(2.5,)), kind="promote", public=False, method=False,
    doc="The exponent is a Python number.",
)  # fmt: skip
cube = elementwise(
    "cube", lambda x: x * x * x, vjp=lambda g, x: g * 3 * x * x, sample=span(-3, 3), kind="promote",
    public=False, method=False,
)  # fmt: skip
maximum = elementwise(
    "maximum", lambda a, b: fx.maximum(a, b),
    vjp=(
        lambda g, a, b: fx.where(a == b, g / 2, fx.where(a > b, g, 0)),
        lambda g, a, b: fx.where(a == b, g / 2, fx.where(b > a, g, 0)),
    ),
    sample=pair(apart=0.1), kind="promote", ufunc=np.maximum,
    doc="NaN in either operand gives NaN; where both are equal each gets half of the gradient.",
)  # fmt: skip
minimum = elementwise(
    "minimum", lambda a, b: fx.minimum(a, b),
    vjp=(
        lambda g, a, b: fx.where(a == b, g / 2, fx.where(a < b, g, 0)),
        lambda g, a, b: fx.where(a == b, g / 2, fx.where(b < a, g, 0)),
    ),
    sample=pair(apart=0.1), kind="promote", ufunc=np.minimum,
    doc="NaN in either operand gives NaN; where both are equal each gets half of the gradient.",
)  # fmt: skip
choose = elementwise(
    "where", lambda c, a, b: fx.where(c, a, b),
    vjp=(None, lambda g, c: fx.where(c, g, 0), lambda g, c: fx.where(c, 0, g)),
    sample=spans((-3, 3), (-3, 3), flags=1), kind="promote", ufunc=np.where, flags=1,
    public=False, method=False,
)  # fmt: skip
neg = elementwise(
    "neg", lambda x: -x, vjp=lambda g: -g, sample=span(-3, 3), kind="promote", ufunc=np.negative
)
abs = elementwise(
    "abs", lambda x: fx.abs(x), vjp=lambda g, x: g * fx.sign(x),
    sample=span(-3, 3, avoid=(0,)), kind="promote", ufunc=np.abs,
)  # fmt: skip
square = elementwise(
    "square", lambda x: x * x, vjp=lambda g, x: g * 2 * x, sample=span(-3, 3), kind="promote"
)
square.op.counts = True
reciprocal = elementwise(
    "reciprocal", lambda x: 1 / x, vjp=lambda g, y: -g * y * y, sample=span(0.3, 3)
)
sqrt = elementwise(
    "sqrt", lambda x: fx.sqrt(x), vjp=lambda g, y: g / (2 * y), sample=span(0.3, 4), ufunc=np.sqrt
)
rsqrt = elementwise(
    "rsqrt", lambda x: 1 / fx.sqrt(x), vjp=lambda g, y: -0.5 * g * y * y * y, sample=span(0.3, 4)
)

# -- exponential and trigonometric ---------------------------------------------------------------

exp = elementwise(
    "exp", lambda x: fx.exp(x), vjp=lambda g, y: g * y, sample=span(-3, 3), ufunc=np.exp
)
log = elementwise(
    "log", lambda x: fx.log(x), vjp=lambda g, x: g / x, sample=span(0.3, 4), ufunc=np.log
)
sin = elementwise(
    "sin", lambda x: fx.sin(x), vjp=lambda g, x: g * fx.cos(x), sample=span(-4, 4), ufunc=np.sin
)
cos = elementwise(
    "cos", lambda x: fx.cos(x), vjp=lambda g, x: -g * fx.sin(x), sample=span(-4, 4), ufunc=np.cos
)
tanh = elementwise(
    "tanh",
    lambda x: fx.tanh(x),
    vjp=lambda g, y: g * (1 - y * y),
    sample=span(-3, 3),
    ufunc=np.tanh,
)
sigmoid = elementwise(
    "sigmoid", lambda x: fx.sigmoid(x), vjp=lambda g, y: g * y * (1 - y), sample=span(-4, 4),
    doc="The logistic function ``1 / (1 + exp(-x))``, without overflow.",
)  # fmt: skip
sign = elementwise(
    "sign", lambda x: fx.sign(x), vjp=lambda g: 0 * g, sample=span(-3, 3, avoid=(0,)),
    kind="promote", ufunc=fx.FUNCTIONS["sign"],
)  # fmt: skip
relu = elementwise(
    "relu", lambda x: fx.maximum(x, 0), vjp=lambda g, y: fx.where(y > 0, g, 0),
    sample=span(-3, 3, avoid=(0,)), kind="promote",
    doc="Nair and Hinton 2010; the derivative at 0 is 0.",
)  # fmt: skip

# -- comparisons and tests: boolean results, no gradient -----------------------------------------

eq = elementwise("eq", lambda a, b: a == b, sample=pair(), kind="compare", ufunc=np.equal)
ne = elementwise("ne", lambda a, b: a != b, sample=pair(), kind="compare", ufunc=np.not_equal)
lt = elementwise("lt", lambda a, b: a < b, sample=pair(), kind="compare", ufunc=np.less)
le = elementwise("le", lambda a, b: a <= b, sample=pair(), kind="compare", ufunc=np.less_equal)
gt = elementwise("gt", lambda a, b: a > b, sample=pair(), kind="compare", ufunc=np.greater)
ge = elementwise("ge", lambda a, b: a >= b, sample=pair(), kind="compare", ufunc=np.greater_equal)
isnan = elementwise("isnan", lambda x: fx.isnan(x), sample=span(-3, 3), kind="test", ufunc=np.isnan)
