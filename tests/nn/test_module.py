"""The module: registration, finding parts, conversion, calls, errors that name the layer."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


class Net(nn.Module):
    """Two layers, a buffer, a part that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.again = self.first
        self.last = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))
        self.scale = nn.Parameter(mg.ones(2))
        self.register_buffer("count", mg.zeros(()))
        self.register_buffer("cache", mg.zeros(3), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x)) * self.scale


def test_names_of_parts() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "last.1.weight", "last.1.bias",
    ]  # fmt: skip
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [n for n, _ in net.named_parameters(prefix="p")][1] == "p.first.weight"
    assert [n for n, _ in net.named_modules()] == ["", "first", "last", "last.0", "last.1"]
    assert [n for n, _ in net.named_children()] == ["first", "last"]
    assert [n for n, _ in net.named_buffers()] == ["count", "cache"]
    assert list(net.state_dict()) == [
        "scale", "count", "first.weight", "first.bias", "again.weight", "again.bias",
        "last.1.weight", "last.1.bias",
    ]  # fmt: skip
    assert net.get_submodule("last.1") is net.last[1]
    assert net.get_parameter("last.1.weight") is net.last[1].weight
    assert net.get_buffer("count") is net.count
    for call in (net.get_submodule, net.get_parameter, net.get_buffer):
        with pytest.raises(AttributeError, match="nothing"):
            call("last.nothing")
    with pytest.raises(AttributeError, match=r"not an nn.Parameter"):
        net.get_parameter("count")
    with pytest.raises(AttributeError, match="not a buffer"):
        net.get_buffer("scale")
    assert {"first", "scale", "count", "forward"} <= set(dir(net))


def test_attributes_are_registered_and_replaced() -> None:
    m = nn.Module()
    m.a = nn.Parameter(mg.ones(1))
    m.a = nn.Linear(1, 1)
    assert "a" in m._modules
    assert "a" not in m._parameters
    with pytest.raises(TypeError, match="child module 'a'"):
        m.a = 3
    m.a = None
    assert m.a is None
    m.b = nn.Buffer(mg.ones(2), persistent=False)
    assert next(iter(m.named_buffers()))[0] == "b"
    assert not m.state_dict()
    m.b = mg.zeros(2)
    assert m._buffers["b"].sum().item() == 0
    with pytest.raises(TypeError, match="buffer 'b'"):
        m.b = 1.0
    m.c = nn.Parameter(mg.ones(1))
    with pytest.raises(TypeError, match="parameter 'c'"):
        m.c = mg.ones(1)
    del m.c, m.b, m.a
    assert not hasattr(m, "c")
    m.plain = mg.ones(2)
    assert not m._buffers
    m.plain = nn.Parameter(mg.ones(2))  # an attribute becomes a parameter
    assert m.plain is m._parameters["plain"]
    assert "plain" not in m.__dict__


