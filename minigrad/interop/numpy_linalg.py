"""numpy's products and decompositions of matrices on tensors; see `numpy_protocol`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minigrad.interop.numpy_ufuncs import as_tensor, filling, refuse
from minigrad.ops.functions import PUBLIC, cast
from minigrad.tensor import Tensor

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Callable[..., Any]] = {}
_table = filling(FUNCTIONS)


def _two(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as one type, as matrix products want it."""
    from minigrad.dtypes import promote_types

    x, y = as_tensor(a), as_tensor(b)
    kind = promote_types(x.dtype, y.dtype).numpy
    return cast(x, kind), cast(y, kind)


# -- products ------------------------------------------------------------------------------------


@_table()
def dot(a: Any, b: Any) -> Tensor:
    """numpy's: a product of numbers, of vectors, of matrices; the last dimension with the last
    but one.
    """
    x, y = _two(a, b)
    if not x.ndim or not y.ndim:
        return PUBLIC["mul"](x, y)  # type: ignore[no-any-return]
    if y.ndim <= 2:
        return PUBLIC["matmul"](x, y)  # type: ignore[no-any-return]
    return PUBLIC["tensordot"](x, y, ([x.ndim - 1], [y.ndim - 2]))  # type: ignore[no-any-return]


@_table()
def inner(a: Any, b: Any) -> Tensor:
    return PUBLIC["inner"](*_two(a, b))  # type: ignore[no-any-return]


@_table("outer", "linalg.outer")
def outer(a: Any, b: Any) -> Tensor:
    x, y = (PUBLIC["reshape"](t, -1) for t in _two(a, b))
    return PUBLIC["outer"](x, y)  # type: ignore[no-any-return]


@_table()
def vdot(a: Any, b: Any) -> Tensor:
    x, y = (PUBLIC["reshape"](t, -1) for t in _two(a, b))
    return PUBLIC["vdot"](x, y)  # type: ignore[no-any-return]


@_table("linalg.vecdot")
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    return (as_tensor(x1) * as_tensor(x2)).sum(axis)


@_table("linalg.matmul")
def matmul(x1: Any, x2: Any, /) -> Tensor:
    return PUBLIC["matmul"](*_two(x1, x2))  # type: ignore[no-any-return]


@_table("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    return PUBLIC["tensordot"](*_two(a, b), axes)  # type: ignore[no-any-return]


@_table()
def einsum(*operands: Any, optimize: Any = False) -> Tensor:
    if isinstance(operands[0], str):
        return PUBLIC["einsum"](operands[0], *[as_tensor(x) for x in operands[1:]])  # type: ignore[no-any-return]
    pairs = [
        x if isinstance(x, (list, tuple)) and i % 2 else as_tensor(x)
        for i, x in enumerate(operands[: len(operands) // 2 * 2])
    ]
    return PUBLIC["einsum"](*pairs, *operands[len(operands) // 2 * 2 :])  # type: ignore[no-any-return]


@_table()
def kron(a: Any, b: Any) -> Tensor:
    return PUBLIC["kron"](*_two(a, b))  # type: ignore[no-any-return]


@_table("cross", "linalg.cross")
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _two(a, b)
    x, y = PUBLIC["movedim"](x, axisa, -1), PUBLIC["movedim"](y, axisb, -1)
    x, y = PUBLIC["broadcast_tensors"](x, y)
    return PUBLIC["movedim"](PUBLIC["cross"](x, y, -1), -1, axisc)  # type: ignore[no-any-return]


@_table()
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    return PUBLIC["diagonal"](as_tensor(a, dtype), offset, axis1, axis2).sum(-1)  # type: ignore[no-any-return]


@_table("linalg.trace")
def matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    return trace(x, offset, -2, -1, dtype)


@_table("linalg.diagonal")
def matrix_diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    return PUBLIC["diagonal"](as_tensor(x), offset, -2, -1)  # type: ignore[no-any-return]


# -- norms ---------------------------------------------------------------------------------------


def _vector_norm(x: Tensor, ord: Any, axis: Any, keepdims: bool) -> Tensor:
    return PUBLIC["norm"](x, 2 if ord is None else ord, axis, keepdims)  # type: ignore[no-any-return]


@_table("linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Of all elements, of vectors along one axis, of matrices along two."""
    t = as_tensor(x)
    t = t if t.is_floating_point() else cast(t, _default())
    if axis is None and ord is not None and t.ndim == 2:
        axis = (0, 1)
    if isinstance(axis, (tuple, list)) and len(axis) == 2 and ord not in (None, "fro"):
        return _matrix_norm(t, ord, tuple(axis), keepdims)
    return _vector_norm(t, None if ord == "fro" else ord, axis, keepdims)


def _default() -> Any:
    from minigrad.dtypes import get_default_dtype

    return get_default_dtype().numpy


def _matrix_norm(x: Tensor, ord: Any, axes: tuple[int, int], keepdims: bool) -> Tensor:
    """Sums of columns or rows for 1 and infinity; singular values for the others."""
    m: Any = PUBLIC["movedim"](x, axes, (-2, -1))
    if ord in (1, -1, math.inf, -math.inf):
        sums = PUBLIC["abs"](m).sum(-2 if abs(ord) == 1 else -1)
        result = PUBLIC["amax" if ord > 0 else "amin"](sums, -1)
    elif ord in (2, -2, "nuc"):
        values = _linalg("svdvals")(m)
        result = values.sum(-1) if ord == "nuc" else values[..., 0 if ord == 2 else -1]
    else:
        raise ValueError(f"Invalid norm order {ord!r} for matrices")
    if keepdims:
        for d in sorted(a % x.ndim for a in axes):
            result = PUBLIC["unsqueeze"](result, d)
    return result  # type: ignore[no-any-return]


@_table("linalg.vector_norm")
def vector_norm(x: Any, /, *, axis: Any = None, ord: Any = 2, keepdims: bool = False) -> Tensor:
    return _vector_norm(as_tensor(x), ord, axis, keepdims)


@_table("linalg.matrix_norm")
def matrix_norm(x: Any, /, *, ord: Any = "fro", keepdims: bool = False) -> Tensor:
    return norm(x, ord, (-2, -1), keepdims)


# -- decompositions ------------------------------------------------------------------------------


def _linalg(name: str) -> Callable[..., Any]:
    """A function of `minigrad.linalg`."""
    from importlib import import_module

    try:
        return getattr(import_module("minigrad.linalg"), name)  # type: ignore[no-any-return]
    except (ImportError, AttributeError):
        raise refuse(
            f"numpy.linalg.{name}", "there is no such function for tensors of minigrad"
        ) from None


def _passed_on(name: str) -> None:
    def function(a: Any, *args: Any, **kwargs: Any) -> Any:
        rest = [x if isinstance(x, (int, float, str, bool)) else as_tensor(x) for x in args]
        return _linalg(name)(as_tensor(a), *rest, **kwargs)

    FUNCTIONS[f"linalg.{name}"] = function


for _name in (
    "cholesky", "cond", "det", "eigh", "eigvalsh", "inv", "lstsq", "matrix_power", "matrix_rank",
    "pinv", "qr", "slogdet", "solve", "svdvals",
):  # fmt: skip
    _passed_on(_name)


@_table("linalg.svd")
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    x = as_tensor(a)
    return _linalg("svd")(x, full_matrices) if compute_uv else _linalg("svdvals")(x)


@_table("linalg.multi_dot")
def multi_dot(arrays: Any) -> Tensor:
    first, *rest = [as_tensor(a) for a in arrays]
    for x in rest:
        first = PUBLIC["matmul"](first, x)
    return first
