"""One declaration per operation: formula, derivative, types, samples, documentation.

    softsign = elementwise(
        "softsign", lambda x: x / (1 + fx.abs(x)),
        vjp=lambda g, x: g / (1 + fx.abs(x)) ** 2, sample=span(-3, 3),
    )

From these lines alone come ``minigrad.softsign`` and ``Tensor.softsign``, its fused kernels, its
derivative to any order, its tests (against the formula, against finite differences), its page in
the documentation and its label in a drawing.

A *rule* is the derivative with respect to one input: a function that names what it reads. ``g`` is
the gradient of the result, ``y`` the result, ``x_shape`` the shape of the first input, any other
name an input or a parameter as the formula spells it. Only what the needed rules name is kept for
backward: ``lambda g, y: g * (1 - y * y)`` keeps the result of ``tanh`` and lets its input go.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.autograd.engine import Node, apply
from minigrad.autograd.modes import no_grad
from minigrad.expr import Expr, symbol
from minigrad.kernels.elementwise import Fused
from minigrad.kernels.run.quiet import quiet, restore
from minigrad.tensor import Tensor

if TYPE_CHECKING:
    from minigrad.ops.batching import BatchRule
    from minigrad.ops.functions import OpFunction

__all__ = ["REGISTRY", "Elementwise", "Op", "Primitive", "Rule", "elementwise", "primitive"]

Array = np.ndarray[Any, Any]
Sampler = Callable[..., Any]

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

#: Every declared operation, by name.
REGISTRY: dict[str, Op] = {}


class Rule:
    """The derivative with respect to one input (or jointly to all), and what it reads.

    Parameters
    ----------
    function : callable
        The rule.
    names : sequence of str
        The names of the inputs and parameters of the operation, in order.
    """

    __slots__ = ("function", "names", "picks")

    def __init__(self, function: Callable[..., Any], names: Sequence[str]) -> None:
        self.function = function
        self.names = tuple(inspect.signature(function).parameters)
        known = ["g", "y", *names, "x_shape"]
        unknown = [n for n in self.names if n not in known]
        if unknown:
            raise TypeError(f"a rule reads {unknown}, but the operation has only {known}")
        #: Where each argument stands in ``[g, y, *inputs, *params, x_shape]``.
        self.picks = tuple(known.index(n) for n in self.names)

    def __call__(self, values: Sequence[Any]) -> Any:
        """The gradient, from ``[g, y, *inputs, *params, x_shape]``."""
        return self.function(*[values[i] for i in self.picks])

    def spelled(self, arity: int, name: str) -> str:
        """The call of the rule, on what a node keeps: ``d0(g, node.saved[1].array)``."""
        known = {0: "g", 1: "node.out"} | {i + 2: f"node.saved[{i}].array" for i in range(arity)}
        arguments = [known.get(p, f"node.params[{p - 2 - arity}]") for p in self.picks]
        return f"{name}({', '.join(arguments)})"


class Op:
    """What an operation is, however it is declared; see `autograd.engine.Operation`.

    Attributes
    ----------
    name : str
    arity : int
        The number of tensor inputs, -1 where it varies.
    names : tuple of str
        The names of inputs and parameters.
    rules : tuple of Rule or None
        One per input; None where no gradient flows.
    joint : Rule or None
        Instead of `rules`: one that returns the gradients of all inputs.
    sample : callable
        ``sample(rng)`` yields arguments to try the operation on.
    """

    results = 1
    view = False
    broadcasts = False
    plain = False
    differentiable = True

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        arity: int,
        vjp: Any,
        sample: Sampler,
        doc: str,
    ) -> None:
        self.name = name
        self.names = tuple(names)
        self.arity = arity
        self.sample = sample
        self.doc = doc
        self.joint: Rule | None = None
        self.rules: tuple[Rule | None, ...] = ()
        if callable(vjp) and arity != 1:
            self.joint = Rule(vjp, names)
        elif vjp is not None:
            rules = (vjp,) if callable(vjp) else vjp
            if len(rules) != arity:
                raise TypeError(f"{name} has {arity} inputs, but {len(rules)} derivatives")
            self.rules = tuple(None if r is None else Rule(r, names) for r in rules)
        self.differentiable = vjp is not None
        self.kept: dict[int, bool] = {}
        self._kept: dict[int, tuple[bool, ...]] = {}
        self.reads_output = any(1 in r.picks for r in self._readers())
        self.plain = self.differentiable and not (self.view or self.reads_output)

    def _readers(self) -> list[Rule]:
        return [r for r in (*self.rules, self.joint) if r is not None]

    def keep(self, inputs: tuple[Tensor, ...], need: int) -> tuple[Tensor | None, ...]:
        """The inputs that the rules for the inputs in the bit set `need` read."""
        if self.arity < 0:
            return inputs if any(2 in r.picks for r in self._readers()) else ()
        kept = self._kept.get(need)
        if kept is None:
            kept = self._kept[need] = self._find_kept(need)
            if all(kept) or not any(kept):
                self.kept[need] = kept[0]
        if not any(kept):
            return ()
        if kept == (False, True):
            return (None, inputs[1])
        return tuple([t if k else None for t, k in zip(inputs, kept, strict=True)])

    def _find_kept(self, need: int) -> tuple[bool, ...]:
        needed = [bool(need >> i & 1) for i in reversed(range(self.arity))]
        rules = [r for r, n in zip(self.rules, needed) if r is not None and n]
        rules += self._extra_readers()
        return tuple(any(i + 2 in r.picks for r in rules) for i in range(self.arity))

    def _extra_readers(self) -> list[Rule]:
        return [] if self.joint is None else [self.joint]

    def vjp(self, node: Node, g: Tensor) -> Sequence[Tensor | None]:
        """The gradients of the inputs by the rules, on tensors: they have a graph of their own."""
        values = self._values(node, g)
        try:
            if self.joint is not None:
                return self.joint(values)  # type: ignore[no-any-return]
            return [
                None if target is None or rule is None else rule(values)
                for rule, target in zip(self.rules, node.edges, strict=True)
            ]
        except IndexError as error:
            raise self._changed(error) from None

    def _changed(self, error: IndexError) -> RuntimeError:
        """What a derivative says that finds an index out of range: the forward pass found none."""
        return RuntimeError(
            f"{self.name}: the indices were changed since the forward pass ({error}). Something "
            "wrote to the index tensor, perhaps through numpy: pass a clone() of it, or write only "
            "after backward"
        )

    def _values(self, node: Node, g: Any) -> list[Any]:
        """``[g, y, *inputs, *params, x_shape]`` as tensors that continue the graph."""
        y = None
        if node.out is not None:
            y = Tensor(node.out)
            y.node, y._requires_grad = node, True
        if self.arity < 0:
            return [g, y, node.saved, *node.params, None]
        return [g, y, *(node.saved or (None,) * self.arity), *node.params, _input_shape(node)]

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """The gradients of the inputs on arrays; by default the rules, run without a graph."""
        with no_grad():
            parts = self.vjp(node, _wrap(g))
        return [None if p is None else p.array for p in parts]

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The result, on arrays."""
        raise TypeError(f"{self.name} has no forward")


