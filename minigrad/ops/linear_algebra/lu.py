"""LU factorization with exchanges of rows, and what is solved with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.reduce import amax, sum
from minigrad.core.ops.shape import expand
from minigrad.core.promotion import cast
from minigrad.core.public import public
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import same
from minigrad.ops.guard import guarded
from minigrad.ops.join import cat
from minigrad.ops.linear_algebra.matrices import (
    LinAlgError,
    check_matrix,
    check_same_type,
    check_square,
    positions,
)
from minigrad.ops.linear_algebra.triangular import substitute
from minigrad.ops.scatter import gather
from minigrad.ops.slices import diagonal, narrow, tril, triu

__all__ = ["linalg_lu", "linalg_lu_solve", "lu_factor", "lu_factor_ex"]

kernels = lazy("triangular")

# -- the factorization -----------------------------------------------------------------------------


def _square_grad(gl: Tensor, gu: Tensor, packed: Tensor) -> Tensor:
    """``L^-T [strict lower of (L^T gL) + upper of (gU U^T)] U^-T``."""
    lower = tril(packed, -1)
    inner = tril(matmul(lower.mT, gl) + gl, -1) + triu(matmul(gu, triu(packed).mT))
    left = substitute(packed.mT, inner, True, True)
    return substitute(packed, left.mT, True).mT


def _lu_grad(g: Tensor, y: Tensor) -> Tensor:
    """A wide matrix has ``U2 = L^-1 A2`` on the right, a tall one ``L2 = A2 U^-1`` below."""
    m, n = y.array.shape[-2:]
    k = min(m, n)
    packed, top = narrow(narrow(y, -2, 0, k), -1, 0, k), narrow(narrow(g, -2, 0, k), -1, 0, k)
    gl, gu = tril(top, -1), triu(top)
    if n > m:
        right, g_right = narrow(y, -1, k, n - k), narrow(g, -1, k, n - k)
        ga = substitute(packed.mT, g_right, True, True)
        return cat([_square_grad(gl - matmul(ga, right.mT), gu, packed), ga], -1)
    if m > n:
        below, g_below = narrow(y, -2, k, m - k), narrow(g, -2, k, m - k)
        ga = substitute(packed, g_below.mT, True).mT
        return cat([_square_grad(gl, gu - matmul(below.mT, ga), packed), ga], -2)
    return _square_grad(gl, gu, packed)


def _steep(*shape: int) -> Any:
    """Matrices that need no exchanges."""
    return lambda rng: (rng.normal(size=shape) / 2 + 3 * np.eye(shape[-2], shape[-1]),)


_lu_in_order = primitive(
    "lu_in_order", lambda a: kernels.factor(a, False)[0], vjp=_lu_grad, batch=same,
    sample=cases(
        lambda rng: (_steep(3, 3)(rng), ()), lambda rng: (_steep(2, 3, 4)(rng), ()),
        lambda rng: (_steep(4, 2)(rng), ()), lambda rng: (_steep(0, 2)(rng), ()),
    ),
    doc="``L U`` without exchanges of rows: L below the diagonal of the result, U on and above it.",
)  # fmt: skip


def _lu_forward(a: Array) -> tuple[Array, ...]:
    packed, pivots = kernels.factor(a)
    order = kernels.permutation(pivots, a.shape[-2])
    return packed, (pivots + 1).astype(np.int32), order


_lu_pivoted = primitive(
    "lu_pivoted", _lu_forward, results=3, batch=same,
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 3)),), ()),
        lambda rng: ((rng.normal(size=(2, 4, 3)),), ()),
    ),
    doc="L and U in one matrix, the exchanges of rows counted from 1, and the order they lead to.",
)  # fmt: skip
_lu_order = primitive(
    "lu_order", lambda pivots, rows: kernels.permutation(pivots.astype(np.int64) - 1, rows),
    batch=same, sample=cases(lambda rng: ((np.array([2, 2, 3], np.int32),), (3,))),
    doc="The order of rows that exchanges lead to.",
)  # fmt: skip


def _by_rows(x: Tensor, order: Tensor) -> Tensor:
    """The rows of `x` in another order."""
    lead = np.broadcast_shapes(x.array.shape[:-2], order.array.shape[:-1])
    wide = expand(x, (*lead, *x.array.shape[-2:]))
    return gather(wide, -2, expand(order.unsqueeze(-1), wide.array.shape))


def _permutation(order: Tensor, kind: np.dtype[Any]) -> Tensor:
    """The matrix that puts rows back that were taken in this order."""
    rows = given(np.arange(order.array.shape[-1])[:, None])
    return cast(e.eq(order.unsqueeze(-2), rows), kind)


def _factored(A: Tensor, pivot: bool, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """``(packed, pivots, order)``, the first of them in the graph."""
    check_matrix(A, name)
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")
    packed, pivots, order = _lu_pivoted((A,))
    if A.requires_grad:
        packed = _lu_in_order((_by_rows(A, order),))
    return packed, pivots, order


class LUFactor(NamedTuple):
    """L and U in one matrix, and the exchanges of rows, counted from 1."""

    LU: Tensor
    pivots: Tensor


class LUFactorEx(NamedTuple):
    """The same, and which diagonal element of U is zero (0 for none)."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


