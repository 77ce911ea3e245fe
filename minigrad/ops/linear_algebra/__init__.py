"""Matrices: products, factorizations, solving, norms, functions of matrices."""

from minigrad.ops.linear_algebra import (
    cholesky,
    contraction,
    determinant,
    einsum,
    factorizations,
    lu,
    matrices,
    matrix_functions,
    norms,
    products,
    solve,
    triangular,
)

__all__ = [
    "cholesky", "contraction", "determinant", "einsum", "factorizations", "lu", "matrices",
    "matrix_functions", "norms", "products", "solve", "triangular",
]  # fmt: skip
