"""Early stopping stops when it should and gives back the weights that it should."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import minigrad as mg
from minigrad import nn, serialize
from minigrad.train import EarlyStopping


def run(metrics: list[float], **options: object) -> tuple[int, float, EarlyStopping]:
    """Steps until the stop, and the weight then; the weight of step k is k."""
    model = nn.Linear(1, 1)
    stopping = EarlyStopping(model, **options)  # type: ignore[arg-type]
    for k, metric in enumerate(metrics, 1):
        with mg.no_grad():
            model.weight.fill_(float(k))
        if stopping.step(metric):
            return k, model.weight.item(), stopping
    return 0, model.weight.item(), stopping


def test_patience_and_the_best_weights() -> None:
    stop, weight, stopping = run([3, 2, 1, 1.5, 1.2, 1.1, 0.5], patience=3)
    assert (stop, weight) == (6, 3)  # step k - p
    assert (stopping.best, stopping.best_step, stopping.stopped) == (1, 3, True)
    assert run([3, 2, 1, 0.5], patience=1)[:2] == (0, 4)


def test_mode_and_min_delta() -> None:
    assert run([0.5, 0.9, 0.8, 0.7], patience=2, mode="max")[:2] == (4, 2)
    assert run([1.0, 0.95, 0.91, 0.85], patience=2, min_delta=0.1)[:2] == (3, 1)
    assert run([1.0, 1.0, 1.0], patience=2)[:2] == (3, 1)  # no better is no improvement


def test_nan_is_no_improvement() -> None:
    assert run([1.0, math.nan, math.nan], patience=2)[:2] == (3, 1)
    stop, weight, _ = run([math.nan, math.nan], patience=2)
    assert (stop, weight) == (2, 2)  # there was nothing to go back to


def test_restore_after_another_end() -> None:
    _, weight, stopping = run([1.0, 2.0], patience=5)
    assert weight == 2
    stopping.restore()
    assert stopping.model.weight.item() == 1
    assert stopping.model.weight.requires_grad


def test_buffers_are_restored_and_the_copy_is_a_copy() -> None:
    model = nn.BatchNorm1d(2)
    stopping = EarlyStopping(model, patience=1)
    stopping.step(mg.tensor(1.0))
    model(mg.randn(4, 2))
    assert model.num_batches_tracked.item() == 1
    assert stopping.step(2.0)
    assert model.num_batches_tracked.item() == 0


def test_saved_and_loaded(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    _, _, first = run([1.0, 2.0], patience=3)
    serialize.save_checkpoint(tmp_path / "file", stopping=first)
    model = nn.Linear(1, 1)
    second = EarlyStopping(model)
    second.load_state_dict(serialize.load_checkpoint(tmp_path / "file")["stopping"])
    assert (second.patience, second.steps, second.best) == (3, 2, 1.0)
    assert [second.step(2.0), second.step(2.0)] == [False, True]
    assert model.weight.item() == 1
    with pytest.raises(KeyError, match="no state of EarlyStopping"):
        second.load_state_dict({"best": 1})


def test_errors() -> None:
    for options, words in (
        ({"mode": "least"}, "'min' or 'max'"),
        ({"patience": 0}, "at least 1"),
        ({"min_delta": -1.0}, "not be negative"),
    ):
        with pytest.raises(ValueError, match=words):
            EarlyStopping(nn.Linear(1, 1), **options)  # type: ignore[arg-type]
