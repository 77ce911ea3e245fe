"""Products summed over some dimensions, as views around a matrix product.

Two operands are contracted as one batched matrix product: labels that both have and that stay are
the batch, labels that both have and that vanish are multiplied away, the others are rows and
columns.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.core.dims import wrap_dim
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.shape import permute, reshape
from minigrad.core.public import public
from minigrad.core.tensor import Tensor

#: A letter, or for a dimension of the ellipsis its number counted from the right.
Label = Any
Labels = list[Label]


def arrange(x: Tensor, labels: Labels, order: Labels) -> Tensor:
    """Dimensions in another order."""
    return x if labels == order else permute(x, tuple(labels.index(k) for k in order))


def sum_out(x: Tensor, labels: Labels, keep: set[Label]) -> tuple[Tensor, Labels]:
    """Sum over the labels that nobody else asks for."""
    gone = [d for d, k in enumerate(labels) if k not in keep]
    if not gone:
        return x, labels
    return x.sum(gone), [k for k in labels if k in keep]


def contract(
    x: Tensor, lx: Labels, y: Tensor, ly: Labels, keep: set[Label]
) -> tuple[Tensor, Labels]:
    """Multiply two labelled tensors and sum over the labels not in `keep`.

    Returns
    -------
    tuple of Tensor and list
        The product, and the labels of its dimensions.
    """
    x, lx = sum_out(x, lx, keep | set(ly))
    y, ly = sum_out(y, ly, keep | set(lx))
    shared = [k for k in lx if k in ly]
    batch = [k for k in shared if k in keep]
    gone = [k for k in shared if k not in keep]
    rows = [k for k in lx if k not in shared]
    cols = [k for k in ly if k not in shared]
    x = arrange(x, lx, batch + rows + gone)
    y = arrange(y, ly, batch + gone + cols)
    b, r, c = len(batch), len(rows), len(cols)
    lead, tall = x.array.shape[:b], x.array.shape[b : b + r]
    wide = y.array.shape[b + len(gone) :]
    if not gone:  # nothing to sum: an outer product
        product = e.mul(
            reshape(x, (*lead, *tall, *(1,) * c)), reshape(y, (*lead, *(1,) * r, *wide))
        )
        return product, batch + rows + cols
    depth = math.prod(x.array.shape[b + r :])
    x = _merged(x, (*lead, math.prod(tall), depth))
    y = _merged(y, (*lead, depth, math.prod(wide)))
    return _merged(matmul(x, y), (*lead, *tall, *wide)), batch + rows + cols


def _merged(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x if x.array.shape == shape else reshape(x, shape)


# -- along named dimensions ------------------------------------------------------------------------


def _wrapped(dims: list[int], ndim: int) -> list[int]:
    return [wrap_dim(d, ndim, "tensordot") for d in dims]


def _contracted(dims: Any, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[list[int], list[int]]:
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(len(a), len(b)):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        return list(range(len(a) - dims, len(a))), list(range(dims))
    if len(dims) != 2:
        raise RuntimeError(f"tensordot expects dims to be int or a pair of lists, got {dims}")
    first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(first) != len(second):
        raise RuntimeError(
            f"both dimension lists should have same length, got {len(first)} and {len(second)}"
        )
    return _wrapped(first, len(a)), _wrapped(second, len(b))


@public(method=False)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over pairs of dimensions: the last `dims` of `a` and first of `b`, or
    those that two lists name.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.tensordot(mg.ones(3, 4, 5), mg.ones(4, 3, 2), dims=([1, 0], [0, 1])).shape
    minigrad.Size([5, 2])
    """
    first, second = _contracted(dims, a.array.shape, b.array.shape)
    for i, j in zip(first, second, strict=True):  # a size of 1 broadcasts
        if a.array.shape[i] == 1 != b.array.shape[j]:
            b = b.sum(j, True)
        elif b.array.shape[j] == 1 != a.array.shape[i]:
            a = a.sum(i, True)
    m, n = a.array.shape, b.array.shape
    for i, j in zip(first, second, strict=True):
        if m[i] != n[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {m[i]} in dim "
                f"{i - len(m)} and second has size {n[j]} in dim {j}"
            )
    labels_a: list[Any] = list(range(len(m)))
    labels_b: list[Any] = [first[second.index(j)] if j in second else -1 - j for j in range(len(n))]
    rest = [d for d in labels_a if d not in first] + [d for d in labels_b if d < 0]
    return contract(a, labels_a, b, labels_b, set(rest))[0]


@public
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The dot products of the last dimensions: ``(*, k)`` and ``(+, k)`` give ``(*, +)``."""
    a, b = input.array, other.array
    if not a.ndim or not b.ndim:
        return e.mul(input, other)
    if a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(a.shape)} and {list(b.shape)}"
        )
    return tensordot(input, other, ([a.ndim - 1], [b.ndim - 1]))
