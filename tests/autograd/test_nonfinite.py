"""A loss that is not finite says so: once, in a line, with layer, operation and what is likely."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.autograd.nonfinite import NonFiniteWarning
from minigrad.nn import functional as F


@pytest.fixture(autouse=True)
def _fresh() -> None:
    mg.manual_seed(0)
    w = mg.ones(1, requires_grad=True)
    (w * 1).sum().backward()  # a loss that is finite: what was said before is forgotten


def said(function: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", NonFiniteWarning)
        function()
    return [str(w.message) for w in caught]


def test_a_logarithm_of_zero() -> None:
    w = mg.tensor([0.0, 1.0], requires_grad=True)
    (text,) = said(lambda: w.log().sum().backward())
    assert "the loss is infinite in backward pass" in text
    assert "operation log; likely the logarithm of 0" in text
    assert "\n" not in text


def test_a_division_and_an_exponential() -> None:
    w = mg.tensor([0.0], requires_grad=True)
    assert "operation div; likely a division by 0" in said(lambda: (w / w).sum().backward())[0]
    _fresh_loss()
    assert (
        "operation exp; likely a number too large"
        in said(lambda: (w + 1000).exp().sum().backward())[0]
    )


def _fresh_loss() -> None:
    (mg.ones(1, requires_grad=True) * 1).sum().backward()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
        self.head = nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x))


@pytest.mark.parametrize("kind", ["mlp", "rnn"])
def test_a_learning_rate_that_is_too_large(kind: str) -> None:
    """Said once though training goes on, with the step and the layer."""
    net: Any = Net()
    x, y = mg.randn(32, 4), mg.randn(32, 1)
    if kind == "rnn":
        net.body, x = nn.RNN(4, 16, nonlinearity="relu", batch_first=True), mg.randn(32, 6, 4)
        net.forward = lambda x: net.head(net.body(x)[0][:, -1])
    optimizer = optim.SGD(net.parameters(), lr=1e4)

    def train() -> None:
        for _ in range(30):
            optimizer.zero_grad()
            F.mse_loss(net(x), y).backward()
            optimizer.step()

    (text,) = said(train)
    assert "backward pass" in text
    assert "learning rate" in text
    assert "(Linear)" in text or "(RNN)" in text or "mse_loss" in text


def test_the_layer_is_named_by_its_path() -> None:
    net = Net()
    with mg.no_grad():
        net.body[2].weight[0, 0] = float("nan")
    (text,) = said(lambda: net(mg.randn(8, 4)).sum().backward())
    assert "a parameter that is read in body.2 (Linear), operation linear is not finite" in text


def test_data_that_is_not_finite() -> None:
    net = Net()
    x = mg.randn(8, 4)
    x[2, 1] = float("inf")
    (text,) = said(lambda: net(x).mean().backward())
    assert "the data that is read in body.0 (Linear), operation linear is not finite" in text


def test_masks_of_infinity_are_no_fault() -> None:
    w = mg.randn(4, 4, requires_grad=True)
    masked = w.masked_fill(mg.ones(4, 4).triu(1).bool(), float("-inf"))
    assert said(lambda: masked.softmax(-1).sum().backward()) == []


def test_said_again_after_a_loss_that_was_finite() -> None:
    w = mg.tensor([0.0], requires_grad=True)
    assert len(said(lambda: [w.log().sum().backward() for _ in range(3)])) == 1
    _fresh_loss()
    assert len(said(lambda: w.log().sum().backward())) == 1


def test_it_can_be_an_error_or_nothing() -> None:
    w = mg.tensor([0.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NonFiniteWarning)
        with pytest.raises(NonFiniteWarning, match="the loss is infinite"):
            w.log().sum().backward()
    _fresh_loss()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", NonFiniteWarning)
        w.log().sum().backward()
    assert caught == []


def test_graphs_of_functions_of_users() -> None:
    class Twice(mg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * float("inf")

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    w = mg.ones(2, requires_grad=True)
    (text,) = said(lambda: Twice.apply(w).sum().backward())
    assert "the loss is infinite" in text
