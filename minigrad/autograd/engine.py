"""The engine: every computation passes :func:`apply`, every gradient :func:`run`.

The graph is made of :class:`Node` objects, one per operation that a gradient may flow through. A
node's edges point at what made its inputs: another node, a leaf tensor that collects a gradient,
or nothing. Backward visits nodes from the newest to the oldest (an operation is always newer than
what made its inputs, so this is a topological order, found without recursion and the same every
time), hands each the sum of what its readers sent, and passes on what its rule returns.

The engine knows no operation by name. What it asks of one is the interface :class:`Operation`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minigrad.autograd.modes import RECORDING, current

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = ["NoValues", "Node", "Operation", "Slot", "apply", "record", "run"]

Array = np.ndarray[Any, Any]
ndarray = np.ndarray


class Operation(Protocol):
    """What the engine needs of an operation; `ops.declare` makes such objects."""

    name: str
    #: Whether a gradient can flow (comparisons and rounding to integers say no).
    differentiable: bool
    #: Whether the result shares the memory of the first input.
    view: bool
    #: Whether the result may be larger than an input, whose gradient is then summed.
    broadcasts: bool
    #: Whether the derivative reads the result.
    reads_output: bool
    #: Whether none of this is the case, and nothing but inputs is kept: the commonest kind.
    plain: bool

    #: For sets of inputs that require grad, as bits: whether all or none of the inputs are read.
    kept: dict[int, bool]

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The result; or a tuple of results followed by what backward wants kept."""

    def keep(self, inputs: tuple[Tensor, ...], need: int) -> tuple[Tensor | None, ...]:
        """The inputs that the derivatives of the inputs in the bit set `need` read."""

    def backward(self, node: Node, g: Any) -> Sequence[Array | None]:
        """The gradients of the inputs, computed on arrays."""

    def vjp(self, node: Node, g: Any) -> Sequence[Tensor | None]:
        """The gradients of the inputs, computed on tensors, so that they have a graph."""


class _Calculus(Protocol):
    """Adding gradients and summing broadcasts away: on arrays, or on tensors."""

    def add(self, a: Any, b: Any) -> Any: ...
    def sum_to(self, g: Any, shape: tuple[int, ...]) -> Any: ...


#: Set by `ops`: how gradients are added on arrays and on tensors.
calculus: dict[bool, _Calculus] = {}
#: Set by `tensor`: the class of results.
tensor_class: Any = None
#: What hooks want called at the end of the pass that is running, by thread.
at_end: dict[int, list[Callable[[], None]]] = {}
#: Set by `func.vmap` while it runs, in whichever thread: computes operations on many examples.
batching: Any = None
_sequence = count().__next__


class NoValues(RuntimeError):  # noqa: N818 - it says what there is not
    """Somebody asked for the values of a tensor that stands for many examples (see `func.vmap`).

    Functions that compute a small result themselves, before any operation is applied, catch it and
    leave the computation to :func:`apply`.
    """


class Counter:
    """How often some memory was written in place; shared by a tensor and its views.

    Attributes
    ----------
    count : int
        The number of writes.
    last : int
        The sequence number of the last one: nodes made before it saved something else.
    writer : str or None
        Where the last one happened, in anomaly mode.
    """

    count = 0
    last = -1
    writer: str | None = None
    _views: list[weakref.ref[Any]] = []  # noqa: RUF012 - replaced, never changed
    _limit = 16

    #: The sequence number of the last write to any memory: older than a node, it need not look.
    newest = -1

    def bump(self) -> None:
        """Count a write."""
        self.count += 1
        self.last = Counter.newest = _sequence()
        locate = current.get().locate
        if locate is not None:
            self.writer = locate()

    def add_view(self, t: Any) -> None:
        """Remember a view, weakly; now and then forget those that are gone."""
        if not self._views:
            self._views = []
        elif len(self._views) >= self._limit:
            self._views = [r for r in self._views if r() is not None]
            self._limit = max(16, 2 * len(self._views))
        self._views.append(weakref.ref(t))

    def views(self) -> list[Any]:
        """The views that are alive, oldest first."""
        return [t for r in self._views if (t := r()) is not None]


