"""Factorizations of matrices: QR, symmetric eigenvalues, singular values.

LAPACK factors, by way of numpy. The derivatives are published formulas, written with operations on
tensors: Giles, "Collected matrix derivative results", 2008; Townsend, "Differentiating the singular
value decomposition", 2016; Liao et al., "Differentiable programming tensor networks", 2019 (QR).
Factors of a matrix with equal eigenvalues or singular values are not unique; gradients through them
are not finite, as in PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.public import OpFunction, public
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.batching import same
from minigrad.ops.guard import guarded
from minigrad.ops.join import cat
from minigrad.ops.linear_algebra.matrices import (
    LinAlgError,
    check_matrix,
    check_square,
    eye_like,
    from_factors,
    symmetric,
)
from minigrad.ops.linear_algebra.triangular import substitute
from minigrad.ops.rearrange import diag_embed
from minigrad.ops.slices import diagonal, narrow, tril

__all__ = ["eigh", "eigvalsh", "linalg_qr", "linalg_svd", "svdvals"]

Parts = list[Any]

# -- QR --------------------------------------------------------------------------------------------


def _qr_grad(g: Parts, q: Tensor, r: Tensor) -> Tensor:
    """``(gQ + Q S) R^-T``, S the lower triangle of ``R gR^T - gQ^T Q``, mirrored."""
    gq, gr = g
    inner: Any = 0.0
    if gr is not None:
        inner = matmul(r, gr.mT)
    if gq is not None:
        inner = inner - matmul(gq.mT, q)
    lower = tril(inner, -1)
    total = matmul(q, lower + lower.mT + diag_embed(diagonal(inner, 0, -2, -1)))
    if gq is not None:
        total = total + gq
    return substitute(r, total.mT, True).mT


def _qr_forward(a: Array) -> tuple[Array, ...]:
    q, r = np.linalg.qr(a)
    return q, r, q.copy(), r.copy()  # copies: the results may be written to


_qr: OpFunction = primitive(
    "qr", _qr_forward, results=2, vjp=lambda g, a: _qr_grad(g, *_qr((a,))),
    fused=from_factors(_qr_grad), batch=same,
    sample=cases(
        lambda rng: ((rng.normal(size=(4, 3)),), ()),
        lambda rng: ((rng.normal(size=(2, 3, 3)),), ()),
    ),
    doc="``Q`` with orthonormal columns and an upper triangular ``R``, for matrices at least as "
    "tall as they are wide.",
)  # fmt: skip
_qr_complete = primitive(
    "qr_complete", lambda a: tuple(np.linalg.qr(a, "complete")), results=2, batch=same,
    sample=cases(lambda rng: ((rng.normal(size=(4, 2)),), ())),
    doc="``Q`` square; no derivative, since its last columns are any that fit.",
)  # fmt: skip


class QR(NamedTuple):
    """``Q R``."""

    Q: Tensor
    R: Tensor


@guarded
def linalg_qr(A: Tensor, mode: str = "reduced") -> QR:
    """``Q`` with orthonormal columns and ``R`` upper triangular, ``Q R = A``.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``; with ``k = min(m, n)``, Q is ``(*, m, k)`` and R is ``(*, k, n)``.
    mode : {"reduced", "complete", "r"}
        ``"complete"`` makes Q ``(*, m, m)`` and R ``(*, m, n)``; it has no derivative where
        ``m > n``. With ``"r"`` Q is empty.

    Raises
    ------
    RuntimeError
        If the mode is another, or a gradient is asked for where there is none.

    References
    ----------
    Liao, Liu, Wang, Xiang, "Differentiable programming tensor networks", 2019.

    Examples
    --------
    >>> import minigrad as mg
    >>> Q, R = mg.linalg.qr(mg.tensor([[0.0, 2.0], [-3.0, 1.0]]))
    >>> R.abs()
    tensor([[3., 1.],
            [0., 2.]])
    """
    check_matrix(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    m, n = A.array.shape[-2:]
    if mode == "complete" and m > n:
        if A.requires_grad:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > "
                "ncols. Use mode='reduced', or A.detach()."
            )
        return QR(*_qr_complete((A,)))
    if m >= n:
        q, r = _qr((A,))
    else:  # R = [U, Q^T Y] for A = [X, Y] with X square
        q, square = _qr((narrow(A, -1, 0, m),))
        r = cat([square, matmul(q.mT, narrow(A, -1, m, n - m))], -1)
    return QR(given(np.empty(0, A.array.dtype)) if mode == "r" else q, r)


@public(name="qr")
def _top_qr(input: Tensor, some: bool = True) -> QR:
    """As :func:`minigrad.linalg.qr`, in mode "reduced" or (with `some` False) "complete"."""
    return linalg_qr(input, "reduced" if some else "complete")


# -- eigenvalues of symmetric matrices -------------------------------------------------------------


def _eigen(compute: Any, a: Array, part: str) -> Any:
    """Of the triangle that counts; matrices with NaN give NaN."""
    lower = symmetric(a) if part == "both" else a
    uplo = "L" if part == "both" else part
    counts = np.tril(lower) if uplo == "L" else np.triu(lower)
    bad: Any = ~np.isfinite(counts).all((-2, -1))
    if bad.any():
        return _eigen_of_finite(compute, lower, uplo, bad)
    try:
        return compute(lower, uplo)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is "
            "ill-conditioned or has too many repeated eigenvalues."
        ) from None


def _eigen_of_finite(compute: Any, a: Array, uplo: str, bad: Array) -> Any:
    """NaN for the `bad` matrices, which LAPACK may never come back from."""
    safe = np.where(bad[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a)
    found = compute(safe, uplo)
    if not isinstance(found, tuple):
        return np.where(bad[..., None], np.nan, found).astype(a.dtype)
    w, v = found
    return (
        np.where(bad[..., None], np.nan, w).astype(a.dtype),
        np.where(bad[..., None, None], np.nan, v).astype(a.dtype),
    )


def _eigh_grad(g: Parts, w: Tensor, v: Tensor) -> Tensor:
    """``V (diag(gw) + (V^T gV) / E) V^T`` with ``E[i, j] = w[j] - w[i]``, made symmetric."""
    gw, gv = g
    if gv is None:
        return matmul(v * gw.unsqueeze(-2), v.mT)
    eye = eye_like(v)
    gaps = e.choose(eye, 1.0, w.unsqueeze(-2) - w.unsqueeze(-1))
    inner = e.choose(eye, 0.0, matmul(v.mT, gv) / gaps)
    if gw is not None:
        inner = inner + diag_embed(gw)
    return symmetric(matmul(matmul(v, inner), v.mT))  # type: ignore[no-any-return]


def _eigh_forward(a: Array, part: str) -> tuple[Array, ...]:
    w, v = _eigen(lambda x, uplo: tuple(np.linalg.eigh(x, uplo)), a, part)
    return w, v, w.copy(), v.copy()


def _spread(*shape: int) -> Any:
    """Symmetric matrices with eigenvalues well apart."""

    def make(rng: np.random.Generator) -> Any:
        q, _ = np.linalg.qr(rng.normal(size=shape))
        w = np.arange(shape[-1]) * 1.5 - 1 + rng.uniform(0, 0.5, shape[:-1])
        return ((q * w[..., None, :]) @ q.mT,), ("both",)

    return make


_eigh: OpFunction = primitive(
    "eigh", _eigh_forward, results=2, vjp=lambda g, a, part: _eigh_grad(g, *_eigh((a,), (part,))),
    fused=from_factors(_eigh_grad), batch=same, sample=cases(_spread(3, 3), _spread(2, 4, 4)),
    doc="Eigenvalues and eigenvectors of symmetric matrices, read from one triangle or from the "
    "mean of both (Giles 2008, 3.1).",
)  # fmt: skip
_eigvalsh = primitive(
    "eigvalsh", lambda a, part: _eigen(np.linalg.eigvalsh, a, part), batch=same,
    vjp=lambda g, a, part: _eigh_grad([g, None], *_eigh((a,), (part,))),
    sample=cases(_spread(3, 3), _spread(2, 4, 4)), doc="The eigenvalues of symmetric matrices.",
)  # fmt: skip


class Eigh(NamedTuple):
    """Eigenvalues, the smallest first, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def _check_uplo(UPLO: str) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


