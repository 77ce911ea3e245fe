"""Ensembles, freezing, tying, labels, pre-training and the loops."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.data import TensorDataset
from minigrad.nn import functional as F
from minigrad.train import (
    Ensemble,
    StagedUnfreezing,
    accuracy,
    bagging,
    bootstrap,
    evaluate,
    flip_labels,
    freeze,
    out_of_bag,
    pretrain_layerwise,
    smooth_targets,
    tie,
    train_epoch,
    unfreeze,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    mg.manual_seed(0)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


# -- ensembles ---------------------------------------------------------------------------------


def test_ensembles_average() -> None:
    models, x = [mlp() for _ in range(3)], mg.randn(5, 4)
    outs = np.stack([m(x).detach().numpy() for m in models])
    mean = Ensemble(models, "logits")(x).detach().numpy()
    np.testing.assert_allclose(mean, outs.mean(0), rtol=1e-5, atol=1e-6)
    e = np.exp(outs)
    probabilities = Ensemble(models)(x).detach().numpy()
    np.testing.assert_allclose(probabilities, (e / e.sum(-1, keepdims=True)).mean(0), rtol=1e-5)
    ensemble = Ensemble(models)
    assert len(list(ensemble.parameters())) == 12
    assert not ensemble.eval().models[0].training
    with pytest.raises(ValueError, match="'probabilities' or 'logits'"):
        Ensemble(models, "votes")
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])


def test_bagging_draws_a_sample_for_each_model() -> None:
    data = TensorDataset(mg.arange(50))
    samples = []

    def fit(sample):
        samples.append(sample.indices)
        return nn.Linear(1, 1)

    assert len(bagging(fit, data, 3, generator=mg.Generator().manual_seed(0)).models) == 3
    assert all(len(s) == 50 and max(s) < 50 and len(set(s)) < 50 for s in samples)
    assert samples[0] != samples[1] != samples[2]
    again = bootstrap(data, mg.Generator().manual_seed(0))
    assert again.indices == samples[0]
    assert set(out_of_bag(again).indices) == set(range(50)) - set(again.indices)


# -- freezing ------------------------------------------------------------------------------------


def test_frozen_parameters_stay() -> None:
    net = mlp()
    net(mg.ones(1, 4)).sum().backward()
    assert freeze(net, "0", "2.bias") is net
    assert [p.requires_grad for p in net.parameters()] == [False, False, True, False]
    before = [p.detach().clone() for p in net.parameters()]
    opt = optim.SGD(net.parameters(), lr=1.0, momentum=0.9)
    opt.step()  # the old gradients of frozen parameters are gone
    changed = [bool((p != q).any()) for p, q in zip(net.parameters(), before, strict=True)]
    assert changed == [False, False, True, False]
    assert all(p.requires_grad for p in unfreeze(net).parameters())
    with pytest.raises(AttributeError, match="no parameters at 'head'"):
        freeze(net, "head")
    with pytest.raises(AttributeError, match="no parameters"):
        freeze(net, "1")


def learning(net: nn.Module) -> list[bool]:
    return [p.requires_grad for p in net.parameters()]


def test_stages_unfreeze_from_the_head_down() -> None:
    net = nn.Sequential(*mlp(), nn.Linear(2, 2))
    stages = StagedUnfreezing(net, every=2)
    assert [stages.active, *learning(net)] == [1, *[False] * 4, True, True]
    assert [stages.step() for _ in range(5)] == [1, 2, 2, 3, 3]
    assert all(learning(net))
    other = StagedUnfreezing(net, every=2)
    assert learning(net) == [False] * 4 + [True] * 2
    other.load_state_dict({**stages.state_dict(), "epoch": 2})
    assert learning(net) == [False] * 2 + [True] * 4
    rates = [g["lr"] for g in stages.param_groups(0.8, factor=2.0)]
    assert rates == [0.2, 0.4, 0.8]
    optim.SGD(stages.param_groups(0.1))
    with pytest.raises(ValueError, match="at least one stage"):
        StagedUnfreezing([nn.ReLU()])
    with pytest.raises(ValueError, match="every"):
        StagedUnfreezing(net, every=0)


# -- tying ---------------------------------------------------------------------------------------


def test_a_tied_parameter_is_one() -> None:
    embedding, head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    net = nn.Sequential(embedding, tie(embedding, "weight", head, "weight"))
    assert head.weight is embedding.weight
    assert len(list(net.parameters())) == 1
    assert set(net.state_dict()) == {"0.weight", "1.weight"}


def test_tying_errors() -> None:
    a, b = nn.Linear(4, 2), nn.Linear(2, 4)
    with pytest.raises(RuntimeError, match=r"\[4, 2\].*\[2, 4\].*TransposedLinear"):
        tie(a, "weight", b, "weight")
    with pytest.raises(AttributeError):
        tie(a, "wait", a, "weight")


# -- labels --------------------------------------------------------------------------------------


def test_smooth_targets_are_those_of_the_lecture() -> None:
    made = smooth_targets(mg.tensor([3]), 10, 0.1)
    expected = [0.1 / 9] * 10
    expected[3] = 0.9
    np.testing.assert_allclose(made.numpy()[0], expected, rtol=1e-6)
    assert smooth_targets(mg.zeros(2, 3, dtype=mg.int64), 4).shape == (2, 3, 4)
    logits, labels = 2 * mg.eye(6, 5), mg.tensor([0, 1, 2, 3, 4, 0])
    ours = F.cross_entropy(logits, smooth_targets(labels, 5, 0.2))
    theirs = F.cross_entropy(logits, labels, label_smoothing=0.2 * 5 / 4)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert ours.item() != pytest.approx(
        F.cross_entropy(logits, labels, label_smoothing=0.2).item(), rel=1e-4
    )


def test_flipped_labels() -> None:
    mg.manual_seed(0)
    labels = mg.arange(30_000) % 3
    made = flip_labels(labels, 3, 0.3)
    wrong = made != labels
    assert wrong.float().mean().item() == pytest.approx(0.3, abs=0.02)
    shifts = ((made - labels) % 3)[wrong]
    assert (shifts == 1).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert (flip_labels(labels, 3, 0.0) == labels).all()


def test_label_errors() -> None:
    good = mg.tensor([0, 1])
    for function in (smooth_targets, flip_labels):
        with pytest.raises(ValueError, match="from 0 to 1"):
            function(good, 3, 1.5)
        with pytest.raises(ValueError, match="at least 2"):
            function(good, 1, 0.1)
        with pytest.raises(IndexError, match="from 0 to 1"):
            function(mg.tensor([0, 2]), 2, 0.1)
        with pytest.raises(TypeError, match="class numbers"):
            function(mg.ones(2), 2, 0.1)


# -- pre-training --------------------------------------------------------------------------------


def low_rank(count: int = 64) -> mg.Tensor:
    mg.manual_seed(0)
    return mg.randn(count, 2) @ mg.randn(2, 6)


@pytest.mark.parametrize("tied", [True, False])
def test_each_layer_learns_to_reconstruct(tied: bool) -> None:
    losses: dict[int, list[float]] = {}
    stack = pretrain_layerwise(
        [6, 4, 3],
        low_rank(),
        epochs=30,
        batch_size=16,
        lr=0.02,
        activation=nn.Tanh,
        tied=tied,
        report=lambda layer, epoch, loss: losses.setdefault(layer, []).append(loss),
    )
    assert [type(m).__name__ for m in stack] == ["Linear", "Tanh", "Linear", "Tanh"]
    assert sorted(losses) == [0, 1]
    assert all(len(v) == 30 and v[-1] < 0.5 * v[0] for v in losses.values())
    assert all(p.requires_grad for p in stack.parameters())
    assert stack(low_rank(3)).shape == (3, 3)


def test_a_given_stack_is_trained_in_place() -> None:
    stack = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 2)).eval()
    before = {k: v.clone() for k, v in stack.state_dict().items()}
    seen = []
    made = pretrain_layerwise(
        stack, low_rank(), 1, noise=nn.Dropout(0.2), loss=F.l1_loss,
        report=lambda layer, epoch, loss: seen.append((layer, epoch)),
    )  # fmt: skip
    assert made is stack
    assert seen == [(0, 0), (1, 0)]
    assert all((stack.state_dict()[k] != v).any() for k, v in before.items())
    for layers, words in (([6], "no layer"), ([5, 2], r"\(N, 5\)")):
        with pytest.raises(ValueError, match=words):
            pretrain_layerwise(layers, low_rank())


# -- loops -----------------------------------------------------------------------------------------


def test_evaluation_leaves_the_modes_of_all_parts() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3).eval(), nn.Dropout(0.5))
    x, y = mg.randn(6, 4), mg.tensor([0, 1, 2, 0, 1, 2])
    assert evaluate(net, [(x, y)]) == evaluate(net, [(x, y)])  # nothing is dropped
    assert [m.training for m in net] == [True, False, True]
    with pytest.raises(RuntimeError):
        evaluate(net, [(x, y), (mg.ones(1, 5), y)])
    assert [m.training for m in net] == [True, False, True]


def test_loops() -> None:
    mg.manual_seed(0)
    x = mg.randn(30, 4)
    y = (x[:, 0] > 0).long()
    batches = [(x[:20], y[:20]), (x[20:], y[20:])]
    net = nn.Sequential(mlp(), nn.Dropout(0.0)).eval()
    before = evaluate(net, batches)
    whole = F.cross_entropy(net(x), y).item()
    assert before[0] == pytest.approx(whole, rel=1e-5)
    assert before[1] == pytest.approx((net(x).argmax(1) == y).float().mean().item())
    assert not net.training
    optimizer = optim.Adam(net.parameters(), lr=0.05)
    losses = [train_epoch(net, batches, optimizer) for _ in range(30)]
    assert net.training
    assert losses[-1] < 0.3 * losses[0]
    assert accuracy(net, batches) > 0.9
    assert net.training
    assert evaluate(net, []) == (0.0, 0.0)
