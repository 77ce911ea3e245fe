"""Functions of one row of memory that kernels are made of: sums, products, extremes, copies.

A sum in the dtype of the row adds at most `BLOCK` values, so that its error is bounded; longer rows
are added block by block, in float64.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.run.jit import BLOCK, jit, jit_sum
from minigrad.kernels.scalar import from_order_key, larger, order_key

__all__ = [
    "copy", "dot", "row_extreme", "row_moments", "row_sum", "squares_block", "sum_block",
]  # fmt: skip


@jit_sum
def sum_block(x):
    """Sum of at most `BLOCK` values in their own dtype, in vector lanes."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


@jit_sum
def squares_block(x, center):
    """Sum of ``(x - center)**2`` over at most `BLOCK` values, in their dtype."""
    total = x.dtype.type(0)
    for i in range(x.size):
        total += (x[i] - center) * (x[i] - center)
    return total


@jit_sum
def dot(a, b):
    """Sum of the products of two rows, in their own dtype."""
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@jit
def row_sum(x):
    """Sum of a row of any length, as float64: blocks in the row's dtype, added in float64."""
    total = 0.0
    for start in range(0, x.size, BLOCK):
        total += np.float64(sum_block(x[start : start + BLOCK]))
    return total


@jit
def row_moments(x):
    """Mean of a row and sum of its squared deviations, float64.

    Each block is read twice while it is in the cache; blocks are joined by Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """
    count, mean, squares = 0, 0.0, 0.0
    for start in range(0, x.size, BLOCK):
        block = x[start : start + BLOCK]
        block_mean = np.float64(sum_block(block)) / block.size
        total = count + block.size
        step = block_mean - mean
        squares += np.float64(squares_block(block, x.dtype.type(block_mean)))
        squares += step * step * (count * block.size / total)
        mean += step * (block.size / total)
        count = total
    return mean, squares


@jit
def row_extreme(x, down):
    """Largest value of a row, or the smallest if `down`; NaN if there is one."""
    best = order_key(x[0], down)
    for i in range(x.size):
        best = larger(best, order_key(x[i], down))
    return from_order_key(best, down)


@jit
def copy(acc, row):
    """``acc[i] = row[i]`` (a slice assignment would compile numba's shape errors as well)."""
    for i in range(acc.size):
        acc[i] = row[i]
