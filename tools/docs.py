"""Write the page of the operations from their declarations: ``python tools/docs.py [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import minigrad  # noqa: F401 - fills the registry
from minigrad.core.declare import REGISTRY, Elementwise, Op
from minigrad.core.expr import Expr, symbol, text
from minigrad.ops.later import everything

everything()
PAGE = Path(__file__).resolve().parents[1] / "docs" / "operations.md"
INTRODUCTION = """# Operations

Written by `tools/docs.py` from the declarations in `minigrad/ops`; do not edit.

Every row is one declaration. In a derivative, `g` is the gradient that arrives, `y` the result;
what a derivative reads is all that is kept for the backward pass. A derivative of `-` means that
no gradient flows to that input. All of them are checked against finite differences, in first and
second order, by `python -m minigrad gradcheck` and by the tests. Plots are of operations of one
input, over the range of their samples, from the smallest value to the largest.
"""


def _family(op: Op) -> str:
    """The file that declares it."""
    rules = [op.joint, *op.rules]
    functions = [getattr(op, "formula", None), getattr(op, "run", None)]
    functions += [r.function for r in rules if r is not None]
    for function in functions:
        module = getattr(function, "__module__", "") or ""
        if module.startswith("minigrad.ops."):
            return module.removeprefix("minigrad.ops.")
    return "other"


def _call(op: Op) -> str:
    inputs = op.names[: op.arity] if op.arity >= 0 else (op.names[0] + ", ...",)
    params = op.names[op.arity :] if op.arity >= 0 else op.names[1:]
    return f"{op.name}({', '.join([*inputs, *params])})"


def _derivatives(op: Op) -> str:
    if not op.differentiable:
        return "none"
    if op.joint is not None:
        return f"jointly, reads {', '.join(op.joint.names)}"
    parts = []
    for name, rule in zip(op.names, op.rules, strict=False):
        if rule is None:
            parts.append(f"d{name}: -")
        elif isinstance(op, Elementwise):
            root: Any = rule.function(*map(symbol, rule.names))
            parts.append(f"d{name}: `{text(root) if isinstance(root, Expr) else root}`")
        else:
            parts.append(f"d{name}: reads {', '.join(rule.names)}")
    return "<br>".join(parts)


def _samples(op: Op) -> str:
    rng = np.random.default_rng(0)
    shapes = [
        " ".join("x".join(map(str, a.shape)) or "()" for a in s.inputs) for s in op.sample(rng)
    ]
    return "; ".join(shapes)


BARS = "▁▂▃▄▅▆▇█"


def plot(op: Op, width: int = 24) -> str:
    """The values of an operation of one input in bars, from the least of its samples to the most.

    The lowest bar is the smallest value, the highest the largest.
    """
    if not isinstance(op, Elementwise) or op.arity != 1 or op.boolean:
        return ""
    inputs, params = next(iter(op.sample(np.random.default_rng(0))))
    x = np.linspace(inputs[0].min(), inputs[0].max(), width)
    y = np.broadcast_to(op.numpy(x, *params), x.shape)
    steps = np.ptp(y) or 1.0
    bars = "".join(BARS[round(v)] for v in (y - y.min()) / steps * (len(BARS) - 1))
    return f"{bars} {x[0]:.1f} to {x[-1]:.1f}"


def page() -> str:
    """The whole page."""
    families: dict[str, list[Op]] = {}
    for op in REGISTRY.values():
        families.setdefault(_family(op), []).append(op)
    lines = [INTRODUCTION]
    for family in sorted(families):
        lines += [
            f"## {family}",
            "",
            "| operation | value | plot | derivative | tried on |",
            "| - | - | - | - | - |",
        ]
        for op in sorted(families[family], key=lambda o: o.name):
            value = f"`{text(op.root)}`" if isinstance(op, Elementwise) else ""
            value = " ".join(filter(None, [value, op.doc])).replace("\n", " ")
            row = [f"`{_call(op)}`", value, plot(op), _derivatives(op), _samples(op)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Write the page, or with ``--check`` compare it."""
    text_now = page()
    stale = not PAGE.exists() or PAGE.read_text() != text_now
    if stale and "--check" not in sys.argv:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text_now)
        print(f"{PAGE.name}: written")
    elif stale:
        print(f"{PAGE.name}: out of date (run tools/docs.py)")
    return int(stale and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
