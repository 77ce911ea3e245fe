"""The convolution's three maps on arrays, each computed in the best way there is for its sizes.

A convolution is linear in the input `x` and in the weight `w`: with ``conv(x, w)`` forward,
``conv_data(dy, w)`` and ``conv_weight(dy, x)`` are its transposes. float32 and float64 are computed
in one of the ways of :mod:`minigrad.kernels.conv.ways`; float16 is stored only, and computed in
float32; all else is left to numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.conv import plain
from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.run.lazy import lazy

__all__ = ["conv", "conv_data", "conv_weight", "fold", "sum_channels", "unfold"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]

_ways, _run = lazy("conv.ways"), lazy("run.plan")
_columns, _channels = lazy("conv.columns"), lazy("conv.channels")


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if isinstance(x, np.ndarray) else x


def _kept(result: Array, out: Array | None) -> Array:
    """The result, in the place for it if there is one."""
    if out is None:
        return result
    out[...] = result
    return out


def conv(x: Array, w: Array, bias: Array | None, how: Geometry, out: Array | None = None) -> Array:
    """The convolution of (N, C, ...) with (O, C / groups, ...), plus a bias for each channel.

    Parameters
    ----------
    x, w : ndarray
        Of one type, and of sizes that fit.
    bias : ndarray, shape (O,), optional
    how : Geometry
    out : ndarray, optional
        Where to write the result: C-contiguous, of its shape and type.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[1, 2, 4]]]), np.array([[[1, -1]]])
    >>> conv(x, w, np.array([10]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[9, 8]]])
    """
    if x.dtype.char not in "fd" or not (x.size and w.size and _ways.AVAILABLE):
        return _kept(_plain_conv(x, w, bias, how), out)
    if not x.flags.carray:
        x = x.copy()
    if not w.flags.carray:
        w = w.copy()
    (plan, start, channels), shape = _ways.forward(x.itemsize, x.shape, w.shape, how)
    y = np.empty(shape, x.dtype) if out is None else out
    if bias is None:
        _run.execute(plan, x, w, start, y)
        return y
    if channels:
        bias = _filled(bias, how.groups, channels)
    elif not bias.flags.carray:
        bias = bias.copy()
    _run.execute(plan, x, w, bias, y, True)
    return y


def _filled(bias: Array, groups: int, channels: int) -> Array:
    """The bias of each group's channels, with zeros for those that fill up the last register."""
    filled = np.zeros((groups, channels), bias.dtype)
    filled[:, : bias.size // groups] = bias.reshape(groups, -1)
    return filled


def _plain_conv(x: Array, w: Array, bias: Array | None, how: Geometry) -> Array:
    """In float32, by numpy, or nothing to compute."""
    if x.dtype.char == "e":
        return conv(_wide(x), _wide(w), _wide(bias), how).astype(np.float16)
    if x.size == 0 or w.size == 0:
        y = np.zeros((len(x), len(w), *how.output_sizes(x.shape[2:])), x.dtype)
    else:
        y = plain.forward(x, w, how)
    return y if bias is None else np.asarray(y + bias.reshape(-1, *[1] * len(how.kernel)))


def conv_data(
    dy: Array, w: Array, bias: Array | None, sizes: Ints, how: Geometry, out: Array | None = None
) -> Array:
    """The transpose of :func:`conv` in the input, which has these spatial sizes; plus a bias.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([[[1, 10]]]), np.array([[[1, -1]]])
    >>> conv_data(dy, w, None, (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[  1,   9, -10]]])
    """
    if dy.dtype.char not in "fd" or not (dy.size and w.size and _ways.AVAILABLE):
        return _kept(_plain_data(dy, w, bias, sizes, how), out)
    dy, w = [a if a.flags.carray else a.copy() for a in (dy, w)]
    (plan, start, channels), shape = _ways.data(dy.itemsize, dy.shape, w.shape, sizes, how)
    dx = np.empty(shape, dy.dtype) if out is None else out
    if bias is not None:
        start = _filled(bias, how.groups, channels or bias.size // how.groups)
    _run.execute(plan, dy, w, start, dx, bias is not None)
    return dx


def _plain_data(dy: Array, w: Array, bias: Array | None, sizes: Ints, how: Geometry) -> Array:
    if dy.dtype.char == "e":
        return conv_data(_wide(dy), _wide(w), _wide(bias), sizes, how).astype(np.float16)
    shape = (len(dy), w.shape[1] * how.groups, *sizes)
    if dy.size == 0 or w.size == 0:
        dx = np.zeros(shape, dy.dtype)
    else:
        dx = plain.backward_data(dy, w, shape, how)
    return dx if bias is None else np.asarray(dx + bias.reshape(-1, *[1] * len(sizes)))


def conv_weight(dy: Array, x: Array, how: Geometry, out: Array | None = None) -> Array:
    """The transpose of :func:`conv` in the weight.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1, 10]]]), np.array([[[1, 2, 4]]])
    >>> conv_weight(dy, x, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[21, 42]]])
    """
    if dy.dtype.char not in "fd" or not (dy.size and x.size and _ways.AVAILABLE):
        return _kept(_plain_weight(dy, x, how), out)
    dy, x = [a if a.flags.carray else a.copy() for a in (dy, x)]
    (plan, start, _), shape = _ways.weight(dy.itemsize, dy.shape, x.shape, how)
    dw = np.empty(shape, dy.dtype) if out is None else out
    _run.execute(plan, x, dy, start, dw)
    return dw


def _plain_weight(dy: Array, x: Array, how: Geometry) -> Array:
    if dy.dtype.char == "e":
        return conv_weight(_wide(dy), _wide(x), how).astype(np.float16)
    if dy.size == 0 or x.size == 0:
        return np.zeros((dy.shape[1], x.shape[1] // how.groups, *how.kernel), dy.dtype)
    return plain.backward_weight(dy, x, how)


def sum_channels(g: Array) -> Array:
    """The sum over each channel of (N, C, ...): the gradient of a bias.

    Examples
    --------
    >>> import numpy as np
    >>> sum_channels(np.ones((2, 3, 4)))
    array([8., 8., 8.])
    """
    if g.dtype.char not in "fd" or g.size == 0:
        return np.asarray(g.sum((0, *range(2, g.ndim)), g.dtype))
    return _channels.sum_channels(g)


def unfold(x: Array, how: Geometry) -> Array:
    """What a convolution reads of (N, C, ...), as columns: (N, C * kernel elements, positions).

    Examples
    --------
    >>> import numpy as np
    >>> unfold(np.array([[[1, 2, 4]]]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 2],
            [2, 4]]])
    """
    kernels = _columns if x.dtype.char in "fd" and _ways.AVAILABLE else plain
    return kernels.unfold(x, how)


def fold(windows: Array, sizes: Ints, how: Geometry) -> Array:
    """The transpose of :func:`unfold`: columns added up to images of `sizes`.

    Examples
    --------
    >>> import numpy as np
    >>> fold(np.array([[[1, 2], [2, 4]]]), (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1, 4, 4]]])
    """
    kernels = _columns if windows.dtype.char in "fd" and _ways.AVAILABLE else plain
    return kernels.fold(windows, sizes, how)
