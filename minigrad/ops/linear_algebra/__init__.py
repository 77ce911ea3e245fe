"""Matrices: products, factorizations, solving, norms, functions of matrices."""

from minigrad.ops.linear_algebra import (
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
    "contraction", "determinant", "einsum", "factorizations", "lu", "matrices", "matrix_functions",
    "norms", "products", "solve", "triangular",
]  # fmt: skip
