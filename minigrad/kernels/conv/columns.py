"""Images as columns: what each element of the kernel reads, laid out for a matrix product (im2col).

Row ``(c, kd, kh, kw)`` of the columns holds, for each output position, the element of channel `c`
that the kernel's element ``(kd, kh, kw)`` meets there, 0 in the padding. Backwards, each row is
added to where it came from (col2im). Convolutions of one and two dimensions are those of three
with sizes of 1 in front.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.matmul.gemm import address, row_at
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.jit import PARALLEL_CHEAP
from minigrad.kernels.run.plan import HEAD_BYTES, Head, Plan, execute, planned
from minigrad.kernels.scalar import larger, smaller

__all__ = ["Grid", "fold", "grid_of", "stretch", "unfold", "walk"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


class Grid(NamedTuple):
    """What :func:`walk` needs to know, for three dimensions."""

    d: int  # sizes in
    h: int
    w: int
    kd: int  # the kernel
    kh: int
    kw: int
    od: int  # sizes out
    oh: int
    ow: int
    sd: int  # stride, padding, dilation
    sh: int
    sw: int
    pd: int
    ph: int
    pw: int
    dd: int
    dh: int
    dw: int


def grid_of(x: Ints, y: Ints, how: Geometry) -> Grid:
    """The grid of a convolution of such shapes; missing dimensions have size 1."""
    one, zero = (1,) * (5 - len(x)), (0,) * (5 - len(x))
    return Grid(
        *one, *x[2:], *one, *how.kernel, *one, *y[2:], *one, *how.stride, *zero, *how.padding,
        *one, *how.dilation,
    )  # fmt: skip


@inner
def _inside(size, first, step, count):
    """The range of outputs ``o < count`` that read inside: ``0 <= first + o * step < size``."""
    low = 0 if first >= 0 else (step - 1 - first) // step
    high = 0 if first >= size else (size - 1 - first) // step + 1
    low = smaller(low, count)
    return low, larger(low, smaller(high, count))


def stretch(x, first, size):
    """The elements ``x[first:first + size]``, which are known to exist; for jitted code.

    A slice looks for negative numbers and ends beyond the array, and counts references; for the
    short rows of images this takes longer than the row.
    """
    return x[first : first + size]


@overload(stretch, inline="always")
def _stretch(x, first, size):
    return lambda x, first, size: row_at(address(x, first), size, x)


@inner
def _copy_line(line, x, at, step, low, high):
    """Outputs `low` to `high` read ``x[at + o * step]``, the others the padding."""
    head, inner = stretch(line, 0, low), stretch(line, low, high - low)
    tail = stretch(line, high, line.size - high)
    for i in range(head.size):
        head[i] = 0
    if step == 1:
        image = stretch(x, at + low, inner.size)
        for i in range(inner.size):
            inner[i] = image[i]
    else:
        image = stretch(x, at + low * step, inner.size * step)
        for i in range(inner.size):
            inner[i] = image[i * step]
    for i in range(tail.size):
        tail[i] = 0


@inner
def _add_line(line, x, at, step, low, high):
    """The opposite of :func:`_copy_line`."""
    inner = stretch(line, low, high - low)
    image = stretch(x, at + low * step, inner.size * step)
    if step == 1:
        for i in range(inner.size):
            image[i] += inner[i]
    else:
        for i in range(inner.size):
            image[i * step] += inner[i]


@inner
def walk(x, start, channels, grid, p0, p1, columns, row, distance, back):
    """Columns of the outputs `p0` to `p1` of one image; `back` adds them to the image instead.

    The image begins at ``x[start]``, the first row of the columns at ``columns[row]``; rows are
    `distance` apart.
    """
    d, h, w, kd, kh, kw, _, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw = grid
    for tap in range(channels * kd * kh * kw):
        k, j = tap % kw, tap // kw % kh
        i, c = tap // (kw * kh) % kd, tap // (kw * kh * kd)
        target = stretch(columns, row, p1 - p0)
        row += distance
        offset = k * dw - pw
        low, high = _inside(w, offset, sw, ow)
        begin, y, z = p0 % ow, p0 // ow % oh, p0 // (ow * oh)
        done = 0
        while done < target.size:
            count = smaller(ow - begin, target.size - done)
            line = stretch(target, done, count)
            iz, iy = z * sd - pd + i * dd, y * sh - ph + j * dh
            if 0 <= iz < d and 0 <= iy < h:
                at = start + ((c * d + iz) * h + iy) * w + offset + begin * sw
                first = smaller(larger(low - begin, 0), count)
                last = larger(first, smaller(high - begin, count))
                if back:
                    _add_line(line, x, at, sw, first, last)
                else:
                    _copy_line(line, x, at, sw, first, last)
            elif not back:
                for t in range(line.size):
                    line[t] = 0
            done += count
            begin = 0
            y += 1
            if y == oh:
                y = 0
                z += 1


class Channels(NamedTuple):
    """How many channels of images there are, and whether columns are added to them."""

    channels: int
    back: int


CHANNELS_AT = HEAD_BYTES
GRID_AT = CHANNELS_AT + 8 * len(Channels._fields)
#: What has the type that bodies compute in.
_F4, _F8 = np.empty(0, np.float32), np.empty(0, np.float64)


@inner
def _each_channel(like, numbers, b0, b1):
    head, grid = numbers_at(Head, numbers), numbers_at(Grid, numbers + GRID_AT)
    p = numbers_at(Channels, numbers + CHANNELS_AT)
    volume, positions = grid.d * grid.h * grid.w, grid.od * grid.oh * grid.ow
    rows = grid.kd * grid.kh * grid.kw * positions
    images, columns = (head.result, head.source) if p.back else (head.source, head.result)
    x, to = row_at(images, p.channels * volume, like), row_at(columns, p.channels * rows, like)
    for b in range(b0, b1):
        walk(x, b * volume, 1, grid, 0, positions, to, b * rows, positions, p.back != 0)


@Body
def _channels_f4(numbers, b0, b1):
    """Tasks: the columns of one channel."""
    _each_channel(_F4, numbers, b0, b1)


@Body
def _channels_f8(numbers, b0, b1):
    """Tasks: the columns of one channel."""
    _each_channel(_F8, numbers, b0, b1)


@lru_cache(maxsize=256)
def _plan(size: int, x: Ints, how: Geometry, back: bool) -> Plan:
    y = (*x[:2], *how.output_sizes(x[2:]))
    body, channels = _channels_f4 if size == 4 else _channels_f8, x[0] * x[1]
    numbers = channels * math.prod(how.kernel) * math.prod(y[2:])
    parts = Channels(channels, int(back)), grid_of(x, y, how)
    return planned(0, parts, body, channels, parallel=numbers >= PARALLEL_CHEAP)


def unfold(x: Array, how: Geometry) -> Array:
    """The columns of (N, C, ...), as (N, C * kernel elements, output positions).

    Examples
    --------
    >>> import numpy as np
    >>> unfold(np.array([[[1.0, 2.0, 4.0]]]), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1., 2.],
            [2., 4.]]])
    """
    n, c = x.shape[:2]
    out = how.output_sizes(x.shape[2:])
    columns = np.empty((n, c * math.prod(how.kernel), math.prod(out)), x.dtype)
    if columns.size:
        x = x if x.flags.carray else x.copy()
        execute(_plan(x.itemsize, x.shape, how, False), x, x, x, columns)
    return columns


def fold(columns: Array, sizes: Ints, how: Geometry) -> Array:
    """Columns added up to images of `sizes`: what :func:`unfold` does, transposed.

    Examples
    --------
    >>> import numpy as np
    >>> columns = np.array([[[1.0, 2.0], [2.0, 4.0]]])
    >>> fold(columns, (3,), Geometry((2,), (1,), (0,), (1,), 1))
    array([[[1., 4., 4.]]])
    """
    n, rows = columns.shape[:2]
    x = np.zeros((n, rows // math.prod(how.kernel), *sizes), columns.dtype)
    if columns.size:
        columns = columns if columns.flags.carray else columns.copy()
        execute(_plan(x.itemsize, x.shape, how, True), columns, columns, columns, x)
    return x
