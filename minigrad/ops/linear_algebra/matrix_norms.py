"""Norms of matrices, their ranks and condition numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.dims import wrap_dim
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.reduce import amax, amin, sum
from minigrad.core.public import public
from minigrad.core.tensor import Tensor, given
from minigrad.ops.guard import guarded
from minigrad.ops.linear_algebra.factorizations import eigvalsh, svdvals
from minigrad.ops.linear_algebra.matrices import check_matrix, check_square
from minigrad.ops.linear_algebra.norms import INF, converted, vector_norm
from minigrad.ops.linear_algebra.solve import count_large, inverse_or_nan, tolerances
from minigrad.ops.shape import movedim, unsqueeze
from minigrad.ops.slices import select

__all__ = ["cond", "linalg_norm", "matrix_norm", "matrix_rank", "nuclear_norm"]


@guarded
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of the matrices in two dimensions.

    Parameters
    ----------
    A : Tensor
    ord : {"fro", "nuc", inf, -inf, 1, -1, 2, -2}
        "fro" is the root of the sum of squares; "nuc" the sum of singular values; 2 and -2 the
        largest and smallest of them; 1 and -1 the largest and smallest sum of sizes in a column,
        inf and -inf in a row.
    dim : tuple of int
    keepdim : bool
    dtype : dtype, optional

    Raises
    ------
    RuntimeError
        If there is no such norm.

    Examples
    --------
    >>> import minigrad as mg
    >>> A = mg.tensor([[1.0, -2.0], [3.0, 4.0]])
    >>> mg.linalg.matrix_norm(A, ord=1), mg.linalg.matrix_norm(A, ord=float("inf"))
    (tensor(6.), tensor(7.))
    """
    name = "linalg.matrix_norm"
    A = converted(A, dtype, name)
    if A.array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    known = ord in ("fro", "nuc") if isinstance(ord, str) else abs(ord) in (1, 2, INF)
    if not known:
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    row, column = (wrap_dim(d, A.array.ndim, name) for d in dims)
    if row == column:
        raise RuntimeError(f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    if ord == "fro":
        return vector_norm(A, 2, (row, column), keepdim)
    if ord == "nuc" or abs(ord) == 2:
        values = svdvals(movedim(A, (row, column), (-2, -1)))
        if ord == "nuc" or (ord > 0 and not values.array.shape[-1]):
            found = sum(values, -1)  # that of no values is 0
        else:
            found = (amax if ord > 0 else amin)(values, -1)
    else:
        first, second = (row, column) if abs(ord) == 1 else (column, row)
        second -= second > first  # the first of them is gone by then
        sums = vector_norm(A, 1, first)
        empty = ord > 0 and not sums.array.shape[second]
        found = (sum if empty else amax if ord > 0 else amin)(sums, second)
    for d in sorted((row, column)) if keepdim else ():
        found = unsqueeze(found, d)
    return found


@guarded
def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A norm of vectors (:func:`vector_norm`) or matrices (:func:`matrix_norm`).

    One dimension means vectors, two mean matrices; without `ord` it is the root of the sum of
    squares of whatever there is.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.norm(mg.tensor([[3.0, 0.0], [0.0, 4.0]])), mg.linalg.norm(mg.eye(2), "nuc")
    (tensor(5.), tensor(2.))
    """
    if dim is not None:
        dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
        if len(dims) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
            )
    elif ord is not None and A.array.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.array.ndim}D."
        )
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if isinstance(ord, str) or (len(dims) == 2 if dim is not None else A.array.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dims, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


@public(method=False)
def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The sum of the singular values."""
    return matrix_norm(input, "nuc", dim, keepdim)


# -- rank and condition ----------------------------------------------------------------------------


@guarded
def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values are larger than ``max(atol, rtol * largest)``.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``.
    tol : float or Tensor, optional
        Another name of `atol`.
    hermitian : bool
        Read the lower triangle of symmetric matrices only.
    atol, rtol : float or Tensor, optional
        By default `rtol` is ``max(m, n)`` times the precision of the type, or 0 if `atol` is given.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.matrix_rank(mg.ones(3, 3))
    tensor(1)
    """
    A = check_matrix(A, "linalg.matrix_rank").detach()
    size = e.abs(eigvalsh(A)) if hermitian else svdvals(A)
    return count_large(size, *tolerances(A, atol if tol is None else tol, rtol))


@guarded
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number ``|A| |A^-1|`` in some norm; by default the ratio of the largest to the
    smallest singular value.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``; square for other norms than 2 and -2.
    p : {None, 2, -2, "fro", "nuc", inf, -inf, 1, -1}
        As for :func:`matrix_norm`. Singular matrices give infinity.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.cond(mg.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    name = "linalg.cond"
    check_matrix(A, name)
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        if not A.array.size:
            return given(np.zeros(A.array.shape[:-2], A.array.dtype))
        s = svdvals(A)
        small, large = select(s, -1, -1), select(s, -1, 0)
        return small / large if p == -2 else large / small
    check_square(A, f"{name}(ord={p})")
    if not A.array.size:
        return given(np.zeros(A.array.shape[:-2], A.array.dtype))
    inverse = inverse_or_nan(A)
    singular = e.isnan(inverse) & ~e.isnan(A).any()
    found = matrix_norm(A, p) * matrix_norm(e.choose(singular, 0.0, inverse), p)
    return e.choose(singular.all(-1).all(-1), INF, found)
