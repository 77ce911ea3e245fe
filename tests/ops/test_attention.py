"""Attention's kernels: against numpy, on any number of threads, without OpenBLAS; its memory."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.kernels import attention as kernels
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _drawn(shapes: Shapes, dtype: str) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=s).astype(dtype) for s in shapes]


def _mask(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(4)
    return np.where(rng.random(shape) > 0.3, rng.normal(size=shape), -np.inf).astype(dtype)


def _reference(
    q: np.ndarray[Any, Any], k: np.ndarray[Any, Any], v: np.ndarray[Any, Any], causal: bool
) -> np.ndarray[Any, Any]:
    s = q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
    if causal:
        s = np.where(np.tri(*s.shape[-2:]) == 0, -np.inf, s)
    p = np.exp(s - s.max(-1, keepdims=True))
    out: np.ndarray[Any, Any] = p / p.sum(-1, keepdims=True) @ v
    return out


@settings(max_examples=25, deadline=None)
@given(
    batch=st.sampled_from([(), (2,), (2, 3)]),
    queries=st.integers(1, 150),
    keys=st.integers(1, 150),
    inner=st.integers(1, 9),
    outer=st.integers(1, 9),
    causal=st.booleans(),
)
def test_any_sizes(
    batch: tuple[int, ...], queries: int, keys: int, inner: int, outer: int, causal: bool
) -> None:
    shapes = ((*batch, queries, inner), (*batch, keys, inner), (*batch, keys, outer))
    q, k, v = _drawn(shapes, "float64")
    wanted = _reference(q, k, v, causal)
    tensors = [mg.tensor(a) for a in (q, k, v)]
    out = mg.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
    np.testing.assert_allclose(out.numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_bits_do_not_depend_on_threads() -> None:
    arrays = [a.astype("float32") for a in _drawn(((6, 140, 16),) * 3, "float32")]
    before = get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            y, lse = kernels.attention(*arrays, None, True, 0.25)
            parts = kernels.attention_backward(y, y, *arrays, None, lse, True, 0.25)
            found.append([y, lse, *parts[:3]])
    finally:
        set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("masked", [False, True])
def test_without_openblas(monkeypatch: pytest.MonkeyPatch, masked: bool) -> None:
    arrays = _drawn(((2, 6, 4), (2, 5, 4), (2, 5, 3)), "float64")
    mask = _mask((6, 5), "float64") if masked else None
    found = []
    for available in (True, False):
        monkeypatch.setattr(kernels, "AVAILABLE", available)
        y, lse = kernels.attention(*arrays, mask, True, 0.5)
        parts = kernels.attention_backward(y, y, *arrays, mask, lse, True, 0.5, masked)
        found.append([y, lse, *parts[: 4 if masked else 3]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_memory_grows_with_the_keys_not_with_their_square() -> None:
    q = mg.ones(1, 2, 2000, 8).requires_grad_()
    attend = mg.nn.functional.scaled_dot_product_attention
    attend(q, q, q).sum().backward()  # compiles
    tracemalloc.start()
    try:
        attend(q, q, q, is_causal=True).sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2000 * 2000 * 4 / 8  # all scores would be 32 MB


def test_many_examples_at_once() -> None:
    """`attn_mask` without leading dimensions lines up with the last ones of each example."""
    rng = np.random.default_rng(0)
    q = mg.tensor(rng.normal(size=(4, 2, 3, 5)))
    mask = mg.tensor(rng.normal(size=(4, 3, 3)))
    attend = mg.nn.functional.scaled_dot_product_attention
    together = mg.func.vmap(lambda a, m: attend(a, a, a, m))(q, mask)
    apart = mg.stack([attend(q[i], q[i], q[i], mask[i]) for i in range(4)])
    np.testing.assert_allclose(together.numpy(), apart.numpy(), rtol=1e-12)
