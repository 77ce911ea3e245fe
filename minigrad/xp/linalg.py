"""The extension for linear algebra: `minigrad.linalg`, as the standard has its functions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad import linalg
from minigrad.core.dtypes import int64
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.xp._array import ON_TENSORS, as_tensor, standard
from minigrad.xp._dtypes import as_float, together
from minigrad.xp._manipulation import axes_of

__all__: list[str] = []
_standard = standard(__all__, "linalg.")


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, eigenvectors in columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """A matrix with orthonormal columns, and an upper triangular one."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """Left singular vectors, singular values in descending order, right singular vectors."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _matrices(x: Tensor, name: str) -> Tensor:
    if x.ndim < 2:
        raise ValueError(f"{name}() takes matrices, got {x.ndim} dimensions")
    return x


def _pair(x1: Any, x2: Any, name: str) -> tuple[Tensor, Tensor]:
    """Two arrays, no numbers, in one type."""
    return together(as_tensor(x1, name), as_tensor(x2, name), name)


# -- products --------------------------------------------------------------------------------------


@_standard
def matmul(x1: Any, x2: Any, /) -> Any:
    """Products of matrices; a vector is a row on the left and a column on the right."""
    a, b = _pair(x1, x2, "matmul")
    if not a.ndim or not b.ndim:
        raise ValueError("matmul() takes arrays of at least one dimension")
    try:
        return PUBLIC["matmul"](a, b)
    except RuntimeError as error:
        raise ValueError(str(error)) from None


@_standard
def matrix_transpose(x: Any, /) -> Any:
    """The last two dimensions swapped; a view."""
    return PUBLIC["transpose"](_matrices(x, "matrix_transpose"), -2, -1)


@_standard
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes."""
    return PUBLIC["tensordot"](*_pair(x1, x2, "tensordot"), axes)


@_standard
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The dot products of vectors along `axis`, which is counted from the end.

    Raises
    ------
    ValueError
        If `axis` is not negative, or the vectors are of different sizes.
    """
    a, b = _pair(x1, x2, "vecdot")
    _check_axis(axis, a, b, "vecdot")
    sizes = a.array.shape[axis], b.array.shape[axis]
    if sizes[0] != sizes[1]:
        raise ValueError(f"vecdot(): the vectors have sizes {sizes[0]} and {sizes[1]}")
    return PUBLIC["sum"](PUBLIC["mul"](a, b), axis, dtype=a.dtype)


def _check_axis(axis: int, a: Tensor, b: Tensor, name: str) -> None:
    """An axis that is counted from the end, where both have it."""
    least = min(a.ndim, b.ndim)
    if not -least <= axis < 0:
        raise ValueError(f"{name}(): axis must be in [-{least}, -1], got {axis}")


@_standard
def outer(x1: Any, x2: Any, /) -> Any:
    """All products of the elements of two vectors."""
    a, b = _pair(x1, x2, "outer")
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer() takes vectors, got {a.ndim} and {b.ndim} dimensions")
    return PUBLIC["outer"](a, b)


@_standard
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross products of vectors of three along `axis`; the others broadcast."""
    a, b = _pair(x1, x2, "cross")
    _check_axis(axis, a, b, "cross")
    if a.array.shape[axis] != 3 or b.array.shape[axis] != 3:
        raise ValueError("cross(): the vectors must have three elements")
    return PUBLIC["cross"](*PUBLIC["broadcast_tensors"](a, b), axis)


# -- parts and norms -------------------------------------------------------------------------------


@_standard
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices."""
    return PUBLIC["diagonal"](_matrices(x, "diagonal"), offset, -2, -1)


@_standard
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of matrices."""
    diagonals = PUBLIC["diagonal"](_matrices(x, "trace"), offset, -2, -1)
    return ON_TENSORS["sum"](diagonals, axis=-1, dtype=dtype)


@_standard
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    """The p-norms of vectors along some axes, or of all elements."""
    x = as_float(x)
    axes = tuple(range(x.ndim)) if axis is None else axes_of(axis, x.ndim, "vector_norm")
    if not axes:
        return linalg.vector_norm(PUBLIC["unsqueeze"](x, -1), ord, -1)
    if 0 in [x.array.shape[d] for d in axes]:  # the norm of nothing
        return PUBLIC["sum"](x, axes, keepdims) + (np.inf if ord < 0 else 0)
    return linalg.vector_norm(x, ord, axes, keepdims)


@_standard
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of matrices: "fro", "nuc", or 1, -1, 2, -2, inf, -inf."""
    x = as_float(_matrices(x, "matrix_norm"))
    if not x.array.size:
        return PUBLIC["zeros"]((*x.shape[:-2], *((1, 1) if keepdims else ())), dtype=x.dtype)
    return linalg.matrix_norm(x, ord, (-2, -1), keepdims)


