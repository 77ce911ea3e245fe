"""Normalization: batch, layer and group norm as one operation each.

They differ in what the mean and the variance are taken over; their derivative is one rule
(:func:`_gradients`), written on tensors so that it has derivatives in turn. Without a graph of the
derivative, a fused kernel computes the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.ops import elementwise as e
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import lined_up, sharing

Axes = tuple[int, ...]
kernels = lazy("norm")
rms_kernels = lazy("rms_norm")


def _gradients(
    g: Any, x: Any, w: Any, over: Axes, shared: Axes, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of input, scale and shift, for `x` normalized over some axes; `w` broadcasts to it."""
    centred = x - x.mean(over, True)
    rstd = e.rsqrt((centred * centred).mean(over, True) + eps)
    xhat = centred * rstd
    flow = g * w
    gx = (flow - flow.mean(over, True) - xhat * (flow * xhat).mean(over, True)) * rstd
    return gx, (g * xhat).sum(shared, True), g.sum(shared, True)


def _vectors(rng: np.random.Generator, *shape: int) -> tuple[Array, Array]:
    return rng.uniform(0.5, 2, shape), rng.normal(size=shape)


# -- batch norm ----------------------------------------------------------------------------------


def _but_channels(ndim: int) -> Axes:
    """All axes but the channels, which are axis 1."""
    return (0, *range(2, ndim))


def _channels(v: Any, ndim: int) -> Any:
    """A value per channel, to be combined with tensors (or arrays) of `ndim` axes."""
    return v.reshape((1, -1) + (1,) * (ndim - 2))


def _batch_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, ...]:
    """The result, the batch's mean and unbiased variance; then mean and 1 / standard deviation."""
    if x.size == 0:
        nothing = np.full(x.shape[1], np.nan, x.dtype)
        return x.copy(), nothing, nothing, nothing, nothing
    y, mean, rstd, var = kernels.batch_norm(x, w, b, eps)
    n = x.size // x.shape[1]
    return y, mean, var * var.dtype.type(n / max(n - 1, 1)), mean, rstd


def _through_statistics(gs: Any, centred: Any) -> Any:
    """What the batch's mean and unbiased variance, used on their own, add to the gradient."""
    ndim, n = centred.ndim, math.prod(centred.shape) // centred.shape[1]
    extra: Any = 0
    if gs[1] is not None:
        extra = _channels(gs[1], ndim) / n
    if gs[2] is not None:
        extra = extra + centred * (_channels(gs[2], ndim) * (2 / max(n - 1, 1)))
    return extra


def _batch_norm_backward(gs: Any, x: Array, w: Array, mean: Array, rstd: Array) -> tuple[Any, ...]:
    if x.size == 0:
        return np.zeros_like(x), np.zeros_like(w), np.zeros_like(w)
    gx: Any = 0
    if gs[1] is not None or gs[2] is not None:
        gx = _through_statistics(gs, x - _channels(mean, x.ndim)) + np.zeros_like(x)
    if gs[0] is None:
        return gx, None, None
    through, gw, gb = kernels.batch_norm_backward(gs[0], x, mean, rstd, w)
    return through + gx if isinstance(gx, np.ndarray) else through, gw, gb


def _batch_norm_rule(gs: Any, x: Any, w: Any, eps: float) -> tuple[Any, ...]:
    ndim = x.array.ndim
    axes = _but_channels(ndim)
    gx: Any = 0
    if gs[1] is not None or gs[2] is not None:
        gx = _through_statistics(gs, x - x.mean(axes, True)) + 0 * x
    if gs[0] is None:
        return gx, None, None
    through, gw, gb = _gradients(gs[0], x, _channels(w, ndim), axes, axes, eps)
    return through + gx, gw.reshape(-1), gb.reshape(-1)


