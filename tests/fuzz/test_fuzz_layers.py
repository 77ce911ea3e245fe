"""Layers and optimizers, whatever they are given: a result, or a documented exception.

The arguments of constructors are guessed from their names and defaults. Optimizers go through
random sequences of what users do to parameters, gradients and state between the steps: their
kernels write to raw addresses, so that a stale one would be a crash, or a change where there should
be none.
"""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, nn, optim
from tests.fuzz.arguments import tensors
from tests.fuzz.test_fuzz import assert_documented, assert_healthy, backward, limited, parts

#: Not layers by themselves, or too large by default to be made at random many times.
LEFT = {"Module", "LazyModuleMixin", "Transformer", "Container"}
LAYERS = {
    name: layer
    for name, layer in sorted(vars(nn).items())
    if inspect.isclass(layer) and issubclass(layer, nn.Module) and name not in LEFT
}
#: MINIGRAD_FUZZ=1 searches for new failures, at length.
SEARCH = "MINIGRAD_FUZZ" in os.environ
limits = settings(
    max_examples=80 if SEARCH else 4, deadline=None, derandomize=not SEARCH, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

small = st.integers(1, 4)
sizes = st.one_of(small, small, small, st.lists(small, min_size=1, max_size=3).map(tuple))
junk = st.sampled_from([None, "typo", "3", 1.5, (), [], {}, object, True, -1, 0, 2**40, mg.float64])
rates = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, -1.0, float("nan")])


def option(p: inspect.Parameter) -> st.SearchStrategy[Any]:
    """What to pass to a constructor for a parameter."""
    if p.name in ("device", "dtype"):
        return st.none()
    default = p.default
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, int):
        return st.integers(0, 3)
    if isinstance(default, float):
        return st.one_of(st.just(default), rates)
    if isinstance(default, str):
        return st.sampled_from([default, "mean", "zeros", "reflect", "relu", "same"])
    if "Module" in str(p.annotation):
        return st.builds(lambda: nn.Linear(2, 2))
    return sizes if default is p.empty else st.one_of(st.just(default), sizes)


