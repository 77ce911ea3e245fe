"""Custom functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd import Function
from minigrad.autograd.function import once_differentiable
from minigrad.autograd.gradcheck import gradcheck, gradgradcheck
from minigrad.autograd.graph import grad
from minigrad.core.modes import listen


def leaf(*values: float) -> Tensor:
    return mg.tensor(list(values), dtype=mg.float64, requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        assert not mg.is_grad_enabled()
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    """Saves its result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0]


class Polar(Function):
    """Two inputs, two results, both saved; its parts may be unused."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        r = (x * x + y * y).sqrt()
        u = x / r
        ctx.save_for_backward(x, y, r)
        return r, u

    @staticmethod
    def backward(ctx: Any, gr: Tensor, gu: Tensor) -> tuple[Tensor, Tensor]:
        x, y, r = ctx.saved_tensors
        cube = r * r * r
        return gr * x / r + gu * y * y / cube, gr * y / r - gu * x * y / cube


class Scale(Function):
    """The form with a separate setup_context, and an argument that is no tensor."""

    @staticmethod
    def forward(x: Tensor, factor: float) -> Tensor:
        return x * factor

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.factor = inputs
        assert output.shape == inputs[0].shape

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g * ctx.factor, None


def test_values_and_gradients() -> None:
    x = leaf(1.0, 2.0)
    y = Cube.apply(x)
    assert y.tolist() == [1.0, 8.0]
    assert y.grad_fn.name() == "CubeBackward"
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (Cube.apply, (leaf(0.5, -1.5),)),
        (Exp.apply, (leaf(0.5, -1.5),)),
        (Polar.apply, (leaf(0.5, 1.5), leaf(2.0, -1.0))),
        (lambda x, y: Polar.apply(x, y)[1], (leaf(0.5, 1.5), leaf(2.0, -1.0))),
        (lambda x: Scale.apply(x, 2.5), (leaf(0.5, 1.5),)),
    ],
    ids=["cube", "exp", "polar", "polar, one result", "scale"],
)
def test_first_and_second_derivatives(function: Any, inputs: tuple[Tensor, ...]) -> None:
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_third_derivative() -> None:
    x = leaf(2.0)
    y = Cube.apply(x)
    for _ in range(3):
        (y,) = grad(y.sum(), x, create_graph=True)
    assert y.tolist() == [6.0]


def test_nothing_is_recorded_without_need() -> None:
    assert Cube.apply(mg.ones(2)).grad_fn is None
    with mg.no_grad():
        assert not Cube.apply(leaf(1.0)).requires_grad


def test_needs_input_grad() -> None:
    seen = []

    class Product(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor, k: int) -> Tensor:
            ctx.save_for_backward(a, b)
            seen.append(ctx.needs_input_grad)
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
            a, b = ctx.saved_tensors
            seen.append(ctx.needs_input_grad)
            return g * b, g * a, None

    x = leaf(1.0)
    Product.apply(mg.ones(1, dtype=mg.float64), x, 3).sum().backward()
    assert seen == [(False, True, False)] * 2
    assert x.grad.tolist() == [1.0]


def test_unused_results_send_zeros_or_none() -> None:
    got: list[Any] = []

    def make(materialize: bool) -> Any:
        class Two(Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
                ctx.set_materialize_grads(materialize)
                return x * 2, x * 3

            @staticmethod
            def backward(ctx: Any, a: Any, b: Any) -> Any:
                got.append(None if b is None else b.tolist())
                return a * 2

        return Two

    for materialize in (True, False):
        x = leaf(1.0, 2.0)
        make(materialize).apply(x)[0].sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
    assert got == [[0.0, 0.0], None]


def test_mark_non_differentiable() -> None:
    class Sort(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            order = np.argsort(x.array)
            places, rank = mg.from_numpy(order), mg.from_numpy(order.astype(np.float64))
            ctx.mark_non_differentiable(rank)
            ctx.save_for_backward(places)
            return mg.from_numpy(x.array[order]), places, rank

        @staticmethod
        def backward(ctx: Any, g: Tensor, gp: Tensor, gr: Tensor) -> Tensor:
            (places,) = ctx.saved_tensors
            out = np.zeros_like(g.array)
            out[places.array] = g.array
            return mg.from_numpy(out)

    x = leaf(3.0, 1.0, 2.0)
    y, places, rank = Sort.apply(x)
    assert (y.requires_grad, places.requires_grad, rank.requires_grad) == (True, False, False)
    (y * mg.tensor([1.0, 2.0, 3.0], dtype=mg.float64)).sum().backward()
    assert x.grad.tolist() == [3.0, 1.0, 2.0]


class Double_(Function):
    """Writes over its argument."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 2


