"""Cross-entropy from logits: forward and backward in one pass over the logits each.

For a row of logits ``x``, with ``logp = x - logsumexp(x)``, class weights ``w`` (ones if there are
none), label smoothing ``e`` and ``C`` classes, the loss of one row is

- with target class ``t``: ``-(1 - e) * w[t] * logp[t] - e / C * sum(w * logp)``,
- with target probabilities ``q``: ``-sum(w * q' * logp)``, where ``q' = (1 - e) * q + e / C``.

The mean divides by the sum of ``w[t]`` in the first case, leaving ignored rows out, and by the
number of rows in the second. All this is PyTorch's definition. (Label smoothing: Szegedy et al.,
"Rethinking the Inception Architecture for Computer Vision", 2016.)

The forward pass keeps ``logsumexp`` of every row; the backward pass computes the probabilities
from it anew, which is cheaper than storing them.

Small logits without weights and smoothing, the common case, have plain kernels of their own. They
are as quick as the general ones there, and compile in 0.7 s instead of 3.5 s.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import costs
from minigrad.kernels.index import check_indices, own_indices
from minigrad.kernels.rows import row_sum
from minigrad.kernels.run.jit import PARALLEL_MATH, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import exp, from_order_key, larger, order_key
from minigrad.kernels.softmax import JOINED, SHORT, rows_logsumexp

__all__ = [
    "CrossEntropy", "cross_entropy", "cross_entropy_backward", "cross_entropy_soft",
    "cross_entropy_soft_backward",
]  # fmt: skip

Array = NDArray[Any]


class CrossEntropy(NamedTuple):
    """What the forward pass returns: the loss, and what the backward pass needs."""

    loss: Array
    """Shape () for mean and sum, (N,) for none."""
    logsumexp: Array
    """Of each row of logits, shape (N,)."""
    divisor: float
    """What the mean divides by; 1 for the other reductions."""


# --- Kernels ------------------------------------------------------------------------------------


@jit_sum
def _weighted_surprise(x, lse, weight):
    """``-sum(w * logp)`` of a row; no weights means ones."""
    total = x.dtype.type(0)
    if weight.size > 0:
        for i in range(x.size):
            total += weight[i] * (lse - x[i])
    else:
        for i in range(x.size):
            total += lse - x[i]
    return total


@jit
def _loss_rows(x, cols, targets, weight, smoothing, ignore, lse, losses, weights, b0, b1):
    """Loss and target weight of each row; `smoothing` has the dtype of `x`."""
    one = x.dtype.type(1)
    scratch = np.empty(JOINED, x.dtype)
    rows_logsumexp(x[b0 * cols :], cols, scratch, losses[b0:b1], lse[b0:b1])
    for r in range(b0, b1):
        target = targets[r]
        if target == ignore:
            losses[r] = 0
            weights[r] = 0
            continue
        row = x[r * cols : (r + 1) * cols]
        weights[r] = weight[target] if weight.size > 0 else one
        losses[r] = (one - smoothing) * weights[r] * (lse[r] - row[target])
        if smoothing > 0:
            spread = smoothing / x.dtype.type(cols)
            losses[r] += spread * _weighted_surprise(row, lse[r], weight)


@jit
def _loss(pool, x, cols, targets, weight, smoothing, ignore, lse, losses):
    """Losses of all rows; returns their sum and the sum of the targets' weights."""
    weights = np.empty(lse.size, x.dtype)
    arguments = (x, cols, targets, weight, smoothing, ignore, lse, losses, weights)
    parallel_for(pool, _loss_rows, arguments, lse.size)
    return row_sum(losses), row_sum(weights)


@jit
def _scaled_softmax(x, lse, scale, out):
    """``out = scale * exp(x - lse)``."""
    for i in range(out.size):
        out[i] = exp(x[i] - lse) * scale


@jit
def _exp_short_rows(x, cols, lse, out):
    """``out = exp(x - lse)`` for short rows, with one ``exp`` loop for all of them."""
    for r in range(lse.size):
        row, target, shift = x[r * cols :], out[r * cols : (r + 1) * cols], lse[r]
        for i in range(target.size):
            target[i] = row[i] - shift
    for i in range(out.size):
        out[i] = exp(out[i])


@jit
def _scale(x, factor):
    for i in range(x.size):
        x[i] *= factor


