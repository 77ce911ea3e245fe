"""Convolution by numpy alone: one matrix product, or copy, for each element of the kernel.

For integers, and where kernels cannot call numpy's BLAS. Any number of spatial dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from minigrad.kernels.conv.geometry import Geometry

__all__ = ["backward_data", "backward_weight", "fold", "forward", "unfold"]

Array = np.ndarray[Any, Any]


def _taps(how: Geometry, out: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
    """For each element of the kernel the index of it, and of what it reads of the padded input."""
    for place in product(*map(range, how.kernel)):
        steps = zip(place, how.dilation, out, how.stride)
        windows = [slice(k * d, k * d + (n - 1) * s + 1, s) for k, d, n, s in steps]
        yield (..., *place), (..., *windows)


def _padded(x: Array, how: Geometry) -> Array:
    """(N, C, ...) as (N, groups, C / groups, ...) with zeros around."""
    n, c = x.shape[:2]
    grouped = x.reshape(n, how.groups, c // how.groups, *x.shape[2:])
    return np.pad(grouped, [(0, 0)] * 3 + [(p, p) for p in how.padding])


def _inside(padded: Array, sizes: tuple[int, ...], how: Geometry) -> Array:
    """Without the zeros around."""
    inside: Any = (..., *[slice(p, p + m) for m, p in zip(sizes, how.padding)])
    return np.ascontiguousarray(padded[inside])


def _rows(x: Array) -> Array:
    """Spatial dimensions as one."""
    return x.reshape(*x.shape[:3], math.prod(x.shape[3:]))


def forward(x: Array, w: Array, how: Geometry) -> Array:
    """The convolution of (N, C, ...) with (O, C / groups, ...).

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[1, 2, 4]]]), np.array([[[1, -1]]])
    >>> forward(x, w, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[-1, -2]]])
    """
    padded, out = _padded(x, how), how.output_sizes(x.shape[2:])
    grouped = w.reshape(how.groups, -1, *w.shape[1:])
    y = np.zeros((len(x), how.groups, grouped.shape[1], int(np.prod(out))), x.dtype)
    for place, where in _taps(how, out):
        y += grouped[place] @ _rows(padded[where])
    return y.reshape(len(x), len(w), *out)


def backward_data(dy: Array, w: Array, x_shape: tuple[int, ...], how: Geometry) -> Array:
    """The gradient of the input of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([[[1, 10]]]), np.array([[[1, -1]]])
    >>> backward_data(dy, w, (1, 1, 3), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[  1,   9, -10]]])
    """
    n, c = x_shape[:2]
    grouped = w.reshape(how.groups, -1, *w.shape[1:]).swapaxes(1, 2)
    flows = dy.reshape(n, how.groups, len(w) // how.groups, -1)
    sizes = [m + 2 * p for m, p in zip(x_shape[2:], how.padding)]
    padded = np.zeros((n, how.groups, c // how.groups, *sizes), dy.dtype)
    for place, where in _taps(how, dy.shape[2:]):
        part = padded[where]
        part += (grouped[place] @ flows).reshape(part.shape)
    return _inside(padded, x_shape[2:], how).reshape(x_shape)


def backward_weight(dy: Array, x: Array, how: Geometry) -> Array:
    """The gradient of the weight of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1, 10]]]), np.array([[[1, 2, 4]]])
    >>> backward_weight(dy, x, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[21, 42]]])
    """
    n, o = dy.shape[:2]
    flows, padded = dy.reshape(n, how.groups, o // how.groups, -1), _padded(x, how)
    dw = np.zeros((*flows.shape[1:3], padded.shape[2], *how.kernel), dy.dtype)
    for place, where in _taps(how, dy.shape[2:]):
        columns = _rows(padded[where]).swapaxes(2, 3)
        dw[place] = (flows @ columns).sum(0)
    return dw.reshape(o, *dw.shape[2:])


def unfold(x: Array, how: Geometry) -> Array:
    """What each element of the kernel reads of (N, C, ...): (N, C * kernel elements, positions).

    Examples
    --------
    >>> import numpy as np
    >>> unfold(np.array([[[1, 2, 4]]]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 2],
            [2, 4]]])
    """
    n, c = x.shape[:2]
    padded, out = _padded(x, how), how.output_sizes(x.shape[2:])
    columns = np.empty((n, 1, c, *how.kernel, math.prod(out)), x.dtype)
    for place, where in _taps(how, out):
        columns[(*place, slice(None))] = _rows(padded[where])
    return columns.reshape(n, math.prod(columns.shape[1:-1]), columns.shape[-1])


def fold(columns: Array, sizes: tuple[int, ...], how: Geometry) -> Array:
    """The transpose of :func:`unfold`: columns added up to images of `sizes`.

    Examples
    --------
    >>> import numpy as np
    >>> fold(np.array([[[1, 2], [2, 4]]]), (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 4, 4]]])
    """
    n, c = len(columns), columns.shape[1] // math.prod(how.kernel)
    taps = columns.reshape(n, 1, c, *how.kernel, -1)
    padded = np.zeros((n, 1, c, *[m + 2 * p for m, p in zip(sizes, how.padding)]), columns.dtype)
    for place, where in _taps(how, how.output_sizes(sizes)):
        part = padded[where]
        part += taps[(*place, slice(None))].reshape(part.shape)
    return _inside(padded, sizes, how).reshape(n, c, *sizes)
