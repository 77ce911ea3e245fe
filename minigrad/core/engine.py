"""The engine: every computation passes :func:`apply`, every gradient :func:`run`.

The graph is made of :class:`Node` objects, one per operation that a gradient may flow through. A
node's edges point at what made its inputs: another node, a leaf tensor that collects a gradient,
or nothing. Backward visits nodes from the newest to the oldest (an operation is always newer than
what made its inputs, so this is a topological order, found without recursion and the same every
time), hands each the sum of what its readers sent, and passes on what its rule returns.

The engine knows no operation by name. What it asks of one is in `core.operation`, what a node keeps
for its derivative in `core.versions`, what else happens on the way back in `core.passes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.core.events import heard
from minigrad.core.modes import current
from minigrad.core.versions import Counter, Keeping, clock

if TYPE_CHECKING:
    from minigrad.core.passes import Pass
    from minigrad.core.tensor import Tensor

__all__ = ["Node", "adding", "apply", "find_edges", "new_tensor", "record", "run"]

_blank = object.__new__
#: Set by `core.tensor`: the class of results.
tensor_class: Any = None
#: Set by `core.several`: makes tensors of several results.
record_several: Any = None
#: Set by `core.ops`: what passes do with gradients, on arrays and on tensors.
adding: dict[bool, Any] = {}


class Node(Keeping):
    """One recorded operation.

    Attributes
    ----------
    op : Operation
        What was computed.
    params : tuple
        Its numbers and shapes.
    edges : tuple of Node, Tensor or None
        Where the gradient of each input goes.
    saved : tuple of Tensor or None
        The inputs that the derivative reads.
    shape, dtype
        Those of the (first) result.
    seq : int
        Nodes are numbered in the order of their making.
    """

    __slots__ = ("dtype", "edges", "op", "params", "saved", "seq", "shape")

    def __init__(
        self, op: Any, params: tuple[Any, ...], edges: tuple[Any, ...],
        saved: tuple[Any, ...] | None, shape: tuple[int, ...], dtype: Any,
    ) -> None:  # fmt: skip
        self.op = op
        self.params = params
        self.edges = edges
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.seq = clock()


def new_tensor(array: Any) -> Any:
    """A tensor that no graph knows."""
    y = _blank(tensor_class)
    y.array, y.node, y._requires_grad = array, None, False
    return y


def apply(op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...] = ()) -> Any:
    """Compute and record: the one place every operation passes; a tensor, or a tuple of them."""
    mode = current.get()
    if mode.interpreter is not None:
        result = mode.interpreter.apply(op, inputs, params)
        if result is not None:
            return result
    if mode.listeners:
        return heard(record, op, inputs, params)
    return record(op, inputs, params, op.forward([t.array for t in inputs], params), mode)


def find_edges(inputs: tuple[Tensor, ...]) -> tuple[int, tuple[Any, ...]]:
    """Which inputs require grad, in bits (the first is the highest), and where gradients go."""
    need = 0
    for t in inputs:
        need += need + t._requires_grad
    if not need:
        return 0, ()
    return need, tuple([(t.node or t) if t._requires_grad else None for t in inputs])


def record(op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], out: Any, mode: Any) -> Any:
    """Make the result a tensor; if a gradient may be wanted, its node."""
    if out.__class__ is tuple and op.results != 1:
        return record_several(op, inputs, params, out)
    residuals: tuple[Any, ...] = ()
    if out.__class__ is tuple:
        out, residuals = out[0], out[1:]
    y = new_tensor(np.asarray(out))  # numpy turns 0-dim results into scalars
    need, edges = find_edges(inputs) if mode.grad and op.differentiable else (0, ())
    if need:
        y._requires_grad = True
        y.node = node = Node(op, params, edges, op.keep(inputs, need), y.array.shape, y.array.dtype)
        node.residuals = residuals
        if op.reads_output:
            node.keep_result(y)
        if mode.saving is not None:
            mode.saving(node)
    if op.view:
        y._view_of(inputs[0], op, params)
    return y


def run(roots: Sequence[tuple[Any, Any]], walk: Pass) -> list[tuple[Tensor, Any, bool]]:
    """The backward pass: from the newest node to the oldest, each hands on what its rule returns.

    Parameters
    ----------
    roots : sequence of (node or leaf, gradient)
        Where to start; gradients are arrays, or tensors if the pass makes a graph.
    walk : Pass
        What kind of pass it is, and what else happens on the way.

    Returns
    -------
    list of (leaf, gradient, whether nobody else holds it)
        The leaves in the order they were reached.
    """
    graph, only = walk.graph, walk.only
    grads: dict[int, Any] = {}  # popped as they are used: memory falls during the pass
    owned: set[int] = set()  # whose gradient is an array that nobody else holds
    leaves: dict[int, Tensor] = {}
    heap: list[tuple[int, Node]] = []

    def send(target: Any, g: Any, own: bool) -> None:
        key = id(target)
        if key not in grads:
            grads[key] = g
            if target.__class__ is Node:
                heappush(heap, (-target.seq, target))
            else:
                leaves[key] = target
        else:
            grads[key], own = walk.added(grads[key], g, key in owned)
        if own:
            owned.add(key)

    for target, g in roots:
        if only is None or id(target) in only:
            send(target, g, False)
    while heap:
        node = heappop(heap)[1]
        key = id(node)
        g, mine = grads.pop(key), key in owned
        if mine:
            owned.discard(key)
        if node.hooks is not None or walk.wanted is not None:
            g, mine = walk.arrived(node, g, mine)
        if node.saved is None or Counter.newest > node.seq:
            node.check()
        op = node.op
        if walk.heard:
            parts = walk.derive(node, g)
        else:
            parts = op.vjp(node, g) if graph else op.backward(node, g)
        if not walk.retain:
            node.free()
        owns, mine = op.owns and not graph, mine and len(parts) == 1
        for target, part in zip(node.edges, parts):
            if target is None or part is None or (only is not None and id(target) not in only):
                continue
            own = mine if part is g else owns and part.base is None
            if op.broadcasts and part.shape != (
                target.shape if target.__class__ is Node else target.array.shape
            ):
                part, own = adding[graph].sum_to(part, tuple(target.shape)), not graph
            send(target, part, own)
        g = part = None  # the arrays of a deep pass should go as early as they can
    return [(leaf, grads[key], key in owned) for key, leaf in leaves.items()]
