"""Schedules against their closed forms, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg
from minigrad import optim
from minigrad.optim import lr_scheduler as ls

MAKE: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda o: ls.LambdaLR(o, lambda e: 1 / (e + 1)),
    "MultiplicativeLR": lambda o: ls.MultiplicativeLR(o, lambda e: 0.9),
    "StepLR": lambda o: ls.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: ls.MultiStepLR(o, [2, 5, 5], 0.5),
    "ConstantLR": lambda o: ls.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda o: ls.LinearLR(o, 0.25, 0.75, 4),
    "ExponentialLR": lambda o: ls.ExponentialLR(o, math.exp(-0.1)),
    "InverseTimeLR": lambda o: ls.InverseTimeLR(o, 0.5),
    "PolynomialLR": lambda o: ls.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda o: ls.CosineAnnealingLR(o, 5, 0.1),
    "CosineAnnealingWarmRestarts": lambda o: ls.CosineAnnealingWarmRestarts(o, 2, 2),
    "CyclicLR": lambda o: ls.CyclicLR(o, 0.1, 1.0, 3, 2, "triangular2"),
    "OneCycleLR": lambda o: ls.OneCycleLR(o, 1.0, 30, three_phase=True),
}
CLOSED: dict[str, Callable[[int], float]] = {
    "LambdaLR": lambda t: 1 / (t + 1),
    "MultiplicativeLR": lambda t: 0.9**t,
    "StepLR": lambda t: 0.5 ** (t // 3),
    "MultiStepLR": lambda t: 0.5 ** ((t >= 2) + 2 * (t >= 5)),
    "ConstantLR": lambda t: 0.5 if t < 4 else 1.0,
    "LinearLR": lambda t: 0.25 + 0.5 * min(t, 4) / 4,
    "ExponentialLR": lambda t: math.exp(-0.1 * t),
    "InverseTimeLR": lambda t: 1 / (1 + 0.5 * t),
    "PolynomialLR": lambda t: (1 - min(t, 8) / 8) ** 2,
    "CosineAnnealingLR": lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * t / 5)) / 2,
}


def optimizer(lr: Any = 1.0, **options: Any) -> Any:
    p = mg.zeros(1, requires_grad=True)
    q = mg.zeros(1, requires_grad=True)
    return optim.SGD([{"params": [p]}, {"params": [q], "lr": 10.0}], lr=lr, momentum=0.9, **options)


def rates(schedule: Any, steps: int) -> list[list[float]]:
    seen = [list(schedule.get_last_lr())]
    for _ in range(steps):
        schedule.optimizer.step()
        schedule.step()
        seen.append(list(schedule.get_last_lr()))
    return seen


@pytest.mark.parametrize("name", CLOSED)
def test_recursion_is_the_closed_form(name: str) -> None:
    want = [CLOSED[name](t) for t in range(13)]
    seen = rates(MAKE[name](optimizer()), 12)
    assert [r[0] for r in seen] == pytest.approx(want, abs=1e-12)
    if name != "CosineAnnealingLR":  # whose minimum is no factor
        assert [r[1] for r in seen] == pytest.approx([10 * w for w in want], abs=1e-11)


@pytest.mark.parametrize("name", CLOSED)
def test_step_to_an_epoch_uses_the_closed_form(name: str) -> None:
    schedule = MAKE[name](optimizer())
    if name == "MultiplicativeLR":
        return
    schedule.optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(7)
    assert schedule.get_last_lr()[0] == pytest.approx(CLOSED[name](7))


@pytest.mark.parametrize("name", MAKE)
def test_state_continues_even_through_json(name: str) -> None:
    whole = rates(MAKE[name](optimizer()), 20)
    first = MAKE[name](optimizer())
    rates(first, 9)
    second = MAKE[name](optimizer())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.optimizer.step()
    assert rates(second, 11) == whole[9:]


def test_rates_kept_in_tensors_are_written_in_place() -> None:
    rate = mg.tensor(1.0, dtype=mg.float64)
    opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=rate)
    schedule = ls.StepLR(opt, 1, 0.5)
    opt.step()
    schedule.step()
    assert opt.param_groups[0]["lr"] is rate
    assert rate.item() == 0.5
    assert schedule.base_lrs[0].item() == 1.0


def test_sequence_of_schedules() -> None:
    opt = optimizer()
    parts = [ls.ConstantLR(opt, 0.1, 100), ls.ExponentialLR(opt, 0.5)]
    schedule = ls.SequentialLR(opt, parts, [3])
    assert [r[0] for r in rates(schedule, 5)] == pytest.approx([0.1] * 3 + [1, 0.5, 0.25])


def test_chained_schedules_multiply() -> None:
    opt = optimizer()
    schedule = ls.ChainedScheduler([ls.ConstantLR(opt, 0.1, 2), ls.ExponentialLR(opt, 0.5)])
    assert [r[0] for r in rates(schedule, 3)] == pytest.approx([0.1, 0.05, 0.25, 0.125])
    other = optimizer()
    copy = ls.ChainedScheduler([ls.ConstantLR(other, 0.1, 2), ls.ExponentialLR(other, 0.5)])
    other.load_state_dict(opt.state_dict())
    copy.load_state_dict(schedule.state_dict())
    other.step()
    opt.step()
    schedule.step()
    copy.step()
    assert copy.get_last_lr() == schedule.get_last_lr()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateau(mode: str, threshold_mode: str) -> None:
    opt = optimizer()
    schedule = ls.ReduceLROnPlateau(
        opt, mode, 0.5, patience=1, threshold=0.1, threshold_mode=threshold_mode,
        cooldown=1, min_lr=[0.2, 4.0],
    )  # fmt: skip
    sign = 1 if mode == "min" else -1
    seen = []
    for metric in (10, 5, 4.99, 4.99, 4.99, 4.99, 4.99, 4.99, 4.99, 3, 3):
        schedule.step(metric if sign == 1 else 20 - metric)
        seen.append(schedule.get_last_lr()[:])
    first = [s[0] for s in seen]
    if mode == "max" and threshold_mode == "rel":
        assert first == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25]
    else:
        assert first[:9] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert seen[-1][1] == 4.0


def test_plateau_takes_tensors_and_continues() -> None:
    one, two = (ls.ReduceLROnPlateau(optimizer(), patience=0) for _ in range(2))
    one.step(mg.tensor(1.0))
    one.step(mg.tensor(1.0))
    two.load_state_dict(one.state_dict())
    assert two.best == 1.0
    assert two.get_last_lr() == pytest.approx([0.1, 1.0])


def test_momentum_moves_against_the_rate() -> None:
    opt = optimizer()
    schedule = ls.OneCycleLR(opt, 1.0, 10, base_momentum=0.5, max_momentum=0.8)
    seen = []
    for _ in range(9):
        seen.append((opt.param_groups[0]["lr"], opt.param_groups[0]["momentum"]))
        opt.step()
        schedule.step()
    assert max(seen)[1] == pytest.approx(0.5)
    assert min(seen)[1] == pytest.approx(0.8, abs=1e-2)
    adam = optim.Adam([mg.zeros(1, requires_grad=True)])
    ls.CyclicLR(adam, 0.1, 1.0, max_momentum=0.7)
    assert adam.param_groups[0]["betas"] == (0.7, 0.999)


def test_end_of_the_cycle() -> None:
    schedule = ls.OneCycleLR(optimizer(), 1.0, 3)
    rates(schedule, 3)
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        schedule.step()


class Rate:
    """A callable with a state of its own."""

    def __init__(self) -> None:
        self.power = 1

    def __call__(self, x: float) -> float:
        return 0.5**self.power


def test_attributes_of_callables_are_saved() -> None:
    for build in (
        lambda f: ls.LambdaLR(optimizer(), [f, lambda e: 1.0]),
        lambda f: ls.CyclicLR(optimizer(), 0.1, 1.0, scale_fn=f),
    ):
        old, new = Rate(), Rate()
        old.power = 3
        build(new).load_state_dict(build(old).state_dict())
        assert new.power == 3


def test_order_of_calls() -> None:
    schedule = ls.StepLR(optimizer(), 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda o: ls.StepLR(3, 1), TypeError, "is not an Optimizer"),
        (lambda o: ls.StepLR(o, 1, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: ls.LambdaLR(o, [abs]), ValueError, "Expected 2 lr_lambdas"),
        (lambda o: ls.MultiplicativeLR(o, 3), TypeError, "should be a function"),
        (lambda o: ls.ConstantLR(o, 2.0), ValueError, "between 0 and 1"),
        (lambda o: ls.LinearLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: ls.LinearLR(o, 0.5, 2.0), ValueError, "Ending multiplicative"),
        (lambda o: ls.InverseTimeLR(o, -1.0), ValueError, "non-negative k"),
        (lambda o: ls.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be"),
        (lambda o: ls.ReduceLROnPlateau(o, "med"), ValueError, "mode med is unknown"),
        (lambda o: ls.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold mode x"),
        (lambda o: ls.ReduceLROnPlateau(o, min_lr=[1.0]), ValueError, "expected 2 min_lrs"),
        (lambda o: ls.CyclicLR(o, [0.1], 1.0), ValueError, "same length"),
        (lambda o: ls.CyclicLR(o, 0.1, 1.0, mode="x"), ValueError, "mode is invalid"),
        (lambda o: ls.OneCycleLR(o, 1.0), ValueError, "total_steps OR"),
        (lambda o: ls.OneCycleLR(o, 1.0, 0), ValueError, "positive integer total_steps"),
        (lambda o: ls.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=-1), ValueError, "steps_per"),
        (lambda o: ls.OneCycleLR(o, 1.0, 9, pct_start=2.0), ValueError, "pct_start"),
        (lambda o: ls.OneCycleLR(o, 1.0, 9, anneal_strategy="x"), ValueError, "'cos' or 'linear'"),
        (lambda o: ls.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
        (lambda o: ls.CosineAnnealingWarmRestarts(o, 1, 0), ValueError, "T_mult >= 1"),
        (lambda o: ls.ChainedScheduler([]), ValueError, "at least one"),
        (lambda o: ls.SequentialLR(o, [], []), ValueError, "at least one"),
        (lambda o: ls.SequentialLR(o, [ls.StepLR(o, 1)], [3]), ValueError, "one more than"),
        (
            lambda o: ls.ChainedScheduler([ls.ReduceLROnPlateau(o)]),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
        (
            lambda o: ls.ChainedScheduler([ls.StepLR(o, 1), ls.StepLR(optimizer(), 1)]),
            ValueError,
            "same optimizer",
        ),
    ],
)
def test_refused(build: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build(optimizer())


def test_cycle_needs_a_momentum() -> None:
    opt = optim.Adagrad([mg.zeros(1, requires_grad=True)])
    with pytest.raises(ValueError, match="must support momentum"):
        ls.OneCycleLR(opt, 1.0, 10)
    ls.OneCycleLR(opt, 1.0, 10, cycle_momentum=False)


# -- the lectures' own -----------------------------------------------------------------------------


def test_halve_on_worse_compares_with_the_epoch_before() -> None:
    schedule = ls.HalveOnWorse(optimizer(), min_lr=[0.3, 0.0])
    seen = []
    for error in (3.0, 2.0, 2.5, 2.25, 2.25, math.nan, 2.25, 2.5):
        schedule.step(error)
        seen.append(schedule.get_last_lr()[:])
    assert [r[0] for r in seen] == [1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]
    assert [r[1] for r in seen] == [10, 10, 5, 5, 5, 2.5, 2.5, 1.25]
    other = ls.HalveOnWorse(optimizer())
    other.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert other.best == 2.5


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_momentum_schedule(kind: str) -> None:
    opt = getattr(optim, kind)([mg.zeros(1, requires_grad=True)], lr=0.5)
    schedule = ls.MomentumSchedule(opt, 0.5, 0.9, switch=2, rise=2)
    decay = ls.ExponentialLR(opt, 0.5)
    opt.step()
    seen = []
    for _ in range(6):
        group = opt.param_groups[0]
        seen.append(group["momentum"] if kind == "SGD" else group["betas"][0])
        schedule.step()
        decay.step()
    assert seen == pytest.approx([0.5, 0.5, 0.5, 0.7, 0.9, 0.9])
    assert opt.param_groups[0]["lr"] == 0.5**7
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(0)
    assert schedule.get_momentum() == 0.5


def test_momentum_schedule_may_jump_and_is_refused() -> None:
    schedule = ls.MomentumSchedule(optimizer(), switch=1)
    schedule.optimizer.step()
    assert schedule.optimizer.param_groups[1]["momentum"] == 0.5
    schedule.step()
    assert schedule.optimizer.param_groups[1]["momentum"] == 0.9
    opt = optim.Adagrad([mg.zeros(1, requires_grad=True)])
    with pytest.raises(ValueError, match="Adagrad has neither"):
        ls.MomentumSchedule(opt)
    with pytest.raises(ValueError, match="later between 0 and 1"):
        ls.MomentumSchedule(optimizer(), later=1.0)
    with pytest.raises(ValueError, match="non-negative rise"):
        ls.MomentumSchedule(optimizer(), rise=-1)
