"""One declaration per operation: formula, derivative, types, samples, documentation.

    softsign = elementwise(
        "softsign", lambda x: x / (1 + fx.abs(x)),
        vjp=lambda g, x: g / (1 + fx.abs(x)) ** 2, sample=span(-3, 3),
    )

From these lines alone come ``minigrad.softsign`` and ``Tensor.softsign``, its fused kernels, its
derivative to any order, its tests (against the formula, against finite differences), its page in
the documentation and its label in a drawing.

A *rule* is the derivative with respect to one input: a function that names what it reads. ``g`` is
the gradient of the result, ``y`` the result, any other name an input or a parameter as the formula
spells it, and ``x_shape`` the shape of the first input. Only what the needed rules name is kept for backward: ``lambda g, y: g * (1 - y * y)``
keeps the result of ``tanh`` and lets its input go.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.engine import Node, apply
from minigrad.autograd.modes import no_grad
from minigrad.expr import Expr, symbol
from minigrad.kernels.elementwise import Fused
from minigrad.kernels.quiet import quiet, restore
from minigrad.tensor import Tensor

__all__ = ["REGISTRY", "Elementwise", "Op", "Primitive", "Rule", "elementwise", "primitive"]

Array = np.ndarray[Any, Any]
Sampler = Callable[..., Any]

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
        return self.function(*[values[i] for i in self.picks])


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
        if sample is None:
            raise TypeError(f"the declaration of {name} needs sample inputs")
        if name in REGISTRY:
            raise TypeError(f"an operation called {name} is declared already")
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
        self._kept: dict[int, tuple[bool, ...]] = {}
        self.reads_output = any(1 in r.picks for r in self._readers())
        REGISTRY[name] = self

    def _readers(self) -> list[Rule]:
        return [r for r in (*self.rules, self.joint) if r is not None]

    def keep(self, inputs: tuple[Tensor, ...], need: int) -> tuple[Tensor | None, ...]:
        """The inputs that the rules for the inputs in the bit set `need` read."""
        if self.arity < 0:
            return inputs if self._reads_input(2) else ()
        kept = self._kept.get(need)
        if kept is None:
            kept = self._kept[need] = self._find_kept(need)
        if not kept:
            return ()
        return tuple([t if k else None for t, k in zip(inputs, kept, strict=True)])

    def _reads_input(self, pick: int) -> bool:
        return any(pick in r.picks for r in self._readers())

    def _find_kept(self, need: int) -> tuple[bool, ...]:
        rules = [r for i, r in enumerate(self.rules) if r is not None and need >> i & 1]
        rules += self._extra_readers()
        kept = tuple(any(i + 2 in r.picks for r in rules) for i in range(self.arity))
        return kept if any(kept) else ()

    def _extra_readers(self) -> list[Rule]:
        return [] if self.joint is None else [self.joint]

    def vjp(self, node: Node, g: Tensor) -> Sequence[Tensor | None]:
        """The gradients of the inputs by the rules, on tensors: they have a graph of their own."""
        values = self._values(node, g)
        if self.joint is not None:
            return self.joint(values)  # type: ignore[no-any-return]
        return [
            None if target is None or rule is None else rule(values)
            for rule, target in zip(self.rules, node.edges, strict=True)
        ]

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
    """

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
        self._fused: Fused | None = None
        self._fused_rules: list[Fused | None] = [None] * arity
        self._numpy_below = -1

    @property
    def fused(self) -> Fused:
        """The formula as kernels."""
        if self._fused is None:
            root = self.formula(*map(symbol, self.names))
            inputs, params = self.names[: self.arity], self.names[self.arity :]
            self._fused = Fused(self.name, root, inputs, params, self.boolean)
            self._numpy_below = self._fused.numpy_below
        return self._fused

    def fused_rule(self, i: int) -> Fused | None:
        """The derivative of input `i` as kernels; None where it is `g` or a plain number."""
        rule = self.rules[i]
        assert rule is not None
        found = self._fused_rules[i]
        if found is None:
            root = rule.function(*map(symbol, rule.names))
            if not isinstance(root, Expr) or root.op == "symbol":
                return None
            params = self.names[self.arity :]
            operands = [n for n in rule.names if n not in params]
            used = [n for n in rule.names if n in params]
            found = Fused(f"{self.name}_d{self.names[i]}", root, operands, used)
            self._fused_rules[i] = found
        return found

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """Small arrays, and types without kernels, by numpy; others by the fused kernel."""
        last = arrays[-1]
        size = last.size if len(arrays) == 1 else max([a.size for a in arrays])
        if size < self._numpy_below or last.dtype.char not in "fd":
            token = quiet()
            try:
                return self.numpy(*arrays, *params)
            finally:
                restore(token)
        fused = self.fused  # the first call learns the threshold
        if size < fused.numpy_below:
            return self.forward(arrays, params)
        return fused(arrays, params, last.dtype)

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """Each needed rule, on arrays."""
        saved = node.saved
        assert saved is not None
        inputs = [None if t is None else t.array for t in saved] if saved else [None] * self.arity
        values = [g, node.out, *inputs, *node.params]
        size, kernels = g.size, g.dtype.char in "fd"
        parts: list[Array | None] = []
        for i, target in enumerate(node.edges):
            rule = self.rules[i]
            if target is None or rule is None:
                parts.append(None)
                continue
            if kernels and size >= 512:
                fused = self._fused_rules[i] or self.fused_rule(i)
                if fused is not None and size >= fused.numpy_below:
                    arrays = [values[p] for p in rule.picks if p < 2 + self.arity]
                    used = [values[p] for p in rule.picks if p >= 2 + self.arity]
                    parts.append(fused(arrays, used, g.dtype))
                    continue
            part = rule(values)
            parts.append(part if part.__class__ is np.ndarray else np.asarray(part))
        return parts


