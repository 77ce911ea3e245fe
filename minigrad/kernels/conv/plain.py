"""Convolution by numpy alone: one matrix product, or copy, for each element of the kernel.

For integers, and where kernels cannot call numpy's BLAS. Any number of spatial dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.kernels.conv.geometry import Geometry, offsets_met

__all__ = ["backward_data", "backward_weight", "fold", "forward", "unfold"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


def _taps(how: Geometry, sizes: Ints, out: Ints) -> Iterator[tuple[Any, Any, Any]]:
    """For each element of the kernel the indices of it, of what it reads, and of who reads it.

    Nothing is padded: what would be read outside is left out.
    """
    steps = how.kernel, how.stride, how.padding, how.dilation
    for number, inputs, outputs in offsets_met(*steps, sizes, out):
        yield (..., *np.unravel_index(number, how.kernel)), inputs, outputs


def _grouped(x: Array, groups: int) -> Array:
    """(N, C, ...) as (N, groups, C / groups, ...)."""
    return x.reshape(len(x), groups, -1, *x.shape[2:])


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
    out = how.output_sizes(x.shape[2:])
    images, weights = _grouped(x, how.groups), w.reshape(how.groups, -1, *w.shape[1:])
    y = np.zeros((len(x), how.groups, weights.shape[1], *out), x.dtype)
    for tap, inputs, outputs in _taps(how, x.shape[2:], out):
        part = y[outputs]
        part += (weights[tap] @ _rows(images[inputs])).reshape(part.shape)
    return y.reshape(len(x), len(w), *out)


def backward_data(dy: Array, w: Array, x_shape: Ints, how: Geometry) -> Array:
    """The gradient of the input of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([[[1, 10]]]), np.array([[[1, -1]]])
    >>> backward_data(dy, w, (1, 1, 3), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[  1,   9, -10]]])
    """
    weights = w.reshape(how.groups, -1, *w.shape[1:]).swapaxes(1, 2)
    flows, dx = _grouped(dy, how.groups), np.zeros(x_shape, dy.dtype)
    images = _grouped(dx, how.groups)
    for tap, inputs, outputs in _taps(how, x_shape[2:], dy.shape[2:]):
        part = images[inputs]
        part += (weights[tap] @ _rows(flows[outputs])).reshape(part.shape)
    return dx


def backward_weight(dy: Array, x: Array, how: Geometry) -> Array:
    """The gradient of the weight of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1, 10]]]), np.array([[[1, 2, 4]]])
    >>> backward_weight(dy, x, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[21, 42]]])
    """
    flows, images = _grouped(dy, how.groups), _grouped(x, how.groups)
    dw = np.zeros((*flows.shape[1:3], images.shape[2], *how.kernel), dy.dtype)
    for tap, inputs, outputs in _taps(how, x.shape[2:], dy.shape[2:]):
        columns = _rows(images[inputs]).swapaxes(2, 3)
        dw[tap] = (_rows(flows[outputs]) @ columns).sum(0)
    return dw.reshape(-1, *dw.shape[2:])


def unfold(x: Array, how: Geometry) -> Array:
    """What each element of the kernel reads of (N, C, ...): (N, C * kernel elements, positions).

    Examples
    --------
    >>> import numpy as np
    >>> unfold(np.array([[[1, 2, 4]]]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 2],
            [2, 4]]])
    """
    out = how.output_sizes(x.shape[2:])
    columns = np.zeros((*x.shape[:2], *how.kernel, *out), x.dtype)
    for tap, inputs, outputs in _taps(how, x.shape[2:], out):
        columns[(slice(None), slice(None), *tap[1:])][outputs] = x[inputs]
    return columns.reshape(len(x), x.shape[1] * math.prod(how.kernel), math.prod(out))


def fold(columns: Array, sizes: Ints, how: Geometry) -> Array:
    """The transpose of :func:`unfold`: columns added up to images of `sizes`.

    Examples
    --------
    >>> import numpy as np
    >>> fold(np.array([[[1, 2], [2, 4]]]), (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 4, 4]]])
    """
    n, out = len(columns), how.output_sizes(sizes)
    channels = columns.shape[1] // math.prod(how.kernel)
    taps = columns.reshape(n, channels, *how.kernel, *out)
    x = np.zeros((n, channels, *sizes), columns.dtype)
    for tap, inputs, outputs in _taps(how, sizes, out):
        x[inputs] += taps[(slice(None), slice(None), *tap[1:])][outputs]
    return x
