"""Operations with several results: each result is an ordinary node, whose operation picks.

What arrives at the results meets again at the node of the operation, as :class:`Parts`: a list
with the gradient of each result, None for those nobody used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import engine
from minigrad.core.engine import Node, adding, find_edges, new_tensor
from minigrad.core.modes import current
from minigrad.core.operation import Bare

__all__ = ["Parts", "Pick", "pick", "picked"]


class Parts(list[Any]):
    """The gradients of the results of one operation, in their order."""

    def plus(self, other: Parts, graph: bool) -> Parts:
        """Both together: a result is picked by one node, unless it was written in place."""
        return Parts(
            b if a is None else a if b is None else adding[graph].add(a, b)
            for a, b in zip(self, other, strict=True)
        )


class Pick(Bare):
    """The operation behind one of several results."""

    plain = True

    def __init__(self, op: Any) -> None:
        self.name = op.name  # as users know it

    def vjp(self, node: Node, g: Any) -> tuple[Parts]:
        """The gradient at its place among those of all results."""
        (whole,) = node.edges
        parts = Parts([None] * len(whole.outputs))
        parts[node.params[0]] = g
        return (parts,)

    backward = vjp


def pick(node: Node, index: int, shape: tuple[int, ...], dtype: Any) -> Node:
    """The node of one result of `node`."""
    return Node(Pick(node.op), (index,), (node,), (), shape, dtype)


def picked(node: Any) -> tuple[Node, int] | None:
    """The node of the operation, and which of its results, if `node` is that of a result."""
    if not isinstance(node, Node) or node.op.__class__ is not Pick:
        return None
    return node.edges[0], node.params[0]


def _record_several(
    op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], out: tuple[Any, ...]
) -> tuple[Any, ...]:
    """What `engine.record` does, for several results; floating ones get a node each."""
    count = op.results or len(out)  # 0 stands for as many as there are
    # numpy turns 0-dim results into scalars
    arrays, residuals = tuple([np.asarray(a) for a in out[:count]]), out[count:]
    mode, node = current.get(), None
    need, edges = find_edges(inputs) if mode.grad and op.differentiable else (0, ())
    if need:
        node = Node(op, params, edges, op.keep(inputs, need), arrays[0].shape, arrays[0].dtype)
        node.outputs = tuple([(a.shape, a.dtype) for a in arrays])
        node.residuals = residuals
        if op.reads_output:
            node.out = arrays
        if mode.saving is not None:
            mode.saving(node)
    results = []
    for i, a in enumerate(arrays):
        y = new_tensor(a)
        if node is not None and a.dtype.kind == "f":
            y.node, y._requires_grad = pick(node, i, a.shape, a.dtype), True
        results.append(y)
    return tuple(results)


engine.record_several = _record_several
