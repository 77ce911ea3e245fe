"""Padding against PyTorch: values, gradients of first and second order, errors, modules."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.windows import compare, outcomes, repeat  # noqa: E402

SHAPES = {"a": (2, 3, 5), "b": (2, 3, 4, 5), "c": (1, 2, 3, 4, 5), "v": (4,)}
CASES = [
    f"pad({x}, {amounts}, mode='{mode}')"
    for mode in ("constant", "reflect", "replicate", "circular")
    for x, amounts in (
        ("a", (1, 2)), ("a", (3, 0)), ("a[0]", (2, 2)), ("b", (1, 2, 3, 1)), ("b[0]", (0, 3, 0, 0)),
        ("c", (1, 2, 3, 1, 2, 0)), ("c[0]", (1, 1, 1, 1, 1, 1)), ("b", (0, 0, 0, 0)),
        ("b", (-1, 2, 1, -1)), ("b", (-1, -2, 0, 1)), ("b[:0]", (1, 1, 1, 1)),
        ("b.transpose(2, 3)", (2, 1, 1, 2)), ("a", (-2, 2)),
    )
]  # fmt: skip
MORE = """
pad(b, (1, 1)) | pad(b, (1, 2, 3, 4, 5, 6, 7, 8)) | pad(v, (1, 2)) | pad(v, (1, 2), value=2.5) |
pad(b, ()) | pad(b, (0, 0)) | pad(b, (-2, -3)) | pad(b, (-3, 4), value=-1.5) | pad(v[0], ()) |
pad(b[:, :, :0], (1, 1, 2, 1)) | pad(b, [1, 1], value=float('inf')) |
pad(b, (5, 5, 4, 4), 'circular') | pad(b, (4, 4, 3, 3), 'reflect') |
pad(b, (9, 9, 8, 7), 'replicate') | pad(b, (-4, 5, 0, 0), 'replicate') |
pad(b, (-1, 4, 0, 0), 'reflect') | pad(b, (-3, 2, 1, 0), 'replicate') |
pad(b, (1, 1, 1, 1), 'reflect', 0) | pad(a[0], (1, 1), 'reflect') | pad(a[0], (1, 1), 'circular')
"""
REFUSED = """
pad(b, (1,)) | pad(b, (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)) | pad(b, (1, 1), mode='reflect') |
pad(a, (5, 1), mode='reflect') | pad(b, (1, 1, 4, 0), mode='reflect') |
pad(b, (6, 0, 0, 0), mode='circular') | pad(b, (1, 1, 1, 1), mode='reflect', value=3) |
pad(b, (1, 1, 1, 1), mode='x') | pad(b, (-3, -3)) | pad(b, (-6, 0)) |
pad(v, (1, 1), mode='reflect') | pad(a, (1, 1, 1, 1, 1, 1), mode='circular') |
pad(c, (1, 1, 1, 1), mode='reflect') | pad(b, (1, 1.0)) | pad(b, 1) |
pad(b[:, :, :0], (1, 1, 1, 1), mode='reflect') | pad(b[:, :, :0], (1, 1, 1, 1), mode='circular') |
pad(b[:, :, :0], (1, 1, 1, 1), mode='replicate') | pad(b.half(), (1, 1), value=1e9) |
pad((b > 0).to(m.uint8), (1, 1), value=-1) | pad(b, (-5, 6, 0, 0), mode='circular') |
pad(b, (-1, 5, 0, 0), mode='reflect') | pad(3, (1, 1))
"""
MODULES = [
    *((f"nn.{kind}{n}d(1)", x) for kind in ("ReflectionPad", "ReplicationPad", "CircularPad",
                                            "ZeroPad")
      for n, x in ((1, "a"), (2, "b"), (3, "c"))),
    ("nn.ConstantPad1d(2, 0.5)", "a"), ("nn.ConstantPad2d((1, 2, 3, 0), -1)", "b"),
    ("nn.ConstantPad3d((1, 2, 3, 0, 1, -1), 3.0)", "c"), ("nn.ReflectionPad1d((2, 1))", "a"),
    ("nn.ReplicationPad2d((1, 2, 3, 0))", "b"), ("nn.CircularPad2d((1, 2, 3, 0))", "b"),
    ("nn.ZeroPad2d((1, -2, -1, 0))", "b"),
]  # fmt: skip


@pytest.mark.parametrize("expression", [*CASES, *repeat(MORE)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients(expression: str, dtype: str) -> None:
    compare(expression, SHAPES, dtype)


@pytest.mark.parametrize("expression", repeat(REFUSED))
def test_errors(expression: str) -> None:
    theirs, ours = outcomes(expression, SHAPES, "float32")
    assert isinstance(theirs, Exception), "PyTorch accepts it"
    assert isinstance(ours, Exception), ours
    assert isinstance(ours, type(theirs)), ours


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float16"])
def test_other_types(dtype: str) -> None:
    values = np.arange(60).reshape(3, 4, 5).astype(dtype)
    for amounts, mode, value in (
        ((1, 2), "constant", None), ((1, 2, 3, 0), "constant", 2.7), ((-1, 2), "constant", 1),
        ((1, 2), "reflect", None), ((1, 2, 2, 1), "circular", None), ((1, 2), "replicate", None),
    ):  # fmt: skip
        if dtype == "bool" and mode != "constant":
            continue
        found, wanted = (
            m.nn.functional.pad(t, amounts, mode, value).numpy()
            for m, t in ((mg, mg.from_numpy(values)), (torch, torch.from_numpy(values)))
        )
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("expression", "x"), MODULES)
def test_modules(expression: str, x: str) -> None:
    assert repr(eval(expression, {"nn": mg.nn})) == repr(eval(expression, {"nn": torch.nn}))
    compare(f"{expression}({x})", SHAPES, "float64")