@guarded
def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """The eigenvalues ``w`` and eigenvectors ``V`` of symmetric matrices, ``A = V diag(w) V^T``.

    Parameters
    ----------
    A : Tensor
        ``(*, n, n)``; only one triangle is read. The gradient is that in a symmetric matrix; that
        of the eigenvectors is not finite where eigenvalues are equal.
    UPLO : {"L", "U"}
        Which triangle is read.

    Returns
    -------
    eigenvalues : Tensor
        ``(*, n)``, the smallest first.
    eigenvectors : Tensor
        ``(*, n, n)``, as columns.

    References
    ----------
    Giles, "Collected matrix derivative results for forward and reverse mode AD", 2008.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.eigh(mg.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    check_square(A, "linalg.eigh")
    return Eigh(*_eigh((A,), (_check_uplo(UPLO),)))


@guarded
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, the smallest first; see :func:`eigh`."""
    check_square(A, "linalg.eigvalsh")
    return _eigvalsh((A,), (_check_uplo(UPLO),))


# -- singular values -------------------------------------------------------------------------------


def _svd_grad(g: Parts, u: Tensor, s: Tensor, vh: Tensor) -> Tensor:
    """``U ([skew(U^T gU) / E] S + S [skew(V^T gV) / E] + diag(gs)) V^T`` and what sticks out of U
    and V, with ``E[i, j] = s[j]**2 - s[i]**2`` (Townsend 2016).
    """
    gu, gs, gvh = g
    if gu is None and gvh is None:
        return matmul(u * gs.unsqueeze(-2), vh)
    m, k, n = u.array.shape[-2], s.array.shape[-1], vh.array.shape[-1]
    row, column = s.unsqueeze(-2), s.unsqueeze(-1)
    gaps = e.choose(given(np.eye(k, dtype=bool)), 1.0, (row - column) * (row + column))
    inner = diag_embed(gs) if gs is not None else given(np.zeros((k, k), u.array.dtype))
    outside = None
    if gu is not None:
        x = matmul(u.mT, gu)
        inner = inner + (x - x.mT) / gaps * row
        if m > k:
            outside = matmul((gu - matmul(u, x)) / row, vh)
    if gvh is not None:
        x = matmul(vh, gvh.mT)
        inner = inner + column * ((x - x.mT) / gaps)
        if n > k:
            more = matmul(u / row, gvh - matmul(x.mT, vh))
            outside = more if outside is None else outside + more
    total = matmul(matmul(u, inner), vh)
    return total if outside is None else total + outside


