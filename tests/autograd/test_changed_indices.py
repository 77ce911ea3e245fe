"""Backward does not trust indices that others may have written to since the forward pass."""

from __future__ import annotations

import subprocess
import sys

import pytest

import minigrad as mg
from tests.autograd.changed_indices import CASES, FOUND, OUTSIDE

F = mg.nn.functional
NAMES = [*CASES, *FOUND]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[str]]:
    """What happened in each case; after a crash the next process goes on behind it."""
    found: dict[str, list[str]] = {}
    left = NAMES
    while left:
        command = [sys.executable, "-m", "tests.autograd.changed_indices", *left]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            name, _, outcome = line.partition("\t")
            found.setdefault(name, []).append(outcome)
        if done.returncode == 0:
            break
        died = next(n for n in left if len(found.get(n, [])) < 2 * len(OUTSIDE))
        found.setdefault(died, []).append(f"died with {done.returncode}: {done.stderr[-500:]}")
        left = left[left.index(died) + 1 :]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_changed_indices(name: str, outcomes: dict[str, list[str]]) -> None:
    """The gradient of the indices as they were; or a refusal that names the operation and says why.

    Never a crash, and never a gradient that leaves out the rows of indices out of range.
    """
    assert len(outcomes[name]) == 2 * len(OUTSIDE)
    for outcome in outcomes[name]:
        refused = "RuntimeError: " in outcome and "indices were changed since" in outcome
        assert outcome == "kept" or refused, outcome


def test_data_of_another_shape() -> None:
    """What a graph saved may not change its shape under it: kernels take sizes from both."""
    x = mg.ones(4, 3, requires_grad=True)
    loss = F.cross_entropy(x, mg.tensor([0, 1, 2, 0]))
    x.data = mg.ones(2, 3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    F.cross_entropy(x, mg.tensor([0, 1])).backward()
    assert x.grad is not None
    assert x.grad.shape == (2, 3)
