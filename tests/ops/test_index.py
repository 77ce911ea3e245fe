"""Indexing, gathering and scattering, against numpy and against their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg


def numbers(*shape: int) -> np.ndarray[Any, Any]:
    return np.arange(1.0, np.prod(shape) + 1).reshape(shape)


# Without ints beside index tensors numpy and PyTorch agree.
KEYS = hnp.arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=3), elements=st.integers(-3, 2))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.just(slice(None)), st.just(None), KEYS), max_size=3), st.integers(0, 9)
)
def test_reads_writes_and_differentiates_like_numpy(key: list[Any], seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 3, 3))
    try:
        expected = x[tuple(key)]
    except IndexError:
        with pytest.raises(IndexError):
            mg.tensor(x)[tuple(key)]
        return
    t = mg.tensor(x, requires_grad=True)
    y = t[tuple(key)]
    np.testing.assert_array_equal(y.detach().numpy(), expected)

    flow = np.random.default_rng(seed + 1).normal(size=expected.shape)
    y.backward(mg.tensor(flow))
    into = np.zeros_like(x)
    np.add.at(into, tuple(key), flow)
    np.testing.assert_allclose(t.grad.numpy(), into)

    written, reference = mg.tensor(x), x.copy()
    written[tuple(key)] = 7.0
    reference[tuple(key)] = 7.0
    np.testing.assert_array_equal(written.numpy(), reference)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)))
@settings(max_examples=40, deadline=None)
def test_masks(mask: np.ndarray[Any, Any]) -> None:
    x = numbers(*mask.shape, 2)
    t = mg.tensor(x, requires_grad=True)
    np.testing.assert_array_equal(t[mg.tensor(mask)].detach().numpy(), x[mask])
    t[mask].sum().backward()
    np.testing.assert_array_equal(t.grad.numpy(), np.broadcast_to(mask[..., None], x.shape))
    assert [i.tolist() for i in mg.nonzero(mg.tensor(mask), as_tuple=True)] == [
        i.tolist() for i in np.nonzero(mask)
    ]


def test_an_int_is_taken_before_the_index_tensors_are_looked_at() -> None:
    x = mg.tensor(numbers(2, 3, 4))
    assert x[0, :, [1, 2]].shape == (3, 2)  # numpy has (2, 3)


def test_views_share_memory_and_copies_do_not() -> None:
    x = mg.zeros(3, 4)
    x[1].fill_(2.0)
    x[:, 1:3][0] = 5.0
    x[2, 3].add_(1.0)
    x[[0, 1]].zero_()
    assert x.tolist() == [[0, 5, 5, 0], [2, 2, 2, 2], [0, 0, 0, 1]]


def test_writing_into_a_view_moves_the_graph_of_the_whole() -> None:
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    v = mg.tensor([5.0, 6.0], requires_grad=True)
    y = x * 1
    row = y[0]
    y[0] = v * 2
    (row * row).sum().backward()  # the view sees what was written
    assert x.grad is None or not x.grad.numpy().any()
    assert v.grad.tolist() == [40.0, 48.0]


def test_constants_cut_the_graph_where_they_are_written() -> None:
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    y[mg.tensor([True, False, False])] = 9.0
    (y * y).sum().backward()
    assert x.grad.tolist() == [0.0, 8.0, 8.0]


def test_duplicates_add_up() -> None:
    x = mg.zeros(3, requires_grad=True)
    y = x.index_put((mg.tensor([1, 1, 2]),), mg.tensor([1.0, 2.0, 3.0]), accumulate=True)
    assert y.tolist() == [0.0, 3.0, 3.0]
    assert mg.zeros(2, 2).index_add(1, mg.tensor([1, 1]), mg.ones(2, 2)).tolist() == [
        [0, 2],
        [0, 2],
    ]
    big = mg.zeros(3, 400).index_add(0, mg.tensor([1, 1]), mg.ones(2, 400))  # the kernel
    assert big.sum(1).tolist() == [0.0, 800.0, 0.0]


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("size", [2, 12])  # below and above where kernels are used
def test_gather_and_scatter_are_each_others_derivative(dim: int, size: int) -> None:
    rng = np.random.default_rng(0)
    shape = (size, size - 1, size)
    x = mg.tensor(rng.normal(size=shape), requires_grad=True)
    index = mg.tensor(rng.integers(0, shape[dim], tuple(min(shape) for _ in shape)))
    y = mg.gather(x, dim, index)
    np.testing.assert_array_equal(
        y.detach().numpy(),
        np.take_along_axis(
            x.detach().numpy()[tuple(slice(None if d == dim else min(shape)) for d in range(3))],
            index.numpy(), dim,
        ),
    )  # fmt: skip
    g = mg.tensor(rng.normal(size=y.shape))
    y.backward(g)
    scattered = mg.zeros(*shape, dtype=mg.float64).scatter_add(dim, index, g)
    np.testing.assert_allclose(x.grad.numpy(), scattered.numpy())


def test_product_of_scattered_values_has_a_derivative_at_zero() -> None:
    src = mg.tensor([0.0, 3.0, 2.0], requires_grad=True)
    y = mg.ones(2).scatter_reduce(0, mg.tensor([0, 0, 1]), src, "prod")
    y.sum().backward()
    assert src.grad.tolist() == [3.0, 0.0, 1.0]


def test_empty_indices() -> None:
    x = mg.ones(3, 4)
    assert x[[]].shape == (0, 4)
    assert x[:, mg.zeros(0, dtype=mg.int64)].shape == (3, 0)
    assert mg.zeros(0, 3)[mg.zeros(0, dtype=mg.int64)].shape == (0, 3)
    x[[]] = 5.0
    assert x.gather(1, mg.zeros(3, 0, dtype=mg.int64)).shape == (3, 0)


ERRORS = [
    (lambda x, i: x[3], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
    (lambda x, i: x[i + 3], IndexError, "index 5 is out of bounds for dimension 0 with size 3"),
    (lambda x, i: x[:, 0, 0], IndexError, "too many indices for tensor of dimension 2"),
    (lambda x, i: x[::-1], ValueError, "step must be greater than zero"),
    (lambda x, i: x[1.0], IndexError, "only integers, slices"),
    (lambda x, i: x[x], IndexError, "tensors used as indices must be long, int, byte or bool"),
    (lambda x, i: x[i > 0], IndexError, r"shape of the mask \[2\] at index 0 does not match"),
    (lambda x, i: x[i, [0, 1, 2]], IndexError, r"could not be broadcast together with shapes"),
    (lambda x, i: x.__setitem__(i, mg.ones(3)), RuntimeError, r"value tensor of shape \[3\]"),
    (lambda x, i: x.__setitem__(0, "a"), TypeError, "can't assign a str"),
    (lambda x, i: x.gather(0, i), RuntimeError, "same number of dimensions"),
    (lambda x, i: x.gather(0, i[None] * 0 + 9), RuntimeError, "index 9 is out of bounds"),
    (lambda x, i: x.index_select(0, i + 9), IndexError, "index out of range in self"),
    (lambda x, i: x.take(i + 50), IndexError, "out of range: tried to access index 52"),
    (lambda x, i: mg.tensor(1.0)[0], IndexError, "invalid index of a 0-dim tensor"),
    (lambda x, i: x.requires_grad_().__setitem__(0, 1.0), RuntimeError, "leaf Variable"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call(mg.ones(3, 4), mg.tensor([2, 0]))
