"""Batching rules: how an operation computes many examples at once, for `minigrad.func.vmap`.

A rule stands in the declaration of its operation as ``batch=rule`` and is called as

    rule(op, inputs, params, batched)

with tensors whose dimension 0 runs over the examples. Inputs that are the same for all examples
are expanded to that size without copying, and ``batched[i]`` says False of them, so a rule that has
a faster way for a shared input takes ``inputs[i][0]``; a rule marked :func:`sharing` gets such an
input as it is. It returns the result (or results) with the examples in dimension 0. A rule is
written with operations on tensors, so what it computes can be differentiated, and batched again.

The rules that serve most operations are here; elementwise operations need none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.core.engine import Node, apply
from minigrad.core.operation import Bare

if TYPE_CHECKING:
    from minigrad.core.tensor import Tensor

__all__ = [
    "BatchRule", "apart", "broadcasting", "each", "lined_up", "reducing", "same", "sharing",
    "shifted",
]  # fmt: skip

BatchRule = Callable[[Any, "tuple[Tensor, ...]", tuple[Any, ...], Sequence[bool]], Any]


def sharing(rule: BatchRule) -> BatchRule:
    """Mark a rule that takes inputs that are the same for all examples as they are."""
    rule.shares = True  # type: ignore[attr-defined]
    return rule


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


def reducing(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], _: Sequence[bool]
) -> Any:
    """For reductions of one tensor over the dimensions in the first parameter."""
    (x,), (axes, *rest) = inputs, params
    if axes:
        return apply(op, (x,), (_shift(axes), *rest))
    # A number is reduced over no dimensions, which must not come to mean all of them.
    one = x.reshape((*x.array.shape, 1))
    return apply(op, (one,), ((x.array.ndim,), *rest)).reshape(x.array.shape)


@sharing
def broadcasting(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """For operations that compute element by element, and broadcast."""
    ndim = max(t.array.ndim - b for t, b in zip(inputs, batched, strict=True))
    wide = tuple(lined_up(t, ndim) if b else t for t, b in zip(inputs, batched, strict=True))
    return apply(op, wide, params)


def lined_up(t: Tensor, ndim: int) -> Tensor:
    """A batched tensor with dimensions of size 1 put in, so that an example has `ndim`."""
    missing = ndim + 1 - t.array.ndim
    if missing <= 0:
        return t
    size, *shape = t.array.shape
    return t.reshape((size, *(1,) * missing, *shape))


def each(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """One example after the other, for operations that have no better way."""
    from minigrad.core.public import PUBLIC

    stack = PUBLIC["stack"]
    size = inputs[0].array.shape[0]
    if size == 0:
        raise RuntimeError(f"vmap: {op.name} needs at least one example, and the batch is empty")
    rows = [apart(t) if b else (t[0],) * size for t, b in zip(inputs, batched, strict=True)]
    results = [apply(op, row, params) for row in zip(*rows, strict=True)]
    if op.results == 1:
        return stack(results)
    return tuple(stack(parts) for parts in zip(*results, strict=True))


class _Apart(Bare):
    """The entries along dimension 0 as results of one operation, so that their gradients meet in
    one tensor instead of one per entry.
    """

    name = "apart"
    owns = True
    batch = None

    def __init__(self, count: int) -> None:
        self.results = count
        self.kept: dict[int, bool] = {}

    def forward(self, arrays: Sequence[Any], params: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(arrays[0][i, ...] for i in range(self.results))

    def backward(self, node: Node, g: Any) -> tuple[Any]:
        whole = np.zeros((self.results, *node.shape), node.dtype)
        for i, part in enumerate(g):
            if part is not None:
                whole[i] = part
        return (whole,)

    def vjp(self, node: Node, g: Any) -> tuple[Any]:
        from minigrad.core.public import PUBLIC

        zero = PUBLIC["from_numpy"](np.zeros(node.shape, node.dtype))
        return (PUBLIC["stack"]([zero if part is None else part for part in g]),)


def apart(t: Tensor) -> tuple[Tensor, ...]:
    """The entries of an ordinary tensor along dimension 0."""
    size = t.array.shape[0]
    if size <= 1 or hasattr(t, "levels"):
        return tuple(t[i] for i in range(size))
    return apply(_Apart(size), (t,))  # type: ignore[no-any-return]
