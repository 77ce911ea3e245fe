"""Every schedule against PyTorch's, for 60 steps, alone and combined."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim

torch = pytest.importorskip("torch")

Build = Callable[[Any, Any], Any]

CASES: dict[str, Build] = {
    "lambda": lambda s, o: s.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 + 0.001 * e),
    "step": lambda s, o: s.StepLR(o, 7, 0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [30, 10, 10, 50], 0.3),
    "constant": lambda s, o: s.ConstantLR(o, 0.3, 11),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.8, 13),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "polynomial": lambda s, o: s.PolynomialLR(o, 40, 1.7),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 9, 0.003),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.003),
    "restarts once": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "triangular": lambda s, o: s.CyclicLR(o, 0.01, 0.5, 6),
    "triangular2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.5, 6, 4, "triangular2"),
    "exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.5, 5, mode="exp_range", gamma=0.99),
    "scaled": lambda s, o: s.CyclicLR(o, 0.01, 0.5, 5, scale_fn=lambda x: 0.5**x),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.5, 60),
    "one cycle linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.7], epochs=6, steps_per_epoch=10, anneal_strategy="linear", three_phase=True
    ),
    "one cycle alone": lambda s, o: s.OneCycleLR(o, 0.5, 70, cycle_momentum=False, pct_start=0.0),
    "chained": lambda s, o: s.ChainedScheduler(
        [s.LinearLR(o, 0.1, 1.0, 10), s.ExponentialLR(o, 0.95), s.CosineAnnealingLR(o, 20)]
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 10), s.CosineAnnealingLR(o, 20), s.StepLR(o, 3)], [10, 35]
    ),
    "sequence of sequences": lambda s, o: s.SequentialLR(
        o,
        [
            s.SequentialLR(o, [s.ConstantLR(o, 0.2, 4), s.StepLR(o, 2)], [5]),
            s.ExponentialLR(o, 0.9),
        ],
        [20],
    ),
}


def pair(name: str = "SGD") -> tuple[Any, Any]:
    options = {"momentum": 0.9} if name == "SGD" else {}
    result = []
    for lib, o in ((mg, optim), (torch, torch.optim)):
        ps = [lib.zeros(1, requires_grad=True) for _ in range(2)]
        groups = [{"params": ps[:1]}, {"params": ps[1:], "lr": 0.3}]
        result.append(getattr(o, name)(groups, lr=0.1, **options))
    return result[0], result[1]


def options_of(opt: Any) -> list[float]:
    values: list[float] = []
    for group in opt.param_groups:
        values += [group["lr"], group.get("momentum", 0.0), *group.get("betas", ())]
    return values


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_same_rates_as_torch(name: str, kind: str) -> None:
    ours, theirs = pair(kind)
    with warnings.catch_warnings():  # both warn of a step inside the nested sequence's making
        warnings.simplefilter("ignore")
        a = CASES[name](optim.lr_scheduler, ours)
        b = CASES[name](torch.optim.lr_scheduler, theirs)
    for _ in range(60):
        np.testing.assert_allclose(options_of(ours), options_of(theirs), 1e-13, 1e-17)
        np.testing.assert_allclose(a.get_last_lr(), b.get_last_lr(), 1e-13, 1e-17)
        ours.step()
        theirs.step()
        a.step()
        b.step()
    assert getattr(a, "last_epoch", None) == getattr(b, "last_epoch", None)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateau(mode: str, threshold_mode: str) -> None:
    ours, theirs = pair()
    options: dict[str, Any] = {
        "mode": mode, "threshold_mode": threshold_mode, "factor": 0.7, "patience": 2,
        "cooldown": 2, "min_lr": 0.01,
    }  # fmt: skip
    a = optim.lr_scheduler.ReduceLROnPlateau(ours, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    rng = np.random.default_rng(0)
    for t in range(80):
        metric = float(np.exp(-t / 20) + 0.1 * rng.standard_normal())
        a.step(metric)
        b.step(metric)
        assert options_of(ours) == pytest.approx(options_of(theirs), rel=1e-14)
        assert (a.best, a.num_bad_epochs) == (b.best, b.num_bad_epochs)
    assert set(a.state_dict()) | {"optimizer"} == set(b.state_dict()) | {"optimizer"}


def both(name: str, kind: str = "SGD") -> tuple[Any, Any, Any, Any]:
    """Two optimizers, and the schedule on each."""
    ours, theirs = pair(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a = CASES[name](optim.lr_scheduler, ours)
        b = CASES[name](torch.optim.lr_scheduler, theirs)
    ours.step()
    theirs.step()
    return ours, theirs, a, b


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_state_goes_both_ways(name: str, kind: str) -> None:
    ours, theirs, a, b = both(name, kind)
    for _ in range(15):
        a.step()
        b.step()
    assert a.state_dict() == b.state_dict()
    ours2, theirs2, a2, b2 = both(name, kind)
    a2.load_state_dict(copy.deepcopy(b.state_dict()))
    b2.load_state_dict(copy.deepcopy(a.state_dict()))
    for new, old in ((ours2, theirs), (theirs2, ours)):
        for group, other in zip(new.param_groups, old.param_groups, strict=True):
            group.update({k: v for k, v in other.items() if k != "params"})
    for _ in range(30):
        for schedule in (a, b, a2, b2):
            schedule.step()
        for schedule in (b, a2, b2):
            assert a.get_last_lr() == pytest.approx(schedule.get_last_lr(), rel=1e-13, abs=1e-17)
        for opt in (theirs, ours2, theirs2):
            assert options_of(ours) == pytest.approx(options_of(opt), rel=1e-13, abs=1e-17)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("chain", "seq"))])
def test_step_to_an_epoch(name: str) -> None:
    ours, theirs, a, b = both(name)
    for epoch in (1, 5, 12, 3, 59, 40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a.step(epoch)
            b.step(epoch)
        assert options_of(ours) == pytest.approx(options_of(theirs), rel=1e-13, abs=1e-17)
        assert a.last_epoch == b.last_epoch
    a.step()
    b.step()
    assert options_of(ours) == pytest.approx(options_of(theirs), rel=1e-13, abs=1e-17)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(("chain", "seq"))])
def test_two_at_once(name: str) -> None:
    ours, theirs, a, b = both(name)
    more = optim.lr_scheduler.StepLR(ours, 3), torch.optim.lr_scheduler.StepLR(theirs, 3)
    for _ in range(20):
        for schedule in (a, b, *more):
            schedule.step()
        assert options_of(ours) == pytest.approx(options_of(theirs), rel=1e-13, abs=1e-17)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 7])
def test_swalr(strategy: str, epochs: int) -> None:
    ours, theirs = pair()
    a = optim.swa_utils.SWALR(ours, [0.02, 0.5], epochs, strategy)
    b = torch.optim.swa_utils.SWALR(theirs, [0.02, 0.5], epochs, strategy)
    ours.step()
    theirs.step()
    for _ in range(10):
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-13)
        a.step()
        b.step()
    assert set(a.state_dict()) | {"anneal_func"} == set(b.state_dict()) | {"anneal_func"}


@pytest.mark.parametrize(
    "build",
    [
        lambda s, o: s.LambdaLR(o, [lambda e: 1.0]),
        lambda s, o: s.MultiplicativeLR(o, [lambda e: 1.0]),
        lambda s, o: s.StepLR(o, 3, last_epoch=4),
        lambda s, o: s.StepLR(3, 3),
        lambda s, o: s.ConstantLR(o, 1.5),
        lambda s, o: s.LinearLR(o, 0.0),
        lambda s, o: s.LinearLR(o, 1.0, 1.5),
        lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"),
        lambda s, o: s.CyclicLR(o, [0.1], 0.2),
        lambda s, o: s.OneCycleLR(o, 0.1),
        lambda s, o: s.OneCycleLR(o, 0.1, 0),
        lambda s, o: s.OneCycleLR(o, 0.1, 9, pct_start=2),
        lambda s, o: s.OneCycleLR(o, 0.1, 9, anneal_strategy="square"),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 1.5),
        lambda s, o: s.ReduceLROnPlateau(o, "down"),
        lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
        lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
        lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="x"),
        lambda s, o: s.ChainedScheduler([]),
        lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
    ],
)
def test_errors(build: Build) -> None:
    ours, theirs = pair()
    with pytest.raises(Exception) as expected:  # its type is compared
        build(torch.optim.lr_scheduler, theirs)
    with pytest.raises(expected.type) as got:
        build(optim.lr_scheduler, ours)
    common = set(str(got.value).split()) & set(str(expected.value).split())
    assert len(common) > 2, f"{got.value} / {expected.value}"


def test_fractions_of_epochs() -> None:
    ours, theirs = pair()
    a = optim.lr_scheduler.CosineAnnealingWarmRestarts(ours, 3, 2)
    b = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 3, 2)
    for e in np.arange(0, 25, 0.25):
        a.step(float(e))
        b.step(float(e))
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-13)
