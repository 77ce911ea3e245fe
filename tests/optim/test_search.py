"""Line searches, the search for a learning rate, and penalties."""

from __future__ import annotations

import math
import random
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim.lr_finder import LRSearch, restored


def bowl(make: Any) -> tuple[Any, Any, Any]:
    w = mg.tensor([3.0, -2.0], dtype=mg.float64, requires_grad=True)
    scales = mg.tensor([1.0, 10.0], dtype=mg.float64)
    opt = make([w])

    def closure() -> Any:
        opt.zero_grad()
        loss = (scales * w * w).sum()
        loss.backward()
        return loss

    return w, opt, closure


# -- line searches ---------------------------------------------------------------------------------


def test_backtrack_takes_the_first_step_that_is_good_enough() -> None:
    tried: list[float] = []

    def f(t: float) -> float:
        tried.append(t)
        return (t - 1) ** 2

    assert optim.backtrack(f, 1.0, -2.0, t=4.0, shrink=0.5) == (1.0, 0.0)
    assert tried == [4.0, 2.0, 1.0]
    assert optim.backtrack(lambda t: (t - 1) ** 2, 1.0, -2.0, t=1.9, c=0.6)[0] == pytest.approx(
        1.9 / 4
    )
    assert optim.backtrack(lambda t: 5.0, 1.0, -2.0, max_trials=3) == (0.0, 1.0)
    assert optim.backtrack(lambda t: math.nan, 1.0, -2.0, max_trials=3) == (0.0, 1.0)


def test_best_of() -> None:
    assert optim.best_of(lambda t: math.nan if t > 1 else -t, [2.0, 0.5, 1.0]) == (1.0, -1.0)
    with pytest.raises(ValueError, match="at least one step size"):
        optim.best_of(lambda t: t, [])


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: optim.BacktrackingGD(ps, lr=100.0),
        lambda ps: optim.SeveralRatesGD(ps),
    ],
)
@pytest.mark.parametrize("cheap", [False, True])
def test_the_loss_never_rises(make: Any, cheap: bool) -> None:
    w, opt, closure = bowl(make)
    scales = mg.tensor([1.0, 10.0], dtype=mg.float64)
    forward = (lambda: (scales * w * w).sum()) if cheap else None
    with mg.no_grad():  # closures are run with gradients on
        losses = [opt.step(closure, forward).item() for _ in range(60)]
    assert losses[0] == 49.0
    assert all(b <= a for a, b in pairwise(losses))
    assert losses[-1] < 1.0
    assert opt.param_groups[0]["step_size"] > 0


def test_groups_share_the_step_in_the_ratio_of_their_rates() -> None:
    a, b = [mg.ones(1, dtype=mg.float64, requires_grad=True) for _ in range(2)]
    opt = optim.SeveralRatesGD([{"params": [a]}, {"params": [b], "lr": 0.5}], rates=[0.0, 0.5])

    def closure() -> Any:
        opt.zero_grad()
        loss = (a * a).sum() + (b * b).sum()
        loss.backward()
        return loss

    opt.step(closure)
    assert [a.item(), b.item()] == [0.0, 0.5]
    assert [g["step_size"] for g in opt.param_groups] == [0.5, 0.25]


def test_options_of_line_searches() -> None:
    w = mg.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="shrink"):
        optim.BacktrackingGD([w], shrink=1.0)
    with pytest.raises(ValueError, match="Expected c"):
        optim.BacktrackingGD([w], c=0.0)
    with pytest.raises(ValueError, match="at least one rate"):
        optim.SeveralRatesGD([w], rates=())


# -- the search for a learning rate ----------------------------------------------------------------


def training() -> tuple[Any, Any, list[Any]]:
    mg.manual_seed(0)
    x = mg.randn(16, 3)
    y = (x * mg.tensor([1.0, -2.0, 0.5])).sum(dim=1, keepdim=True)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.1), nn.Linear(3, 1))
    opt = optim.Adam(model.parameters(), lr=0.01)
    nn.functional.mse_loss(model(x), y).backward()
    opt.step()
    return model, opt, [(x[:8], y[:8]), (x[8:], y[8:])]


def everything(model: Any, opt: Any) -> list[Any]:
    """Values and identities of all that a search must leave alone."""
    found: list[Any] = [mg.get_rng_state().tolist(), random.getstate(), model.training]
    found.append(np.random.get_state()[1].tolist())
    for t in [*model.parameters(), *model.buffers()]:
        found += [
            id(t.array),
            t.tolist(),
            None if t.grad is None else (id(t.grad), t.grad.tolist()),
        ]
    for group in opt.param_groups:
        found += [id(group), {k: v for k, v in group.items() if k != "params"}]
    for state in opt.state.values():
        found += [id(state), {k: (id(v), v.tolist()) for k, v in state.items()}]
    return found


