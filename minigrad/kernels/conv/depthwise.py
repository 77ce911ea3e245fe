"""Convolutions in which each group has one input channel (depthwise convolutions).

Their matrix products have but one row, so nothing is gained by them. Here each channel of an image
is copied into a *frame* with its padding, and each element of the kernel adds one multiple of a
shifted frame to the result. A whole plane is one such addition: the result is as wide as the frame
for the time being, with unused numbers at the ends of its lines.

With a stride of 2, the even and the odd lines and columns of the frame lie apart, so that what one
element of the kernel reads lies together again; so for other strides. The position of an element
``(z, y, x)`` of the padded channel is::

    ((z * sh + y % sh) * sw + x % sw) * slot + y // sh * width + x // sw

(Howard et al., "MobileNets", 2017, made such layers known.)
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from minigrad.kernels.conv.columns import grid_of, stretch
from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.matmul.gemm import address, row_at
from minigrad.kernels.run.jit import jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_address
from minigrad.kernels.scalar import smaller

__all__ = ["backward_data", "backward_weight", "forward", "serves"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]

#: From how many multiplications the pool takes part.
PARALLEL_FROM = 200_000
#: A plane larger than this leaves the cache between two elements of the kernel.
LARGEST = 65_536


def serves(channels: int, outputs: int, sizes: Ints, how: Geometry) -> bool:
    """Whether these are the kernels for a convolution."""
    if not (channels == how.groups > 3 and outputs <= 4 * channels):
        return False
    padded = [n + 2 * p for n, p in zip(sizes, how.padding)]
    frame = [-(-n // s) * s for n, s in zip(padded, how.stride)]
    return math.prod(sizes) <= LARGEST and math.prod(frame) <= 4 * LARGEST


@functools.lru_cache(maxsize=256)
def _plan(x_shape: Ints, outputs: int, how: Geometry) -> tuple[Ints, Ints, Ints, bool]:
    """Shape of the result; the grid; layout of the frame; whether the pool takes part."""
    out = how.output_sizes(x_shape[2:])
    grid = grid_of(x_shape[2:], out, how)
    d, h, w = (n + 2 * p for n, p in zip(grid[:3], grid[12:15]))
    oh, ow, sh, sw = grid[7], grid[8], grid[10], grid[11]
    width = -(-w // sw)
    slot = -(-h // sh) * width
    length = (oh - 1) * width + ow
    layout = (d * sh * sw * slot, slot, width, length, outputs // how.groups, how.groups)
    work = x_shape[0] * outputs * math.prod(out) * math.prod(how.kernel)
    return out, grid, layout, work >= PARALLEL_FROM


# -- planes and frames ---------------------------------------------------------------------------


@jit_sum
def _add_one(plane, source, a):
    for i in range(plane.size):
        plane[i] += a * source[i]


@jit_sum
def _add_three(plane, first, second, third, a, b, c):
    for i in range(plane.size):
        plane[i] += a * first[i] + b * second[i] + c * third[i]


@jit_sum
def _dot(plane, source):
    total = plane.dtype.type(0)
    for i in range(plane.size):
        total += plane[i] * source[i]
    return total


@jit
def _clear(x):
    for i in range(x.size):
        x[i] = 0


@jit
def _copy_line(inside, line, step, back):
    """Every `step`-th number of a line into the frame, or `back`."""
    if step == 1 and back:
        for i in range(inside.size):
            line[i] = inside[i]
    elif step == 1:
        for i in range(inside.size):
            inside[i] = line[i]
    elif back:
        for i in range(inside.size):
            line[i * step] = inside[i]
    else:
        for i in range(inside.size):
            inside[i] = line[i * step]


@jit
def _copy_plane(plane, width, x, start, count, length, back):
    """`count` lines of `length`: `width` apart in the plane, without gaps in `x`."""
    for r in range(count):
        inside = stretch(plane, r * width, length)
        _copy_line(inside, stretch(x, start + r * length, length), 1, back)


@jit
def _copy_channel(frame, layout, grid, x, start, back):
    """The channel at ``x[start]`` into the middle of the frame, or `back`."""
    _, slot, width, _, _, _ = layout
    d, h, w, sh, sw = grid[0], grid[1], grid[2], grid[10], grid[11]
    pd, ph, pw = grid[12], grid[13], grid[14]
    for r in range(d * h):
        z, y = r // h + pd, r % h + ph
        origin = (z * sh + y % sh) * sw * slot + y // sh * width
        for first in range(smaller(sw, w)):
            column = first + pw
            count = (w - 1 - first) // sw + 1
            here = origin + column % sw * slot + column // sw
            inside = stretch(frame, here, count)
            line = stretch(x, start + r * w + first, w - first)
            _copy_line(inside, line, sw, back)


@jit
def _seen(frame, layout, grid, z, tap):
    """What an element of the kernel reads for depth `z` of the result: a shifted frame."""
    _, slot, width, length, _, _ = layout
    _, _, _, _, kh, kw, _, _, _, sd, sh, sw, _, _, _, dd, dh, dw = grid
    x, y = tap % kw * dw, tap // kw % kh * dh
    depth = z * sd + tap // (kw * kh) * dd
    start = ((depth * sh + y % sh) * sw + x % sw) * slot + y // sh * width + x // sw
    return stretch(frame, start, length)


# -- forward -------------------------------------------------------------------------------------


@jit
def _sum_taps(plane, frame, w, at, z, layout, grid):
    """``plane = sum of w[tap] * shifted frame`` for depth `z` of the result."""
    _clear(plane)
    taps, tap = grid[3] * grid[4] * grid[5], 0
    while tap + 3 <= taps:
        first = _seen(frame, layout, grid, z, tap)
        second = _seen(frame, layout, grid, z, tap + 1)
        third = _seen(frame, layout, grid, z, tap + 2)
        t = at + tap
        _add_three(plane, first, second, third, w[t], w[t + 1], w[t + 2])
        tap += 3
    while tap < taps:
        _add_one(plane, _seen(frame, layout, grid, z, tap), w[at + tap])
        tap += 1


@jit
def _forward_range(x, w, bias, y, grid, layout, frame, plane, owner, b0, b1):
    _, _, width, _, outputs, channels = layout
    volume, taps = grid[0] * grid[1] * grid[2], grid[3] * grid[4] * grid[5]
    od, oh, ow = grid[6], grid[7], grid[8]
    _clear(frame)
    for b in range(b0, b1):
        _copy_channel(frame, layout, grid, x, b * volume, False)
        for r in range(outputs):
            o = b % channels * outputs + r
            for z in range(od):
                _sum_taps(plane, frame, w, o * taps, z, layout, grid)
                if bias.size:
                    shift = bias[o]
                    for i in range(plane.size):
                        plane[i] += shift
                start = ((b * outputs + r) * od + z) * oh * ow
                _copy_plane(plane, width, y, start, oh, ow, True)


@jit
def _forward_planes(x, w, bias, y, grid, layout, b0, b1):
    size, more = layout[0], layout[3]
    memory = np.empty(size + more, x.dtype)
    frame = row_at(address(memory, 0), size, memory)
    plane = row_at(address(memory, size), more, memory)
    _forward_range(x, w, bias, y, grid, layout, frame, plane, memory, b0, b1)


@jit
def _forward(pool, x, w, bias, y, grid, layout, planes):
    parallel_for(pool, _forward_planes, (x, w, bias, y, grid, layout), planes)


def forward(x: Array, w: Array, bias: Array | None, how: Geometry) -> Array:
    """The convolution of (N, groups, ...) with (O, 1, ...), plus a bias for each channel.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, -1.0]]])
    >>> forward(x, w, None, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[-1., -2.]]])
    """
    out, grid, layout, shared = _plan(x.shape, w.shape[0], how)
    y = np.empty((x.shape[0], w.shape[0], *out), x.dtype)
    shifts = np.empty(0, x.dtype) if bias is None else bias
    planes = x.shape[0] * x.shape[1]
    arrays = (x.reshape(-1), w.reshape(-1), shifts, y.reshape(-1))
    _forward(pool_address() if shared else 0, *arrays, grid, layout, planes)
    return y


# -- backward ------------------------------------------------------------------------------------


@jit
def _scatter_taps(plane, frame, w, at, z, layout, grid):
    """``shifted frame += w[tap] * plane`` for depth `z` of the result: :func:`_sum_taps` back."""
    for tap in range(grid[3] * grid[4] * grid[5]):
        _add_one(_seen(frame, layout, grid, z, tap), plane, w[at + tap])


@jit
def _data_range(dy, w, dx, grid, layout, frame, plane, owner, b0, b1):
    _, _, width, _, outputs, channels = layout
    volume, taps = grid[0] * grid[1] * grid[2], grid[3] * grid[4] * grid[5]
    od, oh, ow = grid[6], grid[7], grid[8]
    _clear(plane)
    for b in range(b0, b1):
        _clear(frame)
        for r in range(outputs):
            o = b % channels * outputs + r
            for z in range(od):
                start = ((b * outputs + r) * od + z) * oh * ow
                _copy_plane(plane, width, dy, start, oh, ow, False)
                _scatter_taps(plane, frame, w, o * taps, z, layout, grid)
        _copy_channel(frame, layout, grid, dx, b * volume, True)


@jit
def _data_planes(dy, w, dx, grid, layout, b0, b1):
    size, more = layout[0], layout[3]
    memory = np.empty(size + more, dy.dtype)
    frame = row_at(address(memory, 0), size, memory)
    plane = row_at(address(memory, size), more, memory)
    _data_range(dy, w, dx, grid, layout, frame, plane, memory, b0, b1)


@jit
def _data(pool, dy, w, dx, grid, layout, planes):
    parallel_for(pool, _data_planes, (dy, w, dx, grid, layout), planes)


def backward_data(dy: Array, w: Array, x_shape: Ints, how: Geometry) -> Array:
    """The gradient of the input of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([[[1.0, 10.0]]]), np.array([[[1.0, -1.0]]])
    >>> backward_data(dy, w, (1, 1, 3), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[  1.,   9., -10.]]])
    """
    _, grid, layout, shared = _plan(x_shape, w.shape[0], how)
    dx = np.empty(x_shape, dy.dtype)
    arrays = (dy.reshape(-1), w.reshape(-1), dx.reshape(-1))
    _data(pool_address() if shared else 0, *arrays, grid, layout, x_shape[0] * x_shape[1])
    return dx


@jit
def _dot_taps(plane, frame, sums, at, z, layout, grid):
    """``sums[tap] += plane . shifted frame`` for depth `z` of the result."""
    for tap in range(grid[3] * grid[4] * grid[5]):
        sums[at + tap] += np.float64(_dot(plane, _seen(frame, layout, grid, z, tap)))


@jit
def _weight_range(dy, x, sums, images, grid, layout, frame, plane, owner, b0, b1):
    _, _, width, _, outputs, channels = layout
    volume, taps = grid[0] * grid[1] * grid[2], grid[3] * grid[4] * grid[5]
    od, oh, ow = grid[6], grid[7], grid[8]
    _clear(plane)
    _clear(frame)
    for g in range(b0, b1):
        _clear(stretch(sums, g * outputs * taps, outputs * taps))
        for n in range(images):
            b = n * channels + g
            _copy_channel(frame, layout, grid, x, b * volume, False)
            for r in range(outputs):
                at = (g * outputs + r) * taps
                for z in range(od):
                    start = ((b * outputs + r) * od + z) * oh * ow
                    _copy_plane(plane, width, dy, start, oh, ow, False)
                    _dot_taps(plane, frame, sums, at, z, layout, grid)


@jit
def _weight_groups(dy, x, sums, images, grid, layout, b0, b1):
    size, more = layout[0], layout[3]
    memory = np.empty(size + more, dy.dtype)
    frame = row_at(address(memory, 0), size, memory)
    plane = row_at(address(memory, size), more, memory)
    _weight_range(dy, x, sums, images, grid, layout, frame, plane, memory, b0, b1)


@jit
def _weight(pool, dy, x, sums, images, grid, layout, groups):
    parallel_for(pool, _weight_groups, (dy, x, sums, images, grid, layout), groups)


def backward_weight(dy: Array, x: Array, how: Geometry) -> Array:
    """The gradient of the weight of :func:`forward`, from that of its result.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 4.0]]])
    >>> backward_weight(dy, x, Geometry((2,), (1,), (0,), (1,), 1))
    array([[[21., 42.]]])
    """
    _, grid, layout, shared = _plan(x.shape, dy.shape[1], how)
    sums = np.empty((dy.shape[1], 1, *how.kernel), np.float64)
    arrays = (dy.reshape(-1), x.reshape(-1), sums.reshape(-1))
    _weight(pool_address() if shared else 0, *arrays, x.shape[0], grid, layout, x.shape[1])
    return sums.astype(dy.dtype, copy=False)
