"""Batching rules: how an operation computes many examples at once, for `minigrad.func.vmap`.

A rule stands in the declaration of its operation as ``batch=rule`` and is called as

    rule(op, inputs, params, batched)

with tensors whose dimension 0 runs over the examples. Inputs that are the same for all examples
are expanded to that size without copying, and ``batched[i]`` says False of them, so a rule that has
a faster way for a shared input takes ``inputs[i][0]``. It returns the result (or results) with the
examples in dimension 0. A rule is written with operations on tensors, so what it computes can be
differentiated, and batched again.

The rules that serve most operations are here; elementwise operations need none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from minigrad.autograd.engine import apply

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = ["BatchRule", "each", "same", "shifted"]

BatchRule = Callable[[Any, "tuple[Tensor, ...]", tuple[Any, ...], Sequence[bool]], Any]


def same(op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], _: Sequence[bool]) -> Any:
    """For operations that take any number of leading dimensions: just call them."""
    return apply(op, inputs, params)


def shifted(*places: int) -> BatchRule:
    """For operations whose parameters at `places` are dimensions, counted from the front.

    A dimension (or each of a tuple of them) moves one to the right; None stays None.
    """

    def rule(
        op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], _: Sequence[bool]
    ) -> Any:
        moved = tuple(_shift(p) if i in places else p for i, p in enumerate(params))
        return apply(op, inputs, moved)

    return rule


def _shift(dims: Any) -> Any:
    if dims is None:
        return None
    if isinstance(dims, (tuple, list)):
        return tuple(d + 1 for d in dims)
    return dims + 1


def each(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """One example after the other, for operations that have no better way."""
    from minigrad.ops.functions import PUBLIC

    stack = PUBLIC["stack"]
    size = inputs[0].array.shape[0]
    if size == 0:
        raise RuntimeError(f"vmap: {op.name} needs at least one example, and the batch is empty")
    results = [
        apply(op, tuple(t[i if b else 0] for t, b in zip(inputs, batched, strict=True)), params)
        for i in range(size)
    ]
    if op.results == 1:
        return stack(results)
    return tuple(stack(parts) for parts in zip(*results, strict=True))
