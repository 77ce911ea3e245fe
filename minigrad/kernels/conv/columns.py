"""Images as columns: what each element of the kernel reads, laid out for a matrix product (im2col).

Row ``(c, kd, kh, kw)`` of the columns holds, for each output position, the element of channel `c`
that the kernel's element ``(kd, kh, kw)`` meets there, 0 in the padding. Backwards, each row is
added to where it came from (col2im). Convolutions of one and two dimensions are those of three
with sizes of 1 in front.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload

from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.matmul.gemm import address, row_at
from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_address
from minigrad.kernels.scalar import larger, smaller

__all__ = ["fold", "grid_of", "ready", "stretch", "unfold", "walk"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


def grid_of(sizes: Ints, out: Ints, how: Geometry) -> Ints:
    """What :func:`walk` needs to know: sizes in, kernel, sizes out, stride, padding, dilation."""
    one, zero = (1,) * (3 - len(sizes)), (0,) * (3 - len(sizes))
    return (
        *one, *sizes, *one, *how.kernel, *one, *out, *one, *how.stride, *zero, *how.padding,
        *one, *how.dilation,
    )  # fmt: skip


@jit
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


@jit
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


@jit
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


@jit
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


@jit
def _each_channel(x, columns, grid, back, b0, b1):
    volume, positions = grid[0] * grid[1] * grid[2], grid[6] * grid[7] * grid[8]
    taps = grid[3] * grid[4] * grid[5]
    for b in range(b0, b1):
        walk(x, b * volume, 1, grid, 0, positions, columns, b * taps * positions, positions, back)


@jit
def _walk_all(pool, x, columns, grid, back, channels):
    parallel_for(pool, _each_channel, (x, columns, grid, back), channels)


def ready(x: Array) -> Array:
    """As kernels want it; numba takes an array that cannot be written for another type."""
    return x if x.flags.c_contiguous and x.flags.writeable else x.copy()


def _run(x: Array, columns: Array, how: Geometry, back: bool) -> None:
    if columns.size == 0:
        return
    sizes = x.shape[2:]
    grid = grid_of(sizes, how.output_sizes(sizes), how)
    pool = pool_address() if columns.size >= PARALLEL_CHEAP else 0
    _walk_all(pool, x.reshape(-1), columns.reshape(-1), grid, back, x.shape[0] * x.shape[1])


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
    _run(ready(x), columns, how, False)
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
    _run(x, ready(columns), how, True)
    return x
