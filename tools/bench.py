"""Time minigrad beside PyTorch: ``python tools/bench.py [--rounds N] [--only WORD] [--readme]``.

Both libraries run the *same* code, each in fresh processes that take turns (A B A B ...), two
threads each, float32. A case is repeated for a while in each process and its median taken; the
table shows the median over the processes of each library, and the median of the ratios of
neighbouring processes, which is what survives a noisy machine. Below 1 minigrad is faster.

``--readme`` also writes the table between the markers in README.md, with the date and the kind of
machine. PyTorch must be installed in the environment that runs this (``make bench`` sees to it).
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("minigrad", "torch")
Case = Callable[[Any], Callable[[], Any]]
CASES: dict[str, Case] = {}
#: What the project set itself, as a ratio; the table shows wins and losses against 1 alike.
GOALS = {"tiny": 0.6}


def case(name: str) -> Callable[[Case], Case]:
    """Register a case: from the library, make the function that is timed."""

    def register(make: Case) -> Case:
        CASES[name] = make
        return make

    return register


# -- tiny: what an operation costs when there is nothing to compute ------------------------------


def _small(lib: Any) -> tuple[Any, Any]:
    lib.manual_seed(0)
    return lib.randn(4, 4, requires_grad=True), lib.randn(4, 4, requires_grad=True)


@case("tiny: add 4x4, recorded")
def _add(lib: Any) -> Any:
    a, b = _small(lib)
    return lambda: a + b


@case("tiny: multiply 4x4, recorded")
def _multiply(lib: Any) -> Any:
    a, b = _small(lib)
    return lambda: a * b


@case("tiny: multiply by a number")
def _by_number(lib: Any) -> Any:
    a, _ = _small(lib)
    return lambda: a * 2.0


@case("tiny: matmul 4x4, recorded")
def _matmul(lib: Any) -> Any:
    a, b = _small(lib)
    return lambda: a @ b


@case("tiny: sum 4x4, recorded")
def _sum_small(lib: Any) -> Any:
    a, _ = _small(lib)
    return lambda: a.sum()


@case("tiny: chain of 1,000 multiplications, forward and backward")
def _chain(lib: Any) -> Any:
    a, b = _small(lib)
    b = b.detach()

    def run() -> None:
        x = a
        for _ in range(1000):
            x = x * b
        x.sum().backward()

    return run


# -- large arrays --------------------------------------------------------------------------------

SIZES = {"1e5": (100, 1000), "1e6": (1000, 1000), "1e7": (10_000, 1000)}


def _forward(size: str, function: Callable[[Any, Any], Any]) -> Case:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        x = lib.randn(*SIZES[size])
        return lambda: function(lib, x)

    return make


def _forward_backward(size: str, function: Callable[[Any, Any], Any]) -> Case:
    """The gradient flowing in is a fixed random array, so that only the operation is timed."""

    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        x = lib.randn(*SIZES[size], requires_grad=True)
        g = lib.randn(tuple(function(lib, x).shape))

        def run() -> None:
            x.grad = None
            function(lib, x).backward(g)

        return run

    return make


def _affine_norm(kind: str) -> Callable[[Any, Any], Any]:
    """Normalizations with fixed scale and shift, of 1,000 features."""
    known: dict[int, Any] = {}

    def run(lib: Any, x: Any) -> Any:
        if not known:
            known[0] = lib.ones(1000, requires_grad=True), lib.zeros(1000, requires_grad=True)
        w, b = known[0]
        w.grad = b.grad = None
        functional = lib.nn.functional
        if kind == "layer":
            return functional.layer_norm(x, (1000,), w, b)
        return functional.batch_norm(x, None, None, w, b, training=True)

    return run


def _cross_entropy(lib: Any, x: Any) -> Any:
    return lib.nn.functional.cross_entropy(x, lib.arange(x.shape[0]) % 1000)


for _size in SIZES:
    for _name, _function in {
        "relu": lambda lib, x: lib.relu(x),
        "exp": lambda lib, x: lib.exp(x),
        "tanh": lambda lib, x: lib.tanh(x),
        "sigmoid": lambda lib, x: lib.sigmoid(x),
        "gelu": lambda lib, x: lib.nn.functional.gelu(x),
        "x * x + x": lambda lib, x: x * x + x,
        "softmax": lambda lib, x: lib.softmax(x, 1),
        "logsumexp": lambda lib, x: lib.logsumexp(x, 1),
        "sum": lambda lib, x: x.sum(),
        "sum over rows": lambda lib, x: x.sum(0),
        "sum over columns": lambda lib, x: x.sum(1),
        "max over rows": lambda lib, x: x.amax(0),
        "max over columns": lambda lib, x: x.amax(1),
        "var over columns": lambda lib, x: x.var(1),
    }.items():
        CASES[f"{_size}: {_name}"] = _forward(_size, _function)
    for _name, _function in {
        "relu": lambda lib, x: lib.relu(x),
        "gelu": lambda lib, x: lib.nn.functional.gelu(x),
        "softmax": lambda lib, x: lib.softmax(x, 1),
        "layer_norm": _affine_norm("layer"),
        "batch_norm": _affine_norm("batch"),
        "cross_entropy": _cross_entropy,
    }.items():
        CASES[f"{_size}: {_name}, forward and backward"] = _forward_backward(_size, _function)


# -- whole steps ---------------------------------------------------------------------------------


def _mlp(lib: Any, sizes: tuple[int, ...], batch: int) -> Callable[[], Any]:
    """One training step: Linear, BatchNorm, ReLU, Dropout layers, cross-entropy, Adam."""
    lib.manual_seed(0)
    nn = lib.nn
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(0.2)]
    model = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
    optimizer = importlib.import_module(f"{lib.__name__}.optim").Adam(model.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    x, target = lib.randn(batch, sizes[0]), lib.randint(0, sizes[-1], (batch,))

    def step() -> None:
        optimizer.zero_grad()
        loss_function(model(x), target).backward()
        optimizer.step()

    return step


@case("step: demo's MLP 64-128-64-10, batch 64, Adam")
def _demo(lib: Any) -> Any:
    return _mlp(lib, (64, 128, 64, 10), 64)


@case("step: MLP 784-512-256-10, batch 128, Adam")
def _mnist(lib: Any) -> Any:
    return _mlp(lib, (784, 512, 256, 10), 128)


# -- running -------------------------------------------------------------------------------------


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
    "import bench, {0}; bench._demo({0})(); print(time.perf_counter() - t)"
)


def start_up(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Import, and a process from its start to the end of its first training step."""
    found: dict[str, dict[str, list[float]]] = {}
    here = str(Path(__file__).parent)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as empty:
            for library in LIBRARIES:
                step = ["-c", FIRST_STEP.format(library, here)]
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
            code = [__file__, "--worker", library, "--seconds", str(seconds), *names]
            for name, value in json.loads(_process(code).splitlines()[-1]).items():
                found[name].setdefault(library, []).append(value)
    return found


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """Markdown, a row per case."""
    lines = ["| case | minigrad | PyTorch | ratio |", "| --- | ---: | ---: | ---: |"]
    for name, times in found.items():
        ours, theirs = times["minigrad"], times["torch"]
        ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
        mark = f"**{ratio:.2f}**" if ratio <= 1 else f"{ratio:.2f}"
        lines.append(f"| {name} | {_time(median(ours))} | {_time(median(theirs))} | {mark} |")
    return "\n".join(lines)


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


def write_readme(text: str) -> None:
    """Put the table between its markers."""
    path = ROOT / "README.md"
    pattern = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.S)
    path.write_text(pattern.sub(lambda m: f"{m[1]}{text}\n{m[2]}", path.read_text()))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="cases to run (all)")
    parser.add_argument("--only", default="", help="run the cases whose name contains this word")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each library (5)")
    parser.add_argument("--seconds", type=float, default=0.15, help="per case and process (0.15)")
    parser.add_argument("--no-start", action="store_true", help="leave out the start-up times")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    parser.add_argument("--worker", choices=LIBRARIES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.names or [name for name in CASES if args.only in name]
    if args.worker:
        return worker(args.worker, names, args.seconds)
    found = {} if args.no_start or args.only else start_up(args.rounds)
    found |= compare(names, args.rounds, args.seconds)
    text = f"{machine()}.\n\n{table(found)}"
    print(text)
    if args.readme:
        write_readme(text)


if __name__ == "__main__":
    main()