def _batch_norm_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    """The channels of all examples as the channels of one."""
    x, *vectors = inputs
    size, samples, channels, *rest = x.array.shape
    joined = x.movedim(0, 1).reshape((samples, size * channels, *rest))
    found = apply(op, (joined, *(v.reshape(-1) for v in vectors)), params)
    y, *statistics = found if isinstance(found, tuple) else (found,)
    y = y.reshape((samples, size, channels, *rest)).movedim(1, 0)
    results = (y, *(s.reshape((size, channels)) for s in statistics))
    return results if statistics else y


def _batch_sample(*shape: int) -> Any:
    return lambda rng: ((rng.normal(size=shape), *_vectors(rng, shape[1])), (1e-5,))


batch_norm_training = primitive(
    "batch_norm", _batch_norm, inputs=3, results=3,
    vjp=lambda g, x, w, eps: _batch_norm_rule(g, x, w, eps),
    fused=lambda g, x, w, residuals: _batch_norm_backward(g, x, w, *residuals),
    batch=_batch_norm_each,
    sample=cases(_batch_sample(4, 3), _batch_sample(2, 3, 4), _batch_sample(2, 2, 2, 3)),
    doc="Ioffe and Szegedy 2015. Also gives the batch's mean and unbiased variance per channel.",
)  # fmt: skip


def _batch_norm_eval(
    x: Array, w: Array, b: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, ...]:
    if x.size == 0:
        return x.copy(), mean, mean
    return tuple(call_quietly(kernels.batch_norm_eval, x, mean, var, w, b, eps))


def _to_statistics(gw: Any, gb: Any, w: Any, rstd: Any) -> tuple[Any, Any]:
    """The gradients of the given mean and variance, from those of scale and shift."""
    scale = rstd * w
    return -gb * scale, gw * scale * rstd * -0.5


def _batch_norm_eval_backward(
    g: Array, x: Array, w: Array, mean: Array, rstd: Array
) -> tuple[Any, ...]:
    if x.size == 0:
        return np.zeros_like(x), *[np.zeros_like(w)] * 4
    gx, gw, gb = kernels.batch_norm_backward(g, x, mean, rstd, w, False)
    return gx, gw, gb, *_to_statistics(gw, gb, w, rstd)


def _batch_norm_eval_rule(
    g: Any, x: Any, w: Any, mean: Any, var: Any, eps: float
) -> tuple[Any, ...]:
    ndim = x.array.ndim
    axes, rstd = _but_channels(ndim), e.rsqrt(var + eps)
    xhat = (x - _channels(mean, ndim)) * _channels(rstd, ndim)
    gw, gb = (g * xhat).sum(axes), g.sum(axes)
    return g * _channels(rstd * w, ndim), gw, gb, *_to_statistics(gw, gb, w, rstd)


def _eval_sample(*shape: int) -> Any:
    def draw(rng: np.random.Generator) -> Any:
        w, b = _vectors(rng, shape[1])
        var, mean = _vectors(rng, shape[1])
        return (rng.normal(size=shape), w, b, mean, var), (1e-5,)

    return draw


batch_norm_eval = primitive(
    "batch_norm_eval", _batch_norm_eval, inputs=5,
    vjp=lambda g, x, w, mean, var, eps: _batch_norm_eval_rule(g, x, w, mean, var, eps),
    fused=lambda g, x, w, residuals: _batch_norm_eval_backward(g, x, w, *residuals),
    batch=_batch_norm_each,
    sample=cases(_eval_sample(4, 3), _eval_sample(2, 3, 4)),
    doc="By a given mean and variance.",
)  # fmt: skip

# -- layer norm ----------------------------------------------------------------------------------


def _layer_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, ...]:
    if x.size == 0:
        return x.copy(), x, x
    return tuple(kernels.layer_norm(x, w.ndim, w, b, eps))


def _layer_norm_backward(g: Array, x: Array, w: Array, mean: Array, rstd: Array) -> tuple[Any, ...]:
    if x.size == 0:
        return np.zeros_like(x), np.zeros_like(w), np.zeros_like(w)
    return kernels.layer_norm_backward(g, x, mean, rstd, w.ndim, w)  # type: ignore[no-any-return]


