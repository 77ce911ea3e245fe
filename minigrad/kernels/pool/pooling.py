"""Pooling on arrays: the maxima and the means of windows, and the derivatives.

Arrays are seen as ``(M, D, H, W)``, with size 1 where there are fewer dimensions. A maximum is
remembered as its place in the window (counted along W first), in one byte where that is enough. As
in PyTorch the first of equal maxima wins, NaN beats all, and the last NaN is taken.

float32 and float64 have loops of their own (:mod:`minigrad.kernels.pool.code`); all else is left to
numpy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels.pool import plain
from minigrad.kernels.pool.windows import Sizes, Windows, clamped, counts, flat_places
from minigrad.kernels.run.lazy import lazy

__all__ = [
    "Windows", "adaptive_max_indices", "max_backward", "max_forward", "max_indices",
    "mean_backward", "mean_forward",
]  # fmt: skip

Array = np.ndarray[Any, Any]

_plans, _run, _adaptive = lazy("pool.plan"), lazy("run.plan"), lazy("pool.adaptive")


def _wide(x: Array) -> Array:
    """What can be computed with: half precision as float32, in one piece."""
    if not x.flags.carray or x.dtype.char == "e":
        x = np.array(x, np.float32 if x.dtype.char == "e" else None, order="C")
    return x


def _volumes(x: Array, sizes: Sizes) -> Array:
    """As ``(M, D, H, W)``."""
    return x.reshape(-1, *sizes)


def max_forward(x: Array, dims: int, windows: Windows) -> tuple[Array, Array]:
    """The maximum of each window, and its place in the window.

    Parameters
    ----------
    x : ndarray, shape (..., D, H, W)
        Of float or integer dtype; the last `dims` axes are pooled.
    dims : int
        1, 2 or 3.
    windows : Windows
        Every window must have a place inside.

    Returns
    -------
    tuple of ndarray
        The second of dtype uint8 if windows have at most 256 places, otherwise int32.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> max_forward(np.array([1.0, 2.0, 5.0, 3.0]), 1, pairs)
    (array([2., 5.]), array([1, 0], dtype=uint8))
    """
    kind, dtype, kernel, out = x.dtype.char, x.dtype, clamped(windows).kernel, windows.out
    if not x.flags.carray or kind == "e":
        x = _wide(x)
    shape = x.shape[: x.ndim - dims] + out[3 - dims :]
    y = np.empty(shape, x.dtype)
    place = np.empty(shape, np.uint8 if kernel[0] * kernel[1] * kernel[2] <= 256 else np.int32)
    if not y.size:
        return y.astype(dtype, copy=False), place
    if kind in "efd" and _plans.AVAILABLE:
        planes = y.size // (out[0] * out[1] * out[2])
        sizes = (x.itemsize, planes, windows, place.itemsize, None)
        _run.execute(_plans.forward_plan(_plans.REGISTERS, *sizes), x, place, x, y)
    else:
        volumes = [_volumes(a, s) for a, s in ((x, windows.size), (y, out), (place, out))]
        plain.max_forward(volumes[0], clamped(windows), *volumes[1:])
    return y if kind != "e" else y.astype(dtype), place


def max_indices(x: Array, dims: int, windows: Windows) -> Array:
    """Where in the plane ``(D, H, W)`` the maxima of :func:`max_forward` are, as flat indices.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> max_indices(np.array([1.0, 2.0, 5.0, 3.0]), 1, pairs)
    array([1, 2])
    """
    place = max_forward(x, dims, windows)[1]
    origins, offsets = flat_places(clamped(windows))
    index = offsets[place].reshape(-1, origins.size) + origins
    return index.reshape(place.shape)


def max_backward(g: Array, dims: int, windows: Windows, place: Array) -> Array:
    """The gradient of the input of :func:`max_forward`: `g` at the places of the maxima.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> max_backward(np.array([7.0, 8.0]), 1, pairs, np.array([1, 0], np.uint8))
    array([0., 7., 8., 0.])
    """
    return _backward(g, dims, windows, place, None)


def _backward(
    g: Array, dims: int, windows: Windows, place: Array | None, mean: tuple[bool, Any] | None
) -> Array:
    flow = _wide(g)
    dx = np.empty((*g.shape[: g.ndim - dims], *windows.size[3 - dims :]), flow.dtype)
    if flow.size and _plans.AVAILABLE:
        place_bytes, planes = (
            place.itemsize if place is not None else 0,
            flow.size // math.prod(windows.out),
        )
        plan = _plans.backward_plan(
            _plans.REGISTERS, flow.itemsize, planes, windows, place_bytes, mean
        )
        _run.execute(plan, flow, flow if place is None else _wide(place), flow, dx)
    elif flow.size:
        volumes, to = _volumes(flow, windows.out), _volumes(dx, windows.size)
        if place is not None:
            plain.max_backward(volumes, _volumes(place, windows.out), clamped(windows), to)
        elif mean is not None:
            plain.spread(volumes, clamped(windows), 1 / _divisors(windows, mean), to)
    else:
        dx[...] = 0
    return dx.astype(g.dtype, copy=False)


def _divisors(windows: Windows, mean: tuple[bool, Any]) -> Array:
    depth, height, width = counts(windows, *mean)
    return depth[:, None, None] * height[:, None] * width


def mean_forward(
    x: Array, dims: int, windows: Windows, include_pad: bool, divisor: int | None
) -> Array:
    """The sum of each window, divided by how many elements it has, or by `divisor`.

    Parameters
    ----------
    x : ndarray
        Means of integers are cut off, as in PyTorch.
    dims : int
        The number of axes that are pooled.
    windows : Windows
    include_pad : bool
        Whether the padding counts.
    divisor : int, optional

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> mean_forward(np.arange(4.0), 1, pairs, True, None)
    array([0.5, 2.5])
    """
    dtype = x.dtype
    if dtype.kind in "iu":
        means = mean_forward(x.astype(np.float64), dims, windows, include_pad, divisor)
        return np.trunc(means).astype(dtype)
    values, out = x if x.flags.carray and dtype.char != "e" else _wide(x), windows.out
    y = np.empty((*x.shape[: x.ndim - dims], *out[3 - dims :]), values.dtype)
    if not y.size:
        return y.astype(dtype, copy=False)
    mean = (include_pad, divisor)
    if _plans.AVAILABLE:
        planes = y.size // (out[0] * out[1] * out[2])
        plan = _plans.forward_plan(_plans.REGISTERS, values.itemsize, planes, windows, 0, mean)
        _run.execute(plan, values, values, values, y)
    else:
        volumes, to = _volumes(values, windows.size), _volumes(y, out)
        plain.window_sums(volumes, clamped(windows), _divisors(windows, mean), to)
    return y.astype(dtype, copy=False)


def mean_backward(
    g: Array, dims: int, windows: Windows, include_pad: bool, divisor: int | None
) -> Array:
    """The transpose of :func:`mean_forward`: each element, divided, is added to all of its window.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> mean_backward(np.array([1.0, 2.0]), 1, pairs, True, None)
    array([0.5, 0.5, 1. , 1. ])
    """
    return _backward(g, dims, windows, None, (include_pad, divisor))


def adaptive_max_indices(x: Array, starts: tuple[Array, ...], stops: tuple[Array, ...]) -> Array:
    """Flat indices of the maxima in boxes of the last axes; as many axes as there are `starts`.

    Parameters
    ----------
    x : ndarray
    starts, stops : tuple of ndarray of int64
        For each axis the bounds of the boxes, ``0 <= start < stop <= size``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([4.0, 1.0, 2.0])
    >>> adaptive_max_indices(x, (np.array([0, 1]),), (np.array([2, 3]),))
    array([0, 2])
    """
    dims = len(starts)
    index = np.empty((*x.shape[: x.ndim - dims], *[s.size for s in starts]), np.int64)
    size = (*(1,) * (3 - dims), *x.shape[x.ndim - dims :])
    first, last = np.zeros(1, np.int64), np.ones(1, np.int64)
    boxes = ((first,) * (3 - dims) + starts, (last,) * (3 - dims) + stops)
    _adaptive.find(_wide(x).reshape(-1), size, *boxes, index.reshape(-1))
    return index
