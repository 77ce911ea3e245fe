"""Pooling against a few lines of numpy, and what must hold without anything to compare with."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.kernels.pool import plan as plans
from minigrad.kernels.pool import pooling as kernels
from minigrad.kernels.pool.windows import counts
from minigrad.kernels.vector.registers import Registers
from minigrad.nn import functional as F
from minigrad.ops.layers.pool import geometry, output_size

Array = np.ndarray[Any, Any]


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, Any]:
    """The geometry of 1 to 3 dimensions; every window has an element inside."""
    dims = draw(st.integers(1, 3))
    parts = []
    for _ in range(dims):
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        padding = draw(st.integers(0, kernel // 2))
        dilation = 1 if padding else draw(st.integers(1, 2))
        least = max(dilation * (kernel - 1) + 1 - 2 * padding, 1)
        size = draw(st.integers(least, least + (40 if dims < 3 else 4)))
        up = draw(st.booleans())
        out = output_size(size, kernel, stride, padding, dilation, up)
        parts.append((size, kernel, stride, padding, dilation, out))
    return dims, geometry(*map(tuple, zip(*parts, strict=True)))


def places(at: tuple[int, ...], w: Any) -> list[tuple[int, ...]]:
    """The inputs that one window covers, in order."""
    spans = [
        [o * s - p + k * d for k in range(kernel)]
        for o, s, p, kernel, d in zip(at, w.stride, w.padding, w.kernel, w.dilation, strict=True)
    ]
    return [
        i
        for i in itertools.product(*spans)
        if all(0 <= a < n for a, n in zip(i, w.size, strict=True))
    ]


@settings(deadline=None, max_examples=25)
@given(windows(), st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float64", "int64"]))
def test_maxima_are_those_of_a_loop(case: tuple[int, Any], seed: int, dtype: str) -> None:
    dims, w = case
    x = np.random.default_rng(seed).integers(0, 6, (2, *w.size)).astype(dtype)
    images = x.reshape(2, *w.size[3 - dims :])
    y, _ = kernels.max_forward(images, dims, w)
    index = kernels.max_indices(images, dims, w).reshape(2, *w.out)
    for m, *o in np.ndindex(2, *w.out):
        inside = places(tuple(o), w)
        values = [x[(m, *i)] for i in inside]
        assert y.reshape(2, *w.out)[(m, *o)] == max(values)
        first = inside[values.index(max(values))]
        assert index[(m, *o)] == np.ravel_multi_index(first, w.size)


@settings(deadline=None, max_examples=25)
@given(windows(), st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float64"]), st.booleans())
def test_means_and_derivatives_are_those_of_a_loop(
    case: tuple[int, Any], seed: int, dtype: str, pad: bool
) -> None:
    dims, w = case
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(2, *w.size)), rng.normal(size=(2, *w.out))
    divisors = counts(w, pad, None)
    total, spread, routed = np.zeros(g.shape), np.zeros(x.shape), np.zeros(x.shape)
    x, g = x.astype(dtype), g.astype(dtype)
    images, flow = x.reshape(2, *w.size[3 - dims :]), g.reshape(2, *w.out[3 - dims :])
    _, place = kernels.max_forward(images, dims, w)
    for m, *o in np.ndindex(2, *w.out):
        share = np.prod([c[i] for c, i in zip(divisors, o, strict=True)])
        inside = places(tuple(o), w)
        for i in inside:
            total[(m, *o)] += x[(m, *i)] / share
            spread[(m, *i)] += g[(m, *o)] / share
        best = max(inside, key=lambda i: x[(m, *i)])
        routed[(m, *best)] += g[(m, *o)]
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12}
    for found, expected in (
        (kernels.mean_forward(images, dims, w, pad, None), total),
        (kernels.mean_backward(flow, dims, w, pad, None), spread),
        (kernels.max_backward(flow, dims, w, place), routed),
    ):
        np.testing.assert_allclose(found.reshape(expected.shape), expected, **tolerance)


def test_windows_of_more_than_256_places() -> None:
    x = np.random.default_rng(0).normal(size=(2, 40, 40))
    y, index = F.max_pool2d(mg.from_numpy(x), 20, 10, return_indices=True)
    for m, i, j in np.ndindex(*y.shape):
        part = x[m, 10 * i : 10 * i + 20, 10 * j : 10 * j + 20]
        assert y.array[m, i, j] == part.max()
        assert x[m].reshape(-1)[index.array[m, i, j]] == part.max()


REGISTERS = [plans.REGISTERS, Registers(32, 16), Registers(16, 32)]


@pytest.mark.skipif(not plans.AVAILABLE, reason="only numpy is left")
@pytest.mark.parametrize("registers", REGISTERS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (3, 2, 8, 32), (2, 3, 9, 17), (1, 2, 40, 6)])
def test_loops_and_numpy_agree_to_the_bit(
    shape: tuple[int, ...], registers: Registers, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    monkeypatch.setattr(plans, "REGISTERS", registers)
    monkeypatch.setattr(kernels, "_plans", plans)
    x = rng.normal(size=shape).astype(np.float32)
    x[..., 1, 1] = np.nan
    x[0, 0, 0] = -np.inf
    for kernel, stride, padding in (
        (2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 1), (5, 2, 2), (3, 3, 0), (4, 3, 1),
    ):  # fmt: skip
        out = tuple(output_size(n, kernel, stride, padding, 1, False) for n in shape[2:])
        if min(out) < 1:
            continue
        pair = (kernel,) * 2, (stride,) * 2, (padding,) * 2, (1, 1)
        w = geometry(shape[2:], *pair, out)
        g = rng.normal(size=(*shape[:2], *out)).astype(np.float32)

        def run(x: Array = x, g: Array = g, w: Any = w) -> list[Array]:
            y, place = kernels.max_forward(x, 2, w)
            means = kernels.mean_forward(x, 2, w, False, None)
            return [
                y, place, means, kernels.max_backward(g, 2, w, place),
                kernels.mean_backward(g, 2, w, False, None),
            ]  # fmt: skip

        quick = run()
        with monkeypatch.context() as patch:
            patch.setattr(plans, "AVAILABLE", False)
            plain = run()
        for a, b in zip(quick[:2], plain[:2], strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(quick[2:], plain[2:], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padding", [0, 1])
def test_bits_do_not_depend_on_the_number_of_threads(padding: int) -> None:
    x = np.random.default_rng(2).normal(size=(4, 8, 63, 65)).astype(np.float32)
    before, done = mg.get_num_threads(), []
    try:
        for threads in (1, 3):
            mg.set_num_threads(threads)
            t = mg.tensor(x, requires_grad=True)
            y = F.max_pool2d(t, 3, 2, padding) + F.avg_pool2d(t, 3, 2, padding)
            y.backward(mg.ones(y.shape))
            done.append((y.numpy(force=True), t.grad.array))
    finally:
        mg.set_num_threads(before)
    for a, b in zip(*done, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_window_may_lie_outside() -> None:
    with pytest.raises(RuntimeError, match="no element inside"):
        F.max_pool1d(mg.ones(1, 1, 1), 2, padding=2, dilation=4)


def test_unpooling_checks_its_indices() -> None:
    x = mg.ones(1, 1, 2, 2)
    for bad in (16, -1, 2**40):
        with pytest.raises(RuntimeError, match=f"invalid max index: {bad}"):
            F.max_unpool2d(x, mg.full((1, 1, 2, 2), bad, dtype=mg.int64), 2)


def test_empty_results() -> None:
    assert F.adaptive_avg_pool2d(mg.ones(2, 3, 4, 4), 0).shape == (2, 3, 0, 0)
    assert F.adaptive_max_pool2d(mg.ones(0, 3, 5, 4), 2).shape == (0, 3, 2, 2)
    assert F.max_pool2d(mg.ones(0, 3, 4, 4), 2, return_indices=True)[1].shape == (0, 3, 2, 2)


def test_layouts_do_not_matter() -> None:
    x = np.random.default_rng(3).normal(size=(2, 6, 5, 3)).astype(np.float32)
    last = mg.from_numpy(x).permute(0, 3, 1, 2)
    dense = mg.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    for f in (F.max_pool2d, F.avg_pool2d):
        np.testing.assert_array_equal(f(last, 2).array, f(dense, 2).array)


def test_many_examples_at_once() -> None:
    x = mg.from_numpy(np.random.default_rng(4).normal(size=(3, 2, 2, 6, 6)))
    from minigrad.func import vmap

    for f in (
        lambda t: F.max_pool2d(t, 3, 2, 1),
        lambda t: F.max_pool2d(t, 2, return_indices=True)[1],
        lambda t: F.avg_pool2d(t, 3, 2, 1, count_include_pad=False),
        lambda t: F.adaptive_avg_pool2d(t, 4),
        lambda t: F.adaptive_max_pool2d(t, 4),
        lambda t: F.interpolate(t, scale_factor=2),
        lambda t: F.interpolate(t, (9, 4), mode="bicubic"),
        lambda t: F.pad(t, (1, 2, 3, 0), mode="reflect"),
        lambda t: F.pad(t, (1, -2), value=2.0),
        lambda t: F.pixel_shuffle(F.pixel_unshuffle(t, 2), 2),
        lambda t: F.grid_sample(t, t[:, 0, :, :2].unsqueeze(1) / 3, align_corners=False),
    ):
        found = vmap(f)(x)
        each = mg.stack([f(t) for t in x])
        np.testing.assert_allclose(found.numpy(), each.numpy(), rtol=1e-12)


def test_gradients_of_many_examples_at_once() -> None:
    from minigrad.func import grad, vmap

    x = mg.from_numpy(np.random.default_rng(5).normal(size=(3, 2, 2, 6, 6)))

    def loss(t: Any) -> Any:
        return (F.max_pool2d(t, 3, 2, 1) ** 2).sum() + (F.avg_pool2d(t, 2) ** 3).sum()

    found = vmap(grad(loss))(x)
    for i in range(3):
        np.testing.assert_allclose(found[i].numpy(), grad(loss)(x[i]).numpy(), rtol=1e-12)
