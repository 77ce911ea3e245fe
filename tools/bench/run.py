"""Timing: in one process, and in processes of both libraries that take turns."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.cases import CASES

__all__ = ["LIBRARIES", "ROOT", "compare", "start_up", "worker"]

LIBRARIES = ("minigrad", "torch")
TOOLS = Path(__file__).resolve().parents[1]
ROOT = TOOLS.parent


def measure(run: Callable[[], Any], seconds: float) -> float:
    """The median time of a call, in groups long enough for the clock."""
    run()
    run()
    start = time.perf_counter()
    run()
    once = max(time.perf_counter() - start, 1e-7)
    group = max(1, int(2e-4 / once))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        for _ in range(group):
            run()
        times.append((time.perf_counter() - start) / group)
    return median(times)


def worker(library: str, names: list[str], seconds: float) -> None:
    """In a fresh process: time the cases and print them as JSON."""
    lib = importlib.import_module(library)
    lib.set_num_threads(2)
    print(json.dumps({name: measure(CASES[name](lib), seconds) for name in names}))


def _process(code: list[str], **environment: str) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [sys.executable, *code], capture_output=True, text=True, env=env, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(code)[:200]} failed:\n{done.stderr}")
    return done.stdout


IMPORT = "import time; t = time.perf_counter(); import {0}; print(time.perf_counter() - t)"
FIRST_STEP = (
    "import sys, time; t = time.perf_counter(); sys.path.insert(0, {1!r}); "
    "import {0}; from bench.steps import demo; demo({0})(); print(time.perf_counter() - t)"
)


def start_up(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Import, and a process from its start to the end of its first training step."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as empty:
            for library in LIBRARIES:
                step = ["-c", FIRST_STEP.format(library, str(TOOLS))]
                for name, code, environment in (
                    ("start: import", ["-c", IMPORT.format(library)], {}),
                    ("start: first training step, empty cache", step, {"MINIGRAD_CACHE": empty}),
                    ("start: first training step, warm cache", step, {"MINIGRAD_CACHE": empty}),
                ):
                    value = float(_process(code, **environment))
                    found.setdefault(name, {}).setdefault(library, []).append(value)
    return found


def compare(names: list[str], rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """The cases, in processes that take turns."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for number in range(rounds):
        for library in LIBRARIES:
            print(f"round {number + 1} of {rounds}: {library}", file=sys.stderr)
            code = [str(TOOLS / "bench"), "--worker", library, "--seconds", str(seconds), *names]
            for name, value in json.loads(_process(code).splitlines()[-1]).items():
                found[name].setdefault(library, []).append(value)
    return found
