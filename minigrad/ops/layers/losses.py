"""Losses: pointwise ones as formulas, and cross-entropy as one operation on the logits.

Cross-entropy with integer targets, with class weights `w`, label smoothing `e` and ignored
targets, is for each sample ``-sum_c q_c log p_c`` with ``p = softmax(x)`` and
``q_c = w_c ((1 - e) [c == t] + e / C)``; its derivative in the logits is ``p sum(q) - q``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.plain import plain, plain_results
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases, pair
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.layers import batching_losses as each
from minigrad.ops.layers.activations import softmax
from minigrad.ops.optional import with_optional

index_kernels = lazy("index")
reduce_kernels = lazy("reduce")
loss_kernels = lazy("loss")

# -- pointwise -----------------------------------------------------------------------------------


def _errors(parameter: float) -> Any:
    """Predictions and targets whose difference is not near a kink, and the parameter."""

    def draw(*shape: int) -> Any:
        def make(rng: np.random.Generator) -> Any:
            x, gap = rng.uniform(-3, 3, shape), rng.uniform(0.1, 0.8, shape) * parameter
            far = rng.random(shape) > 0.5
            t = x + np.where(far, gap + 1.1 * parameter, gap) * rng.choice([-1, 1], shape)
            return (x, t), (parameter,)

        return make

    return cases(draw(3, 4), draw(), draw(0, 2))


squared_error = elementwise(
    "squared_error", lambda x, t: (x - t) * (x - t),
    vjp=(lambda g, x, t: g * 2 * (x - t), lambda g, x, t: g * 2 * (t - x)),
    sample=pair(), public=False, method=False,
)  # fmt: skip


def _share(x: Any, reduction: str) -> float:
    """What each element's gradient is multiplied with: the mean divides."""
    size = math.prod(x.shape)
    return 2.0 / size if reduction == "mean" and size else 2.0


def _squares(x: Array, t: Array, reduction: str) -> tuple[Array, Array]:
    """The sum or mean of the squared differences, and the differences."""
    gap = x - t
    total = reduce_kernels.sum(gap * gap, tuple(range(x.ndim)))
    return np.asarray(total / x.dtype.type(x.size) if reduction == "mean" else total), gap


def _squares_backward(
    g: Array, gap: Array, reduction: str, needs: tuple[bool, ...]
) -> tuple[Any, ...]:
    gx = gap * (g * gap.dtype.type(_share(gap, reduction)))
    return gx if needs[0] else None, -gx if needs[1] else None


