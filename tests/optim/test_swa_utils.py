"""Averages of weights."""

from __future__ import annotations

from typing import Any

import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import swa_utils


def model_with(value: float) -> Any:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.constant_(model[0].weight, value)
    model[1].running_mean.fill_(value)
    return model


def averages(values: list[float], **options: Any) -> tuple[float, float]:
    averaged = swa_utils.AveragedModel(model_with(values[0]), **options)
    for value in values:
        averaged.update_parameters(model_with(value))
    assert averaged.n_averaged.item() == len(values)
    return averaged.module[0].weight.item(), averaged.module[1].running_mean.item()


def test_equal_weights() -> None:
    for options in ({}, {"avg_fn": swa_utils.get_swa_avg_fn()},
                    {"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()}):  # fmt: skip
        assert averages([1.0, 2.0, 6.0], **options) == pytest.approx((3.0, 6.0))
    assert averages([1.0, 2.0, 6.0], use_buffers=True) == pytest.approx((3.0, 3.0))


def test_exponential_average() -> None:
    want = 0.5 * (0.5 * 1 + 0.5 * 2) + 0.5 * 6
    for options in ({"avg_fn": swa_utils.get_ema_avg_fn(0.5)},
                    {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.5)}):  # fmt: skip
        assert averages([1.0, 2.0, 6.0], **options)[0] == pytest.approx(want)


def test_the_average_is_a_model_of_its_own() -> None:
    model = model_with(1.0)
    averaged = swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    nn.init.constant_(model[0].weight, 5.0)
    assert averaged.module[0].weight.item() == 1.0
    assert set(averaged.state_dict()) == {"n_averaged"} | {
        f"module.{k}" for k in model.state_dict()
    }
    other = swa_utils.AveragedModel(model_with(0.0))
    other.load_state_dict(averaged.state_dict())
    assert other.n_averaged.item() == 1
    with pytest.raises(AssertionError, match="Only one of"):
        swa_utils.AveragedModel(model, avg_fn=max, multi_avg_fn=max)
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"Invalid decay value 1\.5"):
            make(1.5)


def test_update_bn_counts_all_batches_the_same() -> None:
    model = nn.Sequential(nn.BatchNorm1d(1, momentum=0.3), nn.Dropout(0.5))
    model.eval()
    batches = [(mg.tensor([[0.0], [2.0]]), "label"), [mg.tensor([[5.0], [5.0]])]]
    swa_utils.update_bn(batches, model, device="cpu")
    assert model[0].running_mean.tolist() == [3.0]
    assert model[0].running_var.tolist() == [1.0]
    assert model[0].momentum == 0.3
    assert not model.training
    swa_utils.update_bn(iter(()), nn.Linear(1, 1))  # nothing to do


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_swalr_goes_to_its_rate_and_stays(strategy: str) -> None:
    opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    schedule = swa_utils.SWALR(opt, 0.2, anneal_epochs=4, anneal_strategy=strategy)
    opt.step()
    rates = [schedule.get_last_lr()[0]]
    for _ in range(6):
        schedule.step()
        rates += schedule.get_last_lr()
    assert rates[0] == 1.0
    assert rates[2] == pytest.approx(0.6)
    assert rates[4:] == pytest.approx([0.2] * 3)
    with pytest.raises(ValueError, match="'cos' or 'linear'"):
        swa_utils.SWALR(opt, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="equal or greater than 0"):
        swa_utils.SWALR(opt, 0.1, anneal_epochs=-1)
