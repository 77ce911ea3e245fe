"""After a diagnosis all is as it was, bit for bit, whatever the step did."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F

from .networks import ARCHITECTURES, MODELS, data, train
from .test_diagnosis import diagnosed

OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9), "adam": lambda p: optim.Adam(p, lr=1e-2),
    "adagrad": lambda p: optim.Adagrad(p), "rmsprop": lambda p: optim.RMSprop(p, lr=1e-3),
}  # fmt: skip


def bits(model: Any, optimizer: Any) -> list[bytes]:
    tensors = [*model.parameters(), *model.buffers()]
    found = [t.array.tobytes() for t in tensors]
    found += [b"none" if p.grad is None else p.grad.array.tobytes() for p in model.parameters()]
    for state in optimizer.state.values():
        found += [v.array.tobytes() for v in state.values() if isinstance(v, mg.Tensor)]
    found += [
        repr(
            [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
        ).encode()
    ]
    found += [repr([m.training for m in model.modules()]).encode()]
    found += [mg.get_rng_state().array.tobytes(), repr(np.random.get_state()).encode()]
    found += [repr(random.getstate()).encode()]
    return found


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_bits_are_as_they_were(architecture: str, kind: str) -> None:
    mg.manual_seed(0)
    model, batch = MODELS[architecture](), data(architecture)
    optimizer = OPTIMIZERS[kind](model.parameters())
    for trained in (0, 3):
        train(model, batch, optimizer, trained) if trained else None
        before = bits(model, optimizer)
        gradients = [p.grad for p in model.parameters()]
        diagnosed(
            {"model": model, "loss_fn": F.cross_entropy, "batch": batch, "optimizer": optimizer}
        )
        assert bits(model, optimizer) == before
        assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))


def test_training_goes_on_as_if_nothing_had_happened() -> None:
    def run(looked_at: bool) -> list[bytes]:
        mg.manual_seed(0)
        model, batch = MODELS["mlp"](), data("mlp")
        optimizer = optim.Adam(model.parameters(), lr=1e-2)
        schedule = optim.lr_scheduler.StepLR(optimizer, 2)

        def step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(batch[0]), batch[1]).backward()
            optimizer.step()
            schedule.step()

        for _ in range(3):
            step()
        if looked_at:
            diagnosed({"model": model, "step": step})
        for _ in range(4):
            step()
        return [*bits(model, optimizer), repr(schedule.state_dict()).encode()]

    assert run(True) == run(False)


def test_after_an_exception_too() -> None:
    mg.manual_seed(0)
    model, (x, y) = MODELS["mlp"](), data("mlp")
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        np.random.rand()
        raise KeyError("mine")

    before = bits(model, optimizer)
    with pytest.raises(KeyError, match="mine"):
        mg.diagnose(model, step=step)
    assert bits(model, optimizer) == before


def test_what_a_step_refers_to_is_put_back_too() -> None:
    mg.manual_seed(0)
    model, other = nn.Linear(4, 2), nn.Linear(2, 2)
    optimizer = optim.SGD([*model.parameters(), *other.parameters()], lr=0.1)
    kept = copy.deepcopy(other.state_dict())

    class Trainer:
        def __init__(self) -> None:
            self.other, self.optimizer = other, optimizer

        def __call__(self, x: Any, y: Any) -> None:
            self.optimizer.zero_grad()
            F.cross_entropy(self.other(model(x)), y).backward()
            self.optimizer.step()

    x, y = mg.randn(16, 4), mg.randint(0, 2, (16,))
    diagnosed({"model": model, "batch": (x, y), "step": Trainer()})
    assert all(mg.equal(v, kept[k]) for k, v in other.state_dict().items())


class Holder:
    """An object of users' around a network and its optimizer."""

    def __init__(self, model: Any, optimizer: Any) -> None:
        self.parts = {"model": model, "optimizer": optimizer}

    def train(self, x: Any, y: Any) -> None:
        self.parts["optimizer"].zero_grad()
        F.cross_entropy(self.parts["model"](x), y).backward()
        self.parts["optimizer"].step()


def test_optimizers_that_are_found_by_a_detour() -> None:
    mg.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    holder = Holder(model, optimizer)
    x, y = mg.randn(16, 4), mg.randint(0, 2, (16,))
    before = bits(model, optimizer)
    diagnosed({"model": model, "step": lambda: holder.train(x, y)})
    assert bits(model, optimizer) == before


def test_optimizers_that_are_met_on_the_way_only() -> None:
    mg.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    x, y = mg.randn(16, 4), mg.randint(0, 2, (16,))
    given = iter([optimizer] * 100)  # nobody looks into an iterator

    def step() -> None:
        found = next(given)
        found.zero_grad()
        F.cross_entropy(model(x), y).backward()
        found.step()

    before = bits(model, optimizer)
    diagnosed({"model": model, "step": step})
    assert bits(model, optimizer) == before


def test_arguments_that_make_no_sense() -> None:
    net, batch = nn.Linear(2, 2), (mg.randn(8, 2), mg.randint(0, 2, (8,)))
    with pytest.raises(TypeError, match="expected model as a Module, got function"):
        mg.diagnose(lambda x: x, F.cross_entropy, batch)
    with pytest.raises(TypeError, match="expected loss_fn and batch"):
        mg.diagnose(net)
    with pytest.raises(TypeError, match="loss_fn must be callable, got str"):
        mg.diagnose(net, "cross_entropy", batch)
    with pytest.raises(TypeError, match="your step asks for 'something'"):
        mg.diagnose(net, step=lambda something: None)
    with pytest.raises(TypeError, match="pass optimizer to diagnose"):
        mg.diagnose(net, F.cross_entropy, batch, step=lambda model, opt: None)
    with pytest.raises(ValueError, match="steps must not be negative"):
        mg.diagnose(net, F.cross_entropy, batch, steps=-1)
    with pytest.raises(TypeError, match="expected optimizer as an Optimizer"):
        mg.diagnose(net, F.cross_entropy, batch, optimizer="adam")
    with pytest.raises(RuntimeError, match=r"mat1 and mat2|features|shape"):
        mg.diagnose(net, F.cross_entropy, (mg.randn(8, 3), batch[1]))
