"""Many random calls of everything public: none dies, hangs, or fails in undocumented ways.

A few are made in every run of the tests. With the number of calls in ``MINIGRAD_FUZZ`` so many are
made, from a new seed, which is printed.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from tests.fuzz.random_calls import attempt, made

_ASKED = os.environ.get("MINIGRAD_FUZZ", "")
COUNT = int(_ASKED) if _ASKED.isdigit() and int(_ASKED) > 1 else 1500


def failures(seed: int, count: int) -> list[str]:
    """What went wrong, each with its number; a process that dies is followed by another."""
    found: list[str] = []
    first = 0
    while first < count:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.random_calls", str(seed), str(count - first)],
            env={**os.environ, "MINIGRAD_FUZZ_FIRST": str(first)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found += done.stdout.splitlines()
        if done.returncode == 0:
            break
        at = done.stderr.rpartition("\r")[2].splitlines()
        number = int(at[0]) if at and at[0].isdigit() else count
        found.append(f"{number}\tdied with {done.returncode}: {done.stderr[-300:]}")
        first = number + 1
    return found


def test_random_calls() -> None:
    seed = int(np.random.SeedSequence().entropy) % 2**32 if _ASKED else 7  # type: ignore[operator, arg-type] # an int by default
    print(f"seed {seed}")
    found = failures(seed, COUNT)
    assert not found, f"seed {seed}:\n" + "\n".join(found)


def test_calls_can_be_made_again() -> None:
    """A number stands for one call, whatever was called before."""
    for number in (0, 17):
        name, args, kwargs = made(3, number)
        again = made(3, number)
        assert (name, repr(args), repr(kwargs)) == (again[0], repr(again[1]), repr(again[2]))
    assert attempt(3, 0) == ""
