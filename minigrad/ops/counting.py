"""How often: numbers, and elements between edges."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.plain import plain, plain_results
from minigrad.core.public import public
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.guard import values_decide

# -- numbers ---------------------------------------------------------------------------------------


@plain
def _counted(x: Array, *rest: Any) -> Array:
    """How often each number occurs, or the sums of weights, if there are any."""
    *weights, minlength = rest
    if not weights:
        return np.bincount(x, minlength=minlength).astype(np.int64, copy=False)
    kind = np.float32 if weights[0].dtype == np.float32 else np.float64
    return np.bincount(x, weights[0], minlength).astype(kind, copy=False)


@public
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs; or the sums of the weights.

    Raises
    ------
    RuntimeError
        If the input is not one-dimensional, or has negative elements.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.bincount(mg.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    x = input.array
    if x.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount_cpu" not implemented for {input.dtype.name}')
    if x.ndim != 1 or (x.size and x.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and weights.array.shape != x.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    values_decide("bincount", input)
    return _counted((input,) if weights is None else (input, weights), minlength)


@plain
def _histc(x: Array, bins: int, min: float, max: float) -> Array:
    x = x.reshape(-1)
    low, high = (float(x.min()), float(x.max())) if min == max == 0 and x.size else (min, max)
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if not low < high:
        raise RuntimeError("max must be larger than min")
    try:
        counts = np.histogram(x, bins, (low, high))[0]
    except ValueError as error:
        raise RuntimeError(f"histc: {error}") from None
    return counts.astype(x.dtype)


@public
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of `bins` equal intervals from `min` to `max`."""
    check_bins("histc", bins)
    return _histc((input,), bins, min, max)


# -- histograms ------------------------------------------------------------------------------------


class _Frequencies(NamedTuple):
    hist: Tensor
    bin_edges: Tensor


