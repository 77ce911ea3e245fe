"""The extension for linear algebra: `minigrad.linalg`, as the standard has its functions."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.functions import PUBLIC, cast
from minigrad.tensor import Tensor
from minigrad.xp import _statistics
from minigrad.xp._array import Array, as_tensor, wrap
from minigrad.xp._dtypes import as_float, together

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, eigenvectors in columns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """A matrix with orthonormal columns, and an upper triangular one."""

    Q: Array
    R: Array


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Array
    logabsdet: Array


class SVDResult(NamedTuple):
    """Left singular vectors, singular values in descending order, right singular vectors."""

    U: Array
    S: Array
    Vh: Array


def _known(name: str) -> Callable[..., Any]:
    from minigrad import linalg

    return getattr(linalg, name)  # type: ignore[no-any-return]


def _matrices(x: Any, name: str) -> Tensor:
    t = as_tensor(x, name)
    if t.ndim < 2:
        raise ValueError(f"{name}() takes matrices, got {t.ndim} dimensions")
    return t


# -- products --------------------------------------------------------------------------------------


def matmul(x1: Any, x2: Any, /) -> Array:
    """Products of matrices; a vector is a row on the left and a column on the right."""
    a, b = together(as_tensor(x1, "matmul"), as_tensor(x2, "matmul"), "matmul")
    if not a.ndim or not b.ndim:
        raise ValueError("matmul() takes arrays of at least one dimension")
    try:
        return wrap(PUBLIC["matmul"](a, b))
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def matrix_transpose(x: Any, /) -> Array:
    """The last two dimensions swapped; a view."""
    return wrap(PUBLIC["transpose"](_matrices(x, "matrix_transpose"), -2, -1))


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Array:
    """The sum of products over pairs of axes."""
    a, b = together(as_tensor(x1, "tensordot"), as_tensor(x2, "tensordot"), "tensordot")
    if not a.dtype.is_floating_point:
        return wrap(Tensor(np.asarray(np.tensordot(a.array, b.array, axes))))
    return wrap(PUBLIC["tensordot"](a, b, axes))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The dot products of vectors along `axis`, which is counted from the end.

    Raises
    ------
    ValueError
        If `axis` is not negative, or the vectors are of different sizes.
    """
    a, b = together(as_tensor(x1, "vecdot"), as_tensor(x2, "vecdot"), "vecdot")
    least = builtins.min(a.ndim, b.ndim)
    if not -least <= axis < 0:
        raise ValueError(f"vecdot(): axis must be in [-{least}, -1], got {axis}")
    if a.array.shape[axis] != b.array.shape[axis]:
        raise ValueError(
            f"vecdot(): the vectors have sizes {a.array.shape[axis]} and {b.array.shape[axis]}"
        )
    product: Any = a * b
    if a.dtype.is_floating_point:
        return wrap(product.sum(axis))
    return wrap(Tensor(np.asarray(np.sum(product.array, axis, dtype=a.array.dtype))))