@pytest.mark.parametrize("sampling", ["grid", "random"])
def test_finds_a_rate_and_leaves_everything_as_it_was(sampling: str) -> None:
    model, opt, data = training()
    before = everything(model, opt)
    found = optim.find_lr(
        model, opt, nn.MSELoss(), data, low=1e-5, high=1.0, count=7, finer=3, steps=12,
        sampling=sampling,
    )  # fmt: skip
    assert everything(model, opt) == before
    assert len(found.rates) == len(found.losses) == 10
    assert found.rates == sorted(found.rates)
    assert found.losses[found.rates.index(found.best)] == min(found.losses)
    assert 1e-3 < found.best <= 1.0
    again = optim.find_lr(
        model, opt, nn.MSELoss(), data, low=1e-5, high=1.0, count=7, finer=3, steps=12,
        sampling=sampling,
    )  # fmt: skip
    assert again.losses == found.losses
    opt.step()  # goes on


def test_diverging_rates_count_as_infinite() -> None:
    model = nn.Linear(2, 1)
    opt = optim.SGD(model.parameters(), lr=0.1)
    data = [(mg.ones(4, 2) * 100, mg.zeros(4, 1))]
    found = optim.find_lr(model, opt, nn.MSELoss(), data, low=1e-6, high=1e6, count=5, steps=30)
    assert found.losses[-1] == math.inf
    assert found.best < 1e-2


def test_range_test_stops_when_training_diverges() -> None:
    model, opt, data = training()
    before = everything(model, opt)
    found = optim.lr_range_test(model, opt, nn.MSELoss(), data, low=1e-4, high=1e4, steps=60)
    assert everything(model, opt) == before
    assert len(found.rates) < 60
    assert found.rates[0] == pytest.approx(1e-4)
    assert 1e-4 <= found.steepest <= found.rates[-1]


def test_restored_after_an_exception() -> None:
    model, opt, _ = training()
    before = everything(model, opt)
    with pytest.raises(KeyError), restored(model, opt):  # noqa: PT012
        model.eval()
        next(model.parameters()).array[...] = 7
        opt.param_groups[0]["lr"] = 5.0
        opt.state.clear()
        mg.randn(3)
        raise KeyError
    assert everything(model, opt) == before


def test_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = LRSearch([0.1, 1.0, 0.01], [1.0, math.nan, 2.0])
    assert found.losses == [2.0, 1.0, math.inf]
    assert found.steepest == 0.1
    pytest.importorskip("matplotlib")
    ax = found.plot()
    assert ax.get_xscale() == "log"
    assert found.plot(ax) is ax
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"minigrad\[examples\]"):
        found.plot()


@pytest.mark.parametrize(
    "options",
    [{"low": 0.0}, {"low": 2.0, "high": 1.0}, {"count": 1}, {"steps": 0}, {"sampling": "x"}],
)
def test_refused_searches(options: dict[str, Any]) -> None:
    model, opt, data = training()
    with pytest.raises(ValueError, match=r"expected|must be"):
        optim.find_lr(model, opt, nn.MSELoss(), data, **options)


def test_batches_that_are_used_up_are_noticed() -> None:
    model, opt, data = training()
    before = everything(model, opt)
    with pytest.raises(ValueError, match="gone through several times"):
        optim.find_lr(model, opt, nn.MSELoss(), iter(data))
    assert everything(model, opt) == before


# -- penalties -------------------------------------------------------------------------------------


def test_penalties_and_their_derivatives() -> None:
    a = mg.tensor([1.0, -2.0, 0.0], dtype=mg.float64, requires_grad=True)
    b = mg.tensor([[4.0]], dtype=mg.float64, requires_grad=True)
    l1, l2 = optim.l1_penalty([a, b]), optim.l2_penalty(p for p in (a, b))
    assert (l1.item(), l2.item()) == (7.0, 10.5)
    assert [g.tolist() for g in mg.autograd.grad(l1, [a, b])] == [[1.0, -1.0, 0.0], [[1.0]]]
    grads = mg.autograd.grad(l2, [a, b], create_graph=True)
    assert grads[0].tolist() == a.tolist()
    (second,) = mg.autograd.grad(grads[0].sum(), [a])
    assert second.tolist() == [1.0, 1.0, 1.0]
    assert optim.l1_penalty(b).item() == 4.0
    with pytest.raises(ValueError, match="at least one parameter"):
        optim.l2_penalty([])


def test_l2_penalty_is_weight_decay() -> None:
    a, b = [mg.tensor([1.0, -2.0], dtype=mg.float64, requires_grad=True) for _ in range(2)]
    one, two = optim.SGD([a], lr=0.1, weight_decay=0.3), optim.SGD([b], lr=0.1)
    for _ in range(3):
        one.zero_grad()
        two.zero_grad()
        (a.sin().sum()).backward()
        (b.sin().sum() + 0.3 * optim.l2_penalty([b])).backward()
        one.step()
        two.step()
    assert a.tolist() == pytest.approx(b.tolist(), rel=1e-14)
