"""Write the table of docs/diagnosis.md: each finding, and where its plants are found.

``python tools/plants.py [--check]`` plants every sickness of tests/diagnosis in every architecture.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import minigrad as mg  # noqa: E402
from minigrad.diagnosis.findings import CHECKS, CLAIMS  # noqa: E402
from tests.diagnosis.networks import ARCHITECTURES  # noqa: E402
from tests.diagnosis.sick import PLANTS  # noqa: E402

PAGE = ROOT / "docs" / "diagnosis.md"
BEGIN, END = "<!-- plants -->\n", "<!-- /plants -->"


def cell(name: str, architecture: str) -> str:
    """Where the plant is found, and how bad that is."""
    mg.manual_seed(0)
    arguments, layers = PLANTS[name](architecture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = mg.diagnose(**arguments)
    found = [f for f in report.named(name) if f.layer in layers]
    return f"`{found[0].layer or 'network'}` ({found[0].severity})" if found else "**missed**"


def table() -> str:
    lines = ["| finding | what it means, and from where on it is said | MLP | CNN | recurrent |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, check in CHECKS.items():
        claim = "" if check.claim is None else f" Claim {check.claim}: {CLAIMS[check.claim]}."
        cells = " | ".join(cell(name, a) for a in ARCHITECTURES)
        lines.append(f"| `{name}` | {check.text}{claim} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    text = PAGE.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    new = text[:begin] + table() + text[end:]
    if new == text:
        return 0
    if "--check" in sys.argv:
        print(f"{PAGE.name}: out of date (run tools/plants.py)")
        return 1
    PAGE.write_text(new)
    print(f"{PAGE.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
