"""The values of a graph: those it keeps, and those that can be computed from them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from minigrad.core.engine import Node
from minigrad.core.modes import no_grad
from minigrad.core.quiet import ignore_events
from minigrad.core.rules import Op

__all__ = ["nodes_of", "values_again"]

Array = np.ndarray[Any, Any]
#: A node, its inputs (None where they are not known), the tensors among them that no node made,
#: and its result, if that is known.
Known = tuple[Node, list[Array | None], tuple[Any, ...], Array | None]


def nodes_of(root: Node) -> list[Node]:
    """The nodes that a result depends on, from the oldest on."""
    found: dict[int, Node] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if node.seq not in found:
            found[node.seq] = node
            stack += [e for e in node.edges if isinstance(e, Node)]
    return [found[seq] for seq in sorted(found)]


def values_again(loss: Any, nodes: Sequence[Node]) -> list[Known]:
    """What each node read and gave; `nodes` from the oldest on.

    Nothing that the user has changes.
    """
    return copy_context().run(lambda: list(_values(loss, nodes)))


def _values(loss: Any, nodes: Sequence[Node]) -> Iterator[Known]:
    ignore_events()
    values = _kept(loss, nodes)
    with no_grad():
        for node in nodes:
            inputs, constants = _inputs(node, values)
            if node.seq not in values and all(a is not None for a in inputs):
                _compute(node, inputs, values)
            yield node, inputs, constants, values.get(node.seq)


def _kept(loss: Any, nodes: Sequence[Node]) -> dict[int, Array]:
    """What is in memory still."""
    values: dict[int, Array] = {loss.node.seq: loss.array}
    for node in nodes:
        for edge, t in zip(node.edges, node.saved or (), strict=False):
            if isinstance(edge, Node) and t is not None:
                values[edge.seq] = t.array
        if isinstance(node.out, np.ndarray):
            values[node.seq] = node.out
    return values


def _inputs(node: Node, values: dict[int, Array]) -> tuple[list[Array | None], tuple[Any, ...]]:
    saved = node.saved if node.saved and len(node.saved) == len(node.edges) else None
    constants = saved or (None,) * len(node.edges)
    found: list[Array | None] = []
    tensors: list[Any] = []
    for edge, constant in zip(node.edges, constants, strict=True):
        if isinstance(edge, Node):
            found.append(values.get(edge.seq))
            tensors.append(None)
            continue
        t = constant if edge is None else edge
        tensors.append(t)
        found.append(None if t is None else t.array)
    return found, tuple(tensors)


def _compute(node: Node, inputs: list[Any], values: dict[int, Array]) -> None:
    if not isinstance(node.op, Op):  # a function of the user's, which may do anything
        return
    out = node.op.forward(inputs, node.params)
    values[node.seq] = np.asarray(out[0] if isinstance(out, tuple) else out)
