"""Rows by index, sums over repeated indices, and the checks that come before."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import index
from minigrad.kernels.run.threads import get_num_threads, set_num_threads


def rows(count: int, tail: tuple[int, ...], dtype: str = "f4") -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, *tail)).astype(dtype)


def indices(shape: tuple[int, ...], size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, size, shape)


@pytest.mark.parametrize(
    ("tail", "shape"), [((), (9,)), ((7,), (3, 4)), ((64,), (70, 50)), ((2, 100), (900,))]
)
@pytest.mark.parametrize("dtype", ["f4", "f2", "i4"])
def test_take_and_add_rows(tail, shape, dtype):
    weight, chosen = rows(30, tail, dtype), indices(shape, 30)
    taken = index.take_rows(weight, chosen)
    np.testing.assert_array_equal(taken, weight[chosen])
    want = np.zeros((30, *tail))
    np.add.at(want, chosen, taken.astype("f8"))
    got = index.add_rows(taken, chosen, 30)
    assert got.dtype == weight.dtype
    np.testing.assert_allclose(got, want, rtol=2e-3 if dtype == "f2" else 1e-4)
    want[5] = 0
    got = index.add_rows(taken, chosen, 30, padding_index=5)
    np.testing.assert_allclose(got, want, rtol=2e-3 if dtype == "f2" else 1e-4)


def test_layouts_and_no_indices():
    grad, chosen = rows(8, (10,)), indices((8,), 5)
    want = index.add_rows(grad, chosen, 5)
    np.testing.assert_array_equal(index.add_rows(np.asfortranarray(grad), chosen, 5), want)
    none = np.empty(0, np.int64)
    assert index.take_rows(grad, none).shape == (0, 10)
    np.testing.assert_array_equal(index.add_rows(grad[:0], none, 5), np.zeros((5, 10)))


def test_same_bits_for_any_number_of_threads():
    grad, chosen = rows(5000, (300,)), indices((5000,), 7)
    before = get_num_threads()
    try:
        set_num_threads(1)
        serial = index.add_rows(grad, chosen, 7)
        for threads in (2, 4):
            set_num_threads(threads)
            np.testing.assert_array_equal(index.add_rows(grad, chosen, 7), serial)
    finally:
        set_num_threads(before)


def test_check_indices_passes_good_ones():
    good = np.array([[0, 4], [2, 1]], np.int32)
    checked = index.check_indices(good.T, 5, "take")
    assert checked.dtype == np.int64
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, good.T)
    assert index.check_indices(np.empty((0, 3), np.int64), 0, "take").shape == (0, 3)
    np.testing.assert_array_equal(
        index.check_indices(np.array([-5, 4]), 5, "take", wrap=True), [0, 4]
    )
    np.testing.assert_array_equal(
        index.check_indices(np.array([-1, 4]), 5, "nll", ignore=-1), [-1, 4]
    )
    assert index.check_indices(np.array(-1), 5, "select", wrap=True) == 4


@pytest.mark.parametrize(
    ("values", "wrap", "message"),
    [
        ([0, 5], False, r"take: index 5 at position 1 is out of range: expected 0 <= index < 5"),
        ([-1, 9], False, r"index -1 at position 0"),
        ([[0, 1], [2, -6]], True, r"index -6 at position \(1, 1\) .* -5 <= index < 5"),
        (7, False, r"take: index 7 is out of range"),
    ],
)
def test_check_indices_names_the_first_bad_one(values, wrap, message):
    with pytest.raises(IndexError, match=message):
        index.check_indices(np.array(values), 5, "take", wrap=wrap)
