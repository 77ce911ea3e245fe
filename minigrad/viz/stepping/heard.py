"""What a listener hears of a computation, kept as far as steps show it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from minigrad.autograd.again import values_again
from minigrad.autograd.anomaly import user_line
from minigrad.core.declare import Elementwise
from minigrad.core.engine import Node, adding
from minigrad.core.events import Event
from minigrad.core.modes import listen
from minigrad.core.passes import Pass
from minigrad.core.several import Parts, picked
from minigrad.core.tensor import Tensor
from minigrad.viz.stepping.values import FEW, Kept

__all__ = ["Heard", "again"]

Array = np.ndarray[Any, Any]


class Derived:
    """What a derivative was told to have done.

    Attributes
    ----------
    incoming : Kept or None
        The gradient of the result; of several results, of those that were used.
    parts : list of Kept or None
        What went on to each input, summed to its shape.
    local : list of Kept or None
        The derivative of the result in each input alone, of small element-wise operations.
    """

    __slots__ = ("incoming", "local", "parts")

    def __init__(self, incoming: list[Kept | None], parts: list[Kept | None], local: Any) -> None:
        self.incoming = incoming
        self.parts = parts
        self.local: list[Kept | None] = local


class Heard:
    """Results, inputs, lines and gradients, by the numbers of the nodes.

    Attributes
    ----------
    results : dict of int to Kept
        The result of each node (of an operation with several, of each that is a node).
    inputs : dict of int to tuple
        The tensors that each operation read.
    tensors : dict of int to (Tensor, Kept)
        Leaves and constants, by id, as they were when they were first read.
    lines : dict of int to str
        The user's line that each operation came from.
    derived : dict of int to Derived
        What the last backward pass did.
    arrived : dict of int to Kept
        What it brought to each leaf, by id.
    """

    def __init__(self) -> None:
        self.results: dict[int, Kept] = {}
        self.inputs: dict[int, tuple[Any, ...]] = {}
        self.tensors: dict[int, tuple[Any, Kept]] = {}
        self.lines: dict[int, str] = {}
        self.derived: dict[int, Derived] = {}
        self.arrived: dict[int, Kept] = {}

    def hear(self, event: Event) -> None:
        """Something is over that ended well."""
        if event.node is not None:
            self.derived[event.node.seq] = derived(event.node, event.inputs[0], event.outputs)
        elif event.door == "write" and event.op.name == "accumulate":
            leaf, g = event.inputs
            self.leaf(leaf)
            self.arrived[id(leaf)] = Kept(array_of(g))
        elif event.door == "compute":
            self._operation(event)

    def leaf(self, t: Any) -> None:
        """Keep what a leaf is now, unless it is known."""
        if id(t) not in self.tensors:
            self.tensors[id(t)] = (t, Kept(t.array))

    def _operation(self, event: Event) -> None:
        whole = None
        for y in event.outputs:
            if isinstance(y, Tensor) and y.node is not None:
                self.results[y.node.seq] = Kept(y.array)
                of_result = picked(y.node)
                whole = y.node if of_result is None else of_result[0]
        if whole is None:
            return
        if len(event.outputs) > 1:
            self.results[whole.seq] = Kept(event.outputs[0].array)
        self.inputs[whole.seq] = tuple(None if t.node is not None else t for t in event.inputs)
        for t in event.inputs:
            if t.node is None:
                self.leaf(t)
        self.lines[whole.seq] = user_line()


def array_of(x: Any) -> Array:
    """The elements of a gradient, which is an array or a tensor."""
    return x.array if isinstance(x, Tensor) else np.asarray(x)


def derived(node: Node, g: Any, parts: Sequence[Any]) -> Derived:
    """What is kept of a derivative, computed on `node` by `g`."""
    incoming = list(g) if isinstance(g, list) else [g]
    local: list[Kept | None] = [None] * len(node.edges)
    if isinstance(node.op, Elementwise) and not isinstance(g, list):
        a = array_of(g)
        if a.size <= FEW:
            ones = node.op.backward(node, np.ones_like(a))
            local = [None if p is None else Kept(p) for p in ones]
    passed = [
        None if e is None or p is None or isinstance(p, Parts) else Kept(_to_shape(p, e))
        for e, p in zip(node.edges, parts, strict=False)
    ]
    return Derived([None if p is None else Kept(array_of(p)) for p in incoming], passed, local)


def _to_shape(part: Any, edge: Any) -> Array:
    """What reaches the input: where that was broadcast, the sum over its copies."""
    a, shape = array_of(part), tuple(edge.shape)
    return a if a.shape == shape else array_of(adding[False].sum_to(a, shape))


class _Again(Pass):
    """A backward pass that keeps the graph and calls no hooks."""

    def arrived(self, node: Node, g: Any, own: bool) -> tuple[Any, bool]:
        """The gradient as it is."""
        return g, own


def again(loss: Any, nodes: Sequence[Node]) -> Heard:
    """The computation done once more, for a listener, from what the graph keeps.

    Nothing that the user has changes: neither ``grad``, nor the graph, nor what random numbers come
    next; and no hooks are called.

    Raises
    ------
    RuntimeError
        If a backward pass has freed the graph.
    """
    for node in nodes:
        if node.saved is None:
            raise RuntimeError(
                "viz.steps: a backward pass has freed what the graph kept (first for "
                f"{node.name()}). Call viz.steps(loss) before loss.backward(), or keep the graph "
                "by loss.backward(retain_graph=True), or record both passes: with viz.record() as "
                "tape: ..., then viz.steps(loss, tape=tape)"
            )
    heard = Heard()
    copy_context().run(_replay, heard, loss, nodes)

    def deliver(leaves: list[Any]) -> None:
        for leaf, g, _ in leaves:
            heard.arrived[id(leaf)] = Kept(array_of(g))

    with listen(heard.hear):
        _Again(retain=True).run([(loss.node, np.ones(loss.array.shape, loss.array.dtype))], deliver)
    return heard


def _replay(heard: Heard, loss: Any, nodes: Sequence[Node]) -> None:
    """Results: those that are kept, and those that can be computed from them again."""
    for node, _, constants, value in values_again(loss, nodes):
        heard.inputs[node.seq] = constants
        for t in constants:
            if t is not None:
                heard.leaf(t)
        if value is not None:
            heard.results[node.seq] = Kept(value)
        if node.where:
            heard.lines[node.seq] = node.where