@jit
def _gradient_rows(
    x, cols, targets, weight, total, smoothing, ignore, lse, grads, scale, out, b0, b1
):
    """Gradient of each row; `total` is the sum of the class weights, `grads` may be empty."""
    one = x.dtype.type(1)
    spread = smoothing / x.dtype.type(cols)
    if cols < SHORT:
        _exp_short_rows(x[b0 * cols :], cols, lse[b0:b1], out[b0 * cols : b1 * cols])
    for r in range(b0, b1):
        target, row = targets[r], out[r * cols : (r + 1) * cols]
        if target == ignore:
            for i in range(row.size):
                row[i] = 0
            continue
        factor = scale * grads[r] if grads.size > 0 else scale
        hit = (one - smoothing) * (weight[target] if weight.size > 0 else one)
        if cols < SHORT:
            _scale(row, factor * (hit + spread * total))
        else:
            _scaled_softmax(x[r * cols :], lse[r], factor * (hit + spread * total), row)
        if smoothing > 0:
            share = factor * spread
            for i in range(row.size):
                row[i] -= share * weight[i] if weight.size > 0 else share
        row[target] -= factor * hit


@jit
def _gradient(pool, x, cols, targets, weight, smoothing, ignore, lse, grads, scale, out):
    total = x.dtype.type(row_sum(weight) if weight.size > 0 else cols)
    arguments = (
        x, cols, targets, weight, total, smoothing, ignore, lse, grads, scale, out,
    )  # fmt: skip
    parallel_for(pool, _gradient_rows, arguments, lse.size)


@jit_sum
def _soft_row_loss(x, lse, q, weight, smoothing, spread):
    """``-sum(w * q' * logp)`` and ``sum(w * q')`` of a row."""
    one, loss, mass = x.dtype.type(1), x.dtype.type(0), x.dtype.type(0)
    for i in range(x.size):
        share = (one - smoothing) * q[i] + spread
        if weight.size > 0:
            share *= weight[i]
        mass += share
        loss += share * (lse - x[i])
    return loss, mass


@jit
def _soft_loss_rows(x, cols, q, weight, smoothing, lse, losses, masses, b0, b1):
    spread = smoothing / x.dtype.type(cols)
    scratch = np.empty(JOINED, x.dtype)
    rows_logsumexp(x[b0 * cols :], cols, scratch, losses[b0:b1], lse[b0:b1])
    for r in range(b0, b1):
        row, share = x[r * cols : (r + 1) * cols], q[r * cols : (r + 1) * cols]
        losses[r], masses[r] = _soft_row_loss(row, lse[r], share, weight, smoothing, spread)


@jit
def _soft_loss(pool, x, cols, q, weight, smoothing, lse, losses, masses):
    """Losses of all rows, and the mass ``sum(w * q')`` of each; returns the sum of losses."""
    arguments = (x, cols, q, weight, smoothing, lse, losses, masses)
    parallel_for(pool, _soft_loss_rows, arguments, lse.size)
    return row_sum(losses)


@jit
def _soft_gradient_rows(x, cols, q, weight, smoothing, lse, masses, grads, scale, out, b0, b1):
    one = x.dtype.type(1)
    spread = smoothing / x.dtype.type(cols)
    for r in range(b0, b1):
        row, share = out[r * cols : (r + 1) * cols], q[r * cols : (r + 1) * cols]
        factor = scale * grads[r] if grads.size > 0 else scale
        _scaled_softmax(x[r * cols :], lse[r], factor * masses[r], row)
        for i in range(row.size):
            part = factor * ((one - smoothing) * share[i] + spread)
            row[i] -= part * weight[i] if weight.size > 0 else part


@jit
def _soft_gradient(pool, x, cols, q, weight, smoothing, lse, masses, grads, scale, out):
    arguments = (x, cols, q, weight, smoothing, lse, masses, grads, scale, out)
    parallel_for(pool, _soft_gradient_rows, arguments, lse.size)


# --- Small logits, no weights, no smoothing -----------------------------------------------------

#: Below this many logits.


