"""Scalar formulas: what ``0.5 * x * (1 + fx.erf(x))`` becomes when it is called on symbols.

A formula is a plain Python function over values that support arithmetic. The same function runs

* on **tensors**, where it records a graph (so a derivative written as a formula has derivatives);
* on **numpy arrays**, where it is the reference that every kernel is tested against;
* on **symbols** (:class:`Expr`), where it builds the expression that `kernels.emit` turns into one
  fused loop.

What arithmetic does not spell (``exp``, ``where``, ...) stands in this module under its usual name
and serves all three; it is imported as ``fx``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["ELEMENTARY", "FUNCTIONS", "Expr", "evaluate", "spelling", "symbol", "symbols", "walk"]

#: Precedence-free spelling of the operators in emitted source and in labels.
OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "and": "&", "or": "|",
}  # fmt: skip
#: The same as functions of values; the other operations are functions of this module.
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "eq": operator.eq, "ne": operator.ne, "and": operator.and_,
    "or": operator.or_, "neg": operator.neg, "not": operator.invert,
}  # fmt: skip


class Expr:
    """A node of an expression: an operation and its operands.

    ``op`` is ``"symbol"`` (``args = (name,)``), ``"const"`` (``args = (number,)``), an operator of
    :data:`OPERATORS`, ``"neg"``, ``"not"``, or the name of a function of this module.
    """

    __slots__ = ("_hash", "args", "op")

    def __init__(self, op: str, *args: Any) -> None:
        self.op = op
        self.args = args
        self._hash = hash((op, args))

    def __hash__(self) -> int:
        return self._hash

    def same(self, other: Expr) -> bool:
        """Whether both spell the same formula (``==`` builds a comparison instead)."""
        if self is other:
            return True
        if self._hash != other._hash or self.op != other.op or len(self.args) != len(other.args):
            return False
        pairs = zip(self.args, other.args, strict=True)
        return all(
            a.same(b) if isinstance(a, Expr) and isinstance(b, Expr) else _same_leaf(a, b)
            for a, b in pairs
        )

    def __add__(self, other: Any) -> Expr:
        return Expr("add", self, lift(other))

    def __radd__(self, other: Any) -> Expr:
        return Expr("add", lift(other), self)

    def __sub__(self, other: Any) -> Expr:
        return Expr("sub", self, lift(other))

    def __rsub__(self, other: Any) -> Expr:
        return Expr("sub", lift(other), self)

    def __mul__(self, other: Any) -> Expr:
        return Expr("mul", self, lift(other))

    def __rmul__(self, other: Any) -> Expr:
        return Expr("mul", lift(other), self)

    def __truediv__(self, other: Any) -> Expr:
        return Expr("div", self, lift(other))

    def __rtruediv__(self, other: Any) -> Expr:
        return Expr("div", lift(other), self)

    def __pow__(self, other: Any) -> Expr:
        """Small whole powers become products: ``x ** 3`` is ``x * x * x``, exact and vectorised."""
        if isinstance(other, int) and 2 <= other <= 4:
            return self * self if other == 2 else self ** (other - 1) * self
        return Expr("pow", self, lift(other))

    def __rpow__(self, other: Any) -> Expr:
        return Expr("pow", lift(other), self)

    def __neg__(self) -> Expr:
        return Expr("neg", self)

    def __lt__(self, other: Any) -> Expr:
        return Expr("lt", self, lift(other))

    def __le__(self, other: Any) -> Expr:
        return Expr("le", self, lift(other))

    def __gt__(self, other: Any) -> Expr:
        return Expr("gt", self, lift(other))

    def __ge__(self, other: Any) -> Expr:
        return Expr("ge", self, lift(other))

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return Expr("eq", self, lift(other))

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return Expr("ne", self, lift(other))

    def __and__(self, other: Any) -> Expr:
        return Expr("and", self, lift(other))

    def __or__(self, other: Any) -> Expr:
        return Expr("or", self, lift(other))

    def __invert__(self) -> Expr:
        return Expr("not", self)

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on its input: use fx.where(condition, a, b)")

    def __repr__(self) -> str:
        return text(self)


def _same_leaf(a: Any, b: Any) -> bool:
    """Equal numbers of equal kind; -0.0 and 0.0, 1 and True stay apart."""
    return type(a) is type(b) and (a == b or a != a) and repr(a) == repr(b)


def lift(value: Any) -> Expr:
    """A number as a constant; an expression as it is."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, (bool, int, float)):
        return Expr("const", value)
    raise TypeError(f"a formula is made of symbols and numbers, got {type(value).__name__}")


def symbol(name: str) -> Expr:
    """An input of a formula."""
    return Expr("symbol", name)


def symbols(names: str) -> tuple[Expr, ...]:
    """Several inputs at once.

    >>> x, y = symbols("x y")
    >>> 1 - x * y
    1 - x * y
    """
    return tuple(symbol(name) for name in names.split())


def walk(*roots: Expr) -> Iterator[Expr]:
    """Every distinct subexpression, operands before what uses them."""
    done: dict[int, list[Expr]] = {}

    def visit(e: Expr) -> Iterator[Expr]:
        seen = done.setdefault(hash(e), [])
        if any(e.same(other) for other in seen):
            return
        for a in e.args:
            if isinstance(a, Expr):
                yield from visit(a)
        seen.append(e)
        yield e

    for root in roots:
        yield from visit(root)


