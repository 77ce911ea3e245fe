"""Normalizations against their formulas in float64; gradients from one general formula."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import norm
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

SHAPES = [(4, 6), (64, 128), (300, 10), (5, 4, 3, 7), (3, 6, 9001), (2000, 64), (3, 8, 1)]


def problem(shape: tuple[int, ...], dtype: str = "f4") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(len(shape))
    x = 2 + 3 * rng.standard_normal(shape)
    return x.astype(dtype), rng.standard_normal(shape).astype(dtype)


def vectors(size: int, dtype: str = "f4") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    return rng.uniform(0.5, 2, size).astype(dtype), rng.standard_normal(size).astype(dtype)


def exact(x, g, axes, weight, bias, eps=1e-5, constant=None):
    """``y, dx, g * xhat`` in float64; statistics over `axes`, or the `constant` (mean, var)."""
    x, g, weight, bias = (a.astype("f8") for a in (x, g, weight, bias))
    mean, var = constant or (x.mean(axes, keepdims=True), x.var(axes, keepdims=True))
    rstd = 1 / np.sqrt(var + eps)
    xhat, gw = (x - mean) * rstd, g * weight
    dx = rstd * gw
    if constant is None:
        dx -= rstd * gw.mean(axes, keepdims=True)
        dx -= rstd * xhat * (gw * xhat).mean(axes, keepdims=True)
    return xhat * weight + bias, dx, g * xhat


def close(got: np.ndarray, want: np.ndarray, tolerance: float = 2e-5) -> None:
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


def per_channel(vector: np.ndarray, ndim: int) -> np.ndarray:
    return vector.reshape(-1, *[1] * (ndim - 2))


def check_layer_norm(shape, dtype, tolerance):
    x, g = problem(shape, dtype)
    weight, bias = vectors(shape[-1], dtype)
    want_y, want_dx, products = exact(x, g, (-1,), weight, bias)
    y, mean, rstd = norm.layer_norm(x, 1, weight, bias)
    dx, dweight, dbias = norm.layer_norm_backward(g, x, mean, rstd, 1, weight)
    assert y.dtype == dx.dtype == x.dtype
    close(y, want_y, tolerance)
    close(dx, want_dx, 5 * tolerance)
    lead = tuple(range(x.ndim - 1))
    close(dweight, products.sum(lead), 5 * tolerance)
    close(dbias, g.sum(lead, "f8"), tolerance)


@pytest.mark.parametrize("shape", [s for s in SHAPES if s[-1] > 3], ids=str)
def test_layer_norm(shape):
    check_layer_norm(shape, "f4", 2e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm(shape):
    check_batch_norm(shape, "f4", 2e-5)


@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 2], ids=str)
def test_batch_norm_of_small_arrays_with_the_kernels_of_large_ones(shape, monkeypatch):
    monkeypatch.setattr("minigrad.kernels.batch_norm.PARALLEL_MATH", 0)
    check_batch_norm(shape, "f4", 2e-5)


def test_layer_norm_over_several_axes_without_affine():
    x, g = problem((6, 5, 7))
    ones, zeros = np.ones((5, 7)), np.zeros((5, 7))
    want_y, want_dx, products = exact(x, g, (1, 2), ones, zeros)
    y, mean, rstd = norm.layer_norm(x, 2)
    dx, dweight, _ = norm.layer_norm_backward(g, x, mean, rstd, 2)
    close(y, want_y)
    close(dx, want_dx)
    close(dweight, products.sum(0))


def check_batch_norm(shape, dtype, tolerance):
    x, g = problem(shape, dtype)
    weight, bias = vectors(shape[1], dtype)
    axes = (0, *range(2, x.ndim))
    wide = [per_channel(v, x.ndim) for v in (weight, bias)]
    want_y, want_dx, products = exact(x, g, axes, *wide)
    y, mean, rstd, var = norm.batch_norm(x, weight, bias)
    close(y, want_y, tolerance)
    close(mean, x.mean(axes, "f8"), tolerance)
    close(var, x.var(axes, "f8"), tolerance)
    dx, dweight, dbias = norm.batch_norm_backward(g, x, mean, rstd, weight)
    close(dx, want_dx, 5 * tolerance)
    close(dweight, products.sum(axes), 5 * tolerance)
    close(dbias, g.sum(axes, "f8"), 5 * tolerance)


@pytest.mark.parametrize("shape", [(64, 128), (5, 4, 3, 7)], ids=str)
def test_batch_norm_eval(shape):
    x, g = problem(shape)
    (weight, bias), (var, mean) = vectors(shape[1]), vectors(shape[1])
    axes = (0, *range(2, x.ndim))
    wide = [per_channel(v.astype("f8"), x.ndim) for v in (weight, bias, mean, var)]
    want_y, want_dx, products = exact(x, g, axes, *wide[:2], constant=(wide[2], wide[3]))
    y, mean, rstd = norm.batch_norm_eval(x, mean, var, weight, bias)
    close(y, want_y)
    dx, dweight, dbias = norm.batch_norm_backward(g, x, mean, rstd, weight, training=False)
    close(dx, want_dx)
    close(dweight, products.sum(axes))
    close(dbias, g.sum(axes, "f8"))


@pytest.mark.parametrize("shape", [(64, 128), (5, 4, 3, 7), (3, 6, 9001)], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_group_norm(shape, groups):
    x, g = problem(shape)
    weight, bias = vectors(shape[1])
    split = (shape[0], groups, shape[1] // groups, -1)
    wide = [v.reshape(groups, -1, 1) for v in (weight, bias)]
    want_y, want_dx, products = exact(x.reshape(split), g.reshape(split), (2, 3), *wide)
    y, mean, rstd = norm.group_norm(x, groups, weight, bias)
    close(y, want_y.reshape(shape))
    dx, dweight, dbias = norm.group_norm_backward(g, x, mean, rstd, groups, weight)
    close(dx, want_dx.reshape(shape))
    close(dweight, products.sum((0, 3)).ravel())
    close(dbias, g.reshape(split).sum((0, 3), "f8").ravel())


def test_float64():
    check_layer_norm((300, 10), "f8", 1e-12)
    check_batch_norm((64, 128), "f8", 1e-12)


def test_mean_far_from_zero():
    x = (1000 + np.random.default_rng(0).standard_normal((500, 64))).astype(np.float32)
    close(norm.layer_norm(x, 1).y, exact(x, x, (1,), *np.eye(2, 1))[0], 2e-3)
    close(norm.batch_norm(x).y, exact(x, x, (0,), *np.eye(2, 1))[0], 2e-3)


def test_other_layouts_and_dtypes():
    x, _ = problem((6, 40, 50))
    weight, bias = vectors(40)
    view = x.transpose(0, 2, 1)
    np.testing.assert_array_equal(
        norm.layer_norm(view, 1, weight, bias).y,
        norm.layer_norm(view.copy(), 1, weight, bias).y,
    )
    np.testing.assert_array_equal(norm.batch_norm(view).y, norm.batch_norm(view.copy()).y)
    half = norm.layer_norm(x.astype(np.float16), 1)
    assert half.y.dtype == np.float16
    assert half.mean.dtype == np.float32
    close(half.y, norm.layer_norm(x, 1).y, 2e-3)


def test_nan_stays_in_its_row():
    x, _ = problem((4, 6))
    x[1, 2] = np.nan
    np.testing.assert_array_equal(
        np.isnan(norm.layer_norm(x, 1).y).all(1), [False, True] + [False] * 2
    )
    y = norm.batch_norm(x).y
    assert np.isnan(y[:, 2]).all()
    assert np.isfinite(np.delete(y, 2, axis=1)).all()


def test_empty_batch():
    x = np.empty((0, 5), np.float32)
    y, mean, rstd = norm.layer_norm(x, 1)
    dx, dweight, dbias = norm.layer_norm_backward(x, x, mean, rstd, 1)
    assert y.shape == dx.shape == (0, 5)
    np.testing.assert_array_equal([dweight, dbias], 0)


def test_same_bits_for_any_number_of_threads():
    before = get_num_threads()

    def results() -> list[bytes]:
        found = []
        for shape in ((3000, 64), (40, 12, 600)):
            x, g = problem(shape)
            y, mean, rstd = norm.layer_norm(x, 1)
            found += [y, *norm.layer_norm_backward(g, x, mean, rstd, 1)]
            y, mean, rstd, _ = norm.batch_norm(x)
            found += [y, *norm.batch_norm_backward(g, x, mean, rstd)]
            y, mean, rstd = norm.group_norm(x, 4)
            found += [y, *norm.group_norm_backward(g, x, mean, rstd, 4)]
        return [array.tobytes() for array in found]

    try:
        set_num_threads(1)
        serial = results()
        for threads in (2, 4):
            set_num_threads(threads)
            assert results() == serial
    finally:
        set_num_threads(before)