def test_registration_refuses_bad_names() -> None:
    m = nn.Module()
    for register in (m.register_parameter, m.register_buffer, m.add_module):
        with pytest.raises(KeyError, match="contain"):
            register("a.b", None)
        with pytest.raises(KeyError, match="be empty"):
            register("", None)
        with pytest.raises(TypeError, match="string"):
            register(3, None)  # type: ignore[arg-type]
        with pytest.raises(KeyError, match="already exists"):
            register("forward", None)
        with pytest.raises(TypeError, match="int"):
            register("x", 3)  # type: ignore[arg-type]
    p = nn.Parameter(mg.ones(1))
    p.node = (mg.ones(1, requires_grad=True) * 2).node
    with pytest.raises(ValueError, match="non-leaf"):
        m.register_parameter("x", p)

    class Late(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module.__init__"):
        Late()


def test_parameter_is_a_leaf_that_shares_memory() -> None:
    t = mg.ones(3)
    p = nn.Parameter(t)
    assert p.array is t.array
    assert p.requires_grad
    assert isinstance(p, mg.Tensor)
    assert not isinstance(p * 2, nn.Parameter)
    assert not nn.Parameter(mg.ones(2), requires_grad=False).requires_grad
    made = nn.Parameter(t * mg.ones(3, requires_grad=True))
    assert made.is_leaf
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(mg.tensor([1, 2]))
    assert repr(p).startswith("Parameter containing:\ntensor(")
    again = pickle.loads(pickle.dumps(p))
    assert type(again) is nn.Parameter
    assert again.requires_grad
    assert type(copy.deepcopy(p)) is nn.Parameter


def test_copies_are_independent_and_keep_ties() -> None:
    net = Net()
    net(mg.ones(1, 3))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.again is other.first
        assert len(other._spans) == 0
        with mg.no_grad():
            other.first.weight.zero_()
        assert net.first.weight.abs().sum().item() > 0
        assert other(mg.ones(1, 3)).shape == (1, 2)


def test_conversion_keeps_identity() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = net[0].weight
    net(mg.ones(3, 2) * mg.tensor([[1.0], [2.0], [4.0]])).sum().backward()
    assert net.double() is net
    assert net[0].weight is weight
    assert weight.dtype is mg.float64
    assert weight.grad.dtype is mg.float64
    assert net[1].running_mean.dtype is mg.float64
    assert net[1].num_batches_tracked.dtype is mg.int64
    assert net.to(mg.float32)[0].bias.dtype is mg.float32
    assert net.to("cpu").to(mg.ones(1, dtype=mg.float64))[0].bias.dtype is mg.float64
    assert net.half().float()[0].bias.dtype is mg.float32
    with pytest.raises(TypeError, match="floating point"):
        net.to(mg.int64)
    with pytest.raises(RuntimeError, match="CPU only"):
        net.to("cuda")


def test_modes_and_gradients_of_all_parts() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")  # type: ignore[arg-type]
    net(mg.ones(2, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(mg.ones(1, 3)).requires_grad
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def test_repr_has_the_layout_of_pytorch() -> None:
    net = nn.Sequential(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()]), nn.ModuleDict())
    assert repr(net) == (
        "Sequential(\n  (0): ModuleList(\n    (0-1): 2 x ReLU()\n    (2): Tanh()\n  )\n"
        "  (1): ModuleDict()\n)"
    )


def test_errors_name_the_layer() -> None:
    net = Net()
    with pytest.raises(RuntimeError, match=r"\(2x5 and 3x4\)") as info:
        net(mg.ones(2, 5))
    line = "Linear(in_features=3, out_features=4, bias=True)"
    assert info.value.__notes__ == [f"in Net.first: {line}"]
    outer = nn.Sequential(nn.Identity(), net)
    with pytest.raises(RuntimeError) as info:
        outer(mg.ones(2, 5))
    assert info.value.__notes__ == [f"in Sequential.1.first: {line}"]
    with pytest.raises(RuntimeError) as info:
        outer[1].last(mg.ones(2, 3))
    assert "Sequential.1: Linear(in_features=4" in info.value.__notes__[0]
    with pytest.raises(NotImplementedError, match="Module"):
        nn.Module()(1)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((2, 2, 2), "Flatten"), ((4, 2), r"transpose\(0, -1\)"), ((2, 2, 1), "Flatten|flatten")],
)
def test_shape_errors_of_linear_say_what_to_do(shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(RuntimeError, match=hint):
        nn.Linear(4, 3)(mg.ones(*shape))


def test_other_errors_of_linear() -> None:
    layer = nn.Linear(4, 3)
    with pytest.raises(RuntimeError, match=r"same dtype.*float64"):
        layer(mg.ones(2, 4, dtype=mg.float64))
    with pytest.raises(TypeError, match="must be Tensor"):
        layer([1.0, 2.0])
    with pytest.raises(RuntimeError, match="at least 1D"):
        layer(mg.ones(()))
    with pytest.raises(RuntimeError, match="bias"):
        nn.functional.linear(mg.ones(2, 4), layer.weight, mg.ones(2))


def test_spans_tell_what_made_a_node() -> None:
    net = Net()
    y = net(mg.ones(1, 3))
    node, found = y.node, []
    while hasattr(node, "op"):
        inside = [n for n, m in net.named_modules() if m._spans[-1][0] < node.seq < m._spans[-1][1]]
        found.append((node.op.name, inside))
        node = next((e for e in node.edges if hasattr(e, "op")), None)
    assert found == [
        ("mul", [""]), ("linear", ["", "last", "last.1"]), ("relu", ["", "last", "last.0"]),
        ("linear", ["", "first"]),
    ]  # fmt: skip
    for _ in range(100):
        net(mg.ones(1, 3))
    assert len(net._spans) == 64
    assert net._spans[-1][0] > net._spans[0][1]


def test_a_parameter_may_be_computed_from_others() -> None:
    """What weight normalization does: `weight` is no parameter any more."""
    layer = nn.Linear(2, 2)
    v = layer.weight
    del layer._parameters["weight"]
    layer.v = v
    layer.weight = v * 2
    assert np.allclose(
        layer(mg.ones(1, 2)).detach().numpy(), (2 * v.sum(1) + layer.bias).detach().numpy()
    )


def test_linear_keeps_only_what_is_needed() -> None:
    """A frozen layer's input is not kept, so that it may be written after."""
    layer = nn.Linear(2, 2).requires_grad_(False)
    x = mg.ones(3, 2, requires_grad=True)
    h = x * 1
    y = layer(h)
    with mg.no_grad():
        h.mul_(2)
    y.sum().backward()
    assert x.grad.shape == (3, 2)
