"""Windows that slide over 1 to 3 dimensions: their maximum, their sum, and the derivatives.

All arrays are seen as ``(M, D, H, W)``, with size 1 where there are fewer dimensions. The unit of
work is one row (along W) of what is written: every element is written once, by one thread, with
its contributions in a fixed order, so the bits do not depend on the number of threads.

A maximum is remembered as its place in the window (counted along W first), in one byte where that
is enough. As in PyTorch the first of equal maxima wins, NaN beats all, and the last NaN is taken.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.pool_rows import max_backward_planes, max_rows, spread_rows, sum_rows
from minigrad.kernels.pool_windows import Sizes, Windows
from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_address

__all__ = [
    "Windows",
    "adaptive_max_indices",
    "max_backward",
    "max_forward",
    "max_indices",
    "spread",
    "window_sums",
]

Array = NDArray[Any]

_FLOAT_KERNELS = (11, 12)  # dtype.num of float32 and float64
_PARALLEL_FROM = PARALLEL_CHEAP // 4

# --- Rows shared between threads ----------------------------------------------------------------


@jit
def _max_plain(pool, x, windows, lowest, y, place):
    parallel_for(pool, max_rows, (x, windows, lowest, y, place), y.size // windows.out[2])


@jit
def _max_backward_plain(pool, g, place, windows, dx):
    plane = windows.size[0] * windows.size[1] * windows.size[2]
    parallel_for(pool, max_backward_planes, (g, place, windows, dx), dx.size // plane)


@jit
def _sums_plain(pool, x, windows, counts, y):
    parallel_for(pool, sum_rows, (x, windows, counts, y), y.size // windows.out[2])


@jit
def _spread_plain(pool, g, windows, shares, dx):
    parallel_for(pool, spread_rows, (g, windows, shares, dx), dx.size // windows.size[2])


if not numba.config.DISABLE_JIT:
    from minigrad.kernels.pool_lanes import (
        max_backward_blocks,
        max_blocks,
        max_lanes,
        spread_blocks,
        spread_lanes,
        sum_blocks,
        sum_lanes,
    )

    @jit
    def _max_lanes(pool, x, windows, y, place):
        parallel_for(pool, max_lanes, (x, windows, y, place), y.size // windows.out[2])

    @jit
    def _max_blocks(pool, x, windows, y, place):
        parallel_for(pool, max_blocks, (x, windows, y, place), y.size // windows.out[2])

    @jit
    def _max_backward_blocks(pool, g, place, windows, dx):
        rows = g.size // windows.out[2]
        parallel_for(pool, max_backward_blocks, (g, place, windows, dx), rows)

    @jit
    def _sum_lanes(pool, x, windows, counts, y):
        parallel_for(pool, sum_lanes, (x, windows, counts, y), y.size // windows.out[2])

    @jit
    def _sum_blocks(pool, x, windows, counts, y):
        parallel_for(pool, sum_blocks, (x, windows, counts, y), y.size // windows.out[2])

    @jit
    def _spread_lanes(pool, g, windows, shares, dx):
        parallel_for(pool, spread_lanes, (g, windows, shares, dx), dx.size // windows.size[2])

    @jit
    def _spread_blocks(pool, g, windows, shares, dx):
        parallel_for(pool, spread_blocks, (g, windows, shares, dx), g.size // windows.out[2])


def _way(x: Array, windows: Windows) -> str:
    """Which kernels do it: those for blocks of width 2, eight columns at a time, or plain loops."""
    if x.dtype.num not in _FLOAT_KERNELS or windows.stride[2] > 2 or numba.config.DISABLE_JIT:
        return "plain"
    return "blocks" if _blocks(windows) else "lanes"


def _blocks(windows: Windows) -> bool:
    """Whether windows of depth 1 and width 2 fill the input, each element in one of them."""
    return (
        windows.kernel == windows.stride
        and windows.kernel[0] == 1
        and windows.kernel[2] == 2
        and windows.padding == (0, 0, 0)
        and windows.dilation[1:] == (1, 1)
        and windows.size[1] == windows.kernel[1] * windows.out[1]
        and windows.size[2] == 2 * windows.out[2]
    )


@jit
def _flat_places(place, windows, out):
    """From the place in the window to the place in the plane."""
    area = windows.kernel[1] * windows.kernel[2]
    for t in range(out.size):
        k = np.int64(place[t])
        j, r = t % windows.out[2], t // windows.out[2]
        h, d = r % windows.out[1], r // windows.out[1] % windows.out[0]
        at_d = d * windows.stride[0] - windows.padding[0] + k // area * windows.dilation[0]
        at_h = (
            h * windows.stride[1]
            - windows.padding[1]
            + k % area // windows.kernel[2] * windows.dilation[1]
        )
        at_w = (
            j * windows.stride[2] - windows.padding[2] + k % windows.kernel[2] * windows.dilation[2]
        )
        out[t] = (at_d * windows.size[1] + at_h) * windows.size[2] + at_w


# --- Windows that differ from output to output --------------------------------------------------


@jit
def _adaptive_max(x, size, starts, stops, index, b0, b1):
    """The places of the maxima in boxes ``starts[axis][o] <= i < stops[axis][o]``."""
    plane = size[0] * size[1] * size[2]
    outs = starts[0].size * starts[1].size * starts[2].size
    for m in range(b0, b1):
        values, t = x[m * plane : (m + 1) * plane], m * outs
        for d in range(starts[0].size):
            for h in range(starts[1].size):
                for w in range(starts[2].size):
                    at = (starts[0][d] * size[1] + starts[1][h]) * size[2] + starts[2][w]
                    best = values[at]
                    for i in range(starts[0][d], stops[0][d]):
                        for j in range(starts[1][h], stops[1][h]):
                            for k in range(starts[2][w], stops[2][w]):
                                here = (i * size[1] + j) * size[2] + k
                                v = values[here]
                                if v > best or v != v:
                                    best, at = v, here
                    index[t] = at
                    t += 1


@jit
def _adaptive_max_planes(pool, x, size, starts, stops, index):
    outs = starts[0].size * starts[1].size * starts[2].size
    parallel_for(pool, _adaptive_max, (x, size, starts, stops, index), index.size // outs)


# --- Arrays of any layout -----------------------------------------------------------------------


def _shape(x: Array, windows: Windows, sizes: Sizes, dims: int) -> Sizes:
    return (*x.shape[: x.ndim - dims], *sizes[3 - dims :])


def _pool_for(size: int) -> int:
    return pool_address() if size >= _PARALLEL_FROM else 0


def _lowest(dtype: np.dtype[Any]) -> Any:
    return dtype.type(-np.inf if dtype.kind == "f" else np.iinfo(dtype).min)


def _wide(x: Array) -> Array:
    """Half precision as float32: numba knows no half."""
    return np.ascontiguousarray(x, np.float32 if x.dtype == np.float16 else x.dtype).reshape(-1)


def max_forward(x: Array, dims: int, windows: Windows) -> tuple[Array, Array]:
    """The maximum of each window, and its place in the window.

    Parameters
    ----------
    x : ndarray, shape (..., D, H, W)
        Of float or integer dtype; the last `dims` axes are pooled. Not empty.
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
    values = _wide(x)
    shape = _shape(x, windows, windows.out, dims)
    kernel = windows.kernel
    volume = kernel[0] * kernel[1] * kernel[2]
    y, place = (
        np.empty(shape, values.dtype),
        np.empty(shape, np.uint8 if volume <= 256 else np.int32),
    )
    pool, results = _pool_for(x.size), (y.reshape(-1), place.reshape(-1))
    way = _way(values, windows)
    if way == "plain":
        _max_plain(pool, values, windows, _lowest(values.dtype), *results)
    else:
        run = _max_blocks if way == "blocks" else _max_lanes
        run(pool, values, windows, *results)
    return y.astype(x.dtype, copy=False), place


