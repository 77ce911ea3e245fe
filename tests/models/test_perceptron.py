"""The perceptron learns what a line separates, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import Perceptron, PerceptronLoss

CORNERS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


def separable(seed=0, count=60):
    """Points with a margin, their classes, and the bound on the errors."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 3))
    w, b = np.array([1.0, -2.0, 0.5]), 0.3
    distance = (x @ w + b) / np.sqrt(w @ w + b * b)
    keep = np.abs(distance) > 0.15
    x, distance = x[keep][:count], distance[keep][:count]
    longest = (x**2).sum(1).max() + 1  # the bias is the weight of an input that is always 1
    return x.astype("float32"), (distance > 0).astype("float32"), longest / 0.15**2


def test_it_comes_to_rest_on_separable_data_within_the_bound():
    x, t, bound = separable()
    unit = Perceptron(3)
    errors = unit.learn(mg.tensor(x), mg.tensor(t), epochs=500)
    assert errors[-1] == 0
    assert 0 < sum(errors) <= bound
    assert unit(mg.tensor(x)).tolist() == t.tolist()


@pytest.mark.parametrize("targets", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0]])
def test_it_learns_and_or_nand(targets):
    unit, x = Perceptron(2), mg.tensor(CORNERS)
    assert unit.learn(x, mg.tensor(targets))[-1] == 0
    assert unit(x).tolist() == targets


def test_it_never_rests_on_xor():
    unit, x, t = Perceptron(2), mg.tensor(CORNERS), mg.tensor([0.0, 1.0, 1.0, 0.0])
    errors = unit.learn(x, t, epochs=100)
    assert len(errors) == 100
    assert min(errors) > 0
    assert (unit(x) == t).sum().item() <= 3


def test_the_rule_is_gradient_descent_on_its_loss():
    x, t, _ = separable(1, 12)
    by_rule, by_gradient = Perceptron(3), Perceptron(3)
    for unit in (by_rule, by_gradient):
        unit.weight.data.copy_(mg.tensor([0.1, 0.2, -0.3]))
    by_rule.learn(mg.tensor(x), mg.tensor(t), epochs=1, lr=0.5)
    optimizer = mg.optim.SGD(by_gradient.parameters(), lr=0.5)
    for i in range(len(x)):
        optimizer.zero_grad()
        score = by_gradient.score(mg.tensor(x[i : i + 1]))
        PerceptronLoss()(score, mg.tensor(t[i : i + 1])).backward()
        optimizer.step()
    np.testing.assert_allclose(by_rule.weight.tolist(), by_gradient.weight.tolist(), rtol=1e-6)
    np.testing.assert_allclose(by_rule.bias.item(), by_gradient.bias.item(), rtol=1e-6)


def test_the_step_passes_no_gradient():
    assert not Perceptron(2)(mg.ones(1, 2, requires_grad=True)).requires_grad


def test_wrong_shapes_are_named():
    with pytest.raises(RuntimeError, match=r"\(N, 2\).*got \(4, 3\)"):
        Perceptron(2).learn(mg.ones(4, 3), mg.ones(4))
