"""Every optimizer against PyTorch's single-tensor implementation, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of PyTorch that wait for work by spinning slow everything down."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SHAPES = [(5, 3), (3,), (200, 200), (2, 2), ()]

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
    ),
    ("Adagrad", {"lr": 0.1, "maximize": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "maximize": True, "centered": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "betas": (0.3, 0.8), "maximize": True, "eps": 1e-3}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.3, "maximize": True}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.01, "maximize": True}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "maximize": True}),
    ("ASGD", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "t0": 3, "weight_decay": 0.1, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(options) or 'defaults'}" for name, options in CASES]


class Pair:
    """The same parameters twice, and the same optimizer on both."""

    def __init__(self, name: str, options: dict[str, Any], dtype: str, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        starts = [np.asarray(self.rng.standard_normal(s), dtype) for s in SHAPES]
        self.ours = [mg.tensor(s, requires_grad=True) for s in starts]
        self.theirs = [torch.tensor(s, requires_grad=True) for s in starts]
        self.dtype = dtype
        self.name, self.options = name, options
        self.opt = getattr(optim, name)(self.groups(self.ours), **options)
        self.ref = getattr(torch.optim, name)(self.groups(self.theirs), foreach=False, **options)

    @staticmethod
    def groups(params: list[Any]) -> list[dict[str, Any]]:
        return [{"params": params[:3]}, {"params": params[3:], "lr": 0.02}]

    def gradients(self, skip: set[int] | frozenset[int] = frozenset()) -> None:
        for i, (a, b) in enumerate(zip(self.ours, self.theirs, strict=True)):
            g = np.asarray(self.rng.standard_normal(a.array.shape), self.dtype)
            a.grad = None if i in skip else mg.tensor(g)
            b.grad = None if i in skip else torch.tensor(g)

    def step(self, skip: set[int] | frozenset[int] = frozenset()) -> None:
        self.gradients(skip)
        self.opt.step()
        self.ref.step()

    def compare(self, tolerance: float | None = None) -> None:
        if tolerance is None:
            tolerance = 1e-12 if self.dtype == "float64" else 4e-6
        for a, b in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(a.array, b.detach().numpy(), tolerance, tolerance)
        for a, b in zip(self.ours, self.theirs, strict=True):
            assert (a in self.opt.state) == (b in self.ref.state)
            ours, theirs = self.opt.state.get(a, {}), self.ref.state.get(b, {})
            assert set(ours) == set(theirs)
            for key, value in theirs.items():
                assert tuple(ours[key].shape) == tuple(value.shape)
                np.testing.assert_allclose(ours[key].array, value.numpy(), tolerance, tolerance)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_same_numbers_as_torch(name: str, options: dict[str, Any], dtype: str) -> None:
    pair = Pair(name, options, dtype)
    for _ in range(60):
        pair.step()
    # centered: the variance of the first gradients is a difference of nearly equal numbers
    pair.compare(1e-3 if options.get("centered") and dtype == "float32" else None)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_parameters_without_gradient_are_left_out(name: str, options: dict[str, Any]) -> None:
    pair = Pair(name, options, "float64")
    for skip in ({0}, {0, 4}, set(), {1, 2}, {3, 4}, {0}, set(), set(), {2}):
        pair.step(skip)
        pair.compare()


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_state_dict_has_torchs_layout_and_goes_both_ways(
    name: str, options: dict[str, Any]
) -> None:
    pair = Pair(name, options, "float64")
    pair.step()
    pair.step({1})
    ours, theirs = pair.opt.state_dict(), pair.ref.state_dict()
    assert set(ours["state"]) == set(theirs["state"])
    for group, expected in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        assert set(group) == set(expected)
        assert all(group[k] == expected[k] for k in group if k != "foreach")
    other = Pair(name, options, "float64", seed=1)
    as_ours = {
        "state": {
            i: {k: mg.tensor(v.numpy()) for k, v in s.items()} for i, s in theirs["state"].items()
        },
        "param_groups": theirs["param_groups"],
    }
    as_theirs = {
        "state": {
            i: {k: torch.tensor(v.array) for k, v in s.items()} for i, s in ours["state"].items()
        },
        "param_groups": [{**g, "foreach": False} for g in ours["param_groups"]],
    }
    other.opt.load_state_dict(as_ours)
    other.ref.load_state_dict(as_theirs)
    for _ in range(5):
        other.step()
    other.compare()


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_repr_is_torchs(name: str, options: dict[str, Any]) -> None:
    ours = getattr(optim, name)([mg.zeros(1, requires_grad=True)], **options)
    theirs = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)], **options)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": -1.0}),
        ("SGD", {"momentum": -1}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"weight_decay": -1}),
        ("Adam", {"lr": -0.5}),
        ("Adam", {"eps": -1}),
        ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"betas": (0.9, -0.1)}),
        ("AdamW", {"weight_decay": -1}),
        ("RMSprop", {"alpha": -1}),
        ("RMSprop", {"momentum": -1}),
        ("Adagrad", {"lr_decay": -1}),
        ("Adagrad", {"initial_accumulator_value": -1}),
        ("Adadelta", {"rho": 1.5}),
        ("NAdam", {"momentum_decay": -1}),
        ("Rprop", {"etas": (0.5, 0.9)}),
    ],
)
def test_bad_options_are_refused_in_torchs_words(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as ours:  # compared below
        getattr(optim, name)([mg.zeros(1, requires_grad=True)], **options)
    with pytest.raises(ValueError) as theirs:
        getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)], **options)
    assert str(ours.value) == str(theirs.value)
