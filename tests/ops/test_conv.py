"""Convolutions against loops over every element, all ways of computing them, and refusals."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.core.declare import REGISTRY
from minigrad.kernels.conv import convolution as run
from minigrad.kernels.conv import depthwise, direct_way, general, plain, ways
from minigrad.kernels.conv.geometry import Geometry
from minigrad.nn import functional as F
from minigrad.ops.batching import each
from minigrad.ops.layers import conv as ops

#: Shapes of x and w; stride, padding, dilation, groups.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], int, int, int, int]] = [
    ((2, 3, 5, 4), (4, 3, 3, 2), 1, 0, 1, 1),
    ((1, 4, 6, 5), (2, 2, 3, 3), 2, 1, 1, 2),
    ((2, 2, 7), (3, 2, 3), 1, 2, 2, 1),
    ((1, 2, 3, 4, 3), (2, 1, 2, 2, 2), 1, 1, 1, 2),
    ((2, 3, 4, 4), (2, 3, 1, 1), 1, 0, 1, 1),
    ((3, 4, 6, 7), (8, 1, 3, 3), 2, 1, 1, 4),
    ((2, 5, 5, 9), (5, 1, 2, 3), 1, 2, 2, 5),
    ((1, 1, 9, 9), (2, 1, 4, 4), 3, 3, 1, 1),
]
#: Large enough for every kind of cut: several images together, several pieces of one image.
LARGE: list[tuple[tuple[int, ...], tuple[int, ...], int, int, int, int]] = [
    ((30, 16, 4, 4), (24, 16, 3, 3), 1, 1, 1, 1),
    ((1, 24, 30, 31), (20, 24, 3, 3), 1, 1, 1, 1),
    ((1, 2, 9000), (3, 2, 5), 1, 2, 1, 1),
    ((2, 32, 12, 12), (48, 32, 1, 1), 1, 0, 1, 1),
    ((2, 20, 16, 17), (20, 1, 3, 3), 1, 1, 1, 20),
    ((2, 16, 3, 9, 9), (16, 8, 3, 3, 3), 2, 1, 1, 2),
]


def _geometry(w: tuple[int, ...], *numbers: int) -> Geometry:
    n = len(w) - 2
    return Geometry(w[2:], *[(v,) * n for v in numbers[:3]], numbers[3])  # type: ignore[arg-type]


def _naive(x: Any, w: Any, how: Geometry) -> Any:
    """One product of numbers after the other."""
    out = how.output_sizes(x.shape[2:])
    y = np.zeros((len(x), len(w), *out))
    channels, outputs = w.shape[1], len(w) // how.groups
    for n, o, at in product(range(len(x)), range(len(w)), np.ndindex(*out)):
        for c, k in product(range(channels), np.ndindex(*how.kernel)):
            steps = zip(at, how.stride, how.padding, k, how.dilation)
            place = tuple(a * s - p + i * d for a, s, p, i, d in steps)
            if all(0 <= i < m for i, m in zip(place, x.shape[2:])):
                y[(n, o, *at)] += w[(o, c, *k)] * x[(n, o // outputs * channels + c, *place)]
    return y


def _arrays(x: Any, w: Any, how: Geometry, dtype: str) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    shapes = (x, w, (x[0], w[0], *how.output_sizes(x[2:])))
    return tuple(rng.normal(size=s).astype(dtype) for s in shapes)  # type: ignore[return-value]


@pytest.mark.parametrize("case", CASES)
def test_conv_is_the_sum_of_products(case: Any) -> None:
    how = _geometry(case[1], *case[2:])
    x, w, dy = _arrays(*case[:2], how, "float64")
    expected = _naive(x, w, how)
    bias = np.arange(len(w), dtype=np.float64)
    shift = bias.reshape(-1, *[1] * (x.ndim - 2))
    np.testing.assert_allclose(run.conv(x, w, None, how), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.conv(x, w, bias, how), expected + shift, rtol=1e-12, atol=1e-12)
    # <dy, conv(x, w)> is <conv_data(dy, w), x> and <conv_weight(dy, x), w>
    inner = (dy * expected).sum()
    dx = run.conv_data(dy, w, None, x.shape[2:], how)
    np.testing.assert_allclose((dx * x).sum(), inner, rtol=1e-10)
    np.testing.assert_allclose((run.conv_weight(dy, x, how) * w).sum(), inner, rtol=1e-10)
    shifted = run.conv_data(dy, w, np.arange(x.shape[1], dtype=np.float64), x.shape[2:], how)
    np.testing.assert_allclose(shifted - dx, np.arange(x.shape[1]).reshape(shift.shape[:0] + (-1,)
                               + (1,) * (x.ndim - 2)) + 0 * dx, atol=1e-12)  # fmt: skip


def _passes(x: Any, w: Any, dy: Any, how: Geometry) -> tuple[Any, Any, Any]:
    dx = run.conv_data(dy, w, None, x.shape[2:], how)
    return run.conv(x, w, None, how), dx, run.conv_weight(dy, x, how)


def _ways(x: tuple[int, ...], how: Geometry) -> list[Any]:
    """The ways that can compute it; Winograd's is tested beside its kernels."""
    found: list[Any] = [general]
    if x[1] == how.groups:
        found.append(depthwise)
    if len(x) < 5:
        found.append(direct_way)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [*CASES, *LARGE])