def _register(op: Op) -> None:
    if op.sample is None:
        raise TypeError(f"the declaration of {op.name} needs sample inputs")
    if op.name in REGISTRY:
        raise TypeError(f"an operation called {op.name} is declared already")
    REGISTRY[op.name] = op


def _input_shape(node: Node) -> tuple[int, ...] | None:
    edge = node.edges[0]
    return None if edge is None else tuple(edge.shape)


def _wrap(g: Any) -> Any:
    if g.__class__ is list:  # of an operation with several results, some of them unused
        return [None if p is None else _wrap(p) for p in g]
    return Tensor(g if g.__class__ is np.ndarray else np.asarray(g))


class Elementwise(Op):
    """An operation that computes each element from the elements at the same place.

    `formula` and the rules are called on numpy arrays where those are small, on symbols once to
    become fused kernels for large ones, and on tensors where the derivative needs a graph.

    Attributes
    ----------
    fused : Fused
        The formula as kernels.
    small : int
        Below how many elements numpy computes it.
    counts : bool
        Whether booleans become integers first.
    refuses_booleans : str
        What is said where an operand is boolean; nothing where that is fine.
    """

    counts = False
    refuses_booleans = ""

    def __init__(
        self,
        name: str,
        formula: Callable[..., Any],
        vjp: Any,
        sample: Sampler,
        *,
        kind: str,
        ufunc: Any,
        flags: int,
        exact: bool = False,
        doc: str,
    ) -> None:
        parameters = inspect.signature(formula).parameters.values()
        names = [p.name for p in parameters]
        arity = sum(p.default is inspect.Parameter.empty for p in parameters)
        super().__init__(name, names, arity, vjp, sample, doc)
        self.formula = formula
        self.defaults = tuple(p.default for p in parameters)[arity:]
        self.kind = kind
        self.numpy = ufunc or formula
        self.flags = flags  # so many leading operands are boolean
        self.boolean = kind in ("compare", "test")
        self.broadcasts = arity > 1
        root = formula(*map(symbol, names))
        self.fused = Fused(name, root, names[:arity], names[arity:], self.boolean)
        self.small = 1 << 62 if exact else self.fused.numpy_below
        self._plans: list[Fused | None] | None = None
        self._small_backward: Callable[[Node, Array], Sequence[Array | None]]  # made by _plan
        self._small_below = 0

    def fused_rule(self, i: int) -> Fused | None:
        """The derivative of input `i` as kernels; None where it is just `g`."""
        rule = self.rules[i]
        assert rule is not None
        root = rule.function(*map(symbol, rule.names))
        if not isinstance(root, Expr) or root.op == "symbol":
            return None
        params = self.names[self.arity :]
        operands = [n for n in rule.names if n not in params]
        used = [n for n in rule.names if n in params]
        return Fused(f"{self.name}_d{self.names[i]}", root, operands, used)

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """Small arrays, and types without kernels, by numpy; others by the fused kernel."""
        dtype = arrays[-1].dtype
        if params:
            self._check_numbers(params)
        if dtype is FLOAT32 or dtype is FLOAT64:
            size = arrays[0].size if len(arrays) == 1 else max([a.size for a in arrays])
            if size >= self.small:
                return self.fused(arrays, params, dtype)
        token = quiet()
        try:
            return self.numpy(*arrays, *params)
        except TypeError as error:  # numpy has no such operation on booleans
            raise RuntimeError(
                f"{self.name}: not supported for {dtype} tensors ({error})"
            ) from None
        finally:
            restore(token)

    def _check_numbers(self, params: tuple[Any, ...]) -> None:
        for name, value in zip(self.names[self.arity :], params, strict=False):
            if type(value) not in (float, int, bool) and not isinstance(value, np.generic):
                kind = type(value).__name__
                raise TypeError(f"{self.name}(): argument '{name}' must be a number, not {kind}")

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """Each needed rule: on arrays as it stands, or as a fused kernel for large ones."""
        if g.size < self._small_below:
            return self._small_backward(node, g)
        if self._plans is None:
            self._plan()
            return self.backward(node, g)
        kernels = g.dtype is FLOAT32 or g.dtype is FLOAT64
        parts: list[Array | None] = []
        for i, (target, fused) in enumerate(zip(node.edges, self._plans)):
            if target is None:
                parts.append(None)
            elif fused is not None and kernels and g.size >= fused.numpy_below:
                parts.append(self._large(fused, node, g))
            else:
                rule: Any = self.rules[i]
                inputs = [None if t is None else t.array for t in node.saved or ()]
                inputs = inputs or [None] * self.arity
                parts.append(rule([g, node.out, *inputs, *node.params, None]))
        return parts

    def _plan(self) -> None:
        """Trace the rules to kernels; spell out all of them as one function for small arrays.

        That function, ``lambda node, g: (None if node.edges[0] is None else d0(g, ...), ...)``, is
        there because collecting arguments by a loop costs more than the arithmetic of a small
        operation (measured: 0.6 us against 0.3 us).
        """
        traced = [None if r is None else self.fused_rule(i) for i, r in enumerate(self.rules)]
        calls = [
            "None" if r is None
            else f"None if node.edges[{i}] is None else {r.spelled(self.arity, f'd{i}')}"
            for i, r in enumerate(self.rules)
        ]  # fmt: skip
        names = {f"d{i}": r.function for i, r in enumerate(self.rules) if r is not None}
        self._small_backward = eval(f"lambda node, g: ({', '.join(calls)},)", names)
        self._small_below = min([f.numpy_below for f in traced if f is not None], default=1 << 62)
        self._plans = traced

    def _large(self, fused: Any, node: Node, g: Array) -> Array:
        named: dict[str, Any] = {"g": g, "y": node.out}
        for name, t in zip(self.names, node.saved or ()):
            named[name] = None if t is None else t.array
        named |= zip(self.names[self.arity :], node.params)
        arrays = [named[n] for n in fused.operands]
        return fused(arrays, [named[n] for n in fused.params], g.dtype)  # type: ignore[no-any-return]


