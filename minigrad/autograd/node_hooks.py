"""Hooks on nodes: they see all gradients that arrive at an operation, and all that leave it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.hooks import RemovableHandle, add_hook
from minigrad.core.engine import Node, adding
from minigrad.core.passes import derived
from minigrad.core.several import Parts, picked
from minigrad.core.tensor import Tensor, tensor_of

__all__ = ["add_node_hook"]

Gradients = tuple[Tensor | None, ...]


class _Hooked:
    """In the place of the operation of a node that somebody watches."""

    reads_output = plain = owns = False
    opaque = True  # hooks compute, and the operation is told by itself

    def __init__(self, op: Any) -> None:
        self.op = op
        self.before: dict[int, Callable[[Gradients], Any]] = {}
        self.after: dict[int, Callable[[Gradients, Gradients], Any]] = {}
        self.name, self.view, self.differentiable = op.name, op.view, op.differentiable
        self.broadcasts = False  # done here, before the hooks look

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def backward(self, node: Node, g: Any) -> Sequence[Any]:
        return [None if p is None else p.array for p in self._around(node, g, False)]

    def vjp(self, node: Node, g: Any) -> Sequence[Any]:
        return self._around(node, g, True)

    def _around(self, node: Node, g: Any, graph: bool) -> Sequence[Any]:
        several = isinstance(g, list)
        arrived = tuple(map(_tensor, g if several else [g]))
        for before in list(self.before.values()):
            arrived = _replaced(before(arrived), arrived, "prehook")
        flows = arrived if graph else tuple(None if t is None else t.array for t in arrived)
        parts = derived(self.op, node, Parts(flows) if several else flows[0], graph)
        left = tuple(
            _tensor(None if target is None else self._fitted(part, target, graph))
            for target, part in zip(node.edges, parts)
        )
        for after in list(self.after.values()):
            left = _replaced(after(left, arrived), left, "hook")
        return left

    def _fitted(self, part: Any, target: Any, graph: bool) -> Any:
        shape = target.shape if isinstance(target, Node) else target.array.shape
        if part is None or not self.op.broadcasts or part.shape == shape:
            return part
        return adding[graph].sum_to(part, tuple(shape))


def _tensor(g: Any) -> Tensor | None:
    return g if g is None or isinstance(g, Tensor) else tensor_of(np.asarray(g))


def _replaced(new: Any, old: Gradients, what: str) -> Gradients:
    """What a hook returned, checked; what there was if it returned nothing."""
    if new is None:
        return old
    found = new if isinstance(new, tuple) else tuple(new) if isinstance(new, list) else (new,)
    if len(found) != len(old):
        raise RuntimeError(
            f"{what} has returned an incorrect number of values (got {len(found)}, but expected "
            f"{len(old)})"
        )
    for a, b in zip(found, old, strict=True):
        if a is not None and b is not None and a.array.shape != b.array.shape:
            raise RuntimeError(
                f"{what} has changed the size of value: expected {list(b.shape)}, got "
                f"{list(a.shape)}"
            )
    return found


def add_node_hook(node: Node, hook: Callable[..., Any], when: str) -> RemovableHandle:
    """Call `hook` before or after a node in each backward pass."""
    of_result = picked(node)
    node = node if of_result is None else of_result[0]
    if not isinstance(node.op, _Hooked):
        node.op = _Hooked(node.op)
    return add_hook(node.op, hook, when)
