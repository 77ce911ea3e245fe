"""Asking for gradients: ``backward`` adds them to leaves, ``grad`` returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.autograd import engine
from minigrad.autograd.engine import Node
from minigrad.autograd.modes import enable_grad, no_grad
from minigrad.kernels.run.quiet import quiet, restore
from minigrad.tensor import Tensor

__all__ = ["backward", "grad"]

Tensors = Tensor | Sequence[Tensor]


class GradientEdge(NamedTuple):
    """A place in a graph: a node (or a leaf), and which of its results; see `get_gradient_edge`."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        return (value,)
    values = (value,) if isinstance(value, GradientEdge) else tuple(value)
    return tuple([_stand_in(v) if isinstance(v, GradientEdge) else v for v in values])


def _stand_in(edge: GradientEdge) -> Tensor:
    """A tensor at a place in the graph, without elements of its own."""
    node = edge.node
    if not isinstance(node, Node):
        return node  # type: ignore[no-any-return] # a leaf
    t = Tensor(np.broadcast_to(np.zeros((), node.dtype), node.shape))
    t.node, t._requires_grad = node, True
    return t


def _starting_gradient(root: Tensor, g: Tensor | None, create_graph: bool) -> Any:
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
        g = Tensor(np.ones(x.shape, x.dtype))
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g.array.shape != x.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {list(g.array.shape)} and output has a "
            f"shape of {list(x.shape)}."
        )
    if g.array.dtype != x.dtype:
        g = g.to(root.dtype)
    return g if create_graph else g.array


def _ancestors(roots: Sequence[Node | Tensor], wanted: set[int]) -> set[int]:
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


def _run(
    roots: list[tuple[Any, Any]],
    retain_graph: bool | None,
    create_graph: bool,
    wanted: set[int] | None = None,
    capture: dict[int, Any] | None = None,
    tensors: bool = False,
) -> dict[int, tuple[Any, Any]]:
    retain = create_graph if retain_graph is None else retain_graph
    only = None if wanted is None else _ancestors([target for target, _ in roots], wanted)
    token = quiet()
    try:
        with enable_grad() if create_graph else no_grad():
            graph = create_graph or tensors
            return engine.run(roots, graph=graph, retain=retain, only=only, capture=capture)
    finally:
        restore(token)


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
    outputs = _as_tuple(tensors)
    grads = _as_tuple(grad_tensors) if grad_tensors is not None else (None,) * len(outputs)
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    roots = [
        (t.node or t, _starting_gradient(t, g, create_graph))
        for t, g in zip(outputs, grads, strict=True)
    ]
    wanted: set[int] | None = None
    capture: dict[int, Any] | None = None
    targets: tuple[Any, ...] = ()
    if inputs is not None:
        targets = _as_tuple(inputs)
        if not targets:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        wanted = {id(t.node or t) for t in targets}
        capture = {id(t.node): None for t in targets if t.node is not None}
    leaves = _run(roots, retain_graph, create_graph, wanted, capture)
    for leaf, g in leaves.values():
        _accumulate(leaf, g, create_graph)
    for t in targets:
        if t.node is not None and capture is not None and capture[id(t.node)] is not None:
            _accumulate(t, capture[id(t.node)], create_graph)


def _accumulate(leaf: Tensor, g: Any, create_graph: bool) -> None:
    """Add what arrived at a leaf to its ``grad``, after its hooks have seen it."""
    if leaf._hooks is not None:
        g = engine._call_hooks(leaf._hooks, g, create_graph)
    known = leaf._grad
    if create_graph:
        leaf._grad = g if known is None else known + g
    elif known is None:
        leaf._grad = Tensor(_own(g, 3))  # the engine's result, backward's loop, ours
    else:
        np.add(known.array, g, out=known.array)
    if leaf._after_hooks is not None:
        for hook in list(leaf._after_hooks.values()):
            hook(leaf)


def _own(g: Any, known: int) -> Any:
    """An array nobody else holds: a gradient may be the very array that another leaf received.

    `known` are the references that the caller knows of; two more are made by the calls in here.
    """
    from sys import getrefcount

    alone = getrefcount(g) <= known + 2
    if alone and g.base is None and g.flags.c_contiguous and g.flags.writeable:
        return g
    return np.array(g)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
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
    if engine.batching is not None:
        found = engine.batching.gradients(outs, ins, flows, retain_graph, create_graph)
    else:
        found = gradients(outs, ins, flows, retain_graph, create_graph)
    return tuple(
        _answer(i, x, g, bool(allow_unused), materialize_grads)
        for i, (x, g) in enumerate(zip(ins, found, strict=True))
    )


def _many(
    outs: tuple[Tensor, ...], ins: tuple[Tensor, ...], flows: tuple[Any, ...],
    retain_graph: bool | None, create_graph: bool, allow_unused: bool | None, zeros: bool,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """One pass for many gradients of the outputs at once."""
    from minigrad.func.vmap import vmap

    unused: list[bool] = []

    def one(*given: Tensor) -> Any:
        each: list[Any] = list(given)
        found = grad(
            outs, ins, [None if v is None else each.pop(0) for v in flows], retain_graph,
            create_graph, allow_unused, materialize_grads=zeros,
        )  # fmt: skip
        unused.extend(g is None for g in found)
        return tuple(g for g in found if g is not None)

    results = list(vmap(one)(*(v for v in flows if v is not None)))
    return tuple(None if missing else results.pop(0) for missing in unused)


def gradients(
    outs: Sequence[Tensor], ins: Sequence[Tensor], flows: Sequence[Tensor | None],
    retain_graph: bool | None, create_graph: bool, tensors: bool = False,
) -> list[Tensor | None]:  # fmt: skip
    """The gradient of each of `ins`, None where nothing arrives; with `tensors` the rules compute
    on tensors also where no graph is wanted.
    """
    graph = create_graph or tensors
    roots = [
        (t.node or t, _starting_gradient(t, g, graph)) for t, g in zip(outs, flows, strict=True)
    ]
    capture: dict[int, Any] = {id(x.node): None for x in ins if x.node is not None}
    wanted = {id(x.node or x) for x in ins}
    leaves = _run(roots, retain_graph, create_graph, wanted, capture, tensors)
    results: list[Tensor | None] = []
    for x in ins:
        g = capture[id(x.node)] if x.node is not None else leaves.get(id(x), (None, None))[1]
        if g is not None and x.node is None and x._hooks is not None:
            g = engine._call_hooks(x._hooks, g, graph)
        results.append(g if g is None or graph else Tensor(_own(g, 2)))  # the engine's, ours
    return results


def _answer(i: int, x: Tensor, g: Tensor | None, allow_unused: bool, zeros: bool) -> Tensor | None:
    """What `grad` returns where no gradient arrived."""
    if g is not None:
        return g
    if zeros:
        return Tensor(np.zeros(x.array.shape, x.array.dtype))
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
