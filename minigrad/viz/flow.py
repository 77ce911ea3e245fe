"""What flows back along each edge: the chain rule, to be written on the arrows of a drawing.

The gradient at a value is the sum, over the arrows that leave it, of the gradient at the arrow's
head times the local derivative on the arrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.core.engine import Node, adding
from minigrad.core.events import Event
from minigrad.core.gradients import gradients
from minigrad.core.modes import current, listen, no_grad
from minigrad.core.several import Parts, Pick
from minigrad.core.tensor import Tensor
from minigrad.viz.graph import find_nodes
from minigrad.viz.text import Summary, number_text

__all__ = ["Edge", "Flow", "flow"]

Array = np.ndarray[Any, Any]

#: Jacobians of at most so many entries are written out.
_ENTRIES = 6


@dataclass(frozen=True)
class Edge:
    """What is known of an edge of the graph.

    Attributes
    ----------
    local : str
        The local derivative: a number, a vector (of an operation element by element), a small
        matrix, or by how much it makes the gradient longer or shorter.
    size, length : float
        The root mean square and the norm of the gradient that flows along it.
    """

    local: str
    size: float
    length: float


@dataclass(frozen=True)
class Flow:
    """A backward pass, looked at.

    Attributes
    ----------
    edges : dict of (int, int) to Edge
        By the number of the reading node and which of its inputs it is.
    gradients : dict of int to Summary
        The gradient that arrived at each node.
    leaves : dict of int to Summary
        The same of each leaf, by its ``id``.
    """

    edges: Mapping[tuple[int, int], Edge]
    gradients: Mapping[int, Summary]
    leaves: Mapping[int, Summary]


def flow(roots: Mapping[str, Tensor]) -> Flow:
    """Run backward from `roots` without keeping anything, and note what flows.

    Parameters
    ----------
    roots : dict of str to Tensor
        Tensors of one element.

    Raises
    ------
    RuntimeError
        If one has several elements, or the graph was freed.
    """
    for name, t in roots.items():
        if t.array.size != 1:
            raise RuntimeError(
                f"draw: the chain rule is drawn for numbers, but {name!r} has shape "
                f"{list(t.array.shape)}: pass its sum, or one element"
            )
    nodes = find_nodes([t.node for t in roots.values() if t.node is not None])
    leaves = {id(e): e for n in nodes for e in n.edges if isinstance(e, Tensor)}
    heard = _Heard()
    before = current.get()
    current.set(before._replace(listeners=()))  # who listens outside has heard of its own pass
    try:
        with listen(heard):
            outs = list(roots.values())
            found = gradients(outs, list(leaves.values()), [None] * len(outs), True, False)
    finally:
        current.set(before)
    arrived = {
        key: Summary.of(g.array) for key, g in zip(leaves, found, strict=True) if g is not None
    }
    return Flow(heard.edges, heard.gradients, arrived)


class _Heard:
    """Listens to the derivatives of one pass."""

    def __init__(self) -> None:
        self.edges: dict[tuple[int, int], Edge] = {}
        self.gradients: dict[int, Summary] = {}

    def enter(self, event: Event) -> None:
        """Nothing is looked at beforehand."""

    def leave(self, event: Event) -> None:
        """Note the gradient of a node, and what it sends on."""
        node = event.node
        if node is None or event.error is not None:
            return
        g = event.inputs[0]
        arrived = [a for a in (g if isinstance(g, list) else [g]) if a is not None]
        if len(arrived) == 1:
            self.gradients[node.seq] = Summary.of(arrived[0])
        length = _length(arrived)
        for i, (edge, part) in enumerate(zip(node.edges, event.outputs, strict=True)):
            if edge is None or part is None:
                continue
            local = _local(node, i, edge, part, length)
            own = _length([part])
            self.edges[node.seq, i] = Edge(local, own / max(1, part.size) ** 0.5, own)


def _length(arrays: list[Array]) -> float:
    return float(np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in arrays)))


def _local(node: Node, i: int, edge: Any, part: Array, arrived: float) -> str:
    """The local derivative in as many words as there is room for."""
    shape = tuple(edge.shape)
    size, out = int(np.prod(shape)), int(np.prod(node.shape))
    if node.outputs or node.op.__class__ is Pick:
        return _gain(part, arrived)
    if hasattr(node.op, "formula") and out <= _ENTRIES and (out == size or size == 1):
        diagonal = _derivative(node, i, np.ones(node.shape, node.dtype))
        if diagonal is not None:
            return Summary.of(diagonal.reshape(node.shape)).text
    if out * size <= _ENTRIES:
        rows = [_derivative(node, i, one) for one in _ones(node)]
        if all(r is not None for r in rows):
            jacobian = np.array([adding[False].sum_to(r, shape).reshape(-1) for r in rows])
            if jacobian.size == 1:
                return number_text(jacobian.item())
            return "[" + ", ".join(_row(r) for r in jacobian) + "]"
    return _gain(part, arrived)


def _gain(part: Array, arrived: float) -> str:
    return f"length ×{number_text(_length([part]) / arrived)}" if arrived else "0"


def _row(values: Array) -> str:
    return "[" + ", ".join(number_text(v) for v in values) + "]"


def _ones(node: Node) -> list[Array]:
    """A gradient for each element of a result: 1 there, 0 elsewhere."""
    eye = np.eye(int(np.prod(node.shape)), dtype=node.dtype)
    return [row.reshape(node.shape) for row in eye]


def _derivative(node: Node, i: int, g: Array) -> Array | None:
    with no_grad():
        part = node.op.backward(node, g)[i]
    return None if part is None or isinstance(part, Parts) else np.asarray(part)
