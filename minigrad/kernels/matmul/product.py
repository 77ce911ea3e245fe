"""Matrix products: kernels of our own or numpy's OpenBLAS, their parts shared by our pool.

Products of float32 are those of `kernels.matmul.sgemm`, where the processor has what they
need. The others go to OpenBLAS, which has threads of its own that wait for each other by spinning.
Where another process, or our own pool, holds a core, a product of two 64 x 128 matrices then takes
10 ms instead of 10 us. So larger products are cut into panels of rows or columns here, each one
call of OpenBLAS on one thread, and the pool shares the panels. The cut depends on the sizes alone,
and so do the bits.

Below :data:`OPENBLAS_SERIAL` multiplications OpenBLAS uses one thread anyway, and numpy's own call
serves; so it does for other types, and where numpy was built on another BLAS.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.matmul import sgemm
from minigrad.kernels.matmul.gemm import AVAILABLE, gemm, one_thread, restore_threads
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for, pool_address

__all__ = ["matmul"]

Array = np.ndarray[Any, Any]
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

#: Up to this many multiplications OpenBLAS runs on one thread (its SMP_THRESHOLD_MIN times its
#: GEMM_MULTITHREAD_THRESHOLD).
OPENBLAS_SERIAL = 262_144
#: Multiplications that make a panel worth a claim of its own: some 20 us of work.
PANEL = 1_000_000
#: More panels would pack the other operand again and again.
MOST_PANELS = 16

#: Rows and columns of the result from which our own kernels are quicker: less is a matrix times a
#: vector, for which the speed of memory counts.
OWN_ROWS, OWN_COLUMNS = 2, 3


@jit
def _part(a, b, c, ta, tb, i0, m, j0, n):
    """Rows ``i0:i0+m``, columns ``j0:j0+n`` of the product; `ta`, `tb`: stored transposed."""
    lda, ldb, ldc = a.shape[1], b.shape[1], c.shape[1]
    k = a.shape[0] if ta else a.shape[1]
    size = c.itemsize
    a_at = a.ctypes.data + size * (i0 if ta else i0 * lda)
    b_at = b.ctypes.data + size * (j0 * ldb if tb else j0)
    c_at = c.ctypes.data + size * (i0 * ldc + j0)
    one, zero = c.dtype.type(1), c.dtype.type(0)
    gemm(c, ta, tb, m, n, k, one, a_at, lda, b_at, ldb, zero, c_at, ldc)


@jit
def _panels(a, b, c, ta, tb, count, b0, b1):
    m, n = c.shape
    tall = m >= n
    for p in range(b0, b1):
        size = m if tall else n
        lo, hi = p * size // count, (p + 1) * size // count
        i0, rows, j0, columns = 0, m, lo, hi - lo
        if tall:
            i0, rows, j0, columns = lo, hi - lo, 0, n
        _part(a, b, c, ta, tb, i0, rows, j0, columns)


@jit
def _whole(a, b, c, ta, tb):
    """A product of one panel, without the pool: it compiles three times as fast."""
    one_thread()
    _part(a, b, c, ta, tb, 0, c.shape[0], 0, c.shape[1])
    restore_threads()


@jit
def _product(pool, a, b, c, ta, tb, count):
    one_thread()
    parallel_for(pool, _panels, (a, b, c, ta, tb, count), count)
    restore_threads()


@jit
def _matrices(a, b, c, ta, tb, b0, b1):
    for i in range(b0, b1):
        _part(a[i], b[i], c[i], ta, tb, 0, c.shape[1], 0, c.shape[2])


@jit
def _products(pool, a, b, c, ta, tb):
    one_thread()
    parallel_for(pool, _matrices, (a, b, c, ta, tb), c.shape[0])
    restore_threads()


def _stored(x: Array) -> tuple[Array, bool]:
    """The memory of a matrix (or of many) in row-major order, and whether that is its transpose."""
    if x.flags.c_contiguous:
        return x, False
    flipped = x.T if x.ndim == 2 else x.swapaxes(-1, -2)
    if flipped.flags.c_contiguous:
        return flipped, True
    return np.ascontiguousarray(x), False


def _is_own(dtype: np.dtype[Any], m: int, n: int, work: int) -> bool:
    """Whether a product, or many of this size, of so much work in all, is one for `sgemm`."""
    large = work >= costs.OWN_PRODUCT and m >= OWN_ROWS and n >= OWN_COLUMNS
    return large and dtype is FLOAT32 and sgemm.AVAILABLE


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """``a @ b``, with numpy's rules for vectors, matrices and batches of matrices; plus a `bias`.

    Parameters
    ----------
    a, b : ndarray
        Of one type, of any layout; the inner sizes agree and the batch dimensions broadcast.
    bias : ndarray, optional
        Added to each row of the result: one number for each column.

    Examples
    --------
    >>> import numpy as np
    >>> matmul(np.ones((2, 3)), np.ones((3, 2)))
    array([[3., 3.],
           [3., 3.]])
    """
    if a.dtype is not b.dtype or a.dtype not in (FLOAT32, FLOAT64):
        return _plus(np.asarray(np.matmul(a, b)), bias)
    if a.ndim == 2 and b.ndim == 2:
        return _matrix(a, b, bias)
    if a.ndim < 2 or b.ndim < 2 or 0 in a.shape or 0 in b.shape or a.shape[-1] != b.shape[-2]:
        return _plus(np.asarray(np.matmul(a, b)), bias)
    if b.ndim == 2:  # many matrices times one are one larger product
        rows = _matrix(a.reshape(-1, a.shape[-1]), b, bias)
        return rows.reshape(*a.shape[:-1], b.shape[1])
    return _plus(_batched(a, b), bias)


def _plus(product: Array, bias: Array | None) -> Array:
    if bias is not None:
        product += bias
    return product


def _matrix(a: Array, b: Array, bias: Array | None) -> Array:
    """The product of two matrices."""
    (m, k), n = a.shape, b.shape[1]
    work = m * n * k
    own = _is_own(a.dtype, m, n, work)
    if k != b.shape[0] or (not own and (work <= OPENBLAS_SERIAL or not AVAILABLE)):
        return _plus(np.asarray(np.dot(a, b)), bias)  # as np.matmul (it refuses, too), but quicker
    out = np.empty((m, n), a.dtype)
    (a, ta), (b, tb) = _stored(a), _stored(b)
    if own:
        plain = bias is None or (bias.dtype is FLOAT32 and bias.flags.c_contiguous)
        sgemm.product(a, b, ta, tb, out, bias if plain else None)
        return out if plain else _plus(out, bias)
    count = min(MOST_PANELS, max(m, n), work // PANEL + 1)
    if count == 1:
        _whole(a, b, out, ta, tb)
    else:
        _product(pool_address(), a, b, out, ta, tb, count)
    return _plus(out, bias)


def _batched(a: Array, b: Array) -> Array:
    """A product per pair of matrices; the pool shares the pairs."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    (m, k), n = a.shape[-2:], b.shape[-1]
    shape = (*batch, m, n)
    work = k * math.prod(shape)
    own = _is_own(a.dtype, m, n, work)
    if not own and (work <= OPENBLAS_SERIAL or not AVAILABLE):
        return np.asarray(np.matmul(a, b))
    (a, ta), (b, tb) = _stored(a), _stored(b)
    a, b = _flat(a, batch, own), _flat(b, batch, own)
    out = np.empty(shape, a.dtype)
    if own:
        sgemm.product(a, b, ta, tb, out.reshape(-1, m, n))
    else:
        _products(pool_address(), a, b, out.reshape(-1, m, n), ta, tb)
    return out


def _flat(x: Array, batch: tuple[int, ...], single: bool) -> Array:
    """Many matrices in a row, one for each product, or a `single` one if all products share it."""
    if single and math.prod(x.shape[:-2]) == 1:
        return x.reshape(1, *x.shape[-2:])
    whole = np.broadcast_to(x, (*batch, *x.shape[-2:]))
    return np.ascontiguousarray(whole).reshape(-1, *x.shape[-2:])
