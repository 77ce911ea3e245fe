"""The compiled elementary functions: accuracy over the whole range, special values, intrinsics.

Oracles: numpy in the next wider type, float64 for float32 and long double for float64.
"""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numpy as np
import pytest

from minigrad.kernels.math import vecmath
from tests.kernels.ulp import ulp_error

JIT = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
SAMPLES = 200_000 if JIT else 300
INF, NAN = math.inf, math.nan
DTYPES = [np.float32, np.float64]

#: Largest error allowed, in ulp.
LIMITS = {
    "exp": 1.25,
    "log": 1.0,
    "log1p": 1.0,
    "expm1": 2.25,
    "tanh": 1.5,
    "sigmoid": 2.5,
    "erf": 1.5,
    "sin": 2.5,
    "cos": 2.5,
    "tan": 3.5,
}
if not JIT:
    LIMITS = dict.fromkeys(LIMITS, 4.0)  # what numpy promises of its own

needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant <= 52, reason="long double is no wider than float64 here"
)
only_compiled = pytest.mark.skipif(not JIT, reason="numpy stands in under NUMBA_DISABLE_JIT")


def as_kernel(function: Callable[..., Any], operands: int = 1) -> Any:
    """A compiled loop that applies a scalar function to arrays, as the kernels do."""

    def unary(x: Any, out: Any) -> None:
        for i in range(out.size):
            out[i] = function(x[i])

    def binary(a: Any, b: Any, out: Any) -> None:
        for i in range(out.size):
            out[i] = function(a[i], b[i])

    def ternary(a: Any, b: Any, c: Any, out: Any) -> None:
        for i in range(out.size):
            out[i] = function(a[i], b[i], c[i])

    loop = {1: unary, 2: binary, 3: ternary}[operands]
    return numba.njit(error_model="numpy", nogil=True)(loop)


_KERNELS: dict[tuple[str, int], Any] = {}


def apply(name: str, *operands: Any) -> Any:
    """`name` of vecmath over arrays of one dtype; ``exp`` means ``exp_f32`` or ``exp_f64``."""
    arrays = [np.ascontiguousarray(operand) for operand in operands]
    typed = f"{name}_f{arrays[0].dtype.itemsize * 8}"
    function = getattr(vecmath, typed, None) or getattr(vecmath, name)
    kernel = _KERNELS.setdefault((typed, len(arrays)), as_kernel(function, len(arrays)))
    out = np.empty_like(arrays[0])
    kernel(*arrays, out)
    return out


def exact(name: str, x: Any) -> Any:
    """The value in the precision of `x`, which is wider than the one under test."""
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            e = np.exp(-np.abs(x))
            return np.where(x < 0, e, 1) / (1 + e)
        if name == "erf":
            return np.array([math.erf(value) for value in x], x.dtype)
        return getattr(np, name)(x)


def wider(x: Any) -> Any:
    with np.errstate(invalid="ignore"):  # signalling NaN
        return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


