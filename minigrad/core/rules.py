"""Rules: the derivative of an operation, and what it reads; what is so of every operation.

A *rule* is the derivative with respect to one input: a function that names what it reads. ``g`` is
the gradient of the result, ``y`` the result, ``x_shape`` the shape of the first input, any other
name an input or a parameter as the formula spells it. Only what the needed rules name is kept for
backward: ``lambda g, y: g * (1 - y * y)`` keeps the result of ``tanh`` and lets its input go.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad.core.engine import Node, new_tensor
from minigrad.core.tensor import Tensor

__all__ = ["REGISTRY", "Names", "Op", "Rule", "as_tensors", "register"]

Array = np.ndarray[Any, Any]
Sampler = Callable[..., Any]
V = TypeVar("V")


class Names(dict[str, V]):
    """What is known by name; what is in `later` is looked for when it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.later: dict[str, Callable[[], None]] = {}

    def __missing__(self, name: str) -> V:
        if name in self.later:
            self.later[name]()
            if name in self:
                return self[name]
        raise KeyError(name)


#: Every declared operation, by name.
REGISTRY: Names[Op] = Names()


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
    """What an operation is, however it is declared; see `core.operation.Operation`.

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
    plain = opaque = False
    owns = True

    def __init__(
        self, name: str, names: Sequence[str], arity: int, vjp: Any, sample: Sampler, doc: str
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
            raise self.changed(error) from None

    def changed(self, error: IndexError) -> RuntimeError:
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
            y = new_tensor(node.out)
            y.node, y._requires_grad = node, True
        if self.arity < 0:
            return [g, y, node.saved, *node.params, None]
        return [g, y, *(node.saved or (None,) * self.arity), *node.params, input_shape(node)]

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """The gradients of the inputs on arrays; by default by the rules: the pass records none."""
        parts = self.vjp(node, as_tensors(g))
        return [None if p is None else p.array for p in parts]

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The result, on arrays."""
        raise TypeError(f"{self.name} has no forward")


def register(op: Op) -> None:
    """Enter a declaration; one without samples, or of a name that is taken, is refused."""
    if op.sample is None:
        raise TypeError(f"the declaration of {op.name} needs sample inputs")
    if op.name in REGISTRY:
        raise TypeError(f"an operation called {op.name} is declared already")
    REGISTRY[op.name] = op


def input_shape(node: Node) -> tuple[int, ...] | None:
    """The shape of the first input."""
    edge = node.edges[0]
    return None if edge is None else tuple(edge.shape)


def as_tensors(g: Any) -> Any:
    """Arrays as tensors that no graph knows."""
    if isinstance(g, list):  # of an operation with several results, some of them unused
        return [None if p is None else as_tensors(p) for p in g]
    return new_tensor(g if g.__class__ is np.ndarray else np.asarray(g))
