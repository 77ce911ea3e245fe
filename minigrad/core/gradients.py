"""Asking for gradients: ``backward`` adds them to leaves, ``grad`` returns them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import adding, new_tensor
from minigrad.core.events import Event, tell
from minigrad.core.modes import current
from minigrad.core.operation import Bare
from minigrad.core.passes import Arrived, Pass, ancestors, see
from minigrad.core.tensor import Tensor, given

__all__ = ["as_tuple", "backward", "beginning", "grad", "gradients"]

Tensors = Tensor | Sequence[Tensor]
#: Who looks at what :func:`backward` begins at.
beginning: list[Callable[[tuple[Any, ...]], None]] = []


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One thing, or several in a sequence, as a tuple."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _start(root: Tensor, g: Tensor | None, graph: bool) -> Any:
    """What flows into the graph at `root`: as an array, or a tensor if a graph is wanted."""
    if not root._requires_grad:
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn: nothing it "
            "was computed from has requires_grad=True, or it was computed under no_grad()"
        )
    x = root.array
    if g is None:
        if x.size != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs; this one has shape "
                f"{list(x.shape)}: reduce it first, by .sum() or .mean(), or pass its gradient"
            )
        g = given(np.ones(x.shape, x.dtype))
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g.array.shape != x.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {list(g.array.shape)} and output has a "
            f"shape of {list(x.shape)}."
        )
    if g.array.dtype != x.dtype:
        g = adding[True].cast(g, x.dtype)
    return g if graph else g.array


def _roots(outs: Sequence[Tensor], flows: Sequence[Any], graph: bool) -> list[tuple[Any, Any]]:
    if len(flows) != len(outs):
        raise RuntimeError(f"got {len(outs)} tensors and {len(flows)} gradients")
    return [(t.node or t, _start(t, g, graph)) for t, g in zip(outs, flows, strict=True)]


def _walk(
    roots: Sequence[tuple[Any, Any]], targets: Sequence[Tensor] | None, graph: bool, record: bool,
    retain: bool | None,
) -> Pass:  # fmt: skip
    """The pass that brings gradients to `targets`, or to all leaves."""
    only = wanted = None
    if targets is not None:
        only = ancestors([root for root, _ in roots], {id(t.node or t) for t in targets})
        wanted = {id(t.node) for t in targets if t.node is not None}
    retain = record if retain is None else retain
    return Pass(graph=graph, retain=retain, record=record, only=only, wanted=wanted)


def backward(
    tensors: Tensors,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of `tensors` to ``grad`` of the leaves they were computed from.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        What is differentiated.
    grad_tensors : Tensor or sequence of Tensor or None, optional
        What flows in, for each; 1 for tensors of one element.
    retain_graph : bool, optional
        Keep what the graph saved; by default only if `create_graph`.
    create_graph : bool
        Record the pass, so that the gradients can be differentiated.
    inputs : Tensor or sequence of Tensor, optional
        The tensors that collect a gradient; by default all leaves.
    """
    outs = as_tuple(tensors)
    for look in beginning:
        look(outs)
    flows = (None,) * len(outs) if grad_tensors is None else as_tuple(grad_tensors)
    targets = None if inputs is None else as_tuple(inputs)
    if targets == ():
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _roots(outs, flows, create_graph)
    walk = _walk(roots, targets, create_graph, create_graph, retain_graph)

    def deliver(leaves: list[Arrived]) -> None:
        for leaf, g, own in leaves:
            _accumulate(leaf, g, own, create_graph)
        for t in targets or ():
            if id(t.node) in walk.captured:
                _accumulate(t, *walk.captured[id(t.node)], create_graph)

    walk.run(roots, deliver)


def _accumulate(leaf: Tensor, g: Any, own: bool, graph: bool) -> None:
    """Add what arrived at a leaf to its ``grad``, after its hooks have seen it."""
    if leaf._hooks is not None:
        g, own = see(leaf._hooks, g, graph), False
    if current.get().listeners:
        with tell(Event("write", _ACCUMULATE, (leaf, g))) as event:
            _add(leaf, g, own, graph)
            event.outputs = (leaf._grad,)
    else:
        _add(leaf, g, own, graph)
    if leaf._after_hooks is not None:
        for hook in list(leaf._after_hooks.values()):
            hook(leaf)


class _Accumulate(Bare):
    """A leaf receives a gradient; what that takes is told as it happens."""

    name = "accumulate"
    opaque = True


_ACCUMULATE = _Accumulate()


def _add(leaf: Tensor, g: Any, own: bool, graph: bool) -> None:
    known = leaf._grad
    if graph:
        leaf._grad = adding[True].copy(g) if known is None else adding[True].add(known, g)
    elif known is None:
        leaf._grad = new_tensor(_alone(g, own, leaf))
    else:
        known.array = adding[False].add(known.array, g, True)


def _alone(g: Any, own: bool, target: Any) -> Any:
    """An array in rows that nobody else holds: a gradient may be the one that another received."""
    if own and g.flags.c_contiguous and g.flags.writeable and g.shape == target.array.shape:
        return g
    return adding[False].keep(g, target.array.shape)


def gradients(
    outs: Sequence[Tensor], ins: Sequence[Tensor], flows: Sequence[Tensor | None],
    retain_graph: bool | None, create_graph: bool, tensors: bool = False,
) -> list[Tensor | None]:  # fmt: skip
    """The gradient of each of `ins`, None where nothing arrives; with `tensors` the rules compute
    on tensors also where no graph is wanted.
    """
    graph = create_graph or tensors
    roots = _roots(outs, flows, graph)
    walk = _walk(roots, ins, graph, create_graph, retain_graph)
    found: list[Tensor | None] = []

    def deliver(leaves: list[Arrived]) -> None:
        arrived = {id(leaf): (g, own) for leaf, g, own in leaves} | walk.captured
        for x in ins:
            key = id(x.node or x)
            g, own = arrived.get(key, (None, False))
            if g is not None and x.node is None and x._hooks is not None:
                g, own = see(x._hooks, g, graph), False
            arrived[key] = g, False  # the same tensor may be asked for twice
            found.append(g if g is None or graph else new_tensor(_alone(g, own, x)))

    walk.run(roots, deliver)
    return found


def grad(
    outputs: Tensors, inputs: Tensors, grad_outputs: Any = None,
    retain_graph: bool | None = None, create_graph: bool = False,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """The gradients of `outputs` with respect to `inputs`; ``grad`` of no tensor changes."""
    outs, ins = as_tuple(outputs), as_tuple(inputs)
    flows = (None,) * len(outs) if grad_outputs is None else as_tuple(grad_outputs)
    return tuple(gradients(outs, ins, flows, retain_graph, create_graph))


def _backward_method(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradient of this tensor to ``grad`` of the leaves it was computed from.

    Parameters
    ----------
    gradient : Tensor, optional
        What flows in from above; 1 for a tensor of one element, needed for others.
    retain_graph : bool, optional
        Keep the graph for another pass; by default what `create_graph` says.
    create_graph : bool
        Record the pass itself, for derivatives of derivatives.
    inputs : Tensor or sequence of Tensor, optional
        Only these collect a gradient; by default every leaf does.

    Raises
    ------
    RuntimeError
        If the tensor does not require grad, has several elements and no `gradient` is given,
        if the graph was freed by a pass before, or if a saved value was written in place.
    """
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_backward_method.__name__ = "backward"
setattr(Tensor, "backward", _backward_method)  # noqa: B010