class _NodeDefaults:
    """What few nodes set: read from here, stored on the instance."""

    out: Any = None  # an array; of an operation with several results, all of them
    counter: Counter | None = None
    residuals: tuple[Any, ...] = ()
    hooks: dict[int, Callable[[Any], Any]] | None = None
    outputs: tuple[tuple[tuple[int, ...], Any], ...] = ()
    where: str | None = None


class Node(_NodeDefaults):
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
    out, residuals
        The result and other arrays, where the derivative reads them.
    hooks : dict
        Functions that see, and may replace, the gradient of the result.
    """

    __slots__ = ("dtype", "edges", "op", "params", "saved", "seq", "shape")

    def __init__(
        self,
        op: Any,
        params: tuple[Any, ...],
        edges: tuple[Any, ...],
        saved: tuple[Any, ...] | None,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.op = op
        self.params = params
        self.edges = edges
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.seq = _sequence()

    def name(self) -> str:
        """The name PyTorch's users know, such as ``MulBackward``."""
        if self.op.name[:1].isupper():  # a custom function: the name of its class
            return f"{self.op.name}Backward"
        return "".join(part.capitalize() for part in self.op.name.split("_")) + "Backward"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the gradient goes on to: ``(node or leaf, index of its output)`` pairs."""
        return tuple((e.node, e.index) if isinstance(e, Slot) else (e, 0) for e in self.edges)

    def register_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after the node has run in a backward pass; what
        it returns replaces the gradients of the inputs.
        """
        from minigrad.autograd.node_hooks import add_node_hook

        return add_node_hook(self, hook, "after")

    def register_prehook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(grad_outputs)`` before; what it returns replaces those gradients."""
        from minigrad.autograd.node_hooks import add_node_hook

        return add_node_hook(self, hook, "before")

    @property
    def metadata(self) -> dict[str, Any]:
        """A dictionary for whatever users want to remember about the node."""
        return self.__dict__.setdefault("_metadata", {})  # type: ignore[no-any-return]

    def free(self) -> None:
        """Drop what the derivative would read; the edges stay, so the graph can still be drawn."""
        if self.saved:
            self.saved = None
        if not self.op.plain and (self.out is not None or self.residuals):
            self.saved = self.out = None
            self.residuals = ()

    def check(self) -> None:
        """Refuse to run twice, or over memory that was written since."""
        if self.saved is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time (in {self.name()}): the "
                "values saved for the derivative were freed by the first backward. Call the first "
                "one with retain_graph=True, or run the forward pass again."
            )
        if self.counter is not None and self.counter.last > self.seq:
            self._refuse("its result", self.shape, self.dtype, self.counter)
        for i, t in enumerate(self.saved):
            if t is not None and t._counter is not None and t._counter.last > self.seq:
                self._refuse(f"its input {i}", t.array.shape, t.array.dtype, t._counter)

    def _refuse(self, what: str, shape: tuple[int, ...], dtype: Any, counter: Counter) -> None:
        by = f" The last write was at {counter.writer}." if counter.writer else ""
        at = f" (recorded at {self.where})" if self.where else ""
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: {self.name()}{at} saved {what}, {dtype} of shape {list(shape)}, and it "
            f"was written since.{by} Use the out-of-place form, or clone() before writing."
        )


class Slot(Node):
    """One result of an operation with several: collects a gradient for its place in the node's."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__(node.op, node.params, (node,), (), shape, dtype)
        self.node = node
        self.index = index

    def free(self) -> None:
        """Nothing is saved here."""


