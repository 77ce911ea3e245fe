"""Connectionist temporal classification: the likelihood of a labelling, summed over alignments.

Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with
recurrent neural networks", 2006. With ``s`` the labels, a blank before, between and behind them
(``2 S + 1`` places), ``alpha[t, i]`` is the logarithm of the probability of all ways to be at place
``i`` at time ``t``, and ``beta[t, i]`` that of all ways to go on from there. From one time to the
next a path stays, goes one place on, or two, if that skips a blank between different labels::

    alpha[t, i] = logp[t, s[i]] + logsumexp(alpha[t-1, i], alpha[t-1, i-1], alpha[t-1, i-2])
    loss = -logsumexp(alpha[T-1, 2S], alpha[T-1, 2S-1])
    d loss / d logp[t, c] = -sum over i with s[i] = c of exp(alpha + beta - logp[t, c] + loss)

where both alpha and beta count ``logp[t, s[i]]``. The pool shares the sequences of a batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import costs
from minigrad.kernels.index import own_indices
from minigrad.kernels.math.vecmath import maximum, select
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import exp, larger, log

__all__ = ["ctc", "ctc_backward"]

Array = NDArray[Any]


@jit
def _labels(targets, count, blank, places, skips):
    """The label at each place, and 0 where a path may come from two places before, -inf elsewhere.

    `skips` goes on for two places, where nothing comes from.
    """
    size = 2 * count + 1
    for i in range(size):
        places[i] = targets[i // 2] if i % 2 == 1 else blank
        free = i % 2 == 1 and i > 1 and targets[i // 2] != targets[i // 2 - 1]
        skips[i] = 0.0 if free else -np.inf
    skips[size : size + 2] = -np.inf


@jit
def _look_up(logp, places, out):
    for i in range(out.size):
        out[i] = logp[places[i]]


@jit
def _step(stay, one, two, skips, emitted, out):
    """``log(exp(stay) + exp(one) + exp(two)) + emitted``, -inf where there is no way."""
    zero, lowest = out.dtype.type(0), out.dtype.type(-np.inf)
    for i in range(out.size):
        a, b, c = stay[i], one[i], two[i] + skips[i]
        top = maximum(maximum(a, b), c)
        top = select(top == lowest, zero, top)
        out[i] = top + log(exp(a - top) + exp(b - top) + exp(c - top)) + emitted[i]


@jit
def _copy(x, out):
    for i in range(out.size):
        out[i] = x[i]


@jit
def _log_sum(a, b):
    top = max(a, b)
    return top if top == -np.inf else top + log(exp(a - top) + exp(b - top))


@jit
def _forward_samples(logp, targets, times, counts, blank, alpha, losses, b0, b1):
    most = alpha.shape[2] + 2
    places, skips = np.empty(most, np.int64), np.empty(most, logp.dtype)
    before, row = np.empty(most, logp.dtype), np.empty(most, logp.dtype)
    before[:2] = -np.inf  # the places before the first
    for n in range(b0, b1):
        size, length = 2 * counts[n] + 1, times[n]
        if length == 0:
            losses[n] = 0 if size == 1 else np.inf
            continue
        _labels(targets[n], counts[n], blank, places, skips)
        emitted, last = row[:size], before[2 : 2 + size]
        for t in range(length):
            _look_up(logp[t, n], places, emitted)
            now = alpha[n, t, :size]
            if t == 0:
                now[:] = -np.inf
                _copy(emitted, now[:2])
            else:
                _step(last, before[1:], before, skips, emitted, now)
            _copy(now, last)
        losses[n] = -_log_sum(last[size - 1], before[size])  # the last two; -inf if there is one


@jit
def _forward(pool, logp, targets, times, counts, blank, alpha, losses):
    arguments = (logp, targets, times, counts, blank, alpha, losses)
    parallel_for(pool, _forward_samples, arguments, losses.size)


@jit
def _subtract_shares(alpha, beta, emitted, loss, factor, places, shares, out):
    """Take the probability to be at each place from the gradient of its label."""
    zero, lowest = out.dtype.type(0), out.dtype.type(-np.inf)
    for i in range(shares.size):
        share = factor * exp(alpha[i] + beta[i] - emitted[i] + loss)
        shares[i] = select(alpha[i] == lowest, zero, share)
    for i in range(shares.size):
        out[places[i]] -= shares[i]


@jit
def _backward_samples(grads, logp, targets, times, counts, blank, alpha, losses, zero, out, b0, b1):
    most = alpha.shape[2] + 2
    places, skips = np.empty(most, np.int64), np.empty(most, logp.dtype)
    after, row = np.empty(most, logp.dtype), np.empty(most, logp.dtype)
    beta, shares = np.empty(most, logp.dtype), np.empty(most, logp.dtype)
    for n in range(b0, b1):
        size, length = 2 * counts[n] + 1, times[n]
        if losses[n] == np.inf:
            if not zero:
                out[:length, n] = np.nan
            continue
        _labels(targets[n], counts[n], blank, places, skips)
        after[size : size + 2] = -np.inf  # the places behind the last
        emitted, now = row[:size], beta[:size]
        for t in range(length - 1, -1, -1):
            _look_up(logp[t, n], places, emitted)
            if t == length - 1:
                now[:] = -np.inf
                first = larger(size - 2, 0)
                _copy(emitted[first:], now[first:])
            else:
                _step(after[:size], after[1:], after[2:], skips[2:], emitted, now)
            _copy(now, after[:size])
            _subtract_shares(
                alpha[n, t], now, emitted, losses[n], grads[n], places, shares[:size], out[t, n]
            )


@jit
def _backward(pool, grads, logp, targets, times, counts, blank, alpha, losses, zero, out):
    arguments = (grads, logp, targets, times, counts, blank, alpha, losses, zero, out)
    parallel_for(pool, _backward_samples, arguments, losses.size)


def _pool(alpha: Array) -> int:
    return pool_for(alpha.size, costs.ALIGNED)


def _checked(logp: Array, targets: Array, times: Array, counts: Array) -> tuple[Array, ...]:
    """Labels and lengths as copies that nobody else can write to, all in range."""
    steps, _, classes = logp.shape
    return (
        own_indices(targets, classes, "ctc_loss", "target"),
        own_indices(times, steps + 1, "ctc_loss", "input length"),
        own_indices(counts, targets.shape[1] + 1, "ctc_loss", "target length"),
    )


def ctc(
    logp: Array, targets: Array, times: Array, counts: Array, blank: int
) -> tuple[Array, Array]:
    """The loss of each sequence, and alpha.

    Parameters
    ----------
    logp : ndarray, shape (T, N, C), float32 or float64
        Log-probabilities.
    targets : ndarray of int64, shape (N, S)
        Labels in ``[0, C)``, also behind the lengths, where they do not count.
    times, counts : ndarray of int64, shape (N,)
        The lengths of the sequences, up to T, and of the targets, up to S.
    blank : int
        In ``[0, C)``.

    Returns
    -------
    losses : ndarray, shape (N,)
        Infinite where there is no alignment.
    alpha : ndarray, shape (N, T, 2 S + 1)

    Raises
    ------
    IndexError
        If a label or a length is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> logp = np.log(np.full((2, 1, 2), 0.5))  # a-, -a and aa make "a": 3 of 4
    >>> losses, _ = ctc(logp, np.array([[1]]), np.array([2]), np.array([1]), 0)
    >>> np.exp(-losses)
    array([0.75])
    """
    steps, samples, _ = logp.shape
    alpha = np.empty((samples, steps, 2 * targets.shape[1] + 1), logp.dtype)
    losses = np.empty(samples, logp.dtype)
    targets, times, counts = _checked(logp, targets, times, counts)
    logp = np.ascontiguousarray(logp)
    _forward(_pool(alpha), logp, targets, times, counts, blank, alpha, losses)
    return losses, alpha


def ctc_backward(
    g: Array, logp: Array, targets: Array, times: Array, counts: Array, blank: int, alpha: Array,
    losses: Array, zero_infinity: bool,
) -> Array:  # fmt: skip
    """The gradient for `logp`, `g` being that of the losses; zeros behind the lengths.

    Examples
    --------
    >>> import numpy as np
    >>> logp = np.log(np.full((1, 1, 2), 0.5))
    >>> given = logp, np.array([[1]]), np.array([1]), np.array([1]), 0
    >>> losses, alpha = ctc(*given)
    >>> ctc_backward(np.ones(1), *given, alpha, losses, False)
    array([[[ 0., -1.]]])
    """
    out = np.zeros(logp.shape, logp.dtype)
    targets, times, counts = _checked(logp, targets, times, counts)
    logp = np.ascontiguousarray(logp)
    g = np.ascontiguousarray(g, logp.dtype)
    _backward(
        _pool(alpha), g, logp, targets, times, counts, blank, alpha, losses, zero_infinity, out
    )
    return out
