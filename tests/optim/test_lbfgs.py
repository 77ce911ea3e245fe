"""L-BFGS and its line search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim
from minigrad.optim.wolfe import Trial, cubic_minimum, strong_wolfe


def problem(**options: Any) -> tuple[Any, Any, Any]:
    w = mg.tensor([-1.2, 1.0], dtype=mg.float64, requires_grad=True)
    opt = optim.LBFGS([w], **options)

    def closure() -> Any:
        opt.zero_grad()
        loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        loss.backward()
        return loss

    return w, opt, closure


def test_a_quadratic_takes_few_iterations() -> None:
    scales = mg.tensor([1.0, 10.0, 100.0], dtype=mg.float64)
    w = mg.ones(3, dtype=mg.float64, requires_grad=True)
    opt = optim.LBFGS([w], max_iter=30, line_search_fn="strong_wolfe")

    def closure() -> Any:
        opt.zero_grad()
        loss = (scales * w * w).sum()
        loss.backward()
        return loss

    first = opt.step(closure)
    assert first.item() == 111.0
    assert abs(w.array).max() < 1e-4


def test_history_is_bounded_and_state_is_saved() -> None:
    w, opt, closure = problem(history_size=3, max_iter=5, line_search_fn="strong_wolfe")
    for _ in range(3):
        opt.step(closure)
    saved = opt.state_dict()["state"][0]
    assert len(saved["old_dirs"]) == len(saved["old_stps"]) == len(saved["ro"]) == 3
    assert 10 <= saved["n_iter"] <= 15
    v, other, closure2 = problem(history_size=3, max_iter=5, line_search_fn="strong_wolfe")
    v.data = w.detach().clone()
    other.load_state_dict(opt.state_dict())
    opt.step(closure)
    other.step(closure2)
    assert v.tolist() == w.tolist()
    assert other.state[v]["func_evals"] == opt.state[w]["func_evals"]


def test_stops_where_there_is_nothing_to_gain() -> None:
    w, opt, closure = problem(line_search_fn="strong_wolfe", max_iter=100)
    opt.step(closure)
    evaluations = opt.state[w]["func_evals"]
    assert evaluations < 100
    opt.step(closure)
    assert opt.state[w]["func_evals"] == evaluations + 1


def test_limits_of_iterations_and_evaluations() -> None:
    w, opt, closure = problem(max_iter=4, lr=1e-4)
    opt.step(closure)
    assert opt.state[w]["n_iter"] == 4
    assert opt.state[w]["func_evals"] == 4
    w, opt, closure = problem(max_iter=50, max_eval=6, line_search_fn="strong_wolfe")
    opt.step(closure)
    assert opt.state[w]["func_evals"] <= 7


def test_several_parameters_one_without_gradient() -> None:
    a, b, c = [mg.ones(n, dtype=mg.float64, requires_grad=True) for n in (2, 1, 3)]
    opt = optim.LBFGS([a, b, c], max_iter=30, line_search_fn="strong_wolfe")

    def closure() -> Any:
        opt.zero_grad()
        loss = (a * a).sum() + ((c - 2) ** 2).sum()
        loss.backward()
        return loss

    opt.step(closure)
    assert abs(a.array).max() < 1e-6
    assert b.tolist() == [1.0]
    assert abs(c.array - 2).max() < 1e-6


def test_refused() -> None:
    w = mg.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [w]}, {"params": [mg.ones(1, requires_grad=True)]}])
    with pytest.raises(ValueError, match="Invalid learning rate"):
        optim.LBFGS([w], lr=-1)
    _, opt, closure = problem(line_search_fn="armijo")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        opt.step(closure)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-3, 3), min_size=5, max_size=5),
    st.floats(0.01, 20.0),
)
def test_the_step_satisfies_the_wolfe_conditions(roots: list[float], first: float) -> None:
    """On a quartic that rises to both sides, from where it falls."""
    p = np.polynomial.Polynomial([*roots[:4], 1.0 + abs(roots[4])])
    slope = p.deriv()
    sign = -1.0 if slope(0.0) > 0 else 1.0

    def f(t: float) -> Trial:
        return Trial(t, float(p(sign * t)), np.zeros(0), float(sign * slope(sign * t)))

    start = f(0.0)
    if start.slope > -1e-2:
        return
    trial, evaluations = strong_wolfe(f, start, first, size=1.0, max_trials=60)
    assert trial.loss <= start.loss + 1e-4 * trial.t * start.slope
    assert abs(trial.slope) <= -0.9 * start.slope
    assert 1 <= evaluations <= 61


def test_cubic_minimum() -> None:
    def at(t: float) -> Trial:
        return Trial(t, t**3 - 3 * t, np.zeros(0), 3 * t**2 - 3)

    assert cubic_minimum(at(0.0), at(5.0)) == pytest.approx(1.0)
    assert cubic_minimum(at(5.0), at(0.0)) == pytest.approx(1.0)
    assert cubic_minimum(at(0.0), at(5.0), (2.0, 3.0)) == 2.0
    rising = Trial(0.0, 0.0, np.zeros(0), 1.0), Trial(1.0, 1.0, np.zeros(0), 1.0)
    assert cubic_minimum(*rising, (0.25, 0.75)) in (0.25, 0.5, 0.75)
