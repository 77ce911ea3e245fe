"""Step through what an expression computes, and through its gradients, in the browser:

  minigrad steps "tanh(w * x + b)" w=0.5 x=2 b=1
  minigrad steps "sum(softmax(x) * t)" x="[1, 2, 3]" t="[0, 0, 1]" -o steps.html

Every step shows a formula with its numbers. Where all variables are numbers they can be changed in
the page, and all is computed anew. The suffix of -o decides the form: .html, .gif, .txt, .json, or
a folder for one picture of each step. Without -o the page is opened in the browser.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from minigrad.cli.expression import differentiate, evaluate, read_variables

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("expression", help="arithmetic and functions, in quotes")
    parser.add_argument(
        "values", nargs="*", metavar="NAME=VALUE", help="variables: numbers or lists of numbers"
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="only write the steps, open nothing")
    parser.add_argument("--text", action="store_true", help="print the steps, open nothing")


def run(args: argparse.Namespace) -> int:
    """Compute, and show."""
    steps = _steps(args.expression.strip(), args.values)
    if args.text:
        print(steps.text())
    if args.out is not None:
        print(f"steps  {steps.save(args.out)}")
    if args.text or args.out is not None:
        return 0
    with tempfile.NamedTemporaryFile(prefix="minigrad-steps-", suffix=".html", delete=False) as f:
        path = Path(f.name)
    steps.save(path)
    print(f"steps  {path}")
    if not webbrowser.open(path.as_uri()):
        print(
            "no browser was found here: open the file in one, or read the steps with --text",
            file=sys.stderr,
        )
        return 1
    return 0


def _steps(expression: str, values: list[str]) -> Any:
    from minigrad import viz

    variables = read_variables(expression, values)
    parts: dict[int, str] = {}
    with viz.record() as tape:
        y = evaluate(expression, variables, parts)
        if y.node is None:
            raise ValueError(f"{expression!r} computes nothing: it has no graph to step through")
        loss = y if y.numel() == 1 else y.sum()
        differentiate(loss)
    if loss is not y and loss.node is not None:
        parts[loss.node.seq] = f"sum({expression}): gradients start from one number"
    tape.heard.lines = {seq: f"in {expression}: {part}" for seq, part in parts.items()}
    name = next(n for n in ("L", "f", "result", "the_result") if n not in variables)
    names = {**variables, name: loss}
    return viz.steps(loss, params=names, tape=tape, title=expression)
