"""Why a number is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.core.engine import Node
from minigrad.viz.graph import find_nodes
from minigrad.viz.stepping.values import shown

__all__ = ["remarks", "why_not_finite"]

_OUTSIDE = {
    "log": "it is defined for numbers above 0: towards 0 it falls to -inf, and below 0 there is "
           "no real logarithm, so it is nan. The formula of its derivative, 1 / x, has a value "
           "there all the same, and that is what the backward pass computes",
    "log1p": "it is defined for numbers above -1; its derivative 1 / (1 + x) has a value elsewhere",
    "sqrt": "below 0 there is no real square root, so it is nan",
    "rsqrt": "at 0 it is a division by 0, and below 0 there is no real square root",
    "div": "a division by 0: it gives inf, and 0 / 0 gives nan",
    "reciprocal": "a division by 0",
    "pow": "a power of a negative number with a fraction is no real number; 0 to a negative power "
           "is a division by 0",
    "exp": "it is larger than the largest number of its type",
}  # fmt: skip
_SAME = {"pow_number": "pow"}


def why_not_finite(op: str, inputs: Sequence[Any], result: Any) -> list[str]:
    """A sentence, if an operation made a number into nan or inf; otherwise nothing.

    >>> why_not_finite("sqrt", [-1.0], "nan")
    ['sqrt: below 0 there is no real square root, so it is nan.']
    >>> why_not_finite("sqrt", ["nan"], "nan")
    []
    """
    words = ("nan", "inf", "-inf")
    if result not in words or any(x in words for x in inputs if isinstance(x, str)):
        return []
    name = _SAME.get(op, op)
    return [f"{name}: {_OUTSIDE[name]}."] if name in _OUTSIDE else []


def remarks(root: Any, tape: Any) -> list[str]:
    """The sentences about all operations that made `root`, as a tape heard them."""
    found: list[str] = []
    for node in find_nodes([root.node]):
        known = tape.heard.results
        seen = [shown(known.get(e.seq)) if isinstance(e, Node) else None for e in node.edges]
        inputs = [s and s.get("elements") for s in seen]
        result = (shown(known.get(node.seq)) or {}).get("elements")
        found += why_not_finite(node.op.name, inputs, result)
    return found
