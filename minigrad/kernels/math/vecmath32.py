"""Elementary functions in float32, written so that LLVM vectorises the loops that call them.

Each function is one straight line of arithmetic: instead of branching, it computes every case and
keeps one with ``select``. The plan is always the same: bring the argument into a small range
(*range reduction*), evaluate a polynomial there, put the scale back. "Max ulp" is the largest
error over all 2**32 float32 values, in units in the last place of the correctly rounded result.

Polynomials: Cephes (S. Moshier), fdlibm (Sun), N. Juffa. Reduction: W. Cody and W. Waite,
"Software Manual for the Elementary Functions", 1980.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.math.instructions import (
    F32,
    I32,
    bits_f32,
    bits_f64,
    copysign,
    f32_to_f64,
    f64_to_f32,
    fabs,
    float_f32,
    fma,
    i32_add,
    i32_and,
    i32_shift_left,
    i32_shift_right,
    i32_sub,
    i32_to_f32,
    i64_to_i32,
    inlined,
    polynomial,
    select,
)

__all__ = [
    "cos_f32", "erf_f32", "exp_f32", "expm1_f32", "log1p_f32", "log_f32", "pow_f32", "sigmoid_f32",
    "sin_f32", "tan_f32", "tanh_f32",
]  # fmt: skip

# Every constant carries its type: an untyped 1.0 would turn the whole expression into float64.
ZERO, HALF, ONE, TWO = (np.float32(value) for value in (0.0, 0.5, 1.0, 2.0))
MINUS_HALF = np.float32(-0.5)
INFINITY, NAN = np.float32(np.inf), np.float32(np.nan)
I_ZERO, I_ONE, I_TWO = np.int32(0), np.int32(1), np.int32(2)

# Layout of a float32: sign, 8 bits of exponent with bias 127, 23 bits of mantissa.
MANTISSA_BITS, EXPONENT_BIAS = np.int32(23), np.int32(127)
MANTISSA_MASK = np.int32(0x007FFFFF)
SMALLEST_NORMAL = np.float32(2.0**-126)

# Adding 1.5 * 2**23 pushes the fraction out of the mantissa: the sum is x rounded to a whole
# number, which can be read both as a float (subtract it again) and in the low bits. Unlike a
# float-to-int conversion this is defined for NaN and infinity, so it needs no branch.
ROUNDER = np.float32(1.5 * 2**23)
ROUNDER_BITS = np.int32(0x4B400000)

# ---------------------------------------------------------------------------- exp and relatives

LOG2_E = np.float32(1.44269504)
MINUS_LN2_HIGH, MINUS_LN2_LOW = np.float32(-0.693145752), np.float32(-1.42860677e-6)
EXP_OVERFLOWS, EXP_VANISHES = np.float32(89.0), np.float32(-104.0)
EXPM1_IS_MINUS_ONE = np.float32(-18.0)
# (exp(r) - 1 - r) / r**2 for |r| <= ln(2) / 2: Cephes expf.
EXP_POLYNOMIAL = (
    np.float32(1.9875691500e-4),
    np.float32(1.3981999507e-3),
    np.float32(8.3334519073e-3),
    np.float32(4.1665795894e-2),
    np.float32(1.6666665459e-1),
    np.float32(5.0000001201e-1),
)


@inlined
def _power_of_two(n: I32) -> F32:
    """``2**n`` for int32 ``-126 <= n <= 127``, made by writing the exponent field."""
    return float_f32(i32_shift_left(i32_add(n, EXPONENT_BIAS), MANTISSA_BITS))


@inlined
def _exp_split(x: F32) -> tuple[I32, F32]:
    """Write ``x = n ln 2 + r`` with ``|r| <= ln(2) / 2``; give ``n`` (int32) and ``exp(r) - 1``.

    ``ln 2`` is subtracted in two parts (Cody-Waite), so that ``r`` keeps its full precision.
    """
    shifted = fma(x, LOG2_E, ROUNDER)
    n = i32_sub(bits_f32(shifted), ROUNDER_BITS)
    n_float = shifted - ROUNDER
    r = fma(n_float, MINUS_LN2_HIGH, x)
    r = fma(n_float, MINUS_LN2_LOW, r)
    return n, fma(polynomial(r, EXP_POLYNOMIAL), r * r, r)


@inlined
def exp_f32(x: F32) -> F32:
    """``e**x``, max 1.02 ulp: ``2**n exp(r)``; denormal results and overflow are right.

    The scale is applied as two factors because ``2**n`` itself may be out of range.
    """
    x = select(x > EXP_OVERFLOWS, EXP_OVERFLOWS, x)  # written so that NaN passes
    x = select(x < EXP_VANISHES, EXP_VANISHES, x)
    n, exp_r_minus_1 = _exp_split(x)
    half = i32_shift_right(n, I_ONE)
    return ((exp_r_minus_1 + ONE) * _power_of_two(half)) * _power_of_two(i32_sub(n, half))


@inlined
def expm1_f32(x: F32) -> F32:
    """``e**x - 1`` without cancellation near 0, max 1.45 ulp.

    ``2**n exp(r) - 1 = 2 (s (exp(r) - 1) + (s - 1/2))`` with ``s = 2**(n-1)``.
    """
    clipped = select(x > EXP_OVERFLOWS, EXP_OVERFLOWS, x)
    clipped = select(clipped < EXPM1_IS_MINUS_ONE, EXPM1_IS_MINUS_ONE, clipped)
    n, exp_r_minus_1 = _exp_split(clipped)
    scale = _power_of_two(i32_sub(n, I_ONE))
    half_result = fma(scale, exp_r_minus_1, scale - HALF)
    result = select(n == I_ZERO, exp_r_minus_1, half_result + half_result)
    return select(x == ZERO, x, result)  # keeps -0.0


@inlined
def sigmoid_f32(x: F32) -> F32:
    """``1 / (1 + e**-x)``, max 2.41 ulp, from ``e**-|x|``, which cannot overflow."""
    e = exp_f32(-fabs(x))
    return select(x < ZERO, e, ONE) / (ONE + e)


TANH_POLYNOMIAL_END = np.float32(0.625)
# (tanh(x) / x - 1) / x**2 as a polynomial in x**2: Cephes tanhf.
TANH_POLYNOMIAL = (
    np.float32(-5.70498872745e-3),
    np.float32(2.06390887954e-2),
    np.float32(-5.37397155531e-2),
    np.float32(1.33314422036e-1),
    np.float32(-3.33332819422e-1),
)


@inlined
def tanh_f32(x: F32) -> F32:
    """Hyperbolic tangent, max 1.34 ulp: odd polynomial, or ``1 - 2 / (e**(2|x|) + 1)``."""
    size = fabs(x)
    square = x * x
    near = fma(polynomial(square, TANH_POLYNOMIAL) * square, size, size)
    far = ONE - TWO / (exp_f32(size + size) + ONE)
    return copysign(select(size < TANH_POLYNOMIAL_END, near, far), x)


# ---------------------------------------------------------------------------- log and log1p

SQRT_HALF_BITS = np.int32(0x3F3504F3)
DENORMAL_SCALE, DENORMAL_EXPONENT = np.float32(2.0**23), np.float32(23.0)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
# (log(1 + f) - f + f**2 / 2) / f**3 for sqrt(1/2) <= 1 + f < sqrt(2): Cephes logf.
LOG_POLYNOMIAL = (
    np.float32(7.0376836292e-2),
    np.float32(-1.1514610310e-1),
    np.float32(1.1676998740e-1),
    np.float32(-1.2420140846e-1),
    np.float32(1.4249322787e-1),
    np.float32(-1.6668057665e-1),
    np.float32(2.0000714765e-1),
    np.float32(-2.4999993993e-1),
    np.float32(3.3333331174e-1),
)


@inlined
def _log_split(x: F32) -> tuple[I32, F32]:
    """Write a normal ``x = 2**n (1 + f)`` with ``1 + f`` in ``[sqrt(1/2), sqrt(2))``.

    Subtracting the bits of ``sqrt(1/2)`` puts the exponent step there (fdlibm's trick).
    """
    shifted = i32_sub(bits_f32(x), SQRT_HALF_BITS)
    n = i32_shift_right(shifted, MANTISSA_BITS)
    mantissa = float_f32(i32_add(i32_and(shifted, MANTISSA_MASK), SQRT_HALF_BITS))
    return n, mantissa - ONE


@inlined
def _log_join(n: F32, f: F32, correction: F32) -> F32:
    """``n ln 2 + log(1 + f) + correction``, small terms first; ``n`` is a float."""
    square = f * f
    result = polynomial(f, LOG_POLYNOMIAL) * (f * square)
    result = fma(n, LN2_LOW, result) + correction
    result = fma(MINUS_HALF, square, result)
    return fma(n, LN2_HIGH, f + result)


@inlined
def log_f32(x: F32) -> F32:
    """Natural logarithm, max 0.86 ulp; ``log(0) = -inf``, NaN below zero."""
    denormal = x < SMALLEST_NORMAL
    n, f = _log_split(select(denormal, x * DENORMAL_SCALE, x))
    exponent = i32_to_f32(n) - select(denormal, DENORMAL_EXPONENT, ZERO)
    result = _log_join(exponent, f, ZERO)
    result = select(x == ZERO, -INFINITY, result)
    result = select(x < ZERO, NAN, result)
    return select(x < INFINITY, result, x)  # +inf and NaN give themselves


@inlined
def log1p_f32(x: F32) -> F32:
    """``log(1 + x)`` without cancellation near 0, max 0.86 ulp (fdlibm).

    ``u = 1 + x`` loses some bits of ``x``; they come back as ``log(u + c) = log(u) + c / u``.
    """
    u = ONE + x
    n, f = _log_split(u)
    lost = select(u >= TWO, ONE - (u - x), x - (u - ONE))
    exact = n == I_ZERO  # 1 + x needs no reduction: take f = x itself
    f = select(exact, x, f)
    correction = select(exact, ZERO, lost / u)
    result = _log_join(i32_to_f32(n), f, correction)
    result = select(x == -ONE, -INFINITY, result)
    result = select(x < -ONE, NAN, result)
    result = select(x == ZERO, x, result)  # keeps -0.0
    return select(x < INFINITY, result, x)


# ---------------------------------------------------------------------------- erf

ERF_POLYNOMIAL_END, ERF_IS_ONE = np.float32(0.927734375), np.float32(3.925)
# erf(x) / x - 1 as a polynomial in x**2: N. Juffa.
ERF_NEAR = (
    np.float32(-5.96761703e-4),
    np.float32(4.99119423e-3),
    np.float32(-2.67681349e-2),
    np.float32(1.12819925e-1),
    np.float32(-3.76125336e-1),
    np.float32(1.28379166e-1),
)
# 1 - erf(t) for 0.927 <= t <= 3.925 as a polynomial in t - 2.375: minimax, error 9e-9, a seventh of
# an ulp of a result near 1. No exponential, as 1 - exp(polynomial) needs: half of its time.
ERF_CENTRE = np.float32(2.375)
ERF_FAR = (
    np.float32(-1.22948256e-06),
    np.float32(1.45857916e-06),
    np.float32(1.74971119e-05),
    np.float32(-4.36952942e-05),
    np.float32(-4.62172502e-05),
    np.float32(0.000355350814),
    np.float32(-0.000605020148),
    np.float32(-0.000138028015),
    np.float32(0.00312134833),
    np.float32(-0.00835094508),
    np.float32(0.0131308986),
    np.float32(-0.0137317982),
    np.float32(0.00951566081),
    np.float32(-0.00400640536),
    np.float32(0.000782932912),
)


@inlined
def erf_f32(x: F32) -> F32:
    """Error function, max 1.42 ulp: an odd polynomial near 0, another one up to where it is 1."""
    size = fabs(x)
    near = fma(polynomial(x * x, ERF_NEAR), x, x)
    far = ONE - polynomial(size - ERF_CENTRE, ERF_FAR)
    far = select(size > ERF_IS_ONE, ONE, far)
    far = select(x == x, far, x)
    return copysign(select(size > ERF_POLYNOMIAL_END, far, near), x)


# ---------------------------------------------------------------------------- sin, cos, tan

ROUNDER_F64 = np.float64(1.5 * 2**52)
PI_HALF_F64 = np.float64(np.pi / 2)
# (sin(r) / r - 1) / r**2 and (cos(r) - 1 + r**2 / 2) / r**4, |r| <= pi/4, in r**2: Cephes sinf.
SIN_POLYNOMIAL = (
    np.float32(-1.9515295891e-4),
    np.float32(8.3321608736e-3),
    np.float32(-1.6666654611e-1),
)
COS_POLYNOMIAL = (
    np.float32(2.443315711809948e-5),
    np.float32(-1.388731625493765e-3),
    np.float32(4.166664568298827e-2),
)

# For huge x, 2/pi times a power of two may be replaced by its value modulo 4: what is dropped
# counts whole turns. x = 2**s X with X a whole number below 2**50, so x (2/pi) = X c (mod 4) with
# c = 2**s (2/pi) mod 4, kept as high + low, 106 bits. Four such windows cover float32.
WINDOW_1, WINDOW_2, WINDOW_3 = (np.float64(2.0**power) for power in (50, 77, 104))
SCALE_0, SCALE_1, SCALE_2, SCALE_3 = (np.float64(2.0**-power) for power in (0, 27, 54, 81))
TWO_OVER_PI_HIGH_0, TWO_OVER_PI_LOW_0 = 0.6366197723675814, -3.935735335036497e-17
TWO_OVER_PI_HIGH_1, TWO_OVER_PI_LOW_1 = -0.5529460512772132, 3.808591801500832e-17
TWO_OVER_PI_HIGH_2, TWO_OVER_PI_LOW_2 = 1.2910009524680295, -3.862804515881076e-17
TWO_OVER_PI_HIGH_3, TWO_OVER_PI_LOW_3 = -1.3139050952781812, 9.395526559852902e-17


@inlined
def _quarter_turns(x: F32) -> tuple[I32, F32]:
    """Write ``x = (q + t) pi / 2`` modulo whole turns: ``q`` (int32) and ``r = t pi / 2``.

    ``|t| <= 1/2``. Done in float64, exact enough for every float32 up to 3.4e38: Payne-Hanek
    with a window chosen by ``select`` instead of a table.
    """
    wide = f32_to_f64(x)
    size = fabs(wide)
    in_1, in_2, in_3 = size >= WINDOW_1, size >= WINDOW_2, size >= WINDOW_3
    scale = select(in_3, SCALE_3, select(in_2, SCALE_2, select(in_1, SCALE_1, SCALE_0)))
    high = select(in_1, TWO_OVER_PI_HIGH_1, TWO_OVER_PI_HIGH_0)
    high = select(in_3, TWO_OVER_PI_HIGH_3, select(in_2, TWO_OVER_PI_HIGH_2, high))
    low = select(in_1, TWO_OVER_PI_LOW_1, TWO_OVER_PI_LOW_0)
    low = select(in_3, TWO_OVER_PI_LOW_3, select(in_2, TWO_OVER_PI_LOW_2, low))
    scaled = wide * scale
    product = scaled * high
    shifted = fma(scaled, high, ROUNDER_F64)
    rest = fma(scaled, low, fma(scaled, high, -product))  # what rounding the product lost
    fraction = (product - (shifted - ROUNDER_F64)) + rest
    return i64_to_i32(bits_f64(shifted)), f64_to_f32(fraction * PI_HALF_F64)


@inlined
def _sin_cos_near(r: F32) -> tuple[F32, F32]:
    """``sin(r)`` and ``cos(r)`` for ``|r| <= pi/4``."""
    square = r * r
    sine = fma(polynomial(square, SIN_POLYNOMIAL) * square, r, r)
    first = fma(MINUS_HALF, square, ONE)
    lost = fma(MINUS_HALF, square, ONE - first)  # what rounding 1 - r**2 / 2 lost
    cosine = first + fma(polynomial(square, COS_POLYNOMIAL), square * square, lost)
    return sine, cosine


@inlined
def _sine_of_quarters(q: I32, r: F32) -> F32:
    """``sin(q pi / 2 + r)``: odd quarters swap sine and cosine, the second bit negates."""
    sine, cosine = _sin_cos_near(r)
    value = select(i32_and(q, I_ONE) == I_ZERO, sine, cosine)
    return select(i32_and(q, I_TWO) == I_ZERO, value, -value)


@inlined
def sin_f32(x: F32) -> F32:
    """Sine of any float32, max 1.57 ulp; NaN at infinity."""
    q, r = _quarter_turns(x)
    return select(x == ZERO, x, _sine_of_quarters(q, r))  # keeps -0.0


@inlined
def cos_f32(x: F32) -> F32:
    """Cosine of any float32, max 1.58 ulp: the sine a quarter turn on; NaN at infinity."""
    q, r = _quarter_turns(x)
    return _sine_of_quarters(i32_add(q, I_ONE), r)


@inlined
def tan_f32(x: F32) -> F32:
    """Tangent of any float32, max 3.28 ulp: sine over cosine; NaN at infinity."""
    q, r = _quarter_turns(x)
    sine, cosine = _sin_cos_near(r)
    odd = i32_and(q, I_ONE) == I_ONE
    result = select(odd, -cosine, sine) / select(odd, sine, cosine)
    return select(x == ZERO, x, result)  # keeps -0.0


@inlined
def pow_f32(x: F32, y: F32) -> F32:
    """``x**y`` by the C library (``powf``): correct everywhere, but not vectorised."""
    return x**y
