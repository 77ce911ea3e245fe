"""The checker must find mistakes, name them, and not cry wolf."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd import Function
from minigrad.autograd import gradcheck as module_and_function
from minigrad.autograd.gradcheck import GradcheckError, Report, check, gradcheck, gradgradcheck
from minigrad.autograd.numeric import central, refine, round_step


def leaf(*shape: int, dtype: Any = mg.float64, low: float = 0.5, high: float = 2.0) -> Tensor:
    values = np.random.default_rng(0).uniform(low, high, shape)
    return mg.tensor(values, dtype=dtype, requires_grad=True)


def with_rule(formula: Callable[..., Tensor], rule: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function with a derivative of our choice: ``rule(g, *inputs)``."""

    class Custom(Function):
        @staticmethod
        def forward(ctx: Any, *xs: Tensor) -> Tensor:
            ctx.save_for_backward(*xs)
            return formula(*xs)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return rule(g, *ctx.saved_tensors)

    return Custom.apply


# -- what is right -------------------------------------------------------------------------------

RIGHT: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "tanh": (mg.tanh, (leaf(3, 4),)),
    "several inputs": (lambda a, b: a * b.exp(), (leaf(3, 1), leaf(4))),
    "several outputs": (lambda a: (a.exp(), a.sum(), (a > 1)), (leaf(3),)),
    "a number": (lambda a: a * a, (leaf(),)),
    "nothing": (lambda a: a * 2, (leaf(0, 3),)),
    "linear": (lambda a: a.sum(0), (leaf(3, 4),)),
    "large numbers": (lambda a: (a * 1e6).log(), (leaf(3),)),
    "small numbers": (
        lambda a: a.log(),
        (mg.tensor([1e-5, 1e-3], dtype=mg.float64, requires_grad=True),),
    ),
    "other arguments": (lambda a, k, i: a.sum(k)[i], (leaf(3, 4), 1, mg.tensor([0, 2]))),
    "writes over its argument": (lambda a: (a * 1).mul_(a).exp_(), (leaf(3),)),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("case", RIGHT)
def test_right_gradients_pass(case: str, fast: bool) -> None:
    function, inputs = RIGHT[case]
    assert gradcheck(function, inputs, fast_mode=fast)
    assert gradgradcheck(function, inputs, fast_mode=fast)
    report = check(function, inputs, fast_mode=fast)
    assert report
    assert report.error < 1e-6


def test_the_package_and_its_module_of_the_same_name() -> None:
    assert module_and_function(mg.tanh, leaf(2))
    assert mg.autograd.gradcheck(mg.tanh, leaf(2))
    assert issubclass(GradcheckError, RuntimeError)


def test_extrapolation_gives_ten_digits() -> None:
    report = check(lambda x: (x.sin() * x.exp()).log(), leaf(5))
    assert report.error < 1e-10


def test_the_report_of_what_is_right() -> None:
    report = check(mg.tanh, leaf(2, 3))
    assert report.ok
    assert report.checked == 36
    assert report.verdict == ""
    assert "tanh: gradient ok, 36 entries" in str(report)


# -- what is wrong, and why ----------------------------------------------------------------------

square = lambda x: x * x

WRONG: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...], str]] = {
    "factor 2": (
        with_rule(square, lambda g, x: g * x), (leaf(4),), "1/2 times.*a factor 2 is missing",
    ),
    "sign": (with_rule(square, lambda g, x: -2 * g * x), (leaf(4),), "wrong sign"),
    "mean as sum": (
        with_rule(lambda x: x.mean(), lambda g, x: g * mg.ones(5, dtype=mg.float64)),
        (leaf(5),), "5 times.*size of the tensors: a mean differentiated as a sum",
    ),
    "sum as mean": (
        with_rule(lambda x: x.sum(), lambda g, x: g * mg.ones(5, dtype=mg.float64) / 5),
        (leaf(5),), "1/5 times.*a sum differentiated as a mean",
    ),
    "cut": (lambda x: x.detach() * 2 + x * 0, (leaf(3),), "graph was cut"),
    "cut off": (lambda x: x.detach() * 2, (leaf(3),), "graph was cut"),
    "transposed Jacobian": (
        with_rule(
            lambda x: (mg.tensor(M) * x).sum(1), lambda g, x: (mg.tensor(M) * g).sum(1)
        ),
        (leaf(3),), "Jacobian is transposed",
    ),
    "transposed input": (
        with_rule(lambda x: (x * mg.tensor(M)).sum(), lambda g, x: g * mg.tensor(M.T.copy())),
        (leaf(3, 3),), "transpose",
    ),
    "missing sum": (
        with_rule(lambda x, y: x * y, lambda g, x, y: (g * y, (g * x)[0])),
        (leaf(3, 4), leaf(4)), "terms are missing.*sum over all its uses",
    ),
    "part": (
        with_rule(lambda x: x * 2, lambda g, x: g * mg.tensor([2.0, 2.0, 0.0], dtype=mg.float64)),
        (leaf(3),), "part of the input is cut off",
    ),
    "power": (
        with_rule(lambda x: x.exp(), lambda g, x: g * x * x.exp()), (leaf(5),),
        "x times what it should",
    ),
    "swapped": (
        with_rule(lambda x, y: x * y, lambda g, x, y: (g * x, g * y)),
        (leaf(3), (leaf(3) + 1).detach().requires_grad_()), "got each other's gradient",
    ),
    "nan": (
        with_rule(square, lambda g, x: g * x * 2 + (x - x) / (x - x)), (leaf(3),),
        "NaN or infinite where",
    ),
    "one element": (
        with_rule(square, lambda g, x: g * x * mg.tensor([2.0, 2.0, 2.5], dtype=mg.float64)),
        (leaf(3),), "Jacobian mismatch for output 0 with respect to input 0",
    ),
}  # fmt: skip
M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]])


