"""Derivatives of sampled functions: central differences, also on uneven grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.dims import wrap_dim
from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast, result_type
from minigrad.core.public import public
from minigrad.core.tensor import Tensor
from minigrad.ops.join import cat
from minigrad.ops.slices import narrow

__all__ = ["gradient"]


def _weighted(x: Tensor, dim: int, size: int, terms: Sequence[tuple[int, Any]]) -> Tensor:
    """The sum of ``weight * (size entries of x from start on)`` over pairs of start and weight."""
    total: Any = None
    for start, weight in terms:
        part = narrow(x, dim, start, size) * weight
        total = part if total is None else total + part
    return total  # type: ignore[no-any-return]


def _even(x: Tensor, dim: int, step: float, order: int) -> Tensor:
    """Points that are `step` apart."""
    n = x.array.shape[dim]
    middle = _weighted(x, dim, n - 2, [(0, -0.5 / step), (2, 0.5 / step)]) if n > 2 else None
    edge = [-1.0, 1.0] if order == 1 else [-1.5, 2.0, -0.5]
    first = _weighted(x, dim, 1, [(i, w / step) for i, w in enumerate(edge)])
    last = _weighted(x, dim, 1, [(n - 1 - i, -w / step) for i, w in enumerate(edge)])
    return cat([p for p in (first, middle, last) if p is not None], dim)


def _uneven(x: Tensor, dim: int, at: Tensor, order: int) -> Tensor:
    """Points at given coordinates: the slope of the parabola through three of them."""
    n, ndim = x.array.shape[dim], x.array.ndim
    gaps = narrow(at, 0, 1, n - 1) - narrow(at, 0, 0, n - 1)
    gaps = reshape(gaps, tuple(n - 1 if d == dim else 1 for d in range(ndim)))

    def gap(start: int, size: int = 1) -> Tensor:
        return narrow(gaps, dim, start, size)

    parts = []
    if order == 1:
        parts.append(_weighted(x, dim, 1, [(0, -1 / gap(0)), (1, 1 / gap(0))]))
    else:
        a, b = gap(0), gap(1)
        weights = (-(2 * a + b) / (a * (a + b)), (a + b) / (a * b), -a / (b * (a + b)))
        parts.append(_weighted(x, dim, 1, list(enumerate(weights))))
    if n > 2:
        a, b = gap(0, n - 2), gap(1, n - 2)
        weights = (-b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b)))
        parts.append(_weighted(x, dim, n - 2, list(enumerate(weights))))
    if order == 1:
        parts.append(_weighted(x, dim, 1, [(n - 2, -1 / gap(n - 2)), (n - 1, 1 / gap(n - 2))]))
    else:
        a, b = gap(n - 3), gap(n - 2)
        weights = (b / (a * (a + b)), -(a + b) / (a * b), (a + 2 * b) / (b * (a + b)))
        parts.append(_weighted(x, dim, 1, [(n - 3 + i, w) for i, w in enumerate(weights)]))
    return cat(parts, dim)


def _spacings(spacing: Any, dims: Sequence[int], whole: bool) -> list[Any]:
    """A step, or coordinates, for each dimension."""
    if spacing is None:
        spacing = 1.0
    if not isinstance(spacing, (list, tuple)):
        return [spacing] * len(dims)
    if len(spacing) != len(dims):
        which = f"'self.dim() = {len(dims)}', since dim argument was not given" if whole else "dim"
        raise RuntimeError(
            "gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"equal to {which}, but got a list of length {len(spacing)}"
        )
    return list(spacing)


@public(method=False)
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivative of a sampled function along some dimensions, by central differences.

    Parameters
    ----------
    input : Tensor
        The values of the function on a grid.
    spacing : number, sequence of numbers, or sequence of Tensor
        How far the points are apart, in all dimensions or in each; or their coordinates in each.
    dim : int or sequence of int, optional
        Along which dimensions; by default all.
    edge_order : {1, 2}
        How accurate the one-sided differences at the ends are.

    Returns
    -------
    tuple of Tensor
        For each dimension the derivative, of the shape of the input.

    Raises
    ------
    RuntimeError
        If a dimension has fewer than ``edge_order + 1`` points, or the spacing does not fit.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.gradient(mg.tensor([0.0, 1.0, 4.0, 9.0]))
    (tensor([1., 2., 4., 5.]),)
    """
    x = cast(input, result_type(input, 1.0).numpy)
    ndim = x.array.ndim
    wanted = range(ndim) if dim is None else dim if isinstance(dim, (list, tuple)) else (dim,)
    dims = [wrap_dim(d, ndim, "gradient") for d in wanted]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"gradient: dim {tuple(wanted)} appears multiple times")
    if edge_order not in (1, 2):
        raise RuntimeError("gradient only supports edge_order=1 and edge_order=2.")
    steps = _spacings(spacing, dims, dim is None)
    results = []
    for d, step in zip(dims, steps, strict=True):
        n = x.array.shape[d]
        if n < edge_order + 1:
            raise RuntimeError("gradient expected each dimension size to be at least edge_order+1")
        if isinstance(step, Tensor):
            if step.array.shape != (n,):
                raise RuntimeError(
                    f"gradient expected each element in the spacing list to be a tensor of {n} "
                    f"coordinates for dimension {d}, got the shape {list(step.array.shape)}"
                )
            results.append(_uneven(x, d, cast(step, x.array.dtype), edge_order))
        else:
            with np.errstate(divide="ignore", invalid="ignore"):  # steps of 0 give no derivative
                results.append(_even(x, d, np.float64(step), edge_order))
    return tuple(results)
