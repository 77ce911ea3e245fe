"""Orders and best values along the last axis, by keys that are integers.

A float becomes an integer that sorts alike (`scalar.order_key`), NaN above all others. For float32
it leaves room in 64 bits for the place of the value, and then everything is simple: no two keys are
equal, so every sort is stable, and numpy's fastest one serves (measured on 1000 rows of 1000: a
fifth of the time of ``argsort(kind="stable")``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import order_key

__all__ = ["best", "order"]

Array = NDArray[Any]

_PLACE = np.uint64(0xFFFFFFFF)


@jit
def _pack_units(x, length, descending, keys, b0, b1):
    zero = x.dtype.type(0)
    for row in range(b0, b1):
        line, out = x[row * length : (row + 1) * length], keys[row * length : (row + 1) * length]
        for i in range(line.size):
            key = np.int64(order_key(line[i] + zero, False))  # -0 + 0 is 0: both have one key
            key = (~key if descending else key) + 2**31
            out[i] = np.uint64(key << 32 | i)


@jit
def _pack(pool, x, length, descending, keys):
    parallel_for(pool, _pack_units, (x, length, descending, keys), x.size // length)


def _packed(x: Array, descending: bool) -> Array:
    keys = np.empty(x.shape, np.uint64)
    pool = pool_for(x.size, PARALLEL_CHEAP)
    _pack(pool, x.ravel(), x.shape[-1], descending, keys.reshape(-1))
    return keys


def _places(keys: Array) -> Array:
    keys &= _PLACE
    return keys.view(np.int64)


def order(x: Array, descending: bool) -> Array:
    """The indices that sort the last axis; equal values stay in order, NaN is the largest.

    Parameters
    ----------
    x : ndarray of float32
        Not empty; the last axis no longer than ``2**32``.
    descending : bool
        The largest first.

    Examples
    --------
    >>> import numpy as np
    >>> order(np.array([2, 1, 2, np.nan], np.float32), True)
    array([3, 0, 2, 1])
    """
    keys = _packed(x, descending)
    keys.sort(axis=-1)
    return _places(keys)


def best(x: Array, k: int, largest: bool) -> Array:
    """The first `k` of the indices that sort the last axis, descending or ascending.

    Parameters
    ----------
    x : ndarray of float32
        Not empty; the last axis no longer than ``2**32``.
    k : int
        Between 1 and the length of the last axis.
    largest : bool
        The largest first.

    Examples
    --------
    >>> import numpy as np
    >>> best(np.array([2, 5, 1, 5], np.float32), 3, True)
    array([1, 3, 0])
    """
    keys = _packed(x, largest)
    if k < x.shape[-1]:
        keys.partition(k - 1, axis=-1)
    keys = np.ascontiguousarray(keys[..., :k])
    keys.sort(axis=-1)
    return _places(keys)
