"""Norms of vectors and matrices, ranks and condition numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dim, wrap_dims
from minigrad.core.dtypes import as_dtype
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.reduce import amax, amin, spread, sum
from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast
from minigrad.core.public import FLOAT32, FLOAT64, public
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.batching import shifted
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32
from minigrad.ops.linear_algebra.factorizations import eigvalsh, svdvals
from minigrad.ops.linear_algebra.matrices import check_float, check_matrix, check_square, type_name
from minigrad.ops.linear_algebra.solve import count_large, inverse_or_nan, tolerances
from minigrad.ops.reduce import p_norm
from minigrad.ops.shape import movedim, unsqueeze
from minigrad.ops.slices import select

__all__ = ["cond", "linalg_norm", "matrix_norm", "matrix_rank", "vector_norm"]

Axes = tuple[int, ...]
INF = math.inf

# -- vectors ---------------------------------------------------------------------------------------


def _forward(x: Array, p: float, axes: Axes, keepdim: bool) -> Array:
    size = np.abs(x)
    if p == 0:
        y = np.count_nonzero(x, axes, keepdims=keepdim)
    elif p == 1:
        y = size.sum(axes, keepdims=keepdim)
    elif p == 2:
        y = np.sqrt((x * x).sum(axes, keepdims=keepdim))
    elif abs(p) == INF:
        y = (size.max if p > 0 else size.min)(axes, keepdims=keepdim)
    else:
        y = (size**p).sum(axes, keepdims=keepdim) ** (1 / p)
    return np.asarray(y, x.dtype)


def _grad(g: Tensor, x: Tensor, y: Tensor, p: float, axes: Axes) -> Tensor:
    """``sign(x) |x|**(p - 1) / |y|**(p - 1)``, and 0 where the norm is 0; for infinite p, the
    elements that are as large as the norm share the gradient.
    """
    shape = x.array.shape
    wide_g, wide_y = spread(g, shape, axes), spread(y, shape, axes)
    sign = e.sign(x)
    if p == 0:
        return wide_g * 0.0  # type: ignore[no-any-return]
    if p == 1:
        return sign * wide_g  # type: ignore[no-any-return]
    if abs(p) == INF:
        at = cast((e.abs(x) == wide_y) | e.isnan(x), x.array.dtype)
        return sign * (at / sum(at, axes, True)) * wide_g  # type: ignore[no-any-return]
    still = wide_y == 0
    safe = e.choose(still, 1.0, wide_y)
    if p == 2:
        return e.choose(still, 0.0, wide_g * (x / safe))
    zero = x == 0
    ratio = e.choose(zero, 1.0, e.abs(x)) / safe
    slope = e.choose(zero | still, 0.0, sign * ratio ** (p - 1))
    return slope * wide_g  # type: ignore[no-any-return]


_vector_norm = primitive(
    "vector_norm", lambda x, p, axes, keepdim: call_quietly(_forward, x, p, axes, keepdim),
    vjp=_grad, batch=shifted(1),
    sample=cases(
        normal((3, 4), 2.0, (0, 1), False), normal((3, 4), 1.0, (1,), True),
        normal((3, 4), 3.0, (0,), False), normal((2, 3), 0.5, (1,), False),
        normal((2, 3), INF, (1,), False), normal((2, 3), -INF, (0,), False),
        normal((2, 3), -1.0, (1,), False), normal((4,), 0.0, (0,), False),
    ),
    doc="``sum(|x|**p) ** (1/p)`` over some dimensions.",
)  # fmt: skip


def _converted(x: Any, dtype: Any, name: str) -> Tensor:
    """The input as another type, if one was asked for."""
    if not isinstance(x, Tensor):
        check_float(x, name)
    if x.array.dtype.kind == "f" and dtype is not None:
        x = cast(x, as_dtype(dtype).numpy)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(x)}"
        )
    return x  # type: ignore[no-any-return]


@guarded
@in_float32
def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm ``sum(|x|**ord) ** (1/ord)`` of the elements along some dimensions, or of all.

    Parameters
    ----------
    x : Tensor
    ord : float
        0 counts what is not 0; infinity takes the largest size, minus infinity the smallest.
    dim : int or tuple of int, optional
    keepdim : bool
        Keep those dimensions, with size 1.
    dtype : dtype, optional
        The type to compute in.

    Notes
    -----
    The gradient where the norm is 0 is 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.vector_norm(mg.tensor([[3.0, 4.0], [0.0, 2.0]]), dim=1)
    tensor([5., 2.])
    """
    name = "linalg.vector_norm"
    x = _converted(x, dtype, name)
    if not isinstance(ord, (int, float)):
        raise TypeError(f"{name}(): argument 'ord' must be Number, not {type(ord).__name__}")
    axes = wrap_dims(dim, x.array.ndim, name)
    p = float(ord)
    if p == INF or p < 0:
        empty = [d for d in axes if not x.array.shape[d]]
        if empty:
            which = "tensor" if dim is None else f"dimension {empty[0]}"
            raise RuntimeError(
                f"{name} cannot compute the {ord} norm on an empty {which} because the operation "
                "does not have an identity"
            )
    if not x.array.ndim:
        return reshape(_vector_norm((reshape(x, 1),), (p, (0,), False)), ())
    if x.array.dtype not in (FLOAT32, FLOAT64):
        return cast(_vector_norm((x.float(),), (p, axes, bool(keepdim))), x.array.dtype)
    return _vector_norm((x,), (p, axes, bool(keepdim)))


# -- matrices --------------------------------------------------------------------------------------


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
    A = _converted(A, dtype, name)
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


@public(name="norm")
@guarded
@in_float32
def _top_norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm ``sum(|x|**p) ** (1/p)`` over some dimensions, or all; "fro" is p = 2, "nuc" the
    sum of the singular values of matrices.
    """
    if p == "nuc":
        return matrix_norm(input, p, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if p in ("fro", 2, None):
        return p_norm(input, 2, dim, keepdim, dtype)
    if isinstance(p, str):
        raise RuntimeError(f"norm: expected p to be a number, 'fro' or 'nuc', got {p!r}")
    return vector_norm(_converted(input, None, "norm"), p, dim, keepdim, dtype=dtype)


@public(method=False)
@guarded
@in_float32
def frobenius_norm(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The root of the sum of squares over some dimensions, or all."""
    return vector_norm(input, 2, dim or None if isinstance(dim, (tuple, list)) else dim, keepdim)


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
