"""Pooling: the maximum and the mean of windows that slide over the last dimensions.

The maximum has one operation that is quick in both directions, and one that finds where the maxima
are; the derivative of any order is gathering and scattering at those places. Means are linear:
``avg_pool`` and ``avg_pool_spread`` are each other's transpose, and so each other's derivative.

Functions here take what has been checked by :mod:`minigrad.nn.functions.pooling`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops.shape import reshape
from minigrad.core.samples import Sample, cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.pool import pooling as kernels
from minigrad.kernels.pool.windows import Windows
from minigrad.ops.batching import same
from minigrad.ops.layers.resample import average_bins, bin_bounds
from minigrad.ops.scatter import gather, scatter, scatter_add

Sizes = tuple[int, ...]

__all__ = [
    "adaptive_avg", "adaptive_max", "avg_pool", "geometry", "max_pool", "output_size",
    "repeat_windows", "unpool",
]  # fmt: skip

# -- geometry --------------------------------------------------------------------------------------


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, up: bool) -> int:
    """How many windows fit; with `up` also one that sticks out, if it starts inside."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    n = (room + (stride - 1 if up else 0)) // stride + 1
    return n - 1 if up and (n - 1) * stride >= size + padding else n


@lru_cache(maxsize=256)
def geometry(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
) -> Windows:
    """Windows of 3 dimensions; missing ones have size 1."""
    ones, zeros = (1,) * (3 - len(size)), (0,) * (3 - len(size))
    return Windows(
        ones + kernel, ones + stride, zeros + padding, ones + dilation, ones + size, ones + out
    )


# -- maximum ---------------------------------------------------------------------------------------


def _planes(x: Tensor, dims: int) -> tuple[Tensor, Sizes]:
    """As one row per plane, and the leading dimensions."""
    shape = x.array.shape
    lead = shape[: len(shape) - dims]
    return reshape(x, (math.prod(lead), math.prod(shape[len(lead) :]))), lead


def put_at(g: Tensor, index: Tensor, size: Sizes) -> Tensor:
    """Zeros of `size`, with `g` added at flat indices in each plane."""
    flow, lead = _planes(g, len(size))
    zeros = given(np.zeros((flow.array.shape[0], math.prod(size)), g.array.dtype))
    places, _ = _planes(index, len(size))
    return reshape(scatter_add(zeros, 1, places, flow), (*lead, *size))


def unpool(input: Tensor, index: Tensor, size: Sizes) -> Tensor:
    """Zeros of `size`, with elements written at flat indices in each plane."""
    rows, lead = _planes(input, len(size))
    zeros = given(np.zeros((rows.array.shape[0], math.prod(size)), input.array.dtype))
    places, _ = _planes(index, len(size))
    return reshape(scatter(zeros, 1, places, rows), (*lead, *size))


def take_at(x: Tensor, index: Tensor, dims: int) -> Tensor:
    """Elements by their flat index in each plane."""
    rows, _ = _planes(x, dims)
    places, _ = _planes(index, dims)
    return reshape(gather(rows, 1, places), index.array.shape)


def _max_rule(g: Tensor, x: Tensor, dims: int, windows: Any) -> Tensor:
    index = _max_places((x,), (dims, windows))
    return put_at(g, index, windows.size[3 - dims :])


def _windows(size: Sizes, *rest: Sizes, up: bool = False) -> Any:
    """For samples: kernel, stride, padding, dilation of any number of dimensions."""
    out = tuple(output_size(*of, up) for of in zip(size, *rest, strict=True))  # type: ignore[call-arg]
    return len(size), geometry(size, *rest, out)


def _distinct(shape: Sizes, *rest: Sizes, up: bool = False) -> Any:
    """Values far enough from each other that small steps do not change the maximum."""
    size = shape[len(shape) - len(rest[0]) :]

    def make(rng: np.random.Generator) -> Sample:
        values = rng.permutation(math.prod(shape)).reshape(shape) * 0.1
        return Sample((values,), _windows(size, *rest, up=up))

    return make


_SAMPLES = cases(
    _distinct((2, 3, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1)),
    _distinct((2, 5, 7), (3, 3), (2, 2), (1, 1), (1, 1)),
    _distinct((2, 7), (2,), (3,), (0,), (2,), up=True),
    _distinct((1, 3, 4, 5), (2, 3, 2), (1, 1, 3), (1, 1, 0), (1, 1, 1)),
    _distinct((0, 3, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1)),
)
_max_pool = primitive(
    "max_pool", kernels.max_forward, _max_rule, sample=_SAMPLES, batch=same,
    fused=lambda g, dims, windows, residuals: kernels.max_backward(g, dims, windows, *residuals),
    doc="The maximum of each window.",
)  # fmt: skip
_max_places = primitive(
    "max_pool_indices", lambda x, dims, windows: kernels.max_indices(x, dims, windows),
    sample=_SAMPLES, batch=same,
    doc="Where the maximum of each window is, as a flat index in the pooled dimensions.",
)  # fmt: skip


MAX_POOL = _max_pool.op


def max_pool(input: Tensor, dims: int, windows: Any, indices: bool) -> Any:
    """The maxima; with `indices`, a pair of them and of where they are."""
    if not indices:
        return _max_pool((input,), (dims, windows))
    index = _max_places((input,), (dims, windows))
    return take_at(input, index, dims), index


