"""Determinants, with derivatives that hold for singular matrices, too.

The derivative of a determinant is the matrix of cofactors. ``det(A) A^-T`` is that matrix only
where A is regular; by singular values, ``A = U diag(s) V^T``, it is

    cof(A) = det(U V^T) U diag(c) V^T,    c[i] = the product of all s but s[i],

whatever the rank. The derivative of the cofactors follows in the same way from that of a diagonal
matrix, with the products of all singular values but two.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.public import OpFunction, public
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.batching import same
from minigrad.ops.guard import guarded
from minigrad.ops.linear_algebra.matrices import check_square
from minigrad.ops.linear_algebra.solve import inverse_or_nan

__all__ = ["linalg_det", "linalg_slogdet"]


# -- cofactors -------------------------------------------------------------------------------------


def _others(s: Array) -> Array:
    """Along the last axis, the product of all but each."""
    before, after = np.ones_like(s), np.ones_like(s)
    before[..., 1:] = np.cumprod(s[..., :-1], -1)
    after[..., :-1] = np.cumprod(s[..., :0:-1], -1)[..., ::-1]
    return np.asarray(before * after)


def _others_but_two(s: Array) -> Array:
    """The products of all but each pair; 0 on the diagonal."""
    n = s.shape[-1]
    out = np.zeros((*s.shape, n), s.dtype)
    for i in range(n):
        rest = s.copy()
        rest[..., i] = 1
        out[..., i, :] = _others(rest)
        out[..., i, i] = 0
    return out


def _frames(a: Array) -> tuple[Array, Array, Array, Array]:
    """Singular vectors and values, and the sign that the vectors contribute."""
    u, s, vh = np.linalg.svd(a)
    return u, s, vh, np.rint(np.linalg.det(u) * np.linalg.det(vh))[..., None, None].astype(a.dtype)


def _cofactor_forward(a: Array) -> Array:
    """By the inverse where that is accurate, by singular values elsewhere."""
    if not a.size:
        return a.copy()
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    try:
        inverse = np.linalg.inv(a)
        condition = np.linalg.norm(a, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
        if (condition * np.sqrt(np.finfo(a.dtype).eps) < 1).all():
            return np.asarray(np.linalg.det(a)[..., None, None] * inverse.mT)
    except np.linalg.LinAlgError:
        pass
    u, s, vh, sign = _frames(a)
    return np.asarray(sign * ((u * _others(s)[..., None, :]) @ vh))


def _slope_forward(h: Array, a: Array) -> Array:
    """The derivative of the cofactors of `a` in the direction `h`."""
    if not a.size:
        return np.zeros_like(h)
    if not np.isfinite(a).all():
        return np.full_like(h, np.nan)
    u, s, vh, sign = _frames(a)
    inner, pairs = u.mT @ h @ vh.mT, _others_but_two(s)
    diagonal = np.diagonal(inner, 0, -2, -1)
    step = -pairs * inner.mT
    index = np.arange(s.shape[-1])
    step[..., index, index] = (pairs @ diagonal[..., None])[..., 0]
    return np.asarray(sign * (u @ step @ vh))


def _slope_grad(g: Tensor, h: Tensor, a: Tensor) -> Tensor:
    """For a regular matrix with cofactors C: of ``(<g, C> <h, C> - <h, C g^T C>) / det``."""
    c, d = _cofactor((a,)), _det((a,)).unsqueeze(-1).unsqueeze(-1)
    gc, hc = ((x * c).sum((-2, -1), True) for x in (g, h))
    twist = matmul(matmul(c, g.mT), c)
    by_c = (
        hc * g + gc * h - matmul(matmul(h, c.mT), g) - matmul(matmul(g, c.mT), h)
    )  # fmt: skip
    value = gc * hc - (h * twist).sum((-2, -1), True)
    return _slope((by_c / d, a)) - value / (d * d) * c


def _well(*shape: int) -> Any:
    return lambda rng: rng.normal(size=shape) / 2 + np.eye(shape[-1])


_SAMPLES = cases(
    lambda rng: ((_well(3, 3)(rng),), ()), lambda rng: ((_well(2, 4, 4)(rng),), ()),
    lambda rng: ((np.ones((3, 3)) + np.diag([1.0, 0, 0]),), ()),
    lambda rng: ((rng.normal(size=(1, 1)),), ()),
)  # fmt: skip
_det: OpFunction = primitive(
    "det", lambda a: np.asarray(call_quietly(np.linalg.det, a)), batch=same, sample=_SAMPLES,
    vjp=lambda g, a: g.unsqueeze(-1).unsqueeze(-1) * _cofactor((a,)),
    doc="The determinant. Its derivative, and the second one, hold for singular matrices, too.",
)  # fmt: skip
_cofactor: OpFunction = primitive(
    "cofactor", _cofactor_forward, batch=same, vjp=lambda g, a: _slope((g, a)),
    sample=cases(lambda rng: ((_well(3, 3)(rng),), ()), lambda rng: ((_well(2, 4, 4)(rng),), ())),
    doc="The derivative of the determinant: ``det(a) a^-T`` where that exists.",
)  # fmt: skip
_slope: OpFunction = primitive(
    "cofactor_slope", _slope_forward, inputs=2, batch=same,
    vjp=(lambda g, a: _slope((g, a)), lambda g, h, a: _slope_grad(g, h, a)),
    sample=cases(lambda rng: ((rng.normal(size=(3, 3)), _well(3, 3)(rng)), ())),
    doc="The derivative of the cofactors in a direction; a symmetric map of directions.",
)  # fmt: skip


@guarded
def linalg_det(A: Tensor) -> Tensor:
    """The determinant of square matrices ``(*, n, n)``.

    Unlike PyTorch's, the gradient is exact for singular matrices, too: the matrix of cofactors.

    Examples
    --------
    >>> import minigrad as mg
    >>> A = mg.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> mg.linalg.det(A).backward()
    >>> A.grad
    tensor([[ 4., -2.],
            [-2.,  1.]])
    """
    return _det((check_square(A, "linalg.det"),))


@public
def det(input: Tensor) -> Tensor:
    """As :func:`minigrad.linalg.det`."""
    return linalg_det(input)


# -- logarithms ------------------------------------------------------------------------------------


_slogdet = primitive(
    "slogdet", lambda a: tuple(call_quietly(np.linalg.slogdet, a)), results=2, batch=same,
    vjp=lambda g, a: _log_grad(g[1], a),
    sample=cases(lambda rng: ((_well(3, 3)(rng),), ()), lambda rng: ((_well(2, 4, 4)(rng),), ())),
    doc="The sign of the determinant, and the logarithm of its size (Giles 2008, 2.2.4).",
)  # fmt: skip


def _log_grad(g: Tensor | None, a: Tensor) -> Tensor | None:
    """``g A^-T``; the sign is constant where it is not 0."""
    return None if g is None else g.unsqueeze(-1).unsqueeze(-1) * inverse_or_nan(a).mT


class SlogDet(NamedTuple):
    """The sign of the determinant (0 of a singular matrix), and the logarithm of its size."""

    sign: Tensor
    logabsdet: Tensor


@guarded
def linalg_slogdet(A: Tensor) -> SlogDet:
    """The sign of the determinant and the logarithm of its size, which neither over- nor
    underflow.

    Examples
    --------
    >>> import minigrad as mg
    >>> sign, logabsdet = mg.linalg.slogdet(mg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    >>> sign, logabsdet
    (tensor(-1.), tensor(0.))
    """
    return SlogDet(*_slogdet((check_square(A, "linalg.slogdet"),)))


@public
def slogdet(input: Tensor) -> SlogDet:
    """As :func:`minigrad.linalg.slogdet`."""
    return linalg_slogdet(input)


@public
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: -inf where it is 0, NaN where it is negative."""
    sign, logabsdet = linalg_slogdet(input)
    return e.choose(e.lt(sign, 0), np.nan, logabsdet)
