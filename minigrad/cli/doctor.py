"""Say what this installation can do: versions, processor, threads, BLAS, the cache of compiled
kernels, memory settings, drawing back ends, extras; and what would make it better.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minigrad.cli.tables import bytes_text

__all__ = ["add_arguments", "examine", "run"]

#: Which extra brings which packages, by the names they are imported by.
EXTRAS = {
    "draw": {"pygraphviz": "pygraphviz"},
    "io": {"safetensors": "safetensors"},
    "examples": {"scikit-learn": "sklearn", "matplotlib": "matplotlib", "tqdm": "tqdm"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--json", action="store_true", help="for machines")


def run(args: argparse.Namespace) -> int:
    """Print what was found, and suggestions."""
    found, advice = examine()
    if args.json:
        import json

        print(json.dumps({**found, "suggestions": advice}, indent=2))
        return 0
    width = max(map(len, found))
    for name, text in found.items():
        print(f"{name.ljust(width)}  {text}")
    print()
    if advice:
        print("Suggestions")
        for line in advice:
            print(f"  - {line}")
    else:
        print("Nothing to improve.")
    return 0


def examine() -> tuple[dict[str, str], list[str]]:
    """Facts by name, and advice."""
    advice: list[str] = []
    found = {
        "minigrad": f"{_minigrad_version()}  ({Path(__file__).resolve().parents[1]})",
        "python": (
            f"{platform.python_version()}  ({platform.python_implementation()}, {sys.executable})"
        ),
        "packages": ", ".join(f"{p} {_version(p)}" for p in ("numpy", "numba", "llvmlite")),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": _processor(),
        "vectors": _vectors(),
        "threads": _threads(advice),
        "blas": _blas(),
        "kernel cache": _cache(advice),
        "memory": _memory(advice),
        "drawing": _drawing(advice),
        "extras": _extras(advice),
    }
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        advice.append(
            "NUMBA_DISABLE_JIT is set: kernels run as plain Python, thousands of times slower"
        )
    return found, advice


def _minigrad_version() -> str:
    from minigrad import __version__

    return str(__version__)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _vectors() -> str:
    """The vector instructions that kernels are compiled for."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    known = ("avx512f", "avx2", "avx", "fma", "sse4.2", "neon", "sve")
    has = [f for f in known if features.get(f)]
    return f"{', '.join(has) or 'none known'}  (LLVM: {binding.get_host_cpu_name()})"


def _threads(advice: list[str]) -> str:
    from minigrad.kernels.run.settings import DEFAULT, get_num_threads

    n, cores = get_num_threads(), os.cpu_count() or 1
    if n == DEFAULT.threads and DEFAULT.source != "cores":
        because = {"cgroup": "the quota of this container"}.get(DEFAULT.source, DEFAULT.source)
        return f"{n} of {cores} processors, because of {because}"
    if n < cores and not hasattr(os, "sched_getaffinity"):
        advice.append(
            f"{cores} processors, {n} threads: minigrad.set_num_threads({cores}) uses all"
        )
    return f"{n} of {cores} processors"


def _blas() -> str:
    import numpy as np

    from minigrad.kernels.matmul import blas

    try:
        config: Any = np.show_config(mode="dicts")
        name = config["Build Dependencies"]["blas"]
        text = f"{name['name']} {name['version']}"
    except (KeyError, TypeError):
        text = "unknown"
    threads = blas.get_blas_threads()
    return f"{text}, {threads} threads" if threads else f"{text}, threads not under control"


def _cache(advice: list[str]) -> str:
    import warnings

    from minigrad.kernels.run.folder import cache_folder, cache_problem

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is said below
        folder = cache_folder()
    if folder is None:
        advice.append(
            "kernels are compiled anew in every process: set MINIGRAD_CACHE to a folder of yours "
            "that nobody else can write to"
        )
        return f"none: {cache_problem()}"
    files = [p for p in folder.rglob("*") if p.is_file()]
    kernels = sum(p.suffix in (".nbc", ".o") for p in files)
    size = bytes_text(sum(p.stat().st_size for p in files))
    if kernels == 0:
        advice.append("the cache is empty: `python -m minigrad warm` compiles what training needs")
    if os.environ.get("NUMBA_CACHE_DIR") and not os.environ.get("MINIGRAD_CACHE"):
        note = ", named by NUMBA_CACHE_DIR"
    else:
        note = ""
    return f"{folder}{note}: {kernels} compiled kernels, {size}, writable"


def _memory(advice: list[str]) -> str:
    if os.environ.get("MINIGRAD_MALLOC", "1") == "0":
        advice.append("MINIGRAD_MALLOC=0: large results cost page faults, 1.4 to 2.8 times slower")
        return "malloc left alone (MINIGRAD_MALLOC=0)"
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        libc = ""
    if not libc.startswith("glibc"):
        return "malloc left alone (no glibc)"
    return f"freed memory is kept for the next result ({libc}); minigrad.empty_cache() returns it"


def _drawing(advice: list[str]) -> str:
    ways = []
    dot = shutil.which("dot")
    if dot:
        ways.append(f"the program dot ({dot})")
    if importlib.util.find_spec("pygraphviz") is not None:
        ways.append(f"pygraphviz {_version('pygraphviz')}")
    if ways:
        return ", ".join(ways)
    advice.append('drawings as SVG, PNG, PDF need Graphviz: pip install "minigrad[draw]"')
    return "DOT text only"


def _extras(advice: list[str]) -> str:
    parts = []
    for extra, packages in EXTRAS.items():
        missing = [p for p, module in packages.items() if importlib.util.find_spec(module) is None]
        parts.append(f"{extra} {'yes' if not missing else 'without ' + ', '.join(missing)}")
        if missing and extra != "draw":  # drawing has advice of its own
            advice.append(f'for {", ".join(missing)}: pip install "minigrad[{extra}]"')
    return ", ".join(parts)
