"""Norms of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dims
from minigrad.core.dtypes import as_dtype
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.reduce import spread, sum
from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast
from minigrad.core.public import FLOAT32, FLOAT64, named, public
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.batching import shifted
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32
from minigrad.ops.linear_algebra.matrices import check_float, type_name
from minigrad.ops.reduce import p_norm

__all__ = ["converted", "frobenius_norm", "vector_norm"]

Axes = tuple[int, ...]
INF = math.inf


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


def converted(x: Any, dtype: Any, name: str) -> Tensor:
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
    x = converted(x, dtype, name)
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
        x, dims = converted(input, dtype, "norm"), (-2, -1) if dim is None else dim
        return named("nuclear_norm")(x, dims, keepdim)
    if p in ("fro", 2, None):
        return p_norm(input, 2, dim, keepdim, dtype)
    if isinstance(p, str):
        raise RuntimeError(f"norm: expected p to be a number, 'fro' or 'nuc', got {p!r}")
    return vector_norm(converted(input, None, "norm"), p, dim, keepdim, dtype=dtype)


@public(method=False)
@guarded
@in_float32
def frobenius_norm(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The root of the sum of squares over some dimensions, or all."""
    return vector_norm(input, 2, dim or None if isinstance(dim, (tuple, list)) else dim, keepdim)
