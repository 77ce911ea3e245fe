"""Anomaly mode names the first operation that goes wrong, and the line."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd import detect_anomaly, set_detect_anomaly
from minigrad.autograd.anomaly import is_anomaly_enabled
from minigrad.core.modes import current


@pytest.fixture(autouse=True)
def mode() -> Iterator[None]:
    before = current.get()
    yield
    current.set(before)


def leaf(*values: float) -> Tensor:
    return mg.tensor(list(values), requires_grad=True)


def line(back: int) -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno - back


def test_forward_nan_names_operation_shape_range_and_line() -> None:
    x = leaf(1.0, -2.0, 3.0)
    with detect_anomaly(), pytest.raises(RuntimeError) as caught:
        x.log()
    text, here = str(caught.value), line(1)
    assert text.startswith(f"'log' returned NaN, at {__file__}:{here}, in test_forward_nan")
    assert "x.log()" in text
    assert "float32 of shape [3]" in text
    assert "1 of 3 NaN; the first at index (1,)" in text
    assert "input 0: float32 of shape [3], values in [-2, 3]" in text
    assert "All inputs were finite: this is where it began." in text


def test_the_first_operation_in_forward_order_is_named() -> None:
    x = leaf(0.0, 1.0)

    def step() -> None:
        y = 1.0 / x
        (y - y).sum().backward()

    with detect_anomaly(), pytest.raises(RuntimeError, match="'div' returned infinite values"):
        step()


def test_without_the_mode_nothing_is_raised() -> None:
    y = leaf(-1.0).log()
    assert np.isnan(y.array).all()


def test_data_that_is_nan_already() -> None:
    x = mg.tensor([1.0, float("nan")])
    with detect_anomaly(), pytest.raises(RuntimeError, match="not finite already: it is a leaf"):
        x * 2


def test_infinities_that_were_put_there_are_accepted() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        masked = x.masked_fill(mg.tensor([True, False]), float("-inf"))
        masked.softmax(0).sum().backward()
        y = x + mg.tensor([float("-inf"), 0.0])
        y.exp().sum().backward()
        mg.clamp(x, min=float("-inf"))


def test_backward_nan_names_the_forward_line() -> None:
    x = leaf(0.0, 1.0)
    with detect_anomaly():
        y = x.sqrt()
        here = line(1)
        with pytest.raises(RuntimeError) as caught:
            (y * 0).sum().backward()
    text = str(caught.value)
    assert text.startswith("Function 'SqrtBackward' returned nan values in its 0th output.")
    assert f"The forward operation was at {__file__}:{here}" in text
    assert "y = x.sqrt()" in text
    assert "saved result: float32 of shape [2], values in [0, 1]" in text


def test_backward_alone() -> None:
    y = (leaf(0.0).sqrt() * 0).sum()
    with detect_anomaly(), pytest.raises(RuntimeError, match="No forward pass information"):
        y.backward()


def test_backward_with_create_graph() -> None:
    x = leaf(0.0)
    with detect_anomaly(), pytest.raises(RuntimeError, match="'div' returned NaN"):
        mg.autograd.grad((x.sqrt() * 0).sum(), x, create_graph=True)


def test_errors_about_writes_name_both_lines() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        y = x.exp()
        made = line(1)
        y.mul_(2)
        wrote = line(1)
        with pytest.raises(RuntimeError) as caught:
            y.sum().backward()
    text = str(caught.value)
    assert f"ExpBackward (recorded at {__file__}:{made}" in text
    assert f"The last write was at {__file__}:{wrote}" in text
    assert "y.mul_(2)" in text


def test_check_nan_false_only_notes_lines() -> None:
    with detect_anomaly(check_nan=False):
        y = leaf(-1.0).log()
        assert y.node.where is not None
        assert "leaf(-1.0).log()" in y.node.where
        y.sum().backward()


def test_set_detect_anomaly() -> None:
    set_detect_anomaly(True)
    assert is_anomaly_enabled()
    with pytest.raises(RuntimeError, match="'log' returned NaN"):
        leaf(-1.0).log()
    set_detect_anomaly(False)
    assert not is_anomaly_enabled()
    leaf(-1.0).log()


def test_modes_nest_and_come_back() -> None:
    with set_detect_anomaly(True):
        with set_detect_anomaly(False):
            leaf(-1.0).log()
        with mg.no_grad(), pytest.raises(RuntimeError):
            leaf(-1.0).log()
        with detect_anomaly(), pytest.raises(RuntimeError):
            leaf(-1.0).log()
        assert is_anomaly_enabled()
    assert not is_anomaly_enabled()


def test_integers_are_left_alone() -> None:
    with detect_anomaly():
        assert (mg.tensor([1, 2]) + 1).tolist() == [2, 3]


def test_the_mode_itself_changes_nothing() -> None:
    def gradient() -> list[float]:
        x = leaf(1.0, 2.0)
        ((x * x).exp().sum(0) / x).mean().backward()
        return x.grad.tolist()

    plain = gradient()
    with detect_anomaly():
        assert gradient() == plain


def test_the_module_is_named() -> None:
    class Bad(mg.nn.Module):
        def forward(self, x: mg.Tensor) -> mg.Tensor:
            return (x * 0).sqrt().sum()

    class Net(mg.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = mg.nn.Sequential(mg.nn.Identity(), Bad())

        def forward(self, x: mg.Tensor) -> mg.Tensor:
            return self.parts(x)

    x = mg.ones(2, requires_grad=True)
    with (
        mg.autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"SqrtBackward[\s\S]*in module Net\.parts\.1 \(Bad\)"),
    ):
        Net()(x).backward()
    Bad.forward = lambda self, x: (x - 2).log()  # type: ignore[method-assign]
    with (
        mg.autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"'log' returned NaN[\s\S]*in module Net\.parts\.1"),
    ):
        Net()(x)


def test_many_gradients_are_looked_at() -> None:
    with mg.autograd.detect_anomaly():
        assert mg.func.jacrev(mg.exp)(mg.zeros(2)).tolist() == [[1, 0], [0, 1]]
        with pytest.raises(RuntimeError, match="SqrtBackward"):
            mg.func.jacrev(mg.sqrt)(mg.zeros(2))


def test_values_are_not_looked_at_without_check_nan() -> None:
    x = mg.zeros(1, requires_grad=True)
    with mg.autograd.detect_anomaly(check_nan=False):
        (x / x).sqrt().sum().backward()
    assert x.grad.isnan().all()
