"""Elementary functions in float64: the methods of :mod:`minigrad.kernels.math.vecmath32`, longer.

"Max ulp" is the largest error met in 30 million samples, random bit patterns and normals at many
scales, against 80-bit arithmetic. Coefficients: fdlibm (Sun), Cephes (S. Moshier), or "minimax":
computed for this file with the Remez exchange in 60 digits, then rounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minigrad.kernels.math.instructions import (
    F64,
    I64,
    bits_f64,
    copysign,
    fabs,
    float_f64,
    fma,
    inlined,
    looked_up,
    polynomial,
    select,
)

__all__ = [
    "cos_f64", "erf_f64", "exp_f64", "expm1_f64", "log1p_f64", "log_f64", "pow_f64", "sigmoid_f64",
    "sin_f64", "tan_f64", "tanh_f64",
]  # fmt: skip

# Python floats and ints are float64 and int64 in numba: here no constant needs a declared type.

# Layout of a float64: sign, 11 bits of exponent with bias 1023, 52 bits of mantissa.
MANTISSA_BITS, EXPONENT_BIAS, EXPONENT_MASK = 52, 1023, 0x7FF
MANTISSA_MASK = 2**52 - 1
SIGN_AND_MANTISSA = -(2**63) | MANTISSA_MASK
SMALLEST_NORMAL = 2.0**-1022
INFINITY, NAN = float("inf"), float("nan")

# Adding 1.5 * 2**52 rounds to a whole number, readable as a float and in the low bits.
ROUNDER = 1.5 * 2**52
ROUNDER_BITS = 0x4338000000000000

# ---------------------------------------------------------------------------- exp and relatives

LOG2_E = 1.4426950408889634
MINUS_LN2_HIGH, MINUS_LN2_LOW = -6.93147180369123816490e-01, -1.90821492927058770002e-10
EXP_OVERFLOWS, EXP_VANISHES, EXPM1_IS_MINUS_ONE = 710.0, -746.0, -38.0
# (exp(r) - 1 - r) / r**2 for |r| <= ln(2) / 2: minimax, error 2**-60.
EXP_POLYNOMIAL = (
    2.0914686968086876e-09,
    2.5105217004720745e-08,
    2.75572736431103e-07,
    2.7557255400206422e-06,
    2.4801587325547743e-05,
    0.00019841269874820627,
    0.0013888888888883748,
    0.008333333333326136,
    0.04166666666666667,
    0.1666666666666667,
    0.5,
)


@inlined
def _power_of_two(n: I64) -> F64:
    """``2**n`` for int64 ``-1022 <= n <= 1023``, made by writing the exponent field."""
    return float_f64((n + EXPONENT_BIAS) << MANTISSA_BITS)


@inlined
def _exp_split(x: F64) -> tuple[F64, F64]:
    """Write ``x = n ln 2 + r`` with ``|r| <= ln(2) / 2``; give the float ``n``, ``exp(r) - 1``."""
    n = fma(x, LOG2_E, ROUNDER) - ROUNDER
    r = fma(n, MINUS_LN2_HIGH, x)
    r = fma(n, MINUS_LN2_LOW, r)
    return n, fma(polynomial(r, EXP_POLYNOMIAL), r * r, r)


@inlined
def _to_int(n: F64) -> I64:
    """A whole float to int64, for ``|n| < 2**51`` (AVX2 has no conversion instruction)."""
    return bits_f64(n + ROUNDER) - ROUNDER_BITS


@inlined
def exp_f64(x: F64) -> F64:
    """``e**x``, max 1.02 ulp: ``2**n exp(r)``; denormal results and overflow are right.

    The scale is applied as two factors because ``2**n`` itself may be out of range.
    """
    x = select(x > EXP_OVERFLOWS, EXP_OVERFLOWS, x)  # written so that NaN passes
    x = select(x < EXP_VANISHES, EXP_VANISHES, x)
    n, exp_r_minus_1 = _exp_split(x)
    half = _to_int(n * 0.5)
    return ((exp_r_minus_1 + 1.0) * _power_of_two(half)) * _power_of_two(_to_int(n) - half)


@inlined
def expm1_f64(x: F64) -> F64:
    """``e**x - 1`` without cancellation near 0, max 1.99 ulp.

    ``2**n exp(r) - 1 = 2 (s (exp(r) - 1) + (s - 1/2))`` with ``s = 2**(n-1)``.
    """
    clipped = select(x > EXP_OVERFLOWS, EXP_OVERFLOWS, x)
    clipped = select(clipped < EXPM1_IS_MINUS_ONE, EXPM1_IS_MINUS_ONE, clipped)
    n, exp_r_minus_1 = _exp_split(clipped)
    scale = _power_of_two(_to_int(n) - 1)
    half_result = fma(scale, exp_r_minus_1, scale - 0.5)
    result = select(n == 0.0, exp_r_minus_1, half_result + half_result)
    return select(x == 0.0, x, result)  # keeps -0.0


@inlined
def sigmoid_f64(x: F64) -> F64:
    """``1 / (1 + e**-x)``, max 2.34 ulp, from ``e**-|x|``, which cannot overflow."""
    e = exp_f64(-fabs(x))
    return select(x < 0.0, e, 1.0) / (1.0 + e)


TANH_RATIONAL_END = 0.625
# tanh(x) = x + x z P(z) / Q(z) with z = x**2: Cephes tanh.
TANH_NUMERATOR = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
TANH_DENOMINATOR = (
    1.0,
    1.12811678491632931402e2,
    2.23548839060100448583e3,
    4.84406305325125486048e3,
)


@inlined
def tanh_f64(x: F64) -> F64:
    """Hyperbolic tangent, max 1.34 ulp: rational near 0, else ``1 - 2 / (e**(2|x|) + 1)``.

    Both have the form ``base + numerator / denominator``, so they share the slow division.
    """
    size = fabs(x)
    near = size < TANH_RATIONAL_END
    square = x * x
    numerator = select(near, size * square * polynomial(square, TANH_NUMERATOR), -2.0)
    denominator = select(near, polynomial(square, TANH_DENOMINATOR), exp_f64(size + size) + 1.0)
    return copysign(select(near, size, 1.0) + numerator / denominator, x)


# ---------------------------------------------------------------------------- log and log1p

SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
DENORMAL_SCALE, DENORMAL_EXPONENT = 2.0**54, 54.0
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# (log(1 + f) - f + h - s h) / s with s = f / (2 + f), h = f**2 / 2, in s**2: fdlibm.
LOG_POLYNOMIAL = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
    0.0,
)


@inlined
def _log_split(x: F64) -> tuple[F64, F64]:
    """Write a normal ``x = 2**n (1 + f)``, ``1 + f`` in ``[sqrt(1/2), sqrt(2))``; ``n`` a float."""
    shifted = bits_f64(x) - SQRT_HALF_BITS
    n = float_f64((shifted >> MANTISSA_BITS) + ROUNDER_BITS) - ROUNDER  # int64 to float64
    mantissa = float_f64((shifted & MANTISSA_MASK) + SQRT_HALF_BITS)
    return n, mantissa - 1.0


@inlined
def _log_join(n: F64, f: F64, correction: F64) -> F64:
    """``n ln 2 + log(1 + f) + correction``, small terms first."""
    s = f / (2.0 + f)
    half_square = 0.5 * f * f
    small = fma(n, LN2_LOW, correction)
    small = fma(s, half_square + polynomial(s * s, LOG_POLYNOMIAL), small)
    return fma(n, LN2_HIGH, f - (half_square - small))


@inlined
def log_f64(x: F64) -> F64:
    """Natural logarithm, max 0.83 ulp; ``log(0) = -inf``, NaN below zero."""
    denormal = x < SMALLEST_NORMAL
    n, f = _log_split(select(denormal, x * DENORMAL_SCALE, x))
    result = _log_join(n - select(denormal, DENORMAL_EXPONENT, 0.0), f, 0.0)
    result = select(x == 0.0, -INFINITY, result)
    result = select(x < 0.0, NAN, result)
    return select(x < INFINITY, result, x)  # +inf and NaN give themselves


@inlined
def log1p_f64(x: F64) -> F64:
    """``log(1 + x)`` without cancellation near 0, max 0.84 ulp (fdlibm).

    ``u = 1 + x`` loses some bits of ``x``; they come back as ``log(u + c) = log(u) + c / u``.
    """
    u = 1.0 + x
    n, f = _log_split(u)
    lost = select(u >= 2.0, 1.0 - (u - x), x - (u - 1.0))
    exact = n == 0.0  # 1 + x needs no reduction: take f = x itself
    f = select(exact, x, f)
    correction = select(exact, 0.0, lost / u)
    result = _log_join(n, f, correction)
    result = select(x == -1.0, -INFINITY, result)
    result = select(x < -1.0, NAN, result)
    result = select(x == 0.0, x, result)  # keeps -0.0
    return select(x < INFINITY, result, x)


# ---------------------------------------------------------------------------- erf

ERF_POLYNOMIAL_END, ERF_IS_ONE = 1.0, 5.95
# erf(x) / x - 1 for |x| <= 1 as a polynomial in x**2: minimax, error 2**-57.
ERF_NEAR = (
    -7.779462971761597e-10,
    1.3710988704190523e-08,
    -1.6206318752969208e-07,
    1.6447132699786621e-06,
    -1.4924712439534814e-05,
    0.0001205529358693695,
    -0.0008548325929766244,
    0.005223977606130842,
    -0.026866170643113415,
    0.112837916709442,
    -0.3761263890318352,
    0.12837916709551256,
)
# log(1 - erf(t)) / t + 1 for 1 <= t <= 5.95: minimax for the error of erf, 2**-58.
ERF_FAR = (
    1.1056038772871898e-14,
    -7.030013374849055e-13,
    2.0596890684391118e-11,
    -3.722517113646768e-10,
    4.674780562611451e-09,
    -4.346772286585992e-08,
    3.106613863254792e-07,
    -1.7433801479558682e-06,
    7.744362392643985e-06,
    -2.7007367307220864e-05,
    7.106514635066111e-05,
    -0.00012266581818475196,
    4.023877523391812e-05,
    0.0005297132826714206,
    -0.0016524055431264948,
    0.0001845601223606698,
    0.019138808692956012,
    -0.10277566953377591,
    -0.6366192032857709,
    -0.12837921690299758,
)


@inlined
def erf_f64(x: F64) -> F64:
    """Error function, max 1.1 ulp: odd polynomial near 0, else ``1 - exp(polynomial)``."""
    size = fabs(x)
    near = fma(polynomial(x * x, ERF_NEAR), x, x)
    far = 1.0 - exp_f64(fma(polynomial(size, ERF_FAR), size, -size))
    far = select(size > ERF_IS_ONE, 1.0, far)
    return copysign(select(size > ERF_POLYNOMIAL_END, far, near), x)


# ---------------------------------------------------------------------------- sin, cos, tan

TWO_OVER_PI = 0.6366197723675814
# pi / 2 in three float64 parts (Cody-Waite): with fma they serve every |x| < 2**48.
PI_HALF_1 = 1.5707963267948966
PI_HALF_2 = 6.123233995736766e-17
PI_HALF_3 = -1.4973849048591698e-33
COMMON_EXPONENT = 48
COMMON_END = 2.0**COMMON_EXPONENT
ROUNDER_TO_16 = 1.5 * 2**56  # as ROUNDER, to a multiple of 16
# (sin(r) / r - 1) / r**2 and (cos(r) - 1 + r**2 / 2) / r**4, |r| <= pi/4, in r**2: fdlibm.
SIN_POLYNOMIAL = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
COS_POLYNOMIAL = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)


def _pi_scaled(bits: int) -> int:
    """``floor(pi 2**bits)`` up to a few units, by Machin's ``16 atan(1/5) - 4 atan(1/239)``."""

    def arctan_of_inverse(n: int) -> int:
        power = total = (1 << bits) // n
        for k in range(1, bits):
            power //= -n * n
            total += power // (2 * k + 1)
            if power in (0, -1):
                break
        return total

    return 16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)


