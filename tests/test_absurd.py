"""Sizes that no machine has, and numbers that LAPACK never comes back from, are refused at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg
from tests.fuzz.test_fuzz import assert_documented, limited

F = mg.nn.functional
MANY = 2**40
image = mg.ones(1, 2, 8, 8)
infinite = mg.ones(3, 3)
infinite[1, 2] = float("inf")

SIZES: dict[str, Callable[[], Any]] = {
    "ones": lambda: mg.ones(MANY, MANY),
    "eye": lambda: mg.eye(MANY),
    "add": lambda: mg.ones(1).expand(2**45) + 1,
    "exp": lambda: mg.ones(1).expand(2**45).exp(),
    "where": lambda: mg.where(mg.ones(1).expand(2**45) > 0, 1.0, 0.0),
    "repeat": lambda: mg.ones(3).repeat(MANY, 9),
    "tensor_split": lambda: mg.tensor_split(mg.ones(4), MANY),
    "hsplit": lambda: mg.hsplit(mg.ones(0), MANY),
    "triu_indices": lambda: mg.triu_indices(MANY, 3),
    "tril_indices": lambda: mg.tril_indices(2**22, 2**22),
    "combinations": lambda: mg.combinations(mg.arange(60), 30),
    "combinations, replaced": lambda: mg.combinations(mg.arange(3), 2**30, True),
    "diagflat": lambda: mg.diagflat(mg.ones(4), 2**24),
    "diag_embed": lambda: mg.diag_embed(mg.ones(4), MANY),
    "interpolate": lambda: F.interpolate(image, (2**30, 2**30)),
    "interpolate, scale": lambda: F.interpolate(image, scale_factor=1e9),
    "max_unpool2d": lambda: F.max_unpool2d(image, image.long(), 2**30),
    "conv_transpose2d": lambda: F.conv_transpose2d(image, mg.ones(2, 2, 3, 3), stride=2**28),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(image, 2**28),
    "pad": lambda: F.pad(image, (2**45, 0)),
    "one_hot": lambda: F.one_hot(mg.tensor([3, 4]), 2**45),
    "linspace": lambda: mg.linspace(0, 1, 2**45),
    "randn": lambda: mg.randn(2**45),
}
MATRICES: dict[str, Callable[[], Any]] = {
    "svd": lambda: mg.linalg.svd(infinite),
    "svdvals": lambda: mg.linalg.svdvals(infinite),
    "pinv": lambda: mg.linalg.pinv(infinite),
    "pinverse": lambda: infinite.pinverse(),
    "lstsq": lambda: mg.linalg.lstsq(infinite, mg.ones(3, 1)),
    "nuclear norm": lambda: infinite.norm("nuc"),
    "batch": lambda: mg.linalg.svdvals(mg.stack([mg.eye(3), infinite])),
}


def refusal(call: Callable[[], Any]) -> str:
    with limited(60), pytest.raises((RuntimeError, ValueError)) as caught:
        call()
    assert_documented(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    """In words about memory (and how much was asked for), or about the range of numbers."""
    text = refusal(SIZES[name])
    assert "can't allocate memory" in text or "out of range" in text
    assert "memory" not in text or "bytes" in text or "addresses" in text


@pytest.mark.parametrize("name", MATRICES)
def test_infinities(name: str) -> None:
    assert "non-finite" in refusal(MATRICES[name])


def test_eigenvalues_of_infinities() -> None:
    with limited(60):
        assert mg.linalg.eigvalsh(mg.stack([infinite, mg.eye(3)]), UPLO="U").isnan().all(1)[0]
        # what the triangle that counts does not hold is not looked at
        assert mg.linalg.eigvalsh(infinite, UPLO="L").isfinite().all()