@pytest.mark.parametrize("case", WRONG)
def test_wrong_gradients_are_explained(case: str) -> None:
    function, inputs, cause = WRONG[case]
    report = check(function, inputs)
    assert not report
    assert re.search(cause, report.verdict), report.verdict
    assert not gradcheck(function, inputs, raise_exception=False)
    assert not gradcheck(function, inputs, raise_exception=False, fast_mode=True)
    with pytest.raises(
        GradcheckError, match="Jacobian mismatch for output 0 with respect to input"
    ):
        gradcheck(function, inputs)


def test_the_worst_element_is_named() -> None:
    report = check(WRONG["one element"][0], leaf(3))
    worst = report.worst
    assert worst is not None
    assert (worst.input, worst.index, worst.output, worst.out_index) == (0, (2,), 0, (2,))
    assert worst.analytic == pytest.approx(1.25 * worst.numeric)
    assert worst.error == pytest.approx(0.2)
    assert worst.step == 2.0**-10
    assert "element (2,)" in str(report)


def test_the_right_input_is_blamed() -> None:
    wrong_in_second = with_rule(lambda x, y: x * y, lambda g, x, y: (g * y, 3 * g * x))
    report = check(wrong_in_second, (leaf(3), leaf(3)))
    assert report.worst is not None
    assert report.worst.input == 1
    assert "with respect to input 1. The gradient is 3 times" in report.verdict


def test_a_wrong_second_derivative() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            x = ctx.saved_tensors[0]
            return g * 3 * x * x.detach()

    assert gradcheck(Cube.apply, leaf(3))
    with pytest.raises(GradcheckError, match="1/2 times what it should be"):
        gradgradcheck(Cube.apply, leaf(3))


# -- not smooth ----------------------------------------------------------------------------------


def at(*values: float) -> Tensor:
    return mg.tensor(list(values), dtype=mg.float64, requires_grad=True)


def test_kinks_are_reported_and_do_not_count() -> None:
    report = check(mg.relu, at(0.0, 1.0, -1.0))
    assert report.ok
    (kink,) = report.kinks
    assert kink.kind == "kink"
    assert kink.index == (0,)
    assert kink.left == pytest.approx(0.0, abs=1e-6)
    assert kink.right == pytest.approx(1.0)
    assert "1 of them at a kink" in str(report)


def test_a_gradient_outside_the_slopes_of_a_kink_is_wrong() -> None:
    function = with_rule(mg.relu, lambda g, x: g * (x >= 0).double() * 1 + g * (x == 0).double())
    assert not check(function, at(0.0, 1.0))


@pytest.mark.parametrize("near", [1e-3, 1e-4, 1e-5])
def test_next_to_a_kink_a_smaller_step_is_taken(near: float) -> None:
    report = check(mg.abs, at(near, -near))
    assert report.ok
    assert not report.kinks


def test_a_jump_is_no_error() -> None:
    report = check(mg.floor, at(1.0, 1.5))
    assert report.ok
    assert [k.kind for k in report.kinks] == ["jump"]


def test_the_edge_of_the_domain() -> None:
    (x,) = (at(0.0),)
    report = check(lambda x: x.sqrt(), x)  # slope infinite, on one side
    assert report.ok, str(report)
    assert [k.kind for k in report.kinks] == ["edge"]


def test_nan_everywhere_is_an_error() -> None:
    report = check(lambda x: x.log(), at(-1.0))
    assert not report.ok


def test_refine_tells_smooth_from_kink() -> None:
    close = lambda a, n: abs(a - n) < 1e-6
    steep = refine(
        lambda t: np.array([np.tanh(1000 * t)]), 2.0**-10, 0, 1000.0, lambda a, n: abs(a - n) < 1
    )
    assert (steep.kind, round(steep.value)) == ("smooth", 1000)
    kink = refine(lambda t: np.array([abs(t)]), 2.0**-10, 0, 5.0, close)
    assert (kink.kind, kink.left, kink.right) == ("kink", -1.0, 1.0)
    jump = refine(lambda t: np.array([1.0 if t >= 0 else 0.0]), 2.0**-10, 0, 5.0, close)
    assert jump.kind == "jump"


def test_steps() -> None:
    assert round_step(1e-6) == 2.0**-20
    assert round_step(2.0**-10, 5.0) == 2.0**-7
    cubic = central(lambda t: np.array([(1 + t) ** 3]), 2.0**-10)
    assert cubic[0] == pytest.approx(3.0, abs=1e-11)


