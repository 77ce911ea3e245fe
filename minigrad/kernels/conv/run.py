"""The convolution's three maps on arrays, each computed in the best way there is for its sizes.

A convolution is linear in the input `x` and in the weight `w`: with ``conv(x, w)`` forward,
``conv_data(dy, w)`` and ``conv_weight(dy, x)`` are its transposes. Groups of one channel have
kernels of their own; images and sequences come to the direct kernels, which make 16 or so channels
at a time; all others to the matrix products of :mod:`minigrad.kernels.conv.general`. Types other
than float32 and float64 are left to numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.conv import channels, columns, depthwise, direct, general, plain
from minigrad.kernels.conv.columns import ready
from minigrad.kernels.conv.geometry import Geometry

__all__ = ["conv", "conv_data", "conv_weight", "fold", "sum_channels", "unfold"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]

#: Below so many multiplications the matrix products take no longer, and compile faster.
SMALL = 20_000

sum_channels = channels.sum_channels


def _in_float32(compute: Callable[..., Array], *args: Any) -> Array:
    """float16 is stored only: it is computed in float32."""
    wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
    return compute(*wide).astype(np.float16)


def _by_channel(bias: Array, ndim: int) -> Array:
    return bias.reshape(-1, *[1] * (ndim - 2))


#: Numbers that a task of the direct kernels copies at most, of the rows that one pixel reads.
COPIED = 16_777_216


def _copied(channels: int, out: Ints, how: Geometry) -> int:
    """How many numbers are copied to read one row of pixels; many where there is huge padding."""
    reach = [d * (k - 1) + 1 for k, d in zip(how.kernel, how.dilation)]
    return (
        channels
        // how.groups
        * math.prod(reach[:-1])
        * ((out[-1] - 1) * how.stride[-1] + reach[-1])
    )


def _direct(compute: Callable[..., Any], how: Geometry, *args: Any, **more: Any) -> Any:
    """The result of a direct kernel, or None; sequences are images of one line."""
    if len(how.kernel) == 2:
        return compute(*args, how.stride, how.padding, how.dilation, how.groups, **more)
    if len(how.kernel) != 1:
        return None
    images = [_as_image(a) for a in args]
    steps = (1, *how.stride), (0, *how.padding), (1, *how.dilation)
    found = compute(*images, *steps, how.groups, **more)
    return None if found is None else found.reshape(*found.shape[:2], found.shape[3])


def _as_image(x: Any) -> Any:
    if x.__class__ is tuple:
        return (*x[:2], 1, x[2])
    return x.reshape(*x.shape[:2], 1, x.shape[2])


def conv(x: Array, w: Array, bias: Array | None, how: Geometry) -> Array:
    """The convolution of (N, C, ...) with (O, C / groups, ...), plus a bias for each channel.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[1, 2, 4]]]), np.array([[[1, -1]]])
    >>> conv(x, w, np.array([10]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[9, 8]]])
    """
    kind = x.dtype.char
    if kind == "e":
        return _in_float32(conv, x, w, bias, how)
    if x.size == 0 or w.size == 0:
        y = np.zeros((len(x), len(w), *how.output_sizes(x.shape[2:])), x.dtype)
    elif general.AVAILABLE and kind in "fd":
        x, w = ready(x), ready(w)
        shifts = None if bias is None else ready(bias)
        return _forward(x, w, shifts, how)
    else:
        y = plain.forward(x, w, how)
    return y if bias is None else np.asarray(y + _by_channel(bias, y.ndim))


def _forward(x: Array, w: Array, bias: Array | None, how: Geometry) -> Array:
    if depthwise.serves(x.shape[1], len(w), x.shape[2:], how):
        return depthwise.forward(x, w, bias, how)
    out = how.output_sizes(x.shape[2:])
    if x.size * w.size > SMALL * x.shape[1] and _copied(x.shape[1], out, how) <= COPIED:
        y = _direct(direct.forward, how, x, w, bias=bias)
        if y is not None:
            return y
    return general.forward(x, w, bias, how)


def conv_data(dy: Array, w: Array, bias: Array | None, sizes: Ints, how: Geometry) -> Array:
    """The transpose of :func:`conv` in the input, which has these spatial sizes; plus a bias.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([[[1, 10]]]), np.array([[[1, -1]]])
    >>> conv_data(dy, w, None, (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[  1,   9, -10]]])
    """
    kind = dy.dtype.char
    if kind == "e":
        return _in_float32(conv_data, dy, w, bias, sizes, how)
    shape = (len(dy), w.shape[1] * how.groups, *sizes)
    if dy.size == 0 or w.size == 0:
        dx = np.zeros(shape, dy.dtype)
    elif general.AVAILABLE and kind in "fd":
        dx = _data(ready(dy), ready(w), shape, how)
        if bias is not None:
            channels.add_bias(dx, ready(bias))
        return dx
    else:
        dx = plain.backward_data(dy, w, shape, how)
    return dx if bias is None else np.asarray(dx + _by_channel(bias, dx.ndim))


def _data(dy: Array, w: Array, shape: Ints, how: Geometry) -> Array:
    if depthwise.serves(shape[1], dy.shape[1], shape[2:], how):
        return depthwise.backward_data(dy, w, shape, how)
    if dy.size * w.size > SMALL * len(w) and _copied(shape[1], dy.shape[2:], how) <= COPIED:
        dx = _direct(direct.backward_data, how, dy, w, shape)
        if dx is not None:
            return dx
    return general.backward_data(dy, w, shape, how)


def conv_weight(dy: Array, x: Array, how: Geometry) -> Array:
    """The transpose of :func:`conv` in the weight.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1, 10]]]), np.array([[[1, 2, 4]]])
    >>> conv_weight(dy, x, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[21, 42]]])
    """
    kind = dy.dtype.char
    if kind == "e":
        return _in_float32(conv_weight, dy, x, how)
    shape = (dy.shape[1], x.shape[1] // how.groups, *how.kernel)
    if dy.size == 0 or x.size == 0:
        return np.zeros(shape, dy.dtype)
    if general.AVAILABLE and kind in "fd":
        return _weight(ready(dy), ready(x), shape, how)
    return plain.backward_weight(dy, x, how)


def _weight(dy: Array, x: Array, shape: Ints, how: Geometry) -> Array:
    if depthwise.serves(x.shape[1], dy.shape[1], x.shape[2:], how):
        return depthwise.backward_weight(dy, x, how)
    copied = _copied(x.shape[1], dy.shape[2:], how)
    if dy.size * math.prod(shape[1:]) > SMALL and copied <= COPIED:
        dw = _direct(direct.backward_weight, how, dy, x, shape)
        if dw is not None:
            return dw
    return general.backward_weight(dy, x, how)


def unfold(x: Array, how: Geometry) -> Array:
    """What a convolution reads of (N, C, ...), as columns: (N, C * kernel elements, positions).

    Examples
    --------
    >>> import numpy as np
    >>> unfold(np.array([[[1, 2, 4]]]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 2],
            [2, 4]]])
    """
    kernels = columns if general.AVAILABLE and x.dtype.char in "fd" else plain
    return kernels.unfold(x, how)


def fold(windows: Array, sizes: Ints, how: Geometry) -> Array:
    """The transpose of :func:`unfold`: columns added up to images of `sizes`.

    Examples
    --------
    >>> import numpy as np
    >>> fold(np.array([[[1, 2], [2, 4]]]), (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 4, 4]]])
    """
    kernels = columns if general.AVAILABLE and windows.dtype.char in "fd" else plain
    return kernels.fold(windows, sizes, how)
