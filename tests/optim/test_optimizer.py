"""Groups, state, hooks, closures, saving, and what the optimizers do to parameters and graphs."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.core.tensor import Tensor
from minigrad.optim.optimizer import required

ALL = ["ASGD", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop"]
ALL += ["Rprop"]


def param(*values: float, grad: float | None = 1.0, dtype: Any = None) -> Any:
    p = mg.tensor(list(values), dtype=dtype or mg.float64, requires_grad=True)
    if grad is not None:
        p.grad = mg.full_like(p, grad)
    return p


def make(name: str, params: Any, **options: Any) -> Any:
    return getattr(optim, name)(params, **options)


@pytest.mark.parametrize("name", ALL)
def test_finds_the_minimum_of_a_bowl(name: str) -> None:
    w = param(3.0, -2.0, grad=None)
    rates = {"Adadelta": 10.0, "ASGD": 0.1, "SGD": 0.1, "Adagrad": 1.0}
    opt = make(name, [w], lr=rates.get(name, 0.05))
    for _ in range(400):
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        opt.step()
    assert loss.item() < 1e-2


@pytest.mark.parametrize("name", ALL)
def test_runs_give_the_same_as_one_parameter_at_a_time(name: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (4,), (), (0,), (20_000,), (2, 2)]
    starts = [rng.standard_normal(s) for s in shapes]
    together = [mg.tensor(s, requires_grad=True) for s in starts]
    alone = [mg.tensor(s, requires_grad=True) for s in starts]
    alone[0].data = mg.tensor(np.asfortranarray(starts[0]))  # not contiguous
    alone[0].array = np.asfortranarray(starts[0])
    one = make(name, together)
    others = [make(name, [p]) for p in alone]
    for i in range(5):
        for a, b in zip(together, alone, strict=True):
            g = rng.standard_normal(a.array.shape)
            if (i, a.ndim) != (2, 1):
                a.grad, b.grad = mg.tensor(g), mg.tensor(g.T.copy().T)
            else:
                a.grad = b.grad = None
        one.step()
        for other in others:
            other.step()
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.array, b.array)
    assert not alone[0].array.flags.c_contiguous


def test_state_is_the_optimizers_memory() -> None:
    a, b = param(1.0, 2.0), param(3.0)
    opt = optim.Adam([a, b])
    opt.step()
    kept = opt.state[b]["exp_avg"]
    opt.step()
    assert opt.state[b]["exp_avg"] is kept
    before = kept.item()
    kept.zero_()  # a write by the user is seen ...
    opt.step()
    assert kept.item() == pytest.approx(0.1)
    assert before != pytest.approx(0.1)
    opt.state[b] = {}  # ... and so are a new state, of one parameter or of all
    opt.step()
    assert opt.state[b]["step"].item() == 1
    assert opt.state[a]["step"].item() == 4
    opt.state.clear()
    opt.step()
    assert opt.state[a]["step"].item() == 1
    opt.state[a]["step"].fill_(9.0)
    opt.step()
    assert [opt.state[p]["step"].item() for p in (a, b)] == [10, 2]


def test_replaced_memory_of_a_parameter_is_used() -> None:
    a, b = param(1.0), param(1.0)
    opt = optim.SGD([a, b], lr=0.5)
    opt.step()
    a.data = mg.tensor([10.0], dtype=mg.float64)
    opt.step()
    assert a.tolist() == [9.5]
    assert b.tolist() == [0.0]


def test_views_of_a_parameter_stay_views() -> None:
    a, b = param(1.0, 1.0), param(1.0)
    view, array = a.detach(), a.detach().numpy()
    opt = optim.Adam([a, b], lr=0.1)
    opt.step()
    assert view.tolist() == a.tolist() == array.tolist() != [1.0, 1.0]


def test_two_optimizers_share_a_parameter() -> None:
    a, b, c = param(1.0), param(1.0), param(1.0)
    one, two = optim.SGD([a, b], lr=0.1), optim.SGD([b, c], lr=0.1)
    for _ in range(2):
        one.step()
        two.step()
    assert [p.item() for p in (a, b, c)] == pytest.approx([0.8, 0.6, 0.8])


def test_graph_that_saved_a_parameter_notices_the_step() -> None:
    w = param(2.0, grad=None)
    opt = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    opt.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_step_records_no_graph_and_keeps_leaves() -> None:
    w = param(1.0)
    optim.Adam([w]).step()
    assert w.is_leaf
    assert w.requires_grad
    assert w.grad.tolist() == [1.0]


def test_first_step_of_momentum_is_not_dampened() -> None:
    w = param(0.0)
    opt = optim.SGD([w], lr=1.0, momentum=0.5, dampening=0.9)
    opt.step()
    assert w.item() == pytest.approx(-1.0)
    opt.step()
    assert w.item() == pytest.approx(-1.0 - (0.5 + 0.1))


def test_momentum_may_be_switched_on_later() -> None:
    w = param(0.0)
    opt = optim.SGD([w], lr=1.0)
    opt.step()
    assert not opt.state
    opt.param_groups[0]["momentum"] = 0.5
    opt.step()
    opt.step()
    assert w.item() == pytest.approx(-1 - 1 - 1.5)


def test_learning_rate_may_be_a_tensor() -> None:
    w = param(0.0)
    rate = mg.tensor(0.5)
    opt = optim.SGD([w], lr=rate)
    opt.step()
    rate.fill_(0.25)
    opt.step()
    assert w.item() == -0.75
    with pytest.raises(ValueError, match="1-element"):
        optim.SGD([w], lr=mg.ones(2))


def test_half_precision_is_computed_in_float32() -> None:
    w = param(1.0, dtype=mg.float16)
    opt = optim.Adam([w], lr=0.5)
    opt.step()
    assert w.dtype is mg.float16
    assert w.item() == 0.5
    assert opt.state[w]["exp_avg"].dtype is mg.float32


def test_read_only_parameters_are_refused() -> None:
    w = Tensor(np.broadcast_to(np.float32(1), (3,)))
    w.requires_grad_()
    w.grad = mg.ones(3)
    with pytest.raises(RuntimeError, match=r"read-only.*clone"):
        optim.SGD([w]).step()


def test_closure_is_run_with_gradients_on() -> None:
    w = param(1.0, grad=None)
    opt = optim.SGD([w], lr=0.1)

    def closure() -> Any:
        opt.zero_grad()
        loss = (w * 3).sum()
        loss.backward()
        return loss

    with mg.no_grad():
        loss = opt.step(closure)
    assert loss.item() == 3.0
    assert w.item() == pytest.approx(0.7)
    assert opt.step() is None


def test_zero_grad() -> None:
    w = param(1.0)
    opt = optim.SGD([w])
    kept = w.grad
    opt.zero_grad(set_to_none=False)
    assert w.grad is kept
    assert kept.tolist() == [0.0]
    opt.zero_grad()
    assert w.grad is None
    opt.step()
    assert w.item() == 1.0


# -- groups ----------------------------------------------------------------------------------------


def test_groups_have_their_own_options() -> None:
    a, b, c = param(0.0), param(0.0), param(0.0)
    opt = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.1)
    opt.step()
    opt.add_param_group({"params": [c], "lr": 2.0})
    opt.step()
    assert [p.item() for p in (a, b, c)] == pytest.approx([-0.2, -1.0, -2.0])


def test_named_parameters() -> None:
    a, b = param(0.0), param(0.0)
    opt = optim.SGD([("a", a), ("b", b)], lr=0.1)
    assert opt.param_groups[0]["param_names"] == ["a", "b"]
    opt.step()
    assert b.item() == pytest.approx(-0.1)
    with pytest.raises(ValueError, match="with/without names"):
        opt.add_param_group({"params": [param(1.0)]})
    with pytest.raises(ValueError, match="names are missing"):
        optim.SGD([("a", a), b])


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ([], ValueError, "empty parameter list"),
        (mg.ones(1), TypeError, "iterable of Tensors or dicts"),
        ([1.0], TypeError, "can only optimize Tensors"),
        ([{"params": {param(1.0)}}], TypeError, "ordered collections"),
        ([param(1.0) * 2], ValueError, "can't optimize a non-leaf Tensor"),
    ],
)
def test_bad_parameters(params: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        optim.SGD(params)


def test_a_parameter_belongs_to_one_group() -> None:
    a = param(1.0)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optim.SGD([{"params": [a]}, {"params": [a]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([a, a])
    with pytest.raises(TypeError, match="must be a dict"):
        optim.SGD([a]).add_param_group([a])  # type: ignore[arg-type]


def test_unsupported_ways_to_compute() -> None:
    with pytest.raises(RuntimeError, match="differentiable"):
        optim.Adam([param(1.0)], differentiable=True)
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        optim.Adam([param(1.0)], fused=True, foreach=True)


# -- a user's own ----------------------------------------------------------------------------------


class Signs(optim.Optimizer):
    """An optimizer as users write them."""

    def __init__(self, params: Any, lr: Any = required) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                with mg.no_grad():
                    p.sub_(p.grad.sign() * group["lr"])
                self.state[p]["seen"] = self.state[p].get("seen", 0) + 1


def test_own_optimizer() -> None:
    a, b = param(1.0, grad=3.0), param(1.0, grad=-2.0)
    with pytest.raises(ValueError, match="didn't specify a value of required"):
        Signs([a])
    assert repr(required) == "<required parameter>"
    opt = Signs([{"params": [a], "lr": 0.5}, {"params": [b], "lr": 0.25}])
    calls: list[str] = []
    opt.register_step_pre_hook(lambda o, args, kwargs: calls.append("before"))
    opt.register_step_post_hook(lambda o, args, kwargs: calls.append("after"))
    opt.step()
    assert [a.item(), b.item()] == [0.5, 1.25]
    assert calls == ["before", "after"]
    assert opt.state_dict()["state"] == {0: {"seen": 1}, 1: {"seen": 1}}


def test_hooks_of_a_step() -> None:
    w = param(1.0, grad=None)
    opt = optim.SGD([w], lr=1.0)

    def closure() -> float:
        w.grad = mg.ones_like(w)
        return 5.0

    opt.register_step_pre_hook(lambda o, args, kwargs: ((closure,), {}))
    assert opt.step() == 5.0
    bad = opt.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="tuple of"):
        opt.step()
    bad.remove()
    opt.step()
    assert w.item() == -1.0


# -- saving ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_state_goes_on_where_it_was(name: str) -> None:
    a, b = [param(1.0, -1.0), param(2.0)], [param(0.0, 0.0), param(0.0)]
    one, two = make(name, a), make(name, b)
    for _ in range(3):
        one.step()
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    for p, q in zip(a, b, strict=True):
        q.data = p.detach().clone()
    for _ in range(3):
        one.step()
        two.step()
    # PyTorch, too, gives the numbers of NAdam and ASGD another type on loading: not the same bits
    for p, q in zip(a, b, strict=True):
        assert np.allclose(p.array, q.array, 1e-6, 0)
        assert set(one.state[p]) == set(two.state[q])
        for key, value in one.state[p].items():
            assert np.allclose(value.array, two.state[q][key].array, 1e-6, 0)


def test_loaded_tensors_are_copies() -> None:
    a = param(1.0)
    opt = optim.Adam([a])
    opt.step()
    saved = opt.state_dict()
    other = optim.Adam([param(1.0)])
    other.load_state_dict(saved)
    other.step()
    assert saved["state"][0]["step"].item() == 1
    assert opt.state[a]["step"].item() == 1


def test_state_that_does_not_fit() -> None:
    opt = optim.Adam([param(1.0)])
    opt.step()
    saved = opt.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.Adam([{"params": param(1.0)}, {"params": param(1.0)}]).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size"):
        optim.Adam([param(1.0), param(1.0)]).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"'exp_avg' of parameter 0 has shape \[1\]"):
        optim.Adam([param(1.0, 2.0)]).load_state_dict(saved)


def test_adamw_keeps_its_decay_with_a_state_of_adam() -> None:
    saved = optim.Adam([param(1.0)]).state_dict()
    opt = optim.AdamW([param(1.0)])
    opt.load_state_dict(saved)
    assert opt.param_groups[0]["decoupled_weight_decay"] is True


def test_hooks_of_saving() -> None:
    opt = optim.SGD([param(1.0)])
    calls: list[str] = []
    opt.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    opt.register_state_dict_post_hook(lambda o, s: {**s, "mine": 1})
    opt.register_load_state_dict_pre_hook(lambda o, s: calls.append(str(s.pop("mine"))))
    opt.register_load_state_dict_post_hook(lambda o: calls.append("post"))
    opt.load_state_dict(opt.state_dict())
    opt.load_state_dict(opt.state_dict())  # hooks outlive a load
    assert calls == ["pre", "1", "post"] * 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_are_independent(copied: Any) -> None:
    w = param(1.0, 2.0)
    opt = optim.Adam([w], lr=0.1)
    opt.step()
    other = copied(opt)
    (v,) = other.param_groups[0]["params"]
    assert v is not w
    v.grad = mg.ones_like(v)
    opt.step()
    assert v.tolist() != w.tolist()
    other.step()
    assert v.tolist() == w.tolist()
    assert other.state[v]["step"].item() == 2


def test_a_parameter_listed_twice_is_updated_twice() -> None:
    w, v = param(1.0), param(1.0)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        opt = optim.SGD([w, v, w], lr=0.25)
    opt.step()
    opt.step()
    assert [w.item(), v.item()] == [0.0, 0.5]


def test_a_gradient_of_another_shape_is_refused() -> None:
    w = param(1.0, 2.0)
    w._grad.array = np.ones(3)
    with pytest.raises(RuntimeError, match=r"shape \[2\] has a gradient of shape \[3\]"):
        optim.SGD([w]).step()


def test_state_whose_memory_was_replaced_is_used() -> None:
    w, v = param(1.0, 1.0), param(1.0)
    opt = optim.SGD([w, v], lr=1.0, momentum=1.0)
    opt.step()
    opt.state[w]["momentum_buffer"].data = mg.tensor([[10.0, 20.0]], dtype=mg.float32)[0]
    del opt.state[v]["momentum_buffer"]
    opt.step()
    assert w.tolist() == [-11.0, -21.0]
    assert v.tolist() == [-1.0]
    opt.step()
    assert w.tolist() == [-23.0, -43.0]
    assert v.tolist() == [-3.0]


def test_many_parameters_on_threads() -> None:
    sizes = [120_000, 1, 30_000, 500]
    before = mg.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            mg.set_num_threads(threads)
            ps = [mg.ones(n, requires_grad=True) for n in sizes]
            opt = optim.Adam(ps, weight_decay=0.1)
            for i in range(3):
                for p in ps:
                    p.grad = mg.arange(p.numel(), dtype=mg.float32).sin() * i
                opt.step()
            results.append([p.array.tobytes() for p in ps])
    finally:
        mg.set_num_threads(before)
    assert results[0] == results[1]


def test_a_number_beside_a_gradient_that_is_not_contiguous() -> None:
    number = mg.tensor(2.0, requires_grad=True)
    matrix = mg.ones(2, 3).requires_grad_()
    number.grad, matrix.grad = mg.tensor(1.0), mg.arange(6.0).reshape(3, 2).t()
    mg.optim.SGD([number, matrix], lr=0.5).step()
    assert number.item() == 1.5
    assert matrix.tolist() == [[1.0, 0.0, -1.0], [0.5, -0.5, -1.5]]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
        lambda p: optim.Adam(p, weight_decay=0.1, amsgrad=True),
        lambda p: optim.AdamW(p),
        lambda p: optim.NAdam(p, momentum_decay=0.1),
        lambda p: optim.RAdam(p),
        lambda p: optim.Adamax(p),
        lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
        lambda p: optim.Adagrad(p, lr_decay=0.1),
        lambda p: optim.Adadelta(p),
        lambda p: optim.Rprop(p),
        lambda p: optim.ASGD(p, lambd=0.1, t0=1),
    ],
)
def test_steps_done_again_from_options_and_counts_alone(make: Any, monkeypatch: Any) -> None:
    """What a kernel is told is a function of the group and of numbers, nothing else: a recorded
    step is repeated by calling the kernel on the same places.
    """
    start = np.linspace(-1, 1, 6, dtype=np.float32)
    gradients = [np.float32(np.cos(np.arange(6) * (i + 1))) for i in range(8)]
    w = mg.tensor(start, requires_grad=True)
    opt = make([w])
    calls: list[Any] = []
    update = optim.runs.Run.update
    monkeypatch.setattr(
        optim.runs.Run, "update", lambda self, *args: (calls.append(args), update(self, *args))
    )
    for g in gradients:
        w.grad = mg.tensor(g)
        opt.step()

    group, names = opt.param_groups[0], opt._names(opt.param_groups[0])
    p = start.copy()
    arrays = [[np.full(6, opt._start(n, group), np.float32)] if n else None for n in names]
    pieces = optim.runs.kernels.Pieces([p], arrays)
    counts: dict[str, Any] = {n: np.float32(opt._start(n, group)) for n in opt._counts}
    for i, (g, (kernel, numbers)) in enumerate(zip(gradients, calls, strict=True)):
        counts |= {"first": i == 0} | ({"step": i + 1} if "step" in counts else {})
        assert opt._numbers(group, counts) == numbers
        counts |= {k: np.float32(v) for k, v in opt._counted(group, counts).items()}
        kernel(pieces, [g], **numbers)
    assert p.tolist() == w.tolist()


# -- forms of the lectures -------------------------------------------------------------------------


def walked(make: Any, update: Any, steps: int = 6) -> None:
    """Hold an optimizer with a changing rate to a formula in numpy."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=5)
    p = mg.tensor(w, requires_grad=True, dtype=mg.float64)
    optimizer, state = make([p]), {"w": w.copy(), "u": np.zeros(5), "v": np.zeros(5)}
    for t in range(steps):
        g, rate = rng.normal(size=5), 0.1 / (1 + t)
        for group in optimizer.param_groups:
            group["lr"] = rate
        p.grad = mg.tensor(g)
        optimizer.step()
        update(state, g, rate)
        np.testing.assert_allclose(p.detach().numpy(), state["w"], rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_with_the_rate_inside(nesterov: bool) -> None:
    def update(s: Any, g: Any, rate: float) -> None:
        g = g + 0.01 * s["w"]
        s["u"] = 0.9 * s["u"] + rate * g
        s["w"] = s["w"] - (0.9 * s["u"] + rate * g if nesterov else s["u"])

    walked(
        lambda p: optim.SGD(
            p, momentum=0.9, weight_decay=0.01, nesterov=nesterov, rate_inside=True
        ),
        update,
    )


def test_adagrad_with_eps_under_the_root() -> None:
    def update(s: Any, g: Any, rate: float) -> None:
        s["v"] += g * g
        s["w"] = s["w"] - rate / np.sqrt(s["v"] + 0.1) * g

    walked(lambda p: optim.Adagrad(p, eps=0.1, eps_inside_root=True), update)


def test_rmsprop_with_eps_under_the_root() -> None:
    def update(s: Any, g: Any, rate: float) -> None:
        s["v"] = 0.9 * s["v"] + 0.1 * g * g
        s["w"] = s["w"] - rate / np.sqrt(s["v"] + 0.1) * g

    walked(lambda p: optim.RMSprop(p, alpha=0.9, eps=0.1, eps_inside_root=True), update)


def test_groups_are_pytorchs_where_no_form_is_chosen() -> None:
    w = [mg.zeros(2, requires_grad=True)]
    assert "rate_inside" not in optim.SGD(w, lr=0.1).param_groups[0]
    chosen = optim.SGD(w, lr=0.1, momentum=0.9, rate_inside=True)
    again = optim.SGD(w, lr=0.1)
    again.load_state_dict(chosen.state_dict())
    assert again.param_groups[0]["rate_inside"] is True
