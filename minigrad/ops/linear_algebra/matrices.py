"""What the operations of linear algebra share: checks, in PyTorch's words, and small helpers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import reshape
from minigrad.core.public import FLOAT32, FLOAT64
from minigrad.core.rules import as_tensors
from minigrad.core.tensor import Array, Tensor, given

__all__ = [
    "LinAlgError", "check_float", "check_matrix", "check_same_type", "check_square", "chosen",
    "eye_like", "from_factors", "positions", "symmetric", "type_name",
]  # fmt: skip


_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int",
    "int64": "Long", "float16": "Half", "bfloat16": "BFloat16", "float32": "Float",
    "float64": "Double",
}  # fmt: skip


class LinAlgError(RuntimeError):
    """Raised where a matrix has no such factorization or inverse.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.inv(mg.ones(2, 2))
    Traceback (most recent call last):
        ...
    minigrad.ops.linear_algebra.matrices.LinAlgError: linalg.inv: The diagonal element 2 is zero,
    the inversion could not be completed because the input matrix is singular.
    """


def type_name(t: Tensor) -> str:
    """The type as PyTorch's messages spell it: ``Float``, ``Long``."""
    return _NAMES.get(t.dtype.name, t.dtype.name)


def check_float(A: Any, name: str) -> Tensor:
    """Refuse what is no tensor, or not of a type that LAPACK computes in."""
    if not isinstance(A, Tensor):
        raise TypeError(
            f"{name}(): argument 'A' (position 1) must be Tensor, not {type(A).__name__}"
        )
    if A.array.dtype.kind != "f":
        if type_name(A) == "BFloat16":
            raise RuntimeError(f"{name}: Low precision dtypes not supported. Got BFloat16")
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {type_name(A)}"
        )
    if A.array.dtype not in (FLOAT32, FLOAT64):
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {type_name(A)}; convert with .float()"
        )
    return A


def check_matrix(A: Any, name: str, what: str = "A") -> Tensor:
    """Refuse what has fewer than two dimensions."""
    check_float(A, name)
    if A.array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")
    return A  # type: ignore[no-any-return]


def check_square(A: Any, name: str) -> Tensor:
    """Refuse what is not made of square matrices."""
    m, n = check_matrix(A, name).array.shape[-2:]
    if m != n:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices"
        )
    return A  # type: ignore[no-any-return]


def check_same_type(A: Tensor, B: Any, name: str) -> None:
    """Refuse operands of different types."""
    if not isinstance(B, Tensor):
        raise TypeError(
            f"{name}(): argument 'B' (position 2) must be Tensor, not {type(B).__name__}"
        )
    if A.array.dtype != B.array.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {type_name(A)} "
            f"and B of type {type_name(B)} instead"
        )


def positions(shape: Sequence[int]) -> Iterator[tuple[tuple[int, ...], str]]:
    """The places of the matrices in a batch, and how a message speaks of each."""
    for place in np.ndindex(*shape):
        number = int(np.ravel_multi_index(place, tuple(shape))) if place else 0
        yield place, f"(Batch element {number}): " if shape else ""


def eye_like(x: Tensor) -> Tensor:
    """True on the diagonal of square matrices such as `x`."""
    return given(np.eye(x.array.shape[-1], dtype=bool))


def whole(flags: Tensor) -> Tensor:
    """A flag for each matrix, as it broadcasts over the matrix."""
    return reshape(flags, (*flags.array.shape, 1, 1))


def chosen(bad: Tensor, value: float, otherwise: Tensor) -> Tensor:
    """`otherwise`, with whole matrices replaced by `value` where `bad`."""
    return e.choose(whole(bad), value, otherwise)


def symmetric(x: Any) -> Any:
    """The symmetric part, of an array or a tensor: exactly `x` where that is symmetric."""
    return (x + x.mT) * 0.5


def from_factors(rule: Callable[..., Tensor]) -> Callable[..., Array]:
    """The backward on arrays of a factorization: `rule`, on the factors that forward kept.

    The rule for derivatives of higher order factors again instead, so that its result depends on
    the input through the graph.
    """

    def fused(g: Any, residuals: Any) -> Array:
        with no_grad():
            return rule(as_tensors(g), *as_tensors(list(residuals))).array

    return fused


def cast_eye(A: Tensor) -> Tensor:
    """The unit matrix of the size and type of `A`."""
    return given(np.eye(A.array.shape[-1], dtype=A.array.dtype))
