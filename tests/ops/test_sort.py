"""Sorting and searching, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg

VALUES = st.sampled_from([-1.0, 0.0, 1.0, 2.0, np.inf, -np.inf, np.nan])
ROWS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=VALUES)


@given(ROWS, st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_sort_is_stable_and_nan_is_the_largest(x: Any, descending: bool, data: Any) -> None:
    dim = data.draw(st.integers(0, x.ndim - 1))
    values, indices = mg.sort(mg.tensor(x), dim, descending=descending)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, indices.numpy(), dim))
    rank = np.where(np.isnan(x), np.inf, x) + np.where(np.isnan(x), 1, 0)
    key = np.stack([np.nan_to_num(rank, posinf=5, neginf=-5), np.isnan(x)])
    key = key[0] * 2 + key[1]
    order = np.argsort(-key if descending else key, axis=dim, kind="stable")
    np.testing.assert_array_equal(indices.numpy(), order)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("n", [40, 3000])  # sorted whole, and selected first
def test_topk_is_the_head_of_the_stable_sort(n: int, largest: bool) -> None:
    x = mg.tensor(np.random.default_rng(0).integers(0, 50, (3, n)).astype(float))
    values, indices = mg.topk(x, 7, largest=largest)
    whole = mg.sort(x, descending=largest)
    assert values.tolist() == whole.values[:, :7].tolist()
    assert indices.tolist() == whole.indices[:, :7].tolist()


def test_gradients_go_where_the_values_came_from() -> None:
    x = mg.tensor([3.0, 1.0, 2.0], requires_grad=True)
    (mg.sort(x).values * mg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100.0, 1.0, 10.0]
    x.grad = None
    mg.median(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


def test_results_have_names() -> None:
    found = mg.topk(mg.tensor([1.0, 3.0]), 1)
    assert found.values.tolist() == [3.0]
    assert found.indices.tolist() == [1]


@given(hnp.arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=6), elements=st.integers(0, 4)))
@settings(max_examples=40, deadline=None)
def test_unique_can_be_undone(x: Any) -> None:
    values, inverse, counts = mg.unique(mg.tensor(x), return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values.numpy()[inverse.numpy()], x)
    assert counts.tolist() == [int((x == v).sum()) for v in values.tolist()]
    assert mg.bincount(mg.tensor(x.reshape(-1))).tolist() == np.bincount(x.reshape(-1)).tolist()


def test_searchsorted_rows() -> None:
    sequence = mg.tensor([[1, 3, 5], [2, 4, 6]])
    assert mg.searchsorted(sequence, mg.tensor([[3], [3]])).tolist() == [[1], [1]]
    assert mg.searchsorted(sequence, mg.tensor([[3], [3]]), right=True).tolist() == [[2], [1]]


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda x: x.topk(9), RuntimeError, "selected index k out of range"),
    (lambda x: x.sort(3), IndexError, "Dimension out of range"),
    (lambda x: x.kthvalue(0), RuntimeError, "selected number k out of range"),
    (lambda x: mg.bincount(-x.long() - 1), RuntimeError, "non-negative integral"),
])  # fmt: skip
def test_errors(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call(mg.ones(3))


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_histogram_counts_between_the_edges_it_gives(dtype: mg.dtype) -> None:
    for values in (mg.arange(101) / 10, mg.arange(11), mg.ones(4), mg.rand(300), mg.zeros(0)):
        x = values.to(dtype)
        for bins in (None, 10, 7):
            hist, edges = mg.histogram(x) if bins is None else mg.histogram(x, bins)
            n = bins or 100
            assert hist.shape == (n,)
            assert edges.shape == (n + 1,)
            assert hist.dtype == edges.dtype == dtype
            place = np.searchsorted(edges.numpy(), x.numpy(), "right") - 1
            counts = np.bincount(np.minimum(place, n - 1), minlength=n)
            assert hist.tolist() == counts.tolist()
