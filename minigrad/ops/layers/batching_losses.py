"""Batching rules of the losses: the rows of all examples at once, then a sum for each example."""

from __future__ import annotations

from typing import Any

from minigrad.core.engine import apply
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.ops.batching import each, sharing

__all__ = ["hard", "likelihood", "soft", "squares"]


def _inner(t: Any) -> tuple[int, ...]:
    """The dimensions of one example."""
    return tuple(range(1, t.array.ndim))


def squares(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """Of ``mse_loss(x, t, reduction)``."""
    (x, t), (reduction,) = inputs, params
    gap = x - t
    squared, dims = gap * gap, _inner(gap)
    if not dims:
        return squared
    return squared.sum(dims) if reduction == "sum" else squared.mean(dims)


def _counted(t: Any, weight: Any, ignored: int, kind: Any) -> Any:
    """What each target counts: 1, or the weight of its class; 0 where it is ignored."""
    valid = t != ignored
    if weight is None:
        return cast(valid, kind)
    safe = PUBLIC["where"](valid, t, 0)
    found = PUBLIC["index_select"](weight, 0, safe.reshape(-1)).reshape(t.array.shape)
    return PUBLIC["where"](valid, found, 0.0)


def _folded(losses: Any, counted: Any, reduction: str) -> Any:
    dims = _inner(losses)
    if reduction == "none" or not dims:
        return losses
    total = losses.sum(dims)
    return total if reduction == "sum" else total / counted.sum(dims)


@sharing
def hard(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """Of ``cross_entropy(x, t[, w], ignored, smoothing, reduction)``."""
    return _indexed(op, inputs, params, batched)


@sharing
def likelihood(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """Of ``nll_loss(x, t[, w], ignored, reduction)``."""
    return _indexed(op, inputs, params, batched)


def _wide(inputs: Any, batched: Any) -> list[Any]:
    """Every input for each example, expanded where it is shared."""
    size = next(t.array.shape[0] for t, b in zip(inputs, batched, strict=True) if b)
    return [
        t if b else PUBLIC["broadcast_to"](t, (size, *t.array.shape))
        for t, b in zip(inputs, batched, strict=True)
    ]


def _indexed(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    if len(inputs) == 3 and batched[2]:  # weights of their own
        return each(op, tuple(_wide(inputs, batched)), params, batched)
    x, t = _wide(inputs[:2], batched[:2])
    weight = inputs[2] if len(inputs) == 3 else None
    rows = (x.reshape((-1, *x.array.shape[2:])), t.reshape((-1, *t.array.shape[2:])))
    losses = apply(op, (*rows, *inputs[2:]), (*params[:-1], "none")).reshape(t.array.shape)
    return _folded(losses, _counted(t, weight, params[0], x.array.dtype), params[-1])


@sharing
def soft(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    """Of ``cross_entropy_soft(x, q[, w], smoothing, reduction)``."""
    if len(inputs) == 3 and batched[2]:
        return each(op, tuple(_wide(inputs, batched)), params, batched)
    x, q = _wide(inputs[:2], batched[:2])
    classes = x.array.shape[2]
    rows = (x.reshape((-1, classes)), q.reshape((-1, classes)))
    losses = apply(op, (*rows, *inputs[2:]), (*params[:-1], "none"))
    losses = losses.reshape(x.array.shape[:2])
    if params[-1] == "none":
        return losses
    return losses.sum(1) if params[-1] == "sum" else losses.mean(1)