# -- mean ------------------------------------------------------------------------------------------


def _mean_sample(
    into: bool, shape: Sizes, *rest: Sizes, up: bool = False, include_pad: bool = True,
    divisor: int | None = None,
) -> Any:  # fmt: skip
    dims = len(rest[0])
    size = shape[len(shape) - dims :]

    def make(rng: np.random.Generator) -> Sample:
        _, windows = _windows(size, *rest, up=up)
        sizes = windows.out[3 - dims :] if into else size
        drawn = rng.normal(size=(*shape[: len(shape) - dims], *sizes))
        return Sample((drawn,), (dims, windows, include_pad, divisor))

    return make


def _mean_samples(into: bool) -> Any:
    return cases(
        _mean_sample(into, (2, 3, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1)),
        _mean_sample(into, (2, 5, 7), (3, 3), (2, 2), (1, 1), (1, 1), include_pad=False),
        _mean_sample(into, (2, 7), (3,), (2,), (1,), (1,), up=True),
        _mean_sample(into, (3, 4, 5), (2, 3, 2), (1, 1, 3), (1, 1, 0), (1, 1, 1), divisor=5),
        _mean_sample(into, (0, 3, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1)),
    )


def _mean_rule(
    g: Tensor, dims: int, windows: Any, include_pad: bool, divisor: int | None
) -> Tensor:
    return _mean_spread((g,), (dims, windows, include_pad, divisor))


_mean = primitive(
    "avg_pool", kernels.mean_forward, sample=_mean_samples(False), batch=same,
    vjp=_mean_rule,
    doc="The mean of each window.",
)  # fmt: skip
_mean_spread = primitive(
    "avg_pool_spread", kernels.mean_backward, sample=_mean_samples(True), batch=same,
    vjp=lambda g, dims, windows, include_pad, divisor: _mean(
        (g,), (dims, windows, include_pad, divisor)
    ),
    doc="The transpose of `avg_pool`: each element is shared out over its window.",
)  # fmt: skip


AVG_POOL = _mean.op


def avg_pool(
    input: Tensor, dims: int, windows: Any, include_pad: bool = True, divisor: int | None = None
) -> Tensor:
    """The sum of each window, divided by its size, or by `divisor`."""
    return _mean((input,), (dims, windows, include_pad, divisor))


def repeat_windows(input: Tensor, factors: Sizes) -> Tensor:
    """Each element of the last dimensions becomes a block of `factors` equal ones."""
    dims = len(factors)
    out = input.array.shape[input.array.ndim - dims :]
    size = tuple(n * f for n, f in zip(out, factors, strict=True))
    windows = geometry(size, factors, factors, (0,) * dims, (1,) * dims, out)
    return _mean_spread((input,), (dims, windows, True, 1))


# -- bins that cover the input ---------------------------------------------------------------------


def _even_bins(size: Sizes, out: Sizes) -> Any:
    """Bins of equal size as windows; None where they are not."""
    if any(o == 0 or n % o for n, o in zip(size, out, strict=True)):
        return None
    kernel = tuple(n // o for n, o in zip(size, out, strict=True))
    return geometry(size, kernel, kernel, (0,) * len(size), (1,) * len(size), out)


def adaptive_avg(input: Tensor, out: Sizes) -> Tensor:
    """Means of ``out`` bins: bin `i` of `n` covers ``floor(i * size / n)`` to
    ``ceil((i + 1) * size / n)``.
    """
    dims, ndim = len(out), input.array.ndim
    if out == (1,) * dims and input.array.size:
        return input.mean(tuple(range(ndim - dims, ndim)), True)
    windows = _even_bins(input.array.shape[ndim - dims :], out)
    if windows is not None:
        return avg_pool(input, dims, windows)
    return average_bins(input, out)


def _adaptive_max(x: Array, out: Sizes) -> Array:
    shape = (*x.shape[: x.ndim - len(out)], *out)
    if math.prod(shape) == 0:
        return np.zeros(shape, np.int64)
    bounds = [bin_bounds(n, o) for n, o in zip(x.shape[x.ndim - len(out) :], out, strict=True)]
    starts, stops = zip(*bounds, strict=True)
    return kernels.adaptive_max_indices(x, starts, stops)


_adaptive_places = primitive(
    "adaptive_max_indices", _adaptive_max, batch=same,
    sample=cases(
        lambda rng: ((rng.normal(size=(2, 5, 7)),), ((2, 3),)),
        lambda rng: ((rng.normal(size=(2, 5)),), ((3,),)),
    ),
    doc="Where the maximum of each bin is, as a flat index in the pooled dimensions.",
)  # fmt: skip


def adaptive_max(input: Tensor, out: Sizes, indices: bool) -> Any:
    """Maxima of ``out`` bins; with `indices`, a pair of them and of where they are."""
    dims = len(out)
    windows = _even_bins(input.array.shape[input.array.ndim - dims :], out)
    if windows is not None and max(windows.kernel) < 16:
        return max_pool(input, dims, windows, indices)
    index = _adaptive_places((input,), (out,))
    values = take_at(input, index, dims)
    return (values, index) if indices else values