# -- types ---------------------------------------------------------------------------------------


def test_float32_is_checked_in_float64() -> None:
    report = check(lambda x: (x.exp() * x).sum(), leaf(6, dtype=mg.float32))
    assert report.ok
    assert report.dtype == "float64"
    assert report.error < 1e-9


def test_float32_only_functions_are_checked_with_wider_steps() -> None:
    def function(x: Tensor) -> Tensor:
        return x.float().exp() * 2

    assert gradcheck(function, leaf(6, dtype=mg.float32))
    report = check(function, leaf(6, dtype=mg.float32))
    assert report.dtype == "float32"
    wrong = with_rule(lambda x: x.float() * x.float(), lambda g, x: g * x)
    report = check(wrong, leaf(6, dtype=mg.float32))
    assert not report.ok
    assert "1/2 times" in report.verdict


def test_what_goes_wrong_in_float32_alone_is_found() -> None:
    def lossy(x: Tensor) -> Tensor:  # cancels in float32
        return (x + 1e6) - 1e6

    def rule(g: Tensor, x: Tensor) -> Tensor:
        return g * 2 * lossy(x)

    report = check(with_rule(lambda x: lossy(x) * lossy(x), rule), leaf(6, dtype=mg.float32))
    assert not report.ok
    assert "right in float64, but in float32 it is off" in report.verdict


def test_integers_and_constants_are_passed_through() -> None:
    seen = []

    def function(x: Tensor, i: Tensor, c: Tensor) -> Tensor:
        seen.append((i.dtype, c.requires_grad))
        return x[i] * c

    assert gradcheck(function, (leaf(3), mg.tensor([0, 0, 2]), mg.ones(3, dtype=mg.float64)))
    assert set(seen) == {(mg.int64, False)}


# -- other properties ----------------------------------------------------------------------------


def test_a_function_that_draws_numbers() -> None:
    rng = np.random.default_rng(0)
    report = check(lambda x: x * float(rng.normal()), leaf(3))
    assert not report.ok
    assert "another result when it is called again" in report.verdict
    with pytest.raises(GradcheckError, match="random state"):
        gradcheck(lambda x: x * float(rng.normal()), leaf(3))


def test_backward_must_repeat_itself() -> None:
    rng = np.random.default_rng(0)
    noisy = with_rule(lambda x: x * 2, lambda g, x: g * (2 + 1e-7 * float(rng.normal())))
    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(noisy, leaf(3))
    assert gradcheck(noisy, leaf(3), nondet_tol=1e-5)


def test_backward_must_be_linear_in_what_flows_in() -> None:
    deaf = with_rule(lambda x: x.sum(), lambda g, x: mg.ones(3, dtype=mg.float64))
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(deaf, leaf(3))


def test_backward_must_do_without_some_results() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            if a is None or b is None:
                raise ValueError("both, please")
            return a * 2 + b * 3

    with pytest.raises(ValueError, match="both, please"):
        gradcheck(Two.apply, leaf(3))


def test_arguments() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(mg.tanh, mg.ones(3))
    with pytest.raises(ValueError, match="return floating point tensors"):
        gradcheck(lambda x: x > 0, leaf(3))
    with pytest.raises(ValueError, match="check_batched_grad=True is not supported"):
        gradcheck(mg.tanh, leaf(3), check_batched_grad=True)
    with pytest.raises(ValueError, match="no result depends"):
        gradgradcheck(lambda x: x.detach(), leaf(3))
    assert gradcheck(mg.tanh, leaf(3), check_forward_ad=True, check_grad_dtypes=True)
    assert gradgradcheck(mg.tanh, leaf(3), gen_non_contig_grad_outputs=True)
    assert gradgradcheck(mg.tanh, leaf(3), leaf(3))


def test_forward_mode_is_checked() -> None:
    class Once(Function):
        """Right to first order; jvp goes through the second."""

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 3

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 2 + g.detach()

    assert gradcheck(Once.apply, leaf(3))
    with pytest.raises(GradcheckError, match="jvp gives"):
        gradcheck(Once.apply, leaf(3), check_forward_ad=True)


def test_inputs_do_not_change() -> None:
    x = leaf(3)
    before = x.array.copy()
    gradcheck(lambda x: x * 2, x)
    np.testing.assert_array_equal(x.array, before)
    assert x.grad is None


def test_layout_of_inputs_is_kept() -> None:
    strides = []
    x = mg.from_numpy(np.random.default_rng(0).uniform(size=(3, 4)).T).requires_grad_()

    def function(x: Tensor) -> Tensor:
        strides.append(x.stride())
        return x * 2

    assert gradcheck(function, x)
    assert set(strides) == {x.stride()}


def test_reports_are_printable_at_any_size() -> None:
    for report in (
        check(WRONG["factor 2"][0], leaf(40)),
        check(WRONG["factor 2"][0], leaf(2)),
        Report(False, "f", verdict="nothing fits"),
    ):
        assert report.verdict in str(report)
    assert "numerical:" in str(check(WRONG["factor 2"][0], leaf(2)))