mse = primitive(
    "mse_loss",
    lambda x, t, reduction: call_quietly(_squares, x, t, reduction),
    inputs=2,
    vjp=(
        lambda g, x, t, reduction: (x - t) * (g * _share(x, reduction)),
        lambda g, x, t, reduction: (t - x) * (g * _share(x, reduction)),
    ),
    fused=lambda g, reduction, residuals, needs: _squares_backward(
        g, residuals[0], reduction, needs
    ),
    sample=cases(
        *[lambda rng, s=s, r=r: ((rng.normal(size=s), rng.normal(size=s)), (r,))
          for s in ((3, 4), (), (0, 2)) for r in ("mean", "sum") if s != (0, 2) or r == "sum"]
    ),
    batch=each.squares, doc="The sum or mean of ``(x - t) ** 2``.",
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
    sample=_errors(1.3), public=False, method=False,
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
    sample=_errors(0.7), public=False, method=False, doc="Girshick 2015: huber / beta.",
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

# -- cross-entropy -------------------------------------------------------------------------------


def _smooth(q: Array, w: Array | None, smoothing: float) -> Array:
    """Target distributions in rows, with label smoothing and class weights."""
    kind = q.dtype.type
    if smoothing:
        q = q * kind(1 - smoothing) + kind(smoothing / q.shape[1])
    return q if w is None else q * w


def _one_hot(t: Array, classes: int, ignored: int, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """Rows of zeros with a one at the target, all zeros where it is ignored; and which count."""
    t = index_kernels.own_indices(t, classes, "cross_entropy", "target", ignore=ignored)
    valid = t != ignored
    q = np.zeros((t.size, classes), kind)
    q[np.arange(t.size)[valid], t[valid]] = 1
    return q, valid


def _row_flow(g: Tensor, divisor: Any, reduction: str) -> Any:
    """The gradient of each row's loss, as a column or a number."""
    if reduction == "none":
        return g.reshape(-1, 1)
    return g / divisor


@plain_results(3)
def _hard_targets(
    t: Array, *rest: Any
) -> tuple[Array, ...]:  # after a weight, if there is one, the parameters
    """Target distributions in rows, their sums, and by what the sum of losses is divided."""
    *weight, classes, kind, ignored, smoothing = rest
    w = weight[0] if weight else None
    q, valid = _one_hot(t, classes, ignored, kind)
    total = (q if w is None else q * w).sum(dtype=np.float64)
    q = _smooth(q, w, smoothing) * valid[:, None]
    return q, q.sum(1, keepdims=True), np.asarray(total or 1.0, kind)  # nothing counted: zeros


def _hard_rule(
    g: Tensor, x: Tensor, t: Any, w: Any, ignored: int, smoothing: float, reduction: str
) -> Any:
    """``p sum(q) - q`` on tensors."""
    params = x.array.shape[1], x.array.dtype, ignored, smoothing
    q, mass, divisor = _hard_targets((t,) if w is None else (t, w), *params)
    return (softmax(x, 1) * mass - q) * _row_flow(
        g, divisor if reduction == "mean" else 1.0, reduction
    )


@plain_results(2)
def _soft_targets(q: Array, *rest: Any) -> tuple[Array, ...]:
    *weight, smoothing = rest
    q = _smooth(q, weight[0] if weight else None, smoothing)
    return q, q.sum(1, keepdims=True)


def _soft_rule(g: Tensor, x: Tensor, q: Any, w: Any, smoothing: float, reduction: str) -> Any:
    q, mass = _soft_targets((q,) if w is None else (q, w), smoothing)
    divisor = float(q.array.shape[0] or 1) if reduction == "mean" else 1.0
    return (softmax(x, 1) * mass - q) * _row_flow(g, divisor, reduction)


def _hard(
    x: Array, t: Array, w: Array | None, ignored: int, smoothing: float, reduction: str
) -> tuple[Array, ...]:
    done = loss_kernels.cross_entropy(x, t, w, ignored, smoothing, reduction)
    return np.asarray(done.loss), done.logsumexp, np.asarray(done.divisor)


def _soft(
    x: Array, q: Array, w: Array | None, smoothing: float, reduction: str
) -> tuple[Array, ...]:
    done, mass = loss_kernels.cross_entropy_soft(x, q, w, smoothing, reduction)
    return np.asarray(done.loss), done.logsumexp, mass, np.asarray(done.divisor)


def _sample_of(second: Any, *others: Any) -> Any:
    """Logits in rows, targets, a weight for each class, and parameters."""

    def draw(rng: np.random.Generator) -> Any:
        target = rng.uniform(0, 1, (3, 4)) if second is None else np.array(second)
        return (rng.normal(size=(3, 4)), target, rng.uniform(0.5, 2, 4)), others

    return draw


cross_entropy_hard = with_optional(
    ("cross_entropy", "cross_entropy_weighted"), _hard, (_hard_rule, None, None), inputs=3,
    fused=lambda g, x, t, w, ignored, smoothing, reduction, residuals: (
        loss_kernels.cross_entropy_backward(g, x, t, *residuals, w, ignored, smoothing, reduction),
        None, None,
    ),
    batch=each.hard,
    sample=cases(
        _sample_of([1, 0, 3], -100, 0.0, "mean"), _sample_of([1, -100, 3], -100, 0.1, "mean"),
        _sample_of([2, 2, -100], -100, 0.0, "sum"), _sample_of([0, 1, 2], -100, 0.2, "none"),
    ),
    docs=("Of logits in rows and class indices.", "The same with a weight for each class."),
)  # fmt: skip
cross_entropy_soft = with_optional(
    ("cross_entropy_soft", "cross_entropy_soft_weighted"), _soft, (_soft_rule, None, None),
    inputs=3,
    fused=lambda g, x, q, w, smoothing, reduction, residuals: (
        loss_kernels.cross_entropy_soft_backward(g, x, q, *residuals, w, smoothing, reduction),
        None, None,
    ),
    batch=each.soft,
    sample=cases(
        _sample_of(None, 0.0, "mean"), _sample_of(None, 0.1, "sum"), _sample_of(None, 0.2, "none")
    ),
    docs=(
        "Of logits in rows and target distributions in rows.",
        "The same with a weight for each class.",
    ),
)  # fmt: skip

# -- negative log-likelihood: linear in its input ------------------------------------------------


def _sample_weights(
    t: Array, w: Array | None, ignored: int, kind: np.dtype[Any], classes: int
) -> tuple[Array, Array]:
    """Targets with a class in place of `ignored`, and the weight of each sample: 0 if ignored."""
    t = index_kernels.own_indices(t, classes, "nll_loss", "target", ignore=ignored)
    valid = t != ignored
    safe = np.where(valid, t, 0)
    return safe, valid.astype(kind) if w is None else np.where(valid, w[safe], 0).astype(kind)


def _nll(x: Array, t: Array, w: Array | None, ignored: int, reduction: str) -> Array:
    safe, weights = _sample_weights(t, w, ignored, x.dtype, x.shape[1])
    loss = -np.take_along_axis(x, safe[:, None], 1)[:, 0] * weights
    np.copyto(loss, 0, where=t == ignored)  # also where the log-probability is infinite
    if reduction == "none":
        return loss
    summed: Array = reduce_kernels.sum(loss, tuple(range(loss.ndim)))
    if reduction == "sum":
        return summed
    return np.asarray(summed / weights.sum(dtype=np.float64).astype(x.dtype))


def _nll_shares(x: Array, t: Array, w: Array | None, ignored: int, reduction: str) -> Array:
    """What the gradient that arrives is multiplied with."""
    safe, weights = _sample_weights(t, w, ignored, x.dtype, x.shape[1])
    share = np.zeros_like(x)
    np.put_along_axis(share, safe[:, None], -weights[:, None], 1)
    if reduction == "mean":
        share /= weights.sum(dtype=np.float64) or 1.0  # nothing counted: zeros
    return share


@plain
def _shares_of_nll(x: Array, t: Array, *rest: Any) -> Array:
    *weight, ignored, reduction = rest
    return _nll_shares(x, t, weight[0] if weight else None, ignored, reduction)


def _nll_flow(g: Any, x: Any, reduction: str) -> Any:
    return g.reshape(x.shape[0], 1, *x.shape[2:]) if reduction == "none" else g


def _nll_rule(g: Tensor, x: Tensor, t: Any, w: Any, ignored: int, reduction: str) -> Any:
    share = _shares_of_nll((x, t) if w is None else (x, t, w), ignored, reduction)
    return share * _nll_flow(g, x, reduction)


def _nll_fused(g: Array, x: Array, t: Array, w: Any, ignored: int, reduction: str) -> Any:
    return _nll_shares(x, t, w, ignored, reduction) * _nll_flow(g, x, reduction), None, None


def _nll_sample(shape: tuple[int, ...], target: Any, reduction: str) -> Any:
    def draw(rng: np.random.Generator) -> Any:
        arrays = (rng.normal(size=shape), np.array(target), rng.uniform(0.5, 2, shape[1]))
        return arrays, (-100, reduction)

    return draw


_MANY = [[[0, 1], [2, -100]], [[1, 1], [0, 2]]]
nll = with_optional(
    ("nll_loss", "nll_loss_weighted"),
    lambda x, t, w, ignored, reduction: call_quietly(_nll, x, t, w, ignored, reduction),
    (_nll_rule, None, None), inputs=3, fused=_nll_fused, batch=each.likelihood,
    sample=cases(
        _nll_sample((3, 4), [1, 0, 3], "mean"), _nll_sample((3, 4), [1, -100, 3], "sum"),
        _nll_sample((2, 3, 2, 2), _MANY, "mean"), _nll_sample((2, 3, 2, 2), _MANY, "none"),
    ),
    docs=(
        "Of log-probabilities and indices, classes in dimension 1.",
        "The same with a weight for each class.",
    ),
)  # fmt: skip


# -- logistic losses, element by element -----------------------------------------------------------

bce_with_logits = elementwise(
    "bce_with_logits",
    lambda x, t: fx.maximum(x, 0) - x * t + fx.log1p(fx.exp(-fx.abs(x))),
    vjp=(lambda g, x, t: g * (fx.sigmoid(x) - t), lambda g, x: -g * x),
    sample=pair(second=(0, 1)), public=False, method=False,
    doc="``-(t log s(x) + (1 - t) log(1 - s(x)))`` with s the sigmoid, without overflow.",
)  # fmt: skip
bce = elementwise(
    "bce",
    lambda p, t: -(t * fx.maximum(fx.log(p), -100) + (1 - t) * fx.maximum(fx.log1p(-p), -100)),
    vjp=(
        lambda g, p, t: g * (p - t) / fx.maximum(p * (1 - p), 1e-12),
        lambda g, p: g * (fx.maximum(fx.log1p(-p), -100) - fx.maximum(fx.log(p), -100)),
    ),
    sample=pair(first=(0.1, 0.9), second=(0, 1)), public=False, method=False,
    doc="``-(t log p + (1 - t) log(1 - p))``; the logarithms are kept above -100, as PyTorch does.",
)  # fmt: skip
