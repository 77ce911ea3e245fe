"""Matrices: products, factorizations, solving, norms, functions of matrices."""

from minigrad.ops.linear_algebra import (
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
    "determinant",
    "einsum",
    "factorizations",
    "lu",
    "matrices",
    "matrix_functions",
    "norms",
    "products",
    "solve",
    "triangular",
]
