"""Reductions against numpy in float64: all patterns of axes, edge cases, and the same bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad.kernels import reduce
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

SHAPES = [
    (1,),
    (20_001,),  # not a multiple of a block
    (200_003,),  # long enough to be shared between threads
    (1000, 10),
    (300, 700),
    (3, 140_001),  # few long rows
    (20_011, 13),  # many narrow rows
    (2, 50, 4000),
    (40, 50, 2),
    (4, 1, 5),
    (2, 3, 4, 5),
]


def every_axes(ndim: int) -> list[tuple[int, ...]]:
    return [
        axes for count in range(1, ndim + 1) for axes in itertools.combinations(range(ndim), count)
    ]


def normal(shape: tuple[int, ...], dtype: str = "f4") -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.fixture(params=["by size", "kernels"])
def path(request, monkeypatch):
    """What the sizes choose, and kernels also where small sums go to numpy."""
    if request.param == "kernels":
        monkeypatch.setattr(reduce, "_FEW_LOOPS", -1)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sum_mean_max_min_over_all_axes(shape):
    x = normal(shape)
    exact = x.astype("f8")
    for axes in every_axes(x.ndim):
        for keepdim in (False, True):
            for name in ("sum", "mean", "max", "min"):
                got = getattr(reduce, name)(x, axes, keepdim)
                want = getattr(exact, name)(axes, keepdims=keepdim)
                assert got.dtype == np.float32
                assert got.shape == want.shape
                tolerance = 2e-6 * np.sqrt(x.size) if name == "sum" else 1e-6
                np.testing.assert_allclose(got, want, rtol=1e-6, atol=tolerance)


@pytest.mark.usefixtures("path")
def test_float64():
    x = normal((30, 2000), "f8")
    for axes in every_axes(2):
        for name in ("sum", "mean", "max", "min"):
            got = getattr(reduce, name)(x, axes)
            assert got.dtype == np.float64
            np.testing.assert_allclose(got, getattr(x, name)(axes), rtol=1e-13, atol=1e-12)


def test_float32_sum_is_accurate():
    x = np.random.default_rng(0).random(10_000_000, np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(reduce.sum(x, (0,)) - exact) <= np.spacing(np.float32(exact))
    tall = x.reshape(-1, 10)
    error = reduce.sum(tall, (0,)) / tall.sum(0, dtype=np.float64) - 1
    assert np.abs(error).max() < 2e-7


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("layout", ["transposed", "strided", "reversed", "broadcast", "permuted"])
def test_other_layouts(layout):
    base = normal((6, 40, 50))
    x = {
        "transposed": base[0].T,
        "strided": base[::2, 1::3],
        "reversed": base[:, ::-1],
        "broadcast": np.broadcast_to(base[:, :1], (6, 7, 50)),
        "permuted": base.transpose(2, 0, 1),
    }[layout]
    for axes in every_axes(x.ndim):
        np.testing.assert_allclose(reduce.sum(x, axes), x.sum(axes, "f8"), atol=1e-4)
        np.testing.assert_array_equal(reduce.max(x, axes), x.max(axes))
    np.testing.assert_array_equal(reduce.argmax(x, 1), x.argmax(1))


def test_same_bits_for_any_number_of_threads():
    arrays = [normal(shape) for shape in ((300_001,), (5, 70_000), (20_011, 13), (300, 1000))]
    before = get_num_threads()

    def results() -> list[bytes]:
        return [
            getattr(reduce, name)(x, axes).tobytes()
            for x in arrays
            for axes in every_axes(x.ndim)
            for name in ("sum", "max")
        ] + [reduce.var(x, (x.ndim - 1,))[0].tobytes() for x in arrays]

    try:
        set_num_threads(1)
        serial = results()
        for threads in (2, 4):
            set_num_threads(threads)
            assert results() == serial
    finally:
        set_num_threads(before)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_nan_and_inf_propagate(bad):
    x = normal((20, 300))
    x[3, 7] = bad
    for axes in every_axes(2):
        for name in ("sum", "mean", "max", "min"):
            with np.errstate(invalid="ignore"):
                want = getattr(x, name)(axes)
            got = getattr(reduce, name)(x, axes)
            np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
            np.testing.assert_array_equal(np.isinf(got), np.isinf(want))


def test_largest_of_infinities_and_zeros():
    x = np.array([[-np.inf, -np.inf], [0.0, -0.0], [-0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(reduce.max(x, (1,)), [-np.inf, 0, 0])
    assert not np.signbit(reduce.max(x, (1,))[1:]).any()
    assert np.signbit(reduce.min(x, (1,))[1:]).all()


def test_empty():
    x = np.empty((0, 3), np.float32)
    np.testing.assert_array_equal(reduce.sum(x, (0,)), np.zeros(3, np.float32))
    np.testing.assert_array_equal(reduce.prod(x, (0,)), np.ones(3, np.float32))
    np.testing.assert_array_equal(reduce.mean(x, (0,)), np.full(3, np.nan, np.float32))
    np.testing.assert_array_equal(reduce.var(x, (0,))[0], np.full(3, np.nan, np.float32))
    assert reduce.sum(x, (1,)).shape == (0,)
    assert reduce.mean(x, (1,), keepdim=True).shape == (0, 1)


def test_no_axes_copies():
    x = normal((2, 3))
    total = reduce.sum(x, ())
    np.testing.assert_array_equal(total, x)
    assert not np.shares_memory(total, x)
    np.testing.assert_array_equal(reduce.max(x, ()), x)


def test_dtypes():
    assert reduce.sum(np.ones(5, bool), (0,)) == 5
    assert reduce.sum(np.full(3, 200, np.uint8), (0,)).dtype == np.int64
    assert reduce.sum(np.ones(3, np.int32), (0,)).dtype == np.int64
    assert reduce.prod(np.full(3, 100, np.int8), (0,)) == 1_000_000
    assert reduce.max(np.array([1, 3], np.int32), (0,)).dtype == np.int32
    half = np.full(4096, 1.25, np.float16)
    assert reduce.sum(half, (0,)) == np.float16(5120)
    assert reduce.mean(half, (0,)).dtype == np.float16
    assert reduce.mean(half, (0,)) == 1.25


@pytest.mark.parametrize("shape", [(1,), (20_001,), (300, 700), (5, 6, 7)], ids=str)
@pytest.mark.parametrize("correction", [0, 1])
def test_var(shape, correction):
    x = normal(shape) + 100  # a mean far from zero: the two passes matter
    for axes in every_axes(x.ndim):
        count = np.prod([shape[axis] for axis in axes])
        if count <= correction:
            assert np.isnan(reduce.var(x, axes, correction)[0]).all()
            continue
        variance, mean = reduce.var(x, axes, correction, keepdim=True)
        want = x.var(axes, "f8", ddof=correction, keepdims=True)
        assert variance.dtype == np.float32
        np.testing.assert_allclose(variance, want, rtol=2e-5)
        np.testing.assert_allclose(mean, x.mean(axes, "f8", keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("shape", [(7,), (1, 1), (200_003,), (300, 700), (7, 90, 300)], ids=str)
def test_argmax_finds_the_first(shape):
    x = np.round(normal(shape), 1)  # many ties, and both zeros
    for axis in (None, *range(x.ndim)):
        for keepdim in (False, True):
            got = reduce.argmax(x, axis, keepdim)
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, x.argmax(axis, keepdims=keepdim))
            np.testing.assert_array_equal(
                reduce.argmin(x, axis, keepdim), x.argmin(axis, keepdims=keepdim)
            )


@pytest.mark.parametrize("shape", [(4, 5), (400, 500)])
def test_argmax_finds_the_first_nan(shape):
    x = normal(shape)
    x[1, 2] = x[1, 4] = x[3, 4] = np.nan
    x[2] = -np.inf
    for find in (reduce.argmax, reduce.argmin):
        along_rows = find(x, 1)
        assert (along_rows[1], along_rows[2], along_rows[3]) == (2, 0, 4)
        assert find(x, 0)[4] == 1
        assert find(x, None) == shape[1] + 2
