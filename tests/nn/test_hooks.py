"""Hooks of modules: before and after forward, and backward."""

from __future__ import annotations

from typing import Any

import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import hooks as every


class Two(nn.Module):
    """Two inputs, two outputs, a keyword."""

    def forward(self, a: Any, b: Any, *, times: float = 1.0) -> Any:
        return a * times, a * b


def test_forward_hooks_run_in_order_and_replace() -> None:
    net, log = nn.Identity(), []
    net.register_forward_pre_hook(lambda m, args: log.append("pre"))
    net.register_forward_pre_hook(lambda m, args: args[0] + 1)
    net.register_forward_hook(lambda m, args, y: log.append(f"post {args[0].item()}"))
    first = net.register_forward_hook(lambda m, args, y: y * 10)
    net.register_forward_pre_hook(lambda m, args: log.append("first"), prepend=True)
    assert net(mg.tensor(1.0)).item() == 20
    assert log == ["first", "pre", "post 2.0"]
    first.remove()
    first.remove()
    assert net(mg.tensor(1.0)).item() == 2
    with net.register_forward_hook(lambda m, args, y: y * 3):
        assert net(mg.tensor(1.0)).item() == 6
    assert net(mg.tensor(1.0)).item() == 2
    with pytest.raises(TypeError, match="callable"):
        net.register_forward_hook(3)  # type: ignore[arg-type]


def test_hooks_with_keywords() -> None:
    net = Two()
    net.register_forward_pre_hook(lambda m, a, k: (a, {"times": k["times"] * 2}), with_kwargs=True)
    net.register_forward_hook(lambda m, a, k, y: (*y, k["times"]), with_kwargs=True)
    y = net(mg.tensor(1.0), mg.tensor(3.0), times=5.0)
    assert [float(v) for v in y] == [10.0, 3.0, 10.0]
    net.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        net(mg.tensor(1.0), mg.tensor(3.0), times=5.0)


def test_hooks_that_are_always_called() -> None:
    net, seen = nn.Linear(2, 2), []
    net.register_forward_hook(lambda m, a, y: seen.append(y), always_call=True)
    net.register_forward_hook(lambda m, a, y: seen.append("not me"))
    with pytest.raises(RuntimeError, match="mat1"):
        net(mg.ones(1, 3))
    assert seen == [None]

    def second(m: Any, a: Any, y: Any) -> None:
        raise ValueError("another")

    net.register_forward_hook(second, always_call=True)
    with pytest.warns(UserWarning, match=r"silenced.*another"), pytest.raises(RuntimeError):
        net(mg.ones(1, 3))


@pytest.mark.parametrize("graph", [False, True])
def test_backward_hooks_see_and_replace_all_gradients(graph: bool) -> None:
    net, seen = Two(), []

    def before(m: Any, out: Any) -> Any:
        seen.append(("out", [float(g) for g in out]))
        return out[0] * 10, out[1]

    def after(m: Any, into: Any, out: Any) -> Any:
        seen.append(("in", [float(g) for g in into], [float(g) for g in out]))
        return into[0] * 2, into[1]

    net.register_full_backward_pre_hook(before)
    net.register_full_backward_hook(after)
    a, b = mg.tensor(2.0, requires_grad=True), mg.tensor(3.0, requires_grad=True)
    p, q = net(a, b)
    ga, gb = mg.autograd.grad(p + q, (a, b), create_graph=graph)
    assert seen == [("out", [1.0, 1.0]), ("in", [13.0, 2.0], [10.0, 1.0])]
    assert (ga.item(), gb.item()) == (26.0, 2.0)
    if graph:  # through the hook: d/da of 2 (10 + b), d/db = 2
        (second,) = mg.autograd.grad(ga, b)
        assert second.item() == 2.0


def test_backward_hooks_where_no_input_needs_a_gradient() -> None:
    net, seen = nn.Linear(2, 1, bias=False), []
    net.register_full_backward_hook(lambda m, into, out: seen.append((into, out)))
    net(mg.ones(1, 2)).sum().backward()
    assert seen[0][0] == (None,)
    assert seen[0][1][0].shape == (1, 1)
    assert net.weight.grad is not None
    with mg.no_grad():
        net(mg.ones(1, 2))


def test_backward_hooks_with_an_unused_output() -> None:
    net, seen = Two(), []
    net.register_full_backward_hook(lambda m, into, out: seen.append([float(g) for g in out]))
    a, b = mg.tensor(2.0, requires_grad=True), mg.tensor(3.0, requires_grad=True)
    net(a, b)[1].backward()
    assert seen == [[0.0, 1.0]]
    assert a.grad.item() == 3.0


def test_backward_hooks_refuse_other_counts() -> None:
    net = nn.Identity()
    net.register_full_backward_hook(lambda m, into, out: (into[0], into[0]))
    with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
        net(mg.ones(1, requires_grad=True)).sum().backward()
    net = nn.Identity()
    net.register_full_backward_pre_hook(lambda m, out: ())
    with pytest.raises(RuntimeError, match="invalid number of grad_output, got 0"):
        net(mg.ones(1, requires_grad=True)).sum().backward()


def test_backward_hooks_need_tensors() -> None:
    class Named(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x}

    net = Named()
    net.register_full_backward_hook(lambda m, into, out: None)
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple"):
        net(mg.ones(1, requires_grad=True))


