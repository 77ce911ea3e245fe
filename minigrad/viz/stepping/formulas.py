"""Declared formulas as a reader writes them, and as JavaScript computes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from minigrad.core.declare import Elementwise
from minigrad.core.expr import OPERATORS, Expr, lift, symbol, text

__all__ = ["derivative", "formula", "javascript", "replaced", "spelled"]

_ONE = Expr("const", 1)


def formula(op: Elementwise, params: tuple[Any, ...]) -> Expr:
    """What an operation computes, its parameters as numbers."""
    return _simple(replaced(op.fused.root, _numbers(op, params)))


def derivative(op: Elementwise, i: int, params: tuple[Any, ...], g: Expr = _ONE) -> Expr | None:
    """The derivative in input `i`; that of the result alone, where `g` is 1.

    >>> import minigrad as mg
    >>> derivative(mg.tanh.op, 0, ())
    1 - y * y
    """
    rule = op.rules[i] if op.rules else None
    if rule is None:
        return None
    root = lift(rule.function(*map(symbol, rule.names)))
    return _simple(replaced(root, {"g": g, **_numbers(op, params)}))


def spelled(e: Expr, names: Mapping[str, str]) -> str:
    """The formula with other names; what is no single word must be in brackets of its own."""
    return text(replaced(e, {k: symbol(v) for k, v in names.items()}))


def _numbers(op: Elementwise, params: tuple[Any, ...]) -> dict[str, Expr]:
    return {n: lift(_whole(p)) for n, p in zip(op.names[op.arity :], params, strict=False)}


def _whole(value: Any) -> Any:
    """2.0 as 2, which is how one writes it."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def replaced(e: Expr, known: Mapping[str, Expr]) -> Expr:
    """The expression with others in the places of symbols."""
    if e.op == "symbol":
        return known.get(e.args[0], e)
    if e.op == "const":
        return e
    return Expr(e.op, *[replaced(a, known) for a in e.args])


def _simple(e: Expr) -> Expr:
    """Without factors of 1 and sums of numbers, as one would write it."""
    if e.op in ("symbol", "const"):
        return e
    args = [_simple(a) for a in e.args]
    numbers = [a.args[0] if a.op == "const" else None for a in args]
    if len(args) == 2:
        a, b = args
        x, y = numbers
        if None not in numbers and e.op in ("add", "sub", "mul"):
            return lift(_folded(e.op, x, y))
        if (e.op in ("mul", "div", "pow") and y == 1) or (e.op in ("add", "sub") and y == 0):
            return a
        if (e.op == "mul" and x == 1) or (e.op == "add" and x == 0):
            return b
        if e.op in ("mul", "div") and a.op == "neg" and _is_one(a.args[0]):
            return Expr("neg", b) if e.op == "mul" else Expr(e.op, lift(-1), b)
    return Expr(e.op, *args)


def _is_one(e: Expr) -> bool:
    return e.op == "const" and bool(e.args[0] == 1)


def _folded(op: str, x: Any, y: Any) -> Any:
    return x + y if op == "add" else x - y if op == "sub" else x * y


_COMPARE = {"eq": "===", "ne": "!=="}
_LOGIC = {"and": "&&", "or": "||"}
#: What JavaScript has under the name of the formula, or under another; others are in page.js.
_OWN = {"sigmoid", "erf", "rsqrt", "round", "copysign"}


def javascript(e: Expr) -> str:
    """An expression of JavaScript that computes the formula, in double precision.

    >>> from minigrad.core.expr import symbols
    >>> a, b = symbols("a b")
    >>> javascript(a ** 2 - b)
    '((a * a) - b)'
    """
    if e.op == "symbol":
        return str(e.args[0])
    if e.op == "const":
        return _literal(e.args[0])
    args = [javascript(a) for a in e.args]
    if e.op == "neg":
        return f"(-{args[0]})"
    if e.op == "not":
        return f"(!{args[0]})"
    if e.op == "where":
        return f"({args[0]} ? {args[1]} : {args[2]})"
    if e.op in OPERATORS:
        sign = _COMPARE.get(e.op) or _LOGIC.get(e.op) or OPERATORS[e.op]
        return f"({args[0]} {sign} {args[1]})"
    if e.op == "isnan":
        return f"Number.isNaN({args[0]})"
    named = {"maximum": "Math.max", "minimum": "Math.min"}.get(e.op)
    return f"{named or (f'fx.{e.op}' if e.op in _OWN else f'Math.{e.op}')}({', '.join(args)})"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "(-Infinity)"
    return f"({value!r})" if value < 0 else repr(value)
