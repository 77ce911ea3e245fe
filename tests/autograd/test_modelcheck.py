"""The gradient check of whole networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn
from minigrad.autograd import Function
from minigrad.autograd.modelcheck import check_model
from minigrad.nn.functional import cross_entropy

TARGET = mg.tensor([0, 1, 2, 1, 0, 2])


def batch() -> Tensor:
    return mg.tensor(np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32))


def network() -> Any:
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.3), nn.Linear(7, 3)
    )


def loss(logits: Tensor) -> Tensor:
    return cross_entropy(logits, TARGET)


def test_every_parameter_is_checked() -> None:
    model = network()
    rows = check_model(model, loss, batch())
    assert [r.name for r in rows] == [n for n, _ in model.named_parameters()]
    assert [r.layer for r in rows] == ["Linear"] * 2 + ["BatchNorm1d"] * 2 + ["Linear"] * 2
    assert all(r.ok for r in rows), rows
    assert all(r.error < 1e-5 for r in rows)
    assert rows[0].checked == 8
    assert rows[-1].checked == 3


def test_the_model_and_the_random_state_do_not_change() -> None:
    model = network()
    before = {k: v.array.copy() for k, v in model.state_dict().items()}
    mg.manual_seed(5)
    state = mg.get_rng_state().tolist()
    check_model(model, loss, batch())
    assert mg.get_rng_state().tolist() == state
    assert model.training
    for k, v in model.state_dict().items():
        np.testing.assert_array_equal(v.array, before[k])
        assert v.array.dtype == before[k].dtype
    assert all(p.grad is None for p in model.parameters())


def test_inputs_that_require_grad_are_checked_too() -> None:
    rows = check_model(network(), loss, batch().requires_grad_())
    assert rows[-1].name == "input 0"
    assert rows[-1].ok


def test_frozen_parameters_are_left_out() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    rows = check_model(model, loss, batch())
    assert "0.weight" not in [r.name for r in rows]
    assert all(r.ok for r in rows)


class Wrong(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 0.9


class WrongLayer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Wrong.apply(x)


def test_a_wrong_gradient_is_found_where_it_passes() -> None:
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), WrongLayer(), nn.Linear(7, 3))
    rows = {r.name: r for r in check_model(model, loss, batch())}
    assert not rows["0.weight"].ok
    assert not rows["0.bias"].ok
    assert rows["2.weight"].ok
    assert rows["2.bias"].ok
    bad = rows["0.weight"]
    assert bad.error > 1e-2
    assert bad.analytic != pytest.approx(bad.numeric, rel=1e-3)


def test_kinks_are_left_out() -> None:
    class Shifted(nn.Module):
        """Exactly at the kink of relu where the bias is 0."""

        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(mg.tensor([0.0, 0.5]))

        def forward(self, x: Tensor) -> Tensor:
            return (x * 0 + self.bias).relu()

    (row,) = check_model(Shifted(), lambda y: y.sum(), mg.ones(3, 2))
    assert row.ok
    assert (row.checked, row.kinks) == (1, 1)


def test_the_loss_must_be_a_number() -> None:
    with pytest.raises(ValueError, match=r"one number, got shape \[6, 3\]"):
        check_model(network(), lambda y: y, batch())
