"""Every schedule against PyTorch's, for 60 steps, alone and combined."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", ["step", "multistep", "linear", "cosine", "exponential"])
def test_state_of_torch_can_be_loaded(name: str) -> None:
    ours, theirs = pair()
    a = CASES[name](optim.lr_scheduler, ours)
    b = CASES[name](torch.optim.lr_scheduler, theirs)
    for _ in range(15):
        theirs.step()
        b.step()
    for group, group_b in zip(ours.param_groups, theirs.param_groups, strict=True):
        group["lr"] = group_b["lr"]
    a.load_state_dict(b.state_dict())
    ours.step()
    for _ in range(30):
        a.step()
        b.step()
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-13)


def test_fractions_of_epochs() -> None:
    ours, theirs = pair()
    a = optim.lr_scheduler.CosineAnnealingWarmRestarts(ours, 3, 2)
    b = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 3, 2)
    for e in np.arange(0, 25, 0.25):
        a.step(float(e))
        b.step(float(e))
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-13)
