"""What tensors and nodes offer to those who look at gradients in passing: hooks, kept gradients."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

from minigrad.autograd.hooks import RemovableHandle, add_hook
from minigrad.autograd.node_hooks import add_node_hook
from minigrad.core.engine import Node
from minigrad.core.several import picked
from minigrad.core.tensor import Tensor

__all__ = ["RETAIN", "move_retained"]

#: Among the hooks of a node, the one that keeps the gradient: always the last.
RETAIN = -1


def _grad_fn(self: Tensor) -> Node | None:
    """The node that made it (PyTorch's name for :attr:`node`)."""
    return self.node


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor off from what made it."""
    self.node, self._requires_grad = None, False
    return self


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a tensor that is not a leaf in :attr:`grad`, too."""
    if not self._requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.node is None or self._retains:
        return
    self._retains = True
    kept = weakref.ref(self)

    def keep(g: Tensor) -> None:
        t = kept()
        if t is not None:
            t._grad = g.clone() if t._grad is None else t._grad + g

    if self.node.hooks is None:
        self.node.hooks = {}
    self.node.hooks[RETAIN] = keep


def _grad(self: Tensor) -> Tensor | None:
    """The accumulated gradient, or None; who asks a tensor that keeps none is told why."""
    if self._grad is None and self.node is not None and not self._retains:
        warnings.warn(
            "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
            ".grad attribute won't be populated during autograd.backward(). This one was made by "
            f"{self.node.name()}: if you want its gradient, call .retain_grad() on it before "
            "backward; if you meant a parameter, look whether an operation (such as .to() or a "
            "product) stands between.",
            stacklevel=2,
        )
    return self._grad


def _retains_grad(self: Tensor) -> bool:
    """Whether :meth:`retain_grad` was called."""
    return self._retains


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(grad)`` when the gradient of this tensor is computed; it may return another.

    >>> import minigrad as mg
    >>> x = mg.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda g: g * 10)
    >>> (x * 3).sum().backward(); x.grad
    tensor([30., 30.])
    """
    if not self._requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.node is None:
        return add_hook(self, hook, "_hooks")
    handle = add_hook(self.node, hook)
    if self._retains:  # what is retained is what the hooks leave
        hooks: dict[Any, Any] = self.node.hooks  # type: ignore[assignment]
        hooks[RETAIN] = hooks.pop(RETAIN)
    return handle


def register_post_accumulate_grad_hook(
    self: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call ``hook(tensor)`` after a backward pass has added to ``tensor.grad``; leaves only."""
    if not self._requires_grad or self.node is not None:
        raise RuntimeError("post accumulate grad hooks can be registered on leaf tensors only")
    return add_hook(self, hook, "_after_hooks")


def move_retained(t: Tensor, before: Node | None) -> None:
    """Keep the gradient of what `t` became by a write in place, not of what it was."""
    hooks = None if before is None else before.hooks
    keep = None if hooks is None else hooks.pop(RETAIN, None)
    if keep is not None and t.node is not None:
        t.node.hooks = {**(t.node.hooks or {}), RETAIN: keep}


# -- nodes -------------------------------------------------------------------------------------


def _next_functions(self: Node) -> tuple[tuple[Any, int], ...]:
    """Where the gradient goes on to: ``(node or leaf, index of its output)`` pairs."""
    return tuple((e, 0) if (p := picked(e)) is None else p for e in self.edges)


def _register_hook(self: Node, hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(grad_inputs, grad_outputs)`` after the node has run in a backward pass; what
    it returns replaces the gradients of the inputs.
    """
    return add_node_hook(self, hook, "after")


def _register_prehook(self: Node, hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(grad_outputs)`` before; what it returns replaces those gradients."""
    return add_node_hook(self, hook, "before")


def _metadata(self: Node) -> dict[str, Any]:
    """A dictionary for whatever users want to remember about the node."""
    known: dict[str, Any] = self.__dict__.setdefault("_metadata", {})
    return known


for _method in (detach_, retain_grad, register_hook, register_post_accumulate_grad_hook):
    setattr(Tensor, _method.__name__, _method)
setattr(Tensor, "retains_grad", property(_retains_grad))  # noqa: B010
setattr(Tensor, "grad_fn", property(_grad_fn))  # noqa: B010
setattr(Node, "next_functions", property(_next_functions))  # noqa: B010
setattr(Node, "metadata", property(_metadata))  # noqa: B010
setattr(Node, "register_hook", _register_hook)  # noqa: B010
setattr(Node, "register_prehook", _register_prehook)  # noqa: B010
setattr(Tensor, "grad", vars(Tensor)["grad"].getter(_grad))  # noqa: B010
