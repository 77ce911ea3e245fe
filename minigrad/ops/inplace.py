"""Writing over a tensor, in step with the graph.

``x.mul_(2)`` computes ``x * 2``, writes it into the memory of ``x``, counts the write, and lets
``x`` continue the graph from the new value. If ``x`` is a view of another tensor, that tensor
changed too: its new value is its old one with a part replaced (:data:`replace_part`), and all
other views of it are views of the new value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.watching import move_retained
from minigrad.core.engine import Node
from minigrad.core.events import Change, change, on_arrays
from minigrad.core.modes import current, interpreter
from minigrad.core.operation import Bare, NoValues
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.addresses import elements_of

__all__ = ["alter", "store", "write", "written"]


def write(x: Tensor, compute: Callable[[Tensor], Tensor], name: str) -> Tensor:
    """Replace the elements of `x` by those of ``compute(x)``; returns `x`.

    Raises
    ------
    RuntimeError
        If `x` is a leaf that requires grad, or a view of one, and a graph is recorded; if the
        result has another shape, or a type of a higher category.
    """
    if interpreter() is not None:
        done: Tensor | None = interpreter().write(x, compute, name)
        if done is not None:
            return done
    check_writable(x, name)
    source = x
    if current.get().grad and x._requires_grad:
        # the derivative may read the value before the write: it sees a copy
        source = Tensor(on_arrays(_COPY, (x.array,)))
        source.node, source._requires_grad = x.node, True
    result = compute(source)
    if result.array.shape != x.array.shape:
        raise RuntimeError(
            f"{name}: output with shape {list(x.array.shape)} doesn't match the broadcast shape "
            f"{list(result.array.shape)}"
        )
    if result.dtype.category > x.dtype.category:
        raise RuntimeError(
            f"{name}: result type {result.dtype} can't be cast to the desired output type {x.dtype}"
        )
    if result._requires_grad and result.array.dtype != x.array.dtype:
        result = result.to(x.dtype)
    try:
        store(x, result, result.node if result._requires_grad else None)
    except NoValues:
        raise RuntimeError(interpreter().cannot_write(name)) from None
    return x


@change
def _store(target: Array, value: Any) -> None:
    target[...] = value


def store(x: Tensor, value: Any, node: Node | None = None, part: Array | None = None) -> None:
    """Replace the elements of `x`, whose new value `node` has made: the door of writes.

    Parameters
    ----------
    x : Tensor
        Checked to be writable.
    value : Tensor, array or number
        Broadcasts; is converted.
    node : Node, optional
        None for values that no gradient flows to.
    part : array, optional
        A view of the memory of `x`, where only that is replaced.
    """
    target = x if part is None else part
    if isinstance(value, (Tensor, np.ndarray)):
        _store(target, (value,))
    else:
        _store(target, (), value)
    written(x, node)


class _Copy(Bare):
    """What was there before a write, for derivatives that read it."""

    name = "copy_before_write"

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Array:
        return arrays[0].copy()


_COPY = _Copy()


def alter(x: Tensor, change: Change, inputs: tuple[Tensor, ...] = (), *params: Any) -> None:
    """Change the elements of `x` in another way than by storing new ones; no gradient flows."""
    change(x, inputs, *params)
    written(x, None)


def check_writable(x: Tensor, name: str) -> None:
    """Refuse what would make the graph wrong, or the memory of others change unseen."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}"
        )
    if current.get().grad and x._requires_grad:
        if x.node is None:
            raise RuntimeError(
                f"{name}: a leaf Variable that requires grad is being used in an in-place "
                "operation. Wrap it in no_grad() to change a parameter, or use the out-of-place "
                "form."
            )
        if x._parent is not None and _root(x).node is None:
            raise RuntimeError(
                f"{name}: a view of a leaf Variable that requires grad is being used in an "
                "in-place operation. Wrap it in no_grad() to change a parameter."
            )
    if not x.array.flags.writeable:
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor refers "
            "to a single memory location (an expanded tensor), or the memory is read-only. "
            "Please clone() the tensor before performing the operation."
        )


