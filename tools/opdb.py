"""Write docs/pytorch.md: PyTorch's own samples, run on minigrad.

``python tools/opdb.py [--check] [name ...]`` needs PyTorch (``pip install "minigrad[torch]"``).
With names it prints their reports, and writes nothing.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from tests.torch.opdb import Report

PAGE = ROOT / "docs" / "pytorch.md"
WORKERS = 2
KINDS = ("values", "gradients", "second order", "in place", "forms", "views", "errors")
INTRODUCTION = """# PyTorch's own samples

Written by `tools/opdb.py`; do not edit.

`torch.testing` describes the operations of PyTorch by samples of their arguments (`op_db`). Every
public name is run on them, in float32, float64, int64 and bool where PyTorch computes in those, on
at most 30 samples per type and variant, spread over PyTorch's list. Compared are

- **values**: structure, names, types, shapes and elements, within PyTorch's own tolerances; of
  random and uninitialized results only the type and shape;
- **gradients** for drawn cotangents, in float32 and float64, and **second order** ones through a
  graph of the first, in float64; no gradient is as good as zeros, and rounding is relative to the
  largest element. Dropout inside of attention is set to 0, so that there is something to compare;
- **in place**: the form with an underscore, the in-place operator, `inplace=True`, with gradients;
- **forms**: the method, the operator, and other names of the same function;
- **views**: memory is shared with an argument where PyTorch's result shares it, and nowhere else;
- **errors**: what PyTorch's samples of errors raise, raises an exception of the same family here.

A cell counts samples that came out the same, of those that were run. *On purpose* are those that
differ as [differences.md](differences.md) says, *not run* those that speak of what is not there,
and those that PyTorch refuses.
"""


def report_of(name: str) -> Report:
    """One name, in a process of its own."""
    from tests.torch.opdb import run

    return run(name)


def reports(names: list[str]) -> dict[str, Report]:
    """All of them, in several processes."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        return dict(zip(names, pool.map(report_of, names, chunksize=4), strict=True))


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({n})" for reason, n in sorted(reasons.items()))


def _failures(report: Report) -> str:
    """The reasons of the failures, the commonest first."""
    texts: Counter[str] = Counter()
    for kind, text in report.failures:
        short = re.sub(r"0x[0-9a-f]+", "...", text.split(": ", 1)[-1])
        texts[f"{kind}: {short[:110]}"] += 1
    found = [f"{text} ({n})" for text, n in texts.most_common(3)]
    more = len(texts) - len(found)
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "")


def notes(report: Report) -> str:
    """What the numbers do not say."""
    from tests.torch.expected import LOOSER

    parts = []
    if report.missing:
        parts.append(report.missing)
    if report.failures:
        parts.append(f"**{_failures(report)}**")
    if report.expected:
        parts.append(f"on purpose: {_counted(report.expected)}")
    if report.name in LOOSER:
        parts.append(f"float32 to {LOOSER[report.name]:g} times the tolerance")
    if report.outside:
        parts.append(f"not run: {_counted(report.outside)}")
    return "; ".join(parts)


def row(report: Report) -> str:
    """The line of one name."""
    cells = [f"`{report.name}`", report.status]
    for kind in KINDS:
        tried, passed = report.tried[kind], report.passed[kind]
        cells.append("" if not tried else str(tried) if tried == passed else f"{passed}/{tried}")
    cells.append(notes(report))
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def totals(found: list[Report]) -> list[str]:
    """The sums over all names."""
    states = Counter(r.status.split(":")[0] for r in found)
    words = {
        "passes": "the same", "fails": "with differences", "missing": "not there",
        "outside": "not run",
    }  # fmt: skip
    listed = ", ".join(f"{states[s]} {word}" for s, word in words.items() if states[s])
    lines = [
        f"**{len(found)} names: {listed}.**",
        "",
        "| | run | the same | share |",
        "|-|-:|-:|-:|",
    ]
    for kind in KINDS:
        tried, passed = (sum(c[kind] for c in part) for part in
                         ([r.tried for r in found], [r.passed for r in found]))  # fmt: skip
        lines.append(f"| {kind} | {tried:,} | {passed:,} | {passed / max(tried, 1):.2%} |")
    meant = sum(r.expected.total() for r in found)
    lines += ["", f"Beside these, {meant:,} samples come out differently on purpose."]
    return lines


def page(found: dict[str, Report], lists: dict[str, list[str]]) -> str:
    """The whole page."""
    lines = [INTRODUCTION, *totals(list(found.values()))]
    heads = ["name", "status", *KINDS, "notes"]
    for title, names in lists.items():
        lines += ["", f"## The {title} list", "", "| " + " | ".join(heads) + " |"]
        lines.append("|" + "-|" * len(heads))
        lines += [row(found[n]) for n in dict.fromkeys(names)]
    return "\n".join(lines) + "\n"


def statuses() -> dict[str, str]:
    """The status of each name on the page as it stands."""
    cells = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {c[0].strip("| `"): c[1] for c in cells}


def main() -> int:
    """Write the page, or with ``--check`` compare what it says with what is."""
    from tests.torch.opdb import names as listed

    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    for name in wanted:
        report = report_of(name)
        print(row(report), *(f"  {kind}: {text}" for kind, text in report.failures), sep="\n")
    if wanted:
        return 0
    lists = listed()
    found = reports(list(dict.fromkeys(n for part in lists.values() for n in part)))
    if "--check" in sys.argv:
        known = statuses()
        stale = [n for n, r in found.items() if known.get(n) != r.status]
        print(*(f"{n}: {known.get(n)} -> {found[n].status}" for n in stale), sep="\n")
        return int(bool(stale))
    PAGE.write_text(page(found, lists))
    print(*totals(list(found.values())), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
