"""What nodes keep for backward, handed to functions of the user: to store it elsewhere, or nowhere.

Inside :class:`saved_tensors_hooks` every tensor that an operation would keep goes through ``pack``
when it is recorded, and what that returned through ``unpack`` when backward needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.core.engine import Node
from minigrad.core.modes import current, no_grad
from minigrad.core.operation import Bare
from minigrad.core.tensor import Tensor, tensor_of

__all__ = [
    "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "kept_elsewhere",
    "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip

Pack = Callable[[Tensor], Any]
Unpack = Callable[[Any], Tensor]


class _Identity(Bare):
    """The way from a restored tensor to the leaf that it was."""

    name = "saved_leaf"

    def backward(self, node: Node, g: Any) -> tuple[Any]:
        return (g,)

    vjp = backward


class _Kept:
    """One tensor in the hands of the user."""

    __slots__ = ("dtype", "handle", "maker", "shape", "unpack")

    def __init__(self, t: Tensor, hooks: _Hooks) -> None:
        writes = t._version
        self.handle = hooks.outside(hooks.pack, t)
        if t._version != writes:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as "
                "input to pack hook can not be modified by in-place operations as this can lead to "
                "unexpected side-effects."
            )
        self.maker: Any = (t.node or t) if t._requires_grad else None
        self.shape, self.dtype = t.array.shape, t.array.dtype
        self.unpack = hooks.unpack

    def tensor(self) -> Tensor:
        """The tensor again, at its place in the graph."""
        found = _Hooks.outside(self.unpack, self.handle)
        if not isinstance(found, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found)}"
            )
        t = Tensor(found.array)
        if self.maker is not None:
            t._requires_grad = True
            t.node = self.maker
            if not isinstance(self.maker, Node):
                t.node = Node(_Identity(), (), (self.maker,), (), self.shape, self.dtype)
        return t


class _Packed:
    """In the place of the operation of a node whose tensors are packed."""

    reads_output = plain = False

    def __init__(self, op: Any) -> None:
        self.op = op
        self.name = op.name
        self.broadcasts = op.broadcasts
        self.view = op.view
        self.differentiable = op.differentiable
        self.owns = False  # what is restored may be the user's

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def backward(self, node: Node, g: Any) -> Any:
        return self.op.backward(self.restored(node), g)

    def vjp(self, node: Node, g: Any) -> Any:
        return self.op.vjp(self.restored(node), g)

    def restored(self, node: Node) -> Node:
        """A node like this one, as it would be without hooks."""
        saved, out, residuals = node.residuals
        whole = Node(self.op, node.params, node.edges, (), node.shape, node.dtype)
        whole.outputs, whole.where = node.outputs, node.where
        whole.saved = tuple(None if k is None else k.tensor() for k in saved)
        whole.out = _arrays(out)
        whole.residuals = tuple(_arrays(r) for r in residuals)
        return whole


def _arrays(kept: Any) -> Any:
    """Restored arrays in the structure in which they were kept."""
    if isinstance(kept, _Kept):
        return kept.tensor().array
    return tuple(map(_arrays, kept)) if isinstance(kept, tuple) else kept


class _Hooks:
    """A pair of functions; called by the engine with each node that keeps something."""

    def __init__(self, pack: Pack, unpack: Unpack) -> None:
        self.pack = pack
        self.unpack = unpack

    @staticmethod
    def outside(function: Callable[..., Any], value: Any) -> Any:
        """Call a function of the user without a graph, and without hooks of its own."""
        with no_grad():
            token = current.set(current.get()._replace(saving=None))
            try:
                return function(value)
            finally:
                current.reset(token)

    def __call__(self, node: Node) -> None:
        saved = tuple(None if t is None else _Kept(t, self) for t in node.saved or ())
        out, residuals = self._kept(node.out), self._kept(node.residuals)
        node.op = _Packed(node.op)
        node.saved, node.out, node.counter = (), None, None
        node.residuals = (saved, out, residuals)

    def _kept(self, value: Any) -> Any:
        """Arrays handed over, in whatever structure they come."""
        if isinstance(value, np.ndarray):
            return _Kept(tensor_of(value), self)
        return tuple(map(self._kept, value)) if type(value) is tuple else value


class saved_tensors_hooks:
    """Let functions of yours keep the tensors that backward will need.

    A context manager. For each tensor that an operation inside saves, ``pack_hook(tensor)`` is
    called, and its result is kept instead; ``unpack_hook(result)`` must return a tensor of the
    same values when backward asks for it. The innermost pair applies.

    Parameters
    ----------
    pack_hook : callable
        From a tensor to anything; it must not write over the tensor.
    unpack_hook : callable
        From that to a tensor.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.numpy(force=True).tolist(), mg.tensor):
    ...     y = x * x
    >>> y.sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Pack, unpack_hook: Unpack) -> None:
        self._hooks = _Hooks(pack_hook, unpack_hook)
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        mode = current.get()
        if isinstance(mode.saving, _Forbidden):
            raise RuntimeError(mode.saving.message)
        self._tokens.append(current.set(mode._replace(saving=self._hooks)))

    def __exit__(self, *exc: object) -> None:
        current.reset(self._tokens.pop())


class save_on_cpu(saved_tensors_hooks):
    """Keep copies of what is saved: here everything is on the CPU already.

    `pin_memory` and `device_type` are accepted.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cpu") -> None:
        super().__init__(lambda t: t.detach().clone(), lambda t: t)


class allow_mutation_on_saved_tensors(save_on_cpu):
    """Let tensors be written over after they were saved: copies are kept for backward.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with allow_mutation_on_saved_tensors():
    ...     y = x.clone()
    ...     z = (y * y).sum()
    ...     _ = y.zero_()
    ...     z.backward()
    >>> x.grad
    tensor([2., 4.])
    """


class _Forbidden:
    """In the place of hooks where none may be set."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, node: Node) -> None:
        pass


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Refuse :class:`saved_tensors_hooks` inside, with this message."""
    token = current.set(current.get()._replace(saving=_Forbidden(error_message)))
    try:
        yield
    finally:
        current.reset(token)


def kept_elsewhere(t: Tensor) -> Any:
    """`t` in the hands of the hooks that apply now, with a method ``tensor()``; None without."""
    saving = current.get().saving
    return _Kept(t, saving) if isinstance(saving, _Hooks) else None
