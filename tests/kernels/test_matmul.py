"""Matrix products against numpy, in every layout, below and above the sizes that are cut up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from minigrad.kernels.matmul import blas
from minigrad.kernels.matmul.blas import get_blas_threads
from minigrad.kernels.matmul.gemm import one_thread, restore_threads
from minigrad.kernels.matmul.product import matmul
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.settings import get_num_threads, set_num_threads


@jit
def use_one_thread():
    one_thread()


@jit
def use_them_again():
    restore_threads()


SHAPES = [
    ((3, 4), (4, 5)),
    ((129, 70), (70, 131)),
    ((64, 128), (128, 64)),
    ((500, 33), (33, 300)),
    ((7, 2000), (2000, 300)),
    ((300, 1), (1, 1000)),
    ((5, 40, 50), (50, 60)),
    ((6, 40, 50), (6, 50, 60)),
    ((2, 1, 40, 50), (3, 50, 60)),
    ((4,), (4, 5)),
    ((0, 4), (4, 5)),
    ((3, 0), (0, 5)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("first", "second"), SHAPES)
def test_equals_numpy(first: Any, second: Any, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=first).astype(dtype), rng.normal(size=second).astype(dtype)
    want = np.matmul(a.astype(np.float64), b.astype(np.float64))
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    layouts = [a, np.asfortranarray(a), np.repeat(a, 2, -1)[..., ::2]]
    if a.ndim > 2:
        layouts.append(np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2))
    for x in layouts:
        for y in (
            b,
            np.asfortranarray(b),
            np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2),
        ):
            got = matmul(x, y)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, want, atol=tolerance * max(1, first[-1]) ** 0.5)


def test_integers_and_mixed_types_go_to_numpy() -> None:
    a = np.arange(6).reshape(2, 3)
    assert matmul(a, a.T).tolist() == [[5, 14], [14, 50]]
    assert matmul(a, np.ones((3, 1))).dtype == np.float64


def test_bits_do_not_depend_on_threads_and_openblas_is_left_as_it_was() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 200)), rng.normal(size=(200, 250))
    before, blas = get_num_threads(), get_blas_threads()
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        results.append(matmul(a, b).tobytes())
    set_num_threads(before)
    assert results[0] == results[1] == results[2]
    if blas is not None:
        set_blas = get_blas_threads()
        matmul(a, b)
        assert get_blas_threads() == set_blas


@pytest.mark.skipif(get_blas_threads() is None, reason="numpy's BLAS is not OpenBLAS")
def test_products_in_several_threads_leave_openblas_as_it_was() -> None:
    a = np.random.default_rng(0).normal(size=(300, 300))
    want, before = matmul(a, a), get_num_threads()

    def multiply() -> None:
        for _ in range(100):
            assert (matmul(a, a) == want).all()

    set_num_threads(3)
    try:
        with ThreadPoolExecutor(8) as workers:
            for done in [workers.submit(multiply) for _ in range(8)]:
                done.result()
        assert get_blas_threads() == 3
    finally:
        set_num_threads(before)


@pytest.mark.skipif(get_blas_threads() is None, reason="numpy's BLAS is not OpenBLAS")
def test_threads_asked_for_during_a_product_hold_after_it() -> None:
    before = get_num_threads()
    functions = blas._functions()
    assert functions is not None
    use_one_thread()
    try:
        use_one_thread()
        assert functions[0]() == 1
        set_num_threads(3)
        assert functions[0]() == 1
        assert get_blas_threads() == 3
        use_them_again()
        assert functions[0]() == 1
        use_them_again()
        assert functions[0]() == 3
    finally:
        set_num_threads(before)


@pytest.mark.skipif(get_blas_threads() is None, reason="numpy's BLAS is not OpenBLAS")
def test_a_forked_child_does_not_wait_for_products_of_its_parent() -> None:
    before = get_blas_threads()
    blas.STATE[blas.LOCK // 8] = blas.STATE[blas.USERS // 8] = 1
    blas.STATE[blas.THREADS // 8] = 3
    blas._forget_users()
    assert list(blas.STATE)[:2] == [0, 0]
    assert get_blas_threads() == 3
    blas.set_blas_threads(before or 1)
