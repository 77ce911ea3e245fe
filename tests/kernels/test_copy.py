"""Large concatenations: against numpy's, for every axis, width, layout and number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import copy
from minigrad.kernels.run.threads import get_num_threads, set_num_threads


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "?", "f2"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_join(dtype, axis):
    rng = np.random.default_rng(0)
    shapes = [[30, 50, 40] for _ in range(4)]
    for shape, length in zip(shapes, (30, 1, 0, 17), strict=True):
        shape[axis] = length
    arrays = [(rng.normal(size=shape) * 9).astype(dtype) for shape in shapes]
    arrays[0] = np.asfortranarray(arrays[0])
    want = np.concatenate(arrays, axis)
    before = get_num_threads()
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            got = copy.join(arrays, axis)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
    finally:
        set_num_threads(before)


def test_bits_of_integers_that_look_like_nan_are_kept():
    x = np.full(70_000, 0x7FF0000000000001, np.int64)  # a signalling NaN, were it a float64
    np.testing.assert_array_equal(copy.join([x, x], 0), np.concatenate([x, x]))