def _layer_norm_rule(g: Any, x: Any, w: Any, eps: float) -> tuple[Any, ...]:
    ndim, dims = x.array.ndim, w.array.ndim
    over, shared = tuple(range(ndim - dims, ndim)), tuple(range(ndim - dims))
    gx, gw, gb = _gradients(g, x, w, over, shared, eps) if shared else _unshared(g, x, w, over, eps)
    return gx, gw.reshape(w.array.shape), gb.reshape(w.array.shape)


def _unshared(g: Any, x: Any, w: Any, over: Axes, eps: float) -> tuple[Any, ...]:
    """One row: a sum over no axes would be a sum over all."""
    one = (1, *x.array.shape)
    behind = tuple(a + 1 for a in over)
    gx, gw, gb = _gradients(g.reshape(one), x.reshape(one), w, behind, (0,), eps)
    return gx.reshape(x.array.shape), gw, gb


def _plain_affine(w: Any, batched: Any) -> tuple[Tensor, Tensor]:
    """A scale of 1 and a shift of 0 for one example."""
    one = np.ones(w.array.shape[batched[1] :], w.array.dtype)
    return given(one), given(np.zeros_like(one))


@sharing
def _layer_norm_each(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """Scale and shift that differ between the examples come after the normalization."""
    x, w, b = inputs
    if not (batched[1] or batched[2]):
        return apply(op, inputs, params)
    y = apply(op, (x, *_plain_affine(w, batched)), params)
    ndim = y.array.ndim - batched[0]
    w, b = (lined_up(v, ndim) if own else v for v, own in zip((w, b), batched[1:], strict=True))
    return y * w + b


def _layer_sample(shape: tuple[int, ...], dims: int) -> Any:
    return lambda rng: ((rng.normal(size=shape), *_vectors(rng, *shape[-dims:])), (1e-5,))


layer_norm_affine = primitive(
    "layer_norm", _layer_norm, inputs=3,
    vjp=lambda g, x, w, eps: _layer_norm_rule(g, x, w, eps),
    fused=lambda g, x, w, residuals: _layer_norm_backward(g, x, w, *residuals),
    batch=_layer_norm_each,
    sample=cases(_layer_sample((3, 4), 1), _layer_sample((2, 3, 4), 2), _layer_sample((5,), 1)),
    doc="Ba, Kiros and Hinton 2016; over as many trailing dimensions as the weight has.",
)  # fmt: skip

# -- group norm ----------------------------------------------------------------------------------


def _group_norm(x: Array, w: Array, b: Array, groups: int, eps: float) -> tuple[Array, ...]:
    if x.size == 0:
        return x.copy(), x, x
    return tuple(kernels.group_norm(x, groups, w, b, eps))


def _group_norm_backward(
    g: Array, x: Array, w: Array, groups: int, mean: Array, rstd: Array
) -> tuple[Any, ...]:
    if x.size == 0:
        return np.zeros_like(x), np.zeros_like(w), np.zeros_like(w)
    return kernels.group_norm_backward(g, x, mean, rstd, groups, w)  # type: ignore[no-any-return]


def _group_norm_rule(g: Any, x: Any, w: Any, groups: int, eps: float) -> tuple[Any, ...]:
    shape = x.array.shape
    split = (shape[0], groups, shape[1] // groups, math.prod(shape[2:]))
    scale = w.reshape(1, groups, -1, 1)
    gx, gw, gb = _gradients(g.reshape(split), x.reshape(split), scale, (2, 3), (0, 3), eps)
    return gx.reshape(shape), gw.reshape(-1), gb.reshape(-1)


@sharing
def _group_norm_each(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """All examples as one batch; scale and shift that differ between them come afterwards."""
    x, w, b = inputs
    shared = not (batched[1] or batched[2])
    if batched[0]:
        joined = x.reshape((-1, *x.array.shape[2:]))
        affine = (w, b) if shared else _plain_affine(w, batched)
        y = apply(op, (joined, *affine), params).reshape(x.array.shape)
    else:
        y = apply(op, (x, *_plain_affine(w, batched)), params)
    if shared:
        return y
    ndim = y.array.ndim - batched[0]
    w, b = (
        v.reshape((*v.array.shape[:own], 1, -1) + (1,) * (ndim - 2))
        for v, own in zip((w, b), batched[1:], strict=True)
    )
    return y * w + b


def _group_sample(groups: int, *shape: int) -> Any:
    return lambda rng: ((rng.normal(size=shape), *_vectors(rng, shape[1])), (groups, 1e-5))


group_norm = primitive(
    "group_norm", _group_norm, inputs=3,
    vjp=lambda g, x, w, groups, eps: _group_norm_rule(g, x, w, groups, eps),
    fused=lambda g, x, w, groups, residuals: _group_norm_backward(g, x, w, groups, *residuals),
    batch=_group_norm_each,
    sample=cases(_group_sample(1, 3, 6), _group_sample(2, 2, 4, 3), _group_sample(1, 2, 2, 2, 3)),
    doc="Wu and He 2018; as many groups as channels is instance norm.",
)  # fmt: skip

# -- root mean square ----------------------------------------------------------------------------


def _rms_norm(x: Array, w: Array, eps: float) -> tuple[Array, ...]:
    return (x.copy(), x) if x.size == 0 else tuple(rms_kernels.rms_norm(x, w, eps))


def _rms_norm_backward(g: Array, x: Array, w: Array, rstd: Array) -> tuple[Any, ...]:
    if x.size == 0:
        return np.zeros_like(x), np.zeros_like(w)
    return rms_kernels.rms_norm_backward(g, x, w, rstd)  # type: ignore[no-any-return]


def _rms_norm_rule(g: Any, x: Any, w: Any, eps: float) -> tuple[Any, ...]:
    lead = x.array.ndim - w.array.ndim
    over = tuple(range(lead, x.array.ndim))
    rstd = e.rsqrt((x * x).mean(over, True) + eps)
    xhat, flow = x * rstd, g * w
    gx = (flow - xhat * (flow * xhat).mean(over, True)) * rstd
    along = g * xhat
    return gx, along.sum(tuple(range(lead))) if lead else along


@sharing
def _rms_norm_each(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """A scale that differs between the examples comes after the normalization."""
    x, w = inputs
    if not batched[1]:
        return apply(op, inputs, params)
    y = apply(op, (x, _plain_affine(w, batched)[0]), params)
    return y * lined_up(w, y.array.ndim - batched[0])


def _rms_sample(shape: tuple[int, ...], dims: int) -> Any:
    return lambda rng: ((rng.normal(size=shape), _vectors(rng, *shape[-dims:])[0]), (0.1,))


rms_norm_scaled = primitive(
    "rms_norm", _rms_norm, inputs=2,
    vjp=lambda g, x, w, eps: _rms_norm_rule(g, x, w, eps),
    fused=lambda g, x, w, residuals: _rms_norm_backward(g, x, w, *residuals),
    batch=_rms_norm_each,
    sample=cases(_rms_sample((3, 4), 1), _rms_sample((2, 3, 4), 2), _rms_sample((5,), 1)),
    doc="Zhang and Sennrich 2019; over as many trailing dimensions as the weight has.",
)  # fmt: skip


def rms_norm(input: Tensor, dims: int, weight: Tensor | None, eps: float) -> Tensor:
    """``x / sqrt(mean(x * x) + eps) * weight`` over the last `dims` dimensions."""
    x: Any = input
    kind = x.array.dtype
    if kind.kind == "f" and (weight is None or weight.array.dtype == kind):
        scale = weight
        if scale is None:
            scale = given(np.ones(x.array.shape[x.array.ndim - dims :], kind))
        return rms_norm_scaled((x, scale), (eps,))
    axes = tuple(range(x.array.ndim - dims, x.array.ndim))
    y = x * e.rsqrt((x * x).mean(axes, True) + eps)
    return y if weight is None else y * weight  # type: ignore[no-any-return]
