"""Pooling against PyTorch: values, indices, gradients of both orders, errors, modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.windows import compare, outcomes, repeat  # noqa: E402

#: Expressions over ``a`` (3 dimensions), ``b`` (4), ``c`` (5).
SHAPES = {"a": (2, 3, 11), "b": (2, 3, 9, 11), "c": (2, 2, 5, 6, 7)}
#: Arguments that fit any number of dimensions.
_MAX = (
    "2", "3, 2", "3, 2, 1", "2, 3", "3, 1, 1", "2, 2, 1, ceil_mode=True", "3, 2, ceil_mode=True",
    "3, 3, 1, ceil_mode=True", "2, 2, dilation=2", "3, 1, 1, 2", "3, 3, dilation=2, ceil_mode=True",
    "4, 4", "(2,), (1,)", "2, None", "2, []", "5, 4, 2",
)  # fmt: skip
_AVG = (
    "2", "3, 2", "3, 2, 1", "2, 3", "3, 1, 1", "3, 2, 1, True", "3, 2, 0, True",
    "3, 2, 1, False, False", "3, 2, 1, True, False", "4, 3, 2, True", "5, 4, 2, ceil_mode=True",
    "(3,), (2,), (1,)", "4",
)  # fmt: skip
_POOLED = [
    *(f"max_pool{n}d({x}, {a})" for n, x in ((1, "a"), (2, "b"), (3, "c")) for a in _MAX),
    *(f"avg_pool{n}d({x}, {a})" for n, x in ((1, "a"), (2, "b"), (3, "c")) for a in _AVG),
    *(
        f"adaptive_{kind}_pool{n}d({x}, {size})"
        for kind in ("avg", "max")
        for n, x in ((1, "a"), (2, "b"), (3, "c"))
        for size in (1, 2, 3, 4, 5, 7, 13)
    ),
]
MORE = """
max_pool2d(b, (2, 3), (3, 1)) | max_pool2d(b, (3, 2), (1, 2), (1, 0), (2, 1)) |
max_pool1d(a[0], 2) | max_pool2d(b[0], 3, 2, 1) | max_pool3d(c[0], 2) |
max_pool3d(c, (1, 2, 3), (1, 2, 1), (0, 1, 1)) | max_pool2d(b.transpose(2, 3), 2) |
max_pool2d(b[:, :, ::2, 1::2], 2) | max_pool2d(b[:0], 2) | max_pool2d(b, 9) |
max_pool2d(b, (9, 1), (1, 2)) | max_pool2d(b.transpose(0, 1), 3, 2, 1) |
avg_pool2d(b, (2, 3), (3, 1)) | avg_pool2d(b[0], 3, 2, 1) | avg_pool3d(c[0], 2) |
avg_pool1d(a[0], 3, 2, 1) | avg_pool2d(b, 3, 2, 1, divisor_override=2) |
avg_pool3d(c, 2, divisor_override=-3) | avg_pool2d(b[:0], 2) | avg_pool2d(b.transpose(2, 3), 2) |
adaptive_avg_pool2d(b, (None, 4)) | adaptive_avg_pool2d(b, (3, 11)) |
adaptive_avg_pool2d(b[:0], 2) | adaptive_avg_pool3d(c, (1, None, 2)) |
adaptive_avg_pool1d(a, (5,)) | adaptive_avg_pool2d(b[0], (1, 2)) |
adaptive_max_pool2d(b, (None, 4)) |  adaptive_max_pool1d(a[0], 4) |
adaptive_max_pool3d(c[0], (5, 1, 2)) | lp_pool1d(a.abs() + 1, 2, 3) |
lp_pool2d(b.abs() + 1, 2.0, 3, 2) | lp_pool3d(c.abs() + 1, 3, 2) |
lp_pool2d(b.abs() + 1, 1.5, (2, 3), ceil_mode=True) | lp_pool1d(a[0].abs() + 1, 4.0, 2) |
max_unpool1d(*max_pool1d(a, 2, return_indices=True), 2) |
max_unpool1d(*max_pool1d(a, 2, return_indices=True), 2, output_size=(11,)) |
max_unpool2d(*max_pool2d(b, 2, return_indices=True), 2, output_size=b.shape) |
max_unpool2d(*max_pool2d(b, 3, 3, 1, return_indices=True), 3, 3, 1, output_size=(9, 11)) |
max_unpool3d(*max_pool3d(c, (1, 2, 1), return_indices=True), (1, 2, 1)) |
max_unpool2d(*max_pool2d(b[0], 3, return_indices=True), 3, output_size=(9, 11))
"""
REFUSED = """
max_pool2d(b, 2, padding=2) | max_pool2d(b, 0) | max_pool2d(b, 2, stride=0) |
max_pool2d(b, 2, padding=-1) | max_pool2d(b, 12) | max_pool2d(b[0, 0], 2) |
max_pool2d(b[None], 2) | max_pool2d(b, (2, 2, 2)) | max_pool2d(b, 2.5) | max_pool2d(b, 2, True) |
max_pool2d(b[:, :0], 2) | max_pool2d(b[:, :, :0], 2) | max_pool2d(b > 0, 2) |
max_pool2d(b, 2, dilation=0) | max_pool2d(2, 2) | max_pool1d(a[0], 2, 0) | max_pool1d(a, 20) |
max_pool1d(a, 2, padding=3) | max_pool1d(b, 2) | max_pool3d(c, 2, padding=2) | max_pool3d(a, 2) |
avg_pool2d(b, 12) | avg_pool2d(b, 2, padding=2) | avg_pool2d(b, 2, divisor_override=0) |
avg_pool2d(b[:, :0], 2) | avg_pool1d(a, 20) | avg_pool3d(c, 2, padding=2) |
adaptive_avg_pool2d(b, (3,)) | adaptive_avg_pool2d(b, (3, 3, 3)) | adaptive_avg_pool2d(b, -1) |
adaptive_avg_pool2d(a[0], 2) | adaptive_avg_pool2d(b[:, :, :0], 2) |
adaptive_max_pool2d(b[:, :, :0], 2) | adaptive_avg_pool1d(a, None) |
adaptive_avg_pool2d(b, None) | adaptive_avg_pool2d(b.long(), 2) |
adaptive_max_pool2d(b.long(), 2) | adaptive_avg_pool2d(b, 2.5) |
max_unpool2d(b, m.zeros(2, 3, 9, 11).long() + 396, 2) | max_unpool2d(b, b.long() - 1, 2) |
max_unpool2d(b, m.zeros(2, 3, 9, 11).int(), 2) | max_unpool2d(b, m.zeros(2, 3, 9, 10).long(), 2) |
max_unpool2d(b, m.zeros(2, 3, 9, 11).long(), 2, output_size=(20, 22)) |
max_unpool2d(b, m.zeros(2, 3, 9, 11).long(), 2, output_size=(18,)) |
max_unpool2d(b, m.zeros(2, 3, 9, 11), 2)
"""


@pytest.mark.parametrize("expression", [*_POOLED, *repeat(MORE)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients(expression: str, dtype: str) -> None:
    compare(expression, SHAPES, dtype)


@pytest.mark.parametrize(
    "expression", [e[:-1] + ", return_indices=True)" for e in _POOLED if "max" in e]
)
def test_indices(expression: str) -> None:
    compare(expression, SHAPES, "float32")


@pytest.mark.parametrize("expression", repeat(REFUSED))
def test_errors(expression: str) -> None:
    theirs, ours = outcomes(expression, SHAPES, "float32")
    assert isinstance(theirs, Exception), "PyTorch accepts it"
    assert isinstance(ours, Exception), ours
    assert isinstance(ours, type(theirs)) or isinstance(theirs, NotImplementedError), ours


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize(
    "expression", ["max_pool2d(b, 2)", "max_pool2d(b, 3, 2, 1)", "max_pool2d_with_indices(b, 3, 2)"]
)
def test_integers(expression: str, dtype: str) -> None:
    compare(expression, {"b": (2, 3, 9, 11)}, dtype)


def test_half_precision() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 11)).astype(np.float16)
    for call in ("max_pool2d(x, 3, 2, 1)", "avg_pool2d(x, 3, 2, 1)", "adaptive_avg_pool2d(x, 2)"):
        found, wanted = (
            eval(call, {**vars(m.nn.functional), "x": t}).numpy()
            for m, t in ((mg, mg.from_numpy(x)), (torch, torch.from_numpy(x)))
        )
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("pattern", range(40))
def test_nan_infinity_and_ties(pattern: int) -> None:
    """Which of equal values, of several NaN, or of minus infinities is taken."""
    rng = np.random.default_rng(pattern)
    values = rng.choice([np.nan, -np.inf, np.inf, 0.0, -0.0, 1.0], (1, 2, 6, 7)).astype(np.float32)
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)):
        found, wanted = (
            m.nn.functional.max_pool2d(t, kernel, stride, padding, return_indices=True)
            for m, t in ((mg, mg.from_numpy(values)), (torch, torch.from_numpy(values)))
        )
        np.testing.assert_array_equal(found[0].numpy(), wanted[0].numpy())
        np.testing.assert_array_equal(found[1].numpy(), wanted[1].numpy())


#: A module, and the shape of its input.
MODULES = [
    ("nn.MaxPool1d(2)", "a"), ("nn.MaxPool1d(3, 2, 1, ceil_mode=True)", "a"),
    ("nn.MaxPool2d(2)", "b"), ("nn.MaxPool2d(3, stride=2, padding=1)", "b"),
    ("nn.MaxPool2d((2, 3), (2, 1), dilation=(1, 2))", "b"),
    ("nn.MaxPool2d(2, return_indices=True)", "b"), ("nn.MaxPool3d(2)", "c"),
    ("nn.AvgPool1d(2)", "a"), ("nn.AvgPool1d((3,), 2, (1,), True, False)", "a"),
    ("nn.AvgPool2d(2)", "b"), ("nn.AvgPool2d((2, 3), 2, (1, 0), True, False, 5)", "b"),
    ("nn.AvgPool3d(2, 1)", "c"), ("nn.LPPool1d(2, 3)", "a"), ("nn.LPPool2d(2, 3, stride=2)", "b"),
    ("nn.LPPool3d(2.0, 2, ceil_mode=True)", "c"), ("nn.AdaptiveAvgPool1d(3)", "a"),
    ("nn.AdaptiveAvgPool2d((1, None))", "b"), ("nn.AdaptiveAvgPool2d(1)", "b"),
    ("nn.AdaptiveAvgPool3d(2)", "c"), ("nn.AdaptiveMaxPool1d(3)", "a"),
    ("nn.AdaptiveMaxPool2d((3, 4), return_indices=True)", "b"), ("nn.AdaptiveMaxPool3d(2)", "c"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "x"), MODULES)
def test_modules(expression: str, x: str) -> None:
    theirs, ours = (repr(eval(expression, {"nn": m.nn})) for m in (torch, mg))
    assert ours == theirs
    compare(f"{expression}({x}.abs() + 1)" if "LP" in expression else f"{expression}({x})", SHAPES,
            "float64")  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_modules(n: int) -> None:
    pool, unpool, x = (
        f"nn.MaxPool{n}d(2, return_indices=True)",
        f"nn.MaxUnpool{n}d(2)",
        "abc"[n - 1],
    )
    assert repr(eval(unpool, {"nn": mg.nn})) == repr(eval(unpool, {"nn": torch.nn}))
    compare(f"{unpool}(*{pool}({x}), output_size={x}.shape)", SHAPES, "float64")


def test_the_same_bits_with_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x = mg.from_numpy(rng.normal(size=(4, 8, 65, 67)).astype(np.float32)).requires_grad_()
    done: list[Any] = []
    before = mg.get_num_threads()
    try:
        for threads in (1, 2, 3):
            mg.set_num_threads(threads)
            x.grad = None
            for call in (mg.nn.functional.max_pool2d, mg.nn.functional.avg_pool2d):
                y = call(x, 3, 2, 1)
                (y * y).sum().backward()
                done.append((y.detach().numpy(), x.grad.numpy().copy()))
    finally:
        mg.set_num_threads(before)
    for i in (2, 3, 4, 5):
        np.testing.assert_array_equal(done[i][0], done[i % 2][0])
        np.testing.assert_array_equal(done[i][1], done[i % 2][1])
