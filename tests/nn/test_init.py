"""Initialization: the variances of the lectures, and structure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import init

FAN_IN, FAN_OUT = 300, 200


@pytest.mark.parametrize(
    ("set_", "variance"),
    [
        (init.xavier_normal_, 2 / (FAN_IN + FAN_OUT)),
        (init.xavier_uniform_, 2 / (FAN_IN + FAN_OUT)),
        (lambda w, **k: init.xavier_uniform_(w, gain=2.0, **k), 8 / (FAN_IN + FAN_OUT)),
        (lambda w, **k: init.kaiming_normal_(w, nonlinearity="relu", **k), 2 / FAN_IN),
        (lambda w, **k: init.kaiming_uniform_(w, nonlinearity="relu", **k), 2 / FAN_IN),
        (
            lambda w, **k: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu", **k),
            2 / FAN_OUT,
        ),
        (lambda w, **k: init.kaiming_normal_(w, a=1.0, **k), 1 / FAN_IN),
        (init.lecun_normal_, 1 / FAN_IN),
        (init.lecun_uniform_, 1 / FAN_IN),
        (init.random_walk_, 2 * math.exp(2.4 / (FAN_IN - 2.4)) / FAN_IN),
        (lambda w, **k: init.random_walk_(w, "linear", **k), math.exp(1 / FAN_IN) / FAN_IN),
        (lambda w, **k: init.normal_(w, 0.0, 0.01, **k), 1e-4),
        (lambda w, **k: init.uniform_(w, -1.0, 1.0, **k), 1 / 3),
    ],
)
def test_variance(set_: Callable[..., Any], variance: float) -> None:
    w = set_(mg.empty(FAN_OUT, FAN_IN), generator=mg.Generator().manual_seed(1))
    assert abs(w.mean().item()) < 5 * math.sqrt(variance / w.numel())
    assert w.var().item() == pytest.approx(variance, rel=0.03)
    again = set_(mg.empty(FAN_OUT, FAN_IN), generator=mg.Generator().manual_seed(1))
    assert (again == w).all()


def test_fans_of_convolutions_count_the_window() -> None:
    w = init.kaiming_normal_(mg.empty(64, 16, 3, 5), nonlinearity="relu")
    assert w.var().item() == pytest.approx(2 / (16 * 3 * 5), rel=0.06)
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_normal_(mg.empty(3))
    with pytest.raises(ValueError, match="Mode"):
        init.kaiming_normal_(mg.empty(2, 2), mode="fan")


def test_constants() -> None:
    w = mg.empty(2, 3)
    assert (init.constant_(w, 0.01) == 0.01).all()
    assert (init.ones_(w) == 1).all()
    assert (init.zeros_(w) == 0).all()
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="2 dimensions"):
        init.eye_(mg.empty(2))
    p = mg.nn.Parameter(mg.empty(3))
    init.ones_(p)  # parameters may be set though they require grad
    assert p.requires_grad
    assert p.is_leaf


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_picks_the_middle(groups: int) -> None:
    w = init.dirac_(mg.empty(4, 4 // groups, 3), groups).numpy()
    assert w.sum() == 4
    assert all(w[i, i % (4 // groups), 1] == 1 for i in range(4))
    with pytest.raises(ValueError, match="divisible"):
        init.dirac_(mg.empty(3, 3, 3), 2)
    with pytest.raises(ValueError, match="3, 4, or 5"):
        init.dirac_(mg.empty(3, 3))


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = init.orthogonal_(mg.empty(*shape, dtype=mg.float64), gain=2.0).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.allclose(product, 4 * np.eye(len(product)))
    with pytest.raises(ValueError, match="2 or more"):
        init.orthogonal_(mg.empty(3))


def test_sparse() -> None:
    w = init.sparse_(mg.empty(50, 20), 0.3, std=0.5).numpy()
    assert ((w == 0).sum(0) == 15).all()
    assert w[w != 0].std() == pytest.approx(0.5, rel=0.1)
    with pytest.raises(ValueError, match="2 dimensions"):
        init.sparse_(mg.empty(3), 0.1)


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (0.5, 0.6), (3, 5), (-9, -4), (-1, 30), (0, 1)])
def test_truncated_normal(a: float, b: float) -> None:
    x = init.trunc_normal_(mg.empty(20_000, dtype=mg.float64), a=a, b=b).numpy()
    assert x.min() >= a
    assert x.max() <= b
    grid = np.linspace(a, min(b, 12), 200_001)
    density = np.exp(-((grid**2) - min(abs(a), abs(b)) ** 2 * (a * b > 0)) / 2)
    mean = (grid * density).sum() / density.sum()
    assert x.mean() == pytest.approx(mean, abs=0.03)
    with pytest.raises(ValueError, match="a < b"):
        init.trunc_normal_(mg.empty(2), a=1, b=0)


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.1) == pytest.approx(math.sqrt(2 / 1.01))
    assert init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    with pytest.raises(ValueError, match="Unsupported"):
        init.calculate_gain("x")
    with pytest.raises(ValueError, match="not a valid number"):
        init.calculate_gain("leaky_relu", "a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'relu' and 'linear'"):
        init.random_walk_(mg.empty(2, 2), "tanh")


def test_random_walk_holds_the_gradient_through_a_deep_net() -> None:
    """Sussillo and Abbott: the logarithm of its norm does not drift."""
    width, depth, drift = 100, 60, []
    mg.manual_seed(0)
    for _ in range(8):
        x = mg.randn(1, width, dtype=mg.float64, requires_grad=True)
        y = x
        for _ in range(depth):
            y = (y @ init.random_walk_(mg.empty(width, width, dtype=mg.float64)).t()).relu()
        start = mg.randn(1, width, dtype=mg.float64)
        (g,) = mg.autograd.grad(y, x, start)
        drift.append(math.log(g.norm().item() / start.norm().item()))
    assert abs(np.mean(drift)) < 1.0
