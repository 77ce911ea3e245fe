"""Connectionist temporal classification (Graves et al. 2006) as one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import each
from minigrad.ops.join import cat, stack
from minigrad.ops.reduce import logsumexp

__all__ = ["ctc"]

kernels = lazy("ctc")

#: The logarithm of 0 in the rule: logsumexp of nothing but this has a derivative.
LOWEST = -1e30


def _forward(
    logp: Array, targets: Array, times: Array, counts: Array, blank: int, zero_infinity: bool
) -> tuple[Array, ...]:
    losses, alpha = kernels.ctc(logp, targets, times, counts, blank)
    shown = np.where(np.isinf(losses), 0, losses) if zero_infinity else losses
    return shown.astype(logp.dtype), losses, alpha


def _places(targets: Array, blank: int) -> tuple[Array, Array]:
    """The label at each place, shape (N, 2 S + 1), and where a path may come from two before."""
    samples, most = targets.shape
    labels = np.full((samples, 2 * most + 1), blank)
    labels[:, 1::2] = targets
    skips = np.zeros(labels.shape, bool)
    skips[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    return labels, skips


def _moved(a: Any, by: int) -> Any:
    """Values at the place `by` before (behind, if negative)."""
    edge = Tensor(np.full((a.array.shape[0], abs(by)), LOWEST, a.array.dtype))
    return cat([edge, a[:, :-by]] if by > 0 else [a[:, -by:], edge], 1)


def _choice(where: Array, a: Any, low: bool = True) -> Any:
    """`a` where the condition holds, the logarithm of 0 (or 0) elsewhere."""
    return a.masked_fill(Tensor(~where), LOWEST if low else 0.0)


def _alphas(emitted: list[Any], inside: Array, skips: Array) -> list[Any]:
    """The recursion forward in time; `emitted` are the log-probabilities of the places' labels."""
    start = np.arange(inside.shape[1]) < 2
    rows = [_choice(inside & start, emitted[0])]
    for now in emitted[1:]:
        last = rows[-1]
        ways = [last]
        if inside.shape[1] > 2:
            ways += [_moved(last, 1), _choice(skips, _moved(last, 2))]
        rows.append(_choice(inside, logsumexp(stack(ways), 0) + now))
    return rows


def _betas(emitted: list[Any], inside: Array, skips: Array, times: Array, ends: Array) -> list[Any]:
    """The recursion backward in time, which starts where each sequence ends."""
    ahead = np.zeros_like(skips)
    ahead[:, :-2] = skips[:, 2:]
    rows: list[Any] = []
    for t in reversed(range(len(emitted))):
        last = _choice(ends, emitted[t])
        if rows:
            ways = [rows[-1]]
            if inside.shape[1] > 2:
                ways += [_moved(rows[-1], -1), _choice(ahead, _moved(rows[-1], -2))]
            on = _choice(inside, logsumexp(stack(ways), 0) + emitted[t])
            last = e.choose(Tensor((times == t + 1)[:, None]), last, on)
        rows.append(last)
    return rows[::-1]


def _rule(
    g: Any, logp: Any, targets: Array, times: Array, counts: Array, blank: int, zero: bool
) -> Any:
    """The gradient from alpha and beta, in operations on tensors."""
    targets = np.where(np.arange(targets.shape[1]) < counts[:, None], targets, blank)
    labels, skips = _places(targets, blank)
    place = np.arange(labels.shape[1])
    last = 2 * counts[:, None]
    inside, ends = place <= last, (place == last) | ((place == last - 1) & (last > 0))
    steps, classes = logp.array.shape[0], logp.array.shape[2]
    hot = (labels[:, :, None] == np.arange(classes)).astype(logp.array.dtype)
    index = np.broadcast_to(labels, (steps, *labels.shape))
    picked = logp.clamp_min(LOWEST).gather(2, Tensor(np.ascontiguousarray(index)))
    emitted = [picked[t] for t in range(steps)]
    alphas = stack(_alphas(emitted, inside, skips))
    betas = stack(_betas(emitted, inside, skips, times, ends))
    running = np.arange(steps)[:, None] < times
    both = alphas + betas - picked
    final = alphas[Tensor(np.maximum(times - 1, 0)), Tensor(np.arange(len(times)))]
    total = logsumexp(_choice(ends, final), 1)
    weights = (both - total.reshape(1, -1, 1)).exp()
    weights = _choice(running[:, :, None] & inside, weights, low=False)
    lost = total.array < LOWEST / 2
    if lost.any():  # no alignment at all
        bad = Tensor(np.broadcast_to((lost & running)[:, :, None], weights.array.shape).copy())
        weights = weights.masked_fill(bad, 0.0 if zero else np.nan)
    shares = matmul(weights.transpose(0, 1), Tensor(hot)).transpose(0, 1)
    return -shares * g.reshape(1, -1, 1)


def _sample(targets: list[list[int]], times: list[int], counts: list[int], blank: int = 0) -> Any:
    def draw(rng: np.random.Generator) -> Any:
        raw = rng.normal(size=(4, len(times), 3))
        logp = raw - np.log(np.exp(raw).sum(-1, keepdims=True))
        return (logp, np.array(targets), np.array(times), np.array(counts)), (blank, False)

    return draw


ctc = primitive(
    "ctc", _forward, inputs=4,
    vjp=(
        lambda g, logp, targets, times, counts, blank, zero_infinity: _rule(
            g, logp, targets.array, times.array, counts.array, blank, zero_infinity
        ),
        None, None, None,
    ),
    fused=lambda g, logp, targets, times, counts, blank, zero_infinity, residuals: (
        call_quietly(
            kernels.ctc_backward, g, logp, targets, times, counts, blank, residuals[1],
            residuals[0], zero_infinity,
        ),
        None, None, None,
    ),
    sample=cases(
        _sample([[1, 2]], [4], [2]), _sample([[1, 1], [2, 0]], [4, 3], [2, 1]),
        _sample([[0, 1], [1, 0]], [4, 2], [2, 0], blank=2),
    ),
    batch=each, doc="Of log-probabilities (T, N, C); gives the loss of each sequence.",
)  # fmt: skip
