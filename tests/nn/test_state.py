"""Saving and loading what modules hold."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def net() -> Any:
    return nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.BatchNorm1d(3)))


def test_state_shares_memory_and_goes_back() -> None:
    one, two = net(), net()
    state = one.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == [
        "a.weight", "a.bias", "b.weight", "b.bias", "b.running_mean", "b.running_var",
        "b.num_batches_tracked",
    ]  # fmt: skip
    assert state["a.weight"].array is one.a.weight.array
    assert not state["a.weight"].requires_grad
    assert one.state_dict(keep_vars=True)["a.weight"] is one.a.weight
    assert next(iter(one.state_dict(prefix="x."))) == "x.a.weight"
    weight = two.a.weight
    result = two.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    assert two.a.weight is weight
    assert (two.a.weight == one.a.weight).all()
    assert two.a.weight.array is not one.a.weight.array


def test_values_of_other_types_are_converted() -> None:
    one = net()
    state = {k: v.numpy().astype("float64") for k, v in one.state_dict().items()}
    state["b.num_batches_tracked"] = np.array(7)
    one.load_state_dict(state)
    assert one.a.weight.dtype is mg.float32
    assert one.b.num_batches_tracked.item() == 7
    one.load_state_dict({**state, "b.num_batches_tracked": mg.tensor([8])})  # as very old files
    assert one.b.num_batches_tracked.item() == 8


def test_assigning_takes_the_tensors() -> None:
    one, state = net(), net().double().state_dict()
    one.load_state_dict(state, assign=True)
    assert one.a.weight.array is state["a.weight"].array
    assert isinstance(one.a.weight, nn.Parameter)
    assert one.a.weight.requires_grad
    assert one.b.running_mean is state["b.running_mean"]
    taken = {**state, "a.weight": nn.Parameter(mg.ones(3, 2))}
    one.requires_grad_(False).load_state_dict(taken, assign=True)
    assert one.a.weight is taken["a.weight"]
    assert not one.a.weight.requires_grad


def test_what_does_not_fit_is_listed() -> None:
    state = dict(net().state_dict())
    del state["a.bias"]
    state["c"] = mg.ones(1)
    with pytest.raises(RuntimeError) as info:
        net().load_state_dict(state)
    assert 'Missing key(s) in state_dict: "a.bias"' in str(info.value)
    assert 'Unexpected key(s) in state_dict: "c"' in str(info.value)
    result = net().load_state_dict(state, strict=False)
    assert result == (["a.bias"], ["c"])
    assert "missing_keys=['a.bias']" in str(result)
    with pytest.raises(RuntimeError, match=r"size mismatch for a.weight"):
        net().load_state_dict({**state, "a.weight": mg.ones(2, 2)}, strict=False)
    with pytest.raises(RuntimeError, match=r"expected minigrad.Tensor"):
        net().load_state_dict({**state, "a.weight": "nonsense"}, strict=False)
    with pytest.raises(TypeError, match="dict-like"):
        net().load_state_dict(3)


def test_loading_is_seen_by_the_graph() -> None:
    layer = nn.Linear(2, 2)
    x = mg.ones(1, 2, requires_grad=True)
    y = layer(x).sum()
    layer.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.backward()


def test_extra_state_and_hooks() -> None:
    class Odd(nn.Module):
        def __init__(self, value: int) -> None:
            super().__init__()
            self.value = value

        def get_extra_state(self) -> int:
            return self.value

        def set_extra_state(self, value: int) -> None:
            self.value = value

    one, two = nn.Sequential(Odd(3)), nn.Sequential(Odd(5))
    log = []
    one.register_state_dict_pre_hook(lambda m, prefix, keep: log.append("pre"))
    one.register_state_dict_post_hook(lambda m, s, prefix, meta: s.update(more=1))
    two.register_load_state_dict_pre_hook(lambda m, s, *rest: s.pop("more"))
    two.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    state = one.state_dict()
    assert state == {"0._extra_state": 3, "more": 1}
    two.load_state_dict(state)
    assert two[0].value == 3
    assert log == ["pre"]
    two.load_state_dict({"more": 1})  # the hook forgives what is missing
    with pytest.raises(RuntimeError, match=r"Unexpected key.*_extra_state"):
        nn.Sequential(nn.ReLU()).load_state_dict({"0._extra_state": 1})
    one.register_state_dict_post_hook(lambda m, s, prefix, meta: s)
    with pytest.raises(RuntimeError, match="must return None"):
        one.state_dict()
    two.register_load_state_dict_post_hook(lambda m, keys: keys)
    with pytest.raises(AssertionError, match="in place"):
        two.load_state_dict(state)


def test_files_without_a_count_of_batches_load() -> None:
    state = dict(net().state_dict())
    del state["b.num_batches_tracked"]
    net().load_state_dict(state)
