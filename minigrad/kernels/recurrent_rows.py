"""What the kernels of recurrent layers share: passes over rows, products of a step, its rows."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from minigrad.kernels import vecmath
from minigrad.kernels.gemm import gemm
from minigrad.kernels.jit import jit
from minigrad.kernels.threads import pool_address

__all__ = [
    "Steps", "add_row", "add_rows", "copy_row", "copy_rows", "gradient_rows", "members",
    "pool_for", "relu_of_sum", "sigmoid_of_sum", "starting_gradient", "steps_of", "tanh",
    "tanh_of_sum", "times", "whole",
]  # fmt: skip

Array = NDArray[Any]

#: Sequences that go together at least: fewer would pack the weights too often for too little.
_GROUP = 16
_MOST_GROUPS = 16
_PARALLEL_FROM = 1_000_000  # multiplications that are worth sharing


# --- Rows ---------------------------------------------------------------------------------------


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))`` in the dtype of `x`, for jitted code."""


def tanh(x: Any) -> Any:
    """Hyperbolic tangent in the dtype of `x`, for jitted code."""


def _by_type(name: str, x: Any) -> Any:
    if x not in (types.float32, types.float64):
        return None
    function = getattr(vecmath, f"{name}_f{x.bitwidth}")
    return lambda x: function(x)


@overload(sigmoid)
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return _by_type("sigmoid", x)


@overload(tanh)
def _tanh(x):  # type: ignore[no-untyped-def]
    return _by_type("tanh", x)


@jit
def sigmoid_of_sum(a, b, out):  # type: ignore[no-untyped-def]
    """``out = sigmoid(a + b)``."""
    for i in range(out.size):
        out[i] = sigmoid(a[i] + b[i])


@jit
def tanh_of_sum(a, b, out):  # type: ignore[no-untyped-def]
    """``out = tanh(a + b)``."""
    for i in range(out.size):
        out[i] = tanh(a[i] + b[i])


@jit
def relu_of_sum(a, b, out):  # type: ignore[no-untyped-def]
    """``out = max(a + b, 0)``."""
    for i in range(out.size):
        value = a[i] + b[i]
        out[i] = vecmath.select(value < 0, out.dtype.type(0), value)  # so that NaN stays


@jit
def add_row(row, other):  # type: ignore[no-untyped-def]
    """``row += other``."""
    for i in range(row.size):
        row[i] += other[i]


@jit
def copy_row(row, out):  # type: ignore[no-untyped-def]
    """``out = row``."""
    for i in range(out.size):
        out[i] = row[i]


# --- The steps ----------------------------------------------------------------------------------


@jit
def _at(array, row):  # type: ignore[no-untyped-def]
    """The address of a row of a matrix."""
    return array.ctypes.data + row * array.shape[1] * array.itemsize


@jit
def times(a, first, rows, w, beta, out, at):  # type: ignore[no-untyped-def]
    """``out[at : at + rows] = a[first : first + rows] @ w + beta * out[...]``."""
    k, n = w.shape
    gemm(a, False, False, rows, n, k, a.dtype.type(1), _at(a, first), k, _at(w, 0), n,
         a.dtype.type(beta), _at(out, at), n)  # fmt: skip


@jit
def members(unit, units, count):  # type: ignore[no-untyped-def]
    """Which of `count` sequences go together as `unit`."""
    return unit * count // units, (unit + 1) * count // units


@jit
def copy_rows(source, first, rows, out, at):  # type: ignore[no-untyped-def]
    """``out[at : at + rows] = source[first : first + rows]``."""
    for i in range(rows):
        copy_row(source[first + i], out[at + i])


@jit
def add_rows(source, first, rows, out, at):  # type: ignore[no-untyped-def]
    """Nothing where the source is empty: no gradient came."""
    if source.size > 0:
        for i in range(rows):
            add_row(out[at + i], source[first + i])


# --- On arrays ----------------------------------------------------------------------------------


class Steps(NamedTuple):
    """Where the rows of each step begin, how many there are, and in how many groups to compute."""

    starts: Array
    sizes: Array
    groups: int
    rows: int


@functools.lru_cache(maxsize=1024)
def steps_of(sizes: tuple[int, ...]) -> Steps:
    """Of steps with so many rows."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    groups = max(1, min(_MOST_GROUPS, sizes[0] // _GROUP))
    return Steps(starts, np.array(sizes, np.int64), groups, int(starts[-1]))


def pool_for(steps: Steps, w: Array) -> int:
    """The pool, where there is enough to share."""
    large = steps.groups > 1 and steps.rows * w.size >= _PARALLEL_FROM
    return pool_address() if large else 0


def whole(x: Array) -> Array:
    """The array in row-major order; copied if it must be."""
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


def gradient_rows(g: Array | None, like: Array) -> Array:
    """An empty matrix where no gradient came."""
    return np.empty((0, like.shape[1]), like.dtype) if g is None else whole(g)


def starting_gradient(g: Array | None, shape: tuple[int, ...], like: Array) -> Array:
    """A copy to work on, of zeros where no gradient came."""
    return np.zeros(shape, like.dtype) if g is None else np.array(g, like.dtype, order="C")