def test_all_ways_agree(case: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    how = _geometry(case[1], *case[2:])
    x, w, dy = _arrays(*case[:2], how, dtype)
    wide = [a.astype(np.float64) for a in (x, w, dy)]
    expected = (
        plain.forward(wide[0], wide[1], how),
        plain.backward_data(wide[2], wide[1], x.shape, how),
        plain.backward_weight(wide[2], wide[0], how),
    )
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    found = {"chosen": _passes(x, w, dy, how)}
    for way in _ways(x.shape, how):
        with monkeypatch.context() as patch:
            patch.setattr(ways, "choose", lambda kind, case, way=way: way)
            for prepare in (ways.forward, ways.data, ways.weight):
                prepare.cache_clear()
            found[way.__name__] = _passes(x, w, dy, how)
    for prepare in (ways.forward, ways.data, ways.weight):
        prepare.cache_clear()
    for name, results in found.items():
        for a, b in zip(results, expected, strict=True):
            assert a.dtype == dtype, name
            scale = np.abs(b).max(initial=1)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("case", [CASES[1], LARGE[0], LARGE[1], LARGE[4]])
def test_bits_do_not_depend_on_the_threads(case: Any) -> None:
    how = _geometry(case[1], *case[2:])
    x, w, dy = _arrays(*case[:2], how, "float32")
    before, results = mg.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            mg.set_num_threads(threads)
            results.append((
                run.conv(x, w, w[:, 0, 0, 0].copy(), how),
                run.conv_data(dy, w, None, x.shape[2:], how), run.conv_weight(dy, x, how),
                run.sum_channels(dy),
            ))  # fmt: skip
    finally:
        mg.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# -- derivatives ---------------------------------------------------------------------------------


def test_third_derivatives() -> None:
    rng = np.random.default_rng(0)
    x, w = (mg.tensor(rng.normal(size=s), requires_grad=True) for s in ((1, 2, 4), (2, 2, 2)))

    def cubic(x: Tensor, w: Tensor) -> Tensor:
        y = F.conv1d(x, w, stride=2, padding=1)
        (g,) = mg.autograd.grad((y * y * y).sum(), [x], create_graph=True)
        return g  # type: ignore[no-any-return]

    assert mg.autograd.gradgradcheck(cubic, [x, w])


def test_only_what_is_needed_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name in ("conv_data", "conv_weight", "sum_channels"):
        function = getattr(run, name)

        def noted(*args: Any, name: str = name, function: Any = function) -> Any:
            called.append(name)
            return function(*args)

        monkeypatch.setattr(ops.kernels, name, noted, raising=False)
    x, w, b = mg.ones(1, 1, 3, 3), mg.ones(1, 1, 2, 2), mg.ones(1)
    F.conv2d(x, w.requires_grad_(), b).sum().backward()
    assert called == ["conv_weight"]
    called.clear()
    F.conv2d(x.requires_grad_(), w.detach(), b.requires_grad_()).sum().backward()
    assert called == ["conv_data", "sum_channels"]


# -- many examples at once -----------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("batched", list(product([True, False], repeat=3)))
@pytest.mark.parametrize("name", [
    "convolution", "convolution_plain", "transposed_convolution", "transposed_convolution_plain",
    "convolution_weight",
])  # fmt: skip
def test_batching(name: str, batched: tuple[bool, ...], groups: int) -> None:
    op, rng = REGISTRY[name], np.random.default_rng(0)
    batched = batched[: op.arity]
    if not any(batched):
        return
    how = Geometry((3, 2), (2, 1), (1, 0), (1, 1), groups)
    x, w = (2, 4, 5, 4), (6, 4 // groups, 3, 2)
    y = (2, 6, *how.output_sizes((5, 4)))
    shapes = {"convolution_weight": (y, x)}.get(
        name, (y, w, (4,)) if "trans" in name else (x, w, (6,))
    )
    params: tuple[Any, ...] = ((5, 4), how) if "trans" in name else (how,)
    inputs = []
    for shape, own in zip(shapes, batched):
        a = rng.normal(size=(3 if own else 1, *shape))
        inputs.append(Tensor(np.broadcast_to(a, (3, *shape))))
    assert op.batch is not None  # type: ignore[attr-defined]
    found = op.batch(op, tuple(inputs), params, batched)  # type: ignore[attr-defined]
    expected = each(op, tuple(inputs), params, batched)
    np.testing.assert_allclose(found.array, expected.array, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["im2col", "col2im"])
def test_batching_of_windows(name: str) -> None:
    op, rng = REGISTRY[name], np.random.default_rng(0)
    sample = next(iter(op.sample(rng)))
    x = Tensor(rng.normal(size=(3, *sample.inputs[0].shape)))
    found = op.batch(op, (x,), sample.params, (True,))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found.array, each(op, (x,), sample.params, (True,)).array)


# -- edge cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64, mg.float16, mg.int64, mg.int32])
def test_types(dtype: Any) -> None:
    x, w = mg.arange(16).reshape(1, 1, 4, 4).to(dtype), mg.ones(1, 1, 3, 3, dtype=dtype)
    y = F.conv2d(x, w, mg.ones(1, dtype=dtype))
    assert y.dtype is dtype
    assert y.tolist() == [[[[46, 55], [82, 91]]]]
    assert F.conv_transpose2d(x[..., :1, :1], w, padding=1).dtype is dtype


def test_without_images_or_channels() -> None:
    w = mg.ones(4, 3, 3, 3, requires_grad=True)
    for x in (mg.ones(0, 3, 5, 6), mg.ones(0, 3, 3, 3)):
        y = F.conv2d(x.requires_grad_(), w, mg.ones(4), padding=1)
        assert y.shape == (0, 4, *x.shape[2:])
        y.sum().backward()
        assert x.grad.shape == x.shape
        assert not w.grad.array.any()
    y = F.conv2d(mg.ones(2, 0, 5, 5), mg.ones(4, 0, 3, 3), mg.arange(4.0))
    assert y.shape == (2, 4, 3, 3)
    assert y[0, :, 0, 0].tolist() == [0, 1, 2, 3]


def test_same_padding_of_even_kernels() -> None:
    x = mg.arange(1.0, 6).reshape(1, 5)
    y = F.conv1d(x, mg.ones(1, 1, 4), padding="same")
    assert y.tolist() == [[6, 10, 14, 12, 9]]
    assert y.is_contiguous()


def test_unfold_and_fold() -> None:
    x = mg.arange(24.0).reshape(1, 2, 3, 4)
    columns = F.unfold(x, (2, 3), padding=(1, 0))
    assert columns.shape == (1, 12, 8)
    assert columns[0, 3].tolist() == [0, 1, 4, 5, 8, 9, 0, 0]
    counts = F.fold(F.unfold(mg.ones(1, 1, 4, 4), 2), 4, 2)
    assert counts[0, 0, :2].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2]]
    for dtype in (mg.bool, mg.float16, mg.int64):
        moved = F.unfold(x.to(dtype), 2)
        assert moved.dtype is dtype
        assert moved.tolist() == F.unfold(x, 2).to(dtype).tolist()
    assert F.fold(mg.ones(4, 2, dtype=mg.float16), (2, 3), 2).dtype is mg.float16


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda x, w: F.conv2d(x, mg.ones(4, 3, 6, 3)), RuntimeError, r"Kernel size: \(6 x 3\)"),
    (lambda x, w: F.conv2d(x.permute(0, 2, 3, 1), w), RuntimeError, r"permute\(0, 3, 1, 2\)"),
    (lambda x, w: F.conv2d(x.double(), w), RuntimeError, r"\.to\(weight.dtype\)"),
    (lambda x, w: F.conv2d(x.numpy(), w), TypeError, "must be Tensor, not ndarray"),
    (lambda x, w: F.conv2d(x, w, stride=1.5), TypeError, "'stride' must be int"),
    (lambda x, w: F.conv2d(x, w, groups=None), TypeError, "'groups' must be int"),
    (lambda x, w: F.conv2d(x, w, padding=None), TypeError, "'padding' must be int"),
    (lambda x, w: F.conv2d(x, w, padding=[1, 2, 3]), RuntimeError, "list of 2 values"),
    (lambda x, w: F.conv_transpose2d(x, w[:3], padding=9), RuntimeError, "Output size is too"),
    (lambda x, w: F.unfold(x, 9), RuntimeError, "sliding blocks"),
    (lambda x, w: F.fold(x, 5, 2), RuntimeError, "Expected 2D or 3D"),
    (lambda x, w: F.unfold(3, 2), TypeError, "must be Tensor"),
    (lambda x, w: F.fold(mg.ones(4, 2, dtype=mg.bool), (2, 3), 2), RuntimeError, "Bool"),
    (lambda x, w: mg.nn.Conv2d(3, 4, (1, 2, 3)), ValueError, "kernel_size"),
    (lambda x, w: mg.nn.Conv2d(3, 4, 2.0), TypeError, "kernel_size"),
    (lambda x, w: mg.nn.ConvTranspose2d(3, 4, 2, padding="same"), TypeError, "padding"),
])  # fmt: skip
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(mg.ones(2, 3, 5, 6), mg.ones(4, 3, 3, 3))
