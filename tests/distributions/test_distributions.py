"""Distributions: their samples have the moments they should, and gradients reach parameters."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg
from minigrad import distributions as d

N = 20_000

SAMPLED: dict[str, Callable[[], Any]] = {
    "normal": lambda: d.Normal(mg.tensor([1.0, -2.0]), mg.tensor([0.5, 2.0])),
    "uniform": lambda: d.Uniform(mg.tensor([0.0, -1.0]), 3.0),
    "bernoulli": lambda: d.Bernoulli(mg.tensor([0.1, 0.6])),
    "one_hot": lambda: d.OneHotCategorical(mg.tensor([[0.2, 0.8], [0.5, 0.5]])),
    "mvn": lambda: d.MultivariateNormal(mg.tensor([1.0, 2.0]), mg.tensor([[2.0, 0.6], [0.6, 1.0]])),
    "mvn_precision": lambda: d.MultivariateNormal(
        mg.zeros(2), precision_matrix=mg.tensor([[2.0, 0.6], [0.6, 1.0]])
    ),
    "independent": lambda: d.Independent(d.Normal(mg.zeros(2), mg.ones(2)), 1),
}


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_have_the_moments(name: str) -> None:
    mg.manual_seed(0)
    p = SAMPLED[name]()
    x = p.sample((N,))
    assert x.shape == (N, *p.batch_shape, *p.event_shape)
    assert not x.requires_grad
    assert mg.allclose(x.mean(0), p.mean, atol=0.05)
    assert mg.allclose(x.var(0), p.variance, rtol=0.05, atol=0.02)
    assert mg.allclose(-p.log_prob(x).mean(0), p.entropy(), atol=0.03)


def test_correlations_are_those_of_the_covariance() -> None:
    mg.manual_seed(0)
    p = SAMPLED["mvn"]()
    assert mg.allclose(mg.cov(p.sample((N,)).T), p.covariance_matrix, atol=0.06)
    assert mg.allclose(p.precision_matrix @ p.covariance_matrix, mg.eye(2), atol=1e-6)
    assert mg.allclose(p.scale_tril @ p.scale_tril.mT, p.covariance_matrix)


def test_categorical_draws_by_the_probabilities() -> None:
    mg.manual_seed(0)
    p = d.Categorical(mg.tensor([[1.0, 3.0, 0.0], [2.0, 1.0, 1.0]]))
    x = p.sample((N,))
    assert x.dtype == mg.int64
    share = mg.stack([(x == k).float().mean(0) for k in range(3)], -1)
    assert mg.allclose(share, p.probs, atol=0.02)
    assert p.mode.tolist() == [1, 0]
    assert mg.allclose(p.perplexity(), p.entropy().exp())


def test_samples_carry_gradients() -> None:
    loc, scale = mg.zeros(2, requires_grad=True), mg.ones(2, requires_grad=True)
    x = d.Normal(loc, scale).rsample()
    x.sum().backward()
    assert loc.grad.tolist() == [1.0, 1.0]
    assert mg.allclose(scale.grad, x.detach())
    with pytest.raises(NotImplementedError, match="Bernoulli has no rsample"):
        d.Bernoulli(0.5).rsample()


def test_straight_through_samples_have_the_gradient_of_the_probabilities() -> None:
    logits = mg.tensor([0.5, -0.5, 1.0], requires_grad=True)
    weight = mg.tensor([1.0, 2.0, 3.0])
    x = d.OneHotCategoricalStraightThrough(logits=logits).rsample()
    assert sorted(x.round().tolist()) == [0.0, 0.0, 1.0]
    (x * weight).sum().backward()
    got, logits.grad = logits.grad, None
    (logits.softmax(-1) * weight).sum().backward()
    assert mg.allclose(got, logits.grad)


def test_a_policy_learns_from_its_rewards() -> None:
    mg.manual_seed(0)
    logits = mg.zeros(3, requires_grad=True)
    optimizer = mg.optim.Adam([logits], lr=0.1)
    for _ in range(60):
        policy = d.Categorical(logits=logits)
        action = policy.sample((8,))
        loss = -(policy.log_prob(action) * (action == 2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert d.Categorical(logits=logits).probs[2] > 0.9


def test_checks_can_be_switched_off() -> None:
    with pytest.raises(ValueError, match=r"parameter scale .* GreaterThan"):
        d.Normal(0.0, -1.0)
    d.Normal(0.0, -1.0, validate_args=False)
    try:
        d.Distribution.set_default_validate_args(False)
        d.Normal(0.0, -1.0)
        with pytest.raises(ValueError, match="GreaterThan"):
            d.Normal(0.0, -1.0, validate_args=True)
    finally:
        d.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="True or False"):
        d.Distribution.set_default_validate_args("no")  # type: ignore[arg-type]


def test_rules_serve_subclasses_and_can_be_added() -> None:
    class Mine(d.Normal):
        """A normal distribution."""

    assert d.kl_divergence(Mine(0.0, 1.0), Mine(1.0, 1.0)).item() == 0.5
    with pytest.raises(NotImplementedError, match="p type Mine and q type Uniform"):
        d.kl_divergence(Mine(0.0, 1.0), d.Uniform(0.0, 1.0))

    with pytest.raises(TypeError, match="subclass of Distribution"):
        d.register_kl(int, d.Normal)

    @d.register_kl(Mine, d.Uniform)
    def _(p: Mine, q: d.Uniform) -> mg.Tensor:
        return mg.tensor(float("inf"))

    assert d.kl_divergence(Mine(0.0, 1.0), d.Uniform(0.0, 1.0)).isinf()


@pytest.mark.parametrize("name", SAMPLED)
def test_copies(name: str) -> None:
    p = SAMPLED[name]()
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert repr(q) == repr(p)
        assert mg.allclose(q.entropy(), p.entropy())


def test_constraints_by_themselves() -> None:
    c = d.constraints
    assert c.integer_interval(0, 2).check(mg.tensor([0.0, 1.5, 3.0])).tolist() == [
        True,
        False,
        False,
    ]
    assert c.simplex.check(mg.tensor([[0.5, 0.5], [0.5, 0.6]])).tolist() == [True, False]
    assert c.lower_cholesky.check(mg.tensor([[[1.0, 0.0], [2.0, 3.0]]])).tolist() == [True]
    assert repr(c.interval(0, 1)) == "Interval(lower_bound=0, upper_bound=1)"