@st.composite
def constructions(draw: Any, layer: type[nn.Module]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of a constructor; now and then one that makes no sense."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, p in inspect.signature(layer).parameters.items():
        value = junk if draw(st.integers(0, 14)) == 0 else option(p)
        if p.kind is p.VAR_POSITIONAL:
            args += draw(st.lists(small, max_size=2))
        elif p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD:
            args.append(draw(value))
        elif p.kind is not p.VAR_KEYWORD and draw(st.integers(0, 2)) == 0:
            kwargs[name] = draw(value)
    return args, kwargs


@pytest.mark.parametrize("name", LAYERS)
@limits
@given(data=st.data())
def test_layers_raise_what_is_documented(name: str, data: Any) -> None:
    args, kwargs = data.draw(constructions(LAYERS[name]))
    with warnings.catch_warnings(), limited(120):
        warnings.simplefilter("ignore")
        try:
            layer = LAYERS[name](*args, **kwargs)
            needed = [
                p for p in inspect.signature(layer.forward).parameters.values()
                if p.default is p.empty and p.kind is not p.VAR_KEYWORD
            ]  # fmt: skip
            inputs = [data.draw(tensors()) for _ in needed]
            if inputs and data.draw(st.integers(0, 9)) == 0:
                inputs[0] = data.draw(junk)
            found = layer(*inputs)
        except Exception as error:
            if not isinstance(error, NotImplementedError):  # of containers: they have no forward
                assert_documented(error)
            return
        for t in parts(found):
            assert_healthy(t)
            if t.requires_grad and t.node is not None and t.array.size < 100_000:
                backward(t)


# -- optimizers ------------------------------------------------------------------------------------

OPTIMIZERS = {
    name: kind
    for name, kind in sorted(vars(optim).items())
    if inspect.isclass(kind)
    and issubclass(kind, optim.Optimizer)
    and kind is not optim.Optimizer
    and inspect.signature(kind.step).parameters["closure"].default is None  # not needed
}
SHAPES = [(3, 4), (4, 3), (12,), (), (0, 2), (90, 100)]


class Users:
    """What users do to an optimizer between two steps; `rng` chooses how."""

    def __init__(self, kind: type[optim.Optimizer], rng: np.random.Generator) -> None:
        self.rng = rng
        self.params = [self.tensor().requires_grad_() for _ in range(3)]
        self.optimizer = kind(self.params)

    def shape(self) -> tuple[int, ...]:
        return SHAPES[self.rng.integers(len(SHAPES))]

    def tensor(self, shape: tuple[int, ...] | None = None) -> Tensor:
        """Of any layout, mostly float32."""
        shape = self.shape() if shape is None else shape
        kind = mg.float64 if self.rng.integers(5) == 0 else mg.float32
        t = mg.ones(*shape, dtype=kind)
        layout = self.rng.integers(8)
        if layout == 0 and t.ndim == 2:
            return mg.ones(*shape[::-1], dtype=kind).t()
        if layout == 1 and t.ndim:
            return mg.ones(1, dtype=kind).expand(*shape)
        return t

    def one(self) -> Tensor:
        group = self.optimizer.param_groups[0]["params"]
        return group[self.rng.integers(len(group))]  # type: ignore[no-any-return]

    def replaces_data(self) -> None:
        self.one().data = self.tensor()

    def replaces_data_alike(self) -> None:
        p = self.one()
        p.data = self.tensor(tuple(p.shape))

    def replaces_gradient(self) -> None:
        p = self.one()
        p.grad = self.tensor(tuple(p.shape))

    def replaces_data_of_gradient(self) -> None:
        p = self.one()
        if p.grad is not None:
            p.grad.data = self.tensor()

    def replaces_state(self) -> None:
        state = self.optimizer.state[self.one()]
        for name in list(state):
            choice = self.rng.integers(5)
            if choice == 0:
                state[name] = [self.tensor(), 3, "3", None, (1, 2)][self.rng.integers(5)]
            elif choice == 1 and isinstance(state[name], Tensor):
                state[name].data = self.tensor(tuple(state[name].shape))

    def forgets_state(self) -> None:
        self.optimizer.state.pop(self.one(), None)

    def replaces_parameter(self) -> None:
        group = self.optimizer.param_groups[0]["params"]
        group[self.rng.integers(len(group))] = self.tensor().requires_grad_()

    def adds_group(self) -> None:
        self.optimizer.add_param_group({"params": [self.tensor().requires_grad_()]})

    def freezes(self) -> None:
        p = self.one()
        p.requires_grad_(not p.requires_grad)
        p.grad = None

    def copies(self) -> None:
        copied = copy.deepcopy if self.rng.integers(2) else lambda o: pickle.loads(pickle.dumps(o))
        self.optimizer = copied(self.optimizer)

    def reloads(self) -> None:
        self.optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))

    def sets_an_option(self) -> None:
        group = self.optimizer.param_groups[0]
        name = sorted(set(group) - {"params"})[self.rng.integers(len(group) - 1)]
        group[name] = [0.5, "0.5", None, mg.tensor(0.5), True, (0.5, 0.5)][self.rng.integers(6)]

    def zeroes(self) -> None:
        self.optimizer.zero_grad(set_to_none=bool(self.rng.integers(2)))

    def step(self) -> None:
        """Gradients for most, and a step."""
        group = [p for g in self.optimizer.param_groups for p in g["params"]]
        for p in group:
            if self.rng.integers(4):
                p.grad = mg.ones_like(p.detach())
        self.optimizer.step()
        for p in group:
            assert_healthy(p)


ACTIONS = sorted(set(vars(Users)) - {"shape", "tensor", "one", "step"})
ACTIONS = [name for name in ACTIONS if not name.startswith("__")]


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(limits, max_examples=300 if SEARCH else 20)
@given(seed=st.integers(0, 2**32), actions=st.lists(st.sampled_from(ACTIONS), max_size=6))
def test_optimizers_survive_their_users(name: str, seed: int, actions: list[str]) -> None:
    users = Users(OPTIMIZERS[name], np.random.default_rng(seed))
    with warnings.catch_warnings(), limited(120):
        warnings.simplefilter("ignore")
        for action in ["zeroes", *actions]:
            try:
                getattr(users, action)()
                users.step()
            except Exception as error:
                assert_documented(error)