@_standard
def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values are larger than `rtol` times the largest."""
    x = as_float(_matrices(x, "matrix_rank"))
    values = ON_TENSORS["linalg.svdvals"](x)
    if not values.array.shape[-1]:
        return PUBLIC["zeros"](values.shape[:-1], dtype=int64)
    if rtol is None:
        rtol = max(x.array.shape[-2:]) * float(np.finfo(x.array.dtype).eps)
    elif isinstance(rtol, Tensor):
        rtol = PUBLIC["unsqueeze"](rtol, -1)
    return PUBLIC["sum"](values > PUBLIC["amax"](values, -1, True) * rtol, -1)


# -- decompositions --------------------------------------------------------------------------------


@_standard
def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The triangular factor of symmetric positive definite matrices."""
    return linalg.cholesky(as_float(_matrices(x, "cholesky")), upper=upper)


@_standard
def det(x: Any, /) -> Any:
    """The determinants of square matrices."""
    return linalg.det(as_float(_matrices(x, "det")))


@_standard
def eigvalsh(x: Any, /) -> Any:
    """The eigenvalues of symmetric matrices, in ascending order."""
    return linalg.eigvalsh(as_float(_matrices(x, "eigvalsh")))


@_standard
def inv(x: Any, /) -> Any:
    """The inverses of square matrices."""
    return linalg.inv(as_float(_matrices(x, "inv")))


@_standard
def svdvals(x: Any, /) -> Any:
    """The singular values of matrices, in descending order."""
    x = as_float(_matrices(x, "svdvals"))
    if not x.array.size:
        return PUBLIC["empty"]((*x.shape[:-2], min(x.shape[-2:])), dtype=x.dtype)
    return linalg.svdvals(x)


@_standard
def eigh(x: Any, /) -> EighResult:
    """The eigenvalues and eigenvectors of symmetric matrices."""
    return EighResult(*linalg.eigh(as_float(_matrices(x, "eigh"))))


@_standard
def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Matrices as products of one with orthonormal columns and an upper triangular one."""
    return QRResult(*linalg.qr(as_float(_matrices(x, "qr")), mode))


@_standard
def slogdet(x: Any, /) -> SlogdetResult:
    """The signs of determinants, and the logarithms of their absolute values."""
    return SlogdetResult(*linalg.slogdet(as_float(_matrices(x, "slogdet"))))


@_standard
def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Matrices as ``U @ diag(S) @ Vh`` with orthonormal columns in `U` and rows in `Vh`."""
    return SVDResult(*linalg.svd(as_float(_matrices(x, "svd")), full_matrices))


@_standard
def solve(x1: Any, x2: Any, /) -> Any:
    """The solutions ``y`` of ``x1 @ y = x2``; `x2` is one vector, or matrices."""
    a, b = _pair(as_float(_matrices(as_tensor(x1, "solve"), "solve")), x2, "solve")
    if b.ndim == 1:
        return linalg.solve(a, PUBLIC["unsqueeze"](b, -1)).squeeze(-1)
    lead = np.broadcast_shapes(a.array.shape[:-2], b.array.shape[:-2])
    a = PUBLIC["broadcast_to"](a, (*lead, *a.array.shape[-2:]))
    b = PUBLIC["broadcast_to"](b, (*lead, *b.array.shape[-2:]))
    return linalg.solve(a, b)


@_standard
def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The pseudo-inverses; singular values below `rtol` times the largest count as 0."""
    x = as_float(_matrices(x, "pinv"))
    return linalg.pinv(x) if rtol is None else linalg.pinv(x, rtol=rtol)


@_standard
def matrix_power(x: Any, n: int, /) -> Any:
    """Square matrices multiplied by themselves, inverted for negative `n`."""
    return cast(linalg.matrix_power(_matrices(x, "matrix_power"), n), x.array.dtype)
