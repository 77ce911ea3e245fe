"""Pruning: masks, names, methods on top of each other, and rewinding to a lottery ticket."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn.utils import prune


def layer_of(values: Any) -> Any:
    values = mg.tensor(values)
    layer = nn.Linear(values.shape[1], values.shape[0])
    layer.weight.data.copy_(values)
    return layer


def zeros(t: Any) -> int:
    return int((t == 0).sum())


def test_names_and_gradients() -> None:
    layer = nn.Linear(4, 3)
    parameter = layer.weight
    assert prune.l1_unstructured(layer, "weight", amount=0.5) is layer
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    assert [name for name, _ in layer.named_buffers()] == ["weight_mask"]
    assert layer.weight_orig is parameter
    assert zeros(layer.weight) == zeros(layer.weight_mask) == 6
    kept = layer.weight_orig.detach().abs()[layer.weight_mask == 1].min()
    gone = layer.weight_orig.detach().abs()[layer.weight_mask == 0].max()
    assert kept > gone
    layer(mg.ones(2, 4)).sum().backward()
    assert ((layer.weight_orig.grad == 0) == (layer.weight_mask == 0)).all()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_pruned_weights_stay_0_in_training(optimizer: str) -> None:
    mg.manual_seed(0)
    layer = prune.random_unstructured(nn.Linear(5, 4), "weight", amount=7)
    gone = layer.weight_mask == 0
    settings = {"momentum": 0.9, "weight_decay": 0.1} if optimizer == "SGD" else {}
    steps = getattr(mg.optim, optimizer)(layer.parameters(), lr=0.1, **settings)
    before = layer.weight.detach().clone()
    for _ in range(5):
        steps.zero_grad()
        (layer(mg.randn(8, 5)) ** 2).sum().backward()
        steps.step()
    layer(mg.ones(1, 5))
    assert (layer.weight[gone] == 0).all()
    assert zeros(layer.weight) == 7
    assert not (layer.weight == before)[~gone].any()


def test_amounts() -> None:
    for amount, count in ((3, 3), (0.3, 4), (0.0, 0), (1.0, 12), (0, 0), (12, 12)):
        for method in (prune.l1_unstructured, prune.random_unstructured):
            assert zeros(method(nn.Linear(4, 3), "weight", amount=amount).weight_mask) == count
    for method in (prune.L1Unstructured, prune.RandomUnstructured, prune.RandomStructured):
        with pytest.raises(TypeError, match="Invalid type for amount"):
            method(amount="I'm a string")  # type: ignore[arg-type]
        for wrong in (1.1, -0.5, -2):
            with pytest.raises(ValueError, match="should either be a float in the range"):
                method(amount=wrong)
    layer = nn.Linear(4, 3)
    with pytest.raises(ValueError, match="should be smaller than the number"):
        prune.l1_unstructured(layer, "weight", amount=13)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]  # as it was
    assert not layer._forward_pre_hooks


def test_importance_scores_are_compared_instead() -> None:
    layer = layer_of([[1.0, 2.0, 3.0, 4.0]])
    scores = mg.tensor([[4.0, 3.0, 2.0, 1.0]])
    prune.l1_unstructured(layer, "weight", amount=2, importance_scores=scores)
    assert layer.weight.tolist() == [[1, 2, 0, 0]]
    with pytest.raises(AssertionError, match="same shape as parameter weight"):
        prune.l1_unstructured(nn.Linear(4, 1), "weight", 1, importance_scores=mg.ones(2))


@pytest.mark.parametrize(
    ("n", "kept"), [(1, [1, 2]), (2, [0, 1]), (math.inf, [0, 1]), (-math.inf, [1, 2])]
)
def test_channels_by_norm(n: float, kept: list[int]) -> None:
    layer = layer_of([[0.0, 5.0, 0.0], [3.0, 3.0, 3.0], [2.5, 2.5, 2.0], [1.0, 1.0, 1.0]])
    prune.ln_structured(layer, "weight", amount=2, n=n, dim=0)
    assert layer.weight_mask.amax(1).nonzero().reshape(-1).tolist() == kept
    assert zeros(layer.weight_mask) == 6


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_random_channels(dim: int) -> None:
    conv = prune.random_structured(nn.Conv1d(4, 6, 5), "weight", amount=0.5, dim=dim)
    others = tuple(d for d in range(3) if d != dim % 3)
    sums = conv.weight_mask.numpy().sum(others)
    size = conv.weight.shape[dim]
    assert (sums == 0).sum() == round(0.5 * size)
    assert set(sums) == {0, conv.weight.numel() / size}
    with pytest.raises(ValueError, match="multidimensional"):
        prune.random_structured(nn.Linear(2, 2), "bias", amount=1, dim=0)
    with pytest.raises(IndexError, match="Invalid index 2"):
        prune.ln_structured(nn.Linear(2, 2), "weight", amount=1, n=2, dim=2)


def test_methods_on_top_of_each_other_prune_what_is_left() -> None:
    layer = layer_of([[1.0, -2.0, 3.0, -4.0], [5.0, -6.0, 7.0, -8.0]])
    prune.l1_unstructured(layer, "weight", amount=0.5)
    prune.l1_unstructured(layer, "weight", amount=0.5)  # of the 4 that are left
    assert layer.weight.tolist() == [[0, 0, 0, 0], [0, 0, 7, -8]]
    assert layer.weight_orig.tolist()[0] == [1, -2, 3, -4]
    prune.ln_structured(layer, "weight", amount=1, n=2, dim=1)  # of the columns 2 and 3
    assert layer.weight.tolist() == [[0, 0, 0, 0], [0, 0, 0, -8]]
    (hook,) = layer._forward_pre_hooks.values()
    container = hook.function
    assert isinstance(container, prune.PruningContainer)
    names = [type(m).__name__ for m in container]
    assert names == ["L1Unstructured", "L1Unstructured", "LnStructured"]
    assert len(container) == 3
    assert container[2].dim == 1
    with pytest.raises(TypeError, match="not a BasePruningMethod"):
        container.add_pruning_method("x")
    other = prune.Identity()
    other._tensor_name = "bias"
    with pytest.raises(ValueError, match="Can only add pruning methods"):
        container.add_pruning_method(other)


def test_masks_of_ones_own() -> None:
    layer = nn.Linear(2, 2)
    mask = mg.tensor([[1, 0], [1, 1]])
    prune.custom_from_mask(layer, "weight", mask)
    prune.custom_from_mask(layer, "weight", mg.tensor([[0, 1], [1, 1]]))
    assert layer.weight_mask.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(AssertionError, match="must match"):
        prune.custom_from_mask(layer, "bias", mg.ones(3))
    with pytest.raises(AttributeError):
        prune.identity(layer, "x")
    with pytest.raises(TypeError, match="only parameters"):
        prune.identity(nn.BatchNorm1d(2), "running_mean")


def test_methods_of_ones_own() -> None:
    class Every(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: Any, default_mask: Any) -> Any:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = nn.Linear(4, 1)
    Every.apply(layer, "weight")
    assert layer.weight_mask.tolist() == [[0, 1, 0, 1]]
    assert Every().prune(mg.ones(1, 4)).tolist() == [[0, 1, 0, 1]]
    Every.apply(layer, "weight")
    assert layer.weight_mask.tolist() == [[0, 0, 0, 1]]
    with pytest.raises(AssertionError, match="same shape as tensor"):
        Every().prune(mg.ones(2), importance_scores=mg.ones(3))


def test_globally() -> None:
    net = nn.Sequential(layer_of([[1.0, 2.0, 3.0, 4.0]]), layer_of([[0.5, 0.6, 0.7, 5.0]]))
    both = [(m, "weight") for m in net]
    prune.global_unstructured(both, prune.L1Unstructured, amount=4)
    assert net[0].weight.tolist() == [[0, 2, 3, 4]]
    assert net[1].weight.tolist() == [[0, 0, 0, 5]]
    scores = {(net[0], "weight"): mg.ones(1, 4)}
    prune.global_unstructured(both, prune.L1Unstructured, scores, amount=3)  # of 4 left
    assert zeros(net[0].weight) == 4
    assert zeros(net[1].weight) == 3
    with pytest.raises(TypeError, match='Only "unstructured"'):
        prune.global_unstructured(both, prune.LnStructured, amount=1, n=2)
    with pytest.raises(TypeError, match="not an Iterable"):
        prune.global_unstructured(1, prune.L1Unstructured, amount=1)
    with pytest.raises(TypeError, match="must be of type dict"):
        prune.global_unstructured(both, prune.L1Unstructured, [1], amount=1)


def test_removing_makes_it_permanent() -> None:
    net = nn.Sequential(nn.Linear(4, 3))
    parameter = net[0].weight
    assert not prune.is_pruned(net)
    prune.l1_unstructured(net[0], "weight", amount=5)
    assert prune.is_pruned(net)
    pruned = net[0].weight.detach().clone()
    prune.remove(net[0], "weight")
    assert not prune.is_pruned(net)
    assert net[0].weight is parameter
    assert (net[0].weight == pruned).all()
    assert list(net.state_dict()) == ["0.bias", "0.weight"]
    with pytest.raises(ValueError, match="has to be pruned before"):
        prune.remove(net[0], "weight")


def test_state_and_pickles() -> None:
    one, other = (prune.random_unstructured(nn.Linear(4, 3), "weight", 5) for _ in range(2))
    other.load_state_dict(one.state_dict())
    x = mg.ones(1, 4)
    assert (one(x) == other(x)).all()
    with mg.no_grad():
        one(x)
    again = pickle.loads(pickle.dumps(one))
    assert (again(x) == one(x)).all()
    assert prune.is_pruned(again)


# -- lottery tickets -------------------------------------------------------------------------------


def spiral() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    t = rng.uniform(0.3, 2.5, 60)
    sign = np.repeat([1.0, -1.0], 30)
    x = np.stack([sign * t * np.cos(2 * t), sign * t * np.sin(2 * t)], 1)
    return mg.tensor(x.astype(np.float32)), mg.tensor((sign > 0).astype(np.float32))


def train(net: Any, steps: int = 150) -> list[float]:
    x, y = spiral()
    optimizer = mg.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_lottery_ticket() -> None:
    """Train, prune in rounds, rewind, train again: a third of the weights does what all did."""
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    initial = copy.deepcopy(net.state_dict())
    whole = train(net)
    assert whole[-1] < 0.1
    inner = [(net[0], "weight"), (net[2], "weight")]
    for _ in range(2):
        prune.global_unstructured(inner, prune.L1Unstructured, amount=0.4)
        assert prune.rewind(net, initial) is net
        for i in (0, 2, 4):
            mask = getattr(net[i], "weight_mask", 1)
            assert (net[i].weight == initial[f"{i}.weight"] * mask).all()
            assert (net[i].bias == initial[f"{i}.bias"]).all()
        losses = train(net)
    masks = [m.weight_mask for m, _ in inner]
    share = sum(float(m.sum()) for m in masks) / sum(m.numel() for m in masks)
    assert share == pytest.approx(0.36, abs=0.01)
    for (module, _), mask in zip(inner, masks, strict=True):
        assert (module.weight[mask == 0] == 0).all()  # all the time of training
    assert losses[-1] < 0.2
    assert losses[0] == pytest.approx(math.log(2), abs=0.3)  # it started anew


def test_rewinding_sets_back_buffers_and_checks_the_state() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    early = copy.deepcopy(net.state_dict())
    net(mg.randn(8, 3))
    prune.l1_unstructured(net[0], "weight", amount=6)
    prune.rewind(net, early)
    assert (net[1].running_mean == 0).all()
    assert zeros(net[0].weight) == 6
    later = copy.deepcopy({k: v.detach() for k, v in net.state_dict().items()})
    with mg.no_grad():
        net[0].weight_orig.add_(1)
    prune.rewind(net, later)  # what was saved since pruning has its names
    assert (net[0].weight_orig == early["0.weight"]).all()
    with pytest.raises(KeyError, match=r"0\.bias"):
        prune.rewind(net, {"0.weight": early["0.weight"]})
    with pytest.raises(RuntimeError, match="of shape"):
        prune.rewind(net, {**early, "0.weight": mg.ones(2)})


def test_rewinding_to_a_state_that_followed_the_training_is_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = model.state_dict()
    before = copy.deepcopy(state)
    with mg.no_grad():
        for p in model.parameters():
            p += 1
    with pytest.raises(RuntimeError, match=r"copy\.deepcopy\(model\.state_dict\(\)\)"):
        prune.rewind(model, state)
    with pytest.raises(RuntimeError, match="running_mean of the given state"):
        prune.rewind(model, before | {"1.running_mean": state["1.running_mean"]})
    assert (model[0].weight == before["0.weight"] + 1).all()  # nothing was changed
    prune.rewind(model, before)
    assert (model[0].weight == before["0.weight"]).all()
