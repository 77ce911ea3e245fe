"""Hooks on what nodes keep for backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd import Function
from minigrad.autograd.graph import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)

RNG = np.random.default_rng(0)


def leaf(*shape: int) -> Tensor:
    return mg.tensor(RNG.normal(size=shape), requires_grad=True)


class Cube(Function):
    """Saves an input and a result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        y = x**2
        ctx.save_for_backward(x, y)
        return y * x, y

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Tensor:
        x, y = ctx.saved_tensors
        return g * 3 * y + h * 2 * x


def program(x: Tensor, w: Tensor) -> Tensor:
    """Saves inputs, results, residuals, and what a custom function saves."""
    h = mg.nn.functional.linear(x, w).tanh()
    h = mg.nn.functional.layer_norm(h.softmax(1) * h.max(1, True).values, (3,))
    a, b = Cube.apply(h)
    return mg.nn.functional.cross_entropy(a + b, mg.tensor([0, 2])) + mg.cat([h, x[:, :2]], 1).var()


def test_everything_goes_through_the_hooks() -> None:
    x, w = leaf(2, 4), leaf(3, 4)
    packed: list[Any] = []

    def pack(t: Tensor) -> Any:
        packed.append(t.shape)
        return t.detach().clone() + 1

    with saved_tensors_hooks(pack, lambda t: t - 1):
        y = program(x, w)
    assert len(packed) > 12
    found = mg.autograd.grad(y, (x, w), retain_graph=True)
    again = mg.autograd.grad(y, (x, w))
    expected = mg.autograd.grad(program(x, w), (x, w))
    for a, b, c in zip(found, expected, again, strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-9)
        np.testing.assert_array_equal(a.array, c.array)
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_second_derivatives() -> None:
    x, w = leaf(2, 4), leaf(3, 4)

    def second(y: Tensor) -> Any:
        first = mg.autograd.grad(y, (x, w), create_graph=True)
        return mg.autograd.grad(sum((g * g).sum() for g in first), (x, w))

    with saved_tensors_hooks(lambda t: t.numpy(force=True).copy(), mg.from_numpy):
        y = program(x, w)
    for a, b in zip(second(y), second(program(x, w)), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-9, atol=1e-12)


def test_nothing_is_kept_but_what_pack_returns() -> None:
    x = leaf(3)
    with saved_tensors_hooks(lambda t: None, lambda _: mg.ones(3, dtype=mg.float64)):
        y = (x * x).sum()
    (g,) = mg.autograd.grad(y, x)
    assert g.tolist() == [2, 2, 2]


def test_the_innermost_pair_applies_and_hooks_have_none() -> None:
    seen: list[str] = []

    def hooks(name: str) -> Any:
        def pack(t: Tensor) -> Tensor:
            seen.append(name)
            return t * 1.0

        return saved_tensors_hooks(pack, lambda t: t)

    x = leaf(2)
    with hooks("outer"):
        y = x.exp()
        with hooks("inner"):
            y = y.sin()
        y = y.tanh()
    assert seen == ["outer", "inner", "outer"]
    y.sum().backward()


def test_errors() -> None:
    x = leaf(2)
    with saved_tensors_hooks(lambda t: t, lambda t: 1):  # type: ignore[arg-type,return-value]
        y = x.exp().sum()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got"):
        y.backward()
    with (
        pytest.raises(RuntimeError, match="pack hook is modifying its input in place"),
        saved_tensors_hooks(lambda t: t.detach().mul_(2), lambda t: t),
    ):
        x.clone().sin()
    with (
        disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        saved_tensors_hooks(lambda t: t, lambda t: t),
    ):
        pass


def test_saved_copies_may_be_outlived() -> None:
    x = leaf(3)
    for hooks in (save_on_cpu, allow_mutation_on_saved_tensors):
        with hooks():
            y = x.clone()
            z = (y * y).sum()
            y.zero_()
        (g,) = mg.autograd.grad(z, x)
        np.testing.assert_allclose(g.array, 2 * x.detach().array)
