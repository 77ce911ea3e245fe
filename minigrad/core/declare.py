"""One declaration per operation: formula, derivative, types, samples, documentation.

    softsign = elementwise(
        "softsign", lambda x: x / (1 + fx.abs(x)),
        vjp=lambda g, x: g / (1 + fx.abs(x)) ** 2, sample=span(-3, 3),
    )

From these lines alone come ``minigrad.softsign`` and ``Tensor.softsign``, its fused kernels, its
derivative to any order, its tests (against the formula, against finite differences), its page in
the documentation and its label in a drawing. What a rule may read is told in `core.rules`.

Everything computes with numpy. Faster ways come from outside: :func:`use_elementwise` says which
class makes operations of formulas, :func:`implement` gives a primitive another function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import Node, apply
from minigrad.core.expr import FUNCTIONS, symbol
from minigrad.core.promotion import refuse_bfloat16
from minigrad.core.public import OpFunction, elementwise_function
from minigrad.core.quiet import events, handle_events, ignore_events
from minigrad.core.rules import REGISTRY, Op, Rule, Sampler, input_shape, register
from minigrad.core.tensor import Tensor

__all__ = [
    "REGISTRY", "Elementwise", "Op", "Primitive", "Rule", "elementwise", "implement", "primitive",
    "use_elementwise",
]  # fmt: skip

Array = np.ndarray[Any, Any]

#: Below this many elements numpy computes: any number of them.
ALWAYS = 1 << 62


class Elementwise(Op):
    """An operation that computes each element from the elements at the same place.

    `formula` and the rules are called on numpy arrays, on symbols once to be read, and on tensors
    where the derivative needs a graph.

    Attributes
    ----------
    root : Expr
        The formula on symbols.
    counts : bool
        Whether booleans become integers first.
    refuses_booleans : str
        What is said where an operand is boolean; nothing where that is fine.
    """

    counts = False
    refuses_booleans = ""
    #: Below how many elements numpy computes, and what computes more: see :func:`use_elementwise`.
    small: int = ALWAYS
    fused: Any = None

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
        self.exact = exact
        self.flags = flags  # so many leading operands are boolean
        self.boolean = kind in ("compare", "test")
        self.broadcasts = arity > 1
        self.root = formula(*map(symbol, names))

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The formula on arrays."""
        if params:
            self.check_numbers(params)
        before = events()
        try:
            ignore_events()
            return self.numpy(*arrays, *params)
        except TypeError as error:  # numpy has no such operation on booleans
            raise RuntimeError(
                f"{self.name}: not supported for {arrays[-1].dtype} tensors ({error})"
            ) from None
        finally:
            handle_events(before)

    def check_numbers(self, params: tuple[Any, ...]) -> None:
        """Refuse parameters that are no numbers."""
        for name, value in zip(self.names[self.arity :], params, strict=False):
            if type(value) not in (float, int, bool) and not isinstance(value, np.generic):
                kind = type(value).__name__
                raise TypeError(f"{self.name}(): argument '{name}' must be a number, not {kind}")

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """Each needed rule, on arrays."""
        values = self.read(node, g)
        return [
            None if target is None or rule is None else rule(values)
            for rule, target in zip(self.rules, node.edges, strict=True)
        ]

    def read(self, node: Node, g: Array) -> list[Any]:
        """``[g, y, *inputs, *params, x_shape]`` as arrays; no rule reads the shape."""
        inputs = [None if t is None else t.array for t in node.saved or ()] or [None] * self.arity
        return [g, node.out, *inputs, *node.params, None]


_made: type[Elementwise] = Elementwise


def use_elementwise(made: type[Elementwise]) -> None:
    """Make elementwise operations of another class, which computes large arrays in another way.

    Raises
    ------
    RuntimeError
        If operations were declared already, which would stay as they are.
    """
    global _made
    if REGISTRY:
        raise RuntimeError("use_elementwise() comes before the first declaration")
    _made = made


class Primitive(Op):
    """An operation with a hand-written kernel, a rule in terms of other operations, and perhaps
    a fused backward kernel (`fused`) for when no graph of the derivative is wanted.

    Attributes
    ----------
    moves : bool
        Whether it only moves elements or compares them, and so takes those of bfloat16; views do.
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
        doc: str,
    ) -> None:
        names = list(inspect.signature(forward).parameters)
        self.fused: Rule | None = None
        self.run: Callable[..., Any]
        super().__init__(name, names, inputs, vjp, sample, doc)
        self.moves = view
        self.results = results
        self.view = view
        self.broadcasts = broadcasts
        self.implement(forward, fused)

    def implement(
        self, forward: Callable[..., Any] | None, fused: Callable[..., Any] | None
    ) -> None:
        """Compute by another function of the same arguments; or all gradients at once."""
        if forward is not None:
            self.run = forward
        if fused is not None:
            self.fused = Rule(fused, [*self.names, "residuals", "needs"])
            self.reads_output = self.reads_output or 1 in self.fused.picks
        self.kept.clear()
        self._kept.clear()
        self.plain = self.differentiable and not (self.view or self.reads_output or self.fused)

    def _extra_readers(self) -> list[Rule]:
        """A fused backward reads no more than the needed rules do: the rest it gets as None."""
        return [r for r in (self.joint, None if self.rules else self.fused) if r is not None]

    def _readers(self) -> list[Rule]:
        return super()._readers() + ([self.fused] if self.fused is not None else [])

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The kernel."""
        if not self.moves and arrays and arrays[0].dtype.kind == "V":
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
        extra = (node.residuals, needs, input_shape(node))
        try:
            parts = self.fused([g, node.out, *head, *node.params, *extra])
        except IndexError as error:
            raise self.changed(error) from None
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
    op = _made(
        name, formula, vjp, sample, kind=kind, ufunc=ufunc, flags=flags, exact=exact, doc=doc
    )
    register(op)
    function = elementwise_function(op, method=method, public=public)
    if name in FUNCTIONS:
        Tensor.__formulas__[name] = function
    return function


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
    doc: str = "",
    **facts: Any,
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
    **facts
        What else there is to know, for whoever asks the operation, such as ``batch=``, how to
        compute many examples at once (see `minigrad.ops.batching`).
    """
    op = Primitive(
        name, forward, vjp, sample,
        inputs=inputs, results=results, view=view, broadcasts=broadcasts, fused=fused,
        doc=doc,
    )  # fmt: skip
    vars(op).update(facts)
    register(op)

    def call(inputs: tuple[Tensor, ...], params: tuple[Any, ...] = ()) -> Any:
        return apply(op, inputs, params)

    call.op = op  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    return call  # type: ignore[return-value]


def implement(
    name: str,
    forward: Callable[..., Any] | None = None,
    *,
    fused: Callable[..., Any] | None = None,
) -> None:
    """Give a declared primitive a faster function for what it computes, or for its gradients."""
    op = REGISTRY[name]
    assert isinstance(op, Primitive), f"{name} is a formula, not a primitive"
    op.implement(forward, fused)