#: What only moves elements or compares them, and so takes those of bfloat16, too; views do.
_MOVES = frozenset((
    "_cast", "_convert", "all", "amax", "amin", "any", "argmax", "argmin", "cat", "clone",
    "contiguous", "count_nonzero", "embed_diagonal", "embedding", "flip", "gather",
    "im2col", "index", "index_put", "logical_and", "logical_not", "logical_or", "logical_xor",
    "pad_copies", "places", "roll", "scatter", "scatter_amax", "scatter_amin",
    "split", "tril", "triu", "unbind",
))  # fmt: skip


class Primitive(Op):
    """An operation with a hand-written kernel, a rule in terms of other operations, and perhaps
    a fused backward kernel (`fused`) for when no graph of the derivative is wanted.
    """

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        vjp: Any,
        sample: Sampler,
        *,
        inputs: int,
        results: int,
        view: bool,
        broadcasts: bool = False,
        fused: Callable[..., Any] | None,
        batch: BatchRule | None = None,
        doc: str,
    ) -> None:
        names = list(inspect.signature(forward).parameters)
        self.fused: Rule | None = None
        super().__init__(name, names, inputs, vjp, sample, doc)
        self.run = forward
        self.moves = view or name in _MOVES
        self.batch = batch
        self.results = results
        self.view = view
        self.broadcasts = broadcasts
        if fused is not None:
            self.fused = Rule(fused, [*names, "residuals", "needs"])
            self.reads_output = self.reads_output or 1 in self.fused.picks
        self.plain = self.differentiable and not (view or self.reads_output or fused)

    def _extra_readers(self) -> list[Rule]:
        """A fused backward reads no more than the needed rules do: the rest it gets as None."""
        return [r for r in (self.joint, None if self.rules else self.fused) if r is not None]

    def _readers(self) -> list[Rule]:
        return super()._readers() + ([self.fused] if self.fused is not None else [])

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The kernel."""
        if not self.moves and arrays and arrays[0].dtype.kind == "V":
            from minigrad.ops.functions import refuse_bfloat16

            refuse_bfloat16(self.name)
        if self.arity < 0:
            return self.run(arrays, *params)
        return self.run(*arrays, *params)

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """The fused backward kernel where there is one, the rules without a graph otherwise."""
        if self.fused is None:
            return super().backward(node, g)
        saved = node.saved or ((None,) * self.arity if self.arity >= 0 else ())
        inputs = [None if t is None else t.array for t in saved]
        needs = tuple([e is not None for e in node.edges])
        head: list[Any] = inputs if self.arity >= 0 else [inputs]
        token = quiet()
        try:
            extra = (node.residuals, needs, _input_shape(node))
            parts = self.fused([g, node.out, *head, *node.params, *extra])
        except IndexError as error:
            raise self._changed(error) from None
        finally:
            restore(token)
        if parts.__class__ is tuple or parts.__class__ is list:
            return parts
        return (np.asarray(parts),)  # numpy turns 0-dim results into scalars


def elementwise(
    name: str,
    formula: Callable[..., Any],
    vjp: Any = None,
    *,
    sample: Sampler,
    kind: str = "float",
    ufunc: Any = None,
    flags: int = 0,
    method: bool = True,
    public: bool = True,
    exact: bool = False,
    doc: str = "",
) -> OpFunction:
    """Declare an operation that works element by element; returns its public function.

    Parameters
    ----------
    name : str
        PyTorch's name, where it has one.
    formula : callable
        The value, from the inputs (arguments without default) and parameters (with default).
    vjp : callable or tuple of callable, optional
        A rule for each input; none where no gradient flows at all.
    sample : callable
        Where to try it: ``span(low, high, avoid=(kinks,))`` and its likes.
    kind : {"float", "promote", "compare", "test"}
        The type that is computed in: integers become floats; operands become what they promote
        to; the same with a boolean result; no conversion with a boolean result.
    ufunc : numpy.ufunc, optional
        The one numpy call that computes the same.
    flags : int
        How many of the first inputs are boolean conditions.
    method, public : bool
        Whether tensors get a method, and `minigrad` a name.
    exact : bool
        Whether `ufunc` computes arrays of any size, because the formula rounds where it does not.
    doc : str
        What to know about it besides its formula.
    """
    from minigrad.ops.functions import elementwise_function

    op = Elementwise(
        name, formula, vjp, sample, kind=kind, ufunc=ufunc, flags=flags, exact=exact, doc=doc
    )
    _register(op)
    return elementwise_function(op, method=method, public=public)


def primitive(
    name: str,
    forward: Callable[..., Any],
    vjp: Any = None,
    *,
    sample: Sampler,
    inputs: int = 1,
    results: int = 1,
    view: bool = False,
    broadcasts: bool = False,
    fused: Callable[..., Any] | None = None,
    batch: BatchRule | None = None,
    doc: str = "",
) -> OpFunction:
    """Declare an operation with a kernel of its own; returns ``f(inputs, params)`` to call it by.

    Parameters
    ----------
    name : str
    forward : callable
        From arrays and parameters to the result, or to a tuple: `results` results, then residuals
        that the fused backward reads.
    vjp : callable or tuple of callable, optional
        A rule for each input, in terms of tensors; or one that returns all gradients.
    sample : callable
        ``sample(rng)`` yields ``(tensor inputs, params)`` to try the operation on.
    inputs : int
        How many of the arguments of `forward` are arrays; -1 for a sequence of them.
    results : int
        How many results there are; 0 if that varies.
    view : bool
        Whether the result shares the memory of the first input.
    broadcasts : bool
        Whether gradients come in the shape of the result, for the engine to sum to the inputs'.
    fused : callable, optional
        All gradients at once, on arrays; may read ``residuals`` and ``needs`` besides what rules
        may read.
    batch : callable, optional
        How to compute many examples at once; see `minigrad.ops.batching`.
    """
    op = Primitive(
        name, forward, vjp, sample,
        inputs=inputs, results=results, view=view, broadcasts=broadcasts, fused=fused,
        batch=batch, doc=doc,
    )  # fmt: skip
    _register(op)

    def call(inputs: tuple[Tensor, ...], params: tuple[Any, ...] = ()) -> Any:
        return apply(op, inputs, params)

    call.op = op  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    return call  # type: ignore[return-value]
