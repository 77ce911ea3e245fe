"""Initialization against PyTorch: values where there is no chance in them, and distributions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array  # noqa: E402


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("constant_(x, 3)", (2, 3)), ("ones_(x)", (3,)), ("zeros_(x)", ()), ("eye_(x)", (3, 5)),
        ("eye_(x)", (5, 3)), ("dirac_(x)", (3, 2, 4)), ("dirac_(x)", (2, 3, 3, 2)),
        ("dirac_(x, 2)", (4, 3, 3, 3)), ("dirac_(x, groups=3)", (6, 2, 3, 3, 3)),
        ("kaiming_uniform_(x)", (0, 3)), ("orthogonal_(x)", (0, 3)),
    ],
)  # fmt: skip
def test_values(call: str, shape: tuple[int, ...]) -> None:
    results = []
    for m in (torch, mg):
        x = m.nn.Parameter(m.tensor(np.full(shape, 7.0)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            y = eval(f"i.{call}", {"i": m.nn.init, "x": x})
        assert y is x
        results.append(array(x))
    assert (results[0] == results[1]).all()


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("uniform_(x)", (60, 70)), ("uniform_(x, -3, b=1)", (60, 70)), ("normal_(x)", (60, 70)),
        ("normal_(x, 2, std=0.1)", (60, 70)), ("xavier_uniform_(x, gain=2)", (30, 140)),
        ("xavier_normal_(x)", (140, 30)), ("xavier_uniform_(x)", (20, 30, 3, 3)),
        ("kaiming_uniform_(x)", (20, 30, 3, 3)),
        ("kaiming_uniform_(x, a=2.2, mode='fan_out')", (20, 210)),
        ("kaiming_normal_(x, nonlinearity='relu')", (20, 30, 7)),
        ("kaiming_normal_(x, 0.3, 'FAN_OUT', 'tanh')", (20, 210)),
        ("trunc_normal_(x)", (60, 70)), ("trunc_normal_(x, 0.5, 2.0, 0.0, 1.0)", (60, 70)),
        ("trunc_normal_(x, std=0.02)", (60, 70)), ("sparse_(x, 0.25)", (60, 70)),
        ("sparse_(x, sparsity=0.5, std=2)", (60, 70)), ("orthogonal_(x, gain=2)", (60, 70)),
        ("orthogonal_(x)", (20, 30, 7)),
    ],
)  # fmt: skip
def test_distributions(call: str, shape: tuple[int, ...]) -> None:
    """The same mean, deviation, bounds, share of zeros, and quantiles."""
    drawn = []
    for m in (torch, mg):
        m.manual_seed(1)
        x = m.tensor(np.zeros(shape))
        drawn.append(array(eval(f"i.{call}", {"i": m.nn.init, "x": x})).reshape(shape[0], -1))
    theirs, ours = drawn
    std = theirs.std()
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.1 * std)
    assert ours.std() == pytest.approx(std, rel=0.06)
    assert ((ours == 0).sum(0) == (theirs == 0).sum(0)).all()
    quantiles = np.linspace(0.05, 0.95, 13)
    assert np.allclose(*(np.quantile(x, quantiles) for x in drawn), atol=0.15 * std)
    if "uniform" in call:  # none outside of the bounds, some close to them
        low, high = theirs.min(), theirs.max()
        assert ours.min() == pytest.approx(low, abs=0.01 * (high - low))
        assert ours.max() == pytest.approx(high, abs=0.01 * (high - low))
    if "orthogonal" in call:
        rows = [x @ x.T for x in drawn]
        assert np.allclose(*rows)


@pytest.mark.parametrize(
    "wrong",
    [
        "eye_(t(3))", "dirac_(t(3, 3))", "dirac_(t(3, 3, 3), 2)", "xavier_uniform_(t(3))",
        "xavier_normal_(t(()))", "kaiming_uniform_(t(3))", "kaiming_normal_(t(3, 3), mode='x')",
        "kaiming_normal_(t(3, 3), nonlinearity='x')", "orthogonal_(t(3))", "sparse_(t(3), 0.1)",
        "calculate_gain('x')", "calculate_gain('leaky_relu', 'x')",
        "calculate_gain('leaky_relu', True)", "uniform_(t(3), 2, 1)", "normal_(t(3), 0, -1)",
    ],
)  # fmt: skip
def test_errors(wrong: str) -> None:
    texts = []
    for m in (torch, mg):
        with pytest.raises(Exception) as caught:
            eval(f"i.{wrong}", {"i": m.nn.init, "t": m.empty})
        texts.append(type(caught.value).__name__)
    assert texts[0] == texts[1]


def test_gains() -> None:
    for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu"):
        assert mg.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    for slope in (None, 0, 0.2, 3):
        ours, theirs = (m.nn.init.calculate_gain("leaky_relu", slope) for m in (mg, torch))
        assert ours == theirs


def both(name: str, *args: Any) -> list[Any]:
    """The warnings of both libraries, by category."""
    found = []
    for m in (torch, mg):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(m.nn.init, name)(m.zeros(3, 4) if not args else m.zeros(*args[0]), *args[1:])
        found.append([(w.category, str(w.message)) for w in caught])
    return found


@pytest.mark.parametrize(
    "name",
    [
        "uniform", "normal", "eye", "xavier_uniform", "xavier_normal", "kaiming_uniform",
        "kaiming_normal", "orthogonal",
    ],
)  # fmt: skip
def test_older_names_warn(name: str) -> None:
    theirs, ours = both(name)
    assert theirs == ours


def test_warnings_for_empty_tensors() -> None:
    for name in ("kaiming_uniform_", "kaiming_normal_"):
        theirs, ours = both(name, (0, 4))
        assert theirs == ours
