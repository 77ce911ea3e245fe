"""Asking for gradients as PyTorch does: places in the graph, many at once, unused inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.core import gradients as core
from minigrad.core.engine import Node
from minigrad.core.gradients import gradients
from minigrad.core.modes import current
from minigrad.core.tensor import Tensor, given
from minigrad.func.vmap import vmap

__all__ = ["backward", "grad"]


class GradientEdge(NamedTuple):
    """A place in a graph: a node (or a leaf), and which of its results; see `get_gradient_edge`."""

    node: Any
    output_nr: int
    ownership_token: Any = None


Tensors = Tensor | GradientEdge | Sequence[Tensor | GradientEdge]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    values = (value,) if isinstance(value, GradientEdge) else core.as_tuple(value)
    return tuple([_stand_in(v) if isinstance(v, GradientEdge) else v for v in values])


def _stand_in(edge: GradientEdge) -> Tensor:
    """A tensor at a place in the graph, without elements of its own."""
    node = edge.node
    if not isinstance(node, Node):
        leaf: Tensor = node
        return leaf
    t = given(np.broadcast_to(np.zeros((), node.dtype), node.shape))
    t.node, t._requires_grad = node, True
    return t


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
    tensors : Tensor, GradientEdge, or sequence of them
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
    core.backward(
        _as_tuple(tensors), grad_tensors, retain_graph, create_graph,
        inputs=None if inputs is None else _as_tuple(inputs),
    )  # fmt: skip


def _warn_of_only_inputs() -> None:
    import warnings

    warnings.warn(
        "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
        "gradient for other parts of the graph, please use autograd.backward.",
        FutureWarning,
        stacklevel=3,
    )


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`; ``grad`` of no tensor changes.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        What is differentiated; several are summed.
    inputs : Tensor or sequence of Tensor
        What with respect to, leaves or not.
    grad_outputs : optional
        What flows in at each output.
    retain_graph : bool, optional
        Keep what the graph saved; by default only if `create_graph`.
    create_graph : bool
        Record the pass: the gradients can be differentiated in turn, to any order.
    only_inputs : bool
        Of no effect any more, as in PyTorch: ``grad`` of no tensor changes.
    allow_unused : bool, optional
        Give None for an input that `outputs` do not depend on, instead of an error.
    is_grads_batched : bool
        Dimension 0 of each of `grad_outputs` runs over many of them; so it does in the results.
    materialize_grads : bool
        Give zeros instead of None.

    Returns
    -------
    tuple of Tensor or None

    Examples
    --------
    The third derivative of ``x ** 4``:

    >>> import minigrad as mg
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> y = x ** 4
    >>> for _ in range(3):
    ...     (y,) = mg.autograd.grad(y, x, create_graph=True)
    >>> y.item()
    48.0
    """
    if not only_inputs:
        _warn_of_only_inputs()
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True"
        )
    outs, ins = _as_tuple(outputs), _as_tuple(inputs)
    flows = _as_tuple(grad_outputs) if grad_outputs is not None else (None,) * len(outs)
    if len(flows) != len(outs):
        raise RuntimeError(f"got {len(outs)} outputs and {len(flows)} grad_outputs")
    for x in ins:
        if not x._requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    if is_grads_batched:
        return _many(outs, ins, flows, retain_graph, create_graph, allow_unused, materialize_grads)
    many: Any = current.get().interpreter
    ask = gradients if many is None else many.gradients
    found = ask(outs, ins, flows, retain_graph, create_graph)
    return tuple(
        _answer(i, x, g, bool(allow_unused), materialize_grads)
        for i, (x, g) in enumerate(zip(ins, found, strict=True))
    )


def _many(
    outs: tuple[Tensor, ...], ins: tuple[Tensor, ...], flows: tuple[Any, ...],
    retain_graph: bool | None, create_graph: bool, allow_unused: bool | None, zeros: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """One pass for many gradients of the outputs at once."""
    unused: list[bool] = []

    def one(*given: Tensor) -> Any:
        each: list[Any] = list(given)
        found = grad(
            outs, ins, [None if v is None else each.pop(0) for v in flows], retain_graph,
            create_graph, allow_unused=allow_unused, materialize_grads=zeros,
        )  # fmt: skip
        unused.extend(g is None for g in found)
        return tuple(g for g in found if g is not None)

    results = list(vmap(one)(*(v for v in flows if v is not None)))
    return tuple(None if missing else results.pop(0) for missing in unused)


def _answer(i: int, x: Tensor, g: Tensor | None, allow_unused: bool, zeros: bool) -> Tensor | None:
    """What `grad` returns where no gradient arrived."""
    if g is not None:
        return g
    if zeros:
        return given(np.zeros(x.array.shape, x.array.dtype))
    if allow_unused:
        return None
    raise RuntimeError(
        "One of the differentiated Tensors appears to not have been used in the graph. Set "
        f"allow_unused=True if this is the desired behavior. (It is inputs[{i}], of shape "
        f"{list(x.array.shape)}.)"
    )


#: Names of PyTorch's module of this name that need more than the engine.
_ELSEWHERE = {
    "disable_saved_tensors_hooks": "saved",
    "save_on_cpu": "saved",
    "saved_tensors_hooks": "saved",
    "allow_mutation_on_saved_tensors": "saved",
    "get_gradient_edge": "edges",
    "increment_version": "edges",
    "register_multi_grad_hook": "edges",
}


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        from importlib import import_module

        return getattr(import_module(f"minigrad.autograd.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
