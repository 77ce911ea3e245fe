"""Training curves."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import viz
from minigrad.viz.curves import _panels, _series, _smooth

pytest.importorskip("matplotlib")


def panels(history, x="epoch"):
    axis, series = _series(history, x)
    return axis, _panels(series, axis)


def test_picture(tmp_path):
    history = {"train loss": [3.0, 2.0], "test loss": [3.0, 2.5], "test accuracy": [0.1, 0.6]}
    path = viz.plot_curves(history, tmp_path / "curves.png", title="Digits")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == pytest.approx(2 * 5.2 * 144, abs=1)


def test_long_series(tmp_path):
    history = {"loss": np.linspace(3, 1, 1000), "test loss": [2.0, 1.0]}
    assert viz.plot_curves(history, tmp_path / "curves.svg").read_text().startswith("<?xml")


def test_dictionary_of_series():
    axis, curves = panels({"train_loss": [3.0, 2.0], "val_loss": [3.0, 2.5], "acc": [0.1, 0.2]})
    assert axis == "epoch"
    assert {q: list(lines) for q, lines in curves.items()} == {
        "loss": ["train", "val"], "accuracy": ["train"],
    }  # fmt: skip


def test_row_for_each_step():
    rows = [{"step": 10, "loss": 2.0}, {"step": 20, "loss": 1.0, "test loss": 1.5}]
    axis, curves = panels(rows)
    assert axis == "step"
    where, values = curves["loss"]["test"]
    assert (where.tolist(), values.tolist()) == ([20.0], [1.5])


def test_series_of_different_lengths_share_the_axis():
    _, curves = panels({"train loss": range(100), "test loss": range(5)})
    assert curves["loss"]["train"][0][-1] == curves["loss"]["test"][0][-1] == 5


def test_smoothing_keeps_a_constant():
    np.testing.assert_allclose(_smooth(np.full(300, 2.5)), 2.5)


@pytest.mark.parametrize("history", [{}, [], {"epoch": [1, 2]}, {"loss": []}])
def test_nothing_to_draw(history, tmp_path):
    with pytest.raises(ValueError, match="nothing to draw"):
        viz.plot_curves(history, tmp_path / "a.png")