def max_indices(place: Array, windows: Windows) -> Array:
    """Flat indices in the plane ``(D, H, W)``, from the places in the window."""
    index = np.empty(place.shape, np.int64)
    _flat_places(place.reshape(-1), windows, index.reshape(-1))
    return index


def max_backward(g: Array, place: Array, dims: int, windows: Windows) -> Array:
    """The gradient of the input of :func:`max_forward`: `g` at the places of the maxima.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> max_backward(np.array([7.0, 8.0]), np.array([1, 0], np.uint8), 1, pairs)
    array([0., 7., 8., 0.])
    """
    flow = _wide(g)
    dx = np.empty(_shape(g, windows, windows.size, dims), flow.dtype)
    blocks = _way(flow, windows) == "blocks"
    run = _max_backward_blocks if blocks else _max_backward_plain
    run(_pool_for(dx.size), flow, place.reshape(-1), windows, dx.reshape(-1))
    return dx.astype(g.dtype, copy=False)


def window_sums(x: Array, dims: int, windows: Windows, counts: tuple[Array, ...]) -> Array:
    """The sum of each window, divided by the product of `counts`.

    Parameters
    ----------
    x : ndarray, shape (..., D, H, W)
        float16, float32 or float64; not empty.
    dims : int
        The number of axes that are pooled.
    windows : Windows
    counts : tuple of ndarray
        For each of 3 axes a number for each output.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> window_sums(np.arange(4.0), 1, pairs, (np.ones(1), np.ones(1), np.array([1.0, 2.0])))
    array([1. , 2.5])
    """
    values = _wide(x)
    y = np.empty(_shape(x, windows, windows.out, dims), values.dtype)
    divisors = tuple([c.astype(values.dtype) for c in counts])
    way = _way(values, windows)
    run = _sums_plain if way == "plain" else _sum_blocks if way == "blocks" else _sum_lanes
    run(_pool_for(x.size), values, windows, divisors, y.reshape(-1))
    return y.astype(x.dtype, copy=False)


def spread(g: Array, dims: int, windows: Windows, counts: tuple[Array, ...]) -> Array:
    """The transpose of :func:`window_sums`: each element, divided, is added to all of its window.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Windows((1, 1, 2), (1, 1, 2), (0, 0, 0), (1, 1, 1), (1, 1, 4), (1, 1, 2))
    >>> spread(np.array([1.0, 2.0]), 1, pairs, (np.ones(1), np.ones(1), np.array([1.0, 2.0])))
    array([1., 1., 1., 1.])
    """
    flow = _wide(g)
    dx = np.empty(_shape(g, windows, windows.size, dims), flow.dtype)
    shares = tuple([(1.0 / c).astype(flow.dtype) for c in counts])
    way = _way(flow, windows)
    run = _spread_plain if way == "plain" else _spread_blocks if way == "blocks" else _spread_lanes
    run(_pool_for(dx.size), flow, windows, shares, dx.reshape(-1))
    return dx.astype(g.dtype, copy=False)


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
    outs = tuple([s.size for s in starts])
    index = np.empty((*x.shape[: x.ndim - dims], *outs), np.int64)
    size = (*(1,) * (3 - dims), *x.shape[x.ndim - dims :])
    first, last = np.zeros(1, np.int64), np.ones(1, np.int64)
    full_starts = (*(first,) * (3 - dims), *starts)
    full_stops = (*(last,) * (3 - dims), *stops)
    arguments = (_wide(x), size, full_starts, full_stops, index.reshape(-1))
    _adaptive_max_planes(_pool_for(x.size), *arguments)
    return index
