"""Tests that follow from the declarations: every operation, on its own samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd import opcheck
from minigrad.autograd.gradcheck import gradcheck, gradgradcheck
from minigrad.autograd.graph import grad
from minigrad.core import expr as fx
from minigrad.core.declare import REGISTRY, Op, elementwise
from minigrad.core.public import PUBLIC
from minigrad.core.samples import Sample, span
from minigrad.ops.loops import Compiled

NAMES = sorted(REGISTRY)
ELEMENTWISE = [n for n in NAMES if isinstance(REGISTRY[n], Compiled)]
DIFFERENTIABLE = [n for n in NAMES if REGISTRY[n].differentiable]
ATOL = {"float64": 1e-12, "float32": 1e-4}


def results(op: Op, tensors: list[Tensor], params: tuple[Any, ...]) -> list[Tensor]:
    out = opcheck.function_of(op, params)(*tensors)
    return list(out) if isinstance(out, tuple) else [out]


def gradients(op: Op, tensors: list[Tensor], params: tuple[Any, ...]) -> list[np.ndarray | None]:
    """Of a fixed combination of all results; None where nothing flows."""
    outs = [y for y in results(op, tensors, params) if y.requires_grad]
    leaves = [t for t in tensors if t.requires_grad]
    if not outs:
        return [None] * len(leaves)
    flows = [mg.from_numpy(np.cos(np.arange(y.numel())).reshape(y.shape)).to(y.dtype) for y in outs]
    found = grad(outs, leaves, flows, allow_unused=True)
    return [None if g is None else g.array for g in found]


def same(a: np.ndarray | None, b: np.ndarray | None, atol: float) -> None:
    assert (a is None) == (b is None)
    if a is not None:
        np.testing.assert_allclose(a, b, rtol=atol, atol=atol)


# -- forward -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_kernels_compute_the_formula(name: str, dtype: str) -> None:
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    for sample in opcheck.samples(op):
        errors = opcheck.kernel_errors(op, sample, dtype)
        for what, error in errors.items():
            assert error <= opcheck.KERNEL_TOLERANCE[dtype], f"{name}: {what} off by {error:.2g}"


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_numpys_function_is_the_formula(name: str) -> None:
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    for sample in opcheck.samples(op):
        params = sample.params or op.defaults
        with np.errstate(all="ignore"):
            expected = op.formula(*sample.inputs, *params)
            assert opcheck.deviation(op.numpy(*sample.inputs, *params), expected) < 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_float32_agrees_with_float64(name: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op):
        wide, small = (
            results(op, opcheck.tensors_of(op, sample, d), sample.params)
            for d in (np.float64, np.float32)
        )
        if name == "_cast":
            continue
        for a, b in zip(wide, small, strict=True):
            if a.array.dtype.kind == "f":
                assert b.array.dtype == np.float32
                np.testing.assert_allclose(b.array, a.array, rtol=1e-4, atol=1e-4)
            else:
                assert b.array.dtype == a.array.dtype


PATTERNS = {
    "row": ((300, 40), (40,)),
    "column": ((300, 40), (300, 1)),
    "scalar": ((300, 40), ()),
    "outer": ((300, 1), (1, 40)),
    "image": ((5, 6, 7, 11), (6, 1, 1)),
    "inside": ((5, 6, 7), (5, 1, 7)),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", ["add", "pow"])
def test_kernels_broadcast(name: str, pattern: str) -> None:
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 2, shape) for shape in PATTERNS[pattern])
    for x, y in ((a, b), (b, a)):
        found = op.fused((x, y), (), np.dtype("float64"))
        np.testing.assert_allclose(found, op.formula(x, y), rtol=1e-13)


@pytest.mark.parametrize("pattern", ["row", "column", "scalar"])
def test_kernels_work_in_place(pattern: str) -> None:
    rng = np.random.default_rng(0)
    op = REGISTRY["mul"]
    assert isinstance(op, Compiled)
    a, b = (rng.uniform(0.5, 2, shape) for shape in PATTERNS[pattern])
    out = a.copy()
    op.fused((out, b), (), out.dtype, out=out)
    np.testing.assert_array_equal(out, a * b)
    out = a.copy()
    op.fused((out, a), (), out.dtype, out=out)
    np.testing.assert_array_equal(out, a * a)


# -- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_is_that_of_finite_differences(name: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op):
        report = opcheck.first_order(op, sample)
        if report is not None:
            assert report.ok, str(report)
            assert report.error < 1e-6, str(report.worst)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivative_is_that_of_finite_differences(name: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op):
        report = opcheck.second_order(op, sample)
        if report is not None:
            assert report.ok, str(report)
            assert report.error < 1e-5, str(report.worst)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_some_sample_has_a_gradient(name: str) -> None:
    op = REGISTRY[name]
    assert any(opcheck.differentiable(op, s) for s in opcheck.samples(op))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_backward_on_arrays_is_the_rule_on_tensors(name: str, dtype: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op):
        assert opcheck.backward_error(op, sample, dtype) < ATOL[dtype]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_have_type_and_shape_of_the_inputs(name: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op):
        made = opcheck.tensors_of(op, sample, np.float32)
        leaves = [t for t in made if t.requires_grad]
        for leaf, g in zip(leaves, gradients(op, made, sample.params), strict=True):
            if g is not None:
                assert g.shape == leaf.array.shape
                assert g.dtype == np.float32


# -- layouts and sizes ---------------------------------------------------------------------------


def scattered(a: np.ndarray) -> np.ndarray:
    """The same elements with gaps between them, and the dimensions in reverse order in memory."""
    memory = np.full((*reversed(a.shape), 2), 77, a.dtype)
    view = memory[..., 0].T
    view[...] = a
    return view


@pytest.mark.parametrize("name", [n for n in NAMES if n != "as_strided"])  # of it that is the point
def test_layout_in_memory_does_not_matter(name: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op):
        made = [opcheck.tensors_of(op, sample) for _ in range(2)]
        for t in made[1]:
            t.array = scattered(t.array)
        outs = [results(op, tensors, sample.params) for tensors in made]
        for a, b in zip(*outs, strict=True):
            np.testing.assert_allclose(a.array, b.array, rtol=1e-12, atol=1e-12)
        if opcheck.differentiable(op, sample):
            found = [gradients(op, tensors, sample.params) for tensors in made]
            for a, b in zip(*found, strict=True):
                same(a, b, 1e-12)


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_empty_inputs(name: str, shape: tuple[int, ...]) -> None:
    op = REGISTRY[name]
    assert isinstance(op, Compiled)
    first = opcheck.samples(op)[0]
    empty = Sample(tuple(np.zeros(shape, a.dtype) for a in first.inputs), first.params)
    for dtype in (np.float64, np.float32):
        made = opcheck.tensors_of(op, empty, dtype)
        (y,) = results(op, made, first.params or op.defaults)
        assert y.shape == shape
        if op.differentiable:
            for g in gradients(op, made, first.params or op.defaults):
                assert g is None or g.shape == shape


# -- one declaration is all ----------------------------------------------------------------------


@pytest.fixture
def softsign2() -> Any:
    f = elementwise(
        "softsign2", lambda x: x / (1 + fx.abs(x)),
        vjp=lambda g, x: g / (1 + fx.abs(x)) ** 2, sample=span(-3, 3, avoid=(0,)),
    )  # fmt: skip
    yield f
    del REGISTRY["softsign2"], PUBLIC["softsign2"]
    del Tensor.softsign2, Tensor.softsign2_


def test_a_new_operation_is_one_declaration(softsign2: Any) -> None:
    x = mg.tensor([-1.0, 3.0], dtype=mg.float64, requires_grad=True)
    expected = [-0.5, 0.75]
    assert softsign2(x).tolist() == expected
    assert x.softsign2().tolist() == expected
    assert x.detach().clone().softsign2_().tolist() == expected
    assert PUBLIC["softsign2"] is softsign2
    large = np.linspace(-3, 3, 40_000, dtype=np.float32)
    np.testing.assert_allclose(
        softsign2(mg.from_numpy(large)).array, large / (1 + abs(large)), rtol=1e-6
    )
    softsign2(x).sum().backward()
    assert x.grad.tolist() == [0.25, 0.0625]
    assert gradcheck(softsign2, x)
    assert gradgradcheck(softsign2, x)
    result = opcheck.check_operation(REGISTRY["softsign2"])
    assert result.ok, result.problems
    assert result.samples == 3
    assert result.kernel < 1e-13


def test_a_wrong_declaration_is_found() -> None:
    elementwise("wrong", lambda x: x * x, vjp=lambda g, x: g * x, sample=span(-3, 3))
    try:
        result = opcheck.check_operation(REGISTRY["wrong"], kernels=False)
    finally:
        del REGISTRY["wrong"], PUBLIC["wrong"], Tensor.wrong, Tensor.wrong_
    assert not result.ok
    assert "1/2 times what it should be" in result.problems[0]


def test_a_declaration_needs_samples() -> None:
    with pytest.raises(TypeError, match="needs sample inputs"):
        elementwise("nothing", lambda x: x, vjp=lambda g: g, sample=None)  # type: ignore[arg-type]
    assert "nothing" not in REGISTRY


def test_a_rule_can_read_only_what_there_is() -> None:
    with pytest.raises(TypeError, match=r"reads \['z'\]"):
        elementwise("nothing", lambda x: x, vjp=lambda g, z: g, sample=span(0, 1))
    assert "nothing" not in REGISTRY