def _thin(g: Parts, u: Any, s: Any, vh: Any) -> tuple[Parts, Any, Any, Any]:
    """Without the columns of U and rows of V^T that full matrices have more: they are any."""
    k = s.shape[-1]
    gu, gs, gvh = g
    if u.shape[-1] > k:
        u, gu = u[..., :k], None if gu is None else gu[..., :k]
    if vh.shape[-2] > k:
        vh, gvh = vh[..., :k, :], None if gvh is None else gvh[..., :k, :]
    return [gu, gs, gvh], u, s, vh


def check_finite(a: Array, name: str) -> None:
    """LAPACK may never end on a matrix with an infinity in it.

    Raises
    ------
    LinAlgError
        If an element is infinite or NaN.
    """
    if not np.isfinite(a).all():
        raise LinAlgError(
            f"{name}: The algorithm failed to converge because the input matrix contained "
            "non-finite values."
        )


def _svd(a: Array, full: bool) -> Any:
    check_finite(a, "linalg.svd")
    try:
        return np.linalg.svd(a, full)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix is "
            "ill-conditioned or has too many repeated singular values."
        ) from None


def _svd_forward(a: Array, full: bool) -> tuple[Array, ...]:
    u, s, vh = _svd(a, full)
    return u, s, vh, u.copy(), s.copy(), vh.copy()


