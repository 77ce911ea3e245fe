"""Cross-entropy against its formula in float64, gradients included."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import loss
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

SIZES = [(1, 1), (64, 10), (5, 300), (700, 130)]


def softmax_pair(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = x.astype("f8")
    logs = x - x.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    return np.exp(logs), logs


def problem(rows: int, cols: int, dtype: str = "f4") -> tuple[np.ndarray, ...]:
    """Logits, target classes (every seventh ignored), class weights, target probabilities."""
    rng = np.random.default_rng(rows)
    x = (3 * rng.standard_normal((rows, cols))).astype(dtype)
    t = rng.integers(0, cols, rows)
    t[3::7] = -100
    q = rng.random((rows, cols))
    return x, t, rng.uniform(0.1, 2, cols).astype(dtype), (q / q.sum(1)[:, None]).astype(dtype)


def shares(t: np.ndarray, cols: int, weight: np.ndarray, smoothing: float) -> np.ndarray:
    """Rows ``s`` with loss ``-sum(s * logp)``, for target classes."""
    spread = np.tile(smoothing / cols * weight, (len(t), 1))
    spread[t == -100] = 0
    kept = np.flatnonzero(t != -100)
    spread[kept, t[kept]] += (1 - smoothing) * weight[t[kept]]
    return spread


def check_results(x, got, got_dx, share, divisor, reduction, g, tolerance):
    probabilities, logs = softmax_pair(x)
    losses = -(share * logs).sum(1)
    want = losses if reduction == "none" else losses.sum() / divisor
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    rows = probabilities * share.sum(1, keepdims=True) - share
    want_dx = rows * (g[:, None] if reduction == "none" else g / divisor)
    assert got_dx.dtype == x.dtype
    np.testing.assert_allclose(got_dx, want_dx, rtol=10 * tolerance, atol=tolerance)


def check_problem(size, reduction, dtype, tolerance):
    x, t, w, q = problem(*size, dtype)
    g = np.asarray(np.linspace(1, 2, len(t)) if reduction == "none" else 1.5).astype(dtype)
    for weight in (None, w):
        full = np.ones(size[1]) if weight is None else weight.astype("f8")
        for smoothing in (0.0, 0.1):
            share = shares(t, size[1], full, smoothing)
            divisor = full[t[t != -100]].sum() if reduction == "mean" else 1
            options = (weight, -100, smoothing, reduction)
            value, lse, saved = loss.cross_entropy(x, t, *options)
            dx = loss.cross_entropy_backward(g, x, t, lse, saved, *options)
            check_results(x, value, dx, share, divisor, reduction, g, tolerance)

            share = full * ((1 - smoothing) * q.astype("f8") + smoothing / size[1])
            divisor = len(t) if reduction == "mean" else 1
            rest = (weight, smoothing, reduction)
            (value, lse, saved), masses = loss.cross_entropy_soft(x, q, *rest)
            dx = loss.cross_entropy_soft_backward(g, x, q, lse, masses, saved, *rest)
            check_results(x, value, dx, share, divisor, reduction, g, tolerance)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_classes_and_probabilities(size, reduction):
    check_problem(size, reduction, "f4", 2e-6)


def test_small_logits_with_the_kernels_of_large_ones(monkeypatch):
    monkeypatch.setattr(loss.costs, "SMALL_LOSS", 0)
    for reduction in ("none", "mean", "sum"):
        check_problem((64, 10), reduction, "f4", 2e-6)


def test_float64():
    check_problem((64, 10), "mean", "f8", 1e-13)


def test_all_rows_ignored():
    x, t = np.ones((3, 4), np.float32), np.full(3, -100)
    value, lse, divisor = loss.cross_entropy(x, t)
    assert np.isnan(value)
    dx = loss.cross_entropy_backward(np.float32(1), x, t, lse, divisor)
    np.testing.assert_array_equal(dx, 0)
    assert loss.cross_entropy(x, t, reduction="sum").loss == 0
    assert np.isnan(loss.cross_entropy(x[:0], t[:0]).loss)


def test_ignored_class_in_range():
    x, t, _, _ = problem(64, 10)
    t = np.abs(t) % 10
    t[:3] = 4
    value = loss.cross_entropy(x, t, ignore_index=4).loss
    keep = t != 4
    np.testing.assert_allclose(value, loss.cross_entropy(x[keep], t[keep]).loss, rtol=1e-6)


@pytest.mark.parametrize("target", [10, -1, -101])
def test_target_out_of_range(target):
    x, t, _, _ = problem(64, 10)
    t[17] = target
    message = rf"cross_entropy: target {target} at position 17 .* 0 <= target < 10"
    with pytest.raises(IndexError, match=message):
        loss.cross_entropy(x, t)


def test_layouts_and_integer_types():
    x, t, w, q = problem(64, 10)
    want = loss.cross_entropy(x, t, w).loss
    assert loss.cross_entropy(np.asfortranarray(x), t.astype(np.int32), w[::-1][::-1]).loss == want
    want = loss.cross_entropy_soft(x, q)[0].loss
    assert loss.cross_entropy_soft(np.asfortranarray(x), np.asfortranarray(q))[0].loss == want


def test_float16_is_computed_in_float32():
    x, t, _, _ = problem(64, 10)
    half = x.astype(np.float16)
    value, lse, divisor = loss.cross_entropy(half, t)
    assert value.dtype == np.float16
    np.testing.assert_allclose(value, loss.cross_entropy(x, t).loss, rtol=2e-3)
    dx = loss.cross_entropy_backward(np.float16(1), half, t, lse, divisor)
    assert dx.dtype == np.float16


@pytest.mark.parametrize("small", [8192, 0])
def test_nan_and_infinity_stay_in_their_row(small, monkeypatch):
    monkeypatch.setattr(loss.costs, "SMALL_LOSS", small)
    x, t, _, _ = problem(6, 20)
    x[1, 4], x[2, 0], x[4] = np.nan, np.inf, -np.inf
    value, lse, divisor = loss.cross_entropy(x, np.abs(t) % 20, reduction="none")
    dx = loss.cross_entropy_backward(
        np.ones(6, np.float32), x, np.abs(t) % 20, lse, divisor, reduction="none"
    )
    bad = [False, True, True, False, True, False]
    np.testing.assert_array_equal(np.isnan(value), bad)
    np.testing.assert_array_equal(np.isnan(dx).any(1), bad)


def test_infinite_logits():
    x = np.zeros((2, 3), np.float32)
    x[0, 1] = -np.inf  # impossible class, not the target: fine
    x[1, 1] = -np.inf  # impossible class is the target: infinite loss
    losses = loss.cross_entropy(x, np.array([0, 1]), reduction="none").loss
    np.testing.assert_allclose(losses, [np.log(2), np.inf], rtol=1e-6)


def test_same_bits_for_any_number_of_threads():
    x, t, w, _ = problem(5000, 30)
    before = get_num_threads()

    def results() -> list[bytes]:
        value, lse, divisor = loss.cross_entropy(x, t, w, label_smoothing=0.1)
        dx = loss.cross_entropy_backward(np.float32(1), x, t, lse, divisor, w, label_smoothing=0.1)
        return [value.tobytes(), lse.tobytes(), dx.tobytes()]

    try:
        set_num_threads(1)
        serial = results()
        for threads in (2, 4):
            set_num_threads(threads)
            assert results() == serial
    finally:
        set_num_threads(before)
