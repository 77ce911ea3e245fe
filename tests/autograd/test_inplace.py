"""Writing over tensors: what is refused, and what is differentiated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd.gradcheck import check
from minigrad.autograd.graph import grad

F64 = mg.float64


def leaf(*shape: int) -> Tensor:
    values = np.random.default_rng(1).uniform(0.5, 1.5, shape)
    return mg.tensor(values, dtype=F64, requires_grad=True)


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp", "sqrt", "sigmoid"])
def test_writing_over_a_saved_result(name: str) -> None:
    y = getattr(leaf(3), name)()
    y.add_(1)
    message = f"modified by an inplace operation: {name.capitalize()}Backward saved its result"
    with pytest.raises(RuntimeError, match=message):
        y.sum().backward()


def test_writing_over_what_the_write_itself_reads() -> None:
    y = leaf(3) * 1.0
    y.mul_(y)
    with pytest.raises(RuntimeError, match="MulBackward saved its input 1"):
        y.sum().backward()


def test_writing_over_a_saved_input() -> None:
    x = leaf(3)
    h = x * 2.0
    y = h * h
    h.add_(1)
    with pytest.raises(RuntimeError, match="MulBackward saved its input 0"):
        y.sum().backward()


def test_writing_over_a_view_of_a_saved_input() -> None:
    x = leaf(3)
    h = x * 2.0
    y = h * h
    h[0:2].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_writing_over_the_base_of_a_saved_view() -> None:
    x = leaf(3)
    h = x * 2.0
    part = h[0:2]
    y = part * part
    h.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_writing_over_a_parameter_between_forward_and_backward() -> None:
    w = leaf(3)
    loss = (w * w).sum()
    with mg.no_grad():
        w -= 0.1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_writing_through_detach_is_seen() -> None:
    w = leaf(3)
    loss = (w * w).sum()
    w.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_writing_through_data_is_not_seen() -> None:
    w = leaf(3)
    loss = (w * w).sum()
    w.data.fill_(5.0)
    loss.backward()
    assert w.grad.tolist() == [10.0] * 3


def test_writing_what_nobody_saved_is_fine() -> None:
    x = leaf(3)
    h = x + 1.0
    y = h + 2.0
    h.add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 3


def test_a_leaf_that_requires_grad() -> None:
    x = leaf(3)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.mul_(2)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x += 1
    with pytest.raises(RuntimeError, match="view of a leaf Variable"):
        x[0:2].mul_(2)
    with mg.no_grad():
        x.mul_(2)
    assert x.is_leaf
    assert x._version == 1


def test_expanded_memory() -> None:
    with pytest.raises(RuntimeError, match="single memory location"):
        mg.ones(1).expand(3).add_(1)


def test_result_must_fit() -> None:
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        mg.ones(1, 3).add_(mg.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        mg.ones(2, dtype=mg.int64).add_(0.5)


def test_nothing_was_written_where_an_error_was_raised() -> None:
    x = mg.ones(1, 3)
    with pytest.raises(RuntimeError):
        x.add_(mg.ones(2, 3))
    assert x.tolist() == [[1.0] * 3]


def test_version_counts_writes_through_views() -> None:
    x = mg.zeros(4)
    v = x[1:3]
    v.add_(1)
    x.add_(1)
    assert x._version == v._version == 2
    assert x.tolist() == [1.0, 2.0, 2.0, 1.0]


# -- differentiated ------------------------------------------------------------------------------
# Each function is compared with finite differences, and its values with the same in numpy.


def chain(x: Tensor) -> Tensor:
    y = x * 2.0
    y.mul_(3.0)
    y.exp_()
    y.add_(x)
    return y


def through_a_view(x: Tensor) -> Tensor:
    y = x * 1.0
    y[0:2].mul_(x[1:3])
    return y * y


def through_a_view_of_a_view(x: Tensor) -> Tensor:
    y = (x * 1.0).reshape(2, 2)
    y.t()[0].mul_(x[0:2])
    return y.sin()


def view_made_before_the_write(x: Tensor) -> Tensor:
    y = x * 1.0
    v = y[1:3]
    y.mul_(x)
    return v * v


def two_views(x: Tensor) -> Tensor:
    y = x * 1.0
    a, b = y[0:3], y[1:4]
    a.mul_(2.0)
    b.mul_(x[0:3])
    return (y * y).sum() + (a * b).sum()


def view_then_used_before(x: Tensor) -> Tensor:
    y = x + 0.0
    before = y + 1.0
    y[0].mul_(10.0)
    return before * y


def overwritten_by_constants(x: Tensor) -> Tensor:
    y = x * 3.0
    y[0:2].zero_()
    return y * x


def filled_from_nothing(x: Tensor) -> Tensor:
    y = mg.zeros(4, dtype=F64)
    y[0:2].add_(x[2:4])
    y[3] = x[0] * x[0]
    return y * x


def assigned(x: Tensor) -> Tensor:
    y = x.clone()
    y[1:3] = x[0:2] * x[2:4]
    return y * y


def relu_in_place(x: Tensor) -> Tensor:
    y = x - 1.0
    y.relu_()
    return y * 2.0


FUNCTIONS = [
    chain, through_a_view, through_a_view_of_a_view, view_made_before_the_write, two_views,
    view_then_used_before, overwritten_by_constants, filled_from_nothing, assigned, relu_in_place,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_through_writes(function: Callable[[Tensor], Tensor]) -> None:
    report = check(function, leaf(4))
    assert report.ok, str(report)


def test_the_value_of_an_overwritten_view_is_that_of_its_base() -> None:
    x = leaf(4)
    y = x * 1.0
    v = y[1:3]
    y.mul_(2.0)
    np.testing.assert_array_equal(v.detach().numpy(), 2 * x.array[1:3])
    v.add_(1.0)
    np.testing.assert_array_equal(y.detach().numpy()[1:3], 2 * x.array[1:3] + 1)
    (g,) = grad(y.sum() + v.sum(), x)
    assert g.tolist() == [2.0, 4.0, 4.0, 2.0]


def test_second_derivatives_through_a_write() -> None:
    x = leaf(3)
    y = x * x
    y[0:2].mul_(x[1:3])  # x0^2 x1, x1^2 x2, x2^2
    (g,) = grad(y.sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x)
    a, b, c = x.array
    # rows of the Hessian, summed: (2b + 2a), (2a + 2c + 2b), (2b + 2)
    np.testing.assert_allclose(h.array, [2 * b + 2 * a, 2 * a + 2 * c + 2 * b, 2 * b + 2])
