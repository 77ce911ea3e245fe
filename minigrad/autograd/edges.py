"""Places in a graph, hooks that wait for several gradients, and versions of memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigrad.autograd import engine
from minigrad.autograd.graph import GradientEdge
from minigrad.autograd.hooks import RemovableHandle
from minigrad.tensor import Tensor

__all__ = ["GradientEdge", "get_gradient_edge", "increment_version", "register_multi_grad_hook"]


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The place in the graph where the gradient of a tensor is computed.

    It can stand for the tensor in `autograd.grad` and `autograd.backward`, without keeping its
    elements.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> y = x * 3
    >>> edge = get_gradient_edge(y)
    >>> mg.autograd.grad(y.sum(), edge)
    (tensor([1., 1.]),)
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    node = tensor.node
    return GradientEdge(tensor if node is None else node, getattr(node, "index", 0))


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a write to the memory of tensors that was made behind the back of the graph."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        t._share_counter().bump()


class _Handles(RemovableHandle):
    """Several handles as one."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Take all hooks off."""
        for handle in self.handles:
            handle.remove()


class _Gathering:
    """The gradients of several tensors in the backward pass that is running."""

    def __init__(self, count: int, fn: Callable[..., Any]) -> None:
        self.count = count
        self.fn = fn
        self.passes: dict[int, dict[int, Tensor]] = {}

    def hook(self, i: int) -> Callable[[Tensor], None]:
        def collect(g: Tensor) -> None:
            thread = threading.get_ident()
            known = self.passes.get(thread)
            if known is None:
                known = self.passes[thread] = {}
                engine.at_end.setdefault(thread, []).append(self.finish)
            known[i] = g
            if len(known) == self.count:
                self.finish()

        return collect

    def finish(self) -> None:
        """Hand over what has arrived; None for those that the pass does not reach."""
        known = self.passes.pop(threading.get_ident(), None)
        if known:
            self.fn([known.get(i) for i in range(self.count)])


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` when the gradients of several tensors are known.

    Parameters
    ----------
    tensors : sequence of Tensor
    fn : callable
        With ``mode="all"`` called once in each pass with a list of the gradients, None for tensors
        that the pass does not reach; with ``"any"``, with the first gradient.

    Examples
    --------
    >>> import minigrad as mg
    >>> a, b = (mg.ones(2, requires_grad=True) for _ in range(2))
    >>> handle = register_multi_grad_hook((a, b), lambda grads: print(grads))
    >>> (a * 2 + b * 3).sum().backward()
    [tensor([2., 2.]), tensor([3., 3.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "all":
        gathering = _Gathering(len(tensors), fn)
        return _Handles([t.register_hook(gathering.hook(i)) for i, t in enumerate(tensors)])
    seen: set[int] = set()

    def first(g: Tensor) -> None:
        thread = threading.get_ident()
        if thread not in seen:
            seen.add(thread)
            engine.at_end.setdefault(thread, []).append(lambda: seen.discard(thread))
            fn(g)

    return _Handles([t.register_hook(first) for t in tensors])
