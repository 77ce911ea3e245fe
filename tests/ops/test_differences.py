"""Differences on grids against numpy, histograms, and names that spell other operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd.gradcheck import gradcheck

rng = np.random.default_rng(0)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("spacing", [1, 0.5, [0.5, 2.0], "uneven"])
def test_gradient_follows_numpy(order: int, spacing: Any) -> None:
    x = rng.normal(size=(4, 5))
    grids: Any = spacing
    if spacing == "uneven":
        grids = [np.sort(rng.uniform(0, 5, n)) for n in x.shape]
        spacing = [mg.tensor(g) for g in grids]
    wanted = np.gradient(x, *(grids if isinstance(grids, list) else [grids]), edge_order=order)
    found = mg.gradient(mg.tensor(x), spacing=spacing, edge_order=order)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-12)


def test_gradient_of_two_points_and_of_one_dimension() -> None:
    x = mg.tensor([[1.0, 3.0]])
    assert mg.gradient(x, dim=1)[0].tolist() == [[2.0, 2.0]]
    assert mg.gradient(mg.arange(4))[0].dtype == mg.float32
    y = mg.tensor(rng.normal(size=5), requires_grad=True)
    assert gradcheck(lambda t: mg.gradient(t, spacing=0.3, edge_order=2)[0], y)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: mg.gradient(mg.ones(1)), "at least edge_order"),
    (lambda: mg.gradient(mg.ones(3), spacing=[1.0, 2.0]), "list of length 2"),
    (lambda: mg.gradient(mg.ones(3), edge_order=3), "edge_order=1 and"),
    (lambda: mg.gradient(mg.ones(3, 3), dim=(0, 0)), "multiple times"),
    (lambda: mg.gradient(mg.ones(3), spacing=[mg.ones(2)]), "coordinates"),
    (lambda: mg.histogramdd(mg.ones(3, 2), bins=[1]), "must be equal to the innermost"),
    (lambda: mg.histogramdd(mg.ones(3), bins=1), "at least 2 dimensions"),
    (lambda: mg.imag(mg.ones(1)), "non-complex"),
    (lambda: mg.ones(2).adjoint(), "only supported on matrices"),
    (lambda: mg.is_nonzero(mg.ones(2)), "more than one value is ambiguous"),
    (lambda: mg.ones(2, 3, 3).fill_diagonal_(1), "equal length"),
    (lambda: mg.set_default_device("cuda"), "CPU only"),
    (lambda: mg.set_float32_matmul_precision("low"), "highest"),
])  # fmt: skip
def test_refused(call: Any, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        call()


def test_histograms_of_points() -> None:
    x = rng.normal(size=(50, 2))
    weight = rng.uniform(size=50)
    hist, edges = mg.histogramdd(mg.tensor(x), bins=[3, 4], weight=mg.tensor(weight), density=True)
    expected, at = np.histogramdd(x, [3, 4], density=True, weights=weight)
    np.testing.assert_allclose(hist.numpy(), expected)
    for a, b in zip(edges, at, strict=True):
        np.testing.assert_allclose(a.numpy(), b)


def test_functions_that_write() -> None:
    x = mg.tensor([0.0, 1.0])
    assert mg.exp_(x) is x
    assert x.tolist() == pytest.approx([1.0, np.e])
    assert mg.clamp_(x, max=2).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match=r"exp_\(\): argument 'input'"):
        mg.exp_(1.0)


def test_python_functions_by_element() -> None:
    x = mg.arange(4).reshape(2, 2)
    assert x.apply_(lambda a: a * a).tolist() == [[0, 1], [4, 9]]
    assert x.map_(mg.tensor([1, 2]), lambda a, b: a - b).tolist() == [[-1, -1], [3, 7]]
    with pytest.raises(TypeError, match="requires grad"):
        mg.ones(2, requires_grad=True).apply_(abs)


def test_questions() -> None:
    x = mg.ones(2, 3)
    assert not any((x.is_cuda, x.is_sparse, x.is_complex(), x.is_conj(), mg.is_neg(x)))
    assert x.is_cpu
    assert x.is_signed()
    assert not mg.ones(1, dtype=mg.uint8).is_signed()
    assert x.mT.dim_order() == (1, 0)
    assert x.get_device() == -1
    assert mg.typename(x) == "minigrad.float32"
    assert mg.nonzero_static(mg.tensor([0, 3, 0]), size=2).tolist() == [[1], [-1]]


def test_the_gradient_skips_what_a_scatter_replaced() -> None:
    x, src = mg.arange(6.0).requires_grad_(), mg.zeros(2, requires_grad=True)
    mg.as_strided_scatter(x, src, (2,), (3,)).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    assert src.grad.tolist() == [1.0, 1.0]
