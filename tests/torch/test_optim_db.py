"""Every optimizer over PyTorch's own list of options, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_optimizers import optim_db

#: Not in minigrad: sparse gradients, and two that PyTorch has added lately.
ABSENT = {"SparseAdam", "Adafactor", "Muon"}

INFOS = {info.optim_cls.__name__: info for info in optim_db}
NAMES = [name for name in INFOS if name not in ABSENT]
SHAPES = [(4, 3), (3,), (), (0,), (2, 1, 2)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of PyTorch that wait for work by spinning slow everything down."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ours(value: Any) -> Any:
    """A value of PyTorch's as one of ours, through dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        return mg.tensor(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {k: ours(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(ours(v) for v in value)
    return value


def theirs(value: Any) -> Any:
    """A value of ours as one of PyTorch's."""
    if isinstance(value, mg.Tensor):
        return torch.tensor(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {k: theirs(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(theirs(v) for v in value)
    return value


def cases() -> list[Any]:
    """Each optimizer with each of the options that PyTorch tests it with."""
    found = []
    for name in NAMES:
        for i, entry in enumerate(INFOS[name].optim_inputs_func(device="cpu")):
            found.append(pytest.param(name, entry.kwargs, id=f"{name}-{i}-{entry.desc}"))
    return found


CASES = cases()


class Pair:
    """Equal parameters twice, and an optimizer on both."""

    def __init__(
        self, name: str, options: dict[str, Any], dtype: str = "float64", seed: int = 0,
        shapes: list[Any] = SHAPES, groups: Callable[[list[Any]], Any] = list,
    ) -> None:  # fmt: skip
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        starts = [np.asarray(self.rng.standard_normal(s), dtype) for s in shapes]
        self.a = [mg.tensor(s, requires_grad=True) for s in starts]
        self.b = [torch.tensor(s, requires_grad=True) for s in starts]
        self.needs_closure = name == "LBFGS"
        options = {k: v for k, v in options.items() if k not in ("foreach", "fused")}
        there = {} if self.needs_closure else {"foreach": False}
        self.ours = getattr(optim, name)(groups(self.a), **ours(options))
        self.theirs = getattr(torch.optim, name)(groups(self.b), **options, **there)

    def gradients(self, skip: tuple[int, ...] = ()) -> None:
        for i, (a, b) in enumerate(zip(self.a, self.b, strict=True)):
            g = np.asarray(self.rng.standard_normal(a.array.shape), self.dtype)
            a.grad = None if i in skip else mg.tensor(g)
            b.grad = None if i in skip else torch.tensor(g)

    def step(self, skip: tuple[int, ...] = ()) -> None:
        self.gradients(skip)
        if not self.needs_closure:
            self.ours.step()
            self.theirs.step()
            return
        for params, opt in ((self.a, self.ours), (self.b, self.theirs)):

            def closure(params: Any = params, opt: Any = opt) -> Any:
                opt.zero_grad()
                loss = sum((p * p).sum() / 2 + 0.1 * p.cos().sum() for p in params)
                loss.backward()
                return loss

            opt.step(closure)

    def compare(self, tolerance: float | None = None) -> None:
        if tolerance is None:
            tolerance = 1e-11 if self.dtype == "float64" else 1e-5
        for a, b in zip(self.a, self.b, strict=True):
            assert a.array.dtype == np.dtype(self.dtype)
            np.testing.assert_allclose(a.array, b.detach().numpy(), tolerance, tolerance)

    def compare_state(self) -> None:
        """The same names, types and shapes in the state."""
        one, other = self.ours.state_dict(), self.theirs.state_dict()
        assert set(one["state"]) == set(other["state"])
        for i, state in other["state"].items():
            assert set(one["state"][i]) == set(state)
            for key, value in state.items():
                if isinstance(value, torch.Tensor) and not self.needs_closure:
                    assert tuple(one["state"][i][key].shape) == tuple(value.shape), key
        for group, expected in zip(one["param_groups"], other["param_groups"], strict=True):
            assert set(group) == set(expected)
            assert group["params"] == expected["params"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_each_step_is_torchs(name: str, options: dict[str, Any], dtype: str) -> None:
    if name == "LBFGS" and dtype == "float32":
        pytest.skip("the number of evaluations depends on the last bits")
    pair = Pair(name, options, dtype)
    for skip in ((), (), (0,), (), (1, 2), (), (), ()):
        pair.step(skip)
        pair.compare()
    pair.compare_state()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_goes_on_with_the_others_state(name: str, options: dict[str, Any]) -> None:
    pair = Pair(name, options)
    for _ in range(3):
        pair.step()
    other = Pair(name, options, seed=0)
    for new, old in zip(other.a, pair.a, strict=True):
        new.array[...] = old.array
    with torch.no_grad():
        for new, old in zip(other.b, pair.b, strict=True):
            new.copy_(old)
    other.ours.load_state_dict(ours(pair.theirs.state_dict()))
    other.theirs.load_state_dict(theirs(pair.ours.state_dict()))
    other.rng = np.random.default_rng(9)
    pair.rng = np.random.default_rng(9)
    for _ in range(3):
        pair.step()
        other.step()
        # PyTorch keeps the numbers of NAdam and ASGD in float32, and loads them as float64
        tolerance = 1e-6 if name in ("NAdam", "ASGD") else 1e-11
        other.compare(tolerance)
        for one, two in zip(pair.a, other.a, strict=True):
            np.testing.assert_allclose(one.array, two.array, tolerance, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_torchs(name: str) -> None:
    """Also where PyTorch lists an error for all optimizers: groups, sets, duplicates."""
    entries = INFOS[name].optim_error_inputs_func(device="cpu", dtype=torch.float32)
    assert entries
    checked = 0
    for entry in entries:
        params, options = entry.optimizer_error_input.params, entry.optimizer_error_input.kwargs
        if str(entry.error_on) != "OptimizerErrorEnum.CONSTRUCTION_ERROR":
            continue
        if any(isinstance(p, torch.Tensor) and p.is_sparse for p in params or ()):
            continue
        make = getattr(torch.optim, name)
        expected = error_of(lambda make=make, p=params, o=options: make(p, **o))
        tensors: dict[int, Any] = {}

        def mine(p: Any, tensors: dict[int, Any] = tensors) -> Any:
            if isinstance(p, torch.Tensor):
                return tensors.setdefault(id(p), mg.zeros(*p.shape, requires_grad=p.requires_grad))
            if isinstance(p, dict):
                return {k: mine(v) for k, v in p.items()}
            return [mine(q) for q in p] if isinstance(p, list) else p

        make = getattr(optim, name)
        got = error_of(lambda make=make, p=mine(params), o=ours(options): make(p, **o))
        assert type(got) is type(expected), expected
        assert words(str(got)) & words(str(expected)), expected
        checked += 1
    assert checked


def error_of(call: Callable[[], Any]) -> BaseException:
    """What is raised; warnings count."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            call()
        except Exception as error:
            return error
    raise AssertionError("nothing was raised")


def words(message: str) -> set[str]:
    return {word for word in message.lower().split() if len(word) > 3}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "LBFGS"])
def test_groups_hooks_and_closures(name: str) -> None:
    pair = Pair(name, {}, groups=lambda ps: [{"params": ps[:2]}, {"params": ps[2:4], "lr": 0.02}])
    calls: list[str] = []
    for opt in (pair.ours, pair.theirs):
        opt.add_param_group({"params": [pair.a[4] if opt is pair.ours else pair.b[4]], "lr": 0.3})
        opt.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre"))
        opt.register_step_post_hook(lambda o, args, kwargs: calls.append("post"))
        opt.register_state_dict_post_hook(lambda o, s: {**s, "mine": calls.append("saved")})
        opt.register_load_state_dict_pre_hook(lambda o, s: calls.append("loads"))
        opt.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    for _ in range(3):
        pair.gradients()
        for opt in (pair.ours, pair.theirs):
            assert opt.step(lambda: 4.5) == 4.5
        pair.compare()
    for opt in (pair.ours, pair.theirs):
        opt.load_state_dict(opt.state_dict())
    assert calls == ["pre", "post"] * 6 + ["saved", "loads", "loaded"] * 2
    pair.step()
    pair.compare(1e-6 if name in ("NAdam", "ASGD") else None)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "LBFGS"])
def test_rate_in_a_tensor_and_maximize(name: str) -> None:
    pair = Pair(name, {"lr": torch.tensor(0.05, dtype=torch.float64), "maximize": True})
    for i in range(4):
        for opt in (pair.ours, pair.theirs):
            opt.param_groups[0]["lr"].fill_(0.05 / (i + 1))
        pair.step()
        pair.compare(1e-8)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "LBFGS"])
def test_both_dtypes_in_one_optimizer(name: str) -> None:
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(3).astype(t) for t in ("f4", "f8", "f4", "f8")]
    a = [mg.tensor(s, requires_grad=True) for s in starts]
    b = [torch.tensor(s, requires_grad=True) for s in starts]
    one, other = getattr(optim, name)(a), getattr(torch.optim, name)(b, foreach=False)
    for _ in range(3):
        for p, q in zip(a, b, strict=True):
            g = rng.standard_normal(3).astype(p.array.dtype)
            p.grad, q.grad = mg.tensor(g), torch.tensor(g)
        one.step()
        other.step()
    for p, q in zip(a, b, strict=True):
        tolerance = 1e-5 if p.array.dtype == np.float32 else 1e-11
        np.testing.assert_allclose(p.array, q.detach().numpy(), tolerance, tolerance)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"momentum": 0.9}])
def test_infinite_and_nan_values_stay_where_they_are(options: dict[str, Any]) -> None:
    values = np.array([np.inf, np.nan, -np.inf, 1.0, 0.0])
    for name in NAMES:
        if name == "LBFGS" or ("momentum" in options and name not in ("SGD", "RMSprop")):
            continue
        if "weight_decay" in options and name == "Rprop":
            continue
        a, b = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        one = getattr(optim, name)([a], **options)
        other = getattr(torch.optim, name)([b], foreach=False, **options)
        for g in ([1.0, 1.0, 0.0, np.nan, np.inf], [1.0, 0.0, -1.0, 1.0, 1.0]):
            a.grad, b.grad = mg.tensor(np.array(g)), torch.tensor(np.array(g))
            one.step()
            other.step()
            np.testing.assert_allclose(a.array, b.detach().numpy(), 1e-11, err_msg=name)