# -- hooks of all modules ------------------------------------------------------------------------


def test_hooks_of_all_modules_run_before_a_modules_own() -> None:
    net, log = nn.Sequential(nn.Identity()), []
    net[0].register_forward_pre_hook(lambda m, a: log.append("own pre"))
    net[0].register_forward_hook(lambda m, a, y: log.append("own"))
    handles = [
        every.register_module_forward_pre_hook(lambda m, a: log.append(f"pre {type(m).__name__}")),
        every.register_module_forward_hook(lambda m, a, y: log.append(f"post {type(m).__name__}")),
    ]
    try:
        net(mg.ones(1))
    finally:
        for handle in handles:
            handle.remove()
    assert log == [
        "pre Sequential", "pre Identity", "own pre", "post Identity", "own", "post Sequential",
    ]  # fmt: skip
    net(mg.ones(1))
    assert len(log) == 8
    assert not every.everywhere


def test_hooks_of_all_modules_replace() -> None:
    net = nn.Identity()
    with every.register_module_forward_pre_hook(lambda m, a: a[0] + 1):
        assert net(mg.tensor(1.0)).item() == 2
    with every.register_module_forward_hook(lambda m, a, k, y: y * 3, with_kwargs=True):
        assert net(mg.tensor(1.0)).item() == 3


def test_hooks_of_all_modules_see_gradients() -> None:
    net, log = nn.Sequential(nn.Identity(), nn.Identity()), []
    x = mg.tensor(2.0, requires_grad=True)
    with every.register_module_full_backward_pre_hook(lambda m, g: (g[0] * 2,)):
        net(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 8
    with every.register_module_full_backward_hook(lambda m, i, o: log.append(type(m).__name__)):
        y = net(x)
    y.backward()  # watched by the hooks of the time of the call
    assert log == ["Identity", "Identity", "Sequential"]


def test_a_hook_of_all_modules_that_is_always_called() -> None:
    seen: list[Any] = []
    handle = every.register_module_forward_hook(lambda m, a, y: seen.append(y), always_call=True)
    with handle, pytest.raises(RuntimeError, match="mat1"):
        nn.Linear(2, 2)(mg.ones(1, 3))
    assert seen == [None]


def test_hooks_that_see_modules_getting_parts() -> None:
    log: list[Any] = []

    def note(kind: str) -> Any:
        return lambda m, name, part: log.append((kind, type(m).__name__, name))

    handles = [
        every.register_module_parameter_registration_hook(note("p")),
        every.register_module_buffer_registration_hook(note("b")),
        every.register_module_module_registration_hook(note("m")),
    ]
    try:
        net = nn.Sequential(nn.Linear(1, 1, bias=False))
        net.register_buffer("count", mg.zeros(1))
        net.count = mg.ones(1)
        net.extra = nn.Identity()
    finally:
        for handle in handles:
            handle.remove()
    assert log == [
        ("p", "Linear", "weight"), ("m", "Sequential", "0"), ("b", "Sequential", "count"),
        ("b", "Sequential", "count"), ("m", "Sequential", "extra"),
    ]  # fmt: skip
    with every.register_module_parameter_registration_hook(
        lambda m, name, p: nn.Parameter(p * 0 + 7)
    ):
        assert nn.Linear(1, 1).weight.item() != 7  # drawn after it was registered
        assert nn.PReLU().weight is not None
    nn.Linear(1, 1)
    assert len(log) == 5


# -- PyTorch's older hooks of states -------------------------------------------------------------


def test_older_hooks_of_states() -> None:
    net = nn.Linear(1, 1)
    with net._register_state_dict_hook(lambda m, state, prefix, local: {"only": 1}):
        assert net.state_dict() == {"only": 1}
    seen: list[Any] = []
    with net._register_load_state_dict_pre_hook(lambda state, prefix, *rest: seen.append(prefix)):
        net.load_state_dict(net.state_dict())
    with net._register_load_state_dict_pre_hook(
        lambda m, state, *rest: seen.append(m), with_module=True
    ):
        net.load_state_dict(net.state_dict())
    assert seen == ["", net]


# -- places --------------------------------------------------------------------------------------


def test_names_at_the_places_of_pytorch() -> None:
    from minigrad.nn.modules.batchnorm import BatchNorm2d, _BatchNorm
    from minigrad.nn.modules.conv import _ConvNd
    from minigrad.nn.modules.loss import _Loss
    from minigrad.nn.modules.module import Module, register_module_forward_hook
    from minigrad.nn.modules.utils import _ntuple, _pair, _reverse_repeat_tuple, _triple

    assert nn.modules.Linear is nn.modules.linear.Linear is nn.Linear
    assert Module is nn.Module
    assert register_module_forward_hook is every.register_module_forward_hook
    assert issubclass(nn.BatchNorm2d, _BatchNorm)
    assert BatchNorm2d is nn.BatchNorm2d
    assert issubclass(nn.Conv1d, _ConvNd)
    assert issubclass(nn.CTCLoss, _Loss)
    assert (_pair(3), _triple((1, 2, 3)), _ntuple(2)([4, 5])) == ((3, 3), (1, 2, 3), (4, 5))
    assert _reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)
    assert nn.modules.utils._list_with_default([None, 5], [1, 2, 3]) == [2, 5]
