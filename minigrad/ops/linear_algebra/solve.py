"""Inverses and systems of equations, exact and in the least squares sense."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.reduce import amax, sum
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.plain import plain
from minigrad.core.promotion import cast, constant
from minigrad.core.public import public
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import broadcasting, lined_up, same, sharing
from minigrad.ops.guard import guarded
from minigrad.ops.linear_algebra.factorizations import check_finite, svdvals
from minigrad.ops.linear_algebra.matrices import (
    LinAlgError,
    cast_eye,
    check_float,
    check_matrix,
    check_same_type,
    check_square,
    chosen,
    positions,
    whole,
)
from minigrad.ops.shape import movedim
from minigrad.ops.slices import tril

__all__ = ["inv", "inv_ex", "lstsq", "pinv", "solve", "solve_ex", "tensorinv", "tensorsolve"]

kernels = lazy("triangular")
Shape = tuple[int, ...]

# -- which matrices are singular -------------------------------------------------------------------


def _zero_pivot(a: Array) -> int:
    """The first zero on the diagonal of U, counted from 1; 0 if there is none."""
    packed, _ = kernels.factor(a)
    zeros = np.flatnonzero(np.diagonal(packed) == 0)
    return int(zeros[0]) + 1 if zeros.size else 0


@plain
def zero_pivots(a: Array) -> Array:
    """The first zero pivot of each matrix, counted from 1; 0 for those that have none."""
    info = np.zeros(a.shape[:-2], np.int32)
    for place, _ in positions(a.shape[:-2]):
        info[place] = _zero_pivot(a[place])
    return info


def _well(*shape: int) -> Any:
    """Matrices far from singular."""
    return lambda rng: rng.normal(size=shape) / 3 + np.eye(shape[-1])


# -- inverse ---------------------------------------------------------------------------------------


def _inv_forward(a: Array, strict: bool) -> Array:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        out = np.full_like(a, np.nan)
        for place, words in positions(a.shape[:-2]):
            pivot = _zero_pivot(a[place])
            if not pivot:
                out[place] = np.linalg.inv(a[place])
            elif strict:
                raise LinAlgError(
                    f"linalg.inv: {words}The diagonal element {pivot} is zero, the inversion could "
                    "not be completed because the input matrix is singular."
                ) from None
        return out


_inv = primitive(
    "inv", _inv_forward, vjp=lambda g, y: -matmul(matmul(y.mT, g), y.mT), batch=same,
    sample=cases(
        lambda rng: ((_well(3, 3)(rng),), (True,)), lambda rng: ((_well(2, 3, 3)(rng),), (False,)),
        normal((0, 0), True),
    ),
    doc="The inverse of matrices (Giles 2008, 2.2.3); for singular ones an error, or NaN.",
)  # fmt: skip


@guarded
def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices ``(*, n, n)``.

    To multiply by an inverse, :func:`solve` is quicker and more accurate.

    Raises
    ------
    LinAlgError
        If a matrix is singular.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.inv(mg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _inv((check_square(A, "linalg.inv"),), (True,))


def inverse_or_nan(A: Tensor) -> Tensor:
    """As :func:`inv`; NaN for singular matrices."""
    return _inv((A,), (False,))


@public
def inverse(input: Tensor) -> Tensor:
    """As :func:`minigrad.linalg.inv`."""
    return inv(input)


class InvEx(NamedTuple):
    """The inverse, and which diagonal element is zero (0 for none)."""

    inverse: Tensor
    info: Tensor


def _with_info(A: Tensor, compute: Any, check_errors: bool) -> tuple[Tensor, Tensor]:
    """``compute(A)`` with NaN for singular matrices, and a number for each."""
    read("linalg.inv_ex", A)  # whether one is singular decides what is computed
    try:
        return compute(A), given(np.zeros(A.array.shape[:-2], np.int32))
    except LinAlgError:
        if check_errors:
            raise
    info = zero_pivots((A,))
    return chosen(info > 0, math.nan, compute(e.choose(whole(info > 0), cast_eye(A), A))), info


@guarded
def inv_ex(A: Tensor, *, check_errors: bool = False) -> InvEx:
    """As :func:`inv`, with a number for each matrix instead of an error; singular ones give NaN."""
    check_square(A, "linalg.inv_ex")
    return InvEx(*_with_info(A, inv, check_errors))


# -- solving ---------------------------------------------------------------------------------------


def _solve_forward(a: Array, b: Array) -> Array:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        words = next((w for p, w in positions(a.shape[:-2]) if _zero_pivot(a[p])), "")
        raise LinAlgError(
            f"linalg.solve: {words}The solver failed because the input matrix is singular."
        ) from None


def _solve_grad(g: Tensor, a: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """``b' = a^-T g`` and ``a' = -b' y^T`` (Giles 2008, 2.3.1)."""
    gb = _solve((a.mT, g))
    return -matmul(gb, y.mT), gb


