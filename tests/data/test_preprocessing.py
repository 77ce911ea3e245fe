"""Preprocessing of graphs, spectra and rewards, held to numpy."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.preprocessing import RewardNormalizer, normalize_adjacency, normalize_spectrogram


@pytest.mark.parametrize("loops", [False, True])
def test_adjacency_by_degrees(loops: bool) -> None:
    rng = np.random.default_rng(0)
    a = (rng.random((3, 5, 5)) < 0.4).astype(np.float64)
    a = np.triu(a, 1) + np.triu(a, 1).transpose(0, 2, 1)
    a[:, 2, :] = a[:, :, 2] = 0  # a node without edges
    full = a + np.eye(5) if loops else a
    degree = full.sum(-1)
    with np.errstate(divide="ignore"):
        root = np.where(degree > 0, degree**-0.5, 0)
        one = np.where(degree > 0, 1 / degree, 0)
    both = normalize_adjacency(mg.tensor(a), self_loops=loops)
    np.testing.assert_allclose(both.numpy(), root[..., None] * full * root[..., None, :])
    means = normalize_adjacency(mg.tensor(a), self_loops=loops, symmetric=False).numpy()
    np.testing.assert_allclose(means, one[..., None] * full)
    assert np.isin(means.sum(-1).round(12), (0, 1)).all()


def test_the_largest_eigenvalue_is_one() -> None:
    """So that features keep their size however often they pass."""
    rng = np.random.default_rng(1)
    a = np.triu(rng.random((8, 8)), 1)
    values = np.linalg.eigvalsh(normalize_adjacency(mg.tensor(a + a.T)).numpy())
    assert values.max() == pytest.approx(1)
    assert values.min() > -1


def test_spectra() -> None:
    rng = np.random.default_rng(0)
    power = rng.random((2, 4, 50)) * 10.0 ** np.array([3, 0, -3, -6])[:, None]
    power[1, 3] = 0  # silence
    y = normalize_spectrogram(mg.tensor(power)).numpy()
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(-1)[:, :3], 1)
    assert (y[1, 3] == 0).all()
    x = mg.tensor(power, requires_grad=True)
    normalize_spectrogram(x).square().sum().backward()
    assert x.grad.isfinite().all()


def test_rewards_count_in_deviations_of_returns() -> None:
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(3, 50, 400), rng.random(400) < 0.05
    normal, returns, running = RewardNormalizer(0.9), [], 0.0
    for reward, end in zip(rewards, ends, strict=True):
        running = 0.9 * running + reward
        returns.append(running)
        given = normal(reward, bool(end))
        if len(returns) > 1:
            assert given == pytest.approx(reward / np.std(returns), rel=1e-6)
        running = 0.0 if end else running
    again = RewardNormalizer(0.9)
    again.load_state_dict(normal.state_dict())
    assert again(1.0) == normal(1.0)


def test_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"expected \(\*, N, N\), got \[2, 3\]"):
        normalize_adjacency(mg.ones(2, 3))
    with pytest.raises(ValueError, match="must not be negative"):
        normalize_adjacency(-mg.ones(2, 2))
    with pytest.raises(ValueError, match=r"expected \(\*, frequencies, times\), got \[4\]"):
        normalize_spectrogram(mg.ones(4))
    with pytest.raises(ValueError, match="floor must be positive"):
        normalize_spectrogram(mg.ones(4, 4), floor=0.0)
    with pytest.raises(ValueError, match="less than 1, got 1"):
        RewardNormalizer(1)
    with pytest.raises(ValueError, match="expected a finite reward"):
        RewardNormalizer()(float("nan"))
