"""grad, vjp, jvp, Jacobians, against finite differences and against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, vmap
from minigrad.autograd import Function
from minigrad.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp

RNG = np.random.default_rng(0)


def t(*shape: int) -> Tensor:
    return mg.tensor(RNG.normal(size=shape))


def field(x: Tensor) -> Tensor:
    """From vectors of 4 to vectors of 3."""
    return mg.stack([x.sin().prod(), (x * x).sum().sqrt(), x[0].exp() * x[-1]])


def energy(x: Tensor) -> Tensor:
    return (field(x) * mg.tensor([1.0, -2.0, 0.5], dtype=mg.float64)).sum() * x.cos().sum()


def differences(f: Callable[[Tensor], Tensor], x: Tensor, h: float = 1e-5) -> np.ndarray:
    columns = []
    for i in range(x.numel()):
        step = np.zeros(x.numel())
        step[i] = h
        step = step.reshape(x.shape)
        columns.append((f(x + Tensor(step)).array - f(x - Tensor(step)).array) / (2 * h))
    return np.stack(columns, -1).reshape(*columns[0].shape, *x.shape)


def test_jacobians_are_those_of_finite_differences() -> None:
    x = t(4)
    expected = differences(field, x)
    for transform in (jacrev, jacfwd):
        np.testing.assert_allclose(transform(field)(x).array, expected, rtol=1e-7, atol=1e-9)


def test_products_are_those_with_the_jacobian() -> None:
    x, v, u = t(4), t(4), t(3)
    j = jacrev(field)(x).array
    y, product = jvp(field, (x,), (v,))
    np.testing.assert_allclose(product.array, j @ v.array)
    np.testing.assert_allclose(y.array, field(x).array)
    np.testing.assert_allclose(vjp(field, x)[1](u)[0].array, u.array @ j)
    y, push = linearize(field, x)
    np.testing.assert_allclose(push(v).array, j @ v.array)
    np.testing.assert_allclose(push(v * 2).array, 2 * (j @ v.array))


def test_hessians_in_every_way() -> None:
    x = t(4)
    expected = differences(lambda x: grad(energy)(x), x)
    ways = [
        hessian(energy), jacrev(jacrev(energy)), jacrev(jacfwd(energy)), jacfwd(jacfwd(energy)),
        jacrev(grad(energy)), jacfwd(grad(energy)),
    ]  # fmt: skip
    for way in ways:
        np.testing.assert_allclose(way(x).array, expected, rtol=1e-6, atol=1e-8)


NESTED: dict[str, Callable[[Any], Callable[[Tensor], Any]]] = {
    "vmap of grad": lambda f: vmap(grad(f)),
    "vmap of hessian": lambda f: vmap(hessian(f)),
    "vmap of jacrev of grad": lambda f: vmap(jacrev(grad(f))),
    "vmap of jacfwd of jacfwd": lambda f: vmap(jacfwd(jacfwd(f))),
    "vmap of jvp": lambda f: vmap(lambda x: jvp(f, (x,), (x,))[1]),
    "vmap of vjp": lambda f: vmap(lambda x: vjp(f, x)[1](f(x))[0]),
    "vmap of linearize": lambda f: vmap(lambda x: linearize(f, x)[1](x)),
    "grad of vmap of grad": lambda f: grad(lambda x: (vmap(grad(f))(x) ** 2).sum()),
    "grad of vmap": lambda f: grad(lambda x: vmap(f)(x).sin().sum()),
    "jacrev of vmap": lambda f: jacrev(vmap(f)),
    "jacfwd of vmap": lambda f: jacfwd(vmap(f)),
    "jacrev of vmap of grad": lambda f: jacrev(vmap(grad(f))),
    "jacfwd of vmap of grad": lambda f: jacfwd(vmap(grad(f))),
}


@pytest.mark.parametrize("name", NESTED)
def test_nests(name: str) -> None:
    """The same with a loop in the place of `vmap`."""
    x = t(3, 4)
    found = NESTED[name](energy)(x)
    real = globals()["vmap"]

    def guarded(f: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        return lambda rows: mg.stack([f(r) for r in rows])

    globals()["vmap"] = guarded
    try:
        expected = NESTED[name](energy)(x)
    finally:
        globals()["vmap"] = real
    np.testing.assert_allclose(found.array, expected.array, rtol=1e-9, atol=1e-11)


def test_outer_derivatives_flow_through_inner_ones() -> None:
    a, b = t(), t()
    # d/da of (d/db of a^2 b^3) = 6 a b^2
    mixed = grad(lambda a, b: grad(lambda b: a * a * b**3)(b))(a, b)
    assert mixed.item() == pytest.approx(6 * a.item() * b.item() ** 2)
    w = t(3).requires_grad_()
    g = grad(lambda x: (x * w).sin().sum())(t(3))
    assert g.requires_grad
    (h,) = mg.autograd.grad(g.sum(), w)
    assert h.array.any()


def test_no_graph_where_nobody_asks_for_one() -> None:
    x = t(3)
    g, (y, aux) = mg.func.grad_and_value(lambda x: ((x * x).sum(), x * 2), has_aux=True)(x)
    assert not any(t.requires_grad for t in (g, y, aux, x))
    y, pull = vjp(lambda x: x * x, x)
    assert not any(t.requires_grad for t in (y, *pull(y)))
    with mg.no_grad():
        w = t(3).requires_grad_()
        assert not grad(lambda x: (x * w).sum())(x).requires_grad
        assert grad(lambda x: (x * w).sum())(x).tolist() == w.tolist()


def test_no_grad_inside_is_respected() -> None:
    def f(x: Tensor) -> Tensor:
        with mg.no_grad():
            c = x * x
        return (x - c).sum()

    assert grad(f)(t(3)).tolist() == [1, 1, 1]


def test_arguments_keep_their_gradients() -> None:
    x = t(3).requires_grad_()
    grad(lambda x: (x * x).sum())(x)
    jacrev(mg.sin)(x)
    assert x.grad is None


def test_trees_of_arguments_and_results() -> None:
    p = {"a": t(2), "b": [t(3)]}

    def f(p: Any, k: float) -> Any:
        return {"sum": p["a"].sum() * p["b"][0].sum() * k, "parts": (p["b"][0] * k,)}

    j = jacrev(f)(p, 2.0)
    k = jacfwd(f)(p, 2.0)
    assert j["parts"][0]["b"][0].shape == (3, 3)
    assert j["parts"][0]["a"].shape == (3, 2)
    for key in ("a", "b"):
        a, b = j["sum"][key], k["sum"][key]
        a, b = (a[0], b[0]) if key == "b" else (a, b)
        np.testing.assert_allclose(a.array, b.array)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
def test_chunks(chunk_size: int) -> None:
    x = t(4)
    whole = jacrev(field)(x)
    np.testing.assert_allclose(jacrev(field, chunk_size=chunk_size)(x).array, whole.array)
    np.testing.assert_allclose(jacfwd(field, chunk_size=chunk_size)(x).array, whole.array)
    np.testing.assert_allclose(
        vmap(field, chunk_size=chunk_size)(t(5, 4) * 0 + x).array, [field(x).tolist()] * 5
    )


def test_a_result_that_depends_on_nothing() -> None:
    x = t(3)
    one = mg.ones(2, dtype=mg.float64)
    assert jacrev(lambda x: one)(x).tolist() == [[0.0] * 3] * 2
    assert jacfwd(lambda x: one)(x).tolist() == [[0.0] * 3] * 2
    assert jvp(lambda x: one, (x,), (x,))[1].tolist() == [0, 0]
    found = vmap(jacfwd(lambda x: one))(t(2, 3))
    assert found.shape == (2, 2, 3)


# -- custom functions ------------------------------------------------------------------------------


class Cube(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Any:
        return x**3 * w, x + 1

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs, output[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Any:
        x, w, _ = ctx.saved_tensors
        return g * 3 * x**2 * w + h, g * x**3


class Sine(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return mg.from_numpy(np.sin(x.numpy(force=True)))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * x.cos()

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor) -> Any:
        assert info.batch_size == x.shape[in_dims[0]]
        return Sine.apply(x), in_dims[0]


def by_cube(x: Tensor, w: Tensor) -> Tensor:
    y, z = Cube.apply(x, w)
    return (y * z).sum()


def by_hand(x: Tensor, w: Tensor) -> Tensor:
    return (x**3 * w * (x + 1)).sum()


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, x, w: vmap(f, (0, None))(x, w),
        lambda f, x, w: vmap(grad(f, (0, 1)), (0, None))(x, w),
        lambda f, x, w: vmap(hessian(f), (0, None))(x, w),
        lambda f, x, w: grad(lambda x, w: vmap(f, (0, None))(x, w).sum(), (0, 1))(x, w),
        lambda f, x, w: vmap(vmap(f, (None, 0)), (0, None))(x, mg.stack([w, w * 2])),
        lambda f, x, w: jacfwd(vmap(f, (0, None)), 1)(x, w),
    ],
)
def test_a_custom_function_with_a_generated_rule(transform: Any) -> None:
    x, w = t(4, 5), t(5)
    found, expected = transform(by_cube, x, w), transform(by_hand, x, w)
    for a, b in zip(
        found if isinstance(found, tuple) else (found,),
        expected if isinstance(expected, tuple) else (expected,),
        strict=True,
    ):
        np.testing.assert_allclose(a.array, b.array)


def test_a_custom_function_with_its_own_rule() -> None:
    x = t(4, 5)
    np.testing.assert_allclose(vmap(grad(lambda r: Sine.apply(r).sum()))(x).array, np.cos(x.array))
    both = type("Both", (Sine,), {"generate_vmap_rule": True})
    with pytest.raises(RuntimeError, match="both generate_vmap_rule=True and"):
        vmap(both.apply)(x)
    neither = type("Neither", (Sine,), {"vmap": staticmethod(Function.vmap)})
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        vmap(neither.apply)(x)
