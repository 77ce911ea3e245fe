"""Rows by number, and the sums that are their derivatives; checks of indices.

Kernels never look whether an index is in range. Every function here that takes indices either
checks them itself or says that they must have been checked (:func:`check_indices`).

A check holds for as long as nobody writes to the indices. Between the forward and the backward
pass, and even between a check and the kernel that follows, other code may do so, through numpy or
from another thread. What a kernel reads is therefore a copy of its own, checked where it is made
(:func:`own_indices`).

Sums over repeated indices are taken in the order of the indices, whatever the number of threads:
threads share the columns, not the rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.run.jit import PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import parallel_for, pool_address, pool_for
from minigrad.kernels.scalar import larger, smaller

__all__ = ["add_rows", "check_indices", "own_indices", "take_rows"]

Array = NDArray[Any]
Indices = NDArray[np.integer]

_FLOAT_KERNELS = (11, 12)  # dtype.num of float32 and float64
_ROWS_AT_ONCE = 16


def check_indices(
    indices: Indices,
    size: int,
    op: str,
    what: str = "index",
    *,
    wrap: bool = False,
    ignore: int | None = None,
) -> NDArray[np.int64]:
    """Return `indices` as contiguous int64, after checking that all are in ``[0, size)``.

    Parameters
    ----------
    indices : ndarray of integers
        Any shape and layout.
    size : int
        Number of things to choose from.
    op, what : str
        For the message: the operation, and what the numbers are to it ("index", "target").
    wrap : bool
        Accept ``[-size, size)``; negative numbers count from the end, and come back positive.
    ignore : int, optional
        A value that is accepted whatever it is, and comes back unchanged.

    Raises
    ------
    IndexError
        Naming the first value out of range and its position.

    Examples
    --------
    >>> import numpy as np
    >>> check_indices(np.array([0, -1]), 5, "take", wrap=True)
    array([0, 4])
    >>> check_indices(np.array([0, 7]), 5, "embedding")
    Traceback (most recent call last):
    IndexError: embedding: index 7 at position 1 is out of range: expected 0 <= index < 5
    """
    checked = np.ascontiguousarray(indices, np.int64).reshape(indices.shape)
    # Seen as unsigned, negative numbers are larger than any size: one pass finds both ends.
    if checked.size == 0 or np.maximum.reduce(checked.view(np.uint64), axis=None) < size:
        return checked
    low = -size if wrap else 0
    wrong = (checked < low) | (checked >= size)
    if ignore is not None:
        wrong &= checked != ignore
    if wrong.any():
        position = tuple(int(i) for i in np.unravel_index(np.argmax(wrong), wrong.shape))
        where = (
            f" at position {position[0] if len(position) == 1 else position}" if position else ""
        )
        raise IndexError(
            f"{op}: {what} {int(checked[position])}{where} is out of range: "
            f"expected {low} <= {what} < {size}"
        )
    return np.where(checked < 0, checked + size, checked) if wrap else checked


def own_indices(
    indices: Indices, size: int, op: str, what: str = "index", *, ignore: int | None = None
) -> NDArray[np.int64]:
    """A contiguous copy that nobody else can write to, all of it in ``[0, size)``.

    Parameters and exceptions are those of :func:`check_indices`.

    Examples
    --------
    >>> import numpy as np
    >>> given = np.array([0, 4])
    >>> own_indices(given, 5, "embedding") is given
    False
    """
    return check_indices(np.array(indices, np.int64, order="C"), size, op, what, ignore=ignore)


# --- Rows ---------------------------------------------------------------------------------------


@jit
def _take_groups(weight, indices, cols, out, b0, b1):
    for r in range(b0 * _ROWS_AT_ONCE, smaller(b1 * _ROWS_AT_ONCE, indices.size)):
        row, target = weight[indices[r] * cols :], out[r * cols : (r + 1) * cols]
        for i in range(target.size):
            target[i] = row[i]


@jit
def _take_rows(pool, weight, indices, cols, out):
    groups = (indices.size + _ROWS_AT_ONCE - 1) // _ROWS_AT_ONCE
    parallel_for(pool, _take_groups, (weight, indices, cols, out), groups)


def take_rows(weight: Array, indices: Indices) -> Array:
    """``weight[indices]``: an embedding lookup.

    Parameters
    ----------
    weight : ndarray, shape (V, ...)
    indices : ndarray of int64, any shape
        In ``[0, V)``.

    Returns
    -------
    ndarray, shape ``(*indices.shape, ...)``

    Raises
    ------
    IndexError
        If an index is out of range; where numpy does the work, negative ones count from the end.

    Examples
    --------
    >>> import numpy as np
    >>> take_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1, 0]))
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    shape = indices.shape + weight.shape[1:]
    cols = math.prod(weight.shape[1:])
    if indices.size * cols < PARALLEL_CHEAP or weight.dtype.num not in _FLOAT_KERNELS:
        return np.take(weight, indices, axis=0)
    out = np.empty(shape, weight.dtype)
    own = own_indices(indices, weight.shape[0], "take_rows").ravel()
    _take_rows(pool_address(), weight.ravel(), own, cols, out.ravel())
    return out


@jit
def _add_panels(grad, indices, cols, width, skip, out, b0, b1):
    for panel in range(b0, b1):
        left = panel * width
        right = smaller(left + width, cols)
        for r in range(indices.size):
            index = indices[r]
            if index != skip:
                row, target = (
                    grad[r * cols + left :],
                    out[index * cols + left : index * cols + right],
                )
                for i in range(target.size):
                    target[i] += row[i]


@jit
def _add_rows(pool, grad, indices, cols, skip, out):
    """``out[indices[r]] += grad[r]``, all flat; a unit of work is a panel of columns.

    Narrow rows stay whole, and one thread adds them: halves are no quicker to fetch than wholes.
    """
    width = larger(128, (cols // 8 + 15) // 16 * 16)
    panels = (cols + width - 1) // width
    parallel_for(pool, _add_panels, (grad, indices, cols, width, skip, out), panels)


def add_rows(
    grad: Array, indices: Indices, num_rows: int, padding_index: int | None = None
) -> Array:
    """Sum the rows of `grad` that share an index: the derivative of :func:`take_rows`.

    Parameters
    ----------
    grad : ndarray, shape ``(*indices.shape, ...)``
    indices : ndarray of int64, any shape
        In ``[0, num_rows)``.
    num_rows : int
        Rows of the result.
    padding_index : int, optional
        An index whose row of the result stays zero.

    Raises
    ------
    IndexError
        If an index is out of range.

    Returns
    -------
    ndarray, shape ``(num_rows, ...)``

    Examples
    --------
    >>> import numpy as np
    >>> add_rows(np.array([[1.0], [2.0], [5.0]]), np.array([1, 1, 0]), 3)
    array([[5.],
           [3.],
           [0.]])
    """
    tail = grad.shape[indices.ndim :]
    indices = own_indices(indices, num_rows, "add_rows")
    if grad.dtype.num not in _FLOAT_KERNELS:
        if grad.dtype == np.float16:
            wide = grad.astype(np.float32)
            return add_rows(wide, indices, num_rows, padding_index).astype(np.float16)
        out = np.zeros((num_rows, *tail), grad.dtype)
        np.add.at(out, indices, grad)
        if padding_index is not None:
            out[padding_index] = 0
        return out
    out = np.zeros((num_rows, *tail), grad.dtype)
    pool = pool_for(grad.size, PARALLEL_CHEAP)
    skip = -1 if padding_index is None else padding_index
    _add_rows(pool, grad.ravel(), indices.ravel(), math.prod(tail), skip, out.ravel())
    return out