def _turn_table() -> npt.NDArray[np.float64]:
    """``c = 2**s (2/pi) mod 4`` for ``s = COMMON_EXPONENT - 52, ..., 971``, four parts a row.

    The parts are whole multiples of ``2**-48, 2**-100, 2**-152, 2**-204``: their products with a
    53-bit whole number then add up exactly where it matters. The last row, NaN, is for infinity.
    """
    precision = 1320
    two_over_pi = (2 << 2 * precision) // _pi_scaled(precision)
    rows = []
    for s in range(COMMON_EXPONENT - MANTISSA_BITS, EXPONENT_BIAS - MANTISSA_BITS + 1):
        scaled = two_over_pi << s if s >= 0 else two_over_pi >> -s
        scaled &= (4 << precision) - 1
        row = []
        for grid in (48, 100, 152, 204):
            part = scaled >> precision - grid
            scaled -= part << precision - grid
            row.append(part * 2.0**-grid)
        rows.append(row)
    return np.array([*rows, [NAN] * 4])


TURN_TABLE = _turn_table()


@inlined
def _two_sum(a: F64, b: F64) -> tuple[F64, F64]:
    """The rounded ``a + b`` and what rounding lost (Knuth)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


@inlined
def _quarter_turns_huge(x: F64) -> tuple[I64, F64]:
    """``x = (q + t) pi / 2`` modulo whole turns, for ``|x| >= COMMON_END`` (Payne-Hanek).

    ``x = 2**s X`` with ``X`` whole. Of ``x (2/pi) = X 2**s (2/pi)`` whole turns do not count, so
    ``2**s (2/pi)`` may be replaced by its value ``c`` modulo 4, looked up to 204 bits: enough for
    the float64 nearest to a multiple of ``pi/2``, which is ``2**-61`` away. Gives ``q`` in the
    low bits of an int64, and ``r = t pi / 2``.

    Every element pays for this, used or not, as the price of having no branch: it makes the sine
    four times dearer than for common arguments alone (2 ns rather than 0.5).
    """
    bits = bits_f64(x)
    exponent = ((bits >> MANTISSA_BITS) & EXPONENT_MASK) - EXPONENT_BIAS
    row = select(exponent < COMMON_EXPONENT, 0, exponent - COMMON_EXPONENT)
    whole = float_f64(
        (bits & SIGN_AND_MANTISSA) | ((EXPONENT_BIAS + MANTISSA_BITS) << MANTISSA_BITS)
    )
    c1, c2 = looked_up(TURN_TABLE, row, 0), looked_up(TURN_TABLE, row, 1)
    c3, c4 = looked_up(TURN_TABLE, row, 2), looked_up(TURN_TABLE, row, 3)
    turns = fma(whole, c1, ROUNDER_TO_16) - ROUNDER_TO_16
    product_1 = fma(whole, c1, -turns)  # exact, at most 8
    product_2, product_3 = whole * c2, whole * c3
    lost_2, lost_3 = fma(whole, c2, -product_2), fma(whole, c3, -product_3)
    quarters, lost = _two_sum(product_1, product_2)
    shifted = quarters + ROUNDER
    fraction = quarters - (shifted - ROUNDER)
    middle, lost_middle = _two_sum(lost + lost_2, product_3)
    fraction = (fraction + middle) + (lost_middle + fma(whole, c4, lost_3))
    return bits_f64(shifted), fma(fraction, PI_HALF_1, fraction * PI_HALF_2)


@inlined
def _quarter_turns(x: F64) -> tuple[I64, F64]:
    """``q`` (low bits of an int64) and ``r`` with ``x = q pi / 2 + r`` modulo whole turns."""
    shifted = fma(x, TWO_OVER_PI, ROUNDER)
    n = shifted - ROUNDER
    r = fma(n, -PI_HALF_1, x)
    r = fma(n, -PI_HALF_2, r)
    r = fma(n, -PI_HALF_3, r)
    q_huge, r_huge = _quarter_turns_huge(x)
    huge = fabs(x) >= COMMON_END
    return select(huge, q_huge, bits_f64(shifted)), select(huge, r_huge, r)


@inlined
def _sin_cos_near(r: F64) -> tuple[F64, F64]:
    """``sin(r)`` and ``cos(r)`` for ``|r| <= pi/4``."""
    square = r * r
    sine = fma(polynomial(square, SIN_POLYNOMIAL) * square, r, r)
    first = fma(-0.5, square, 1.0)
    lost = fma(-0.5, square, 1.0 - first)  # what rounding 1 - r**2 / 2 lost
    return sine, first + fma(polynomial(square, COS_POLYNOMIAL), square * square, lost)


@inlined
def _sine_of_quarters(q: I64, r: F64) -> F64:
    """``sin(q pi / 2 + r)``: odd quarters swap sine and cosine, the second bit negates."""
    sine, cosine = _sin_cos_near(r)
    value = select((q & 1) == 0, sine, cosine)
    return select((q & 2) == 0, value, -value)


@inlined
def sin_f64(x: F64) -> F64:
    """Sine of any float64, max 2.2 ulp; NaN at infinity."""
    q, r = _quarter_turns(x)
    return select(x == 0.0, x, _sine_of_quarters(q, r))  # keeps -0.0


@inlined
def cos_f64(x: F64) -> F64:
    """Cosine of any float64, max 2.2 ulp: the sine a quarter turn on; NaN at infinity."""
    q, r = _quarter_turns(x)
    return _sine_of_quarters(q + 1, r)


@inlined
def tan_f64(x: F64) -> F64:
    """Tangent of any float64, max 3.5 ulp: sine over cosine; NaN at infinity.

    Not vectorised without AVX-512: LLVM finds the table of ``_quarter_turns_huge`` too dear there.
    """
    q, r = _quarter_turns(x)
    sine, cosine = _sin_cos_near(r)
    odd = (q & 1) == 1
    result = select(odd, -cosine, sine) / select(odd, sine, cosine)
    return select(x == 0.0, x, result)  # keeps -0.0


@inlined
def pow_f64(x: F64, y: F64) -> F64:
    """``x**y`` by the C library (``pow``): correct everywhere, but not vectorised."""
    return x**y
