"""Interpolation: each mode is one sparse matrix per dimension, made here.

Places are computed in the precision of the input, as PyTorch does: in float32 the rounding of
``place = scale * i`` decides which element is the nearest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.index import pick_op
from minigrad.ops.layers.pool import repeat_windows
from minigrad.ops.layers.resample import matrix, resample, sparse

Sizes = tuple[int, ...]
Scales = tuple[float | None, ...]
kernels = lazy("resample")

__all__ = ["interpolate_linear", "interpolate_nearest"]

_CUBIC, _CUBIC_ANTIALIAS = -0.75, -0.5  # the free parameter of Keys' kernel, as PyTorch has it

# -- places ----------------------------------------------------------------------------------------


def _step(size: int, out: int, align: bool, scale: float | None, kind: Any) -> Any:
    """From one output to the next, in elements of the input."""
    if align:
        return kind(size - 1) / kind(out - 1) if out > 1 else kind(0)
    if scale is not None and scale > 0:
        return kind(1.0 / scale)
    return kind(size) / kind(out)


def _places(size: int, out: int, align: bool, scale: float | None, kind: Any) -> Array:
    """Where each output lies among the inputs."""
    step, half = _step(size, out, align, scale, kind), kind(0.5)
    i: Array = np.arange(out).astype(kind)
    place: Array = step * i if align else step * (i + half) - half
    return place


# -- matrices --------------------------------------------------------------------------------------


def nearest(size: int, out: int, scale: float | None, exact: bool, char: str) -> Array:
    """The index of the nearest element: rounded down, or (`exact`) that of the nearest centre."""
    kind = np.dtype(char).type
    step = np.float64(_step(size, out, False, scale, kind))
    i = np.arange(out)
    # PyTorch multiplies and subtracts with one rounding, to float32 whatever the dtype
    if exact:
        place = np.maximum((step * (i + 0.5) - 0.5).astype(np.float32), 0) + np.float32(0.5)
    else:
        place = (step * i).astype(np.float32)
    return np.minimum(np.floor(place).astype(np.int64), size - 1)


@matrix
def nearest_matrix(*args: Any) -> Any:
    """As a matrix."""
    index = nearest(*args)[:, None]
    return sparse(index, np.ones(index.shape), args[0])


@matrix
def linear(size: int, out: int, align: bool, scale: float | None, char: str) -> Any:
    """Between the two neighbours, by distance."""
    kind = np.dtype(char).type
    if size == out:
        place = np.arange(out).astype(kind)
    else:
        place = np.maximum(_places(size, out, align, scale, kind), kind(0))
    low = np.minimum(np.floor(place).astype(np.int64), size - 1)
    part = np.clip(place - low.astype(kind), 0, 1)
    at = np.stack([low, np.minimum(low + 1, size - 1)], 1)
    return sparse(at, np.stack([kind(1) - part, part], 1), size)


def _keys(x: Array, a: float) -> Array:
    """Keys' cubic convolution kernel (1981): 1 at 0, and 0 at the other whole numbers."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


@matrix
def cubic(size: int, out: int, align: bool, scale: float | None, char: str) -> Any:
    """Between four neighbours; beyond the border its elements repeat."""
    kind = np.dtype(char).type
    place = np.arange(out).astype(kind) if size == out else _places(size, out, align, scale, kind)
    low = np.floor(place).astype(np.int64)
    part = place - low.astype(kind)
    near = np.arange(-1, 3)
    at = np.clip(low[:, None] + near, 0, size - 1)
    return sparse(at, _keys(part[:, None] - near.astype(kind), _CUBIC), size)


@matrix
def antialiased(size: int, out: int, align: bool, scale: float | None, char: str, mode: str) -> Any:
    """With the kernel stretched over all inputs that an output stands for, when shrinking."""
    kind = np.dtype(char).type
    step = _step(size, out, align, scale, kind)
    wide = max(step, kind(1))
    reach = (1 if mode == "linear" else 2) * wide
    rows = []
    for i in range(out):
        centre = step * kind(i + 0.5)
        first = max(int(centre - reach + kind(0.5)), 0)
        last = min(int(centre + reach + kind(0.5)), size)
        x = (np.arange(first, last) - centre + kind(0.5)) / wide
        w = np.maximum(1 - np.abs(x), 0) if mode == "linear" else _keys(x, _CUBIC_ANTIALIAS)
        total = w.sum()
        rows.append((np.arange(first, last), w / total if total else w))
    starts = np.concatenate(([0], np.cumsum([at.size for at, _ in rows])))
    at, weight = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return kernels.Combination(starts, at, weight.astype(np.float64), size)


# -- all dimensions --------------------------------------------------------------------------------


def _precision(x: Array) -> str:
    return "d" if x.dtype == np.float64 else "f"


def _in_turn(input: Tensor, out: Sizes, make: Any, rest: Any) -> Tensor:
    """One dimension after the other: those that shrink first, then from the last to the first."""
    dims, ndim = len(out), input.array.ndim
    size = input.array.shape[ndim - dims :]
    order = sorted(range(dims), key=lambda d: (out[d] / max(size[d], 1) >= 1, -d))
    for d in order:
        input = resample(input, d - dims, make, (size[d], out[d], *rest(d)))
    return input


def interpolate_nearest(input: Tensor, out: Sizes, scales: Scales, exact: bool) -> Tensor:
    """The nearest element; whole factors take the quick way of repeated elements."""
    x, dims = input.array, len(out)
    size, char = x.shape[x.ndim - dims :], _precision(x)
    tables = [nearest(n, o, s, exact, char) for n, o, s in zip(size, out, scales, strict=True)]
    if x.dtype.kind != "f":
        for dim, table in enumerate(tables, x.ndim - dims):
            input = pick_op((input, given(table.astype(np.int64))), (dim, 1))
        return input
    factors = tuple(o // n for n, o in zip(size, out, strict=True))
    if min(factors) > 0 and all(
        n * f == table.size and np.array_equal(table, np.arange(table.size) // f)
        for n, f, table in zip(size, factors, tables, strict=True)
    ):
        return repeat_windows(input, factors)
    return _in_turn(input, out, nearest_matrix, lambda d: (scales[d], exact, char))


def interpolate_linear(
    input: Tensor, out: Sizes, scales: Scales, mode: str, align: bool, antialias: bool
) -> Tensor:
    """Linear (of 1 to 3 dimensions) or cubic interpolation."""
    char = _precision(input.array)
    if antialias:
        return _in_turn(input, out, antialiased, lambda d: (align, scales[d], char, mode))
    make = linear if mode == "linear" else cubic
    return _in_turn(input, out, make, lambda d: (align, scales[d], char))


def scaled_size(size: Sizes, scales: tuple[float, ...]) -> Sizes:
    """The size after scaling, rounded down."""
    return tuple(math.floor(float(n) * s) for n, s in zip(size, scales, strict=True))
