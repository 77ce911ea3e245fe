"""Attention as one operation: ``softmax(scale * q @ k.T + mask) @ v``.

Without a graph of the derivative both directions are fused kernels that never hold all scores;
the rule, for derivatives of any order, is written with matrix products and softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.shape import reshape
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.layers.activations import softmax
from minigrad.ops.optional import with_optional

__all__ = ["attention", "weights"]

kernels = lazy("attention")


def _swapped(x: Any) -> Any:
    return x.transpose(-1, -2)


def weights(q: Any, k: Any, mask: Any, causal: bool, scale: float) -> Any:
    """``softmax(scale * q @ k.T + mask)``; zeros for a query that sees nothing."""
    scores: Any = matmul(q, _swapped(k)) * scale
    if mask is not None:
        scores = scores + mask
    if causal:
        hidden = np.tri(*scores.array.shape[-2:]) == 0
        scores = scores.masked_fill(given(hidden), -np.inf)
    if mask is None or scores.array.shape[-1] == 0:  # then every query sees key 0, if there is one
        return softmax(scores, -1)
    blind = scores.detach().amax(-1, True) == -np.inf
    return softmax(scores.masked_fill(blind, 0), -1).masked_fill(blind, 0)


def _rule(g: Any, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float) -> Any:
    p = weights(q, k, mask, causal, scale)
    dp: Any = matmul(g, _swapped(v))
    ds = p * (dp - (dp * p).sum(-1, True))
    scaled = ds * scale
    return matmul(scaled, k), matmul(_swapped(scaled), q), matmul(_swapped(p), g), ds


def _batched(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """One more leading dimension; a mask with few dimensions gets them behind that one."""
    q = inputs[0].array
    if len(inputs) == 4 and inputs[3].array.ndim < q.ndim:
        shape = inputs[3].array.shape
        wide = (shape[0], *(1,) * (q.ndim - len(shape)), *shape[1:])
        inputs = (*inputs[:3], reshape(inputs[3], wide))
    return apply(op, inputs, params)


def _sample() -> Any:
    def make(batch: tuple[int, ...], queries: int, keys: int, causal: bool) -> Any:
        def draw(rng: np.random.Generator) -> Any:
            q, k = rng.normal(size=(*batch, queries, 3)), rng.normal(size=(*batch, keys, 3))
            v = rng.normal(size=(*batch, keys, 2))
            mask = rng.normal(size=(queries, keys))
            mask[..., 0, :] = -np.inf if causal else 1.0  # one query that sees nothing
            return (q, k, v, mask), (causal, 0.7)

        return draw

    return cases(
        make((), 2, 3, False), make((2,), 3, 3, True), make((2, 2), 3, 2, True),
        make((2, 1), 2, 4, True), make((0,), 2, 3, False), make((2,), 2, 3, False),
    )  # fmt: skip


attention = with_optional(
    ("attention", "attention_masked"),
    lambda q, k, v, mask, causal, scale: call_quietly(
        kernels.attention, q, k, v, mask, causal, scale
    ),
    _rule, inputs=4, broadcasts=True,
    fused=lambda g, y, q, k, v, mask, causal, scale, residuals, needs: kernels.attention_backward(
        g, y, q, k, v, mask, *residuals, causal, scale, len(needs) == 4 and needs[3]
    ),
    sample=_sample(), batch=_batched,
    docs=(
        "Of queries, keys and values with equal leading dimensions (Vaswani et al. 2017).",
        "The same with a mask that is added to the scores; it broadcasts.",
    ),
)  # fmt: skip
