"""The normal distribution's functions: erfc and its inverses, scaled, and their logarithms.

``erf`` and ``erfc`` are the C library's. ``erfcx(x) = exp(x**2) erfc(x)`` is a Chebyshev series in
``(x - 3.75) / (x + 3.75)`` (Shepherd and Laframboise 1981), its coefficients computed for this file
in 40 digits. The quantiles are rational approximations of Cephes (S. Moshier).
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.run.jit import jit

__all__ = ["erfc", "erfcx", "erfinv", "log_ndtr", "ndtr", "ndtri"]

SQRT_HALF, SQRT_2PI = 0.7071067811865476, 2.5066282746310007
SQRT_PI, EXP_MINUS_2 = 1.772453850905516, 0.1353352832366127

#: Of ``(1 + 2 x) erfcx(x)``; the last term comes first.
ERFCX = (
    5.0681489047964124e-17, 7.418235256624347e-17, -1.2507950530688616e-15, -1.86456288041931e-15,
    3.3478119482868056e-14, 3.25254814814874e-14, -9.65469674843344e-13, 1.9455868545777347e-13,
    2.86879501093067e-11, -6.318088340886684e-11, -7.754400208831351e-10, 4.521959811218287e-09,
    1.076499946567091e-08, -2.1886401049234397e-07, 7.74038306619849e-07, 4.13902798607301e-06,
    -6.916973302501207e-05, 0.0004907758365258086, -0.002413163540417608, 0.009074997670705265,
    -0.026658668435305753, 0.05920993999819189, -0.08424913336651792, -0.004590054580646478,
    2.3551578691348034,
)  # fmt: skip

# ndtri near the middle: x + x^3 P(x^2) / Q(x^2) of ``x = y - 1/2``.
MIDDLE_P = (
    -5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1,
    1.39312609387279679503e1, -1.23916583867381258016e0,
)  # fmt: skip
MIDDLE_Q = (
    1.0, 1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1,
    -2.25462687854119370527e2, 2.00260212380060660359e2, -8.20372256168333339912e1,
    1.59056225126211695515e1, -1.18331621121330003142e0,
)  # fmt: skip
# and in the tails: z - log(z) / z - P(1 / z) / (z Q(1 / z)) of ``z = sqrt(-2 log(y))``, z < 8 ...
TAIL_P = (
    4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1,
    4.40805073893200834700e1, 1.46849561928858024014e1, 2.18663306850790267539e0,
    -1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4,
)  # fmt: skip
TAIL_Q = (
    1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1,
    1.50425385692907503408e1, 2.50464946208309415979e0, -1.42182922854787788574e-1,
    -3.80806407691578277194e-2, -9.33259480895457427372e-4,
)  # fmt: skip
# ... and beyond.
FAR_P = (
    3.23774891776946035970e0, 6.91522889068984211695e0, 3.93881025292474443415e0,
    1.33303460815807542389e0, 2.01485389549179081538e-1, 1.23716634817820021358e-2,
    3.01581553508235416007e-4, 2.65806974686737550832e-6, 6.23974539184983293730e-9,
)  # fmt: skip
FAR_Q = (
    1.0, 6.02427039364742014255e0, 3.67983563856160859403e0, 1.37702099489081330271e0,
    2.16236993594496635890e-1, 1.34204006088543189037e-2, 3.28014464682127739104e-4,
    2.89247864745380683936e-6, 6.79019408009981274425e-9,
)  # fmt: skip


@jit
def _horner(x, coefficients):
    y = 0.0
    for c in coefficients:
        y = y * x + c
    return y


@jit
def erfc(x):
    """``1 - erf(x)``."""
    return math.erfc(x)


@jit
def erfcx(x):
    """``exp(x**2) erfc(x)``."""
    if x < 0.0:
        if x < -26.7:
            return np.inf
        high = np.rint(x * 16.0) / 16.0  # a square without rounding, and what is left
        rest = (x - high) * (x + high)
        return 2.0 * np.exp(high * high) * np.exp(rest) - erfcx_positive(-x)
    return erfcx_positive(x)


@jit
def erfcx_positive(x):
    """The series; far out, its limit ``1 / (x sqrt(pi))``."""
    if x > 1e8:
        return 1.0 / (SQRT_PI * x)
    t = (x - 3.75) / (x + 3.75)
    now, before, last = 0.0, 0.0, 0.0
    for c in ERFCX:
        last, before = before, now
        now = 2.0 * t * before - last + c
    return 0.5 * (now - last) / (1.0 + 2.0 * x)


@jit
def ndtr(x):
    """The share of a standard normal distribution below `x`."""
    return 0.5 * math.erfc(-x * SQRT_HALF)


@jit
def log_ndtr(x):
    """``log(ndtr(x))`` without underflow."""
    t = x * SQRT_HALF
    if x < -1.0:
        return np.log(0.5 * erfcx_positive(-t)) - 0.5 * x * x
    return np.log1p(-0.5 * math.erfc(t))


@jit
def ndtri(p):
    """The inverse of ndtr: below which the share `p` of a standard normal distribution lies."""
    if not 0.0 < p < 1.0:
        return -np.inf if p == 0.0 else np.inf if p == 1.0 else np.nan
    upper = p > 1.0 - EXP_MINUS_2
    y = 1.0 - p if upper else p
    if y > EXP_MINUS_2:
        y -= 0.5
        z = y * y
        return (y + y * (z * _horner(z, MIDDLE_P) / _horner(z, MIDDLE_Q))) * SQRT_2PI
    z = np.sqrt(-2.0 * np.log(y))
    t = 1.0 / z
    if z < 8.0:
        below = t * _horner(t, TAIL_P) / _horner(t, TAIL_Q)
    else:
        below = t * _horner(t, FAR_P) / _horner(t, FAR_Q)
    x = z - np.log(z) / z - below
    return x if upper else -x


@jit
def erfinv(x):
    """Winitzki's approximation and Halley steps; near 1 on the complement, exact there."""
    size = abs(x)
    if not size < 1.0:
        return x * np.inf if size == 1.0 else np.nan
    if size < 1e-8:
        return x * (0.5 * SQRT_PI)
    log = np.log1p(-size * size)
    t = 4.330746750799873 + 0.5 * log
    y = np.sqrt(np.sqrt(t * t - log * 6.802721088435375) - t)
    for _ in range(3 if size > 1.0 - 1e-12 else 2):  # the guess is worst next to 1
        above = math.erf(y) - size if size < 0.5 else (1.0 - size) - math.erfc(y)
        step = above * (0.5 * SQRT_PI) * np.exp(y * y)
        y -= step / (1.0 + y * step)
    return np.copysign(y, x)
