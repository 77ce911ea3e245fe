"""Padding, interpolation and sampling: what must hold without anything to compare with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.kernels.resample import Combination, combine, transposed
from minigrad.nn import functional as F

NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge",
               "circular": "wrap"}  # fmt: skip


@pytest.mark.parametrize("mode", NUMPY_MODES)
@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=2))
def test_padding_is_numpys(mode: str, amounts: list[tuple[int, int]]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)[: len(amounts) + 2])
    flat = [n for pair in reversed(amounts) for n in pair]
    if mode == "reflect" and x.shape[2] == 3:
        return
    found = F.pad(mg.from_numpy(x), flat, mode=mode).array
    before = [(0, 0)] * (x.ndim - len(amounts))
    try:
        expected = np.pad(x, [*before, *amounts], NUMPY_MODES[mode])  # type: ignore[call-overload]
    except ValueError:
        return
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_margins_give_their_gradient_to_what_they_copy(mode: str) -> None:
    x = mg.arange(5.0).reshape(1, 5).requires_grad_()
    y = F.pad(x, (2, 3), mode=mode)
    y.backward(mg.ones(y.shape))
    counts = np.bincount(y.numpy(force=True).reshape(-1).astype(int), minlength=5)
    np.testing.assert_array_equal(x.grad.array[0], counts)


def test_cropping_and_padding_undo_each_other() -> None:
    x = mg.from_numpy(np.random.default_rng(1).normal(size=(2, 4, 5)))
    padded = F.pad(x, (1, 2, 3, 4, 0, 1), value=7.0)
    np.testing.assert_array_equal(F.pad(padded, (-1, -2, -3, -4, 0, -1)).array, x.array)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_combining_is_a_matrix_product(rows: int, columns: int, seed: int, axis: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.6)
    starts = np.concatenate(([0], np.cumsum((dense != 0).sum(1))))
    matrix = Combination(starts, np.nonzero(dense)[1], dense[dense != 0], columns)
    for m, d in ((matrix, dense), (transposed(matrix), dense.T)):
        shape = [2, 3, 4]
        shape[axis] = d.shape[1]
        x = rng.normal(size=shape)
        expected = np.moveaxis(np.tensordot(d, x, (1, axis)), 0, axis)
        np.testing.assert_allclose(combine(x, axis, m), expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["linear", "bilinear", "trilinear", "bicubic"])
@pytest.mark.parametrize("align", [False, True])
def test_constants_stay_and_the_own_size_changes_nothing(mode: str, align: bool) -> None:
    dims = {"linear": 1, "trilinear": 3}.get(mode, 2)
    x = mg.from_numpy(np.random.default_rng(2).normal(size=(2, 3, *(5, 4, 6)[:dims])))
    same = F.interpolate(x, x.shape[2:], mode=mode, align_corners=align)
    np.testing.assert_allclose(same.array, x.array, rtol=1e-12)
    for size in (1, 3, 9):
        y = F.interpolate(mg.ones(x.shape), size, mode=mode, align_corners=align)
        np.testing.assert_allclose(y.array, 1.0, rtol=1e-6)


def test_a_straight_line_stays_straight() -> None:
    x = mg.linspace(0.0, 1.0, 5, dtype=mg.float64).reshape(1, 1, 5)
    y = F.interpolate(x, 9, mode="linear", align_corners=True)
    np.testing.assert_allclose(y.array.reshape(-1), np.linspace(0, 1, 9), atol=1e-15)


def test_sampling_at_the_pixels_gives_the_image() -> None:
    x = mg.from_numpy(np.random.default_rng(3).normal(size=(2, 3, 4, 5)))
    same = mg.eye(2, 3, dtype=mg.float64).expand(2, 2, 3)
    for align in (False, True):
        grid = F.affine_grid(same, x.shape, align)
        for mode in ("bilinear", "nearest", "bicubic"):
            y = F.grid_sample(x, grid, mode=mode, align_corners=align)
            np.testing.assert_allclose(y.array, x.array, atol=1e-12)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_no_point_is_too_far_away(mode: str, padding: str) -> None:
    """Places are checked before they are read: any number may stand in a grid."""
    x, far = mg.ones(1, 1, 3, 3), [1e30, -1e30, np.inf, -np.inf, np.nan, 5.0]
    grid = mg.tensor([[[[a, b] for a in far] for b in far]])
    y = F.grid_sample(x, grid, mode=mode, padding_mode=padding).array
    assert y.shape == (1, 1, 6, 6)
    if padding == "zeros":
        assert y[0, 0, 5, 5] == 0


def test_shuffling_back_and_forth() -> None:
    x = mg.arange(2.0 * 8 * 4 * 6).reshape(2, 8, 4, 6)
    assert F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).equal(x)
    assert F.channel_shuffle(F.channel_shuffle(x, 2), 4).equal(x)


def test_derivatives_of_sampling() -> None:
    from minigrad.autograd import gradcheck, gradgradcheck

    rng = np.random.default_rng(4)
    x = mg.from_numpy(rng.normal(size=(1, 2, 3, 4))).requires_grad_()
    grid = mg.from_numpy(rng.uniform(-1.2, 1.2, (1, 2, 2, 2))).requires_grad_()
    for mode in ("bilinear", "bicubic"):
        assert gradcheck(lambda a, b, mode=mode: F.grid_sample(a, b, mode=mode), (x, grid))
        assert gradgradcheck(lambda a, b, mode=mode: F.grid_sample(a, b, mode=mode), (x, grid))