def test_mark_dirty() -> None:
    x = leaf(1.0, 2.0)
    h = x * 3
    y = Double_.apply(h)
    assert y is h
    assert y.grad_fn.name() == "Double_Backward"
    assert y.tolist() == [6.0, 12.0]
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        Double_.apply(leaf(1.0))


def test_a_write_is_seen_by_whoever_saved_the_value() -> None:
    x = leaf(1.0, 2.0)
    h = x * 3
    y = h * h
    Double_.apply(h)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_writing_over_what_a_function_saved() -> None:
    y = Exp.apply(leaf(1.0))
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"ExpBackward.*saved its output 0"):
        y.sum().backward()
    h = leaf(1.0) * 2
    y = Cube.apply(h)
    h.add_(1)
    with pytest.raises(RuntimeError, match=r"CubeBackward.*saved its input 0"):
        y.sum().backward()


def test_backward_frees_what_was_saved() -> None:
    for function in (Cube, Exp):
        y = function.apply(leaf(1.0)).sum()
        y.backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.backward()
    x = leaf(1.0)
    y = Scale.apply(x, 2.0).sum()  # saved nothing
    y.backward()
    y.backward()
    assert x.grad.tolist() == [4.0]


def test_an_argument_that_is_returned_is_a_new_tensor() -> None:
    class Identity(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 5

    x = leaf(1.0)
    y = Identity.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [5.0]
    assert x.is_leaf


def test_gradients_are_fitted_to_the_argument() -> None:
    class Odd(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.sum() * mg.ones(3)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g.double()  # (3,) in float64, for (1,) in float32

    x = mg.ones(1, requires_grad=True)
    Odd.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0]
    assert x.grad.dtype == mg.float32


def wrong(result: Any) -> Any:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return result

    return Wrong


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (
            (mg.ones(2), mg.ones(2)),
            RuntimeError,
            "incorrect number of gradients .expected 1, got 2",
        ),
        ((), RuntimeError, "incorrect number of gradients .expected 1, got 0"),
        (mg.ones(3), RuntimeError, r"invalid gradient at index 0 - got \[3\] but expected shape"),
        (3.0, TypeError, "expected a Tensor or None"),
    ],
)
def test_wrong_results_of_backward(result: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        wrong(result).apply(mg.ones(2, requires_grad=True)).sum().backward()
    assert wrong((mg.ones(2), None)).apply(mg.ones(2, requires_grad=True)).requires_grad


def test_a_gradient_may_be_none() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="not have been used"):
        grad(wrong(None).apply(x).sum(), x)


def test_what_is_missing_is_named() -> None:
    class Empty(Function):
        pass

    with pytest.raises(TypeError, match="must implement the forward function"):
        Empty.apply(leaf(1.0))
    with pytest.raises(RuntimeError, match=r"call Cube.apply"):
        Cube()

    class Half(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    with pytest.raises(TypeError, match="must implement the backward function"):
        Half.apply(leaf(1.0)).sum().backward()


def test_only_tensors_are_saved() -> None:
    class Saves(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x, 3)
            return x * 2

    with pytest.raises(TypeError, match="argument is of type int"):
        Saves.apply(leaf(1.0))


def test_saved_tensors_keep_their_places() -> None:
    class Places(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            y = x * 2
            ctx.save_for_backward(None, y, x, None)
            return y

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            a, y, x, b = ctx.saved_tensors
            assert a is None
            assert b is None
            assert (y.tolist(), x.tolist()) == ([2.0], [1.0])
            return g * 2

    x = leaf(1.0)
    Places.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0]


def test_once_differentiable() -> None:
    class Sine(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return mg.from_numpy(np.sin(x.array))

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Tensor) -> Tensor:
            assert not mg.is_grad_enabled()
            return mg.from_numpy(g.array * np.cos(ctx.saved_tensors[0].array))

    x = leaf(0.5)
    assert gradcheck(Sine.apply, x)
    (g,) = grad(Sine.apply(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        grad(g.sum(), x)


def test_listeners_hear_of_custom_functions() -> None:
    heard = []
    x = leaf(1.0)
    with listen(lambda event: heard.append((event.op.name, event.inputs, event.outputs))):
        y = Scale.apply(x, 2.0)
    assert heard[-1] == ("Scale", (x,), (y,))


def test_a_call_can_be_replayed_on_arrays() -> None:
    y = Scale.apply(leaf(1.0), 2.0)
    assert y.grad_fn.op.forward([np.array([5.0])]).tolist() == [10.0]
