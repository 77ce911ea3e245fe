"""Multilayer perceptrons: layers, initialization, gradients at depth."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.models import MLP, initialize


def kinds(net):
    return [type(m).__name__ for m in net]


def test_layers():
    assert kinds(MLP([3, 2])) == ["Linear"]
    full = MLP([4, 5, 6, 2], "tanh", norm=nn.BatchNorm1d, dropout=0.1)
    assert kinds(full) == [*["Linear", "BatchNorm1d", "Tanh", "Dropout"] * 2, "Linear"]
    assert [m.out_features for m in full if isinstance(m, nn.Linear)] == [5, 6, 2]
    assert sum(p.numel() for p in MLP([784, 100, 10]).parameters()) == 79510
    assert not any(n.endswith("bias") for n, _ in MLP([2, 3, 4], bias=False).named_parameters())


def test_activation_by_class_is_made_anew_for_each_layer():
    net = MLP([2, 3, 4, 1], nn.PReLU)
    assert net[1] is not net[3]
    assert kinds(net)[1] == "PReLU"


def test_initialization():
    net = MLP([50, 400, 300], "relu", init="kaiming_normal")
    assert net[0].weight.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.05)
    assert net[2].weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.05)
    assert all(m.bias.abs().max().item() == 0 for m in net if isinstance(m, nn.Linear))
    zero = MLP([3, 4, 2], init=nn.init.zeros_)
    assert all(p.abs().max().item() == 0 for p in zero.parameters())


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match="unknown activation 'swoosh'; known: elu"):
        MLP([1, 2, 3], "swoosh")
    with pytest.raises(ValueError, match="no 'cold_'"):
        initialize(MLP([1, 2]), "cold")
    with pytest.raises(ValueError, match="sizes of input and output"):
        MLP([1])


def test_gradients_reach_the_first_of_twenty_layers():
    mg.manual_seed(0)
    net = MLP([8] * 21, "tanh", init="xavier_normal")
    net(mg.randn(16, 8)).square().sum().backward()
    norms = np.array([m.weight.grad.norm().item() for m in net if isinstance(m, nn.Linear)])
    assert np.isfinite(norms).all()
    assert (norms > 1e-4).all()


def test_it_learns_xor_if_it_is_not_linear():
    x = mg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t = mg.tensor([[0.0], [1.0], [1.0], [0.0]])
    right = {}
    for activation in ("tanh", "identity"):
        mg.manual_seed(1)
        net = MLP([2, 8, 1], activation, init="xavier_uniform")
        optimizer = mg.optim.Adam(net.parameters(), lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(net(x), t).backward()
            optimizer.step()
        right[activation] = ((net(x) > 0).float() == t).sum().item()
    assert right["tanh"] == 4
    assert right["identity"] <= 3
