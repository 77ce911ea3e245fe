"""Normalization: batch norm and layer norm as one operation each."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels import reduce as reduce_kernels
from minigrad.ops.declare import primitive
from minigrad.ops.samples import cases
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]


def _other_axes(ndim: int) -> tuple[int, ...]:
    """All but the channels, which are dimension 1."""
    return (0, *range(2, ndim))


def _channels(v: Any, ndim: int) -> Any:
    """A value per channel, to be multiplied with tensors (or arrays) of `ndim` dimensions."""
    return v.reshape((1, -1) + (1,) * (ndim - 2))


def _batch_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, ...]:
    """The result, the batch's mean and unbiased variance; then mean and 1 / standard deviation."""
    axes = _other_axes(x.ndim)
    var, mean = reduce_kernels.var(x, axes, 0)
    rstd = 1 / np.sqrt(var + x.dtype.type(eps))
    y = x - _channels(mean, x.ndim)
    y *= _channels(rstd * w, x.ndim)
    y += _channels(b, x.ndim)
    n = x.size // max(x.shape[1], 1)
    return y, mean, var * x.dtype.type(n / max(n - 1, 1)), mean, rstd


def _through_statistics(gs: Any, centred: Any) -> Any:
    """What the batch's mean and unbiased variance, used on their own, add to the gradient."""
    ndim, n = centred.ndim, centred.shape[0]
    for size in centred.shape[2:]:
        n *= size
    extra: Any = 0
    if gs[1] is not None:
        extra = _channels(gs[1], ndim) / n
    if gs[2] is not None:
        extra = extra + centred * (_channels(gs[2], ndim) * (2 / max(n - 1, 1)))
    return extra


def _batch_norm_backward(gs: Any, x: Array, w: Array, mean: Array, rstd: Array) -> tuple[Any, ...]:
    axes, n = _other_axes(x.ndim), x.size // x.shape[1]
    centred = x - _channels(mean, x.ndim)
    extra = _through_statistics(gs, centred) if gs[1] is not None or gs[2] is not None else None
    g = gs[0]
    if g is None:
        return extra, None, None
    xhat = np.multiply(centred, _channels(rstd, x.ndim), out=centred)
    gb = reduce_kernels.sum(g, axes)
    gw = reduce_kernels.sum(g * xhat, axes)
    xhat *= _channels(gw / x.dtype.type(n), x.ndim)
    gx = g - _channels(gb / x.dtype.type(n), x.ndim)
    gx -= xhat
    gx *= _channels(rstd * w, x.ndim)
    return (gx if extra is None else gx + extra), gw, gb


def _batch_norm_rule(gs: Any, x: Tensor, w: Tensor, eps: float) -> tuple[Any, ...]:
    """The same on tensors, from the input alone."""
    g, v = gs[0], x
    axes, ndim = _other_axes(x.array.ndim), x.array.ndim
    centred: Any = v - v.mean(axes, True)  # type: ignore[operator, attr-defined]
    extra = _through_statistics(gs, centred)
    if g is None:
        return extra, None, None
    rstd = ((centred * centred).mean(axes, True) + eps) ** -0.5
    xhat = centred * rstd
    gb, gw = g.sum(axes), (g * xhat).sum(axes)
    n = x.array.size // x.array.shape[1]
    gx = (g - _channels(gb, ndim) / n - xhat * _channels(gw, ndim) / n) * rstd * _channels(w, ndim)
    return gx + extra, gw, gb


def _norm_sample(*shape: int) -> Any:
    def draw(rng: np.random.Generator) -> Any:
        c = shape[1]
        return (rng.normal(size=shape), rng.uniform(0.5, 2, c), rng.normal(size=c)), (1e-5,)

    return draw


batch_norm_training = primitive(
    "batch_norm", _batch_norm, inputs=3, results=3,
    vjp=lambda g, x, w, eps: _batch_norm_rule(g, x, w, eps),
    fused=lambda g, x, w, residuals: _batch_norm_backward(g, x, w, *residuals),
    sample=cases(_norm_sample(4, 3), _norm_sample(2, 3, 4), _norm_sample(2, 2, 2, 3)),
    doc="Ioffe and Szegedy 2015. Also gives the batch's mean and unbiased variance per channel.",
)  # fmt: skip