def _svdvals_forward(a: Array) -> Array:
    if not a.size:
        return np.zeros((*a.shape[:-2], min(a.shape[-2:])), a.dtype)
    check_finite(a, "linalg.svd")
    try:
        return np.linalg.svd(a, compute_uv=False)
    except np.linalg.LinAlgError:
        return _svd(a, False)[1]  # type: ignore[no-any-return]


def _rectangle(*shape: int, params: tuple[Any, ...] = (False,)) -> Any:
    """Matrices with singular values well apart."""

    def make(rng: np.random.Generator) -> Any:
        u, _, vh = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        s = np.arange(u.shape[-1], 0, -1) + rng.uniform(0, 0.4, (*shape[:-2], u.shape[-1]))
        return ((u * s[..., None, :]) @ vh,), params

    return make


_svd_op: OpFunction = primitive(
    "svd", _svd_forward, results=3,
    vjp=lambda g, a, full: _svd_grad(*_thin(g, *_svd_op((a,), (full,)))),
    fused=from_factors(lambda g, *factors: _svd_grad(*_thin(g, *factors))), batch=same,
    sample=cases(_rectangle(3, 3), _rectangle(2, 4, 3), _rectangle(2, 3)),
    doc="Singular values and vectors, ``U diag(S) Vh``; what full matrices have more gets no "
    "gradient (Townsend 2016).",
)  # fmt: skip
_svdvals = primitive(
    "svdvals", _svdvals_forward, batch=same,
    vjp=lambda g, a: _svd_grad([None, g, None], *_svd_op((a,), (False,))),
    sample=cases(_rectangle(3, 3, params=()), _rectangle(2, 4, 2, params=())),
    doc="The singular values.",
)  # fmt: skip


class LinalgSVD(NamedTuple):
    """``U diag(S) Vh``."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@guarded
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> LinalgSVD:
    """The singular value decomposition ``A = U diag(S) Vh``.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)``.
    full_matrices : bool
        U ``(*, m, m)`` and Vh ``(*, n, n)``; otherwise they have ``k = min(m, n)`` columns and
        rows. The vectors beyond the first k get no gradient.
    driver : None
        PyTorch's choice of a method for other devices.

    Returns
    -------
    U, S, Vh : Tensor
        S is ``(*, k)``, the largest first.

    Raises
    ------
    LinAlgError
        If a matrix has elements that are not finite.

    References
    ----------
    Townsend, "Differentiating the singular value decomposition", 2016.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.svd(mg.tensor([[0.0, 2.0], [3.0, 0.0]])).S
    tensor([3., 2.])
    """
    check_matrix(A, "linalg.svd")
    if driver is not None:
        raise RuntimeError(
            "linalg.svd: keyword argument `driver=` is only supported on CUDA inputs; leave it out"
        )
    return LinalgSVD(*_svd_op((A,), (bool(full_matrices),)))


@guarded
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of ``(*, m, n)``, the largest first; see :func:`linalg_svd`."""
    check_matrix(A, "linalg.svdvals")
    if driver is not None:
        raise RuntimeError(
            "linalg.svdvals: keyword argument `driver=` is only supported on CUDA inputs; leave it "
            "out"
        )
    return _svdvals((A,))


class SVD(NamedTuple):
    """``U diag(S) V^T``."""

    U: Tensor
    S: Tensor
    V: Tensor


@public(name="svd")
def _top_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SVD:
    """The singular value decomposition ``U diag(S) V^T``; see :func:`minigrad.linalg.svd`."""
    if not compute_uv:
        (m, n), lead = check_matrix(input, "linalg.svd").array.shape[-2:], input.array.shape[:-2]
        kind = input.array.dtype
        u, v = (given(np.zeros((*lead, size, size), kind)) for size in (m, n))
        return SVD(u, svdvals(input), v)
    u, s, vh = linalg_svd(input, not some)
    return SVD(u, s, vh.mT)