def _weights(name: str, weight: Tensor | None, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The weights of points, if there are any."""
    if weight is None:
        return ()
    if weight.array.shape != shape:
        raise RuntimeError(
            f"{name}: if weight tensor is provided it should have the shape of the points, "
            f"{list(shape)}, but got {list(weight.array.shape)}"
        )
    return (weight,)


def check_bins(name: str, bins: int) -> None:
    """Refuse no intervals, and more than there can be numbers."""
    if bins < 1:
        raise RuntimeError(f"{name}: bins must be > 0, but got {bins}")
    if bins > 2**48:
        raise RuntimeError(f"{name}: can't allocate memory for {bins} bins")


def _check_ends(name: str, x: Array, bins: Any, ends: Any) -> None:
    """Refuse intervals that cannot be: none, between what is not finite, or not in order."""
    if isinstance(bins, np.ndarray):
        if bins.ndim != 1 or not bins.size or not (bins[1:] >= bins[:-1]).all():
            raise RuntimeError(f"{name}: bins must be a vector of edges in increasing order")
        return
    check_bins(name, bins)
    low, high = (x.min(), x.max()) if ends is None and x.size else ends or (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{name}: range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: min should not exceed max, but got min {low} max {high}")


def _equal_edges(x: Array, bins: int, ends: Any) -> Array:
    """Edges at equal distances in the type of the elements, which are compared with these.

    numpy's are float64: an element that lies on an edge of float32 would fall beside it.
    """
    kind = x.dtype.type
    low, high = map(kind, ends or ((x.min(), x.max()) if x.size else (0.0, 1.0)))
    if low == high:
        low, high = low - kind(0.5), high + kind(0.5)
    step = (high - low) / kind(bins)
    index = np.arange(bins + 1).astype(kind)
    below = low + step * index
    above = high - step * (kind(bins) - index)
    edges: Array = np.where(index < (bins + 1) // 2, below, above)
    return edges


@plain_results(2)
def _histogram(x: Array, *rest: Any) -> tuple[Array, ...]:
    """Counts and edges; after `x` come edges if there is no number of intervals, and weights."""
    *arrays, bins, ends, density = rest
    x, edges = x.reshape(-1), arrays.pop(0) if bins is None else None
    if edges is None:
        edges = _equal_edges(x, bins, ends)
    weights = arrays[0].reshape(-1) if arrays else None
    try:
        hist, at = np.histogram(x, edges, None, density, weights)
    except ValueError as error:
        raise RuntimeError(f"histogram: {error}") from None
    return hist.astype(x.dtype), at.astype(x.dtype)


@public
def histogram(
    input: Tensor,
    bins: Any = 100,
    *,
    range: tuple[float, float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> _Frequencies:
    """Counts between edges, given or equally spaced; a pair ``(hist, bin_edges)``."""
    x = input.array.reshape(-1)
    if x.dtype.kind != "f":
        raise RuntimeError(f"histogram: expected a floating point tensor, got {input.dtype}")
    cuts = (bins,) if isinstance(bins, Tensor) else ()
    count = None if cuts else bins.__index__()
    weights = _weights("histogram", weight, input.array.shape)
    _check_ends("histogram", x, bins.array if cuts else count, range)
    ends = None if range is None else tuple(range)
    return _Frequencies(*_histogram((input, *cuts, *weights), count, ends, density))


class _GridFrequencies(NamedTuple):
    hist: Tensor
    bin_edges: tuple[Tensor, ...]


@plain_results(0)
def _grid(x: Array, *rest: Any) -> tuple[Array, ...]:
    """Counts and the edges of each dimension; after `x` come the edges that have no number in
    `cuts`, and weights.
    """
    *arrays, cuts, ends, density = rest
    if isinstance(cuts, tuple):
        cuts = [arrays.pop(0) if c is None else c for c in cuts]
    points = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
    weights = arrays[0].reshape(-1) if arrays else None
    try:
        hist, edges = np.histogramdd(points, cuts, ends, density, weights)
    except ValueError as error:
        raise RuntimeError(f"histogramdd: {error}") from None
    return hist.astype(x.dtype), *[np.asarray(e, x.dtype) for e in edges]


@public(method=False)
def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> _GridFrequencies:
    """Counts of points in the cells of a grid; a pair ``(hist, bin_edges)``.

    Parameters
    ----------
    input : Tensor
        ``(*, d)``: points of d coordinates.
    bins : int, sequence of int, or sequence of Tensor
        How many intervals in every dimension, or in each; or the edges in each.
    range : sequence of float, optional
        The ends ``low, high`` of each dimension, one after the other.
    weight : Tensor, optional
        ``(*)``: how much each point counts.
    density : bool
        Shares of the whole per volume, instead of counts.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.histogramdd(mg.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 0.9]]), bins=[2, 2]).hist
    tensor([[1., 0.],
            [0., 2.]])
    """
    x = input.array
    if x.dtype.kind != "f":
        raise RuntimeError(f"histogramdd: expected a floating point tensor, got {input.dtype}")
    if x.ndim < 2:
        raise RuntimeError(
            f"histogramdd: input tensor should have at least 2 dimensions, but got {x.ndim}"
        )
    points = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
    weights = _weights("histogramdd", weight, x.shape[:-1])
    cuts: Any = bins
    if isinstance(bins, (list, tuple)):
        if len(bins) != x.shape[-1]:
            raise RuntimeError(
                f"histogramdd: The size of bins ({len(bins)}) must be equal to the innermost "
                f"dimension of the input ({x.shape[-1]})."
            )
        cuts = [b.array if isinstance(b, Tensor) else b.__index__() for b in bins]
    ends = None if range is None else [tuple(range[i : i + 2]) for i in np.arange(0, len(range), 2)]
    for d in np.arange(x.shape[-1]):
        cut = cuts[d] if isinstance(cuts, list) else cuts
        end = None if ends is None or d >= len(ends) else ends[d]
        _check_ends("histogramdd", points[:, d], cut, end)
    listed = isinstance(cuts, list)
    given_edges = [b for b in bins if isinstance(b, Tensor)] if listed else []
    counts = tuple(None if isinstance(c, np.ndarray) else c for c in cuts) if listed else cuts
    spans = None if ends is None else tuple(ends)
    hist, *at = _grid((input, *given_edges, *weights), counts, spans, density)
    return _GridFrequencies(hist, tuple(at))
