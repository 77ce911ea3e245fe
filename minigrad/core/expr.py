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
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "OPERATORS", "Expr", "lift", "symbol", "symbols", "text"]

#: Precedence-free spelling of the operators in emitted source and in labels.
OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "and": "&", "or": "|",
}  # fmt: skip


class Expr:
    """A node of an expression: an operation and its operands.

    ``op`` is ``"symbol"`` (``args = (name,)``), ``"const"`` (``args = (number,)``), an operator of
    :data:`OPERATORS`, ``"neg"``, ``"not"``, or the name of a function of this module.
    """

    __slots__ = ("_hash", "args", "op")
    #: The functions of formulas on such values.
    __formulas__: dict[str, Callable[..., Any]] = {}  # noqa: RUF012 - filled below

    def __init__(self, op: str, *args: Any) -> None:
        self.op = op
        self.args = args
        self._hash = hash((op, args))

    def __hash__(self) -> int:
        return self._hash

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
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _function(name: str, reference: Callable[..., Any]) -> Callable[..., Any]:
    """The function of that name for values of all kinds; a class has its own in a table."""

    def call(*args: Any) -> Any:
        for a in args:
            known = getattr(a, "__formulas__", None)
            if known is not None:
                return known[name](*args)
        return reference(*args)

    FUNCTIONS[name] = reference
    Expr.__formulas__[name] = lambda *args: Expr(name, *map(lift, args))
    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``{name}`` of symbols, tensors or numpy arrays."
    return call


abs = _function("abs", np.abs)
sign = _function("sign", _np_sign)
sqrt = _function("sqrt", np.sqrt)
rsqrt = _function("rsqrt", _np_rsqrt)
exp = _function("exp", np.exp)
expm1 = _function("expm1", np.expm1)
log = _function("log", np.log)
log1p = _function("log1p", np.log1p)
sin = _function("sin", np.sin)
cos = _function("cos", np.cos)
tan = _function("tan", np.tan)
tanh = _function("tanh", np.tanh)
sigmoid = _function("sigmoid", _np_sigmoid)
erf = _function("erf", _np_erf)
floor = _function("floor", np.floor)
ceil = _function("ceil", np.ceil)
round = _function("round", np.rint)
trunc = _function("trunc", np.trunc)
maximum = _function("maximum", np.maximum)
minimum = _function("minimum", np.minimum)
where = _function("where", np.where)
isnan = _function("isnan", np.isnan)
copysign = _function("copysign", np.copysign)
