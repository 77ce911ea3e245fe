"""Modules and parameters in a row, in a list, by name."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import minigrad as mg
from minigrad import nn


def kinds(modules: object) -> list[str]:
    return [type(m).__name__ for m in modules]  # type: ignore[attr-defined]


def test_sequential_is_a_list_that_computes() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh())
    assert kinds(net[1:]) == ["ReLU", "Tanh"]
    assert isinstance(net[:2], nn.Sequential)
    assert list(net[1:]._modules) == ["1", "2"]
    assert net[-1] is net[2]
    net.append(nn.Sigmoid()).insert(1, nn.ELU()).extend([nn.GELU()])
    assert kinds(net) == ["Linear", "ELU", "ReLU", "Tanh", "Sigmoid", "GELU"]
    assert list(net._modules) == list("012345")
    del net[0], net[-1]
    assert list(net._modules) == list("0123")
    del net[1:3]
    assert kinds(net) == ["ELU", "Sigmoid"]
    net[0] = nn.Identity()
    assert kinds([net.pop(1), *net]) == ["Sigmoid", "Identity"]
    assert kinds(net + nn.Sequential(nn.ReLU())) == ["Identity", "ReLU"]
    net += nn.Sequential(nn.ReLU())
    assert len(net * 3) == 6
    net *= 2
    assert len(net) == 4
    assert net[0] is net[2]
    x = mg.tensor([-1.0, 2.0])
    assert net(x).tolist() == [0.0, 2.0]
    assert nn.Sequential()(x) is x
    with pytest.raises(IndexError, match="out of range"):
        net[4]
    with pytest.raises(IndexError):
        net.insert(9, nn.ReLU())
    with pytest.raises(TypeError, match="not a Module"):
        nn.Sequential(3)
    with pytest.raises(ValueError, match="Sequential class"):
        net + 3
    with pytest.raises(ValueError, match="Non-positive"):
        net * 0
    with pytest.raises(TypeError, match="unsupported"):
        net * 1.5  # type: ignore[operator]


def test_sequential_with_names() -> None:
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), second=nn.ReLU()))
    assert [n for n, _ in net.named_parameters()] == ["first.weight", "first.bias"]
    assert net.second is net[1]


def test_module_list() -> None:
    layers = nn.ModuleList(nn.Linear(i, 1) for i in range(1, 4))
    layers += [nn.ReLU()]
    assert len(layers) == 4
    assert len(list(layers.parameters())) == 6
    assert kinds(layers[2:]) == ["Linear", "ReLU"]
    assert kinds(layers + nn.ModuleList([nn.Tanh()]))[-1] == "Tanh"
    layers.insert(0, nn.GELU())
    assert kinds(layers)[0] == "GELU"
    assert "(1): Linear(in_features=1" in repr(layers)
    assert repr(nn.ModuleList()) == "ModuleList()"
    with pytest.raises(NotImplementedError, match="ModuleList"):
        layers(1)
    with pytest.raises(TypeError, match="iterable"):
        layers.extend(3)  # type: ignore[arg-type]


def test_module_dict() -> None:
    table = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    table["c"] = nn.Tanh()
    table.update([("d", nn.ELU())])
    assert list(table) == list(table.keys()) == ["a", "b", "c", "d"]
    assert "a" in table
    assert len(table) == 4
    assert kinds(table.values()) == ["Linear", "ReLU", "Tanh", "ELU"]
    assert dict(table.items())["b"] is table["b"]
    assert kinds([table.pop("a")]) == ["Linear"]
    del table["b"]
    table.clear()
    assert not len(table)
    with pytest.raises(ValueError, match="2 is required"):
        table.update([("a", 1, 2)])
    with pytest.raises(TypeError, match="iterable of key/value"):
        table.update(3)
    with pytest.raises(TypeError, match="should be Iterable"):
        table.update([3])


def test_parameter_list() -> None:
    ps = nn.ParameterList([mg.ones(2), nn.Parameter(mg.ones(3, 1))])
    ps.append(mg.zeros(1))
    ps += [4]
    assert [n for n, _ in ps.named_parameters()] == ["0", "1", "2"]
    assert isinstance(ps[0], nn.Parameter)
    assert ps[-1] == 4
    assert len(ps[1:3]) == 2
    ps[0] = mg.zeros(5)
    assert ps[0].shape == (5,)
    assert "(1): Parameter containing: [minigrad.float32 of size 3x1]" in repr(ps)
    assert "(3): Object of type: int" in repr(ps)
    with pytest.raises(RuntimeError, match="should not be called"):
        ps(1)
    with pytest.raises(TypeError, match="iterable"):
        ps.extend(mg.ones(2))
    with pytest.raises(IndexError):
        ps[4]


def test_parameter_dict() -> None:
    ps = nn.ParameterDict({"b": mg.ones(2), "a": mg.ones(3)})
    assert list(ps) == ["a", "b"]
    assert list(reversed(ps)) == ["b", "a"]
    ps["c"] = mg.zeros(1)
    assert [n for n, _ in ps.named_parameters()] == ["a", "b", "c"]
    assert ps.get("x") is None
    assert ps.setdefault("x", mg.ones(1)).shape == (1,)
    assert ps.popitem()[0] == "x"
    assert (ps | nn.ParameterDict({"y": mg.ones(1)})).keys() >= {"a", "y"}
    ps |= nn.ParameterDict({"z": mg.ones(1)})
    assert ps.pop("z").shape == (1,)
    assert [v.numel() for v in ps.values()] == [3, 2, 1]
    assert dict(ps.items()).keys() == {"a", "b", "c"}
    assert list(ps.fromkeys(["q"], 1)) == ["q"]
    assert "(a): Parameter containing: [Parameter of size 3]" in repr(ps)
    del ps["a"]
    ps.clear()
    assert len(ps) == 0
    with pytest.raises(KeyError):
        ps["a"]
    with pytest.raises(TypeError, match="not a string"):
        ps[3] = mg.ones(1)  # type: ignore[index]
    with pytest.raises(RuntimeError, match="should not be called"):
        ps(1)
