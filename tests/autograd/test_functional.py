"""Jacobians, Hessians and their products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp


def t(*values: float) -> Tensor:
    return mg.tensor(list(values), dtype=mg.float64)


def f(x: Tensor) -> Tensor:
    """(x0 x1, sin x0, x1^3)."""
    return mg.stack([x[0] * x[1], x[0].sin(), x[1] ** 3])


X = (0.5, 2.0)
J = np.array([[2.0, 0.5], [np.cos(0.5), 0.0], [0.0, 12.0]])


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_jacobian(strategy: str) -> None:
    np.testing.assert_allclose(jacobian(f, t(*X), strategy=strategy).array, J)


def test_products_with_the_jacobian() -> None:
    y, product = vjp(f, t(*X), t(1.0, 2.0, 3.0))
    np.testing.assert_allclose(y.array, [1.0, np.sin(0.5), 8.0])
    np.testing.assert_allclose(product.array, [1.0, 2.0, 3.0] @ J)
    y, product = jvp(f, t(*X), t(1.0, -1.0))
    np.testing.assert_allclose(product.array, J @ [1.0, -1.0])
    assert not product.requires_grad


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_several_inputs_and_results(strategy: str) -> None:
    def g(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return a * b.sum(), b * b

    rows = jacobian(g, (t(1.0, 2.0), t(3.0, 4.0, 5.0)), strategy=strategy)
    assert isinstance(rows, tuple)
    assert [[block.shape for block in row] for row in rows] == [[(2, 2), (2, 3)], [(3, 2), (3, 3)]]
    np.testing.assert_allclose(rows[0][0].array, 12 * np.eye(2))
    np.testing.assert_allclose(rows[0][1].array, [[1.0] * 3, [2.0] * 3])
    np.testing.assert_allclose(rows[1][0].array, np.zeros((3, 2)))
    np.testing.assert_allclose(rows[1][1].array, np.diag([6.0, 8.0, 10.0]))


def energy(x: Tensor) -> Tensor:
    return (x[0] ** 3) * x[1] + x[1].exp()


H = np.array([[6 * 0.5 * 2.0, 3 * 0.25], [3 * 0.25, np.exp(2.0)]])


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_hessian(strategy: str) -> None:
    np.testing.assert_allclose(hessian(energy, t(*X), outer_jacobian_strategy=strategy).array, H)


def test_products_with_the_hessian() -> None:
    v = t(1.0, -2.0)
    for product in (vhp, hvp):
        y, found = product(energy, t(*X), v)
        assert y.item() == pytest.approx(0.25 + np.exp(2.0))
        np.testing.assert_allclose(found.array, H @ v.array)


def test_hessian_of_several_inputs() -> None:
    blocks = hessian(
        lambda a, b: (a * a).sum() * b, (t(1.0, 2.0), mg.tensor(3.0, dtype=mg.float64))
    )
    np.testing.assert_allclose(blocks[0][0].array, 6 * np.eye(2))
    np.testing.assert_allclose(blocks[0][1].array, [2.0, 4.0])
    np.testing.assert_allclose(blocks[1][0].array, [2.0, 4.0])
    assert blocks[1][1].item() == 0.0


def test_create_graph() -> None:
    x = t(*X).requires_grad_()
    j = jacobian(f, x, create_graph=True)
    assert j.requires_grad
    (g,) = mg.autograd.grad(j.sum(), x)
    np.testing.assert_allclose(g.array, [1 - np.sin(0.5), 1 + 6 * 2.0])
    _, product = jvp(energy, x, t(1.0, 0.0), create_graph=True)
    (g,) = mg.autograd.grad(product, x)
    np.testing.assert_allclose(g.array, H[0])


def test_independent_parts_are_zero_or_refused() -> None:
    def g(a: Tensor, b: Tensor) -> Tensor:
        return a * 2

    x = (t(1.0), t(2.0))
    assert vjp(g, x, t(1.0))[1][1].tolist() == [0.0]
    assert vjp(lambda a: mg.ones(1, dtype=mg.float64), t(1.0), t(1.0))[1].tolist() == [0.0]
    with pytest.raises(RuntimeError, match="independent of input 1"):
        vjp(g, x, t(1.0), strict=True)
    with pytest.raises(RuntimeError, match="independent of the inputs"):
        jacobian(lambda a: mg.ones(1, dtype=mg.float64), t(1.0), strict=True)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: vjp(f, 3.0), TypeError, "either a Tensor or a tuple of Tensors but got float"),
        (lambda: vjp(f, t(*X)), RuntimeError, "v can only be None"),
        (lambda: vjp(f, t(*X), t(1.0)), RuntimeError, r"has shape \[1\], expected \[3\]"),
        (lambda: jvp(f, t(*X), (t(1.0), t(1.0))), RuntimeError, "v has 2 tensors, but 1"),
        (lambda: hessian(f, t(*X)), RuntimeError, "single element"),
        (lambda: jacobian(f, t(*X), strategy="both"), ValueError, "Expected strategy"),
    ],
)
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_inputs_are_left_alone() -> None:
    x = t(*X).requires_grad_()
    jacobian(f, x)
    hessian(energy, x)
    assert x.grad is None
