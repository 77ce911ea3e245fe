"""Kernels along an axis: against numpy, for every axis and thread count, with wrong indices."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import gather as kernels
from minigrad.kernels.cumsum import cumsum
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

DTYPES = ["f4", "f8"]
rng = np.random.default_rng(0)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = get_num_threads()
    set_num_threads(request.param)
    yield
    set_num_threads(before)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gather(axis, dtype):
    x = rng.normal(size=(4, 5, 6)).astype(dtype)
    shape = list(x.shape)
    shape[axis] = 9
    chosen = rng.integers(0, x.shape[axis], shape)
    np.testing.assert_array_equal(
        kernels.gather(x, axis, chosen), np.take_along_axis(x, chosen, axis)
    )
    assert kernels.gather(x, axis, chosen[:0]).size == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scatter_add_with_a_smaller_index(axis, dtype):
    shape = [3, 4, 5]
    shape[axis] = 9
    out = rng.normal(size=(4, 5, 6)).astype(dtype)
    chosen = rng.integers(0, out.shape[axis], shape)
    values = rng.normal(size=shape).astype(dtype)
    want = out.astype("f8")
    for position in np.ndindex(*shape):
        place = list(position)
        place[axis] = chosen[position]
        want[tuple(place)] += values[position]
    assert kernels.scatter_add(out, axis, chosen, values)
    np.testing.assert_allclose(out, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("wrong", [-1, 5, 2**62, -(2**63)])
def test_wrong_indices_are_reported_and_touch_nothing(axis, wrong):
    x = np.zeros((5, 5))
    chosen = np.zeros((5, 5), np.int64)
    chosen[3, 2] = wrong
    assert kernels.gather(x, axis, chosen) is None
    assert not kernels.scatter_add(x, axis, chosen, np.ones((5, 5)))
    assert x.sum() == 24


@pytest.mark.parametrize("axis", [0, 1])
def test_large_ones_have_the_same_bits_on_any_number_of_threads(axis, threads):
    shape = (600, 300)
    r = np.random.default_rng(1)
    x = r.normal(size=shape).astype("f4")
    chosen = r.integers(0, shape[axis], shape)
    np.testing.assert_array_equal(
        kernels.gather(x, axis, chosen), np.take_along_axis(x, chosen, axis)
    )
    out = np.zeros(shape, "f4")
    assert kernels.scatter_add(out, axis, chosen, x)
    want = np.zeros(shape, "f4")
    places = [np.arange(shape[0])[:, None], np.arange(shape[1])]
    places[axis] = chosen
    np.add.at(want, tuple(places), x)
    np.testing.assert_array_equal(out, want)
    for backwards in (False, True):
        turned = np.flip(x, axis) if backwards else x
        sums = np.cumsum(turned, axis, dtype="f8").astype("f4")
        sums = np.flip(sums, axis) if backwards else sums
        np.testing.assert_array_equal(cumsum(x, axis, backwards), sums)


@pytest.mark.parametrize("shape", [(1, 7), (3, 5), (9, 4), (2, 3, 70), (1, 1), (0, 3), (3, 0)])
@pytest.mark.parametrize("backwards", [False, True])
def test_cumsum(shape, backwards):
    x = rng.normal(size=shape)
    for axis in range(x.ndim):
        want = np.cumsum(np.flip(x, axis) if backwards else x, axis)
        want = np.flip(want, axis) if backwards else want
        np.testing.assert_allclose(cumsum(x, axis, backwards), want, rtol=1e-12, atol=1e-12)


def test_cumsum_adds_float32_in_float64():
    x = np.full(2**20, 0.1, "f4")
    assert cumsum(x, 0)[-1] == np.float32(2**20 * np.float64(np.float32(0.1)))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_index_for_whole_rows(axis, dtype):
    x = rng.normal(size=(4, 5, 70)).astype(dtype)
    shape = [4, 5, 70]
    shape[axis] = 9
    chosen = rng.integers(0, x.shape[axis], shape[: axis + 1])
    chosen = np.broadcast_to(chosen[(..., *[None] * (2 - axis))], shape)
    want = np.take_along_axis(x, chosen, axis)
    np.testing.assert_array_equal(kernels.gather(x, axis, chosen), want)
    sums, again = np.zeros_like(x), np.zeros_like(x)
    assert kernels.scatter_add(sums, axis, chosen, want)
    assert kernels.scatter_add(again, axis, chosen.copy(), want)
    np.testing.assert_array_equal(sums, again)
    wrong = chosen.copy()[(..., *[slice(0, 1)] * (2 - axis))]
    wrong[(0,) * 3] = 99
    wrong = np.broadcast_to(wrong, shape)
    assert kernels.gather(x, axis, wrong) is None
    assert not kernels.scatter_add(sums, axis, wrong, want)


def test_of_nothing_no_index_is_right():
    assert kernels.gather(np.zeros((3, 0)), 1, np.zeros((3, 2), np.int64)) is None
    assert not kernels.scatter_add(np.zeros((3, 0)), 1, np.zeros((3, 2), np.int64), np.ones((3, 2)))
