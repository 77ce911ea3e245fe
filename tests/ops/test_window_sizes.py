"""Sizes of windows that nobody means: refused by name, or computed, never a hang or a crash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import functional as F

X1, X2, X3 = mg.ones(1, 1, 4), mg.ones(1, 1, 4, 4), mg.ones(1, 1, 2, 2, 2)
W1, W2 = mg.ones(1, 1, 2), mg.ones(1, 1, 2, 2)
BIG = 2**40

REFUSED: dict[str, Any] = {
    "max_pool1d": lambda n: F.max_pool1d(X1, n, 1, n // 2),
    "max_pool2d": lambda n: F.max_pool2d(X2, 2, n),
    "avg_pool2d": lambda n: F.avg_pool2d(X2, n, n, n // 2),
    "avg_pool3d": lambda n: F.avg_pool3d(X3, n, n, n // 2),
    "adaptive_avg_pool1d": lambda n: F.adaptive_avg_pool1d(X1, n),
    "adaptive_max_pool2d": lambda n: F.adaptive_max_pool2d(X2, (n, 1)),
    "max_unpool2d": lambda n: F.max_unpool2d(X2, mg.zeros(1, 1, 4, 4, dtype=mg.int64), n, 1),
    "conv1d": lambda n: F.conv1d(X1, W1, padding=n),
    "conv2d": lambda n: F.conv2d(X2, W2, stride=n, padding=n),
    "conv_transpose1d": lambda n: F.conv_transpose1d(X1, W1, stride=n),
    "conv_transpose2d": lambda n: F.conv_transpose2d(X2, W2, dilation=n, output_padding=n - 1),
    "unfold": lambda n: F.unfold(X2, 2, padding=n),
    "fold": lambda n: F.fold(mg.ones(1, 4, 1), n, 2, stride=n),
}


@pytest.mark.parametrize("size", [BIG, 2**62, 2**63, 10**30])
@pytest.mark.parametrize("name", REFUSED)
def test_sizes_out_of_range_are_refused_by_name(name: str, size: int) -> None:
    with pytest.raises(RuntimeError, match=name):
        REFUSED[name](size)


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.conv_transpose2d(X2, W2, stride=2**29),
        lambda: F.conv2d(X2, W2, padding=2**29),
        lambda: F.max_unpool3d(X3, mg.zeros(1, 1, 2, 2, 2, dtype=mg.int64), 2, 2**29),
    ],
)
def test_results_larger_than_memory_are_refused(call: Any) -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        call()


def test_windows_far_apart_around_a_small_input_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"max_pool1d: windows of .* are too large"):
        F.max_pool1d(X1, 2**30, 2**29 + 2, 2**29, 1, True)


def test_windows_that_cover_everything_many_times_over() -> None:
    x = np.random.default_rng(0).normal(size=(1, 1, 4)).astype(np.float32)
    for n in (10**6, 2**30):
        t = mg.tensor(x, requires_grad=True)
        y, index = F.max_pool1d(t, n, 1, n // 2, return_indices=True)
        assert (y.numpy(force=True) == x.max()).all()
        assert (index.numpy() == x.argmax()).all()
        F.max_pool1d(t, n, 1, n // 2).sum().backward()
        assert t.grad is not None
        assert t.grad.numpy().max() == t.grad.numpy().sum() == y.shape[2]
        mean = F.avg_pool2d(mg.tensor(x[:, :, None]), (1, n), n, (0, n // 2))
        np.testing.assert_allclose(mean.numpy()[0, 0, 0, 0], x.sum() / n, rtol=1e-5)


@pytest.mark.parametrize("n", [10**6, 2**30])
def test_steps_over_everything(n: int) -> None:
    """Kernels that copy what they read into a frame would need one as large as the padding."""
    x, w = mg.ones(1, 32, 40, 40), mg.ones(32, 32, 3, 3)
    alone = mg.ones(32, 1, 3, 3)
    x.requires_grad = w.requires_grad = alone.requires_grad = True
    for weight, groups in ((w, 1), (alone, 32)):
        y = F.conv2d(x, weight, stride=n, padding=n, groups=groups)
        assert y.shape == (1, 32, 3, 3)
        want = np.zeros((3, 3), np.float32)
        want[1, 1] = 9 * 32 // groups
        np.testing.assert_array_equal(y.numpy(force=True)[0, 5], want)
        y.sum().backward()
    assert w.grad is not None
    assert w.grad.numpy().sum() == 9 * 32 * 32
