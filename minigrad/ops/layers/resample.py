"""Combining the elements along a dimension with fixed weights, and the matrices of weights.

One linear operation, ``resample``, and its transpose serve interpolation and means of uneven bins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.samples import Sample, cases
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import same

Sizes = tuple[int, ...]
kernels = lazy("resample")

__all__ = ["average_bins", "bin_bounds", "matrix", "resample", "sparse"]


def sparse(at: Array, weight: Array, columns: int) -> Any:
    """A matrix from two tables of shape (rows, entries): where, and how much."""
    rows, entries = at.shape
    starts = np.arange(rows + 1) * entries
    return kernels.Combination(
        starts, at.reshape(-1).astype(np.int64), weight.reshape(-1).astype(np.float64), columns
    )


#: What makes matrices, by name.
_MATRICES: dict[str, Callable[..., Any]] = {}


def matrix(make: Callable[..., Any]) -> Callable[..., Any]:
    """Let :func:`resample` multiply by what a function makes."""
    _MATRICES[make.__name__] = make
    return make


@lru_cache(maxsize=128)
def _table(make: str, args: tuple[Any, ...], turned: bool) -> Any:
    """Tables are made once: a network asks for the same ones at every step."""
    return kernels.transposed(_table(make, args, False)) if turned else _MATRICES[make](*args)


def _along(x: Array, dim: int, make: str, args: tuple[Any, ...], turned: bool) -> Array:
    return kernels.combine(x, x.ndim + dim, _table(make, args, turned))  # type: ignore[no-any-return]


def bin_bounds(size: int, out: int) -> tuple[Array, Array]:
    """The first and the last (exclusive) element of each of `out` bins that cover `size`."""
    i = np.arange(out)
    return i * size // out, -(-(i + 1) * size // out)


@matrix
def bins(size: int, out: int) -> Any:
    """The matrix of means of bins."""
    start, stop = bin_bounds(size, out)
    count = stop - start
    starts = np.concatenate(([0], np.cumsum(count)))
    at = np.arange(starts[-1]) + np.repeat(start - starts[:-1], count)
    return kernels.Combination(starts, at, np.repeat(1.0 / count, count), size)


def _sample(turned: bool) -> Any:
    return cases(
        lambda rng: Sample(
            (rng.normal(size=(2, 3 if turned else 5)),), (-1, "bins", (5, 3), turned)
        ),
        lambda rng: Sample(
            (rng.normal(size=(2, 4 if turned else 3, 2)),), (-2, "bins", (3, 4), turned)
        ),
    )


def _turn(g: Tensor, dim: int, make: str, args: tuple[Any, ...], turned: bool) -> Tensor:
    return _resample((g,), (dim, make, args, not turned))


_resample = primitive(
    "resample", _along, sample=_sample(False), batch=same,
    vjp=_turn,
    doc="Each element along a dimension becomes a fixed combination of those that were there.",
)  # fmt: skip


def resample(input: Tensor, dim: int, make: Callable[..., Any], args: tuple[Any, ...]) -> Tensor:
    """Multiply by the :func:`matrix` ``make(*args)`` along `dim`, counted from the end."""
    return _resample((input,), (dim, make.__name__, args, False))


def average_bins(input: Tensor, out: Sizes) -> Tensor:
    """Means of bins of the last dimensions."""
    ndim = input.array.ndim
    for i, n in enumerate(out):
        dim = i - len(out)
        input = resample(input, dim, bins, (input.array.shape[ndim + dim], n))
    return input
