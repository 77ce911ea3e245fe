"""Check every declared operation on its own sample inputs:

- the fused kernels of elementwise operations against the formula on numpy arrays; the backward
  kernels of the others against their rules on tensors,
- the gradient against finite differences, in float64,
- the gradient of the gradient against finite differences.

The table gives the largest relative error of each. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from minigrad.cli.tables import Progress, error_text, seconds_text, table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "names", nargs="*", metavar="OP", help="operations, such as tanh (default: all of them)"
    )
    parser.add_argument(
        "--second", action=argparse.BooleanOptionalAction, default=True,
        help="check second derivatives (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--kernels", action=argparse.BooleanOptionalAction, default=True,
        help="compile and check the fused kernels (default: yes; takes a minute the first time)",
    )  # fmt: skip
    parser.add_argument(
        "--fast", action="store_true", help="along random directions, not element by element"
    )
    parser.add_argument("--seed", type=int, default=0, help="for the sample inputs (default: 0)")
    parser.add_argument("--list", action="store_true", help="only list the operations")


def run(args: argparse.Namespace) -> int:
    """Check, print the table and what is wrong."""
    from minigrad.autograd import opcheck
    from minigrad.core.declare import REGISTRY

    if args.list:
        print("\n".join(sorted(REGISTRY)))
        return 0
    start = time.perf_counter()
    results: list[opcheck.OpResult] = []
    checks = opcheck.check_operations(
        args.names, second=args.second, fast=args.fast, kernels=args.kernels, seed=args.seed
    )
    with Progress(len(args.names) or len(REGISTRY), "checking", "op") as progress:
        for result in checks:
            results.append(result)
            progress.step(result.name)
    rows = [_row(r) for r in results]
    head = ["operation", "samples", "kernel", "first", "second", ""]
    print(table(head, rows, right=[1, 2, 3, 4]))
    wrong = [r for r in results if not r.ok]
    for r in wrong:
        print(f"\n{r.name}")
        for problem in r.problems[:3]:
            print("  " + problem.replace("\n", "\n  "))
        if len(r.problems) > 3:
            print(f"  ... and {len(r.problems) - 3} more")
    took = seconds_text(time.perf_counter() - start)
    worst = {
        kind: max(
            [getattr(r, kind) for r in results if getattr(r, kind) == getattr(r, kind)], default=0.0
        )
        for kind in ("kernel", "first", "second")
    }
    operations = "1 operation" if len(results) == 1 else f"{len(results)} operations"
    print(
        f"\n{operations}, {sum(r.samples for r in results)} samples, {took}: worst "
        f"relative error {error_text(worst['kernel'])} of kernels, {error_text(worst['first'])} of "
        f"first, {error_text(worst['second'])} of second derivatives"
    )
    print(f"{len(wrong)} WRONG: {', '.join(r.name for r in wrong)}" if wrong else "all right")
    return 1 if wrong else 0


def _row(r: Any) -> list[str]:
    return [
        r.name, str(r.samples), error_text(r.kernel), error_text(r.first), error_text(r.second),
        "ok" if r.ok else "WRONG",
    ]  # fmt: skip