def apply(op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...] = ()) -> Any:
    """Compute and record: the one place every operation passes.

    Runs the kernel on the arrays of `inputs` and hands the result to :func:`record`. Returns a
    tensor, or a tuple of tensors.
    """
    if batching is not None:
        result = batching.apply(op, inputs, params)
        if result is not None:
            return result
    return record(op, inputs, params, op.forward([t.array for t in inputs], params))


def record(op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], out: Any) -> Any:
    """Make the result a tensor; if a gradient may be wanted, its node; tell who listens.

    Functions that computed the result of a small operation themselves call this instead of
    :func:`apply`. It is the hottest code of the library, hence flat.
    """
    edges: tuple[Any, ...]
    residuals = None
    if out.__class__ is not ndarray:
        if out.__class__ is tuple:
            if op.results != 1:
                return _record_several(op, inputs, params, out)
            residuals, out = out[1:], out[0]
        if out.__class__ is not ndarray:  # numpy turns 0-dim results into scalars
            out = asarray(out)
    y: Any = _new(tensor_class)
    y.array = out
    mode = current.get()
    need = 0  # the set of inputs that require grad, in bits
    if mode is RECORDING or mode.grad:
        # One and two inputs are spelled out because they are the commonest, and a loop over them
        # costs a tenth of a small operation.
        if len(inputs) == 2:
            t, u = inputs
            if t._requires_grad:
                if u._requires_grad:
                    need, edges = 3, (t.node or t, u.node or u)
                else:
                    need, edges = 2, (t.node or t, None)
            elif u._requires_grad:
                need, edges = 1, (None, u.node or u)
        elif len(inputs) == 1:
            (t,) = inputs
            if t._requires_grad:
                need, edges = 1, (t.node or t,)
        else:
            for t in inputs:
                need += need + t._requires_grad
            if need:
                edges = tuple([(t.node or t) if t._requires_grad else None for t in inputs])
    if need and op.differentiable:
        kept = op.kept.get(need)  # which inputs the derivative reads: all, none, or some
        saved = inputs if kept is True else () if kept is False else op.keep(inputs, need)
        y.node = node = Node(op, params, edges, saved, out.shape, out.dtype)
        y._requires_grad = True
    else:
        y.node = node = None
        y._requires_grad = False
    if op.plain and mode is RECORDING:
        return y
    if node is not None:
        if op.reads_output:
            node.out = out
            node.counter = y._counter = Counter()
        if residuals is not None:
            node.residuals = residuals
        if mode.saving is not None:
            mode.saving(node)
    if op.view:
        y._view_of(inputs[0], op, params)
    for listener in mode.listeners:
        listener(op, inputs, params, (y,))
    return y


_new = object.__new__
asarray = np.asarray