def outer(x1: Any, x2: Any, /) -> Array:
    """All products of the elements of two vectors."""
    a, b = together(as_tensor(x1, "outer"), as_tensor(x2, "outer"), "outer")
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer() takes vectors, got {a.ndim} and {b.ndim} dimensions")
    return wrap(PUBLIC["outer"](a, b))


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The cross products of vectors of three along `axis`; the others broadcast."""
    a, b = together(as_tensor(x1, "cross"), as_tensor(x2, "cross"), "cross")
    if not -builtins.min(a.ndim, b.ndim) <= axis < 0:
        raise ValueError(f"cross(): axis must be negative, and one of both arrays; got {axis}")
    if a.array.shape[axis] != 3 or b.array.shape[axis] != 3:
        raise ValueError("cross(): the vectors must have three elements")
    shape = np.broadcast_shapes(a.array.shape, b.array.shape)
    a, b = (PUBLIC["broadcast_to"](t, shape) for t in (a, b))
    return wrap(PUBLIC["cross"](a, b, axis))


# -- parts and norms -------------------------------------------------------------------------------


def diagonal(x: Any, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices."""
    return wrap(PUBLIC["diagonal"](_matrices(x, "diagonal"), offset, -2, -1))


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sums of the diagonals of matrices."""
    return _statistics.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)  # type: ignore[no-any-return]


def vector_norm(
    x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False, ord: float = 2
) -> Array:
    """The p-norms of vectors along some axes, or of all elements."""
    t = as_float(as_tensor(x, "vector_norm"))

    def fold(u: Tensor, axes: Any) -> Tensor:
        if 0 in [u.array.shape[d] for d in axes]:  # the norm of nothing
            nothing = PUBLIC["sum"](u, axes)
            return nothing + np.inf if ord < 0 else nothing  # type: ignore[no-any-return]
        return _known("vector_norm")(u, ord, axes)  # type: ignore[no-any-return]

    return wrap(_statistics._over(t, axis, keepdims, fold, "vector_norm"))


def matrix_norm(x: Any, /, *, keepdims: builtins.bool = False, ord: Any = "fro") -> Array:
    """The norms of matrices: "fro", "nuc", or 1, -1, 2, -2, inf, -inf."""
    t = as_float(_matrices(x, "matrix_norm"))
    if not t.array.size:
        shape = (*t.array.shape[:-2], *((1, 1) if keepdims else ()))
        return wrap(Tensor(np.zeros(shape, t.array.dtype)))
    return wrap(_known("matrix_norm")(t, ord, (-2, -1), keepdims))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Array:
    """How many singular values are larger than `rtol` times the largest."""
    t = as_float(_matrices(x, "matrix_rank"))
    values = svdvals(t).array
    if not values.shape[-1]:
        return wrap(Tensor(np.zeros(values.shape[:-1], np.int64)))
    if rtol is None:
        rtol = builtins.max(t.array.shape[-2:]) * np.finfo(values.dtype).eps
    share = np.asarray(rtol.array if isinstance(rtol, Tensor) else rtol)[..., None]
    above = values > values.max(-1, keepdims=True) * share
    return wrap(Tensor(np.asarray(np.count_nonzero(above, axis=-1), np.int64)))


# -- decompositions --------------------------------------------------------------------------------


def cholesky(x: Any, /, *, upper: builtins.bool = False) -> Array:
    """The triangular factor of symmetric positive definite matrices."""
    return wrap(_known("cholesky")(as_float(_matrices(x, "cholesky")), upper=upper))


def _one(name: str, text: str) -> Any:
    def function(x: Any, /) -> Array:
        return wrap(_known(name)(as_float(_matrices(x, name))))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


det = _one("det", "The determinants of square matrices.")
eigvalsh = _one("eigvalsh", "The eigenvalues of symmetric matrices, in ascending order.")
inv = _one("inv", "The inverses of square matrices.")


def svdvals(x: Any, /) -> Array:
    """The singular values of matrices, in descending order."""
    t = as_float(_matrices(x, "svdvals"))
    if not t.array.size:
        shape = (*t.array.shape[:-2], builtins.min(t.array.shape[-2:]))
        return wrap(Tensor(np.empty(shape, t.array.dtype)))
    return wrap(_known("svdvals")(t))


def eigh(x: Any, /) -> EighResult:
    """The eigenvalues and eigenvectors of symmetric matrices."""
    return EighResult(*map(wrap, _known("eigh")(as_float(_matrices(x, "eigh")))))


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Matrices as products of one with orthonormal columns and an upper triangular one."""
    return QRResult(*map(wrap, _known("qr")(as_float(_matrices(x, "qr")), mode)))


def slogdet(x: Any, /) -> SlogdetResult:
    """The signs of determinants, and the logarithms of their absolute values."""
    return SlogdetResult(*map(wrap, _known("slogdet")(as_float(_matrices(x, "slogdet")))))


def svd(x: Any, /, *, full_matrices: builtins.bool = True) -> SVDResult:
    """Matrices as ``U @ diag(S) @ Vh`` with orthonormal columns in `U` and rows in `Vh`."""
    return SVDResult(*map(wrap, _known("svd")(as_float(_matrices(x, "svd")), full_matrices)))


def solve(x1: Any, x2: Any, /) -> Array:
    """The solutions ``y`` of ``x1 @ y = x2``; `x2` is one vector, or matrices."""
    a, b = together(as_float(_matrices(x1, "solve")), as_tensor(x2, "solve"), "solve")
    if b.ndim == 1:
        return wrap(_known("solve")(a, PUBLIC["unsqueeze"](b, -1)).squeeze(-1))
    lead = np.broadcast_shapes(a.array.shape[:-2], b.array.shape[:-2])
    a = PUBLIC["broadcast_to"](a, (*lead, *a.array.shape[-2:]))
    b = PUBLIC["broadcast_to"](b, (*lead, *b.array.shape[-2:]))
    return wrap(_known("solve")(a, b))


def pinv(x: Any, /, *, rtol: Any = None) -> Array:
    """The pseudo-inverses; singular values below `rtol` times the largest count as 0."""
    t = as_float(_matrices(x, "pinv"))
    return wrap(_known("pinv")(t) if rtol is None else _known("pinv")(t, rtol=rtol))


def matrix_power(x: Any, n: int, /) -> Array:
    """Square matrices multiplied by themselves, inverted for negative `n`."""
    t = _matrices(x, "matrix_power")
    return wrap(cast(_known("matrix_power")(t, n), t.array.dtype), x)
