"""Products and functions of matrices: powers, the exponential, chains, reflections, Vandermonde."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.reduce import sum
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.plain import plain_results
from minigrad.core.public import public
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.batching import same
from minigrad.ops.guard import guarded
from minigrad.ops.join import cat
from minigrad.ops.linear_algebra.matrices import (
    check_float,
    check_matrix,
    check_same_type,
    check_square,
)
from minigrad.ops.linear_algebra.products import cross
from minigrad.ops.linear_algebra.solve import inv
from minigrad.ops.slices import diagonal, narrow, tril

__all__ = [
    "householder_product", "linalg_cross", "linalg_diagonal", "linalg_matrix_exp",
    "linalg_matrix_power", "linalg_vander", "multi_dot", "vecdot",
]  # fmt: skip


# -- the exponential -------------------------------------------------------------------------------

#: Numerator of the Pade approximant of degree 13; the denominator has alternating signs.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
    960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
#: Up to this 1-norm the approximant is as accurate as float64.
_PADE_NORM = 5.371920351148152


def _exp_forward(a: Array) -> Array:
    """Scale, approximate, square (Higham 2005); in float64 also for float32."""
    if not a.size:
        return a.copy()
    wide = a.astype(np.float64)
    size = np.abs(wide).sum(-2).max(-1)
    if not np.isfinite(size).all():
        return np.full_like(a, np.nan)
    times = np.maximum(0, np.ceil(np.log2(np.maximum(size, 1e-300) / _PADE_NORM))).astype(int)
    wide = wide * (0.5**times)[..., None, None]
    even, odd = _pade_terms(wide)
    odd = wide @ odd
    y = np.linalg.solve(even - odd, even + odd)
    for k in range(int(times.max(initial=0))):
        y = np.where((times > k)[..., None, None], y @ y, y)
    return y.astype(a.dtype)


def _pade_terms(a: Array) -> tuple[Array, Array]:
    """The even powers, and the odd ones divided by `a`."""
    c, unit = _PADE, np.eye(a.shape[-1])
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    odd = (
        a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * unit
    )
    even = (
        a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * unit
    )
    return even, odd


def _exp_grad(g: Tensor, a: Tensor) -> Tensor:
    """The upper right block of ``exp([[A^T, g], [0, A^T]])`` (Mathias 1996)."""
    n = a.array.shape[-1]
    zero = given(np.zeros(a.array.shape, a.array.dtype))
    block = cat([cat([a.mT, g], -1), cat([zero, a.mT], -1)], -2)
    return narrow(narrow(_exp((block,)), -2, 0, n), -1, n, n)


_exp = primitive(
    "matrix_exp", _exp_forward, vjp=_exp_grad, batch=same,
    sample=cases(normal((3, 3)), normal((2, 2, 2)), normal((0, 0))),
    doc="``I + A + A^2 / 2! + ...`` by scaling and squaring (Higham 2005).",
)  # fmt: skip


@guarded
def linalg_matrix_exp(A: Tensor) -> Tensor:
    """``I + A + A^2 / 2! + A^3 / 3! + ...`` of square matrices ``(*, n, n)``.

    References
    ----------
    Higham, "The scaling and squaring method for the matrix exponential revisited", 2005. Mathias,
    "A chain rule for matrix functions and applications", 1996.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.matrix_exp(mg.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _exp((check_square(A, "linalg.matrix_exp"),))


@public
def matrix_exp(input: Tensor) -> Tensor:
    """As :func:`minigrad.linalg.matrix_exp`."""
    return linalg_matrix_exp(input)


# -- powers and chains -----------------------------------------------------------------------------


@guarded
def linalg_matrix_power(A: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices, by repeated squaring; of the inverse for negative n.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.matrix_power(mg.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    name = "linalg.matrix_power"
    if isinstance(A, Tensor) and A.array.dtype.kind in "iu" and A.array.ndim >= 2 and n >= 0:
        rows, columns = A.array.shape[-2:]
        if rows != columns:
            check_square(A.double(), name)
    else:
        check_square(A, name)
    if n == 0:
        unit = np.eye(A.array.shape[-1], dtype=A.array.dtype)
        return given(np.broadcast_to(unit, A.array.shape).copy())
    square, power = (inv(A), -n) if n < 0 else (A, n)
    result = None
    while power:
        if power & 1:
            result = square if result is None else matmul(result, square)
        power >>= 1
        if power:
            square = matmul(square, square)
    assert result is not None
    return result.clone() if result is A else result


@public
def matrix_power(input: Tensor, n: int) -> Tensor:
    """As :func:`minigrad.linalg.matrix_power`."""
    return linalg_matrix_power(input, n)


def _cheapest(sizes: Sequence[int]) -> list[list[int]]:
    """Where to split each chain of matrices, of ``sizes[i]`` by ``sizes[i + 1]``, for the fewest
    multiplications (Cormen et al., "Introduction to algorithms", section 14.2).
    """
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i][j], split[i][j] = min(options)
    return split


@guarded
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order of the fewest multiplications.

    Parameters
    ----------
    tensors : sequence of Tensor
        Matrices; the first may be a row vector, the last a column vector.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.multi_dot([mg.ones(2, 10), mg.ones(10, 3), mg.ones(3, 2)])
    tensor([[30., 30.],
            [30., 30.]])
    """
    xs = list(tensors)
    if len(xs) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(xs)}")
    for i, x in enumerate(xs):
        if x.array.ndim not in ((1, 2) if i in (0, len(xs) - 1) else (2,)):
            kinds = "1D or 2D" if i in (0, len(xs) - 1) else "2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {kinds} but got {x.array.ndim}D")
    shape: list[int] = []
    if xs[0].array.ndim == 1:
        xs[0] = xs[0].unsqueeze(0)
    else:
        shape.append(xs[0].array.shape[0])
    if xs[-1].array.ndim == 1:
        xs[-1] = xs[-1].unsqueeze(-1)
    else:
        shape.append(xs[-1].array.shape[-1])
    for i, (a, b) in enumerate(pairwise(xs)):
        if a.array.shape[1] != b.array.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.array.shape)} and "
                f"{list(b.array.shape)} cannot be multiplied"
            )
    split = _cheapest([xs[0].array.shape[0], *(x.array.shape[1] for x in xs)])

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return xs[i]
        k = split[i][j]
        return matmul(product(i, k), product(k + 1, j))

    return reshape(product(0, len(xs) - 1), tuple(shape))


@public(method=False)
def chain_matmul(*matrices: Any) -> Tensor:
    """As :func:`minigrad.linalg.multi_dot`; a single matrix is returned as it is."""
    xs = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)) else matrices
    return xs[0] if len(xs) == 1 else multi_dot(xs)


# -- vectors ---------------------------------------------------------------------------------------


@guarded
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of three along `dim`; other dimensions broadcast."""
    a, b = input.array.ndim, other.array.ndim
    if a != b:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    d = wrap_dim(dim, a, "linalg.cross")
    sizes = input.array.shape[d], other.array.shape[d]
    if sizes != (3, 3):
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and "
            f"{sizes[1]}"
        )
    return cross(input, other, d)


@guarded
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of vectors along `dim`; other dimensions broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.vecdot(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    check_float(x, "linalg.vecdot")
    check_same_type(x, y, "linalg.vecdot")
    return sum(e.mul(x, y), dim)


@guarded
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the last two dimensions; a view."""
    return diagonal(A, offset, dim1, dim2)


@guarded
def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers ``x**0, x**1, ..., x**(N - 1)`` along a new last dimension.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.linalg.vander(mg.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    x = x if x.array.ndim else x.unsqueeze(0)
    shape = x.array.shape
    n = N if N is not None else shape[-1]
    if n <= 1:
        raise RuntimeError("N must be greater than 1.")
    kind = np.int64 if x.array.dtype.kind in "biu" else x.array.dtype
    one = given(np.ones((*shape, 1), kind))
    return cat([one, expand(x.unsqueeze(-1), (*shape, n - 1)).cumprod(-1)], -1)


# -- reflections -----------------------------------------------------------------------------------


class Geqrf(NamedTuple):
    """R and below it the reflections, and their scales."""

    a: Tensor
    tau: Tensor


@plain_results(2)
def _packed_qr(a: Array) -> tuple[Array, ...]:
    packed, tau = np.linalg.qr(a, mode="raw")
    return np.ascontiguousarray(packed.mT), tau


@public
def geqrf(input: Tensor) -> Geqrf:
    """LAPACK's form of a QR factorization, for :func:`minigrad.linalg.householder_product`."""
    check_matrix(input, "geqrf")
    if input.requires_grad:
        raise NotImplementedError(
            "the derivative for 'geqrf' is not implemented: use linalg.qr, or detach()"
        )
    return Geqrf(*_packed_qr((input,)))


def _reflections(A: Tensor, tau: Tensor) -> list[tuple[Tensor, Tensor]]:
    """``(v, tau)`` of each reflection ``I - tau v v^T``, as columns."""
    m, n = A.array.shape[-2:]
    unit = given(np.eye(m, n, dtype=A.array.dtype))
    vectors = tril(A, -1) + unit
    return [
        (narrow(vectors, -1, i, 1), narrow(tau, -1, i, 1).unsqueeze(-1))
        for i in range(tau.array.shape[-1])
    ]


def _check_reflections(A: Tensor, tau: Tensor, name: str) -> None:
    m, n = check_matrix(A, name).array.shape[-2:]
    check_same_type(A, tau, name)
    if m < n:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if tau.array.ndim != A.array.ndim - 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.array.ndim} and input.ndim is equal to {A.array.ndim}"
        )
    if tau.array.shape[-1] > n:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if tau.array.shape[:-1] != A.array.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.array.shape[:-1])}"
        )


