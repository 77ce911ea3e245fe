"""Unit vectors, linear functions of all of them, and the matrices that come out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from minigrad.core.ops.shape import reshape
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor, given
from minigrad.func.vmap import vmap

__all__ = ["basis", "columns", "cut", "mapped"]


def basis(like: Sequence[Tensor]) -> list[Tensor]:
    """Unit vectors of the space of all tensors together: the rows of an identity matrix."""
    sizes = [math.prod(t.array.shape) for t in like]
    total, start, parts = sum(sizes), 0, []
    for t, size in zip(like, sizes, strict=True):
        rows = np.zeros((total, size), t.array.dtype)
        rows[np.arange(start, start + size), np.arange(size)] = 1
        parts.append(given(rows.reshape((total, *t.array.shape))))
        start += size
    return parts


def mapped(
    function: Callable[..., tuple[Tensor, ...]], vectors: list[Tensor], chunk_size: int | None
) -> list[Tensor]:
    """The results of `function` at all vectors, so many at a time; one by one without `vmap`."""
    count = vectors[0].array.shape[0]
    if chunk_size == 1 and count:
        rows = [function(*(v[i] for v in vectors)) for i in range(count)]
        return [PUBLIC["stack"](list(parts)) for parts in zip(*rows, strict=True)]
    return list(vmap(function, chunk_size=chunk_size)(*vectors))


def cut(rows: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Rows for all elements together as a tensor for each of `like`, its shape in front."""
    sizes = [math.prod(t.array.shape) for t in like]
    pieces = PUBLIC["split"](rows, sizes)
    rest = rows.array.shape[1:]
    return [reshape(p, (*t.array.shape, *rest)) for p, t in zip(pieces, like, strict=True)]


def columns(rows: Tensor, like: Sequence[Tensor], ndim: int) -> list[Tensor]:
    """The same, the `ndim` dimensions of a row in front."""
    last, first = tuple(range(-ndim, 0)), tuple(range(ndim))
    return [PUBLIC["movedim"](p, last, first) for p in cut(rows, like)]