@guarded
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> LUFactorEx:
    """As :func:`lu_factor`, with a number for each matrix instead of an error."""
    packed, pivots, _ = _factored(A, pivot, "linalg.lu_factor_ex")
    zero = diagonal(packed, 0, -2, -1) == 0
    size = zero.array.shape[-1]
    after = given(np.arange(size, 0, -1, dtype=np.int32))  # the first zero counts most
    info = amax(e.choose(zero, after, 0), -1) if size else sum(cast(zero, np.dtype(np.int32)), -1)
    info = cast(e.choose(info > 0, size + 1 - info, 0), np.dtype(np.int32))
    if check_errors and info.array.__class__ is np.ndarray and info.array.any():
        found = info.array  # (inside vmap there are no values to look at)
        place, words = next((p, w) for p, w in positions(found.shape) if found[p])
        raise LinAlgError(
            f"linalg.lu_factor: {words}U[{found[place]},{found[place]}] is zero and using it on "
            "lu_solve would result in a division by zero. If you still want to perform the "
            "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )
    return LUFactorEx(packed, pivots, info)


@guarded
def lu_factor(A: Tensor, *, pivot: bool = True) -> LUFactor:
    """The factors of ``A = P L U`` in one matrix, for :func:`linalg_lu_solve`.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``.
    pivot : bool
        True: without exchanges of rows it is not computed, as in PyTorch on the CPU.

    Returns
    -------
    LU : Tensor
        U on and above the diagonal, below it L, whose diagonal is ones.
    pivots : Tensor
        int32, ``(*, min(m, n))``: the row, counted from 1, that each row was exchanged with.

    Raises
    ------
    LinAlgError
        If a matrix is singular.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.lu_factor(mg.tensor([[1.0, 2.0], [4.0, 4.0]])).LU
    tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]])
    """
    return LUFactor(*lu_factor_ex(A, pivot=pivot, check_errors=True)[:2])


class LU(NamedTuple):
    """``P L U``."""

    P: Tensor
    L: Tensor
    U: Tensor


def _unpacked(packed: Tensor, order: Tensor) -> LU:
    """P has its ones where the rows came from."""
    (m, n), kind = packed.array.shape[-2:], packed.array.dtype
    k = min(m, n)
    p = _permutation(order, kind)
    unit = given(np.eye(m, k, dtype=kind))
    return LU(p, tril(narrow(packed, -1, 0, k), -1) + unit, triu(narrow(packed, -2, 0, k)))


@guarded
def linalg_lu(A: Tensor, *, pivot: bool = True) -> LU:
    """``A = P L U``: a permutation, a lower triangle with ones on the diagonal, an upper one.

    Examples
    --------
    >>> import minigrad as mg
    >>> P, L, U = mg.linalg.lu(mg.tensor([[1.0, 2.0], [4.0, 4.0]]))
    >>> U
    tensor([[4., 4.],
            [0., 1.]])
    """
    packed, _, order = _factored(A, pivot, "linalg.lu")
    return _unpacked(packed, order)


# -- using it --------------------------------------------------------------------------------------


@public(method=False)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> LU:
    """P, L and U from what :func:`minigrad.linalg.lu_factor` returned."""
    check_matrix(LU_data, "lu_unpack")
    _check_pivots(LU_data, LU_pivots, "lu_unpack")
    found = _unpacked(LU_data, _lu_order((LU_pivots,), (LU_data.array.shape[-2],)))
    empty = given(np.empty(0, LU_data.array.dtype))
    p = found.P if unpack_pivots else empty
    return LU(p, found.L, found.U) if unpack_data else LU(p, empty, empty)


def _check_pivots(packed: Tensor, pivots: Tensor, name: str) -> None:
    if pivots.array.dtype != np.int32:
        raise RuntimeError(
            f"{name}: LU_pivots is expected to be a contiguous tensor of int32 dtype, got "
            f"{pivots.dtype}"
        )
    shape = packed.array.shape
    if pivots.array.shape != (*shape[:-2], min(shape[-2:])):
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix, "
            f"got pivots {list(pivots.array.shape)} for {list(shape)}"
        )
    p = pivots.array
    known = p.__class__ is np.ndarray and p.size
    if known and not (p.min() >= 1 and p.max() <= shape[-2]):
        raise RuntimeError(f"{name}: pivots must be rows counted from 1 to {shape[-2]}")


@guarded
def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """``X`` with ``A X = B``, from ``LU, pivots = lu_factor(A)``.

    Parameters
    ----------
    LU, pivots : Tensor
        What :func:`lu_factor` returned.
    B : Tensor
        ``(*, n, k)``.
    left : bool
        With False, ``X A = B``, for B ``(*, k, n)``.
    adjoint : bool
        Solve with the transpose of A instead.

    Examples
    --------
    >>> import minigrad as mg
    >>> LU, pivots = mg.linalg.lu_factor(mg.tensor([[1.0, 2.0], [4.0, 4.0]]))
    >>> mg.linalg.lu_solve(LU, pivots, mg.tensor([[3.0], [8.0]]))
    tensor([[1.],
            [1.]])
    """
    name = "linalg.lu_solve"
    check_square(LU, name)
    check_matrix(B, name, "B")
    check_same_type(LU, B, name)
    _check_pivots(LU, pivots, name)
    n = LU.array.shape[-1]
    if B.array.shape[-2 if left else -1] != n:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({n}x{n} and "
            f"{B.array.shape[-2]}x{B.array.shape[-1]})"
        )
    if not left:
        return linalg_lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    order = _lu_order((pivots,), (n,))
    if adjoint:
        x = substitute(LU.mT, substitute(LU.mT, B, False), True, True)
        return matmul(_permutation(order, x.array.dtype), x)
    return substitute(LU, substitute(LU, _by_rows(B, order), False, True), True)


@public
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """As :func:`minigrad.linalg.lu_solve`, the right side first."""
    return linalg_lu_solve(LU_data, LU_pivots, b)


@public
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """As :func:`minigrad.linalg.lu_factor_ex`; the numbers only with `get_infos`."""
    found = lu_factor_ex(A, pivot=pivot)
    return (found.LU, found.pivots, found.info) if get_infos else (found.LU, found.pivots)
