"""Draw what an expression computes, with its values and gradients:

  minigrad draw "tanh(w*x + b)" w=0.5 x=2 b=1 -o neuron.svg
  minigrad draw "sum((w*x - y)**2)" w="[1, 2]" x="[3, 4]" y=1 -o loss.svg

or, without an expression, one training step of a small network:

  minigrad draw -o network.svg

The suffix of the file decides the format: .svg, .png, .pdf need Graphviz (the extra `draw`), .dot
needs nothing. Without -o the DOT text is printed.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

from minigrad.cli.expression import differentiate, evaluate, read_variables

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("expression", nargs="?", help="arithmetic and functions, in quotes")
    parser.add_argument(
        "values", nargs="*", metavar="NAME=VALUE", help="variables: numbers or lists of numbers"
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="where to write the drawing")
    parser.add_argument(
        "--direction", choices=("TB", "LR"), default="TB",
        help="from top to bottom (default) or from left to right",
    )  # fmt: skip
    parser.add_argument(
        "--chain", action="store_true",
        help="write the local derivative on every arrow, and draw it as strong as the gradient",
    )  # fmt: skip
    parser.add_argument(
        "--no-grad", action="store_true", help="draw values only, without a backward pass"
    )


def run(args: argparse.Namespace) -> int:
    """Compute, draw, and write."""
    drawing, values = _network(args) if args.expression is None else _expression(args)
    if args.out is None:
        print(drawing.source)
        return 0
    path = drawing.save(args.out)
    for line in values:
        print(line)
    print(f"drawing  {path}")
    return 0


def _expression(args: argparse.Namespace) -> tuple[Any, list[str]]:
    from minigrad import viz
    from minigrad.viz.remarks import remarks

    variables = read_variables(args.expression, args.values)
    with viz.record() as tape:
        y = evaluate(args.expression, variables)
        loss = y if y.numel() == 1 else y.sum()
        if not args.no_grad:
            differentiate(loss, args.chain)
    lines = [f"{args.expression} = {_spell(y)}"]
    for name, t in variables.items():
        if t.grad is not None:
            lines.append(f"  d/d{name} = {_spell(t.grad)}   ({name} = {_spell(t)})")
    lines += remarks(y, tape)
    drawing = viz.draw(
        {args.expression: loss if args.chain else y}, params=variables, tape=tape,
        direction=args.direction, values="small", chain=args.chain,
        grads="small" if not args.no_grad else False,
    )  # fmt: skip
    return drawing, lines


def _spell(t: Any) -> str:
    values = t.tolist()
    if isinstance(values, float):
        return f"{values:.6g}" if math.isfinite(values) else str(values)
    return str(t.detach())


def _network(args: argparse.Namespace) -> tuple[Any, list[str]]:
    """One step of a small classifier."""
    import minigrad as mg
    from minigrad import nn, viz

    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    x, target = mg.randn(16, 4), mg.randint(0, 3, (16,))
    with viz.record() as tape:
        loss = nn.functional.cross_entropy(model(x), target)
        if not args.no_grad:
            loss.backward()
    inputs = {"x": x, "target": target}
    drawing = viz.draw(loss, model, inputs=inputs, tape=tape, direction=args.direction)
    return drawing, [f"a network of {sum(p.numel() for p in model.parameters())} parameters"]
