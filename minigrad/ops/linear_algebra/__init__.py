"""Matrices: products, factorizations, solving, norms, functions of matrices.

What factors or solves is loaded when somebody asks for it (:mod:`minigrad.ops.later`).
"""

from minigrad.ops.linear_algebra import contraction, einsum, matrices, norms, products

__all__ = ["contraction", "einsum", "matrices", "norms", "products"]
