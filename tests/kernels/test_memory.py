"""malloc keeps freed memory, gives it back when asked, and is left alone when told so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.kernels.run import memory

ROOT = Path(memory.__file__).resolve().parents[3]
glibc = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")

# Page faults and resident megabytes while large results come and go, as in a training graph.
GRAPH = """
import resource, sys
sys.path[:0] = [{root!r}]
from minigrad.kernels.run import memory
done = memory.tune_malloc()
import numpy as np

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

def graph():
    kept = [np.ones(3_000_000, np.float32) for _ in range(5)]

for _ in range(3):
    graph()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    graph()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
large = resident()
memory.empty_cache()
print(done, faults, large, resident())
"""


def graph(**environment: str) -> tuple[bool, int, int, int]:
    """Whether malloc was tuned, page faults, resident MB, and the same after empty_cache."""
    output = subprocess.run(
        [sys.executable, "-c", GRAPH.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **environment},
    ).stdout.split()
    return output[0] == "True", int(output[1]), int(output[2]), int(output[3])


@glibc
def test_large_results_reuse_memory_and_empty_cache_returns_it() -> None:
    tuned, faults, large, small = graph(MINIGRAD_MALLOC="1")
    assert tuned
    assert faults < 20
    assert large - small > 40  # of the 60 MB of one graph


@glibc
def test_the_environment_can_opt_out() -> None:
    tuned, faults, _, _ = graph(MINIGRAD_MALLOC="0")
    assert not tuned
    assert faults > 100  # which also shows that the test above can fail


def test_nothing_happens_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert memory.tune_malloc() is False
    assert memory.empty_cache() is False


def test_a_system_without_that_name_counts_as_no_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown, raising=False)
    assert memory._glibc() is None
