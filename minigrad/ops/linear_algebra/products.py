"""Matrix products: one operation, and everything that is a view of it.

``matmul`` is the only operation declared here. Its derivative is two matrix products, so it has
derivatives of any order; ``einsum`` and ``tensordot`` (`contraction`) are reshapes around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.core.dims import wrap_dim
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.promotion import as_operand, cast
from minigrad.core.public import public
from minigrad.core.tensor import Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.refusals import hint, type_name
from minigrad.ops.slices import diagonal

kernels = lazy("matmul.product")

Shape = tuple[int, ...]

# -- the operation ---------------------------------------------------------------------------------


# -- products of given dimensions ------------------------------------------------------------------


@public
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, ``(n, k)`` and ``(k, m)``; nothing broadcasts."""
    for x, which in ((input, "self"), (mat2, "mat2")):
        if as_operand(x, "mm", which == "mat2").array.ndim != 2:
            raise RuntimeError(f"mm: {which} must be a matrix, got {x.array.ndim} dimensions")
    return matmul(input, mat2)


@public
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches, ``(b, n, k)`` and ``(b, k, m)``; nothing broadcasts."""
    for x, which in ((input, "batch1"), (mat2, "batch2")):
        if as_operand(x, "bmm", which == "batch2").array.ndim != 3:
            raise RuntimeError(f"{which} must be a 3D tensor, got {x.array.ndim}D")
    (b, _, k), n = input.array.shape, mat2.array.shape
    if n[:2] != (b, k):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: "
            f"[{n[0]}, {n[1]}].{hint(input.array.shape, n) if n[0] == b else ''}"
        )
    return matmul(input, mat2)


@public
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    if input.array.ndim != 2 or vec.array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got 1, {input.array.ndim}, {vec.array.ndim}"
        )
    return matmul(input, vec)


def _dot_product(input: Tensor, tensor: Tensor, name: str) -> Tensor:
    a, b = as_operand(input, name, 0), as_operand(tensor, name, 1)
    if a.array.ndim != 1 or b.array.ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {a.array.ndim}D and {b.array.ndim}D tensors"
        )
    if a.array.dtype != b.array.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {type_name(a)} and "
            f"{type_name(b)}"
        )
    return matmul(a, b)


@public
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors."""
    return _dot_product(input, tensor, "dot")


@public
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """As :func:`dot`: there are no complex numbers to conjugate."""
    return _dot_product(input, other, "vdot")


@public
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors: ``out[i, j] = input[i] * vec2[j]``."""
    for x, which in ((input, "self"), (vec2, "vec2")):
        if x.array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {which}, but got {x.array.ndim}-D")
    return e.mul(reshape(input, -1, 1), vec2)


public(outer, name="ger")

# -- products added to something -------------------------------------------------------------------


def _added(input: Tensor, product: Tensor, beta: float, alpha: float, name: str) -> Tensor:
    """``beta * input + alpha * product``; with `beta` 0 the input is not looked at."""
    if input.array.dtype != product.array.dtype:
        raise RuntimeError(
            f"{name}: self and mat2 must have the same dtype, but got {type_name(input)} and "
            f"{type_name(product)}"
        )
    wide = expand(input, product.array.shape)
    dtype = product.array.dtype
    if dtype.kind != "f":  # factors take the type of the tensors, as in PyTorch
        alpha, beta = (int(np.asarray(f).astype(dtype)) for f in (alpha, beta))
    if alpha != 1:
        product = cast(e.mul(product, alpha), dtype)
    if beta == 0:
        return product
    return e.plus(wide if beta == 1 else cast(e.mul(wide, beta), dtype), product)


@public(inplace=True)
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * mat1 @ mat2``; `input` broadcasts."""
    return _added(input, mm(mat1, mat2), beta, alpha, "addmm")


@public(inplace=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * mat @ vec``; `input` broadcasts."""
    product = mv(mat, vec)
    if input.array.shape not in ((), (1,), product.array.shape):
        raise RuntimeError(
            f"size mismatch, got input ({input.array.shape[0]}), mat ({mat.array.shape[0]}x"
            f"{mat.array.shape[1]}), vec ({vec.array.size})"
        )
    return _added(input, product, beta, alpha, "addmv")


@public(inplace=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``; `input` broadcasts."""
    return _added(input, outer(vec1, vec2), beta, alpha, "addr")


@public(inplace=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``; `input` broadcasts."""
    return _added(input, bmm(batch1, batch2), beta, alpha, "baddbmm")


@public(inplace=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; `input` broadcasts."""
    total = bmm(batch1, batch2).sum(0, dtype=batch1.dtype)
    return _added(input, total, beta, alpha, "addbmm")


@public
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    return diagonal(input).sum()


@public
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of `input` times all of `other`, as blocks."""
    n = max(input.array.ndim, other.array.ndim)
    a, b = ((1,) * (n - x.array.ndim) + x.array.shape for x in (input, other))
    wide = reshape(input, tuple(s for p in a for s in (p, 1)))
    tall = reshape(other, tuple(s for q in b for s in (1, q)))
    return reshape(e.mul(wide, tall), tuple(p * q for p, q in zip(a, b, strict=True)))


# -- the cross product -----------------------------------------------------------------------------


def _cross_dim(a: Shape, b: Shape, dim: int | None) -> int:
    if dim is not None:
        return dim
    for d, (p, q) in enumerate(zip(a, b, strict=True)):
        if p == q == 3:
            return d
    raise RuntimeError("no dimension of size 3 in input")


@public
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three along `dim`, by default the first of that size."""
    if input.array.ndim != other.array.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    shapes = input.array.shape, other.array.shape
    d = wrap_dim(_cross_dim(*shapes, dim), input.array.ndim, "linalg.cross")
    sizes: Sequence[int] = (input.array.shape[d], other.array.shape[d])
    if tuple(sizes) != (3, 3):
        raise RuntimeError(
            f"linalg.cross: inputs dimension {d} must have length 3. Got {sizes[0]} and {sizes[1]}"
        )

    a, b = input, other
    return a.roll(-1, d) * b.roll(1, d) - a.roll(1, d) * b.roll(-1, d)