@jit_sum
def _small_loss(x, targets, ignore, lse, losses, scratch):
    """Losses of all rows; returns their sum and how many count, -1 if a target is no class.

    `scratch` is like `x`.
    """
    rows, cols = x.shape
    for r in range(rows):
        if targets[r] != ignore and not 0 <= targets[r] < cols:
            return 0.0, -1.0
        best = order_key(x.dtype.type(-np.inf), False)
        for i in range(cols):
            best = larger(best, order_key(x[r, i], False))
        top = from_order_key(best, False)
        lse[r] = top
        for i in range(cols):
            scratch[r, i] = x[r, i] - top
    values = scratch.reshape(scratch.size)
    for i in range(values.size):
        values[i] = exp(values[i])
    total, count = 0.0, 0.0
    for r in range(rows):
        mass = 0.0
        for i in range(cols):
            mass += scratch[r, i]
        lse[r] += math.log(mass)
        losses[r] = 0
        if targets[r] != ignore:
            losses[r] = lse[r] - x[r, targets[r]]
            total += losses[r]
            count += 1.0
    return total, count


@jit
def _small_gradient(x, targets, ignore, lse, grads, scale, out):
    """As :func:`_gradient_rows`."""
    rows, cols = x.shape
    for r in range(rows):
        for i in range(cols):
            out[r, i] = x[r, i] - lse[r]
    values = out.reshape(out.size)
    for i in range(values.size):
        values[i] = exp(values[i])
    for r in range(rows):
        factor = scale * grads[r] if grads.size > 0 else scale
        if targets[r] == ignore:
            for i in range(cols):
                out[r, i] = 0
        else:
            for i in range(cols):
                out[r, i] *= factor
            out[r, targets[r]] -= factor


# --- Arrays of any layout -----------------------------------------------------------------------


def _weights(weight: Array | None, dtype: np.dtype[Any]) -> Array:
    """Contiguous class weights; empty if there are none."""
    return np.empty(0, dtype) if weight is None else np.ascontiguousarray(weight, dtype)


def _flat(x: Array) -> Array:
    """Contiguous, one axis, float32 or float64: other dtypes are computed in float32."""
    return x.ravel() if x.dtype.num in (11, 12) else x.astype(np.float32).ravel()


def _pool(x: Array) -> int:
    return pool_for(x.size, PARALLEL_MATH)


def _reduced(
    losses: Array, total: float, divisor: float, reduction: str, dtype: np.dtype[Any]
) -> Array:
    if reduction == "none":
        return losses.astype(dtype, copy=False)
    if divisor == 0.0:  # every row ignored, as in PyTorch
        return np.array(np.nan, dtype)
    return np.array(total / divisor, dtype)


def _row_gradients(
    grad: Array, divisor: float, reduction: str, dtype: np.dtype[Any]
) -> tuple[Array, float]:
    """Gradients of the rows (empty for mean and sum) and their common factor."""
    if reduction == "none":
        return np.ascontiguousarray(grad, dtype), 1.0
    return np.empty(0, dtype), float(grad) / float(divisor) if divisor != 0.0 else 0.0


