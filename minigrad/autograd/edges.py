"""Places in a graph, hooks that wait for several gradients, and versions of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from minigrad.autograd.graph import GradientEdge
from minigrad.autograd.hooks import RemovableHandle
from minigrad.core.passes import Pass, running
from minigrad.core.several import picked
from minigrad.core.tensor import Tensor

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
    of_result = picked(node)
    return GradientEdge(tensor if node is None else node, 0 if of_result is None else of_result[1])


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


def _this_pass() -> Pass:
    """The pass that calls a hook."""
    walk = running.get()
    assert walk is not None, "hooks of tensors are called in backward passes only"
    return walk


class _Gathering:
    """The gradients of several tensors in the backward pass that is running."""

    def __init__(self, count: int, fn: Callable[..., Any]) -> None:
        self.count = count
        self.fn = fn
        self.passes: WeakKeyDictionary[Pass, dict[int, Tensor]] = WeakKeyDictionary()

    def hook(self, i: int) -> Callable[[Tensor], None]:
        def collect(g: Tensor) -> None:
            walk = _this_pass()
            known = self.passes.get(walk)
            if known is None:
                known = self.passes[walk] = {}
                walk.at_end.append(lambda: self.finish(walk))
            known[i] = g
            if len(known) == self.count:
                self.finish(walk)

        return collect

    def finish(self, walk: Pass) -> None:
        """Hand over what has arrived; None for those that the pass does not reach."""
        known = self.passes.get(walk)
        if known:
            self.passes[walk] = {}
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
    seen: WeakSet[Pass] = WeakSet()

    def first(g: Tensor) -> None:
        walk = _this_pass()
        if walk not in seen:
            seen.add(walk)
            fn(g)

    return _Handles([t.register_hook(first) for t in tensors])
