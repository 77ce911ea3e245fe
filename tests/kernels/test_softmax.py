"""Softmax, log-softmax and log-sum-exp against their formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import softmax
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

SHAPES = [
    (1,),
    (20_001,),
    (5003, 10),  # short rows, joined
    (300, 1000),
    (2, 50, 400),  # columns in panels
    (40, 50, 2),  # few columns: transposed
    (2, 21, 17, 19),
]


def exact(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Softmax and log-softmax in float64."""
    x = x.astype("f8")
    shifted = x - x.max(axis, keepdims=True)
    total = np.exp(shifted).sum(axis, keepdims=True)
    return np.exp(shifted) / total, shifted - np.log(total)


def normal(seed: int, shape: tuple[int, ...], dtype: str = "f4") -> np.ndarray:
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def check_axis(x: np.ndarray, g: np.ndarray, axis: int, tolerance: float) -> None:
    probabilities, logs = exact(x, axis)
    y, z = softmax.softmax(x, axis), softmax.log_softmax(x, axis)
    assert y.dtype == z.dtype == x.dtype
    np.testing.assert_allclose(y, probabilities, rtol=10 * tolerance, atol=tolerance)
    np.testing.assert_allclose(z, logs, rtol=tolerance, atol=3 * tolerance)
    wide = g.astype("f8")
    shared = (wide * probabilities).sum(axis, keepdims=True)
    dx = softmax.softmax_backward(g, y, axis)
    np.testing.assert_allclose(dx, probabilities * (wide - shared), atol=10 * tolerance)
    dx = softmax.log_softmax_backward(g, z, axis)
    want = wide - probabilities * wide.sum(axis, keepdims=True)
    assert dx.dtype == x.dtype
    np.testing.assert_allclose(dx, want, atol=tolerance * (10 + 10 * np.abs(want).max()))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_backward_along_every_axis(shape):
    x, g = normal(0, shape), normal(1, shape)
    for axis in range(x.ndim):
        check_axis(x, g, axis, 1e-6)


def test_float64():
    x, g = normal(0, (30, 40), "f8"), normal(1, (30, 40), "f8")
    check_axis(x, g, 1, 1e-14)
    np.testing.assert_allclose(softmax.logsumexp(x, (1,)), np.log(np.exp(x).sum(1)), rtol=1e-13)


def test_float16_is_computed_in_float32():
    x = normal(0, (4, 5)).astype(np.float16)
    y = softmax.softmax(x, 1)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, exact(x, 1)[0], atol=1e-3)
    assert softmax.softmax_backward(x, y, 1).dtype == np.float16
    assert softmax.logsumexp(x, (1,)).dtype == np.float16


def test_other_layouts():
    base = normal(0, (6, 40, 50))
    for x in (base.transpose(2, 0, 1), base[:, ::2, ::-1], np.broadcast_to(base[0], (3, 40, 50))):
        for axis in range(3):
            check_axis(x, x, axis, 1e-6)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_logsumexp(axes):
    x = normal(0, (4, 50, 60))
    want = np.log(np.exp(x.astype("f8")).sum(axes))
    np.testing.assert_allclose(softmax.logsumexp(x, axes), want, rtol=1e-6, atol=1e-6)
    assert softmax.logsumexp(x, axes, keepdim=True).shape == x.sum(axes, keepdims=True).shape


def test_large_values_do_not_overflow():
    x = np.array([[1000.0, 1000.0], [-1000.0, 1000.0], [-3e38, 3e38]], np.float32)
    np.testing.assert_allclose(softmax.softmax(x, 1), [[0.5, 0.5], [0, 1], [0, 1]])
    np.testing.assert_allclose(softmax.logsumexp(x[:2], (1,)), [1000 + np.log(2), 1000])


@pytest.mark.parametrize("cols", [4, 200])
def test_infinities(cols):
    x = np.zeros((4, cols), np.float32)
    x[0] = -np.inf
    x[1, 2] = np.inf
    x[2, 1] = np.nan
    x[3, 1:] = -np.inf
    lse = softmax.logsumexp(x, (1,))
    np.testing.assert_array_equal(lse, np.array([-np.inf, np.inf, np.nan, 0], np.float32))
    for values in (x, np.repeat(x[:, :, None], 20, 2)):  # rows, and columns
        y = softmax.softmax(values, 1).reshape(4, cols, -1)
        assert np.isnan(y[[0, 2]]).all()
        assert np.isnan(y[1, 2]).all()
        np.testing.assert_array_equal(y[3], np.eye(cols)[0][:, None].repeat(y.shape[2], 1))


def test_empty():
    x = np.empty((0, 3), np.float32)
    assert softmax.softmax(x, 1).shape == (0, 3)
    assert softmax.log_softmax(x, 0).shape == (0, 3)
    np.testing.assert_array_equal(softmax.logsumexp(x, (0,)), np.full(3, -np.inf, np.float32))


def test_same_bits_for_any_number_of_threads():
    arrays = [normal(0, (5003, 10)), normal(0, (90, 1000))]
    before = get_num_threads()

    def results() -> list[bytes]:
        found = []
        for x in arrays:
            for axis in (0, 1):
                y, z = softmax.softmax(x, axis), softmax.log_softmax(x, axis)
                found += [y, z, softmax.logsumexp(x, (axis,))]
                found.append(softmax.softmax_backward(x, y, axis))
                found.append(softmax.log_softmax_backward(x, z, axis))
        return [array.tobytes() for array in found]

    try:
        set_num_threads(1)
        serial = results()
        for threads in (2, 4):
            set_num_threads(threads)
            assert results() == serial
    finally:
        set_num_threads(before)
