"""The gamma function's relatives: its logarithm's derivatives, Hurwitz's zeta, incomplete gammas.

References
----------
Abramowitz and Stegun 1964, chapters 6 and 23 (digamma, zeta); Gil, Segura and Temme, "Efficient and
accurate algorithms for the computation and inversion of the incomplete gamma function ratios",
2012; Loader, "Fast and accurate computation of binomial probabilities", 2000 (the factor of the
incomplete functions).
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels.run.jit import jit

__all__ = ["digamma", "gammainc", "gammaincc", "lgamma", "polygamma", "zeta"]

PI, EPSILON, LOG_SQRT_2PI = math.pi, 2.0**-53, 0.9189385332046728

#: Bernoulli numbers B2, B4, ... over (2j)!, for Euler and Maclaurin's sum.
BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)  # fmt: skip
#: B2/2, B4/4, ... of the asymptotic series of digamma, the last first.
DIGAMMA = (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)
#: Stirling's series of lgamma, the last first.
STIRLING = (-691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)


@jit
def lgamma(x):
    """The logarithm of the size of the gamma function."""
    if x <= 0.0 and x == np.floor(x):
        return np.inf
    return math.lgamma(x) if abs(x) < np.inf else abs(x)


@jit
def digamma(x):
    """Shifted to where the asymptotic series holds; negative numbers by reflection."""
    if x == 0.0:
        return np.copysign(np.inf, -x)
    y = 0.0
    if x < 0.0:
        if x == np.floor(x):
            return np.nan
        y = -PI / np.tan(PI * (x - np.rint(x)))
        x = 1.0 - x
    while x < 10.0:
        y -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = 0.0
    for c in DIGAMMA:
        series = series * z + c
    return y + np.log(x) - 0.5 / x - z * series


@jit
def zeta(s, q):
    """Hurwitz's zeta function, the sum of ``(q + k) ** -s`` over k = 0, 1, ...: the first terms,
    and the rest by Euler and Maclaurin.
    """
    if s == 1.0:
        return np.inf
    if not s > 1.0 or q != q:
        return np.nan
    if q <= 0.0:
        if q == np.floor(q):
            return np.inf
        if s != np.floor(s):
            return np.nan
    if q > 1e12:  # the sum of an integral
        return (1.0 / (s - 1.0) + 0.5 / q) * q ** (1.0 - s)
    total, a, count = 0.0, q, 0
    while count < 10 or a < 10.0:
        term = a**-s
        total += term
        a += 1.0
        count += 1
        if a > 0.0 and abs(term) < EPSILON * 0.01 * abs(total) and s > 20.0:
            return total
    power = a**-s
    total += a * power / (s - 1.0) + 0.5 * power
    factor, power = s, power / a
    for k in range(len(BERNOULLI)):
        term = BERNOULLI[k] * factor * power
        total += term
        if abs(term) < EPSILON * abs(total):
            break
        factor *= (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0)
        power /= a * a
    return total


@jit
def polygamma(n, x):
    """The n-th derivative of digamma, n > 0."""
    sign = 1.0 if n % 2.0 == 1.0 else -1.0
    return sign * math.gamma(n + 1.0) * zeta(n + 1.0, x)


# -- incomplete gamma functions --------------------------------------------------------------------


@jit
def _log1p_minus(x):
    """``log(1 + x) - x`` without cancellation."""
    if abs(x) > 0.5:
        return np.log1p(x) - x
    r = x / (2.0 + x)
    square = r * r
    power, series, k = 1.0, 1.0 / 3.0, 3.0
    while power > EPSILON:
        power *= square
        k += 2.0
        series += power / k
    return r * (2.0 * square * series - x)


@jit
def _density(a, x):
    """``x**a exp(-x) / gamma(a)``; for large a without the cancellation of its logarithm."""
    if a < 10.0:
        return np.exp(a * np.log(x) - x - math.lgamma(a))
    z = 1.0 / (a * a)
    series = 0.0
    for c in STIRLING:
        series = series * z + c
    ratio = (x - a) / a
    if ratio > 1e3:
        return np.exp(a * np.log(x) - x - math.lgamma(a))
    return np.sqrt(a / (2.0 * PI)) * np.exp(a * _log1p_minus(ratio) - series / a)


@jit
def _lower(a, x):
    """The lower function by its power series, for x up to about a."""
    term, total, k = 1.0, 1.0, a
    while term > EPSILON * total:
        k += 1.0
        term *= x / k
        total += term
    return total * _density(a, x) / a


@jit
def _upper(a, x):
    """The upper function by Legendre's continued fraction (Lentz's method), for x above a."""
    tiny = 1e-300
    b = x + 1.0 - a
    c, d = 1.0 / tiny, 1.0 / b if b != 0.0 else 1.0 / tiny
    y = d
    for k in range(1, 1_000_000):
        an = -k * (k - a)
        b += 2.0
        d = an * d + b
        c = b + an / c
        d = 1.0 / (tiny if d == 0.0 else d)
        if c == 0.0:
            c = tiny
        step = c * d
        y *= step
        if abs(step - 1.0) < 2.0 * EPSILON:
            break
    return y * _density(a, x)


@jit
def _upper_small(a, x):
    """The upper function of small x and a: its series, without 1 minus something near 1."""
    factor, total = 1.0, 0.0
    for k in range(1, 2000):
        factor *= -x / k
        term = factor / (a + k)
        total += term
        if abs(term) <= EPSILON * abs(total):
            break
    log = a * np.log(x)
    return -np.expm1(log - math.lgamma(1.0 + a)) - np.exp(log - math.lgamma(a)) * total


@jit
def _at_the_edge(a, x):
    """The lower function where an argument is 0, infinite or out of range; -1 elsewhere."""
    if not (a >= 0.0 and x >= 0.0):
        return np.nan
    if a == 0.0:
        return 1.0 if x > 0.0 else np.nan
    if x == 0.0:
        return 0.0
    if a == np.inf:
        return np.nan if x == np.inf else 0.0
    return 1.0 if x == np.inf else -1.0


@jit
def gammainc(a, x):
    """The regularized lower incomplete gamma function ``P(a, x)``."""
    edge = _at_the_edge(a, x)
    if edge != -1.0:
        return edge
    if x > 1.0 and x > a:
        return 1.0 - _upper(a, x)
    return _lower(a, x)


@jit
def gammaincc(a, x):
    """The regularized upper incomplete gamma function ``Q(a, x) = 1 - P(a, x)``."""
    edge = _at_the_edge(a, x)
    if edge != -1.0:
        return 1.0 - edge
    if x > 1.1:
        return 1.0 - _lower(a, x) if x < a else _upper(a, x)
    large = -0.4 / np.log(x) < a if x <= 0.5 else x * 1.1 < a
    return 1.0 - _lower(a, x) if large else _upper_small(a, x)
