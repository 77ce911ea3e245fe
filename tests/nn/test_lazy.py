"""Lazy layers: shapes from the first input, states, conversion."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import minigrad as mg
from minigrad import nn


def test_a_layer_becomes_ordinary() -> None:
    mg.manual_seed(0)
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    assert net[0].has_uninitialized_params()
    assert "LazyConv2d(0, 4, kernel_size=(3, 3), stride=(1, 1))" in repr(net)
    x = mg.randn(5, 3, 6, 6)
    net(x)
    assert [type(m) for m in net] == [nn.Conv2d, nn.BatchNorm2d, nn.Flatten, nn.Linear]
    assert net[3].in_features == 64
    assert not net[0]._forward_pre_hooks
    net(x).sum().backward()
    assert all(type(p) is nn.Parameter and p.grad is not None for p in net.parameters())
    bound = 1 / 27**0.5
    assert 0.8 * bound < net[0].weight.abs().max().item() <= bound


def test_what_is_not_there_is_not_read() -> None:
    p = nn.LazyLinear(3).weight
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized"):
        p.shape
    for use in (lambda: p + 1, lambda: mg.nn.functional.linear(mg.ones(2, 3), p), p.sum):
        with pytest.raises(ValueError, match="Attempted to use an uninitialized"):
            use()
    assert isinstance(p, nn.Parameter)
    assert repr(p) == "<UninitializedParameter>"


def test_states_go_from_lazy_to_lazy_and_from_full_to_lazy() -> None:
    full = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    full(mg.ones(2, 5))
    lazy = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    assert list(lazy.state_dict()) == list(full.state_dict())
    assert lazy.load_state_dict(lazy.state_dict()) == ([], [])
    assert lazy[0].has_uninitialized_params()
    lazy.load_state_dict(full.state_dict())
    assert type(lazy[0]) is nn.LazyLinear
    full.eval()
    lazy.eval()
    x = mg.randn(4, 5)
    assert mg.equal(lazy(x), full(x))
    assert repr(lazy) == repr(full)
    with pytest.raises(RuntimeError, match="uninitialized"):
        full.load_state_dict(nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()).state_dict())


def test_a_state_of_another_size_is_refused_at_the_first_call() -> None:
    lazy = nn.LazyLinear(3)
    lazy.load_state_dict(nn.Linear(5, 3).state_dict())
    with pytest.raises(AssertionError, match="inferred from input: 4"):
        lazy(mg.ones(2, 4))


def test_conversion_and_copies_before_the_first_call() -> None:
    net: Any = nn.LazyBatchNorm1d().double()
    for twin in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.has_uninitialized_params()
        y = twin(mg.ones(3, 2, dtype=mg.float64))
        assert y.dtype == twin.weight.dtype == twin.running_mean.dtype == mg.float64
        assert type(twin) is nn.BatchNorm1d
        assert twin.num_batches_tracked.item() == 1


def test_an_optimizer_made_before_trains_after() -> None:
    net = nn.LazyLinear(1)
    optimizer = mg.optim.SGD(net.parameters(), lr=0.1)
    net(mg.ones(2, 3)).sum().backward()
    before = net.weight.clone()
    optimizer.step()
    assert not mg.equal(net.weight, before)


def test_wrong_inputs() -> None:
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input"):
        nn.LazyConv2d(4, 3)(mg.ones(5, 5))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.LazyConv1d(4, 3, groups=2)(mg.ones(1, 3, 5))

    class Unfinished(nn.LazyModuleMixin, nn.Linear):
        def __init__(self) -> None:
            super().__init__(0, 0, False)
            self.weight = nn.UninitializedParameter()

        def reset_parameters(self) -> None:
            pass

    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented"):
        Unfinished()(mg.ones(1, 2))
