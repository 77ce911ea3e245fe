"""The names of `kernels.math.vecmath` as numpy functions, for ``NUMBA_DISABLE_JIT=1``.

Without the compiler, kernels are plain Python loops over numpy scalars, easy to debug and slow.
LLVM's intrinsics do not exist there, so these scalar functions take their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval

from minigrad.kernels.math.intrinsics import inlined

__all__ = ["inlined"]  # completed below


def _quiet(function: Callable[..., Any], dtype: type[Any]) -> Callable[..., Any]:
    """``function`` on scalars of ``dtype``, without numpy's warnings, as in compiled code."""

    def call(*values: Any) -> Any:
        with np.errstate(all="ignore"):
            return dtype(function(*(dtype(value) for value in values)))

    return call


def _keep_type(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` on scalars of the type of the first."""

    def call(*values: Any) -> Any:
        return _quiet(function, type(values[0]))(*values)

    return call


def _maximum(a: Any, b: Any) -> Any:
    return a + b if a == b == 0 else np.maximum(a, b)  # +0.0 above -0.0


def _minimum(a: Any, b: Any) -> Any:
    return -(-a - b) if a == b == 0 else np.minimum(a, b)


def _sigmoid(x: Any) -> Any:
    e = np.exp(-abs(x))
    return (e if x < 0 else type(x)(1)) / (type(x)(1) + e)


def _fma(a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` rounded once: in exact fractions, which know no NaN, infinity or ``-0.0``."""
    with np.errstate(all="ignore"):
        rounded_twice = a * b + c
        if not np.isfinite(rounded_twice) or not np.isfinite(a * b):
            return rounded_twice
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        return type(a)(float(exact)) if exact else rounded_twice


def _select(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b


def _polynomial(x: Any, coefficients: tuple[Any, ...]) -> Any:
    return type(x)(polyval(x, coefficients[::-1]))


_ELEMENTARY: dict[str, Callable[..., Any]] = {
    "cos": np.cos,
    "erf": math.erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "pow": np.power,
    "sigmoid": _sigmoid,
    "sin": np.sin,
    "tan": np.tan,
    "tanh": np.tanh,
}
_OF_EITHER_TYPE: dict[str, Callable[..., Any]] = {
    "ceil": np.ceil,
    "copysign": np.copysign,
    "fabs": np.fabs,
    "floor": np.floor,
    "maximum": _maximum,
    "minimum": _minimum,
    "rint": np.rint,
    "sqrt": np.sqrt,
    "trunc": np.trunc,
}
_OF_INT32: dict[str, Callable[..., Any]] = {
    "i32_add": np.add,
    "i32_and": np.bitwise_and,
    "i32_shift_left": np.left_shift,
    "i32_shift_right": np.right_shift,
    "i32_sub": np.subtract,
}
_OTHERS: dict[str, Callable[..., Any]] = {
    "bits_f32": lambda x: np.float32(x).view(np.int32),
    "bits_f64": lambda x: np.float64(x).view(np.int64),
    "float_f32": lambda bits: np.int32(bits).view(np.float32),
    "float_f64": lambda bits: np.int64(bits).view(np.float64),
    "fma": _fma,
    "f32_to_f64": np.float64,
    "f64_to_f32": _quiet(np.float32, np.float32),
    "i32_to_f32": np.float32,
    "i64_to_i32": lambda x: np.int64(x).astype(np.int32),
    "looked_up": lambda table, row, column: table[row, column],
    "polynomial": _polynomial,
    "select": _select,
}

_TABLE = (
    {f"{name}_f32": _quiet(function, np.float32) for name, function in _ELEMENTARY.items()}
    | {f"{name}_f64": _quiet(function, np.float64) for name, function in _ELEMENTARY.items()}
    | {name: _keep_type(function) for name, function in _OF_EITHER_TYPE.items()}
    | {name: _quiet(function, np.int32) for name, function in _OF_INT32.items()}
    | _OTHERS
)
globals().update(_TABLE)
__all__ += list(_TABLE)