def cross_entropy(
    logits: Array,
    targets: NDArray[np.integer],
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> CrossEntropy:
    """Cross-entropy with target classes.

    Parameters
    ----------
    logits : ndarray, shape (N, C), of a floating dtype
    targets : ndarray of integers, shape (N,)
        In ``[0, C)``, or `ignore_index`.
    weight : ndarray, shape (C,), optional
        Weight of each class.
    ignore_index : int
        Rows with this target count for nothing.
    label_smoothing : float
        In ``[0, 1]``.
    reduction : {"none", "mean", "sum"}

    Raises
    ------
    IndexError
        If a target is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3])).loss
    array(1.38629436)
    """
    rows, cols = logits.shape
    x = _flat(logits)
    dtype = x.dtype
    lse, losses = np.empty(rows, dtype), np.empty(rows, dtype)
    if x.size < costs.SMALL_LOSS and weight is None and label_smoothing == 0.0:
        table, own = x.reshape(rows, cols), np.array(targets, np.int64, order="C")
        total, weights = _small_loss(
            table, own, ignore_index, lse, losses, np.empty((rows, cols), dtype)
        )
        if weights < 0:
            check_indices(own, cols, "cross_entropy", "target", ignore=ignore_index)
    else:
        own = own_indices(targets, cols, "cross_entropy", "target", ignore=ignore_index)
        total, weights = _loss(
            _pool(logits),
            x,
            cols,
            own,
            _weights(weight, dtype),
            dtype.type(label_smoothing),
            ignore_index,
            lse,
            losses,
        )
    divisor = weights if reduction == "mean" else 1.0
    loss = _reduced(losses, total, divisor, reduction, logits.dtype)
    return CrossEntropy(loss, lse, divisor)


def cross_entropy_backward(
    grad: Array,
    logits: Array,
    targets: NDArray[np.integer],
    logsumexp: Array,
    divisor: float,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Array:
    """Gradient for the logits; `logsumexp` and `divisor` as :func:`cross_entropy` returned them.

    `grad` is the gradient of the loss, of its shape. The other parameters must be the same as in
    the forward pass. Targets are checked again: they may have been written to since.

    Raises
    ------
    IndexError
        If a target is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> x, t = np.zeros((1, 4)), np.array([3])
    >>> forward = cross_entropy(x, t)
    >>> cross_entropy_backward(np.array(1.0), x, t, forward.logsumexp, forward.divisor)
    array([[ 0.25,  0.25,  0.25, -0.75]])
    """
    x = _flat(logits)
    dtype = x.dtype
    grads, scale = _row_gradients(grad, divisor, reduction, dtype)
    out = np.empty(logits.shape, dtype)
    own = own_indices(targets, logits.shape[1], "cross_entropy", "target", ignore=ignore_index)
    if x.size < costs.SMALL_LOSS and weight is None and label_smoothing == 0.0:
        table = x.reshape(logits.shape)
        _small_gradient(table, own, ignore_index, logsumexp, grads, dtype.type(scale), out)
        return out.astype(logits.dtype, copy=False)
    _gradient(
        _pool(logits),
        x,
        logits.shape[1],
        own,
        _weights(weight, dtype),
        dtype.type(label_smoothing),
        ignore_index,
        logsumexp,
        grads,
        dtype.type(scale),
        out.ravel(),
    )
    return out.astype(logits.dtype, copy=False)


def cross_entropy_soft(
    logits: Array,
    targets: Array,
    weight: Array | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[CrossEntropy, Array]:
    """Cross-entropy with target probabilities, shape (N, C); parameters as :func:`cross_entropy`.

    Returns
    -------
    CrossEntropy
    ndarray, shape (N,)
        The mass ``sum(w * q')`` of each row, for the backward pass.

    Examples
    --------
    >>> import numpy as np
    >>> forward, mass = cross_entropy_soft(np.zeros((1, 2)), np.array([[0.5, 0.5]]))
    >>> forward.loss
    array(0.69314718)
    """
    rows, cols = logits.shape
    x = _flat(logits)
    dtype = x.dtype
    lse, losses, masses = np.empty(rows, dtype), np.empty(rows, dtype), np.empty(rows, dtype)
    total = _soft_loss(
        _pool(logits),
        x,
        cols,
        np.ascontiguousarray(targets, dtype).ravel(),
        _weights(weight, dtype),
        dtype.type(label_smoothing),
        lse,
        losses,
        masses,
    )
    divisor = float(rows) if reduction == "mean" else 1.0
    loss = _reduced(losses, total, divisor, reduction, logits.dtype)
    return CrossEntropy(loss, lse, divisor), masses


def cross_entropy_soft_backward(
    grad: Array,
    logits: Array,
    targets: Array,
    logsumexp: Array,
    masses: Array,
    divisor: float,
    weight: Array | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Array:
    """Gradient for the logits, from what :func:`cross_entropy_soft` returned.

    Examples
    --------
    >>> import numpy as np
    >>> x, q = np.zeros((1, 2)), np.array([[1.0, 0.0]])
    >>> forward, mass = cross_entropy_soft(x, q)
    >>> cross_entropy_soft_backward(
    ...     np.array(1.0), x, q, forward.logsumexp, mass, forward.divisor
    ... )
    array([[-0.5,  0.5]])
    """
    x = _flat(logits)
    dtype = x.dtype
    grads, scale = _row_gradients(grad, divisor, reduction, dtype)
    out = np.empty(logits.shape, dtype)
    _soft_gradient(
        _pool(logits),
        x,
        logits.shape[1],
        np.ascontiguousarray(targets, dtype).ravel(),
        _weights(weight, dtype),
        dtype.type(label_smoothing),
        logsumexp,
        masses,
        grads,
        dtype.type(scale),
        out.ravel(),
    )
    return out.astype(logits.dtype, copy=False)
