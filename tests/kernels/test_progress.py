"""The line about compiling: late, in one line, gone afterwards, and only where it is wanted."""

from __future__ import annotations

import collections
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minigrad.kernels.run import progress

ROOT = Path(progress.__file__).resolve().parents[3]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        """What is to be seen on the last line."""
        shown = ""
        for part in self.getvalue().split("\r"):
            shown = part + shown[len(part) :]
        return shown.rstrip()


class Kernel:
    """What the line asks a function made by numba."""

    def __init__(self, module: str) -> None:
        self.py_func = type("f", (), {"__module__": module})
        self._cache_misses: collections.Counter[str] = collections.Counter()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    monkeypatch.delenv("MINIGRAD_PROGRESS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return now


def make(line: progress.Line, clock: list[float], seconds: float, cached: bool = False) -> None:
    """A kernel with one function inside, which begins half way through."""
    outer = Kernel("minigrad_kernels_exp_f_float32_abc")
    inner: Any = Kernel("minigrad.kernels.inner")
    with line.kernel(outer):
        clock[0] += seconds / 2
        with line.kernel(inner):
            inner._cache_misses["x"] += not cached
        clock[0] += seconds / 2
        outer._cache_misses["x"] += not cached


def test_the_line_comes_after_a_second_and_goes(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, line = Terminal(), progress.Line()
    monkeypatch.setattr(sys, "stderr", terminal)
    make(line, clock, 0.6)
    assert terminal.getvalue() == ""
    make(line, clock, 0.6)
    assert terminal.getvalue() == ""
    seen = []
    plain = line._write
    monkeypatch.setattr(line, "_write", lambda text: (plain(text), seen.append(terminal.screen())))
    make(line, clock, 2.0)
    assert seen[0] == (
        "minigrad is compiling kernels for this machine: 4 functions, 1 s (exp_f_float32)"
    )
    assert "4 functions, 2 s" in seen[1]
    assert seen[-1] == ""
    assert "\n" not in terminal.getvalue()
    assert line.functions == 6


def test_kernels_from_the_cache_do_not_count(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, line = Terminal(), progress.Line()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in range(10):
        make(line, clock, 0.5, cached=True)
    assert terminal.getvalue() == ""
    assert (line.functions, line.seconds) == (0, 0.0)


@pytest.mark.parametrize(
    ("terminal", "asked", "lines"),
    [(True, "0", 0), (False, None, 0), (False, "0", 0), (False, "1", 1)],
)
def test_it_is_shown_only_where_it_is_wanted(
    terminal: bool, asked: str | None, lines: int, clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    stream, line = Terminal() if terminal else io.StringIO(), progress.Line()
    monkeypatch.setattr(sys, "stderr", stream)
    if asked is not None:
        monkeypatch.setenv("MINIGRAD_PROGRESS", asked)
    for _ in range(3):
        make(line, clock, 2.0)
    assert stream.getvalue().count("minigrad is compiling") == lines
    assert stream.getvalue().count("\n") == lines


def test_a_closed_stream_does_no_harm(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_is_live", lambda: True)
    for stream in (io.StringIO(), None):
        if stream is not None:
            stream.close()
        monkeypatch.setattr(sys, "stderr", stream)
        make(progress.Line(), clock, 3.0)


def test_a_first_call_speaks_when_asked(tmp_path: Path) -> None:
    """The whole way: a second of compiling is enough for the kernels of a small step."""
    code = "import minigrad.kernels.run.progress as p; p.PATIENCE = 0.01\n"
    code += "import minigrad as mg; x = mg.ones(10_000); x.exp(); x.tanh()"
    for times in (1, 0):  # the second process finds them in the cache
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True,
            env={
                **os.environ, "MINIGRAD_CACHE": str(tmp_path), "MINIGRAD_PROGRESS": "1",
                "MINIGRAD_EMIT": "0",  # numba takes its time
                "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip
        assert done.stderr.count("minigrad is compiling kernels") == times
