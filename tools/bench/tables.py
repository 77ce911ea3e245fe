"""What was measured, as Markdown."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path
from statistics import median

__all__ = ["machine", "replace_between", "summary", "table"]

#: Case, library, one time for each process.
Times = dict[str, dict[str, list[float]]]


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _ratio(times: dict[str, list[float]]) -> float:
    return median(a / b for a, b in zip(times["minigrad"], times["torch"], strict=True))


def _bold(ratio: float) -> str:
    return f"**{ratio:.2f}**" if ratio <= 1 else f"{ratio:.2f}"


def table(found: Times) -> str:
    """A row for each case."""
    lines = ["| case | minigrad | PyTorch | ratio |", "| --- | ---: | ---: | ---: |"]
    for name, times in found.items():
        ours, theirs = (_time(median(times[library])) for library in ("minigrad", "torch"))
        lines.append(f"| {name} | {ours} | {theirs} | {_bold(_ratio(times))} |")
    return "\n".join(lines)


def summary(found: Times) -> str:
    """A row for each group: the middle ratio, the worst case, and how many lose."""
    groups: dict[str, list[tuple[float, str]]] = {}
    for name, times in found.items():
        group, _, what = name.partition(": ")
        groups.setdefault(group, []).append((_ratio(times), what))
    lines = [
        "| group | cases | slower | median ratio | worst | of |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for group, rows in groups.items():
        ratios = [r for r, _ in rows]
        worst, what = max(rows)
        lines.append(
            f"| {group} | {len(rows)} | {sum(r > 1 for r in ratios)} | {_bold(median(ratios))} | "
            f"{_bold(worst)} | {what} |"
        )
    return "\n".join(lines)


def replace_between(path: Path, marker: str, text: str) -> None:
    """Put `text` between ``<!-- marker -->`` and ``<!-- /marker -->``."""
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.S)
    path.write_text(pattern.sub(lambda m: f"{m[1]}{text}\n{m[2]}", path.read_text()))


def machine() -> str:
    """The kind of machine, and the versions."""
    import numpy
    import torch

    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        match = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        cpu = match[1] if match else cpu
    return (
        f"{datetime.date.today():%d %B %Y}, {cpu}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, numpy {numpy.__version__}, PyTorch {torch.__version__}"
    )