def samples(dtype: Any, seed: int) -> Any:
    """Random bit patterns, so every exponent, NaN and denormal too; and normals at five scales."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 256, SAMPLES * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    normals = rng.standard_normal((5, SAMPLES // 5)) * [[0.01], [0.5], [2], [10], [100]]
    with np.errstate(all="ignore"):
        return np.concatenate([patterns, normals.ravel().astype(dtype)])


# ---------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("name", LIMITS)
def test_float32_is_accurate_everywhere(name: str) -> None:
    x = samples(np.float32, seed=1)
    error = ulp_error(apply(name, x), exact(name, wider(x)))
    assert error.max() <= LIMITS[name], f"at {x[error.argmax()]!r}"


@needs_long_double
@pytest.mark.parametrize("name", LIMITS)
def test_float64_is_accurate_everywhere(name: str) -> None:
    x = samples(np.float64, seed=2)
    error = ulp_error(apply(name, x), exact(name, wider(x)))
    oracle = 1.0 if name == "erf" else 0.0  # math.erf is itself a float64 function
    assert error.max() <= LIMITS[name] + oracle, f"at {x[error.argmax()]!r}"


@needs_long_double
def test_erf_float64_against_its_series() -> None:
    x = np.linspace(-3.0, 3.0, 2001)
    wide = x.astype(np.longdouble)
    term = total = wide * np.exp(-wide * wide) * 2 / np.sqrt(np.longdouble(np.pi))
    for n in range(1, 100):  # erf(x) = 2/sqrt(pi) exp(-x**2) sum of 2**n x**(2n+1) / (2n+1)!!
        term = term * 2 * wide * wide / (2 * n + 1)
        total = total + term
    pi_tail = np.longdouble(1.2246467991473532e-16)  # pi - np.pi: 1/sqrt(pi) to long double
    total = total * (1 - pi_tail / (2 * np.longdouble(np.pi)))
    assert ulp_error(apply("erf", x), total).max() <= LIMITS["erf"]


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("dtype", DTYPES)
@needs_long_double
def test_near_multiples_of_half_pi(name: str, dtype: Any) -> None:
    """Where the reduced argument is tiny, every bit of pi counts."""
    count = SAMPLES // 10
    multiples = np.concatenate([np.arange(1, count), 2.0 ** np.arange(1, 1020) * 3])
    with np.errstate(over="ignore"):
        x = (multiples * (np.pi / 2)).astype(dtype)
    x = x[np.isfinite(x)]
    error = ulp_error(apply(name, x), exact(name, wider(x)))
    assert error.max() <= LIMITS[name], f"at {x[error.argmax()]!r}"


@only_compiled
def test_the_float64_nearest_to_a_multiple_of_half_pi() -> None:
    x = np.array([6381956970095103.0 * 2.0**797, -6381956970095103.0 * 2.0**797])
    np.testing.assert_allclose(apply("cos", x), -4.68716592425462761112e-19, rtol=4e-16)
    np.testing.assert_array_equal(apply("sin", x), [1.0, -1.0])


# ---------------------------------------------------------------------------- special values

SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e4, INF), (-1e4, 0.0)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN), (-INF, NAN)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (1e4, INF), (-1e4, -1.0)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e30, 1.0), (-50.0, -1.0)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (1e30, 1.0), (-1e30, 0.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e30, 1.0), (-1e30, -1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
}


def assert_same(got: Any, want: Any) -> None:
    """Equal, with the sign of zero, NaN equal to NaN."""
    np.testing.assert_array_equal(got, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(want)[number])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(name: str, dtype: Any) -> None:
    x, want = np.array([*SPECIAL[name], (NAN, NAN)], dtype).T
    for copies in (1, 16):  # the scalar rest of the loop, and its vector part
        assert_same(apply(name, np.repeat(x, copies)), np.repeat(want, copies))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "sin", "tan"])
def test_denormals_stay_themselves(name: str, dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x = tiny * np.array([1, 2, 3, 1000, -1, -77], dtype)
    assert_same(apply(name, x), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_denormal_results_of_exp(dtype: Any) -> None:
    info = np.finfo(dtype)
    x = np.linspace(math.log(info.smallest_subnormal), math.log(info.tiny), 500).astype(dtype)
    got, want = apply("exp", x), np.exp(wider(x)).astype(dtype)
    np.testing.assert_array_less(np.abs(got - want), info.smallest_subnormal * dtype(1.5))
    assert 0 < got[1] < got[-2] < info.tiny


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_of_denormals(dtype: Any) -> None:
    powers = np.arange(0, np.finfo(dtype).nmant)
    x = np.finfo(dtype).smallest_subnormal * dtype(2) ** powers.astype(dtype)
    want = (np.log2(x).astype(np.float64)) * math.log(2)
    np.testing.assert_allclose(apply("log", x), want, rtol=3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pow_is_the_library_function(dtype: Any) -> None:
    x = np.array([2, -2, -8, 0, INF, 1, NAN, 9], dtype)
    y = np.array([10, 3, 0.5, -1, 0, NAN, 0, 0.5], dtype)
    np.testing.assert_array_equal(
        apply("pow", x, y), np.array([1024, -8, NAN, INF, 1, 1, 1, 3], dtype)
    )


# ---------------------------------------------------------------------------- intrinsics

GRID = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -3.7, 1e30, -1e30, INF, -INF, NAN]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["fabs", "floor", "ceil", "rint", "trunc", "sqrt"])
def test_unary_intrinsics(name: str, dtype: Any) -> None:
    x = np.repeat(np.array(GRID, dtype), 5)
    with np.errstate(invalid="ignore"):
        assert_same(apply(name, x), getattr(np, name)(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_copysign(dtype: Any) -> None:
    a, b = (part.ravel() for part in np.meshgrid(*[np.array(GRID, dtype)] * 2))
    b = np.where(np.isnan(b), dtype(1), b)  # the sign of a NaN says nothing
    assert_same(apply("copysign", a, b), np.copysign(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_maximum_and_minimum_propagate_nan_and_order_zeros(name: str, dtype: Any) -> None:
    a, b = (part.ravel() for part in np.meshgrid(*[np.array(GRID, dtype)] * 2))
    want = getattr(np, name)(a, b)
    zeros = (a == 0) & (b == 0)
    negative = [np.signbit(a) & np.signbit(b), np.signbit(a) | np.signbit(b)][name == "minimum"]
    want[zeros] = np.where(negative, dtype(-0.0), dtype(0.0))[zeros]
    assert_same(apply(name, a, b), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_rounds_once(dtype: Any) -> None:
    eps = np.finfo(dtype).eps
    a = np.full(40, 1 + eps, dtype)
    got = apply("fma", a, a, -(a * a))  # the rounding error of the product, lost if rounded twice
    np.testing.assert_array_equal(got, np.full(40, eps * eps))


@pytest.mark.parametrize("dtype", DTYPES)
def test_select_keeps_one_value(dtype: Any) -> None:
    select = vecmath.select
    x = np.array(GRID * 3, dtype)
    got = np.empty_like(x)
    as_kernel(numba.njit(lambda value: select(value > 0, value, -value)))(x, got)
    np.testing.assert_array_equal(got, np.abs(x))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 20])
@pytest.mark.parametrize("dtype", DTYPES)
def test_polynomial_puts_the_leading_coefficient_first(count: int, dtype: Any) -> None:
    coefficients = tuple(dtype(k + 1) for k in range(count))
    polynomial = vecmath.polynomial
    x = np.array([0, 1, -1, 0.5, 2], dtype)
    got = np.empty_like(x)
    as_kernel(numba.njit(lambda value: polynomial(value, coefficients)))(x, got)
    np.testing.assert_allclose(got, np.polyval(coefficients, x), rtol=1e-6)


def test_int32_arithmetic_wraps() -> None:
    largest, one = np.int32(2**31 - 1), np.int32(1)
    calls = [("add", largest, one, -(2**31)), ("sub", -largest, largest, 2)]
    calls += [("and", np.int32(6), np.int32(3), 2), ("shift_left", one, np.int32(31), -(2**31))]
    calls += [("shift_right", np.int32(-5), one, -3)]
    for name, a, b, want in calls:
        function = getattr(vecmath, f"i32_{name}")
        result = numba.njit(lambda a, b, function=function: function(a, b))(a, b)
        assert result == want, name


def test_bits_and_back() -> None:
    for width, value in ((32, np.float32(-1.5)), (64, np.float64(-1.5))):
        to_bits, to_float = (getattr(vecmath, f"{kind}_f{width}") for kind in ("bits", "float"))
        bits = numba.njit(lambda x, to_bits=to_bits: to_bits(x))(value)
        assert bits == value.view(f"int{width}")
        integer = np.dtype(f"int{width}").type(bits)
        assert numba.njit(lambda b, to_float=to_float: to_float(b))(integer) == value


@only_compiled
def test_mixed_types_are_refused_with_the_reason() -> None:
    fma = vecmath.fma
    with pytest.raises(numba.core.errors.TypingError, match="fma: expected operands of one type"):
        numba.njit(lambda x: fma(x, 2.0, x))(np.float32(1))
    floor = vecmath.floor
    with pytest.raises(numba.core.errors.TypingError, match="expected float32 or float64"):
        numba.njit(lambda x: floor(x))(3)


# ---------------------------------------------------------------------------- the compiled loops


def host_has(feature: str) -> bool:
    """Whether this is an x86 processor with the feature, such as fma or avx512f."""
    x86 = platform.machine() in ("x86_64", "AMD64")
    return x86 and bool(llvmlite.binding.get_host_cpu_features().get(feature))


@only_compiled
@pytest.mark.skipif(not host_has("fma"), reason="reads the assembly of x86 with fma")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LIMITS)
def test_the_loop_is_vectorised(name: str, dtype: Any) -> None:
    if name == "tan" and dtype == np.float64 and not host_has("avx512f"):
        pytest.skip("the docstring of tan_f64 says that it is scalar here")
    apply(name, np.ones(3, dtype))
    (assembly,) = _KERNELS[f"{name}_f{np.dtype(dtype).itemsize * 8}", 1].inspect_asm().values()
    packed = "s" if dtype == np.float32 else "d"
    assert re.search(rf"\bv?(mul|fmadd\d+)p{packed}\s", assembly)


def test_every_name_exists_without_the_compiler() -> None:
    from minigrad.kernels.math import vecmath_python

    assert set(vecmath_python.__all__) == set(vecmath.__all__)
    assert all(hasattr(vecmath_python, name) for name in vecmath.__all__)


def test_ulp_error_counts_units() -> None:
    one = np.float32(1)
    above = np.nextafter(one, np.float32(2))
    assert ulp_error([above], np.array([1.0])) == 1
    got = np.array([NAN, INF, INF, NAN, 0.0], np.float32)
    want = np.array([NAN, INF, 1.0, 1.0, 2.0**-150])
    np.testing.assert_array_equal(ulp_error(got, want), [0, 0, INF, INF, 0.5])
