"""Error surfaces, ways of optimizers, filters, answers of layers, decision boundaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, optim, viz
from minigrad.viz.surfaces import _direction

pytest.importorskip("matplotlib")


def _net() -> nn.Module:
    mg.manual_seed(0)
    head = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3)
    return nn.Sequential(*head, nn.Linear(6, 3))


def test_a_landscape_leaves_all_as_it_was() -> None:
    net = _net()
    data = mg.randn(10, 4), mg.randint(0, 3, (10,))
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    stream = mg.get_rng_state().numpy().copy()
    found = viz.landscape(net, F.cross_entropy, data, steps=5, span=0.5)
    for key, value in net.state_dict().items():
        assert np.array_equal(before[key], value.numpy()), key
    assert np.array_equal(stream, mg.get_rng_state().numpy())
    assert found.loss.shape == (5, 5)
    assert found.here == found.loss[2, 2]
    assert np.isfinite(found.loss).all()


def test_the_middle_is_the_loss_and_one_away_it_is_the_moved_loss() -> None:
    mg.manual_seed(1)
    net = nn.Linear(3, 2, bias=False)
    data = mg.randn(6, 3), mg.randn(6, 2)
    found = viz.landscape(net, F.mse_loss, data, steps=3, seed=4)
    w = net.weight.detach().numpy()
    rng = np.random.default_rng(4)
    first, second = _direction(w, rng), _direction(w, rng)
    expected = F.mse_loss(F.linear(data[0], mg.tensor(w + first - second)), data[1])
    assert found.loss[0, 2] == pytest.approx(expected.item(), rel=1e-5)
    assert found.here == pytest.approx(F.mse_loss(net(data[0]), data[1]).item(), rel=1e-6)


def test_directions_are_as_long_as_the_filters() -> None:
    scale = np.arange(1, 6)[:, None, None, None]
    w = np.random.default_rng(0).standard_normal((5, 3, 3, 3)) * scale
    d = _direction(w, np.random.default_rng(1))
    lengths = [np.sqrt((a**2).sum((1, 2, 3))) for a in (d, w)]
    np.testing.assert_allclose(*lengths, rtol=1e-12)
    assert not _direction(np.ones(4), np.random.default_rng(0)).any()


def test_what_a_landscape_refuses() -> None:
    data = mg.ones(1, 2), mg.ones(1, 1)
    with pytest.raises(ValueError, match="must be odd"):
        viz.landscape(nn.Linear(2, 1), F.mse_loss, data, steps=4)
    with pytest.raises(ValueError, match="no parameters"):
        viz.landscape(nn.ReLU(), F.mse_loss, data)


@pytest.mark.parametrize("name", ["ravine", "saddle", "plateau", "sigmoid neuron"])
def test_optimizers_go_down(name: str) -> None:
    found = viz.paths(
        name,
        {"SGD": lambda p: optim.SGD(p, lr=0.03), "Adam": lambda p: optim.Adam(p, lr=0.1)},
        steps=40,
    )
    for way in ("SGD", "Adam"):
        assert found.points[way].shape == (41, 2)
        assert found.losses[way].shape == (41,)
        assert found.losses[way][-1] < found.losses[way][0]
    assert found._repr_png_().startswith(b"\x89PNG")


def test_the_steps_are_those_of_the_optimizer() -> None:
    found = viz.paths("ravine", {"SGD": lambda p: optim.SGD(p, lr=0.01)}, steps=3, start=(1.0, 2.0))
    w = np.array([1.0, 2.0])
    for k in range(4):
        np.testing.assert_allclose(found.points["SGD"][k], w, rtol=1e-5)
        w = w - 0.01 * np.array([w[0], 25 * w[1]])


def test_an_unknown_surface_is_named() -> None:
    with pytest.raises(ValueError, match="no surface 'hill'; known: ravine"):
        viz.paths("hill", {})


def test_ways_move(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    found = viz.paths("saddle", {"SGD": lambda p: optim.SGD(p, lr=0.05)}, steps=3)
    written = found.animation(tmp_path / "ways.gif")
    assert written.read_bytes().startswith(b"GIF89a")


def test_plots_save_and_show_themselves(tmp_path: Path) -> None:
    net = nn.Linear(2, 1)
    found = viz.landscape(net, F.mse_loss, (mg.ones(2, 2), mg.ones(2, 1)), steps=3)
    for plot in (found.contour(), found.surface(), viz.plot_curves({"loss": [2.0, 1.0]})):
        assert isinstance(plot, viz.Plot)
        assert plot._repr_png_().startswith(b"\x89PNG")
        assert plot.save(tmp_path / "p.svg").read_text().count("<svg") == 1


def test_filters_and_answers() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 4))
    assert len(viz.weights(net[0]).figure.axes) == 5
    assert len(viz.weights(nn.Linear(49, 6)).figure.axes) == 6
    assert len(viz.weights(nn.Linear(7, 6)).figure.axes) == 1
    x = mg.rand(2, 3, 8, 8)
    assert len(viz.activations(net, x, "1", 1).figure.axes) == 5
    assert len(viz.activations(net, x, "3").figure.axes) == 1
    with pytest.raises(KeyError, match="no module '9'"):
        viz.activations(net, x, "9")
    with pytest.raises(ValueError, match="weight matrix"):
        viz.weights(nn.ReLU())


def test_the_mode_of_every_part_is_as_before() -> None:
    net = _net()
    net[3].eval()
    viz.activations(net, mg.randn(3, 4), "2")
    viz.decision_boundary(nn.Sequential(nn.Linear(2, 2), net[3]), mg.randn(4, 2), count=5)
    assert [m.training for m in net] == [True, True, True, False, True]


def test_a_decision_boundary_is_where_the_class_changes() -> None:
    net = nn.Linear(2, 1)
    with mg.no_grad():
        net.weight.copy_(mg.tensor([[1.0, 0.0]]))
        net.bias.fill_(0.0)
    points, classes = mg.tensor([[-1.0, -1.0], [1.0, 1.0]]), mg.tensor([0, 1])
    plot = viz.decision_boundary(net, points, classes, count=9)
    shown = plot.figure.axes[0].collections[0].get_array().reshape(9, 9)
    assert (shown[:, :4] == 0).all()
    assert (shown[:, 5:] == 1).all()
    with pytest.raises(ValueError, match=r"points \(N, 2\)"):
        viz.decision_boundary(net, mg.ones(3, 3))
