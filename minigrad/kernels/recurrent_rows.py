"""What the kernels of recurrent layers share: passes over rows, products of a step, its rows."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from minigrad.kernels import costs
from minigrad.kernels.math import vecmath
from minigrad.kernels.matmul import sgemm
from minigrad.kernels.matmul.gemm import gemm
from minigrad.kernels.matmul.sgemm import times_packed
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import pool_address

__all__ = [
    "Steps", "add_row", "add_rows", "columns_of", "copy_row", "copy_rows", "gradient_rows",
    "members", "multiplied", "multiply_row", "pool_of", "relu_row", "sigmoid_row",
    "starting_gradient", "steps_of", "sum_and_times", "tanh", "tanh_row", "times", "weights",
    "whole",
]  # fmt: skip

Array = NDArray[Any]

#: Sequences that go together at least. OpenBLAS packs the weights for each group and step; with
#: weights that are packed once, smaller groups cost nothing, and their rows stay in the cache.
_GROUP = 8 if sgemm.AVAILABLE else 16
_MOST_GROUPS = 16

_OPTIONS = {"nogil": True, "error_model": "numpy"}


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
def _sigmoid(x):
    return _by_type("sigmoid", x)


@overload(tanh)
def _tanh(x):
    return _by_type("tanh", x)


@jit
def sigmoid_row(row):
    """``row = sigmoid(row)``."""
    for i in range(row.size):
        row[i] = sigmoid(row[i])


@jit
def tanh_row(row):
    """``row = tanh(row)``."""
    for i in range(row.size):
        row[i] = tanh(row[i])


@jit
def relu_row(row):
    """``row = max(row, 0)``."""
    for i in range(row.size):
        value = row[i]
        row[i] = vecmath.select(value < 0, row.dtype.type(0), value)  # so that NaN stays


@jit
def add_row(row, other):
    """``row += other``."""
    for i in range(row.size):
        row[i] += other[i]


@jit
def multiply_row(row, other):
    """``row *= other``."""
    for i in range(row.size):
        row[i] *= other[i]


@jit
def multiplied(row, other, out):
    """``out = row * other``."""
    for i in range(out.size):
        out[i] = row[i] * other[i]


@jit
def copy_row(row, out):
    """``out = row``."""
    for i in range(out.size):
        out[i] = row[i]


# --- The steps ----------------------------------------------------------------------------------


@jit
def _at(array, row):
    """The address of a row of a matrix."""
    return array.ctypes.data + row * array.shape[1] * array.itemsize


def columns_of(w):
    """How many columns the weights have, for jitted code."""


@overload(columns_of)
def _columns_of(w):
    return (lambda w: w.shape[1]) if isinstance(w, types.Array) else (lambda w: w.n)


def times(a, first, rows, w, beta, out, at):
    """``out[at : at + rows] = a[first : first + rows] @ w + beta * out[...]``; `beta` 0 or 1.

    For jitted code. The weights `w` are what :func:`weights` has returned.
    """


@overload(times, jit_options=_OPTIONS)
def _times(a, first, rows, w, beta, out, at):
    def by_blas(a, first, rows, w, beta, out, at):
        k, n = w.shape
        gemm(a, False, False, rows, n, k, a.dtype.type(1), _at(a, first), k, _at(w, 0), n,
             a.dtype.type(beta), _at(out, at), n)  # fmt: skip

    def by_own(a, first, rows, w, beta, out, at):
        size, place = a.itemsize, _at(out, at)
        times_packed(w, rows, _at(a, first), w.k * size, place, w.n * size, int(beta),
                     place, w.n * size)  # fmt: skip

    return by_blas if isinstance(w, types.Array) else by_own


def sum_and_times(start, place, step, a, first, rows, w, out, at):
    """As :func:`times`, plus the rows of `start`, from `place` on and `step` apart.

    A step of 0 adds one row to all.
    """


@overload(sum_and_times, jit_options=_OPTIONS)
def _sum_and_times(start, place, step, a, first, rows, w, out, at):
    def by_blas(start, place, step, a, first, rows, w, out, at):
        for i in range(rows):
            copy_row(start[place + step * i], out[at + i])
        times(a, first, rows, w, 1, out, at)

    def by_own(start, place, step, a, first, rows, w, out, at):
        size = a.itemsize
        times_packed(w, rows, _at(a, first), w.k * size, _at(start, place), step * w.n * size, 1,
                     _at(out, at), w.n * size)  # fmt: skip

    return by_blas if isinstance(w, types.Array) else by_own


@jit
def members(unit, units, count):
    """Which of `count` sequences go together as `unit`."""
    return unit * count // units, (unit + 1) * count // units


@jit
def copy_rows(source, first, rows, out, at):
    """``out[at : at + rows] = source[first : first + rows]``."""
    for i in range(rows):
        copy_row(source[first + i], out[at + i])


@jit
def add_rows(source, first, rows, out, at):
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


def weights(w: Array | None, like: Array, turned: bool) -> tuple[Any, Array]:
    """A matrix that takes part in the products of all steps, and the memory that it lies in.

    As our own kernels for float32 want it, packed once; else in row-major order. `turned`: its
    transpose. Without a matrix, one that has no columns.
    """
    if sgemm.AVAILABLE and like.dtype.char == "f" and like.size:
        if w is None:
            return sgemm.NOTHING, like
        return sgemm.packed(whole(w), turned)
    if w is None:
        w = np.empty((0, 0), like.dtype)
    w = whole(w.T if turned else w)
    return w, w


def pool_of(steps: Steps, size: int) -> int:
    """The pool, where there is enough to share: a product with so many weights for each row."""
    large = steps.groups > 1 and steps.rows * size >= costs.UNROLLED
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
