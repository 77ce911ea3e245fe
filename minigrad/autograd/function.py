"""Operations of your own: a forward, and a backward that is its derivative.

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    y = Exp.apply(x)

`forward` runs without a graph and may use anything, numpy and numba included. `backward` runs on
tensors: if a graph of the derivative is asked for (``create_graph=True``), what it computes with
tensors can be differentiated again.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import Node
from minigrad.core.events import Event, tell
from minigrad.core.modes import current, interpreter, no_grad
from minigrad.core.operation import Bare
from minigrad.core.several import pick
from minigrad.core.tensor import Array, Tensor, given, tensor_of
from minigrad.core.versions import Counter
from minigrad.ops.inplace import check_writable, written

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What `forward` leaves for `backward`.

    Besides the methods below it takes attributes of any name: ``ctx.scale = 2``. Tensors that
    `backward` differentiates through must go to :meth:`save_for_backward`.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        For each argument, whether a gradient is wanted.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...] = ()) -> None:
        self.needs_input_grad = needs_input_grad
        self.materialize_grads = True
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._unpacked: tuple[Any, ...] | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments, results or other tensors for `backward`; once, at most.

        Writing over one of them afterwards makes backward refuse, and backward frees them.
        """
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type "
                    f"{type(t).__name__}: set it as an attribute of ctx"
                )
        self._to_save = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, in that order; in `backward` only."""
        if self._unpacked is None:
            raise RuntimeError("ctx.saved_tensors can be read in backward only")
        return self._unpacked

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which arguments `forward` wrote over; they must be among its results."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which results no gradient flows through (integer results never have one)."""
        self._constant = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether unused results send zeros to `backward` (the default) or None."""
        self.materialize_grads = bool(value)


class _Call(Bare):
    """One call of a custom function, as an operation of the engine.

    What the call saved is on its node: tensors in ``saved``, and in ``residuals`` those of its own
    results (as arrays, since the tensors hold the node) with their counters of writes.
    """

    broadcasts = opaque = True
    doc = ""

    def __init__(self, cls: type[Function], ctx: FunctionCtx, args: Sequence[Any]) -> None:
        self.cls = cls
        self.ctx = ctx
        self.name = cls.__name__
        self.args = [None if isinstance(a, Tensor) else a for a in args]
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.results = 1
        self.single = True
        self.kept: dict[int, bool] = {}
        self.layout: list[tuple[str, int]] = []
        self.slots: dict[int, weakref.ref[Node]] = {}

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...] = ()) -> Any:
        """The results again, on arrays: for those who replay a graph."""
        args = list(self.args)
        for place, a in zip(self.places, arrays, strict=True):
            args[place] = tensor_of(a)
        out = run_forward(self.cls, FunctionCtx(self.ctx.needs_input_grad), tuple(args))
        if isinstance(out, (tuple, list)):
            return tuple(y.array if isinstance(y, Tensor) else y for y in out)
        return out.array

    def backward(self, node: Node, g: Any) -> Sequence[Array | None]:
        """The gradients as arrays."""
        flows = [None if part is None else tensor_of(np.asarray(part)) for part in self._listed(g)]
        return [None if p is None else p.array for p in self._gradients(node, flows)]

    def vjp(self, node: Node, g: Any) -> Sequence[Tensor | None]:
        """The gradients as tensors with a graph."""
        return self._gradients(node, self._listed(g))

    def _listed(self, g: Any) -> list[Any]:
        return [g] if self.single else list(g)

    def unpack(self, node: Node) -> tuple[Any, ...]:
        """The saved tensors; results as they are in the graph, to be differentiated through."""
        found: list[Any] = []
        for kind, k in self.layout:
            if kind == "none":
                found.append(None)
            elif kind == "in":
                found.append((node.saved or ())[k])
            else:
                found.append(self._result(node, *node.residuals[k]))
        return tuple(found)

    def _result(self, node: Node, place: int, array: Array, counter: Counter, last: int) -> Tensor:
        if counter.last > last:
            node._refuse(f"its output {place}", array.shape, array.dtype, counter)
        t = tensor_of(array)
        t._counter = counter
        if self.single:
            t.node, t._requires_grad = node, True
        elif place in self.slots:
            slot = self.slots[place]() or pick(node, place, array.shape, array.dtype)
            self.slots[place] = weakref.ref(
                slot
            )  # one at a time: a slot collects all of its gradient
            t.node, t._requires_grad = slot, True
        return t

    def _gradients(self, node: Node, flows: list[Any]) -> list[Tensor | None]:
        ctx = self.ctx
        if ctx.materialize_grads:
            flows = [
                given(np.zeros(shape, dtype)) if g is None and dtype is not None else g
                for g, (shape, dtype) in zip(flows, node.outputs, strict=True)
            ]
        ctx._unpacked = self.unpack(node)
        try:
            found = self.cls.backward(ctx, *flows)
        finally:
            ctx._unpacked = None
        found = found if isinstance(found, (tuple, list)) else (found,)
        count = len(self.args)
        if len(found) < count or any(g is not None for g in found[count:]):
            raise RuntimeError(
                f"function {node.name()} returned an incorrect number of gradients (expected "
                f"{count}, got {len(found)}): one for each argument of forward, None for those "
                "without"
            )
        return [
            self._fit(node, found[place], target, place)
            for place, target in zip(self.places, node.edges, strict=True)
        ]

    @staticmethod
    def _fit(node: Node, g: Any, target: Any, place: int) -> Tensor | None:
        """Check what backward returned for one argument."""
        if g is None or target is None:
            return None
        if not isinstance(g, Tensor):
            raise TypeError(
                f"function {node.name()} returned {type(g).__name__} as the gradient of argument "
                f"{place}: expected a Tensor or None"
            )
        shape = tuple(target.shape)
        new = g.array.ndim - len(shape)
        fits = new >= 0 and all(
            n in (1, m) for n, m in zip(shape, g.array.shape[new:], strict=True)
        )
        if not fits:
            raise RuntimeError(
                f"Function {node.name()} returned an invalid gradient at index {place} - got "
                f"{list(g.array.shape)} but expected shape compatible with {list(shape)}"
            )
        dtype = target.dtype if isinstance(target, Node) else target.array.dtype
        if g.array.dtype != dtype:
            from minigrad.core.promotion import cast

            return cast(g, dtype)
        return g


def run_forward(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    """Run forward without a graph, in whichever of the two forms it is written."""
    with no_grad():
        if cls.setup_context is Function.setup_context:
            return cls.forward(ctx, *args)
        output = cls.forward(*args)
        cls.setup_context(ctx, args, output)
        return output


class Function:
    """Base class of custom operations: define `forward` and `backward`, call `apply`.

    `forward` may be written with `ctx` as its first argument, or without it and a separate
    `setup_context`.

    Examples
    --------
    >>> import minigrad as mg
    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = mg.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def __init__(self) -> None:
        raise RuntimeError(
            f"{type(self).__name__} is not made into an object: call "
            f"{type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute: ``forward(ctx, *args)``; ``forward(*args)`` beside a :meth:`setup_context`."""
        raise TypeError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Leave on `ctx` what backward needs, after ``forward(*inputs)`` has returned `output`."""
        raise TypeError("setup_context is called only where it is overridden")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments of forward, from those of its results."""
        raise TypeError(
            "You must implement the backward function for custom autograd.Function, or compute "
            "under no_grad()."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Never called: products with the Jacobian come from :meth:`backward`, run twice."""
        raise TypeError("forward-mode products are computed from backward")

    #: Whether `vmap` may run `forward` and `backward` on many examples at once; they must be made
    #: of operations on tensors.
    generate_vmap_rule = False

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """Compute for many examples: return the output and the dimensions they are in.

        ``info.batch_size`` is their number, `in_dims` says for each argument which dimension runs
        over them, if any.
        """
        raise TypeError("vmap is called only where it is overridden")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on `args`, and record the call if a gradient may be wanted."""
        many = interpreter()
        if many is not None and many.has_batched(args):
            return many.custom(cls, args)
        inputs = tuple(a for a in args if isinstance(a, Tensor))
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx = FunctionCtx(needs)
        op = _Call(cls, ctx, args)
        with tell(Event("compute", op, inputs)) as event:
            outs = cls._run(op, ctx, inputs, args)
            event.outputs = tuple(y for y in outs if isinstance(y, Tensor))
        return outs[0] if op.single else tuple(outs)

    @classmethod
    def _run(
        cls, op: _Call, ctx: FunctionCtx, inputs: tuple[Tensor, ...], args: tuple[Any, ...]
    ) -> list[Any]:
        """The results of a call, recorded if a gradient may be wanted."""
        raw = run_forward(cls, ctx, args)
        single = not isinstance(raw, (tuple, list))
        outs = _fresh(cls, ctx, inputs, [raw] if single else list(raw))
        op.single, op.results = single, len(outs)
        mode = current.get()
        if mode.grad and any(ctx.needs_input_grad):
            edges = tuple((t.node or t) if t.requires_grad else None for t in inputs)
            _record(op, ctx, edges, outs)
        else:
            for x in ctx._dirty:
                written(x, None)
        ctx._to_save = ctx._dirty = ctx._constant = ()
        return outs


def _fresh(
    cls: type[Function], ctx: FunctionCtx, inputs: tuple[Tensor, ...], outs: list[Any]
) -> list[Any]:
    """The results as tensors of this call: an argument that is returned gets a new one."""
    for x in ctx._dirty:
        if not any(x is y for y in outs):
            raise RuntimeError(
                f"{cls.__name__}: an argument was marked dirty by mark_dirty() but is not among "
                "the results: return it"
            )
        check_writable(x, cls.__name__)
    known = [id(t) for t in inputs]
    dirty = [id(t) for t in ctx._dirty]
    replaced: dict[int, Tensor] = {}
    made = []
    for y in outs:
        if isinstance(y, Tensor) and id(y) not in dirty and (id(y) in known or y.requires_grad):
            replaced[id(y)] = y = y.detach()
        made.append(y)
    ctx._constant = tuple(replaced.get(id(t), t) for t in ctx._constant)
    return made


def _record(op: _Call, ctx: FunctionCtx, edges: tuple[Any, ...], outs: list[Any]) -> None:
    """Make the node, and connect the results to it."""
    shapes = [(y.array.shape, y.array.dtype) if isinstance(y, Tensor) else ((), None) for y in outs]
    first = next((s for s in shapes if s[1] is not None), ((), np.dtype(np.float32)))
    node = Node(op, (), edges, (), first[0], first[1])
    node.outputs = tuple(shapes)
    constant = [id(t) for t in ctx._constant]
    for i, y in enumerate(outs):
        if not isinstance(y, Tensor) or y.array.dtype.kind != "f" or id(y) in constant:
            continue
        maker = node if op.single else pick(node, i, y.array.shape, y.array.dtype)
        if maker is not node:
            op.slots[i] = weakref.ref(maker)
        if any(y is x for x in ctx._dirty):
            written(y, maker)
        else:
            y.node, y._requires_grad = maker, True
    _keep(op, node, ctx, outs)
    saving = current.get().saving
    if saving is not None:
        saving(node)


def _keep(op: _Call, node: Node, ctx: FunctionCtx, outs: list[Any]) -> None:
    """Put what is saved on the node, and remember in which order it came."""
    saved: list[Tensor] = []
    results: list[tuple[int, Array, Counter, int]] = []
    for t in ctx._to_save:
        place = next((i for i, y in enumerate(outs) if y is t), None)
        if t is None:
            op.layout.append(("none", 0))
        elif place is not None:
            counter = t._share_counter()
            op.layout.append(("out", len(results)))
            results.append((place, t.array, counter, counter.last))
        else:
            op.layout.append(("in", len(saved)))
            saved.append(t)
    node.saved, node.residuals = tuple(saved), tuple(results)


# -- backward passes that cannot be differentiated -----------------------------------------------


class _Once(Bare):
    """The end of the road for second derivatives."""

    name = "once_differentiable"

    def backward(self, node: Node, g: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    vjp = backward


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a `backward` that computes outside the graph (with numpy, say).

    It runs without a graph; differentiating what it returns is an error instead of a wrong result.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> class Sine(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return mg.from_numpy(np.sin(x.numpy(force=True)))
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return mg.from_numpy(g.numpy() * np.cos(x.numpy(force=True)))
    >>> x = mg.zeros(2, requires_grad=True)
    >>> Sine.apply(x).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            found = fn(ctx, *grads)
        sources = [
            t for t in (*grads, *ctx.saved_tensors) if isinstance(t, Tensor) and t.requires_grad
        ]
        if not current.get().grad or not sources:
            return found
        edges = tuple(t.node or t for t in sources)

        def ended(g: Any) -> Any:
            if not isinstance(g, Tensor):
                return g
            y = g.detach()
            y.node = Node(_Once(), (), edges, (), g.array.shape, g.array.dtype)
            y._requires_grad = True
            return y

        return tuple(map(ended, found)) if isinstance(found, (tuple, list)) else ended(found)

    return wrapper
