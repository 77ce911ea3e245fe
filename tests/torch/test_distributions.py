"""Distributions: densities, moments, entropies, divergences and gradients against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minigrad as mg

RNG = np.random.default_rng(0)
LOC, LOC2 = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
SCALE, SCALE2 = RNG.uniform(0.5, 2, (4, 3)), RNG.uniform(0.5, 2, (4, 3))
PROBS = RNG.uniform(0.1, 0.9, (4, 3))
FACTOR = np.tril(RNG.normal(size=(3, 3)), -1) + np.diag([1.0, 0.5, 2.0])
SYMMETRIC = FACTOR @ FACTOR.T

#: Name, parameters of one and of another distribution, a value.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], Any]] = {
    "normal": ("Normal", {"loc": LOC, "scale": SCALE}, {"loc": LOC2, "scale": SCALE2}, LOC2),
    "uniform": (
        "Uniform", {"low": LOC, "high": LOC + SCALE},
        {"low": LOC - 0.5, "high": LOC + SCALE + np.eye(4, 3) - 0.5}, LOC + SCALE / 3,
    ),
    "bernoulli": ("Bernoulli", {"probs": PROBS}, {"logits": LOC}, np.round(PROBS)),
    "bernoulli_logits": ("Bernoulli", {"logits": LOC}, {"probs": PROBS}, np.round(PROBS)),
    "categorical": ("Categorical", {"probs": PROBS}, {"logits": LOC}, np.array([0, 2, 1, 2])),
    "categorical_logits": (
        "Categorical", {"logits": LOC}, {"probs": PROBS}, np.array([2, 0, 1, 1]),
    ),
    "one_hot": ("OneHotCategorical", {"probs": PROBS}, {"logits": LOC}, np.eye(3)[[0, 2, 1, 1]]),
    "mvn_tril": (
        "MultivariateNormal", {"loc": LOC, "scale_tril": FACTOR},
        {"loc": LOC2, "covariance_matrix": SYMMETRIC + np.eye(3)}, LOC2,
    ),
    "mvn_precision": (
        "MultivariateNormal", {"loc": LOC, "precision_matrix": SYMMETRIC},
        {"loc": LOC2, "scale_tril": FACTOR}, LOC2,
    ),
}  # fmt: skip


def _made(m: Any, name: str, given: dict[str, Any]) -> tuple[Any, list[Any]]:
    leaves = {k: m.tensor(v, dtype=m.float64, requires_grad=True) for k, v in given.items()}
    return getattr(m.distributions, name)(**leaves), list(leaves.values())


def _same(ours: Any, theirs: Any) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-7, 1e-9)


@pytest.mark.parametrize("case", CASES)
def test_everything_agrees(case: str) -> None:
    name, first, second, at = CASES[case]
    (p, leaves), (q, _) = _made(mg, name, first), _made(mg, name, second)
    (tp, t_leaves), (tq, _) = _made(torch, name, first), _made(torch, name, second)
    assert tuple(p.batch_shape) == tuple(tp.batch_shape)
    assert tuple(p.event_shape) == tuple(tp.event_shape)
    if name != "OneHotCategorical":  # of which PyTorch shows nothing
        assert repr(p).replace("minigrad", "torch") == repr(tp)
    _same(p.log_prob(mg.tensor(at)), tp.log_prob(torch.tensor(at)))
    _same(p.entropy(), tp.entropy())
    _same(mg.distributions.kl_divergence(p, q), torch.distributions.kl_divergence(tp, tq))
    if not name.startswith("Cat"):
        for what in ("mean", "variance", "stddev"):
            _same(getattr(p, what), getattr(tp, what))
    if name in ("Normal", "Uniform"):
        _same(p.cdf(mg.tensor(at)), tp.cdf(torch.tensor(at)))
        _same(p.icdf(mg.tensor(PROBS)), tp.icdf(torch.tensor(PROBS)))
    assert p.sample((2, 5)).shape == tuple(tp.sample((2, 5)).shape)
    assert p.expand((2, *p.batch_shape)).log_prob(mg.tensor(at)).shape == (2, *p.batch_shape)
    if name != "OneHotCategorical":
        (p.log_prob(mg.tensor(at)).sum() + p.entropy().sum()).backward()
        (tp.log_prob(torch.tensor(at)).sum() + tp.entropy().sum()).backward()
        for ours, theirs in zip(leaves, t_leaves, strict=True):
            _same(ours.grad, theirs.grad)


def test_certain_outcomes() -> None:
    def run(m: Any) -> list[Any]:
        d = m.distributions
        sure, fair = m.tensor([1.0, 0.0]), m.tensor([0.5, 0.5])
        kinds = (d.Categorical, d.Bernoulli)
        return [
            f(kind)
            for kind in kinds
            for f in (
                lambda k: d.kl_divergence(k(sure), k(fair)),
                lambda k: d.kl_divergence(k(fair), k(sure)),
                lambda k: k(sure).entropy(),
                lambda k: k(sure).log_prob(m.tensor([0.0, 0.0])),
                lambda k: k(fair).enumerate_support(),
            )
        ]

    for ours, theirs in zip(run(mg), run(torch), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), 1e-5, 1e-6)


def test_independent() -> None:
    def run(m: Any) -> Any:
        d = m.distributions
        p = d.Independent(d.Normal(m.tensor(LOC), m.tensor(SCALE)), 1)
        q = d.Independent(d.Normal(m.tensor(LOC2), m.tensor(SCALE2)), 1)
        return p, d.kl_divergence(p, q), p.entropy(), p.log_prob(m.tensor(LOC2))

    (p, *ours), (tp, *theirs) = run(mg), run(torch)
    for a, b in zip(ours, theirs, strict=True):
        _same(a, b)
    assert repr(p).replace("minigrad", "torch") == repr(tp)
    assert p.expand((2, 4)).rsample((5,)).shape == (5, 2, 4, 3)


BAD = [
    "d.Normal(0.0, -1.0)",
    "d.Normal(m.tensor([0.0, float('nan')]), 1.0)",
    "d.Uniform(1.0, 0.0)",
    "d.Uniform(0.0, 1.0).log_prob(m.tensor(2.0))",
    "d.Categorical()",
    "d.Categorical(probs=m.ones(2), logits=m.ones(2))",
    "d.Categorical(m.tensor(1.0))",
    "d.Categorical(m.tensor([-1.0, 3.0]))",
    "d.Categorical(logits=m.tensor([0.0, float('nan')]))",
    "d.Categorical(m.ones(3)).log_prob(m.tensor(3))",
    "d.Categorical(m.ones(5, 3)).log_prob(m.zeros(2))",
    "d.Categorical(m.ones(3)).log_prob(1)",
    "d.Bernoulli(1.5)",
    "d.Bernoulli(0.5).log_prob(m.tensor(0.5))",
    "d.OneHotCategorical(m.ones(3)).log_prob(m.ones(3))",
    "d.OneHotCategorical(m.ones(3)).log_prob(m.ones(2))",
    "d.Independent(d.Normal(0.0, 1.0), 1)",
    "d.MultivariateNormal(m.zeros(2))",
    "d.MultivariateNormal(m.zeros(2), m.tensor([[1.0, 2.0], [2.0, 1.0]]))",
    "d.MultivariateNormal(m.zeros(2), scale_tril=m.ones(2, 2))",
    "d.kl_divergence(d.Normal(0.0, 1.0), d.Bernoulli(0.5))",
]


@pytest.mark.parametrize("program", BAD)
def test_what_pytorch_refuses_is_refused(program: str) -> None:
    with pytest.raises(Exception) as theirs:
        eval(program, {"m": torch, "d": torch.distributions})
    with pytest.raises(theirs.type):
        eval(program, {"m": mg, "d": mg.distributions})
