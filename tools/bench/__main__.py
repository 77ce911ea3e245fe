"""Time minigrad beside PyTorch: ``python tools/bench [--rounds N] [--only WORD] [--write]``.

Both libraries run the *same* code, each in fresh processes that take turns (A B A B ...), two
threads each, float32. A case is repeated for a while in each process and its median taken; the
table shows the median over the processes of each library, and the median of the ratios of
neighbouring processes, which is what survives a noisy machine. Below 1 minigrad is faster.

``--write`` writes the whole table to docs/benchmarks.md and a summary by groups between the markers
in README.md. Run it on an idle machine: PyTorch's threads wait long for a busy core. PyTorch must
be installed in the environment that runs this (``make bench`` sees to it).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import layers, operations, optimizers, steps  # noqa: E402, F401 - they register their cases
from bench.cases import CASES  # noqa: E402
from bench.run import LIBRARIES, ROOT, compare, start_up, worker  # noqa: E402
from bench.tables import machine, replace_between, summary, table  # noqa: E402

PAGE = """# Benchmarks

Written by `make bench` ({machine}).

Each case is the same code under both libraries, float32, two threads, in fresh processes that take
turns. Times are medians over the processes; the ratio is the median over neighbouring processes.
Below 1 (bold) minigrad is faster. Cases that lose stand here like those that win.

{table}
"""


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="cases to run (all)")
    parser.add_argument("--only", default="", help="run the cases whose name contains this word")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each library (5)")
    parser.add_argument("--seconds", type=float, default=0.1, help="per case and process (0.1)")
    parser.add_argument("--no-start", action="store_true", help="leave out the start-up times")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and README")
    parser.add_argument("--worker", choices=LIBRARIES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.names or [name for name in CASES if args.only in name]
    if args.worker:
        return worker(args.worker, names, args.seconds)
    found = {} if args.no_start or args.only else start_up(args.rounds)
    found |= compare(names, args.rounds, args.seconds)
    print(table(found))
    if args.write:
        page = PAGE.format(machine=machine(), table=table(found))
        (ROOT / "docs" / "benchmarks.md").write_text(page)
        replace_between(ROOT / "README.md", "bench", f"{machine()}.\n\n{summary(found)}")


if __name__ == "__main__":
    main()
