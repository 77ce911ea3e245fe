"""What goes wrong is said clearly: what was expected, what came, and where. Nothing crashes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

F = nn.functional


def fails(
    error: type[Exception], words: str, call: Callable[[], Any], id: str
) -> Any:  # the call is made in the test, not here
    return pytest.param(error, words, call, id=id)


WRONG_SHAPES = [
    fails(RuntimeError, r"2x3 and 4x5", lambda: nn.Linear(4, 5)(mg.ones(2, 3)), "Linear"),
    fails(RuntimeError, r"2x3 and 4x5", lambda: mg.ones(2, 3) @ mg.ones(4, 5), "matmul"),
    fails(RuntimeError, r"size of tensor a \(3\).*size of tensor b \(4\)",
          lambda: mg.ones(2, 3) + mg.ones(4), "add"),
    fails(RuntimeError, r"normalized_shape", lambda: nn.LayerNorm(4)(mg.ones(2, 3)), "LayerNorm"),
    fails(ValueError, r"expected 2D or 3D input \(got 4D",
          lambda: nn.BatchNorm1d(3)(mg.ones(2, 3, 4, 5)), "BatchNorm1d"),
    fails(ValueError, r"expected 4D input \(got 2D",
          lambda: nn.BatchNorm2d(3)(mg.ones(2, 3)), "BatchNorm2d"),
    fails(RuntimeError, r"4|3", lambda: nn.BatchNorm1d(4)(mg.ones(2, 3)), "BatchNorm1d features"),
    fails(ValueError, r"more than 1 value per channel",
          lambda: nn.BatchNorm1d(3)(mg.ones(1, 3)), "batch of one"),
    fails(RuntimeError, r"shape.*6", lambda: mg.ones(6).reshape(4, 2), "reshape"),
    fails(RuntimeError, r"match", lambda: mg.cat([mg.ones(2, 3), mg.ones(2, 4)]), "cat"),
    fails(IndexError, r"range of \[-2, 1\].*got 2", lambda: mg.ones(2, 3).sum(2), "sum dim"),
]  # fmt: skip

LOSSES = [
    ("mse_loss", F.mse_loss),
    ("l1_loss", F.l1_loss),
    ("smooth_l1_loss", F.smooth_l1_loss),
    ("huber_loss", F.huber_loss),
    ("binary_cross_entropy", lambda a, b: F.binary_cross_entropy(a.sigmoid(), b.sigmoid())),
    ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits),
]

WRONG_TYPES = [
    fails(RuntimeError, r"floating point",
          lambda: mg.tensor([1, 2], requires_grad=True), "integers with grad"),
    fails(RuntimeError, r"floating point", lambda: mg.arange(3).requires_grad_(), "requires_grad_"),
    fails(RuntimeError, r"dtype", lambda: mg.arange(3).mean(), "mean of integers"),
    fails(RuntimeError, r"dtype|double|float64",
          lambda: mg.ones(2, 2) @ mg.ones(2, 2).double(), "matmul dtypes"),
    fails(TypeError, r"must be Tensor, not int", lambda: mg.tanh(3), "function of a number"),
    fails(TypeError, r"unsupported operand", lambda: mg.ones(2) + "a", "string operand"),
    fails(TypeError, r"str|cannot", lambda: mg.tensor("abc"), "string data"),
    fails(ValueError, r"equal length", lambda: mg.tensor([[1, 2], [3]]), "ragged data"),
    fails(RuntimeError, r"cpu", lambda: mg.ones(2, device="cuda"), "device"),
]  # fmt: skip

OUT_OF_RANGE = [
    fails(IndexError, r"7|range", lambda: nn.Embedding(5, 2)(mg.tensor([1, 7])), "embedding"),
    fails(IndexError, r"-1|range",
          lambda: nn.Embedding(5, 2)(mg.tensor([-1])), "embedding negative"),
    fails(IndexError, r"7",
          lambda: F.cross_entropy(mg.ones(2, 5), mg.tensor([0, 7])), "cross_entropy"),
    fails(IndexError, r"-2",
          lambda: F.cross_entropy(mg.ones(2, 5), mg.tensor([0, -2])), "cross_entropy negative"),
    fails(IndexError, r"7", lambda: F.nll_loss(mg.ones(2, 5), mg.tensor([0, 7])), "nll_loss"),
    fails((RuntimeError, IndexError), r"9",
          lambda: mg.ones(3, 4).gather(1, mg.tensor([[9]])), "gather"),
    fails((RuntimeError, IndexError), r"9",
          lambda: mg.zeros(3, 4).scatter(1, mg.tensor([[9]]), 1.0), "scatter"),
    fails((RuntimeError, IndexError), r"5",
          lambda: mg.ones(3).index_select(0, mg.tensor([5])), "index_select"),
    fails(IndexError, r"index 5 is out of bounds", lambda: mg.ones(3)[5], "getitem"),
    fails(IndexError, r"5", lambda: mg.ones(3)[mg.tensor([0, 5])], "getitem tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words", "call"), WRONG_SHAPES + WRONG_TYPES + OUT_OF_RANGE)
def test_says_what_is_wrong(error: Any, words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(("name", "loss"), LOSSES, ids=[name for name, _ in LOSSES])
def test_losses_refuse_to_broadcast(name: str, loss: Callable[[Any, Any], Any]) -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"\[4\].*\[4, 1\]"):
        loss(mg.ones(4, 1), mg.ones(4))


def test_the_layer_is_named() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(RuntimeError) as caught:
        net(mg.ones(2, 3))
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "Linear(in_features=5, out_features=2" in text
    assert "2" in text


def test_backward_twice() -> None:
    x = mg.ones(3, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"second time.*retain_graph"):
        loss.backward()


def test_backward_on_a_non_scalar() -> None:
    with pytest.raises(RuntimeError, match=r"implicitly created only for scalar"):
        (mg.ones(3, requires_grad=True) * 2).backward()


def test_backward_without_a_graph() -> None:
    with pytest.raises(RuntimeError, match=r"does not require grad"):
        mg.ones(3).sum().backward()


def test_in_place_on_a_leaf() -> None:
    x = mg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match=r"leaf Variable that requires grad"):
        x[0] = 2.0
    with mg.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 2, 2]


def test_in_place_over_a_saved_value() -> None:
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*Mul"):
        z.backward()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.softmax(x, 1),
        lambda x: F.log_softmax(x, 1),
        lambda x: F.layer_norm(x, (4,)),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.relu(x),
        lambda x: x.sum(0),
        lambda x: x.max(1).values,
        lambda x: x.logsumexp(1),
    ],
)
def test_nan_stays_nan(call: Callable[[Any], Any]) -> None:
    x = mg.ones(3, 4)
    x[1, 2] = math.nan
    assert np.isnan(call(x).numpy()).any()


EMPTY: list[Callable[[], Any]] = [
    lambda: nn.Linear(3, 2)(mg.ones(0, 3)),
    lambda: F.softmax(mg.ones(0, 3), 1),
    lambda: F.layer_norm(mg.ones(0, 3), (3,)),
    lambda: F.relu(mg.ones(0)),
    lambda: mg.ones(0, 3).sum(0),
    lambda: mg.ones(0, 3).sum(),
    lambda: mg.ones(0, 3) @ mg.ones(3, 2),
    lambda: mg.ones(2, 0) @ mg.ones(0, 2),
    lambda: mg.cat([mg.ones(0, 3), mg.ones(2, 3)]),
    lambda: nn.Embedding(5, 2)(mg.zeros(0, dtype=mg.int64)),
    lambda: mg.ones(0, 3).mean(1),
    lambda: mg.ones(3)[mg.zeros(0, dtype=mg.int64)],
]


@pytest.mark.parametrize("call", EMPTY)
def test_empty_tensors(call: Callable[[], Any]) -> None:
    assert np.isfinite(call().detach().numpy()).all()


def test_extreme_of_nothing() -> None:
    for call in (
        lambda: mg.ones(0).max(),
        lambda: mg.ones(0, 3).max(0),
        lambda: mg.ones(0).argmax(),
    ):
        with pytest.raises((RuntimeError, IndexError), match="dim"):
            call()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_same_bits_for_any_number_of_threads(threads: int) -> None:
    """The whole of a training step, on sizes that are shared between threads."""
    before = mg.get_num_threads()
    results = []
    for n in (1, threads):
        mg.set_num_threads(n)
        rng = np.random.default_rng(0)
        x = mg.tensor(rng.normal(size=(400, 300)).astype(np.float32), requires_grad=True)
        w = mg.tensor(rng.normal(size=300).astype(np.float32), requires_grad=True)
        y = F.layer_norm(F.gelu(x), (300,), w) + F.batch_norm(x, None, None, w, training=True)
        loss = F.cross_entropy(y, mg.arange(400) % 300) + y.logsumexp(0).var() + y.amax(1).sum()
        loss.backward()
        results.append((loss.item(), x.grad.numpy().tobytes(), w.grad.numpy().tobytes()))  # type: ignore[union-attr]
    mg.set_num_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_batch_norm_refuses_parameters_of_another_type(name: str, training: bool) -> None:
    names = ("running_mean", "running_var", "weight", "bias")
    vectors = {n: mg.ones(3, dtype=mg.float32 if n == name else mg.float64) for n in names}
    with pytest.raises(RuntimeError, match="mixed dtype: expect parameters to have the type"):
        F.batch_norm(mg.randn(4, 3, dtype=mg.float64), **vectors, training=training)
