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

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.core.expr import symbol
from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.kernels import costs
from minigrad.kernels.run.lazy import lazy
from minigrad.kernels.run.sizes import BLOCK, PARALLEL_CHEAP
from minigrad.kernels.run.team import NOBODY, team

__all__ = [
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
    "sum",
    "var",
]

bodies, call, target = lazy("emit.bodies"), lazy("emit.call"), lazy("emit.target")
kernels, threads = lazy("reduce_loops"), lazy("run.threads")

Array = NDArray[Any]
Axes = tuple[int, ...]

#: What a kernel does with two values; a number, so that one compiled kernel serves all three.
ADD, MAX, MIN = 0, 1, 2
_NAMES = ("add", "max", "min")

_FLOAT_KERNELS = (11, 12)  # dtype.num of float32 and float64
_SHORT = 8  # rows of fewer values are added by a loop that numba compiles
#: numpy runs one inner loop per row, some 20 ns each. Up to so many loops (and elements) it takes
#: 2 to 4 us, as the kernels do (measured); with 2000 loops it takes ten times longer than they.
_FEW_LOOPS, _NUMPY_ELEMENTS = 128, 32_768
#: Elements up to which numpy's call is the quickest, whatever the axes (0.8 us against 1.3).
_TINY = 512
_add: Any = np.add.reduce


# --- Rows ---------------------------------------------------------------------------------------


@functools.cache
def _row_kernel(op: int, chars: str, dtype: str) -> Any:
    """``(R, C) -> R`` in machine code, for sums with a divisor; see `emit.call`.

    `chars` are the types of the array and of the result, `dtype` the one that is computed in.
    """
    name, x, n = _NAMES[op], symbol("x"), symbol("n")
    total = symbol("total")
    finish, params = (total / n, ["n"]) if op == ADD else (total, [])
    entry = bodies.row_reduction(name, name, x, finish, ["x"], "f", chars, dtype, params)
    return call.caller(entry, [np.dtype(c) for c in reversed(chars)], len(params), True)


def _reduce_rows(op: int, x: Array, cols: int, divisor: float, out: Array, shared: bool) -> None:
    """``(R, C) -> R``, in parts where rows are so long that threads share each of them."""
    who = team(x.size) if shared else NOBODY
    numbers = (divisor,) if op == ADD else ()
    char = x.dtype.char
    kernel = _row_kernel(op, 2 * char, char)
    if cols < PARALLEL_CHEAP:
        _done(kernel(*who, out.size, cols, out, x, *numbers))
        return
    whole = cols // BLOCK
    parts = np.empty(-(-cols // BLOCK), x.dtype)
    one = (1.0,) if op == ADD else ()
    last = _row_kernel(op, 2 * char, "d" if op == ADD else char)  # parts are added in float64
    for r in range(out.size):
        row = x[r * cols : (r + 1) * cols]
        _done(kernel(*who, whole, BLOCK, parts[:whole], row[: whole * BLOCK], *one))
        if parts.size > whole:
            _done(kernel(*NOBODY, 1, cols % BLOCK, parts[whole:], row[whole * BLOCK :], *one))
        _done(last(*NOBODY, 1, parts.size, out[r : r + 1], parts, *numbers))


def _done(result: Array | None) -> None:
    if result is None:
        raise TypeError("arrays of this machine's own byte order, aligned, are expected")


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
    shared = x.size >= costs.REDUCED
    if cols == 1 and (op != ADD or rows >= _SHORT) and target.host() is not None:
        _reduce_rows(op, x if x.flags.aligned else x.copy(), rows, divisor, out, shared)
        return
    pool = threads.pool_address() if shared else 0
    if cols > 1:
        kernels.reduce_columns(pool, op, x, rows, cols, divisor, out)
    elif op == ADD:
        kernels.sum_rows(pool, x, rows, divisor, out)
    else:
        kernels.extreme_rows(pool, x, rows, op == MIN, out)


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
        pool = threads.pool_for(x.size, costs.REDUCED)
        kernels.var_rows(pool, x.ravel(), count, divisor, variance.ravel(), center.ravel())
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
        kernels.argmax_rows(threads.pool_address(), x.ravel(), rows, down, out.ravel())
    else:
        kernels.argmax_columns(threads.pool_address(), x.ravel(), rows, cols, down, out.ravel())
    return out
