"""Triangular systems and LU factorizations, which numpy does not offer: small blocks by loops here,
the rest as matrix products.

Both work on blocks (Golub and Van Loan 2013, section 3.2): only the diagonal blocks are left to the
loops, and all that lies beside them, where most of the arithmetic is, goes to BLAS.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for, pool_address

__all__ = ["factor", "permutation", "solve"]

Array = np.ndarray[Any, Any]

#: Rows of a diagonal block.
BLOCK = 64


# -- triangular systems ----------------------------------------------------------------------------


@jit
def _substitute(a, x, upper, unit, b0, b1):
    """Solve ``a[m] y = x[m]`` into ``x[m]``, row by row: forwards, or backwards if `upper`."""
    n, columns = x.shape[1], x.shape[2]
    for m in range(b0, b1):
        for step in range(n):
            i = n - 1 - step if upper else step
            first, last = (i + 1, n) if upper else (0, i)
            row = x[m, i]
            for k in range(first, last):
                factor, other = a[m, i, k], x[m, k]
                for j in range(columns):
                    row[j] -= factor * other[j]
            if not unit:
                pivot = a[m, i, i]
                for j in range(columns):
                    row[j] /= pivot


@jit
def _substitute_all(pool, a, x, upper, unit):
    parallel_for(pool, _substitute, (a, x, upper, unit), a.shape[0])


def _solve_block(a: Array, x: Array, upper: bool, unit: bool) -> None:
    n, columns = x.shape[-2:]
    work = np.ascontiguousarray(x).reshape(-1, n, columns)
    a = np.ascontiguousarray(a).reshape(-1, n, n)
    shared = a.shape[0] > 1 and work.size * n >= costs.SUBSTITUTED
    _substitute_all(pool_address() if shared else 0, a, work, upper, unit)
    if not np.shares_memory(work, x):
        x[...] = work.reshape(x.shape)


def _solve_into(a: Array, x: Array, upper: bool, unit: bool) -> None:
    """Halve the matrix, solve one half, take what it contributes from the rest, solve that."""
    n = x.shape[-2]
    if n <= BLOCK:
        _solve_block(a, x, upper, unit)
        return
    h = n // 2
    first, second = slice(0, h), slice(h, n)
    if upper:
        first, second = second, first
    _solve_into(a[..., first, first], x[..., first, :], upper, unit)
    x[..., second, :] -= a[..., second, first] @ x[..., first, :]
    _solve_into(a[..., second, second], x[..., second, :], upper, unit)


def solve(a: Array, b: Array, upper: bool, unit: bool) -> Array:
    """``x`` with ``a x = b`` for triangular `a`; the other triangle is not looked at.

    Parameters
    ----------
    a : numpy.ndarray
        ``(*, n, n)``.
    b : numpy.ndarray
        ``(*, n, k)`` of the same type; the leading dimensions broadcast.
    upper : bool
        Whether the upper triangle is meant, or the lower one.
    unit : bool
        Whether to take the diagonal as ones.
    """
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.empty(lead + b.shape[-2:], b.dtype)
    x[...] = b
    if x.size:
        a = np.broadcast_to(a, lead + a.shape[-2:])
        _solve_into(a, x, upper, unit)
    return x


# -- LU factorization ------------------------------------------------------------------------------


@jit
def _eliminate(a, pivots, pivoting, b0, b1):
    """Gaussian elimination of ``a[m]`` in place, the largest of each column first."""
    rows, columns = a.shape[1], a.shape[2]
    for m in range(b0, b1):
        for k in range(min(rows, columns)):
            best = k
            if pivoting:
                size = abs(a[m, k, k])
                for i in range(k + 1, rows):
                    if abs(a[m, i, k]) > size:
                        best, size = i, abs(a[m, i, k])
                if best != k:
                    for j in range(columns):
                        a[m, k, j], a[m, best, j] = a[m, best, j], a[m, k, j]
            pivots[m, k] = best
            pivot, top = a[m, k, k], a[m, k]
            if pivot == 0:  # the column is zero from here on: nothing to eliminate
                continue
            for i in range(k + 1, rows):
                row = a[m, i]
                factor = row[k] / pivot
                row[k] = factor
                for j in range(k + 1, columns):
                    row[j] -= factor * top[j]


@jit
def _eliminate_all(pool, a, pivots, pivoting):
    parallel_for(pool, _eliminate, (a, pivots, pivoting), a.shape[0])


def _factor_blocks(a: Array, pivots: Array, pivoting: bool) -> None:
    """One large matrix: eliminate a panel of columns, then update what is right of it."""
    m, n = a.shape
    for k in range(0, min(m, n), BLOCK):
        end = min(k + BLOCK, m, n)
        panel = np.ascontiguousarray(a[k:, k:end])[None]
        own = np.empty((1, min(panel.shape[1:])), np.int64)
        _eliminate_all(0, panel, own, pivoting)
        for j, p in enumerate(own[0]):  # the same exchanges in the columns beside the panel
            pivots[k + j] = k + p
            if p != j:
                a[[k + j, k + p]] = a[[k + p, k + j]]
        a[k:, k:end] = panel[0]
        if end < n:
            corner = a[k:end, end:]
            _solve_into(a[k:end, k:end], corner, False, True)
            a[end:, end:] -= a[end:, k:end] @ corner


def factor(a: Array, pivoting: bool = True) -> tuple[Array, Array]:
    """``P L U`` of matrices ``(*, m, n)``: L below the diagonal of the result, U on and above it.

    Also returns the row, counted from 0, that each row was exchanged with, one after the other.
    """
    m, n = a.shape[-2:]
    packed = np.array(a, order="C").reshape(prod(a.shape[:-2]), m, n)
    pivots = np.empty((packed.shape[0], min(m, n)), np.int64)
    if packed.size and min(m, n) <= BLOCK:
        pool = pool_address() if packed.shape[0] > 1 and packed.size * m >= costs.SUBSTITUTED else 0
        _eliminate_all(pool, packed, pivots, pivoting)
    elif packed.size:
        for matrix, own in zip(packed, pivots, strict=True):
            _factor_blocks(matrix, own, pivoting)
    return packed.reshape(a.shape), pivots.reshape(*a.shape[:-2], min(m, n))


def permutation(pivots: Array, rows: int) -> Array:
    """Where each row of the exchanged matrix was before, from the exchanges, counted from 0."""
    flat = pivots.reshape(prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(rows), (flat.shape[0], 1))
    each = np.arange(flat.shape[0])
    for k in range(flat.shape[1]):
        p = flat[:, k]
        order[each, k], order[each, p] = order[each, p], order[each, k].copy()
    return order.reshape(*pivots.shape[:-1], rows)
