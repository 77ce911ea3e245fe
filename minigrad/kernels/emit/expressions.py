"""Expressions as data: their parts in order, which are the same, their value on other things."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from minigrad.core import expr as fx
from minigrad.core.expr import Expr

__all__ = ["ELEMENTARY", "evaluate", "same", "spelling", "walk"]

#: Those that take many instructions, ten and more.
ELEMENTARY = frozenset(
    ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "pow")
)
#: Operators as functions of values; the other operations are functions of formulas.
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "eq": operator.eq, "ne": operator.ne, "and": operator.and_,
    "or": operator.or_, "neg": operator.neg, "not": operator.invert,
}  # fmt: skip


def same(e: Expr, other: Expr) -> bool:
    """Whether both spell the same formula (``==`` builds a comparison instead)."""
    if e is other:
        return True
    if hash(e) != hash(other) or e.op != other.op or len(e.args) != len(other.args):
        return False
    pairs = zip(e.args, other.args, strict=True)
    return all(
        same(a, b) if isinstance(a, Expr) and isinstance(b, Expr) else _same_leaf(a, b)
        for a, b in pairs
    )


def _same_leaf(a: Any, b: Any) -> bool:
    """Equal numbers of equal kind; -0.0 and 0.0, 1 and True stay apart."""
    return type(a) is type(b) and (a == b or a != a) and repr(a) == repr(b)


def walk(*roots: Expr) -> Iterator[Expr]:
    """Every distinct subexpression, operands before what uses them."""
    done: dict[int, list[Expr]] = {}

    def visit(e: Expr) -> Iterator[Expr]:
        seen = done.setdefault(hash(e), [])
        if any(same(e, other) for other in seen):
            return
        for a in e.args:
            if isinstance(a, Expr):
                yield from visit(a)
        seen.append(e)
        yield e

    for root in roots:
        yield from visit(root)


def spelling(*roots: Expr) -> str:
    """Expressions in one line, different for different ones (`core.expr.text` is for reading).

    >>> x = fx.symbol("x")
    >>> spelling(-(x * x))
    "symbol 'x'; mul 0 0; neg 1; 2"
    """
    places: dict[int, list[tuple[Expr, int]]] = {}

    def place(e: Expr) -> int:
        return next(n for other, n in places[hash(e)] if same(e, other))

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
        return next(v for other, v in known[hash(e)] if same(e, other))

    for e in walk(*roots):
        if e.op == "symbol":
            result = values[e.args[0]]
        elif e.op == "const":
            result = constant(e.args[0])
        else:
            operate = _OPERATIONS.get(e.op) or getattr(fx, e.op)
            result = operate(*[value(a) for a in e.args])
        known.setdefault(hash(e), []).append((e, result))
    return [value(root) for root in roots]
