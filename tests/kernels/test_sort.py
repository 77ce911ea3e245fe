"""Orders by packed keys: against numpy's stable sort, with ties, both zeros, infinities and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.kernels import sort


def hard(shape):
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, shape).astype("f4")
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, 3.4e38], "f4")
    chosen = rng.random(shape) < 0.5
    x[chosen] = rng.choice(special, int(chosen.sum()))
    return x


def stable(x, descending):
    if descending:
        return x.shape[-1] - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1]
    return np.argsort(x, -1, kind="stable")


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 1), (40, 33), (3, 4, 100), (500, 300)])
@pytest.mark.parametrize("descending", [False, True])
def test_order_is_the_stable_one(shape, descending):
    x = hard(shape)
    np.testing.assert_array_equal(sort.order(x, descending), stable(x, descending))


@pytest.mark.parametrize("k", [1, 2, 5, 16, 17])
@pytest.mark.parametrize("largest", [False, True])
def test_best_are_the_first_of_the_order(k, largest):
    x = hard((30, 17))
    np.testing.assert_array_equal(sort.best(x, k, largest), stable(x, largest)[:, :k])


def test_layouts():
    x = hard((20, 30)).T
    np.testing.assert_array_equal(sort.order(x, False), stable(x, False))
