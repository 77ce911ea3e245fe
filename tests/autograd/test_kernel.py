"""A user's own kernels: gradients, types, several results, and what is refused."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

import minigrad as mg


@mg.kernel
@numba.njit
def running(x, decay=0.5):
    y = x.copy()
    for i in range(1, x.size):
        y[i] += decay * y[i - 1]
    return y


@running.backward
@numba.njit
def running_backward(g, decay):
    gx = g.copy()
    for i in range(g.size - 2, -1, -1):
        gx[i] += decay * gx[i + 1]
    return gx


@mg.kernel
def affine(x, w, b, scale=1.0):
    """A function of several arrays, in numpy."""
    return scale * (x @ w) + b


@affine.backward
def affine_backward(g, x, w, scale, needs):
    return (
        scale * g @ w.T if needs[0] else None,
        scale * x.T @ g if needs[1] else None,
        g.sum(0) if needs[2] else None,
    )


def double(*shape: int) -> mg.Tensor:
    rng = np.random.default_rng(len(shape))
    return mg.tensor(rng.normal(size=shape), requires_grad=True)


def test_a_compiled_kernel_has_its_gradient():
    x = double(6)
    assert mg.autograd.gradcheck(running, x)
    assert mg.autograd.gradcheck(lambda t: running(t, decay=0.9), x)


def test_several_inputs_and_only_the_needed_gradients():
    x, w, b = double(3, 4), double(4, 2), double(2)
    assert mg.autograd.gradcheck(affine, (x, w, b))
    y = affine(x.detach(), w, b.detach(), scale=2.0)
    y.sum().backward()
    assert x.grad is None
    assert b.grad is None
    assert w.grad is not None
    assert w.grad.shape == w.shape


def test_inputs_by_name_and_arrays_as_inputs():
    x = np.arange(3.0)
    assert running(x=mg.tensor(x)).tolist() == running(x).tolist()
    with pytest.raises(TypeError, match="missing its tensor argument 'x'"):
        running()
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        running(x, speed=1)


def test_strided_inputs_and_gradients_reach_it_contiguous():
    seen = []

    @mg.kernel
    def look(x):
        seen.append(x.flags.c_contiguous)
        return x * 2

    @look.backward
    def look_backward(g):
        seen.append(g.flags.c_contiguous)
        return g * 2

    x = double(4, 3)
    (look(x.T) * mg.ones(3, 4)).T.sum().backward()
    look(x[::2]).expand(2, 2, 3).sum().backward()
    assert all(seen)
    assert len(seen) == 4
    assert x.grad is not None
    assert x.grad.tolist()[1] == [2.0] * 3


def test_a_result_that_is_its_input_is_copied():
    @mg.kernel
    def passed(x):
        return x

    @passed.backward
    def passed_backward(g):
        return g

    x = mg.ones(3)
    y = passed(x)
    y += 1
    assert x.tolist() == [1, 1, 1]


def test_several_results_and_residuals():
    @mg.kernel(results=2)
    def parts(x):
        return np.sin(x), np.cos(x), np.array([7.0])

    @parts.backward
    def parts_backward(g, y, residuals):
        assert residuals[0][0] == 7
        return g[0] * y[1] - g[1] * y[0]

    x = double(5)
    assert mg.autograd.gradcheck(lambda t: parts(t), x)
    s, _ = parts(x)  # the other result is not used
    s.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(x.detach().numpy()))


def test_elementwise_broadcasts_promotes_and_keeps_the_type():
    @mg.kernel(elementwise=True)
    def blend(a, b, power=2.0):
        return (a - b) ** power

    blend.backward(
        lambda g, a, b, power: g * power * (a - b) ** (power - 1),
        lambda g, a, b, power: -g * power * (a - b) ** (power - 1),
    )
    assert mg.autograd.gradcheck(blend, (double(3, 1), double(4)))
    y = blend(mg.ones(2, requires_grad=True), 3)
    assert y.dtype == mg.float32
    assert y.tolist() == [4, 4]
    y.sum().backward()
    with pytest.raises(TypeError, match="expected 2 derivatives, got 1"):
        blend.backward(lambda g, a: g)


def test_formulas_can_be_differentiated_again():
    @mg.kernel(elementwise=True)
    def cube(x):
        return x * x * x

    cube.vjp(lambda g, x: 3 * g * x * x)
    x = double(4)
    assert mg.autograd.gradcheck(cube, x)
    assert mg.autograd.gradgradcheck(cube, x)


def test_arrays_serve_first_derivatives_and_formulas_the_rest():
    used = []

    @mg.kernel
    def square(x):
        return x * x

    @square.backward
    def square_backward(g, x):
        used.append("arrays")
        return 2 * g * x

    @square.vjp
    def square_rule(g, x):
        used.append("formula")
        return 2 * g * x

    x = double(3)
    square(x).sum().backward()
    assert used == ["arrays"]
    assert mg.autograd.gradgradcheck(square, x)


def test_a_second_derivative_of_arrays_is_refused():
    x = double(3)
    with pytest.raises(RuntimeError, match=r"cannot be differentiated twice.*@running.vjp"):
        mg.autograd.grad(running(x).sum(), x, create_graph=True)


def test_without_a_derivative_it_computes_but_does_not_differentiate():
    @mg.kernel
    def floor_it(x):
        return np.floor(x)

    assert floor_it(mg.tensor([1.5])).tolist() == [1]
    with mg.no_grad():
        floor_it(double(2))
    with pytest.raises(RuntimeError, match="kernel floor_it has no derivative"):
        floor_it(double(2))


def test_wrong_gradients_are_refused():
    @mg.kernel
    def total(x, y):
        return np.asarray(x.sum() + y.sum())

    total.backward(lambda g, x, y: (g, np.ones_like(y)))
    with pytest.raises(RuntimeError, match=r"gradient of shape \[\] for input 'x' of shape \[3\]"):
        total(double(3), double(2)).backward()
    total.backward(lambda g, x: np.ones_like(x))
    with pytest.raises(RuntimeError, match="returned 1 gradients; expected 2"):
        total(double(3), double(2)).backward()
    with pytest.raises(TypeError, match="a rule reads"):
        total.backward(lambda g, z: g)


def test_wrong_declarations_are_refused():
    with pytest.raises(TypeError, match=r"\*args"):
        mg.kernel(lambda *args: args)
    with pytest.raises(TypeError, match="no argument is a tensor"):
        mg.kernel(lambda scale=1.0: scale)
    with pytest.raises(ValueError, match="batch must be"):
        mg.kernel(batch="all")(lambda x: x)


def test_an_error_inside_says_with_what_it_was_called():
    with pytest.raises(ValueError) as caught:
        affine(double(3, 4), double(3, 2), double(2))
    assert "in kernel affine, called with minigrad.float64 [3, 4]" in caught.value.__notes__[0]


def test_writing_over_what_it_saved_is_noticed():
    x = double(3)
    w = x * 1
    y = affine(w[None], mg.ones(3, 2, dtype=mg.float64, requires_grad=True), double(2))
    with mg.no_grad():
        w.zero_()
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation: AffineBackward"):
        y.sum().backward()


def test_it_reads_like_an_operation_in_the_graph():
    y = running(double(3))
    assert type(y.grad_fn).__name__ == "Node"
    assert y.grad_fn.name() == "RunningBackward"
    assert repr(running) == "<kernel running(x, decay)>"
    assert math.isclose(running(mg.ones(2)).tolist()[1], 1.5)
    assert affine.__doc__ == "A function of several arrays, in numpy."
