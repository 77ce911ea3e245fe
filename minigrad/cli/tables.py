"""Text for a terminal: aligned tables, numbers, progress."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Progress", "bytes_text", "error_text", "seconds_text", "table"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns as wide as they must be; those numbered in `right` are flush right.

    >>> print(table(["name", "n"], [["a", "10"], ["bcd", "9"]], right=[1]))
    name   n
    a     10
    bcd    9
    """
    columns = list(zip(head, *rows, strict=True)) if rows else [(h,) for h in head]
    widths = [max(len(cell) for cell in column) for column in columns]

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell.rjust(w) if i in right else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(placed).rstrip()

    return "\n".join(line(cells) for cells in (head, *rows))


def error_text(error: float) -> str:
    """A relative error; ``-`` where there is none, ``0`` where it is exact.

    >>> error_text(1.23e-9), error_text(0.0), error_text(float("nan"))
    ('1.2e-09', '0', '-')
    """
    if error != error:
        return "-"
    return "0" if error == 0 else f"{error:.1e}"


def seconds_text(seconds: float) -> str:
    """A duration.

    >>> seconds_text(0.0123), seconds_text(3.21), seconds_text(75)
    ('12 ms', '3.2 s', '1 min 15 s')
    """
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def bytes_text(n: float) -> str:
    """A size in memory.

    >>> bytes_text(512), bytes_text(3 << 20)
    ('512 B', '3.0 MB')
    """
    for unit in ("B", "kB", "MB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GB"


class Progress:
    """A bar on the terminal, by tqdm where it is installed; silent where nobody watches.

    Parameters
    ----------
    total : int
        How many steps there will be.
    label : str
        What they are.
    unit : str
        What one of them is.
    """

    def __init__(self, total: int, label: str, unit: str = "it") -> None:
        self.total, self.label, self.done = total, label, 0
        self._bar: Any = None
        self._last = 0.0
        self._shown = sys.stderr.isatty()
        if self._shown and importlib.util.find_spec("tqdm") is not None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, desc=label, unit=unit, leave=False, file=sys.stderr, dynamic_ncols=True
            )

    def step(self, text: str = "", n: int = 1) -> None:
        """So many steps are done; `text` says what is going on."""
        self.done += n
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(n)
        elif self._shown and time.perf_counter() - self._last > 0.1:
            self._last = time.perf_counter()
            filled = 30 * self.done // max(self.total, 1)
            bar = "#" * filled + "." * (30 - filled)
            print(f"\r{self.label} [{bar}] {self.done}/{self.total} {text}\033[K", end="",
                  file=sys.stderr, flush=True)  # fmt: skip

    def note(self, text: str) -> None:
        """A line that stays, above the bar."""
        if self._bar is not None:
            self._bar.clear()
        elif self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(text, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
        elif self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
