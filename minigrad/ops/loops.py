"""Elementwise operations of the core as compiled loops: numpy computes small arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.declare import ALWAYS, Elementwise, use_elementwise
from minigrad.core.engine import Node
from minigrad.core.expr import Expr, symbol
from minigrad.core.public import FLOAT32, FLOAT64
from minigrad.kernels.elementwise import Fused

__all__ = ["Compiled"]

Array = np.ndarray[Any, Any]


class Compiled(Elementwise):
    """A formula and its derivatives as loops.

    `formula` and the rules are called on numpy arrays where those are small, on symbols once to
    become loops for large ones, and on tensors where the derivative needs a graph.

    Attributes
    ----------
    fused : Fused
        The formula as a loop.
    small : int
        Below how many elements numpy computes it.
    """

    fused: Fused

    def __init__(self, name: str, *args: Any, **facts: Any) -> None:
        super().__init__(name, *args, **facts)
        operands, params = self.names[: self.arity], self.names[self.arity :]
        self.fused = Fused(name, self.root, operands, params, self.boolean)
        self.small = ALWAYS if self.exact else self.fused.numpy_below
        self._plans: list[Fused | None] | None = None
        self._small_backward: Any  # made by _plan
        self._small_below = 0

    def fused_rule(self, i: int) -> Fused | None:
        """The derivative of input `i` as a loop; None where it is just `g`."""
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
        """Small arrays, and types without kernels, by numpy; others by the loop."""
        dtype = arrays[-1].dtype
        if dtype is FLOAT32 or dtype is FLOAT64:
            size = arrays[0].size if len(arrays) == 1 else max([a.size for a in arrays])
            if size >= self.small:
                self.check_numbers(params)
                return self.fused(arrays, params, dtype)
        return Elementwise.forward(self, arrays, params)

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """Each needed rule: on arrays as it stands, or as a loop for large ones."""
        if g.size < self._small_below:
            return self._small_backward(node, g)  # type: ignore[no-any-return]
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
                parts.append(rule(self.read(node, g)))
        return parts

    def _plan(self) -> None:
        """Trace the rules to loops; spell out all of them as one function for small arrays.

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
        self._small_below = min([f.numpy_below for f in traced if f is not None], default=ALWAYS)
        self._plans = traced

    def _large(self, fused: Fused, node: Node, g: Array) -> Array:
        named: dict[str, Any] = {"g": g, "y": node.out}
        for name, t in zip(self.names, node.saved or ()):
            named[name] = None if t is None else t.array
        named |= zip(self.names[self.arity :], node.params)
        arrays = [named[n] for n in fused.operands]
        return fused(arrays, [named[n] for n in fused.params], g.dtype)


use_elementwise(Compiled)
