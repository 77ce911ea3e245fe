"""Steps of every optimizer, schedules, averages and clipping, done again from what was heard."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, optim
from minigrad.optim import lr_scheduler, swa_utils
from tests.capture.again import recorded, same_bits

#: Options with which each has all of its state.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "ASGD": [{"t0": 1.0}],
    "Adadelta": [{"lr": 1.0, "weight_decay": 0.1}],
    "Adagrad": [{"lr_decay": 0.1, "initial_accumulator_value": 0.1}],
    "Adam": [{}, {"amsgrad": True, "weight_decay": 0.1, "maximize": True}],
    "AdamW": [{"weight_decay": 0.1}],
    "Adamax": [{}],
    "BacktrackingGD": [{"lr": 4.0}],
    "LBFGS": [{"lr": 0.1, "max_iter": 4}, {"max_iter": 4, "line_search_fn": "strong_wolfe"}],
    "NAdam": [{}],
    "RAdam": [{"lr": 0.1}],
    "RMSprop": [{"momentum": 0.9, "centered": True}],
    "Rprop": [{}],
    "SGD": [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}],
    "SeveralRatesGD": [{"rates": (0.0, 0.1, 1.0)}],
}
#: Which decide by the values of losses; the others read nothing.
DECIDING = {"BacktrackingGD", "LBFGS", "SeveralRatesGD"}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


def _network() -> nn.Module:
    mg.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def _data() -> tuple[mg.Tensor, mg.Tensor]:
    return mg.randn(6, 3), mg.randn(6, 2)


def _state(model: nn.Module, *optimizers: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(model.named_parameters()) | dict(model.named_buffers())
    found |= {f"{n}.grad": p.grad for n, p in model.named_parameters() if p.grad is not None}
    for i, optimizer in enumerate(optimizers):
        found[f"state {i}"] = list(optimizer.state.values())
    return found


def test_all_are_here() -> None:
    classes = {
        n for n in optim.__all__
        if inspect.isclass(c := getattr(optim, n)) and issubclass(c, optim.Optimizer)
    }  # fmt: skip
    assert classes - {"Optimizer"} == set(OPTIONS)


@pytest.mark.parametrize("started", [True, False], ids=["with its state", "from the first step"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_three_steps(name: str, options: dict[str, Any], started: bool) -> None:
    model = _network()
    x, t = _data()
    optimizer = getattr(optim, name)(model.parameters(), **options)

    def closure() -> mg.Tensor:
        optimizer.zero_grad()
        loss: mg.Tensor = F.mse_loss(model(x), t)
        loss.backward()
        return loss

    def steps() -> Any:
        if name in DECIDING:
            return [optimizer.step(closure) for _ in range(3)]
        losses = []
        for _ in range(3):
            losses.append(closure())
            optimizer.step()
        return losses

    if started:
        steps()
    before = [p.array.copy() for p in model.parameters()]
    seen, losses = recorded([model, optimizer, x, t], steps)
    assert bool(seen.reads) == (name in DECIDING)
    assert not all(np.array_equal(p.array, b) for p, b in zip(model.parameters(), before))
    again = seen.replay()
    assert same_bits(again, [_state(model, optimizer), losses]) > 8


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - DECIDING))
def test_a_step_on_other_data(name: str) -> None:
    """Nothing of what a step computes was fixed when it was written down."""
    x, t = _data()
    runs = []
    for data in (x, x + 1):
        model = _network()
        optimizer = getattr(optim, name)(model.parameters(), **OPTIONS[name][-1])
        runs.append((model, optimizer, data))

    def steps(model: nn.Module, optimizer: Any, data: mg.Tensor) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(model(data), t).backward()
            optimizer.step()

    for run in runs:
        steps(*run)
    (model, optimizer, _), (other, other_optimizer, data) = runs
    # both go on from the same place, one of them only from what was heard
    other.load_state_dict(model.state_dict())
    other_optimizer.load_state_dict(optimizer.state_dict())
    seen, _ = recorded([model, optimizer, x, t], lambda: steps(model, optimizer, x))
    steps(other, other_optimizer, data)
    again = seen.replay({x: data.array})
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(again.value(p), q.array)


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 2),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o), lr_scheduler.StepLR(o, 2)], [2]
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str) -> None:
    model = _network()
    x, t = _data()
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    schedule = SCHEDULES[name](optimizer)

    def steps() -> None:
        for _ in range(4):
            optimizer.zero_grad()
            F.mse_loss(model(x), t).backward()
            optimizer.step()
            schedule.step()

    seen, _ = recorded([model, optimizer, x, t], steps)
    rates = {e.event.params[0]["lr"] for e in seen.events if e.event.door == "update"}
    assert len(rates) > 1
    same_bits(seen.replay(), _state(model, optimizer))


AVERAGES: dict[str, dict[str, Any]] = {
    "SWA": {},
    "SWA by a function": {"avg_fn": swa_utils.get_swa_avg_fn()},
    "EMA": {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)},
    "EMA by a function": {"avg_fn": swa_utils.get_ema_avg_fn(0.9), "use_buffers": True},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages(name: str) -> None:
    model = nn.Sequential(_network(), nn.BatchNorm1d(2))
    x, t = _data()
    optimizer = optim.Adam(model.parameters(), 0.1)
    averaged = swa_utils.AveragedModel(model, **AVERAGES[name])

    def steps() -> None:
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(model(x), t).backward()
            optimizer.step()
            averaged.update_parameters(model)

    seen, _ = recorded([model, averaged, optimizer, x, t], steps)
    again = seen.replay()
    same_bits(again, _state(model, optimizer))
    same_bits(again, _state(averaged))


CLIPS: dict[str, Callable[[Any], Any]] = {
    "norm": lambda ps: nn.utils.clip_grad_norm_(ps, 0.1),
    "largest": lambda ps: nn.utils.clip_grad_norm_(ps, 0.01, norm_type=float("inf")),
    "value": lambda ps: nn.utils.clip_grad_value_(ps, 0.01),
}


@pytest.mark.parametrize("name", CLIPS)
def test_clipping_of_gradients_from_two_passes_in_groups(name: str) -> None:
    model = _network()
    x, t = _data()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "lr": 0.5}]
    optimizer = optim.AdamW(groups, lr=0.1, weight_decay=0.0)

    def steps() -> Any:
        norms = []
        for _ in range(3):
            optimizer.zero_grad(set_to_none=False)
            for part in range(2):
                here = slice(3 * part, 3 * part + 3)
                (F.mse_loss(model(x[here]), t[here]) / 2).backward()
            norms.append(CLIPS[name](model.parameters()))
            optimizer.step()
        return norms

    seen, norms = recorded([model, optimizer, x, t], steps)
    assert not seen.reads
    same_bits(seen.replay(), [_state(model, optimizer), norms])


@pytest.mark.parametrize("kind", [mg.float16, mg.float64])
def test_other_types(kind: Any) -> None:
    model = _network().to(kind)
    x, t = (v.to(kind) for v in _data())
    optimizer = optim.Adam(model.parameters(), 0.1)

    def steps() -> None:
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(model(x), t).backward()
            optimizer.step()

    seen, _ = recorded([model, optimizer, x, t], steps)
    same_bits(seen.replay(), _state(model, optimizer))


def test_penalties() -> None:
    model = _network()
    x, t = _data()
    weights = [*model.parameters()]
    optimizer = optim.SGD(weights, 0.1)

    def steps() -> None:
        for _ in range(2):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), t)
            loss = loss + 0.1 * (optim.l1_penalty(weights) + optim.l2_penalty(weights))
            loss.backward()
            optimizer.step()

    seen, _ = recorded([model, optimizer, x, t], steps)
    same_bits(seen.replay(), _state(model, optimizer))
