"""Connectionist temporal classification (Graves et al. 2006) as one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.plain import plain, plain_results
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor, given
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


@plain_results(8)
def _masks(
    targets: Array, times: Array, counts: Array, blank: int, steps: int, classes: int, kind: Any
) -> tuple[Array, ...]:
    """The label of every place and step; a one at it; where a path cannot be; where it ended.

    Of places (samples, places): outside a sequence, not a start, not an end, not to be come to from
    two before, not to be come to from two behind. Then (steps, samples, 1): the last steps.
    """
    targets = np.where(np.arange(targets.shape[1]) < counts[:, None], targets, blank)
    labels, skips = _places(targets, blank)
    place = np.arange(labels.shape[1])
    last = 2 * counts[:, None]
    inside, ends = place <= last, (place == last) | ((place == last - 1) & (last > 0))
    ahead = np.zeros_like(skips)
    ahead[:, :-2] = skips[:, 2:]
    hot = (labels[:, :, None] == np.arange(classes)).astype(kind)
    index = np.ascontiguousarray(np.broadcast_to(labels, (steps, *labels.shape)))
    over = (times == np.arange(1, steps + 1)[:, None])[:, :, None]
    return index, hot, ~inside, ~(inside & (place < 2)), ~ends, ~skips, ~ahead, over


@plain
def _last_steps(times: Array) -> Array:
    return np.asarray(np.maximum(times - 1, 0), np.int64)


@plain
def _beside(outside: Array, times: Array, steps: int) -> Array:
    """Where no path is: beyond the end of a sequence, in time or in places."""
    beyond = (np.arange(steps)[:, None] >= times)[:, :, None]
    return np.logical_or(beyond, outside)


@plain
def _lost(total: Array, times: Array, shape: tuple[int, ...]) -> Array:
    """Samples without any alignment, as long as they run."""
    running = np.arange(shape[0])[:, None] < times
    return np.broadcast_to(((total < LOWEST / 2) & running)[:, :, None], shape).copy()


def _moved(a: Any, by: int) -> Any:
    """Values at the place `by` before (behind, if negative)."""
    edge = given(np.full((a.array.shape[0], abs(by)), LOWEST, a.array.dtype))
    return cat([edge, a[:, :-by]] if by > 0 else [a[:, -by:], edge], 1)


def _alphas(emitted: list[Any], outside: Any, no_start: Any, no_skip: Any) -> list[Any]:
    """The recursion forward in time; `emitted` are the log-probabilities of the places' labels."""
    rows = [emitted[0].masked_fill(no_start, LOWEST)]
    for now in emitted[1:]:
        last = rows[-1]
        ways = [last]
        if outside.array.shape[1] > 2:
            ways += [_moved(last, 1), _moved(last, 2).masked_fill(no_skip, LOWEST)]
        rows.append((logsumexp(stack(ways), 0) + now).masked_fill(outside, LOWEST))
    return rows


def _betas(emitted: list[Any], outside: Any, no_end: Any, no_ahead: Any, over: Any) -> list[Any]:
    """The recursion backward in time, which starts where each sequence ends."""
    rows: list[Any] = []
    for t in reversed(range(len(emitted))):
        last = emitted[t].masked_fill(no_end, LOWEST)
        if rows:
            ways = [rows[-1]]
            if outside.array.shape[1] > 2:
                two = _moved(rows[-1], -2).masked_fill(no_ahead, LOWEST)
                ways += [_moved(rows[-1], -1), two]
            on = (logsumexp(stack(ways), 0) + emitted[t]).masked_fill(outside, LOWEST)
            last = e.choose(over[t], last, on)
        rows.append(last)
    return rows[::-1]


def _rule(
    g: Any, logp: Any, targets: Tensor, times: Tensor, counts: Tensor, blank: int, zero: bool
) -> Any:
    """The gradient from alpha and beta, in operations on tensors."""
    steps, samples, classes = logp.array.shape
    index, hot, outside, no_start, no_end, no_skip, no_ahead, over = _masks(
        (targets, times, counts), blank, steps, classes, logp.array.dtype
    )
    picked = logp.clamp_min(LOWEST).gather(2, index)
    emitted = [picked[t] for t in range(steps)]
    alphas = stack(_alphas(emitted, outside, no_start, no_skip))
    betas = stack(_betas(emitted, outside, no_end, no_ahead, over))
    both = alphas + betas - picked
    final: Any = alphas[_last_steps((times,)), given(np.arange(samples))]
    total = logsumexp(final.masked_fill(no_end, LOWEST), 1)
    weights = (both - total.reshape(1, -1, 1)).exp()
    weights = weights.masked_fill(_beside((outside, times), steps), 0.0)
    lost = _lost((total, times), weights.array.shape)
    weights = weights.masked_fill(lost, 0.0 if zero else np.nan)
    shares = matmul(weights.transpose(0, 1), hot).transpose(0, 1)
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
            g, logp, targets, times, counts, blank, zero_infinity
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