def _system(a: Shape, b: Shape) -> Any:
    return lambda rng: ((_well(*a)(rng), rng.normal(size=b)), ())


_solve = primitive(
    "solve", _solve_forward, inputs=2, broadcasts=True, vjp=_solve_grad, batch=broadcasting,
    sample=cases(
        _system((3, 3), (3, 2)), _system((2, 3, 3), (3, 1)), _system((3, 3), (2, 3, 2)),
        _system((0, 0), (0, 2)),
    ),
    doc="``x`` with ``a x = b``.",
)  # fmt: skip


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether B holds one right side per matrix, rather than matrices of them."""
    a, b = A.array.shape, B.array.shape
    return len(b) == 1 or (len(a) - 1 == len(b) and b == a[:-1])


@guarded
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """``X`` with ``A X = B``, or ``X A = B`` with `left` False.

    Parameters
    ----------
    A : Tensor
        ``(*, n, n)``.
    B : Tensor
        ``(*, n, k)``, or one right side per matrix, ``(n,)`` or ``(*, n)``; leading dimensions
        broadcast. ``(*, k, n)`` with `left` False.

    Raises
    ------
    LinAlgError
        If a matrix is singular.
    RuntimeError
        If the sizes do not fit, or the types differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> A = mg.tensor([[3.0, 1.0], [1.0, 2.0]])
    >>> mg.linalg.solve(A, mg.tensor([9.0, 8.0]))
    tensor([2., 3.])
    """
    check_square(A, "linalg.solve")
    check_float(B, "linalg.solve")
    check_same_type(A, B, "linalg.solve")
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    right = B.unsqueeze(-1) if vector else B
    if right.array.ndim < 2:
        raise RuntimeError("linalg.solve: The input tensor B must have at least 2 dimensions.")
    m, (rows, columns) = A.array.shape[-1], right.array.shape[-2:]
    if m != (rows if left else columns):
        raise RuntimeError(
            "linalg.solve: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({m}x{m} and {rows}x{columns})"
        )
    if not left:
        return _solve((A.mT, right.mT)).mT
    x = _solve((A, right))
    return x.squeeze(-1) if vector else x


class SolveEx(NamedTuple):
    """The solution, and which diagonal element is zero (0 for none)."""

    result: Tensor
    info: Tensor


@guarded
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> SolveEx:
    """As :func:`solve`, with a number for each matrix instead of an error: singular ones give
    NaN.
    """
    check_square(A, "linalg.solve_ex")
    return SolveEx(*_with_info(A, lambda a: solve(a, B, left=left), check_errors))


# -- pseudo-inverse and least squares --------------------------------------------------------------


def _cut(s: Array, atol: Array, rtol: Array) -> Array:
    """One over the singular values that count, 0 for the others."""
    largest = s.max(-1, keepdims=True, initial=0)
    keep = s > np.maximum(atol, rtol * largest)
    return np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)


def _pinv_forward(a: Array, atol: Any, rtol: Any) -> Array:
    if not a.size:
        return np.zeros(a.mT.shape, a.dtype)
    check_finite(a, "linalg.svd")
    try:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained "
            "non-finite values."
        ) from None
    return np.asarray((vh.mT * _cut(s, atol, rtol)[..., None, :]) @ u.mT)


def _pinv_grad(g: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """``-Y^T g Y^T + (I - A Y) g^T Y Y^T + Y^T Y g^T (I - Y A)`` (Golub and Pereyra 1973)."""
    gt, yt = g.mT, y.mT
    left = matmul(matmul(gt, y), yt)
    right = matmul(matmul(yt, y), gt)
    return (
        left - matmul(a, matmul(y, left)) + right - matmul(matmul(right, y), a)
        - matmul(matmul(yt, g), yt)
    )  # fmt: skip


@sharing
def _pinv_each(op: Any, inputs: Any, params: Any, batched: Any) -> Any:
    a, *limits = inputs
    if not batched[0]:
        size = max(t.array.shape[0] for t, b in zip(limits, batched[1:], strict=True) if b)
        a, batched = expand(a, (size, *a.array.shape)), (True, *batched[1:])
    ndim = a.array.ndim - batched[0] - 1  # of the singular values
    fitting = [lined_up(t, ndim) if b else t for t, b in zip(limits, batched[1:], strict=True)]
    return apply(op, (a, *fitting))


def _pinv_sample(*shape: int) -> Any:
    return lambda rng: ((rng.normal(size=shape), np.array(0.0), np.array(1e-10)), ())


_pinv = primitive(
    "pinv", _pinv_forward, inputs=3, batch=_pinv_each,
    vjp=(_pinv_grad, None, None),
    sample=cases(_pinv_sample(4, 3), _pinv_sample(2, 3, 4), _pinv_sample(0, 3)),
    doc="The pseudo-inverse of Moore and Penrose, of the singular values above a tolerance.",
)  # fmt: skip


def tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[Tensor, Tensor]:
    """Absolute and relative tolerance for singular values, as PyTorch defaults them."""
    shape, info = A.array.shape[-2:], np.finfo(A.array.dtype)
    if rtol is None:
        rtol = float(info.eps) * max(shape) if atol is None else 0.0
    atol = 0.0 if atol is None else atol
    for t in (atol, rtol):
        if isinstance(t, Tensor):
            batch = A.array.shape[:-2]
            if t.array.ndim > len(batch) or any(
                n not in (1, b) for n, b in zip(t.array.shape[::-1], batch[::-1])
            ):
                raise RuntimeError(
                    f"the tolerances, of shape {list(t.array.shape)}, must broadcast to the batch "
                    f"{list(batch)} of the matrices"
                )
    return _tolerance(atol, A), _tolerance(rtol, A)


def _tolerance(t: Any, A: Tensor) -> Tensor:
    """As it broadcasts over the singular values."""
    if not isinstance(t, Tensor):
        return constant(float(t), A.array.dtype)
    t = t.detach()
    return reshape(t, (*t.array.shape, 1)) if t.array.ndim else cast(t, A.array.dtype)


def count_large(s: Tensor, atol: Tensor, rtol: Tensor) -> Tensor:
    """How many values are larger than both tolerances allow."""
    if not s.array.shape[-1]:
        return given(np.zeros(s.array.shape[:-1], np.int64))
    low, share = (cast(t, s.array.dtype) for t in (atol, rtol))
    return sum(s > e.maximum(low, share * amax(s, -1, True)), -1)


@guarded
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The pseudo-inverse of Moore and Penrose.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``; the result is ``(*, n, m)``.
    rcond : float or Tensor, optional
        Another name of `rtol`.
    hermitian : bool
        Read the lower triangle of symmetric matrices only.
    atol, rtol : float or Tensor, optional
        Singular values up to ``max(atol, rtol * largest)`` count as 0. By default `rtol` is
        ``max(m, n)`` times the precision of the type, or 0 if `atol` is given.

    References
    ----------
    Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems
    whose variables separate", 1973.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.pinv(mg.tensor([[1.0], [1.0]]))
    tensor([[0.5000, 0.5000]])
    """
    check_matrix(A, "linalg.pinv")
    if hermitian:
        check_square(A, "linalg.pinv")
        A = tril(A) + tril(A, -1).mT
    return _pinv((A, *tolerances(A, atol, rcond if rtol is None else rtol)))


