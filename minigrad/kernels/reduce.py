"""Sums, means, products, extremes and variances over any axes.

Every reduction is brought to one shape: a contiguous array seen as ``(A, B, C)`` whose middle is
reduced. With ``C == 1`` each result comes from one contiguous row; otherwise whole rows of length
``C`` are accumulated into each other, which reads memory in order as well. Axes that are not
neighbours are reduced one run after the other, the last run first, without transposing.

Accuracy: a float32 sum adds at most a block of 8192 neighbours (or 128 rows) in float32, in vector
lanes, and adds the blocks in float64: as quick as a plain loop, and its error does not grow with
the length. Blocks depend on the shape alone, so the bits do not depend on the number of threads.

float32 and float64 have kernels; other dtypes go through numpy (float16 is computed in float32).
So do sums of small arrays, which numpy adds in few inner loops (see :data:`_FEW_LOOPS`): numpy is
about as quick there, as accurate (few rows, or pairwise sums), and needs no compiling, which for
columns takes 2 s.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.kernels.math.vecmath import maximum, minimum, select
from minigrad.kernels.rows import copy, row_extreme, row_moments, row_sum
from minigrad.kernels.run.jit import BLOCK, PARALLEL_CHEAP, jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_address
from minigrad.kernels.scalar import from_order_key, larger, order_key, smaller

__all__ = [
    "argmax",
    "argmin",
    "column_sums",
    "max",
    "mean",
    "min",
    "prod",
    "sum",
    "var",
]

Array = NDArray[Any]
Axes = tuple[int, ...]

#: What a kernel does with two values; a number, so that one compiled kernel serves all three.
ADD, MAX, MIN = 0, 1, 2

_FLOAT_KERNELS = (11, 12)  # dtype.num of float32 and float64
_PARALLEL_FROM = 65_536  # elements from which rows or columns are shared between threads
_NARROW = 256  # rows shorter than this are joined until they are about this long
_PANEL = 2048  # columns accumulated at a time: the accumulator stays in the first-level cache
_MOST_ROWS = 128  # added to each other in float32
_STRETCH = 128  # values of a row in which the position of the maximum is then looked for
_CHUNK = 65_536  # elements in one piece of a column reduction
#: numpy runs one inner loop per row, some 20 ns each. Up to so many loops (and elements) it takes
#: 2 to 4 us, as the kernels do (measured); with 2000 loops it takes ten times longer than they.
_FEW_LOOPS, _NUMPY_ELEMENTS = 128, 32_768
#: Elements up to which numpy's call is the quickest, whatever the axes (0.8 us against 1.3).
_TINY = 512
_add: Any = np.add.reduce


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
def _sum_rows(pool, x, cols, divisor, out):
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
def _extreme_rows(pool, x, cols, down, out):
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
def _reduce_columns(pool, op, x, rows, cols, divisor, out):
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
    _reduce_columns(pool, np.int64(ADD), x, rows, cols, divisor, out)


# --- Variance and positions ---------------------------------------------------------------------


@jit
def _moments_each_row(x, cols, count, variance, mean, b0, b1):
    for r in range(b0, b1):
        center, squares = row_moments(x[r * cols : (r + 1) * cols])
        mean[r] = center
        variance[r] = squares / count


@jit
def _var_rows(pool, x, cols, count, variance, mean):
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
def _argmax_rows(pool, x, cols, down, out):
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
def _argmax_columns(pool, x, rows, cols, down, out):
    """``(A, B, C) -> (A, C)``, positions."""
    best = np.zeros(out.size, x.dtype)
    panels = (cols + _NARROW - 1) // _NARROW
    units = out.size // cols * panels
    parallel_for(pool, _argmax_panels, (x, rows, cols, down, best, out), units)


# --- Any axes -----------------------------------------------------------------------------------


def reduced_shape(shape: tuple[int, ...], axes: Axes, keepdim: bool) -> tuple[int, ...]:
    """Shape after reducing `axes` (normalised)."""
    sizes = list(shape)
    for axis in reversed(axes):
        if keepdim:
            sizes[axis] = 1
        else:
            del sizes[axis]
    return tuple(sizes)


def _reduce(op: int, x: Array, axes: Axes, keepdim: bool, divisor: float) -> Array:
    """Reduce `axes` (at least one); `x` is float32 or float64 and not empty."""
    out = np.empty(reduced_shape(x.shape, axes, keepdim), x.dtype)
    if len(axes) == x.ndim:
        _launch(op, x.ravel("K"), x.size, 1, divisor, out.ravel())
        return out
    if x.ndim == 2 and x.flags.f_contiguous:
        x, axes = x.T, (1 - axes[0],)
    shape, last = x.shape, axes[-1]
    first = last
    while first - 1 in axes:
        first -= 1
    if first != axes[0]:  # several runs of neighbours: this run now, the others after it
        x = _reduce(op, x, tuple(range(first, last + 1)), True, 1.0)
        return _reduce(op, x, axes[: axes.index(first)], True, divisor).reshape(out.shape)
    rows = shape[last] if first == last else math.prod(shape[first : last + 1])
    _launch(op, x.ravel(), rows, math.prod(shape[last + 1 :]), divisor, out.ravel())
    return out


def _launch(op: int, x: Array, rows: int, cols: int, divisor: float, out: Array) -> None:
    """``(A, rows, cols) -> (A, cols)``, all flat. Which code runs depends on the sizes alone."""
    loops = x.size // (cols if cols > 1 else rows)
    if op == ADD and loops <= _FEW_LOOPS and x.size <= (_NUMPY_ELEMENTS if cols > 1 else BLOCK):
        try:
            _sum_with_numpy(x, rows, cols, divisor, out)
        except EVENTS:
            call_quietly(_sum_with_numpy, x, rows, cols, divisor, out)
        return
    pool = pool_address() if x.size >= _PARALLEL_FROM else 0
    if cols > 1:
        _reduce_columns(pool, op, x, rows, cols, divisor, out)
    elif op == ADD:
        _sum_rows(pool, x, rows, divisor, out)
    else:
        _extreme_rows(pool, x, rows, op == MIN, out)


def _sum_with_numpy(x: Array, rows: int, cols: int, divisor: float, out: Array) -> None:
    if cols == 1:
        _add(x.reshape(-1, rows), 1, None, out)
    elif x.size == rows * cols:
        _add(x.reshape(rows, cols), 0, None, out)
    else:
        _add(x.reshape(-1, rows, cols), 1, None, out.reshape(-1, cols))
    if divisor != 1.0:
        out /= divisor


def _with_numpy(ufunc: Any, x: Array, axes: Axes, keepdim: bool, dtype: Any = None) -> Array:
    return np.asarray(ufunc.reduce(x, axis=axes, dtype=dtype, keepdims=keepdim))


def _sum_dtype(x: Array) -> Any:
    """Integers and bool are summed and multiplied in int64."""
    if x.dtype.kind == "V":  # numpy would round after every step
        raise RuntimeError(
            "sums and products are not implemented for bfloat16, which stores and converts: use "
            ".float() first"
        )
    return np.int64 if x.dtype.kind in "biu" else x.dtype


def _has_kernel(x: Array) -> bool:
    return x.dtype.num in _FLOAT_KERNELS and x.size > 0


def sum(x: Array, axes: Axes, keepdim: bool = False) -> Array:
    """Sum over `axes`; 0 where nothing is summed.

    Parameters
    ----------
    x : ndarray
        Any shape, layout and dtype. Integers and bool are summed in int64, as in PyTorch.
    axes : tuple of int
        Axes to sum over, in ``[0, x.ndim)``, ascending. None of them (``()``) copies `x`.
    keepdim : bool
        Keep the reduced axes with length 1.

    Examples
    --------
    >>> import numpy as np
    >>> sum(np.ones((2, 3), np.float32), (1,))
    array([3., 3.], dtype=float32)
    """
    if _has_kernel(x) and axes:
        if x.size <= _TINY:
            try:
                return np.asarray(_add(x, axes, None, None, keepdim))
            except EVENTS:
                return np.asarray(call_quietly(_add, x, axes, None, None, keepdim))
        return _reduce(ADD, x, axes, keepdim, 1.0)
    if x.dtype == np.float16:
        return _as_half(sum(x.astype(np.float32), axes, keepdim))
    return _with_numpy(np.add, x, axes, keepdim, _sum_dtype(x))


def _as_half(x: Array) -> Array:
    """Rounded to float16; what is too large for it becomes infinite without a word."""
    return np.asarray(call_quietly(x.astype, np.float16))


def mean(x: Array, axes: Axes, keepdim: bool = False) -> Array:
    """Mean over `axes`, of a floating dtype; NaN where nothing is averaged.

    Parameters as in :func:`sum`.

    Examples
    --------
    >>> import numpy as np
    >>> mean(np.array([[1.0, 3.0], [2.0, 6.0]]), (0,), keepdim=True)
    array([[1.5, 4.5]])
    """
    count = math.prod([x.shape[axis] for axis in axes])
    if _has_kernel(x) and axes:
        return _reduce(ADD, x, axes, keepdim, float(count))
    if x.dtype == np.float16:
        return _as_half(mean(x.astype(np.float32), axes, keepdim))
    if count == 0:
        return np.full(reduced_shape(x.shape, axes, keepdim), np.nan, x.dtype)
    return sum(x, axes, keepdim) / x.dtype.type(count)


def prod(x: Array, axes: Axes, keepdim: bool = False) -> Array:
    """Product over `axes`; 1 where nothing is multiplied. Parameters and dtypes as in :func:`sum`.

    Examples
    --------
    >>> import numpy as np
    >>> prod(np.array([2.0, 3.0]), (0,))
    array(6.)
    """
    return _with_numpy(np.multiply, x, axes, keepdim, _sum_dtype(x))


def max(x: Array, axes: Axes, keepdim: bool = False) -> Array:
    """Largest value over `axes`, which must not be empty; NaN where there is a NaN.

    Parameters as in :func:`sum`; the dtype stays.

    Examples
    --------
    >>> import numpy as np
    >>> max(np.array([[1.0, 5.0], [4.0, 2.0]]), (1,))
    array([5., 4.])
    """
    if _has_kernel(x) and axes:
        return _reduce(MAX, x, axes, keepdim, 1.0)
    return _with_numpy(np.maximum, x, axes, keepdim)


def min(x: Array, axes: Axes, keepdim: bool = False) -> Array:
    """Smallest value over `axes`, which must not be empty; NaN where there is a NaN.

    Parameters as in :func:`sum`; the dtype stays.

    Examples
    --------
    >>> import numpy as np
    >>> min(np.array([[1.0, 5.0], [4.0, 2.0]]), (0, 1))
    array(1.)
    """
    if _has_kernel(x) and axes:
        return _reduce(MIN, x, axes, keepdim, 1.0)
    return _with_numpy(np.minimum, x, axes, keepdim)


def var(x: Array, axes: Axes, correction: float = 1, keepdim: bool = False) -> tuple[Array, Array]:
    """Variance and mean over `axes`: ``sum((x - mean)**2) / max(0, n - correction)``.

    NaN where there are not enough values. Parameters as in :func:`sum`; `x` has a floating dtype.

    Examples
    --------
    >>> import numpy as np
    >>> var(np.array([1.0, 2.0, 3.0]), (0,))
    (array(1.), array(2.))
    """
    if x.dtype == np.float16:
        wide, center = var(x.astype(np.float32), axes, correction, keepdim)
        return wide.astype(np.float16), center.astype(np.float16)
    count = math.prod([x.shape[axis] for axis in axes])
    divisor = float(np.maximum(0, count - correction))
    shape = reduced_shape(x.shape, axes, keepdim)
    if x.size > 0 and axes == tuple(range(x.ndim - len(axes), x.ndim)):
        variance, center = np.empty(shape, x.dtype), np.empty(shape, x.dtype)
        pool = pool_address() if x.size >= _PARALLEL_FROM else 0
        _var_rows(pool, x.ravel(), count, divisor, variance.ravel(), center.ravel())
        return variance, center
    center = mean(x, axes, keepdim=True)
    deviation = x - center
    deviation *= deviation
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.asarray(sum(deviation, axes, keepdim) / x.dtype.type(divisor))
    return variance, center.reshape(shape)


def argmax(x: Array, axis: int | None, keepdim: bool = False) -> Array:
    """Position (int64) of the largest value along `axis`, or in the flattened array if it is None.

    The first such position where there are several; NaN counts as largest. There must be a value.

    Examples
    --------
    >>> import numpy as np
    >>> argmax(np.array([[1.0, 7.0, 7.0], [3.0, 2.0, 1.0]]), 1)
    array([1, 0])
    """
    return _argmax(x, axis, keepdim, down=False)


def argmin(x: Array, axis: int | None, keepdim: bool = False) -> Array:
    """Position (int64) of the smallest value; everything else as :func:`argmax`.

    Examples
    --------
    >>> import numpy as np
    >>> argmin(np.array([3.0, np.nan, 1.0]), None)
    array(1)
    """
    return _argmax(x, axis, keepdim, down=True)


def _argmax(x: Array, axis: int | None, keepdim: bool, down: bool) -> Array:
    if x.size < PARALLEL_CHEAP or x.dtype.num not in _FLOAT_KERNELS:
        numpys = np.argmin if down else np.argmax
        return np.asarray(numpys(x, axis=axis, keepdims=keepdim))
    axes = tuple(range(x.ndim)) if axis is None else (axis,)
    out = np.empty(reduced_shape(x.shape, axes, keepdim), np.int64)
    rows = x.size if axis is None else x.shape[axis]
    cols = 1 if axis is None else math.prod(x.shape[axis + 1 :])
    if cols == 1:
        _argmax_rows(pool_address(), x.ravel(), rows, down, out.ravel())
    else:
        _argmax_columns(pool_address(), x.ravel(), rows, cols, down, out.ravel())
    return out
