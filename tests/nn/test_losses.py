"""What losses refuse, and what they warn of."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn


@pytest.mark.parametrize(
    "name",
    ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy",
     "binary_cross_entropy_with_logits"],
)  # fmt: skip
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    loss = getattr(F, name)
    with pytest.raises(ValueError, match=r"Size\(\[5\]\).*Size\(\[5, 1\]\).*input.squeeze\(-1\)"):
        loss(mg.ones(5, 1), mg.ones(5))
    with pytest.raises(ValueError, match=r"target.squeeze\(-1\)"):
        loss(mg.ones(5), mg.ones(5, 1))
    with pytest.raises(ValueError, match="same shape"):
        loss(mg.ones(5), mg.ones(3))
    with pytest.raises(ValueError, match="reshape"):
        loss(mg.ones(2, 3), mg.ones(3, 2))
    with pytest.raises(TypeError, match="'target' must be Tensor, not float"):
        loss(mg.ones(5), 1.0)
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        loss(mg.ones(5), mg.ones(5), reduction="avg")
    if name != "huber_loss":
        with pytest.warns(UserWarning, match="reduction='sum'"):
            loss(mg.ones(5), mg.ones(5), size_average=False)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_targets_out_of_range_are_named(loss: object) -> None:
    x = mg.randn(3, 4)
    for target, value in (([0, 4, 1], 4), ([0, 1, -1], -1), ([-101, 0, 0], -101)):
        with pytest.raises(IndexError, match=f"target {value} "):
            loss(x, mg.tensor(target))  # type: ignore[operator]
    assert math.isfinite(loss(x, mg.tensor([0, -100, 1])).item())  # type: ignore[operator]
    with pytest.raises(RuntimeError, match=r"squeeze\(1\)"):
        loss(x, mg.tensor([[0], [1], [2]]))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"batch_size \(3\)"):
        loss(x, mg.tensor([0, 1]))  # type: ignore[operator]
    with pytest.raises(RuntimeError, match=r"\.long\(\)"):
        loss(x, mg.ones(3))  # type: ignore[operator]
    with pytest.raises(RuntimeError, match="all 4 classes"):
        loss(x, mg.tensor([0, 1, 2]), weight=mg.ones(3))  # type: ignore[operator]
    with pytest.raises(RuntimeError, match="detach"):
        loss(x, mg.tensor([0, 1, 2]), weight=mg.ones(4, requires_grad=True))  # type: ignore[operator]


def test_cross_entropy_warns_of_probabilities() -> None:
    x, t = mg.randn(3, 4, requires_grad=True), mg.tensor([0, 1, 2])
    with pytest.warns(UserWarning, match=r"expects logits.*from softmax"):
        F.cross_entropy(x.softmax(1), t)
    with pytest.warns(UserWarning, match="logits") as caught:
        nn.CrossEntropyLoss()(x.softmax(1), t)
    assert [w.filename for w in caught] == [__file__]  # the line to mend, not ours
    with pytest.warns(UserWarning, match="from softmax"):  # also through views
        F.cross_entropy(x.softmax(1).reshape(3, 2, 2).reshape(3, 4), t)
    with pytest.warns(UserWarning, match="from log_softmax"):
        nn.CrossEntropyLoss()(nn.LogSoftmax(1)(x), t)
    with pytest.warns(UserWarning, match="from sigmoid"):
        F.binary_cross_entropy_with_logits(x.sigmoid(), mg.zeros(3, 4))
    F.cross_entropy(x.softmax(1) * 3, t)  # no longer probabilities
    F.nll_loss(x.log_softmax(1), t)


def test_values_of_the_lectures() -> None:
    """Uniform logits cost log C; label smoothing spreads e / C over the classes."""
    t = mg.tensor([0, 3])
    assert F.cross_entropy(mg.zeros(2, 10), t).item() == pytest.approx(math.log(10))
    x = mg.tensor([[2.0, 0.0, 0.0]])
    p = np.exp([2.0, 0, 0]) / np.exp([2.0, 0, 0]).sum()
    e = 0.3
    q = np.array([1 - e + e / 3, e / 3, e / 3])
    smoothed = F.cross_entropy(x, mg.tensor([0]), label_smoothing=e).item()
    assert smoothed == pytest.approx(-(q * np.log(p)).sum(), rel=1e-6)
    soft = F.cross_entropy(x, mg.tensor(q[None]).float()).item()
    assert soft == pytest.approx(smoothed, rel=1e-6)


def test_cross_entropy_of_extreme_logits() -> None:
    x = mg.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = F.cross_entropy(x, mg.tensor([0, 0]))
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert np.allclose(x.grad.numpy(), [[0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize("shape", [(0, 3), (3, 4), (2, 3, 5), (2, 3, 2, 2)])
def test_cross_entropy_is_log_softmax_and_nll(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = mg.tensor(rng.normal(size=shape), requires_grad=True)
    t = mg.tensor(rng.integers(0, shape[1], (shape[0], *shape[2:])))
    for reduction in ("mean", "sum", "none"):
        fused = F.cross_entropy(x, t, reduction=reduction)
        parts = F.nll_loss(x.log_softmax(1), t, reduction=reduction)
        assert np.allclose(fused.detach().numpy(), parts.detach().numpy(), equal_nan=True)
        (a,) = mg.autograd.grad(fused.sum(), x)
        (b,) = mg.autograd.grad(parts.sum(), x)
        assert np.allclose(a.numpy(), b.numpy())


def test_half_precision_is_computed_in_single() -> None:
    x = mg.randn(3, 4).half().requires_grad_()
    loss = F.cross_entropy(x, mg.tensor([0, 1, 2]))
    loss.backward()
    assert loss.dtype is mg.float16
    assert x.grad.dtype is mg.float16


def test_loss_modules_keep_their_weights() -> None:
    loss = nn.CrossEntropyLoss(mg.ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype is mg.float64
    assert not list(loss.parameters())
    pos = nn.BCEWithLogitsLoss(pos_weight=mg.ones(2))
    assert list(pos.state_dict()) == ["pos_weight"]


@pytest.mark.filterwarnings("ignore::minigrad.autograd.nonfinite.NonFiniteWarning")
def test_inf_and_nan_pass_without_warnings() -> None:
    """Warnings are errors in these tests: of numbers that are not finite, only the loss tells."""
    x = mg.tensor([[math.inf, 1.0], [-math.inf, math.nan], [3e38, -3e38]], requires_grad=True)
    for layer in (nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LayerNorm(2), nn.GroupNorm(1, 2),
                  nn.BatchNorm1d(2).eval(), nn.RMSNorm(2), nn.Softmax(1), nn.LogSoftmax(1),
                  nn.Dropout(), nn.GELU(), nn.Mish(), nn.Hardswish()):  # fmt: skip
        layer(x).sum().backward()
    t = mg.tensor([0, 1, 0])
    for loss in (F.cross_entropy(x, t), F.nll_loss(x, t), F.mse_loss(x, -x), F.l1_loss(x, x),
                 F.huber_loss(x, -x), F.binary_cross_entropy_with_logits(x, x)):  # fmt: skip
        loss.backward()