@guarded
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of ``H1 H2 ... Hk``, with ``Hi = I - tau[i] v v^T``.

    Parameters
    ----------
    A : Tensor
        ``(*, m, n)`` with ``m >= n``; v is below the diagonal of its column i, after a 1 on it.
    tau : Tensor
        ``(*, k)`` with ``k <= n``.

    Returns
    -------
    Tensor
        ``(*, m, n)``.

    Examples
    --------
    >>> import minigrad as mg
    >>> A = mg.tensor([[3.0, 1.0], [4.0, 2.0]])
    >>> Q = mg.linalg.householder_product(*mg.geqrf(A))
    >>> mg.allclose(Q, mg.linalg.qr(A).Q, atol=1e-6)
    True
    """
    _check_reflections(A, tau, "linalg.householder_product")
    q = given(np.eye(*A.array.shape[-2:], dtype=A.array.dtype))
    q = expand(q, A.array.shape)
    for v, scale in reversed(_reflections(A, tau)):
        q = q - matmul(v * scale, matmul(v.mT, q))
    return q if tau.array.shape[-1] else q.clone()


@public
def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """As :func:`minigrad.linalg.householder_product`."""
    return householder_product(input, tau)


@public
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """The product of `other` with the square matrix ``H1 H2 ... Hk`` of reflections."""
    _check_reflections(input, tau, "ormqr")
    check_same_type(input, other, "ormqr")
    check_matrix(other, "ormqr", "other")
    size, side = input.array.shape[-2], other.array.shape[-2 if left else -1]
    if size != side:
        raise RuntimeError(
            f"ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], got "
            f"{side} and {size}"
        )
    x = other if left else other.mT
    reflections = _reflections(input, tau)
    for v, scale in reflections if transpose == left else reversed(reflections):
        x = x - matmul(v * scale, matmul(v.mT, x))
    return x if left else x.mT
