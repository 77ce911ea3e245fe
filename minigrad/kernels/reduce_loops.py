"""The loops of reductions that numba compiles: columns, variances, positions, very short rows.

For processors that `emit` does not know, rows of any length are here, too.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels.math.vecmath import maximum, minimum, select
from minigrad.kernels.rows import copy, row_extreme, row_moments, row_sum
from minigrad.kernels.run.jit import BLOCK, PARALLEL_CHEAP, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for
from minigrad.kernels.scalar import from_order_key, larger, order_key, smaller

__all__ = [
    "argmax_columns", "argmax_rows", "column_sums", "extreme_rows", "reduce_columns", "row_argmax",
    "sum_rows", "var_rows",
]  # fmt: skip

#: What a kernel does with two values; a number, so that one compiled kernel serves all three.
ADD, MAX, MIN = 0, 1, 2

_NARROW = 256  # rows shorter than this are joined until they are about this long
_PANEL = 2048  # columns accumulated at a time: the accumulator stays in the first-level cache
_MOST_ROWS = 128  # added to each other in float32
_STRETCH = 128  # values of a row in which the position of the maximum is then looked for
_CHUNK = 65_536  # elements in one piece of a column reduction


# --- One contiguous row -------------------------------------------------------------------------


@jit_sum
def _sum_short_rows(x, cols, out):
    """Sums of rows of at most `BLOCK` values."""
    for r in range(out.size):
        start = r * cols
        total = x.dtype.type(0)
        for i in range(cols):
            total += x[start + i]
        out[r] = total


@jit
def _sum_each_row(x, cols, divisor, out, b0, b1):
    target = out[b0:b1]
    if cols <= BLOCK:
        _sum_short_rows(x[b0 * cols :], cols, target)
    else:
        for r in range(b0, b1):
            out[r] = row_sum(x[r * cols : (r + 1) * cols])
    if divisor != 1.0:
        for r in range(target.size):
            target[r] = np.float64(target[r]) / divisor


@jit
def sum_rows(pool, x, cols, divisor, out):
    """``(R, C) -> R``: sums of rows, divided by `divisor`; very long rows are shared out."""
    if cols < PARALLEL_CHEAP:
        parallel_for(pool, _sum_each_row, (x, cols, divisor, out), out.size)
        return
    parts = np.empty(cols // BLOCK, x.dtype)
    for r in range(out.size):
        row = x[r * cols : (r + 1) * cols]
        parallel_for(pool, _sum_each_row, (row, BLOCK, 1.0, parts), parts.size)
        total = row_sum(row[parts.size * BLOCK :])
        for part in parts:
            total += np.float64(part)
        out[r] = total / divisor


@jit
def _extreme_each_row(x, cols, down, out, b0, b1):
    for r in range(b0, b1):
        row = x[r * cols : (r + 1) * cols]
        best = order_key(row[0], down)
        for i in range(row.size):
            best = larger(best, order_key(row[i], down))
        out[r] = from_order_key(best, down)


@jit
def extreme_rows(pool, x, cols, down, out):
    """``(R, C) -> R``: the largest (smallest if `down`) of each row."""
    if cols < PARALLEL_CHEAP:
        parallel_for(pool, _extreme_each_row, (x, cols, down, out), out.size)
        return
    parts = np.empty(cols // BLOCK + 1, x.dtype)
    for r in range(out.size):
        row = x[r * cols : (r + 1) * cols]
        parallel_for(pool, _extreme_each_row, (row, BLOCK, down, parts), parts.size - 1)
        parts[-1] = row_extreme(row[cols - BLOCK :], down)  # the rest, and what came before it
        out[r] = row_extreme(parts, down)


# --- Columns ------------------------------------------------------------------------------------


@jit
def _accumulate(op, acc, row):
    """``acc[i] = acc[i] op row[i]``, in the dtype of `acc`."""
    if op == ADD:
        for i in range(acc.size):
            acc[i] += acc.dtype.type(row[i])
    elif op == MAX:
        for i in range(acc.size):
            acc[i] = maximum(acc[i], acc.dtype.type(row[i]))
    else:
        for i in range(acc.size):
            acc[i] = minimum(acc[i], acc.dtype.type(row[i]))


@jit
def _add_four(acc, x, stride):
    """Add four rows of `x`, `stride` apart; `acc` is read and written once, not four times."""
    n = acc.size
    a, b, c, d = x[:n], x[stride:], x[2 * stride :], x[3 * stride :]
    for i in range(n):
        acc[i] += (a[i] + b[i]) + (c[i] + d[i])


@jit
def _reduce_panels(x, op, rows, cols, chunk, acc, b0, b1):
    """Units `b0` to `b1`; a unit is one panel of columns in one chunk of rows of one slab."""
    chunks = (rows + chunk - 1) // chunk
    panels = (cols + _PANEL - 1) // _PANEL
    for unit in range(b0, b1):
        part, left = unit // panels, unit % panels * _PANEL
        first = part % chunks * chunk
        count = smaller(chunk, rows - first)
        here = x[(part // chunks * rows + first) * cols + left :]
        target = acc[part * cols + left : part * cols + smaller(left + _PANEL, cols)]
        copy(target, here)
        row = 1
        while op == ADD and row + 4 <= count:
            _add_four(target, here[row * cols :], cols)
            row += 4
        for r in range(row, count):
            _accumulate(op, target, here[r * cols : r * cols + target.size])


@jit
def _combine(op, parts, count, fold, divisor, out, acc):
    """``(A, count, fold, C) -> (A, C)`` in float64, divided by `divisor`: the last step."""
    width = acc.size
    cols = width // fold
    for a in range(out.size // cols):
        for k in range(count):
            row = parts[(a * count + k) * width : (a * count + k + 1) * width]
            if k == 0:
                copy(acc, row)
            else:
                _accumulate(op, acc, row)
        for f in range(1, fold):
            _accumulate(op, acc[:cols], acc[f * cols : (f + 1) * cols])
        target = out[a * cols : (a + 1) * cols]
        for c in range(cols):
            target[c] = acc[c] / divisor


@jit
def reduce_columns(pool, op, x, rows, cols, divisor, out):
    """``(A, B, C) -> (A, C)``, divided by `divisor`.

    Narrow rows are joined: `fold` of them count as one wide row, and columns of wide rows are
    reduced first. A partial result then holds `fold` rows of the true width.
    """
    slabs = out.size // cols
    fold = larger(1, smaller(_NARROW // cols, rows // 16))
    if slabs > 1 and rows % fold != 0:
        fold = 1  # wide rows must not reach into the next slab
    wide_rows, wide_cols = rows // fold, cols * fold
    chunk = smaller(_MOST_ROWS, _CHUNK // smaller(wide_cols, _PANEL))
    count = (wide_rows + chunk - 1) // chunk
    units = slabs * count * ((wide_cols + _PANEL - 1) // _PANEL)
    parts = out if count * fold == 1 else np.empty(slabs * count * wide_cols, x.dtype)
    parallel_for(pool, _reduce_panels, (x, op, wide_rows, wide_cols, chunk, parts), units)
    rest = x[wide_rows * wide_cols * slabs :]
    _accumulate(op, parts[parts.size - wide_cols :][: rest.size], rest)
    if count * fold > 1 or divisor != 1.0:
        _combine(op, parts, count, fold, divisor, out, np.empty(wide_cols, np.float64))


@jit
def column_sums(pool, x, rows, cols, divisor, out):
    """Sums over the middle of ``(A, B, C)``, divided by `divisor`, for other kernels."""
    if rows == 0:
        for i in range(out.size):
            out[i] = 0
        return
    reduce_columns(pool, np.int64(ADD), x, rows, cols, divisor, out)


# --- Variance and positions ---------------------------------------------------------------------


@jit
def _moments_each_row(x, cols, count, variance, mean, b0, b1):
    for r in range(b0, b1):
        center, squares = row_moments(x[r * cols : (r + 1) * cols])
        mean[r] = center
        variance[r] = squares / count


@jit
def var_rows(pool, x, cols, count, variance, mean):
    """``(R, C) -> R``: squared deviations divided by `count`, and means."""
    parallel_for(pool, _moments_each_row, (x, cols, count, variance, mean), mean.size)


@jit
def row_argmax(x, down):
    """First position of the largest value (smallest if `down`), or of the first NaN.

    Finds the first stretch that holds the maximum, then looks for it there. Adding zero makes
    ``-0.0`` equal to ``0.0``.
    """
    zero = x.dtype.type(0)
    best, found = order_key(x[0] + zero, down), 0
    for start in range(0, x.size, _STRETCH):
        stretch = x[start : start + _STRETCH]
        top = order_key(stretch[0] + zero, down)
        for i in range(stretch.size):
            top = larger(top, order_key(stretch[i] + zero, down))
        if top > best:
            best, found = top, start
    while order_key(x[found] + zero, down) != best:
        found += 1
    return found


@jit
def _argmax_each_row(x, cols, down, out, b0, b1):
    for r in range(b0, b1):
        out[r] = row_argmax(x[r * cols : (r + 1) * cols], down)


@jit
def argmax_rows(pool, x, cols, down, out):
    """``(R, C) -> R``, positions."""
    parallel_for(pool, _argmax_each_row, (x, cols, down, out), out.size)


@jit
def _argmax_panels(x, rows, cols, down, best, out, b0, b1):
    """Units `b0` to `b1`, each a panel of columns of one slab; `best` is for the largest values."""
    zero = x.dtype.type(0)
    panels = (cols + _NARROW - 1) // _NARROW
    for unit in range(b0, b1):
        slab, left = unit // panels, unit % panels * _NARROW
        right = smaller(left + _NARROW, cols)
        value, where = best[slab * cols + left : slab * cols + right], out[slab * cols + left :]
        for r in range(rows):
            row = x[(slab * rows + r) * cols + left :]
            for i in range(value.size):
                key, top = order_key(row[i] + zero, down), order_key(value[i] + zero, down)
                better = (key > top) or (r == 0)
                value[i] = select(better, row[i], value[i])
                where[i] = select(better, r, where[i])


@jit
def argmax_columns(pool, x, rows, cols, down, out):
    """``(A, B, C) -> (A, C)``, positions."""
    best = np.zeros(out.size, x.dtype)
    panels = (cols + _NARROW - 1) // _NARROW
    units = out.size // cols * panels
    parallel_for(pool, _argmax_panels, (x, rows, cols, down, best, out), units)
