"""Systems of equations with triangular matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops.matmul import matmul
from minigrad.core.public import public
from minigrad.core.samples import cases
from minigrad.core.tensor import Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import broadcasting
from minigrad.ops.guard import guarded
from minigrad.ops.linear_algebra.matrices import check_matrix, check_same_type, check_square
from minigrad.ops.slices import tril, triu

__all__ = ["solve_triangular", "substitute", "triangular_solve"]

kernels = lazy("triangular")


def _grad(g: Tensor, a: Tensor, y: Tensor, upper: bool, unit: bool) -> tuple[Tensor, Tensor]:
    """``b' = a^-T g`` and ``a' = -b' y^T``, in the triangle that was read (Giles 2008, 2.3.1)."""
    gb = substitute(a.mT, g, not upper, unit)
    ga = -matmul(gb, y.mT)
    skip = 1 if unit else 0
    return triu(ga, skip) if upper else tril(ga, -skip), gb


def _sample(a: tuple[int, ...], b: tuple[int, ...], upper: bool, unit: bool) -> Any:
    def make(rng: np.random.Generator) -> Any:
        n = a[-1]
        return (rng.normal(size=a) / 2 + 2 * np.eye(n), rng.normal(size=b)), (upper, unit)

    return make


_solve = primitive(
    "solve_triangular", lambda a, b, upper, unit: kernels.solve(a, b, upper, unit), inputs=2,
    broadcasts=True, vjp=_grad, batch=broadcasting,
    sample=cases(
        _sample((3, 3), (3, 2), True, False), _sample((3, 3), (3, 1), False, False),
        _sample((2, 3, 3), (3, 2), False, True), _sample((3, 3), (2, 3, 2), True, True),
        _sample((0, 0), (0, 2), True, False),
    ),
    doc="``x`` with ``a x = b``; the other triangle of `a` is not looked at.",
)  # fmt: skip


def substitute(a: Tensor, b: Tensor, upper: bool, unit: bool = False) -> Tensor:
    """``a^-1 b`` for triangular `a`, unchecked."""
    return _solve((a, b), (upper, unit))


@guarded
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """``X`` with ``A X = B`` for a triangular matrix, or ``X A = B`` with `left` False.

    Parameters
    ----------
    A : Tensor
        ``(*, n, n)``; only one triangle is looked at. Zeros on the diagonal give infinities.
    B : Tensor
        ``(*, n, k)``, or ``(*, k, n)`` with `left` False; leading dimensions broadcast.
    upper : bool
        Whether `A` is an upper triangular matrix, or a lower one.
    left : bool
        On which side of `X` the matrix stands.
    unitriangular : bool
        Whether to take the diagonal of `A` as ones.

    Raises
    ------
    RuntimeError
        If the sizes do not fit, or the types differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> A = mg.tensor([[2.0, 1.0], [0.0, 4.0]])
    >>> mg.linalg.solve_triangular(A, mg.tensor([[4.0], [8.0]]), upper=True)
    tensor([[1.],
            [2.]])
    """
    name = "linalg.solve_triangular"
    check_square(A, name)
    check_matrix(B, name, "B")
    check_same_type(A, B, name)
    m, n = A.array.shape[-1], B.array.shape[-2 if left else -1]
    if m != n:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} "
            f"({m}x{m} and {B.array.shape[-2]}x{B.array.shape[-1]})"
        )
    if left:
        return substitute(A, B, bool(upper), bool(unitriangular))
    return substitute(A.mT, B.mT, not upper, bool(unitriangular)).mT


class TriangularSolve(NamedTuple):
    """The solution, and a copy of the matrix."""

    solution: Tensor
    cloned_coefficient: Tensor


@public
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolve:
    """As :func:`minigrad.linalg.solve_triangular`, which replaces it in PyTorch."""
    matrix, high = (A.mT, not upper) if transpose else (A, upper)
    x = solve_triangular(matrix, b, upper=high, unitriangular=unitriangular)
    return TriangularSolve(x, A.clone())
