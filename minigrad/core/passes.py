"""One backward pass: what it visits, what it is asked for, who watches, what happens at its end.

Everything that is so for one pass only lies in its :class:`Pass`. The pass that runs is known by a
context variable, so each thread has its own; a pass inside a pass has its own, too, and an
exception leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from typing import Any

from minigrad.core import engine
from minigrad.core.engine import Node, adding
from minigrad.core.events import Event, span, told
from minigrad.core.modes import current
from minigrad.core.operation import Bare
from minigrad.core.quiet import ignore_events
from minigrad.core.several import Parts, Pick

__all__ = ["Derivative", "Pass", "ancestors", "running", "see"]

#: A node or leaf, and the gradient that flows in there.
Root = tuple[Any, Any]
#: A leaf, its gradient, and whether that is an array that nobody else holds.
Arrived = tuple[Any, Any, bool]
#: The pass that runs in this context.
running: ContextVar[Pass | None] = ContextVar("minigrad_pass", default=None)


class Derivative(Bare):
    """The derivative of an operation, as the operation on arrays that backward passes compute.

    It reads the gradient that arrives, and what the node kept: inputs, result, residuals.

    Parameters
    ----------
    op : Operation
    opaque : bool
        Whether it computes by other operations, each of which is told.
    """

    def __init__(self, op: Any, opaque: bool) -> None:
        self.op = op
        self.name = f"{op.name}_backward"
        self.opaque = opaque

    @staticmethod
    def event(op: Any, node: Node, g: Any, graph: bool) -> Event:
        """What is told of the derivative of `node`, by the rule of `op`."""
        kept = node.saved if node.saved is None else tuple(node.saved)
        facts = (
            node.params, node.shape, node.dtype, node.outputs,
            tuple([None if e is None else _Edge(tuple(e.shape)) for e in node.edges]),
        )  # fmt: skip
        rule = Derivative(op, graph or op.opaque)
        return Event("compute", rule, (g, kept, node.out, node.residuals), facts, node)

    def forward(self, arrays: Sequence[Any], params: tuple[Any, ...]) -> Any:
        """The gradients of the inputs, from what the event says."""
        g, kept, out, residuals = arrays
        numbers, shape, dtype, outputs, edges = params
        saved = None if kept is None else tuple(None if a is None else _tensor(a) for a in kept)
        node = Node(self.op, numbers, edges, saved, shape, dtype)
        node.out, node.residuals, node.outputs = out, residuals, outputs
        return tuple(self.op.backward(node, Parts(g) if isinstance(g, list) else g))


def derived(op: Any, node: Node, g: Any, graph: bool) -> Sequence[Any]:
    """The gradients that the rule of `op` gives for `node`; told, if somebody listens."""
    compute = op.vjp if graph else op.backward
    if op.__class__ is Pick or not current.get().listeners:
        return compute(node, g)  # type: ignore[no-any-return]
    event = Derivative.event(op, node, g, graph)
    parts: Sequence[Any] = told(event, lambda: tuple(compute(node, g)))
    return parts


class _Edge:
    """What a derivative asks of where a gradient goes."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def _tensor(a: Any) -> Any:
    return engine.new_tensor(a)


class Pass:
    """A backward pass.

    Parameters
    ----------
    graph : bool
        Compute on tensors, so that the gradients have a graph of their own.
    retain : bool
        Keep what the nodes saved, for another pass.
    record : bool
        Record that graph; rules may have to compute on tensors where none is wanted.
    only : set of int, optional
        ``id`` of the nodes and leaves worth visiting; others are cut off.
    wanted : set of int, optional
        ``id`` of nodes whose gradients are wanted as results.

    Attributes
    ----------
    captured : dict of int to (gradient, bool)
        Those gradients, and whether nobody else holds them.
    at_end : list of callable
        Called when the pass has ended well.
    heard : bool
        Whether somebody listens.
    """

    def __init__(
        self, *, graph: bool = False, retain: bool = False, record: bool = False,
        only: set[int] | None = None, wanted: set[int] | None = None,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.retain = retain
        self.record = record
        self.only = only
        self.wanted = wanted or None
        self.captured: dict[int, tuple[Any, bool]] = {}
        self.heard = False
        self.at_end: list[Callable[[], None]] = []

    def run(self, roots: Sequence[Root], deliver: Callable[[list[Arrived]], None]) -> None:
        """Run, hand the leaves and what arrived there to `deliver`, and call who waits for the end.

        All in a copy of the context, so that modes that are set for the pass are gone afterwards,
        wherever it was interrupted.
        """
        copy_context().run(self._run, roots, deliver)

    def _run(self, roots: Sequence[Root], deliver: Callable[[list[Arrived]], None]) -> None:
        mode = current.get()
        current.set(mode._replace(grad=self.record, inference=mode.inference and not self.record))
        running.set(self)
        ignore_events()
        self.heard = bool(mode.listeners)
        if self.heard:
            with span("backward"):
                deliver(engine.run(roots, self))
        else:
            deliver(engine.run(roots, self))
        for finish in self.at_end:
            finish()

    def added(self, a: Any, b: Any, own: bool) -> tuple[Any, bool]:
        """The sum of two gradients of one tensor (into the first, if that is an array of our own),
        and whether it is an array of our own.
        """
        if a.__class__ is Parts:
            return a.plus(b, self.graph), False
        return adding[self.graph].add(a, b, own), not self.graph

    def derive(self, node: Node, g: Any) -> Sequence[Any]:
        """What the rule of a node returns, told to who listens."""
        restored = getattr(node.op, "restored", None)  # what users keep elsewhere is fetched now
        node = node if restored is None else restored(node)
        return derived(node.op, node, g, self.graph)

    def arrived(self, node: Node, g: Any, own: bool) -> tuple[Any, bool]:
        """The gradient of a node as hooks leave it; noted where it is wanted."""
        if node.hooks is not None:
            g, own = see(node.hooks, g, self.graph), False
        if self.wanted is not None and id(node) in self.wanted:
            self.captured[id(node)] = g, own
            own = False
        return g, own


def see(hooks: dict[int, Callable[[Any], Any]], g: Any, graph: bool) -> Any:
    """Hooks see a tensor; one that returns something replaces the gradient."""
    for hook in list(hooks.values()):
        replaced = hook(g if graph else engine.new_tensor(g))
        if replaced is not None:
            if replaced.shape != g.shape:
                raise RuntimeError(
                    f"a hook changed the shape of a gradient from {tuple(g.shape)} to "
                    f"{tuple(replaced.shape)}; it must return a gradient of the same shape, or None"
                )
            g = replaced if graph else replaced.array
    return g


def ancestors(roots: Sequence[Any], wanted: set[int]) -> set[int]:
    """The nodes and leaves on some path from `roots` to `wanted`, found without recursion."""
    useful: set[int] = set()
    order: list[Any] = []
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        order.append(node)
        if isinstance(node, Node):
            stack.extend(node.edges)
    order.sort(key=lambda n: n.seq if isinstance(n, Node) else -1)
    for node in order:  # oldest first: whether its inputs are useful is known
        if id(node) in wanted or (
            isinstance(node, Node) and any(id(e) in useful for e in node.edges)
        ):
            useful.add(id(node))
    return useful