class Primitive(Op):
    """An operation with a hand-written kernel, a rule in terms of other operations, and perhaps
    a fused backward kernel (`fused`) for when no graph of the derivative is wanted."""

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
        fused: Callable[..., Any] | None,
        doc: str,
    ) -> None:
        names = list(inspect.signature(forward).parameters)
        arity = inputs
        super().__init__(name, names, arity, vjp, sample, doc)
        self.run = forward
        self.results = results
        self.view = view
        self.fused: Rule | None = None
        if fused is not None:
            self.fused = Rule(fused, [*names, "residuals", "needs"])
            self.reads_output = self.reads_output or 1 in self.fused.picks

    def _extra_readers(self) -> list[Rule]:
        return [r for r in (self.joint, self.fused) if r is not None]

    def _reads_input(self, pick: int) -> bool:
        return super()._reads_input(pick) or (self.fused is not None and pick in self.fused.picks)

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The kernel."""
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
        finally:
            restore(token)
        return (parts,) if parts.__class__ is np.ndarray else parts  # type: ignore[no-any-return]


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
    doc: str = "",
) -> Any:
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
    doc : str
        What to know about it besides its formula.
    """
    from minigrad.ops.functions import elementwise_function

    op = Elementwise(name, formula, vjp, sample, kind=kind, ufunc=ufunc, flags=flags, doc=doc)
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
    fused: Callable[..., Any] | None = None,
    doc: str = "",
) -> Callable[..., Any]:
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
        How many results there are.
    view : bool
        Whether the result shares the memory of the first input.
    fused : callable, optional
        All gradients at once, on arrays; may read ``residuals`` and ``needs`` besides what rules
        may read.
    """
    op = Primitive(
        name, forward, vjp, sample,
        inputs=inputs, results=results, view=view, fused=fused, doc=doc,
    )  # fmt: skip

    def call(inputs: tuple[Tensor, ...], params: tuple[Any, ...] = ()) -> Any:
        return apply(op, inputs, params)

    call.op = op  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    return call