def _record_several(
    op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], out: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The same for operations with several results; each floating one gets a :class:`Slot`."""
    count = op.results or len(out)  # 0 stands for as many as there are
    arrays, residuals = out[:count], out[count:]
    mode, node = current.get(), None
    if mode.grad and op.differentiable and any(t._requires_grad for t in inputs):
        need = 0
        for t in inputs:
            need += need + t._requires_grad
        edges = tuple((t.node or t) if t._requires_grad else None for t in inputs)
        node = Node(op, params, edges, op.keep(inputs, need), arrays[0].shape, arrays[0].dtype)
        node.outputs = tuple((a.shape, a.dtype) for a in arrays)
        node.residuals = residuals
        if op.reads_output:
            node.out = arrays
        if mode.saving is not None:
            mode.saving(node)
    results = []
    for i, a in enumerate(arrays):
        y = tensor_class(a)
        if node is not None and a.dtype.kind == "f":
            y.node, y._requires_grad = Slot(node, i, a.shape, a.dtype), True
        results.append(y)
    for listener in mode.listeners:
        listener(op, inputs, params, tuple(results))
    return tuple(results)


def run(
    roots: Sequence[tuple[Node | Tensor, Any]],
    *,
    graph: bool,
    retain: bool,
    only: set[int] | None = None,
    capture: dict[int, Any] | None = None,
) -> dict[int, tuple[Any, Any]]:
    """The backward pass: from the newest node to the oldest, each hands on what its rule returns.

    Parameters
    ----------
    roots : sequence of (node or leaf, gradient)
        Where to start. Gradients are arrays, or tensors if `graph`.
    graph : bool
        Compute on tensors, so that the gradients have a graph of their own.
    retain : bool
        Keep what the nodes saved, for another backward pass.
    only : set of int, optional
        ``id`` of the nodes and leaves worth visiting; others are cut off.
    capture : dict, optional
        ``id`` of nodes whose gradient is wanted as a result; filled with those gradients.

    Returns
    -------
    dict
        ``id(leaf) -> (leaf, gradient)`` for the leaves reached, in the order they were reached.
    """
    rules = calculus[graph]
    grads: dict[int, Any] = {}  # popped as they are used: memory falls during the pass
    owned: set[int] = set()  # gradients this pass made by an addition, free to be added to in place
    leaves: dict[int, Any] = {}
    heap: list[tuple[int, Node]] = []

    def send(target: Any, g: Any) -> None:
        """Add `g` to what `target` received so far."""
        key = id(target)
        if key not in grads:
            grads[key] = g
            if target.__class__ is Node or target.__class__ is Slot:
                heappush(heap, (-target.seq, target))
            else:
                leaves[key] = target
        elif key in owned:
            add_into(grads[key], g, grads[key])
        else:
            grads[key] = total = rules.add(grads[key], g)
            if not graph and total.ndim:
                owned.add(key)

    watchers = current.get().watchers
    for target, g in roots:
        if only is None or id(target) in only:
            send(target, g)
    while heap:
        node = heappop(heap)[1]
        key = id(node)
        g = grads.pop(key)
        if owned:
            owned.discard(key)
        if node.hooks is not None:
            g = _call_hooks(node.hooks, g, graph)
        if capture is not None and key in capture:
            capture[key] = g
        if node.__class__ is Slot:
            _send_part(node, g, grads, heap)
            continue
        if node.saved is None or Counter.newest > node.seq:
            node.check()
        op = node.op
        parts = op.vjp(node, g) if graph else op.backward(node, g)
        if watchers:
            for watch in watchers:
                watch(node, g, parts)
        if not retain:
            node.free()
        g = None  # the arrays of a deep pass should go as early as they can
        for target, part in zip(node.edges, parts):
            if target is None or part is None or (only is not None and id(target) not in only):
                continue
            if op.broadcasts and part.shape != (
                target.shape if isinstance(target, Node) else target.array.shape
            ):
                part = rules.sum_to(part, tuple(target.shape))
            send(target, part)
    if at_end:
        for finish in at_end.pop(get_ident(), ()):
            finish()
    return {key: (leaf, grads[key]) for key, leaf in leaves.items()}


add_into = np.add


def _send_part(slot: Slot, g: Any, grads: dict[int, Any], heap: list[tuple[int, Node]]) -> None:
    """Put the gradient of one of several results in its place."""
    node = slot.node
    parts = grads.get(id(node))
    if parts is None:
        parts = grads[id(node)] = [None] * len(node.outputs)
        heappush(heap, (-node.seq, node))
    parts[slot.index] = g


def _call_hooks(hooks: dict[int, Callable[[Any], Any]], g: Any, graph: bool) -> Any:
    """Hooks see a tensor; one that returns something replaces the gradient."""
    for hook in list(hooks.values()):
        seen = g if graph else tensor_class(g)
        replaced = hook(seen)
        if replaced is not None:
            if replaced.shape != g.shape:
                raise RuntimeError(
                    f"a hook changed the shape of a gradient from {tuple(g.shape)} to "
                    f"{tuple(replaced.shape)}; it must return a gradient of the same shape, or None"
                )
            g = replaced if graph else replaced.array
    return g