def written(x: Tensor, node: Node | None) -> None:
    """Account for a write into `x`: count it, and make `node` the maker of the new value."""
    counter = x._counter
    if counter is None:
        counter = x._share_counter()
    counter.bump()
    if node is None and not (current.get().grad and x._requires_grad):
        return
    if node is None:  # overwritten by constants: the old graph no longer matters
        node = _constant_node(x)
    if x._parent is not None:
        root = _root(x)
        _continue_from(root, _replace_part(root, x, node))
    else:
        _continue_from(x, node)
    for view in counter.views():
        _rederive(view)


def _continue_from(x: Tensor, node: Node) -> None:
    """Make `node` the maker of `x`; who wants to keep the gradient of `x` keeps that of now."""
    before = x.node
    x.node, x._requires_grad = node, True
    if x._retains:
        move_retained(x, before)


def _root(x: Tensor) -> Tensor:
    while x._parent is not None:
        x = x._parent[0]
    return x


def _rederive(view: Tensor) -> None:
    """Make a view continue the graph from its (new) parent."""
    assert view._parent is not None
    parent, op, params = view._parent
    if not parent._requires_grad:
        return
    edge = parent.node or parent
    _continue_from(view, Node(op, params, (edge,), (), view.array.shape, view.array.dtype))


class _Constant(Bare):
    """What makes a value that no gradient flows through."""

    name = "constant"
    differentiable = False
    plain = owns = True

    def vjp(self, node: Node, g: Any) -> tuple[()]:
        return ()

    backward = vjp


def _constant_node(x: Tensor) -> Node:
    return Node(_Constant(), (), (), (), x.array.shape, x.array.dtype)


class _ReplacePart(Bare):
    """The graph of a write through a view: the whole, with one part replaced.

    The derivative of the whole passes everywhere but in the part; that of the part is what
    arrived there. Which elements are the part is found by replaying the views on the gradient.
    """

    name = "replace_part"
    plain = owns = True

    def backward(self, node: Node, g: Array) -> tuple[Array | None, Array]:
        rest = np.array(g)
        part = rest
        for op, params in node.params:
            part = op.forward([part], params)
        inside = np.array(part)
        part[...] = 0
        return rest, inside

    def vjp(self, node: Node, g: Tensor) -> tuple[Tensor, Tensor]:
        from minigrad.core.engine import apply

        inside = g
        for op, params in node.params:
            inside = apply(op, (inside,), params)
        outside = np.ones(g.array.shape, g.array.dtype)
        part = outside
        for op, params in node.params:
            part = op.forward([part], params)
        part[...] = 0
        return g * Tensor(outside), inside


class _ReplaceElements(_ReplacePart):
    """The same for a view with strides of its own, which cannot be replayed on memory that is laid
    out in another way: here the places of its elements are known.
    """

    def backward(self, node: Node, g: Array) -> tuple[Array | None, Array]:
        found, known = node.params
        rest = g.reshape(-1).copy()
        part = np.where(known, rest[found], g.dtype.type(0))
        rest[found[known]] = 0
        return rest.reshape(g.shape), part

    def vjp(self, node: Node, g: Tensor) -> tuple[Tensor, Tensor]:
        found, known = node.params
        outside = np.ones(g.array.size, g.array.dtype)
        outside[found[known]] = 0
        flat: Any = g.reshape(-1)
        part = flat[Tensor(found)] * Tensor(known.astype(g.array.dtype))
        return g * Tensor(outside.reshape(g.array.shape)), part


def _replace_part(root: Tensor, view: Tensor, node: Node) -> Node:
    chain: list[tuple[Any, tuple[Any, ...]]] = []
    step = view
    while step._parent is not None:
        parent, op, params = step._parent
        chain.append((op, params))
        step = parent
    edge = (root.node or root) if root._requires_grad else None
    if any(op.name == "as_strided" for op, _ in chain):
        places = elements_of(view.array, root.array)
        return Node(
            _ReplaceElements(), places, (edge, node), (), root.array.shape, root.array.dtype
        )
    return Node(
        _ReplacePart(), tuple(reversed(chain)), (edge, node), (), root.array.shape, root.array.dtype
    )
