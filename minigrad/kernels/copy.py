"""Large copies shared by threads: one thread does not use all of the memory's bandwidth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.run.jit import BLOCK, PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_address
from minigrad.kernels.scalar import smaller

__all__ = ["join"]

Array = NDArray[Any]

#: Bytes are moved, whatever they mean, as numbers of the same width.
_AS: dict[int, np.dtype[Any]] = {4: np.dtype(np.float32), 8: np.dtype(np.float64)}


@jit
def _copy_units(source, width, out, stride, offset, b0, b1):
    """Rows of `width` values to every `stride`-th place; a unit is a block of `source`."""
    for at in range(b0 * BLOCK, smaller(b1 * BLOCK, source.size), BLOCK):
        end = smaller(at + BLOCK, source.size)
        while at < end:
            row, col = at // width, at % width
            count = smaller(end - at, width - col)
            piece, start = source[at : at + count], row * stride + offset + col
            target = out[start : start + count]
            for i in range(count):
                target[i] = piece[i]
            at += count


@jit
def _copy(pool, source, width, out, stride, offset):
    units = (source.size + BLOCK - 1) // BLOCK
    parallel_for(pool, _copy_units, (source, width, out, stride, offset), units)


def join(arrays: Sequence[Array], axis: int) -> Array:
    """Arrays of one type and, but for the length of `axis`, one shape, one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> join([np.ones((2, 1)), np.zeros((2, 2))], 1)
    array([[1., 0., 0.],
           [1., 0., 0.]])
    """
    first = arrays[0]
    size = sum(a.size for a in arrays)
    number = _AS.get(first.dtype.itemsize)
    if size < PARALLEL_CHEAP // 2 or number is None:
        return np.concatenate(arrays, axis)
    length = sum(a.shape[axis] for a in arrays)
    out = np.empty((*first.shape[:axis], length, *first.shape[axis + 1 :]), first.dtype)
    flat = out.reshape(-1).view(number)
    inner = math.prod(first.shape[axis + 1 :])
    offset = 0
    for a in arrays:
        width = a.shape[axis] * inner
        if width:
            values = a.ravel().view(number)
            _copy(pool_address(), values, width, flat, length * inner, offset)
        offset += width
    return out
