"""The Cholesky factorization, and what is solved with its factor.

LAPACK factors, by way of numpy; the derivative is that of Murray, "Differentiation of the Cholesky
decomposition", 2016.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.plain import plain
from minigrad.core.public import public
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.batching import same
from minigrad.ops.guard import guarded
from minigrad.ops.linear_algebra.matrices import (
    LinAlgError,
    cast_eye,
    check_matrix,
    check_same_type,
    check_square,
    chosen,
    positions,
    symmetric,
    whole,
)
from minigrad.ops.linear_algebra.triangular import substitute
from minigrad.ops.rearrange import diag_embed
from minigrad.ops.slices import diagonal, tril, triu

__all__ = ["cholesky_ex", "cholesky_inverse", "cholesky_solve", "linalg_cholesky"]


def _triangle(a: Array, part: str) -> Array:
    """`a` with what is to be read in the lower triangle."""
    return a.mT if part == "U" else symmetric(a) if part == "both" else a


def _order(a: Array) -> int:
    """The first leading minor that is not positive definite; 0 if all are."""
    for k in range(1, a.shape[-1] + 1):
        try:
            np.linalg.cholesky(a[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return 0


@plain
def _orders(a: Array, part: str) -> Array:
    a, info = _triangle(a, part), np.zeros(a.shape[:-2], np.int32)
    for place, _ in positions(info.shape):
        info[place] = _order(a[place])
    return info


def _cholesky_forward(a: Array, part: str) -> Array:
    a = _triangle(a, part)
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        for place, words in positions(a.shape[:-2]):
            order = _order(a[place])
            if order:
                raise LinAlgError(
                    f"linalg.cholesky: {words}The factorization could not be completed because the "
                    f"input is not positive-definite (the leading minor of order {order} is not "
                    "positive-definite)."
                ) from None
        raise


def _cholesky_grad(g: Tensor, y: Tensor) -> Tensor:
    """``L^-T P L^-1`` with P the symmetric part of ``L^T g`` without its upper triangle."""
    inner = tril(matmul(y.mT, g))
    inner = symmetric(inner - diag_embed(diagonal(inner, 0, -2, -1)) * 0.5)
    half = substitute(y.mT, inner, True)
    return substitute(y.mT, half.mT, True)


def _positive(*shape: int) -> Any:
    def make(rng: np.random.Generator) -> Any:
        a = rng.normal(size=shape)
        return (a @ a.mT + np.eye(shape[-1]),), ("both",)

    return make


_cholesky = primitive(
    "cholesky", _cholesky_forward, vjp=_cholesky_grad, batch=same,
    sample=cases(_positive(3, 3), _positive(2, 4, 4), _positive(0, 0)),
    doc="``L`` with ``L L^T = a``, read from one triangle of `a` or from their mean. The gradient "
    "is that in a symmetric matrix (Murray 2016).",
)  # fmt: skip


@guarded
def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular ``L`` with ``L L^T = A``, or its transpose.

    Parameters
    ----------
    A : Tensor
        ``(*, n, n)``, symmetric and positive definite. Only the lower triangle is read (with
        `upper` the upper one); the gradient is that in a symmetric matrix.
    upper : bool
        Return ``U = L^T``.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.

    References
    ----------
    Murray, "Differentiation of the Cholesky decomposition", 2016.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.cholesky(mg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    check_square(A, "linalg.cholesky")
    lower = _cholesky((A,), ("U" if upper else "L",))
    return lower.mT if upper else lower


@public(name="cholesky")
def _top_cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """As :func:`minigrad.linalg.cholesky`."""
    return linalg_cholesky(input, upper=upper)


class CholeskyEx(NamedTuple):
    """The factor, and which leading minor is not positive definite (0 if all are)."""

    L: Tensor
    info: Tensor


@guarded
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """As :func:`linalg_cholesky`, with a number for each matrix instead of an error.

    The factor of a matrix that is not positive definite is NaN.
    """
    check_square(A, "linalg.cholesky_ex")
    read("linalg.cholesky_ex", A)  # whether all are positive definite decides what is computed
    try:
        factor = linalg_cholesky(A, upper=upper)
        return CholeskyEx(factor, given(np.zeros(A.array.shape[:-2], np.int32)))
    except LinAlgError:
        if check_errors:
            raise
    info = _orders((A,), "U" if upper else "L")
    safe = e.choose(whole(info > 0), cast_eye(A), A)
    return CholeskyEx(chosen(info > 0, np.nan, linalg_cholesky(safe, upper=upper)), info)


# -- with a factor ---------------------------------------------------------------------------------


def _factor(L: Tensor, upper: bool) -> Tensor:
    return triu(L).mT if upper else tril(L)


@public
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """``X`` with ``L L^T X = input`` (with `upper`, ``L^T L``).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.cholesky_solve(mg.ones(1, 1), mg.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check_matrix(input, "cholesky_solve", "b")
    check_square(L, "cholesky_solve")
    check_same_type(L, input, "cholesky_solve")
    m, n = L.array.shape[-1], input.array.shape[-2]
    if m != n:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {m} by {m} but each b "
            f"matrix is {n} by {input.array.shape[-1]}"
        )
    lower = _factor(L, upper)
    return substitute(lower.mT, substitute(lower, input, False), True)


@public
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of ``L L^T`` (with `upper`, of ``L^T L``)."""
    check_square(L, "cholesky_inverse")
    unit = given(np.eye(L.array.shape[-1], dtype=L.array.dtype))
    half = substitute(_factor(L, upper), unit, False)
    return matmul(half.mT, half)
