"""Gaussian noise: its moments, its modes, and what it does to a linear unit."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def test_moments_and_modes() -> None:
    mg.manual_seed(0)
    noisy = nn.GaussianNoise(0.5)
    x = mg.full((40_000,), 3.0, requires_grad=True)
    y = noisy(x)
    assert y.dtype is mg.float32
    assert y.mean().item() == pytest.approx(3, abs=0.02)
    assert y.std().item() == pytest.approx(0.5, rel=0.02)
    y.sum().backward()
    assert (x.grad == 1).all()
    assert noisy.eval()(x) is x
    assert nn.GaussianNoise(0.0)(x) is x
    assert noisy.train()(mg.zeros(3, dtype=mg.float64)).dtype is mg.float64
    assert repr(noisy) == "GaussianNoise(std=0.5)"


def test_seeds_and_generators() -> None:
    x = mg.zeros(5)
    mg.manual_seed(1)
    first = nn.GaussianNoise(1.0)(x)
    mg.manual_seed(1)
    assert (nn.GaussianNoise(1.0)(x) == first).all()
    own = nn.GaussianNoise(1.0, mg.Generator().manual_seed(2))
    drawn = own(x)
    own.generator.manual_seed(2)
    assert (own(x) == drawn).all()


def test_errors() -> None:
    for std in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="must not be negative"):
            nn.GaussianNoise(std)
    with pytest.raises(TypeError, match="floating point"):
        nn.GaussianNoise(1.0)(mg.arange(3))


def test_on_the_input_it_is_an_l2_penalty() -> None:
    """``E[(w (x + n) - t)^2] = (w x - t)^2 + s^2 |w|^2`` for one linear unit."""
    mg.manual_seed(0)
    w, x, t, s = mg.tensor([1.0, -2.0, 0.5]), mg.tensor([0.3, 0.1, -1.0]), 0.7, 0.4
    rows = nn.GaussianNoise(s)(x.expand(200_000, 3))
    measured = ((rows @ w - t) ** 2).mean().item()
    formula = ((x @ w - t) ** 2).item() + s**2 * (w**2).sum().item()
    assert measured == pytest.approx(formula, rel=0.01)
    assert not np.isclose(measured, ((x @ w - t) ** 2).item(), rtol=0.2)
