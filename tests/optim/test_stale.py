"""Optimizers write to raw addresses, and never to old ones, whatever has been replaced.

Errors say which state or option does not fit, and what to do.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, optim

STEPS = optim.lr_scheduler


def made(kind: Any = optim.Adam, shape: tuple[int, ...] = (3, 4), **options: Any) -> Any:
    p = mg.ones(*shape, requires_grad=True)
    return p, kind([p], lr=0.1, **options)


def step(p: Tensor, optimizer: optim.Optimizer) -> None:
    optimizer.zero_grad()
    (p * p).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("shape", [(300, 400), (2,), (4, 3), (12,), ()])
@pytest.mark.parametrize("kind", [optim.Adam, optim.RMSprop, optim.Adagrad])
def test_state_of_another_shape_is_refused(kind: Any, shape: tuple[int, ...]) -> None:
    p, optimizer = made(kind)
    step(p, optimizer)
    p.data = mg.ones(*shape)
    with pytest.raises(RuntimeError, match=r"state '.*' of a parameter .* has shape \[3, 4\]"):
        step(p, optimizer)
    del optimizer.state[p]  # as the message says
    step(p, optimizer)


def test_gradient_of_the_same_size_and_another_shape_is_refused() -> None:
    p, optimizer = made(optim.SGD)
    (p * p).sum().backward()
    p.data = mg.ones(4, 3)
    with pytest.raises(RuntimeError, match=r"shape \[4, 3\] has a gradient of shape \[3, 4\]"):
        optimizer.step()
    assert mg.equal(p.detach(), mg.ones(4, 3))


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (mg.zeros(1), RuntimeError, r"'exp_avg' .* has shape \[1\]"),
        (3, TypeError, "'exp_avg' .* must be a tensor of that shape, but is int"),
    ],
)
def test_replaced_state(value: Any, error: type[Exception], words: str) -> None:
    p, optimizer = made()
    step(p, optimizer)
    optimizer.state[p]["exp_avg"] = value
    with pytest.raises(error, match=words):
        step(p, optimizer)


def test_replaced_parameters_are_the_ones_that_move() -> None:
    p, optimizer = made()
    step(p, optimizer)
    before, q = p.detach().clone(), mg.ones(3, 4, requires_grad=True)
    optimizer.param_groups[0]["params"][0] = q
    (q * q).sum().backward()
    optimizer.step()
    assert mg.equal(p.detach(), before)
    assert not mg.equal(q.detach(), mg.ones(3, 4))
    assert len(optimizer.state_dict()["state"]) == 1  # the one that left has no number


def test_reordered_parameters_keep_their_state() -> None:
    a, b = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    optimizer = optim.SGD([a, b], lr=1.0, momentum=0.5)
    for _ in range(2):
        a.grad, b.grad = mg.tensor([1.0, 1.0]), mg.tensor([0.0, 0.0])
        optimizer.step()
        optimizer.param_groups[0]["params"].reverse()
    assert a.tolist() == [-1.5, -1.5]
    assert b.tolist() == [1.0, 1.0]


def test_expanded_gradients_are_zeroed() -> None:
    p, optimizer = made()
    p.grad = mg.ones(1).expand(3, 4)
    optimizer.zero_grad(set_to_none=False)
    assert mg.equal(p.grad, mg.zeros(3, 4))


def test_integers_are_refused() -> None:
    p = mg.ones(3, dtype=mg.int64)
    optimizer = optim.SGD([p], lr=0.1)
    p.grad = mg.ones(3, dtype=mg.int64)
    with pytest.raises(RuntimeError, match="int64, and only floating point"):
        optimizer.step()
    assert p.tolist() == [1, 1, 1]


def test_threads_may_share_an_optimizer() -> None:
    params = [mg.zeros(300, 40, requires_grad=True) for _ in range(3)]
    optimizer = optim.SGD(params, lr=1.0)
    for p in params:
        p.grad = mg.ones(300, 40)
    threads = [
        threading.Thread(target=lambda: [optimizer.step() for _ in range(50)]) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mg.equal(p.detach(), mg.full((300, 40), -150.0)) for p in params)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": "0.1"}, TypeError, r"Adam: lr must be a number, not str \('0.1'\)"),
        ({"lr": None}, TypeError, "Adam: lr must be a number, not NoneType"),
        ({"betas": 0.9}, TypeError, "Adam: betas must be a tuple of numbers, not float"),
        ({"betas": (0.9,)}, ValueError, "betas must be 2 numbers"),
        ({"betas": ("a", 0.9)}, TypeError, "Adam: betas must be a number, not str"),
        ({"weight_decay": "0"}, TypeError, "Adam: weight_decay must be a number, not str"),
    ],
)
def test_options_of_the_wrong_type(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        optim.Adam([mg.ones(2, requires_grad=True)], **options)
    p, optimizer = made()
    if error is TypeError:
        optimizer.param_groups[0].update(options)
        with pytest.raises(TypeError, match="must be"):
            step(p, optimizer)


def test_what_is_not_a_list_of_parameters() -> None:
    with pytest.raises(TypeError, match=r"but got Linear; pass its parameters\(\)"):
        optim.SGD(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="but got method; call it"):
        optim.SGD(nn.Linear(2, 2).parameters)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="needs 'params'; this one has"):
        optim.SGD([{"lr": 0.1}])


def test_states_of_others_are_not_loaded() -> None:
    _, adam = made()
    _, sgd = made(optim.SGD)
    with pytest.raises(ValueError, match="no betas, eps: it was not saved by Adam"):
        adam.load_state_dict(sgd.state_dict())
    with pytest.raises(ValueError, match="no momentum, dampening: it was not saved by SGD"):
        sgd.load_state_dict(adam.state_dict())
    with pytest.raises(KeyError, match="not the state of an optimizer"):
        sgd.load_state_dict(nn.Linear(2, 2).state_dict())
    older = adam.state_dict()
    del older["param_groups"][0]["decoupled_weight_decay"]  # PyTorch's did not have it once
    adam.load_state_dict(older)
    assert adam.param_groups[0]["decoupled_weight_decay"] is False


def test_states_of_other_schedulers_are_not_loaded() -> None:
    _, sgd = made(optim.SGD)
    schedule = STEPS.StepLR(sgd, 1)
    for other in ({}, sgd.state_dict(), STEPS.CosineAnnealingLR(sgd, 3).state_dict()):
        with pytest.raises(ValueError, match=r"not the state of a StepLR: .* but no step_size"):
            schedule.load_state_dict(other)
    with pytest.raises(TypeError, match="must be a dict, not NoneType"):
        schedule.load_state_dict(None)  # type: ignore[arg-type]
    for several in (STEPS.LambdaLR(sgd, lambda epoch: 1.0), STEPS.ReduceLROnPlateau(sgd)):
        with pytest.raises(ValueError, match="not the state of a"):
            several.load_state_dict(schedule.state_dict())


def test_lengths_of_schedules() -> None:
    _, sgd = made(optim.SGD)
    with pytest.raises(ValueError, match="Expected positive step_size, but got 0"):
        STEPS.StepLR(sgd, 0)
    with pytest.raises(TypeError, match="T_max must be a number, not str"):
        STEPS.CosineAnnealingLR(sgd, "3")  # type: ignore[arg-type]


def test_no_model_to_average() -> None:
    with pytest.raises(TypeError, match="model must be a Module, not NoneType"):
        optim.swa_utils.AveragedModel(None)  # type: ignore[arg-type]
    averaged = optim.swa_utils.AveragedModel(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="model must be a Module, not ndarray"):
        averaged.update_parameters(np.ones(3))  # type: ignore[arg-type]
