"""One line that says that kernels are being compiled, where that takes longer than a moment.

On a machine that has not seen them, the kernels of a first training step take seconds. From the
first second on, a line on stderr shows what is going on; it is gone when they are made. It is shown
on terminals and in notebooks; ``MINIGRAD_PROGRESS=1`` shows it elsewhere, too, once and as a line
of its own, and ``MINIGRAD_PROGRESS=0`` nowhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["Line", "line"]

#: Seconds of compiling in this process before anything is said.
PATIENCE = 1.0


def _is_live() -> bool:
    """Whether stderr is something whose last line can be written over."""
    stream = sys.stderr
    return stream is not None and (stream.isatty() or "ipykernel" in sys.modules)


class Line:
    """Counts the functions that are compiled and their time, and shows them."""

    def __init__(self) -> None:
        self.functions = 0
        self.seconds = 0.0
        self.silent = False
        self._said = False
        self._shown = 0  # characters on the line now
        self._lock = threading.RLock()
        self._inside = threading.local()

    @contextlib.contextmanager
    def kernel(self, dispatcher: Any) -> Iterator[None]:
        """Around the making of one function, and of all functions that it needs in turn."""
        outermost = getattr(self._inside, "start", None) is None
        if outermost:
            self._inside.start, self._inside.name = time.perf_counter(), _name_of(dispatcher)
            self._inside.made = 0
        before = _misses(dispatcher)
        try:
            self._show()
            yield
        finally:
            self._inside.made += _misses(dispatcher) - before
            if outermost:
                self._count()

    def _count(self) -> None:
        """A kernel is made; what was only loaded from the cache does not count."""
        elapsed, made = time.perf_counter() - self._inside.start, self._inside.made
        self._inside.start = None
        with self._lock:
            self.functions += made
            self.seconds += elapsed if made else 0.0
            self._write("")

    def _show(self) -> None:
        asked = os.environ.get("MINIGRAD_PROGRESS")
        seconds = self.seconds + time.perf_counter() - self._inside.start
        if self.silent or seconds < PATIENCE or asked == "0":
            return
        functions = self.functions + self._inside.made
        text = (
            f"minigrad is compiling kernels for this machine: {functions} functions, "
            f"{seconds:.0f} s ({self._inside.name})"
        )
        with self._lock:
            if _is_live():
                self._write(text)
            elif asked == "1" and not self._said:
                self._said = True
                print(text, file=sys.stderr, flush=True)

    def _write(self, text: str) -> None:
        """Put `text` in the place of what is there."""
        if not text and not self._shown:
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        blank = " " * (self._shown - len(text))
        with contextlib.suppress(OSError, ValueError, AttributeError):  # stderr was closed
            sys.stderr.write(f"\r{text}{blank}" + ("" if text else "\r"))
            sys.stderr.flush()
        self._shown = len(text)


def _misses(dispatcher: Any) -> int:
    """How often a function was compiled, not loaded."""
    return sum(dispatcher._cache_misses.values())


def _name_of(dispatcher: Any) -> str:
    """What a kernel is called in the line: the file it is in, without the folders and the hash."""
    module = str(dispatcher.py_func.__module__).rpartition(".")[2]
    if module.startswith("minigrad_kernels_"):
        module = module.removeprefix("minigrad_kernels_").rpartition("_")[0]
    return module


#: The line of this process.
line = Line()
