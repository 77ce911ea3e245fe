"""The controller of architecture search, its space, and the policy gradient that trains it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, nn, train
from minigrad.models.nasnet import Cell


@pytest.fixture(autouse=True)
def _seeded() -> None:
    mg.manual_seed(0)


def test_probabilities_of_all_sequences_add_up_to_one() -> None:
    controller = models.Controller([2, 3, 2], hidden=8)
    everything = mg.tensor(list(itertools.product(range(2), range(3), range(2))))
    with mg.no_grad():
        assert controller.log_prob(everything).log_prob.exp().sum().item() == pytest.approx(
            1, abs=1e-5
        )


def test_samples_come_with_their_own_probability() -> None:
    controller = models.Controller([4, 3], hidden=8, temperature=0.2)
    sampled = controller.sample(5)
    again = controller.log_prob(sampled.decisions)
    np.testing.assert_allclose(sampled.log_prob.detach(), again.log_prob.detach(), rtol=1e-5)
    assert (sampled.entropy <= math.log(12) + 1e-5).all()


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Summed over all sequences with their probabilities, REINFORCE's estimate is exact."""
    controller = models.Controller([2, 2], hidden=4).double()
    rewards = mg.tensor([0.0, 1.0, 3.0, -2.0], dtype=mg.float64)
    rows = mg.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    log_prob = controller.log_prob(rows).log_prob
    parameters = list(controller.parameters())
    exact = mg.autograd.grad((log_prob.exp() * rewards).sum(), parameters, retain_graph=True)
    weights = log_prob.detach().exp() * (rewards - 0.7)
    estimate = mg.autograd.grad((weights * log_prob).sum(), parameters)
    for a, b in zip(exact, estimate, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_reinforce_finds_what_pays_and_random_choice_does_not() -> None:
    space = models.CellSpace(rows=2)
    wanted = [0, 2, 1, 4, 2, 0, 1, 3]

    def reward(decisions: list[int]) -> float:
        return sum(a == b for a, b in zip(decisions, wanted, strict=True)) / len(wanted)

    search = train.Reinforce(models.Controller(space.choices), reward, entropy=1e-3)
    for _ in range(150):
        search.step(8)
    at_first, at_last = np.mean(search.history[:10]), np.mean(search.history[-10:])
    assert at_first < 0.5 < 0.85 < at_last
    assert search.best is not None
    assert search.best[1] > 0.85
    with pytest.raises(ValueError, match="decay must be"):
        train.Reinforce(models.Controller([2]), reward, decay=1.0)


@pytest.mark.parametrize("stride", [1, 2])
def test_every_cell_of_the_space_can_be_built(stride: int) -> None:
    space = models.CellSpace(rows=2)
    assert space.size == (2 * 5) ** 2 * (3 * 5) ** 2
    controller = models.Controller(space.choices)
    for row in controller.sample(6).decisions.tolist():
        cell = Cell(space.table(row, stride), 8, 8, 4)
        x = mg.ones(1, 8, 6, 6)
        assert cell(x, x).shape == (1, cell.out_channels, 6 // stride, 6 // stride)


def test_wrong_decisions_are_refused() -> None:
    space = models.CellSpace(rows=1)
    for decisions in ([0, 0, 0], [0, 5, 0, 0], [2, 0, 0, 0], [0, 0, 0, -1]):
        with pytest.raises(ValueError, match="expected 4 decisions below"):
            space.table(decisions)
    with pytest.raises(ValueError, match="needs an option"):
        models.Controller([])


# -- networks that the lectures name ---------------------------------------------------------------


def test_the_auxiliary_head_speaks_in_training_only() -> None:
    net = models.NASNetA(1, 48, 5, stem_channels=8, auxiliary=True)
    scores, early = net(mg.randn(2, 3, 32, 32))
    assert scores.shape == early.shape == (2, 5)
    assert net.cells[net.auxiliary_at + 1].table.stride == 2
    (scores.sum() + 0.4 * early.sum()).backward()
    assert all(p.grad is not None for p in net.auxiliary.parameters())
    assert net.eval()(mg.randn(2, 3, 32, 32)).shape == (2, 5)
    assert models.NASNetA(1, 48, 5, stem_channels=8).auxiliary is None


def test_paths_are_dropped_more_often_as_training_goes_on() -> None:
    net = models.NASNetA(2, 48, 5, stem_channels=8, drop_path=0.4)
    ends = [c.drop.p for c in net.cells]
    assert ends[0] == 0
    assert ends[-1] == 0.4
    assert ends == sorted(ends)
    net.set_progress(0.25)
    assert [c.drop.p for c in net.cells] == [p * 0.25 for p in ends]
    net.set_progress(1.0)
    assert [c.drop.p for c in net.cells] == ends
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        net.set_progress(2)


def test_alexnet_of_2012_has_two_columns_and_the_published_start() -> None:
    net = models.AlexNet2012(10, hidden=16)
    convolutions = [m for m in net.features if isinstance(m, nn.Conv2d)]
    assert [c.groups for c in convolutions] == [1, 2, 1, 2, 2]
    assert [float(c.bias.mean()) for c in convolutions] == [0, 1, 0, 1, 1]
    assert convolutions[1].weight.std().item() == pytest.approx(0.01, rel=0.02)
    x = mg.randn(1, 3, 227, 227)
    assert net.features(x).shape == (1, 256, 6, 6)


@pytest.mark.parametrize("pair", [("plain18", "resnet18"), ("plain50", "resnet50")])
def test_a_plain_twin_has_the_same_layers_without_shortcuts(pair: Any) -> None:
    plain, residual = (getattr(models, name)(num_classes=3) for name in pair)
    keys = [k for k in residual.state_dict() if "downsample" not in k]
    assert list(plain.state_dict()) == keys
    block = plain.layer1[1].eval()
    x = mg.rand(1, block.conv1.in_channels, 4, 4)
    assert mg.equal(block(x), block.residual(x).relu())


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_of_one_channel(channels: int) -> None:
    x = mg.randn(2, channels, 28, 28)
    for net in (
        models.CIFARDenseNet(10, 4, in_channels=channels),
        models.cifar_resnet(8, width=4, in_channels=channels),
        models.cifar_se_resnet(8, width=8, in_channels=channels),
    ):
        assert net(x).shape == (2, 10)
    with pytest.raises(ValueError, match=r"6 \* n \+ 4"):
        models.CIFARDenseNet(12)
