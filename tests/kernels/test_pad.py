"""Padding by tables: against numpy's indexing, and the transpose against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import pad
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

TABLES = {
    "reflect": np.array([2, 1, 0, 1, 2, 3, 2]),
    "circular": np.array([2, 3, 0, 1, 2, 3, 0, 1, 2, 3]),
    "value": np.array([-1, -1, 0, 1, 2, 3, -1]),
    "nothing": np.array([0, 1, 2, 3]),
    "only values": np.array([-1, -1]),
    "backwards": np.array([3, 2, 1, 0]),
}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("name", TABLES)
def test_pad_and_fold(dims, name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 4, 4)[: dims + 1])
    tables = [TABLES["reflect"]] * (dims - 1) + [TABLES[name]]
    got = pad.pad(x, tables, 7.0)
    want = x[(slice(None), *np.ix_(*tables))]
    want[..., TABLES[name] < 0] = 7.0
    np.testing.assert_array_equal(got, want)

    g = rng.normal(size=got.shape)
    inside = np.where(TABLES[name] < 0, 0.0, g)
    folded = pad.fold(g, tables, x.shape)
    got0 = pad.pad(x, tables, 0.0)
    assert np.isclose((got0 * inside).sum(), (x * folded).sum())  # <pad(x), g> = <x, fold(g)>


def test_two_leading_and_no_leading_axes():
    x = np.arange(8.0).reshape(2, 1, 4)
    assert pad.pad(x, [TABLES["reflect"]]).shape == (2, 1, 7)
    assert pad.pad(x[0, 0], [TABLES["reflect"]]).tolist() == [2, 1, 0, 1, 2, 3, 2]
    assert pad.pad(x[:0], [TABLES["reflect"]]).shape == (0, 1, 7)


def test_large_ones_have_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8, 32, 32)).astype("f4")
    table = np.r_[2, 1, np.arange(32), 30, 29]
    g = rng.normal(size=(40, 8, 36, 36)).astype("f4")
    before = get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            found.append((pad.pad(x, [table] * 2), pad.fold(g, [table] * 2, x.shape)))
    finally:
        set_num_threads(before)
    for padded, folded in found[1:]:
        np.testing.assert_array_equal(padded, found[0][0])
        np.testing.assert_array_equal(folded, found[0][1])
