"""Losses: pointwise ones as formulas, and cross-entropy as one operation on the logits.

Cross-entropy with integer targets, with class weights `w`, label smoothing `e` and ignored
targets, is for each sample ``-sum_c q_c log p_c`` with ``p = softmax(x)`` and
``q_c = w_c ((1 - e) [c == t] + e / C)``; its derivative in the logits is ``p sum(q) - q``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import expr as fx
from minigrad.kernels import reduce as reduce_kernels
from minigrad.kernels import softmax as kernels
from minigrad.ops.declare import elementwise, primitive
from minigrad.ops.activations import softmax
from minigrad.ops.samples import cases, pair
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]

# -- pointwise -----------------------------------------------------------------------------------

squared_error = elementwise(
    "squared_error", lambda x, t: (x - t) * (x - t),
    vjp=(lambda g, x, t: g * 2 * (x - t), lambda g, x, t: g * 2 * (t - x)),
    sample=pair(), public=False, method=False,
)  # fmt: skip
absolute_error = elementwise(
    "absolute_error", lambda x, t: fx.abs(x - t),
    vjp=(lambda g, x, t: g * fx.sign(x - t), lambda g, x, t: g * fx.sign(t - x)),
    sample=pair(apart=0.1), public=False, method=False,
)  # fmt: skip
huber = elementwise(
    "huber", lambda x, t, delta=1.0: fx.where(
        fx.abs(x - t) < delta, 0.5 * (x - t) * (x - t), delta * (fx.abs(x - t) - 0.5 * delta)
    ),
    vjp=(
        lambda g, x, t, delta: g * fx.minimum(fx.maximum(x - t, -delta), delta),
        lambda g, x, t, delta: g * fx.minimum(fx.maximum(t - x, -delta), delta),
    ),
    sample=pair(apart=0.1), public=False, method=False,
    doc="Huber 1964: a square near 0, a line of slope `delta` beyond.",
)  # fmt: skip
smooth_l1 = elementwise(
    "smooth_l1", lambda x, t, beta=1.0: fx.where(
        fx.abs(x - t) < beta, 0.5 * (x - t) * (x - t) / beta, fx.abs(x - t) - 0.5 * beta
    ),
    vjp=(
        lambda g, x, t, beta: g * fx.minimum(fx.maximum((x - t) / beta, -1), 1),
        lambda g, x, t, beta: g * fx.minimum(fx.maximum((t - x) / beta, -1), 1),
    ),
    sample=pair(apart=0.1), public=False, method=False, doc="Girshick 2015: huber / beta.",
)  # fmt: skip
kl_pointwise = elementwise(
    "kl_pointwise", lambda x, t: fx.where(t == 0, 0, t * (fx.log(t) - x)),
    vjp=(lambda g, t: -g * t, lambda g, x, t: fx.where(t == 0, 0, g * (fx.log(t) + 1 - x))),
    sample=pair(second=(0.1, 1)), public=False, method=False,
    doc="Of log-probabilities `x` and probabilities `t`.",
)  # fmt: skip
kl_pointwise_log = elementwise(
    "kl_pointwise_log", lambda x, t: fx.exp(t) * (t - x),
    vjp=(lambda g, t: -g * fx.exp(t), lambda g, x, t: g * fx.exp(t) * (t - x + 1)),
    sample=pair(second=(-2, 0)), public=False, method=False,
    doc="Of log-probabilities `x` and log-probabilities `t`.",
)  # fmt: skip

# -- integer targets -----------------------------------------------------------------------------


def _columns(values: Array, ndim: int) -> Array:
    """A vector over the classes, to be multiplied with arrays of `ndim` dimensions."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def _picked(x: Array, t: Array) -> Array:
    """``x[n, t[n, ...], ...]``."""
    return np.take_along_axis(x, t[:, None], 1)[:, 0]


