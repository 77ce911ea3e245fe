"""Our own products of float32 against float64: all edges, layouts, memory around the arrays."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels.matmul import sgemm
from minigrad.kernels.matmul.product import matmul
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

pytestmark = pytest.mark.skipif(not sgemm.AVAILABLE, reason="needs AVX2 or AVX-512")

GUARD = 64
LAYOUTS = [(ta, tb) for ta in (False, True) for tb in (False, True)]


def draw(m: int, n: int, k: int, ta: bool, tb: bool, batch: tuple[int, ...] = ()) -> Any:
    """The stored matrices, and their product in float64."""
    rng = np.random.default_rng(m + 100 * n + 10_000 * k)
    a = rng.normal(size=(*batch, *((k, m) if ta else (m, k)))).astype("f4")
    b = rng.normal(size=(*batch, *((n, k) if tb else (k, n)))).astype("f4")
    wide_a, wide_b = a.astype("f8"), b.astype("f8")
    want = (wide_a.swapaxes(-1, -2) if ta else wide_a) @ (wide_b.swapaxes(-1, -2) if tb else wide_b)
    return a, b, want


def product(a: Any, b: Any, ta: bool, tb: bool, shape: Any, bias: Any = None) -> np.ndarray:
    """The product, written between guards that must not change."""
    size = int(np.prod(shape))
    memory = np.full(size + 2 * GUARD, np.nan, np.float32)
    memory[:GUARD] = memory[GUARD + size :] = 7
    out = memory[GUARD : GUARD + size].reshape(shape)
    sgemm.product(a, b, ta, tb, out, bias)
    assert (memory[:GUARD] == 7).all()
    assert (memory[GUARD + size :] == 7).all()
    return out


def close(got: np.ndarray, want: np.ndarray, k: int) -> None:
    np.testing.assert_allclose(got, want, rtol=0, atol=3e-6 * (k + 10) ** 0.5)


@pytest.mark.parametrize(("ta", "tb"), LAYOUTS)
def test_all_edges(ta: bool, tb: bool) -> None:
    """Each height of tile meets each kind of right edge."""
    for m in range(1, 41):
        for n, k in ((1 + m * 7 % 40, 1 + m * 11 % 40), (41 - m, m), (33, 17), (16, 1)):
            a, b, want = draw(m, n, k, ta, tb)
            close(product(a, b, ta, tb, (m, n)), want, k)
            bias = np.linspace(-1, 1, n, dtype="f4")
            close(product(a, b, ta, tb, (m, n), bias), want + bias, k)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 140), st.integers(1, 140), st.sampled_from(LAYOUTS))
def test_any_size(m: int, n: int, k: int, layout: tuple[bool, bool]) -> None:
    a, b, want = draw(m, n, k, *layout)
    close(product(a, b, *layout, (m, n)), want, k)


@pytest.mark.parametrize(("ta", "tb"), LAYOUTS)
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(128, 256, 784), (61, 2 * sgemm.WIDTH + 5, 60), (300, 33, 1000), (3, 700, 400)],
)
def test_several_blocks_and_tasks(m: int, n: int, k: int, ta: bool, tb: bool) -> None:
    a, b, want = draw(m, n, k, ta, tb)
    bias = np.linspace(0, 1, n, dtype="f4")
    close(product(a, b, ta, tb, (m, n), bias), want + bias, k)


@pytest.mark.parametrize(("ta", "tb"), LAYOUTS)
def test_many_at_once(ta: bool, tb: bool) -> None:
    a, b, want = draw(20, 30, 40, ta, tb, (5,))
    close(product(a, b, ta, tb, want.shape), want, 40)
    one = np.stack([want[0], *(x @ y for x, y in zip(views(a, ta)[1:], views(b[:1], tb)[[0] * 4]))])
    close(product(a, b[:1], ta, tb, want.shape), one, 40)
    one = np.stack([want[0], *(x @ y for x, y in zip(views(a[:1], ta)[[0] * 4], views(b, tb)[1:]))])
    close(product(a[:1], b, ta, tb, want.shape), one, 40)


def views(x: np.ndarray, turned: bool) -> np.ndarray:
    wide = x.astype("f8")
    return wide.swapaxes(-1, -2) if turned else wide


@pytest.mark.parametrize(("ta", "tb"), LAYOUTS)
def test_bits_do_not_depend_on_threads_or_on_other_rows(ta: bool, tb: bool) -> None:
    before = get_num_threads()
    a, b, _ = draw(200, 300, 500, ta, tb)
    results = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        results.append(product(a, b, ta, tb, (200, 300)))
    set_num_threads(before)
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    some = np.ascontiguousarray(a[:, 90:97] if ta else a[90:97])
    assert product(some, b, ta, tb, (7, 300)).tobytes() == results[0][90:97].tobytes()


def test_nan_and_infinity_stay_where_they_belong() -> None:
    a, b = np.ones((30, 50), "f4"), np.ones((50, 45), "f4")
    a[3, 7], a[4, 8], b[9, 44] = np.nan, np.inf, -np.inf
    for ta, tb in LAYOUTS:
        stored = np.ascontiguousarray(a.T) if ta else a, np.ascontiguousarray(b.T) if tb else b
        got = product(*stored, ta, tb, (30, 45))
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(got, a @ b)
    zeros = product(np.zeros((30, 50), "f4"), b, False, False, (30, 45))
    assert np.isnan(zeros[:, 44]).all()  # 0 * inf
    assert (zeros[:, :44] == 0).all()


class Fenced:
    """Copies of arrays, with a page that must not be read in front of or behind each."""

    def __init__(self, behind: bool) -> None:
        self.behind = behind
        self.pages: list[mmap.mmap] = []

    def copy(self, x: np.ndarray) -> np.ndarray:
        page = mmap.PAGESIZE
        size = -(-x.nbytes // page) * page
        pages = mmap.mmap(-1, size + 2 * page)
        self.pages.append(pages)
        base = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        for place in (base, base + page + size):
            assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(place), page, 0) == 0
        start = page + (size - x.nbytes if self.behind else 0)
        fenced = np.frombuffer(pages, x.dtype, x.size, start).reshape(x.shape)
        fenced[...] = x
        return fenced


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect")
@pytest.mark.parametrize("behind", [True, False])
def test_nothing_is_read_beyond_the_arrays(behind: bool) -> None:
    fences = Fenced(behind)
    for m, n, k in ((5, 5, 5), (13, 33, 17), (29, 70, 40), (60, 290, 90), (7, 10, 400)):
        for ta, tb in LAYOUTS:
            a, b, want = draw(m, n, k, ta, tb)
            a, b, out = (fences.copy(x) for x in (a, b, want.astype("f4")))
            sgemm.product(a, b, ta, tb, out, fences.copy(np.zeros(n, "f4")))
            close(out, want, k)


@jit
def _times(p, a, start, step, add, out):  # type: ignore[no-untyped-def]
    sgemm.times_packed(
        p, a.shape[0], a.ctypes.data, a.shape[1] * 4, start.ctypes.data, step, add,
        out.ctypes.data, out.shape[1] * 4,
    )  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (16, 512, 128), (7, 45, 900), (33, 100, 3)])
def test_a_packed_matrix(m: int, n: int, k: int, turned: bool) -> None:
    a, b, want = draw(m, n, k, False, turned)
    p, memory = sgemm.packed(b, turned)
    out, start = np.full((m, n), np.nan, "f4"), np.full((m, n), 3, "f4")
    _times(p, a, out, 4 * n, 0, out)
    close(out, want, k)
    _times(p, a, start, 4 * n, 1, out)
    close(out, want + 3, k)
    row = np.linspace(0, 1, n, dtype="f4")
    _times(p, a, row.reshape(1, n), 0, 1, out)
    close(out, want + row, k)
    _times(p, a, out, 4 * n, 1, out)
    close(out, 2 * want + row, 2 * k)
    assert memory.size


def test_matmul_adds_a_bias_of_any_kind() -> None:
    a, b, want = draw(70, 50, 60, False, True)
    bias = np.linspace(-1, 1, 100, dtype="f4")
    for given_bias in (bias[:50], bias[::2], bias[:50].astype("f8")):
        close(matmul(a, b.T, given_bias), want + given_bias, 60)
    small = matmul(a[:2, :3], b.T[:3], bias[:50])
    close(small, a[:2, :3].astype("f8") @ b.T[:3] + bias[:50], 3)
    assert matmul(a[:, :0], b.T[:0]).tolist() == np.zeros((70, 50)).tolist()


def test_the_heights_that_are_compiled_are_those_that_are_used() -> None:
    for m in range(1, 400):
        tiles = (m + sgemm.ROWS - 1) // sgemm.ROWS
        low = m // tiles
        used = {low + 1 if u < m - low * tiles else low for u in range(tiles)}
        assert used == sgemm._heights(m)
        assert used <= {h for n in range(1, 2 * sgemm.ROWS + 1) for h in sgemm._heights(n)}
