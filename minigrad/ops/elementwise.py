"""Operations that compute element by element, beside those of the core: a formula sheet, too.

Rounding is piecewise constant: its derivative is 0 everywhere. NaN in, NaN out.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise
from minigrad.core.samples import pair, span, spans

lerp = elementwise(
    "lerp", lambda a, b, w: a + w * (b - a),
    vjp=(lambda g, w: g * (1 - w), lambda g, w: g * w, lambda g, a, b: g * (b - a)),
    sample=spans((-3, 3), (-3, 3), (0, 1)),
    doc="Linear interpolation from `a` (w = 0) to `b` (w = 1).",
)  # fmt: skip

expm1 = elementwise(
    "expm1", lambda x: fx.expm1(x), vjp=lambda g, y: g * (y + 1), sample=span(-3, 3), ufunc=np.expm1
)
log1p = elementwise(
    "log1p",
    lambda x: fx.log1p(x),
    vjp=lambda g, x: g / (1 + x),
    sample=span(-0.7, 3),
    ufunc=np.log1p,
)
tan = elementwise(
    "tan", lambda x: fx.tan(x), vjp=lambda g, y: g * (1 + y * y), sample=span(-1, 1), ufunc=np.tan
)
erf = elementwise(
    "erf", lambda x: fx.erf(x), vjp=lambda g, x: g * (2 / math.sqrt(math.pi)) * fx.exp(-x * x),
    sample=span(-3, 3),
)  # fmt: skip

# -- rounding --------------------------------------------------------------------------------------

floor = elementwise(
    "floor", lambda x: fx.floor(x), vjp=lambda g: 0 * g,
    sample=span(-3, 3, avoid=(-2, -1, 0, 1, 2)), kind="promote", ufunc=np.floor,
)  # fmt: skip
ceil = elementwise(
    "ceil", lambda x: fx.ceil(x), vjp=lambda g: 0 * g,
    sample=span(-3, 3, avoid=(-2, -1, 0, 1, 2)), kind="promote", ufunc=np.ceil,
)  # fmt: skip
trunc = elementwise(
    "trunc", lambda x: fx.trunc(x), vjp=lambda g: 0 * g,
    sample=span(-3, 3, avoid=(-2, -1, 0, 1, 2)), kind="promote", ufunc=np.trunc,
)  # fmt: skip
rint = elementwise(
    "round", lambda x: fx.round(x), vjp=lambda g: 0 * g,
    sample=span(-3, 3, avoid=(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)), kind="promote", ufunc=np.rint,
    public=False, method=False,
)  # fmt: skip
mod = elementwise(
    "remainder", lambda a, b: a - b * fx.floor(a / b),
    vjp=(lambda g: g, lambda g, a, b: -g * fx.floor(a / b)),
    sample=pair(first=(0.2, 0.9), second=(1, 3)), kind="promote", ufunc=np.remainder, exact=True,
    public=False, method=False, doc="The sign is that of the divisor, as for Python's ``%``.",
)  # fmt: skip
fmod = elementwise(
    "fmod", lambda a, b: a - b * fx.trunc(a / b),
    vjp=(lambda g: g, lambda g, a, b: -g * fx.trunc(a / b)),
    sample=pair(first=(0.2, 0.9), second=(1, 3)), kind="promote", ufunc=np.fmod, exact=True,
    public=False, method=False, doc="The sign is that of the dividend, as in C.",
)  # fmt: skip

# -- tests -----------------------------------------------------------------------------------------

isinf = elementwise(
    "isinf", lambda x: fx.abs(x) == math.inf, sample=span(-3, 3), kind="test", ufunc=np.isinf
)
isfinite = elementwise(
    "isfinite", lambda x: fx.abs(x) < math.inf, sample=span(-3, 3), kind="test", ufunc=np.isfinite
)