def _sample_weights(t: Array, w: Array | None, ignored: int, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """Targets with a class in place of `ignored`, and the weight of each sample: 0 if ignored."""
    valid = t != ignored
    safe = np.where(valid, t, 0)
    return safe, valid.astype(kind) if w is None else np.where(valid, w[safe], 0).astype(kind)


def _distribution(
    x: Array, t: Array, w: Array | None, ignored: int, smoothing: float
) -> tuple[Array, Array]:
    """The target `q` as a distribution over the classes, and the sum of the weights of targets."""
    safe, sample = _sample_weights(t, w, ignored, x.dtype)
    q = np.zeros(x.shape, x.dtype)
    if smoothing:
        each = np.ones(x.shape[1], x.dtype) if w is None else w.astype(x.dtype, copy=False)
        q += _columns(each, x.ndim) * (t != ignored)[:, None] * x.dtype.type(smoothing / x.shape[1])
    hot = sample * x.dtype.type(1 - smoothing)
    np.put_along_axis(q, safe[:, None], np.take_along_axis(q, safe[:, None], 1) + hot[:, None], 1)
    return q, sample.sum(dtype=np.float64).astype(x.dtype)


def _reduced(loss: Array, total: Any, reduction: str) -> Array:
    if reduction == "none":
        return loss
    summed = reduce_kernels.sum(loss, tuple(range(loss.ndim)))
    return summed if reduction == "sum" else summed / total


def _losses(
    logp: Array, t: Array, w: Array | None, ignored: int, smoothing: float, reduction: str
) -> Array:
    safe, sample = _sample_weights(t, w, ignored, logp.dtype)
    loss = -_picked(logp, safe) * sample
    np.copyto(loss, 0, where=sample == 0)  # a weight of 0 times an infinite loss
    if smoothing:
        each = logp if w is None else logp * _columns(w, logp.ndim)
        spread = np.where(t == ignored, 0, -reduce_kernels.sum(each, (1,)))
        share = logp.dtype.type(smoothing / logp.shape[1])
        loss = loss * logp.dtype.type(1 - smoothing) + spread * share
    return _reduced(loss, sample.sum(dtype=np.float64).astype(logp.dtype), reduction)


def _per_class(g: Any, total: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """The gradient of the loss, ready to be multiplied with an array over the classes."""
    if reduction == "none":
        return g.reshape(shape[0], 1, *shape[2:])
    return g / total if reduction == "mean" else g


def _cross_entropy(
    x: Array, t: Array, w: Array | None, ignored: int, smoothing: float, reduction: str
) -> tuple[Array, Array]:
    logp = kernels.log_softmax(x, 1)
    return _losses(logp, t, w, ignored, smoothing, reduction), logp


def _cross_entropy_backward(
    g: Array, logp: Array, t: Array, w: Array | None, ignored: int, smoothing: float, reduction: str
) -> Array:
    q, total = _distribution(logp, t, w, ignored, smoothing)
    gx = np.exp(logp)
    gx *= reduce_kernels.sum(q, (1,), True)
    gx -= q
    gx *= _per_class(g, total, reduction, logp.shape)
    return gx


def _cross_entropy_rule(
    g: Tensor, x: Tensor, t: Array, w: Array | None, ignored: int, smoothing: float, reduction: str
) -> Tensor:
    q, total = _distribution(x.array, t, w, ignored, smoothing)
    mass = Tensor(q.sum(1, keepdims=True))
    flow = _per_class(g, float(total), reduction, x.array.shape)
    return (softmax(x, 1) * mass - Tensor(q)) * flow  # type: ignore[operator, no-any-return]


def _nll_rule(
    g: Any, shape: tuple[int, ...], kind: Any, t: Array, w: Array | None, ignored: int, reduction: str
) -> Any:
    """Minus the distribution: the loss is linear in the log-probabilities."""
    q, total = _distribution(np.broadcast_to(np.zeros((), kind), shape), t, w, ignored, 0.0)
    np.negative(q, out=q)
    if isinstance(g, Tensor):
        return Tensor(q) * _per_class(g, float(total), reduction, shape)  # type: ignore[operator]
    return q * _per_class(g, total, reduction, shape)


def _case(shape: tuple[int, ...], target: list[Any], weighted: bool, *params: Any) -> Any:
    def draw(rng: np.random.Generator) -> Any:
        arrays = (rng.normal(size=shape), np.array(target, np.int64), rng.uniform(0.5, 2, shape[1]))
        return arrays[: 3 if weighted else 2], params

    return draw


def _cases(weighted: bool, smooth: bool) -> Any:
    many: list[Any] = [[[0, 1], [2, -100]], [[1, 1], [0, 2]]]
    made = [
        ((3, 4), [1, 0, 3], "mean"), ((3, 4), [1, -100, 3], "sum"),
        ((2, 3, 2, 2), many, "mean"), ((2, 3, 2, 2), many, "none"),
    ]  # fmt: skip
    return cases(*[
        _case(shape, target, weighted, -100, *((s,) if smooth else ()), reduction)
        for shape, target, reduction in made
        for s in ((0.0, 0.1) if smooth else (0.0,))
    ])  # fmt: skip


cross_entropy_indices = primitive(
    "cross_entropy",
    lambda x, t, ignored, smoothing, reduction: _cross_entropy(x, t, None, ignored, smoothing, reduction),
    inputs=2,
    vjp=(
        lambda g, x, t, ignored, smoothing, reduction: _cross_entropy_rule(
            g, x, t.array, None, ignored, smoothing, reduction
        ),
        None,
    ),
    fused=lambda g, t, ignored, smoothing, reduction, residuals: (
        _cross_entropy_backward(g, residuals[0], t, None, ignored, smoothing, reduction),
        None,
    ),
    sample=_cases(weighted=False, smooth=True),
    doc="Of logits and class indices, classes in dimension 1.",
)  # fmt: skip
cross_entropy_weighted = primitive(
    "cross_entropy_weighted", _cross_entropy, inputs=3,
    vjp=(
        lambda g, x, t, w, ignored, smoothing, reduction: _cross_entropy_rule(
            g, x, t.array, w.array, ignored, smoothing, reduction
        ),
        None, None,
    ),
    fused=lambda g, t, w, ignored, smoothing, reduction, residuals: (
        _cross_entropy_backward(g, residuals[0], t, w, ignored, smoothing, reduction),
        None, None,
    ),
    sample=_cases(weighted=True, smooth=True),
    doc="The same with a weight for each class.",
)  # fmt: skip
nll_indices = primitive(
    "nll_loss", lambda x, t, ignored, reduction: _losses(x, t, None, ignored, 0.0, reduction),
    inputs=2,
    vjp=(
        lambda g, t, ignored, reduction, x: _nll_rule(
            g, x.array.shape, x.array.dtype, t.array, None, ignored, reduction
        ),
        None,
    ),
    fused=lambda g, x, t, ignored, reduction: (
        _nll_rule(g, x.shape, x.dtype, t, None, ignored, reduction), None
    ),
    sample=_cases(weighted=False, smooth=False),
    doc="Of log-probabilities and class indices, classes in dimension 1.",
)  # fmt: skip
nll_weighted = primitive(
    "nll_loss_weighted", lambda x, t, w, ignored, reduction: _losses(x, t, w, ignored, 0.0, reduction),
    inputs=3,
    vjp=(
        lambda g, x, t, w, ignored, reduction: _nll_rule(
            g, x.array.shape, x.array.dtype, t.array, w.array, ignored, reduction
        ),
        None, None,
    ),
    fused=lambda g, x, t, w, ignored, reduction: (
        _nll_rule(g, x.shape, x.dtype, t, w, ignored, reduction), None, None
    ),
    sample=_cases(weighted=True, smooth=False),
    doc="The same with a weight for each class.",
)  # fmt: skip