def spelling(*roots: Expr) -> str:
    """Expressions in one line, different for different ones (:func:`text` is for reading).

    >>> x = symbol("x")
    >>> spelling(-(x * x))
    "symbol 'x'; mul 0 0; neg 1; 2"
    """
    places: dict[int, list[tuple[Expr, int]]] = {}

    def place(e: Expr) -> int:
        return next(n for other, n in places[hash(e)] if e.same(other))

    lines: list[str] = []
    for e in walk(*roots):
        args = [str(place(a)) if isinstance(a, Expr) else repr(a) for a in e.args]
        places.setdefault(hash(e), []).append((e, len(lines)))
        lines.append(" ".join([e.op, *args]))
    return "; ".join([*lines, " ".join(str(place(root)) for root in roots)])


def evaluate(
    roots: Sequence[Expr], values: Mapping[str, Any], constant: Callable[[float], Any]
) -> list[Any]:
    """The roots computed on other values: each distinct subexpression once.

    Parameters
    ----------
    roots : sequence of Expr
    values : mapping
        What each symbol stands for.
    constant : callable
        Makes a value of a number.
    """
    known: dict[int, list[tuple[Expr, Any]]] = {}

    def value(e: Expr) -> Any:
        return next(v for other, v in known[hash(e)] if e.same(other))

    for e in walk(*roots):
        if e.op == "symbol":
            result = values[e.args[0]]
        elif e.op == "const":
            result = constant(e.args[0])
        else:
            operate = _OPERATIONS.get(e.op) or globals()[e.op]
            result = operate(*[value(a) for a in e.args])
        known.setdefault(hash(e), []).append((e, result))
    return [value(root) for root in roots]


_WORDS = {"and": "and", "or": "or"}  # as one says it; the source needs & and |
_BINDS = {"or": 1, "and": 2, "lt": 3, "le": 3, "gt": 3, "ge": 3, "eq": 3, "ne": 3, "add": 4,
          "sub": 4, "mul": 5, "div": 5, "neg": 6, "pow": 7}  # fmt: skip


def text(e: Expr, outer: int = 0) -> str:
    """The formula as one would write it."""
    if e.op in ("symbol", "const"):
        return str(e.args[0])
    if e.op == "neg":
        return f"-{text(e.args[0], 6)}"
    if e.op == "not":
        return f"not {text(e.args[0], 6)}"
    binds = _BINDS.get(e.op)
    if binds is None:
        return f"{e.op}({', '.join(text(a) for a in e.args)})"
    left, right = text(e.args[0], binds), text(e.args[1], binds + 1)
    spelled = f"{left} {_WORDS.get(e.op, OPERATORS[e.op])} {right}"
    return f"({spelled})" if binds < outer else spelled


# -- the functions of formulas -------------------------------------------------------------------


def _np_sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _np_erf(x: Any) -> Any:
    result = np.vectorize(math.erf, otypes=[np.float64])(x)
    return result.astype(np.result_type(x), copy=False)


def _np_sign(x: Any) -> Any:
    """0 for NaN, as PyTorch has it and as the kernels compute it."""
    kind = np.result_type(x)
    if kind.kind in "bu":
        return np.not_equal(x, 0).astype(kind)
    return np.subtract(np.greater(x, 0), np.less(x, 0), dtype=kind)


def _np_rsqrt(x: Any) -> Any:
    return 1 / np.sqrt(x)


#: What each function is on numpy arrays: the reference.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "sign": _np_sign, "sqrt": np.sqrt, "rsqrt": _np_rsqrt,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "sigmoid": _np_sigmoid, "erf": _np_erf,
    "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc,
    "maximum": np.maximum, "minimum": np.minimum, "where": np.where,
    "isnan": np.isnan, "copysign": np.copysign,
}  # fmt: skip


#: Those that take many instructions, ten and more.
ELEMENTARY = frozenset(
    ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "pow")
)


def _function(name: str) -> Callable[..., Any]:
    reference = FUNCTIONS[name]

    def call(*args: Any) -> Any:
        for a in args:
            known = getattr(a, "__formulas__", None)  # a class whose values compute formulas
            if known is not None:
                return known[name](*args)
        return reference(*args)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``{name}`` of symbols, tensors or numpy arrays."
    return call


def _symbolic(name: str) -> Callable[..., Expr]:
    return lambda *args: Expr(name, *[lift(a) for a in args])


Expr.__formulas__ = {name: _symbolic(name) for name in FUNCTIONS}  # type: ignore[attr-defined]

abs = _function("abs")
sign = _function("sign")
sqrt = _function("sqrt")
rsqrt = _function("rsqrt")
exp = _function("exp")
expm1 = _function("expm1")
log = _function("log")
log1p = _function("log1p")
sin = _function("sin")
cos = _function("cos")
tan = _function("tan")
tanh = _function("tanh")
sigmoid = _function("sigmoid")
erf = _function("erf")
floor = _function("floor")
ceil = _function("ceil")
round = _function("round")
trunc = _function("trunc")
maximum = _function("maximum")
minimum = _function("minimum")
where = _function("where")
isnan = _function("isnan")
copysign = _function("copysign")