@public
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """As :func:`minigrad.linalg.pinv`, with another default of the relative tolerance."""
    return pinv(input, rtol=rcond)


def _lstsq_forward(a: Array, b: Array, rcond: float) -> Array:
    check_finite(a, "linalg.lstsq")
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.asarray(vh.mT @ (_cut(s, np.asarray(0.0), np.asarray(rcond))[..., None] * (u.mT @ b)))


def _lstsq_grad(g: Tensor, a: Tensor, b: Tensor, rcond: float) -> tuple[Tensor, Tensor]:
    """The solution is ``pinv(a) b``."""
    p = _pinv((a, *tolerances(a, 0.0, rcond)))
    return _pinv_grad(matmul(g, b.mT), a, p), matmul(p.mT, g)


_lstsq = primitive(
    "lstsq", _lstsq_forward, inputs=2, broadcasts=True, vjp=_lstsq_grad, batch=broadcasting,
    sample=cases(
        lambda rng: ((rng.normal(size=(4, 2)), rng.normal(size=(4, 3))), (1e-10,)),
        lambda rng: ((rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 2, 1))), (1e-10,)),
    ),
    doc="``x`` of the smallest norm among those with the smallest norm of ``a x - b``.",
)  # fmt: skip


class LeastSquares(NamedTuple):
    """The solution, the sums of squares that remain, the rank, the singular values."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@guarded
def lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> LeastSquares:
    """``X`` with the least ``|A X - B|``, and of those the smallest.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``.
    B : Tensor
        ``(*, m, k)``, or one right side per matrix, ``(m,)`` or ``(*, m)``.
    rcond : float, optional
        Singular values up to this times the largest count as 0; by default ``max(m, n)`` times the
        precision of the type.
    driver : {"gelsy", "gels", "gelsd", "gelss"}, optional
        LAPACK's names: which of the other results are there. The solution is the same, by singular
        values.

    Returns
    -------
    solution : Tensor
    residuals : Tensor
        The sums of squares of ``A X - B``, if there are more equations than unknowns and the rank
        is full; empty for "gelsy".
    rank : Tensor
        Empty for "gels".
    singular_values : Tensor
        Empty for "gels" and "gelsy".

    Examples
    --------
    >>> import minigrad as mg
    >>> A = mg.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> mg.linalg.lstsq(A, mg.tensor([[1.0], [3.0], [5.0]])).solution.round(decimals=3)
    tensor([[1.],
            [2.]])
    """
    name = "linalg.lstsq"
    check_matrix(A, name)
    check_same_type(A, B, name)
    driver = driver or "gelsy"
    if driver not in _DRIVERS:
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}"
        )
    (m, n), vector = A.array.shape[-2:], _is_vector(A, B)
    right = B.unsqueeze(-1) if vector else B
    if right.array.ndim < 2 or right.array.shape[-2] != m:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size(-2), but the shapes are "
            f"{list(A.array.shape)} and {list(B.array.shape)}"
        )
    cut = float(np.finfo(A.array.dtype).eps) * max(m, n) if rcond is None else float(rcond)
    solution = _lstsq((A, right), (cut,))
    s = svdvals(A.detach())
    ranks = count_large(s, *tolerances(A, 0.0, cut))
    empty = given(np.empty(0, A.array.dtype))
    residuals = empty
    if m > n and driver != "gelsy" and bool((ranks == n).all()):
        rest = matmul(A, solution) - right
        residuals = (rest * rest).sum(-2)
    return LeastSquares(
        solution.squeeze(-1) if vector else solution, residuals,
        given(np.empty(0, np.int64)) if driver == "gels" else ranks,
        s if driver in ("gelsd", "gelss") else given(np.empty(0, A.array.dtype)),
    )  # fmt: skip


# -- tensors as matrices ---------------------------------------------------------------------------


@guarded
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of `A` as a matrix from the dimensions after `ind` to those before it.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.tensorinv(mg.eye(6).reshape(6, 2, 3), ind=1).shape
    minigrad.Size([2, 3, 6])
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', got {ind}")
    shape = check_float(A, "linalg.tensorinv").array.shape
    first, rest = shape[:ind], shape[ind:]
    rows, columns = math.prod(first), math.prod(rest)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}"
        )
    return reshape(inv(reshape(A, rows, columns)), *rest, *first)


@guarded
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """``X`` with ``tensordot(A, X, X.ndim) = B``; `dims` of `A` are moved to its end first.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.tensorsolve(mg.eye(6).reshape(2, 3, 6), mg.ones(2, 3)).shape
    minigrad.Size([6])
    """
    check_float(A, "linalg.tensorsolve")
    check_same_type(A, B, "linalg.tensorsolve")
    if dims is not None:
        dims = tuple(dims)
        A = movedim(A, dims, tuple(range(A.array.ndim - len(dims), A.array.ndim)))
    rest, count = A.array.shape[B.array.ndim :], B.array.size
    if math.prod(rest) != count:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {math.prod(rest)} != {count}"
        )
    return reshape(solve(reshape(A, count, count), reshape(B, -1)), *rest)
