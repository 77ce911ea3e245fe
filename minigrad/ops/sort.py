"""Sorting, ranks, distinct values, and places in a sorted sequence.

NaN counts as the largest value, as in PyTorch and numpy. Sorts are stable, so that the order of
equal elements, and with it where their gradients go, does not depend on the machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.engine import apply
from minigrad.core.ops.shape import reshape
from minigrad.core.plain import plain, plain_results
from minigrad.core.promotion import as_operand
from minigrad.core.public import OpFunction, public
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.guard import guarded, values_decide
from minigrad.ops.reduce import ValuesIndices
from minigrad.ops.scatter import gather

kernels = lazy("sort")

_SMALL = 512  # below so many elements numpy's ``argsort`` is as quick as a kernel

# -- kernels: the order along the last axis --------------------------------------------------------


def _order(x: Array, descending: bool) -> Array:
    """The indices that sort the last axis; equal elements stay in order, also when descending."""
    if x.dtype == np.float32 and x.size >= _SMALL:
        return kernels.order(x, descending)  # type: ignore[no-any-return]
    if not descending:
        return np.argsort(x, axis=-1, kind="stable")
    backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    return np.asarray(x.shape[-1] - 1 - backwards)


def _found(x: Array, dim: int, find: Any, args: tuple[Any, ...]) -> Array:
    """Apply `find` along `dim`."""
    if not x.ndim:
        return np.zeros((), np.int64)
    if dim == x.ndim - 1:
        return np.ascontiguousarray(find(x, *args))
    return np.ascontiguousarray(np.moveaxis(find(np.moveaxis(x, dim, -1), *args), -1, dim))


def _places_each(op: Any, inputs: Any, params: Any, _: Any) -> Tensor:
    (x,), (dim, *rest) = inputs, params
    if x.array.ndim == 1:  # numbers
        return given(np.zeros(x.array.shape, np.int64))
    return apply(op, (x,), (dim + 1, *rest))  # type: ignore[no-any-return]


def _search(name: str, forward: Any, *params: Any) -> OpFunction:
    """The operation that finds places along a dimension; they have no derivative."""
    samples = [normal((3, 4), 1, *params), normal((3, 4), 0, *params)]
    return primitive(name, forward, batch=_places_each, sample=cases(*samples))


def _best(x: Array, k: int, largest: bool) -> Array:
    """The indices of the `k` first of the sorted row, without sorting all of a long one."""
    n = x.shape[-1]
    if k and x.dtype == np.float32 and x.size >= _SMALL:
        return kernels.best(x, k, largest)  # type: ignore[no-any-return]
    if (
        n < 512
        or k * 4 > n
        or k == 0
        or x.dtype.kind == "b"
        or (x.dtype.kind == "f" and np.isnan(x).any())
    ):
        return _order(x, largest)[..., :k]
    if largest:
        limit = np.partition(x, n - k, axis=-1)[..., n - k, None]
        inside = x > limit
    else:
        limit = np.partition(x, k - 1, axis=-1)[..., k - 1, None]
        inside = x < limit
    ties = x == limit
    room = k - np.count_nonzero(inside, axis=-1)[..., None]
    inside |= ties & (np.cumsum(ties, axis=-1) <= room)
    chosen = np.nonzero(inside)[-1].reshape(*x.shape[:-1], k)
    ranks = _order(np.take_along_axis(x, chosen, -1), largest)
    return np.take_along_axis(chosen, ranks, -1)


def _middle_place(a: Array, skip_nan: bool) -> Array:
    """Where the lower median of each row is."""
    order = _order(a, False)
    n = a.shape[-1]
    missing = np.isnan(a).sum(-1) if a.dtype.kind == "f" else np.zeros(a.shape[:-1], np.int64)
    valid = n - missing  # NaN stand last
    rank = np.maximum(valid - 1, 0) // 2
    if not skip_nan:
        rank = np.where(missing > 0, np.minimum(valid, n - 1), (n - 1) // 2)
    return np.take_along_axis(order, rank[..., None], -1)


def _commonest_place(a: Array) -> Array:
    """Where the commonest element of each row is for the last time."""
    rows = a.reshape(-1, a.shape[-1])
    places = np.empty((rows.shape[0], 1), np.int64)
    for i, row in enumerate(rows):
        values, counts = np.unique(row, return_counts=True)
        places[i] = np.flatnonzero(row == values[np.argmax(counts)])[-1]
    return places.reshape(*a.shape[:-1], 1)


_sorting = _search(
    "sorting", lambda x, dim, descending: _found(x, dim, _order, (descending,)), True
)
_best_places = _search(
    "best_places", lambda x, dim, k, largest: _found(x, dim, _best, (k, largest)), 2, True
)
_ranked = _search(
    "place_at_rank",
    lambda x, dim, rank: _found(x, dim, lambda a: _order(a, False)[..., rank : rank + 1], ()), 1,
)  # fmt: skip
_median_places = _search(
    "median_places", lambda x, dim, skip_nan: _found(x, dim, _middle_place, (skip_nan,)), False
)
_commonest = _search("mode_places", lambda x, dim: _found(x, dim, _commonest_place, ()))


def _picked(input: Tensor, dim: int, places: Tensor) -> ValuesIndices:
    if not input.array.ndim:
        return ValuesIndices(input.clone(), places)
    return ValuesIndices(gather(input, dim, places), places)


# -- sorting ---------------------------------------------------------------------------------------


@public
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """The elements along `dim` in order, and where they were; a pair ``(values, indices)``.

    Parameters
    ----------
    input : Tensor
    dim : int
    descending : bool
        The largest first.
    stable : bool
        Taken for compatibility: equal elements always stay in order.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.sort(mg.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    dim = wrap_dim(dim, input.array.ndim, "sort")
    return _picked(input, dim, _sorting((input,), (dim, descending)))


@public
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort the elements along `dim`."""
    dim = wrap_dim(dim, input.array.ndim, "argsort")
    return _sorting((input,), (dim, descending))


@public
def msort(input: Tensor) -> Tensor:
    """Sorted along the first dimension."""
    return sort(input, 0).values


@public
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The `k` largest (or smallest) along `dim`, best first; a pair ``(values, indices)``.

    Of equal elements the first ones are taken.

    Examples
    --------
    >>> import minigrad as mg
    >>> values, indices = mg.topk(mg.tensor([1.0, 4.0, 2.0]), 2)
    >>> values, indices
    (tensor([4., 2.]), tensor([1, 2]))
    """
    x = input.array
    dim = wrap_dim(dim, x.ndim, "topk")
    k = int(k)
    size = x.shape[dim] if x.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(
            f"selected index k out of range: topk got k={k} for size {size} at dimension {dim}"
        )
    return _picked(input, dim, _best_places((input,), (dim, k, largest)))


def _at_rank(input: Tensor, rank: int, dim: int, keepdim: bool) -> ValuesIndices:
    """The element that would stand at `rank` if `dim` was sorted."""
    found = _picked(input, dim, _ranked((input,), (dim, rank)))
    return _squeezed(found, dim, keepdim) if input.array.ndim else found


def _squeezed(found: ValuesIndices, dim: int, keepdim: bool) -> ValuesIndices:
    if keepdim:
        return found
    shape = found.values.array.shape
    shape = (*shape[:dim], *shape[dim + 1 :])
    return ValuesIndices(reshape(found.values, shape), reshape(found.indices, shape))


@public
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest element along `dim`, counted from 1; a pair ``(values, indices)``."""
    dim = wrap_dim(dim, input.array.ndim, "kthvalue")
    size = input.array.shape[dim] if input.array.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    return _at_rank(input, k - 1, dim, keepdim)


def _middle(input: Tensor, dim: int, keepdim: bool, skip_nan: bool) -> ValuesIndices:
    """The lower median: NaN if there is one, or of the others."""
    shape = input.array.shape
    if shape and not shape[dim]:
        raise IndexError(f"median(): Expected reduction dim {dim} to have non-zero size.")
    found = _picked(input, dim, _median_places((input,), (dim, skip_nan)))
    return _squeezed(found, dim, keepdim) if shape else found


def _median(name: str, skip_nan: bool, text: str) -> Any:
    def function(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is not None:
            return _middle(input, wrap_dim(dim, input.array.ndim, name), keepdim, skip_nan)
        if not input.array.size:
            return given(np.full((), np.nan).astype(input.array.dtype))
        return _middle(reshape(input, -1), 0, False, skip_nan).values

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The lower median of all elements{text}; along `dim`, a pair ``(values, indices)``."
    )
    return public(function)


median = _median("median", False, ", NaN if there is one")
nanmedian = _median("nanmedian", True, " that are not NaN")


@public
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The commonest element along `dim` (the smallest of several), and its last place."""
    dim = wrap_dim(dim, input.array.ndim, "mode")
    found = _picked(input, dim, _commonest((input,), (dim,)))
    return _squeezed(found, dim, keepdim) if input.array.ndim else found


# -- distinct values -------------------------------------------------------------------------------


@plain_results(0)
def _distinct(x: Array, axis: int | None, places: bool, often: bool) -> tuple[Array, ...]:
    """The distinct entries; if asked, where each entry is among them, and how often each occurs."""
    asked: Any = {"return_inverse": places, "return_counts": often}
    found: Any = np.unique(x, axis=axis, equal_nan=False, **asked)
    if not (places or often):
        return (np.asarray(found, order="C"),)
    values, *rest = found
    if places:
        rest[0] = rest[0].reshape(x.shape if axis is None else -1)
    return np.asarray(values, order="C"), *[r.astype(np.int64, copy=False) for r in rest]


@public
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in order, or the distinct entries along `dim`.

    Parameters
    ----------
    input : Tensor
    sorted : bool
        Taken for compatibility: the result is always sorted.
    return_inverse : bool
        Also where each element of the input is in the result.
    return_counts : bool
        Also how often each occurs.
    dim : int, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.unique(mg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    axis = None if dim is None else wrap_dim(dim, input.array.ndim, "unique")
    values_decide("unique", input)
    found = _distinct((input,), axis, return_inverse, return_counts)
    return found if len(found) > 1 else found[0]


@plain_results(0)
def _changes(x: Array, dim: int | None, places: bool, often: bool) -> tuple[Array, ...]:
    """What `_distinct` gives, of neighbours."""
    flat, axis = (x.reshape(-1), 0) if dim is None else (x, dim)
    rows = np.moveaxis(flat, axis, 0)
    wide = rows.reshape(rows.shape[0], rows.size // max(rows.shape[0], 1))
    new = np.ones(rows.shape[0], bool)
    new[1:] = (wide[1:] != wide[:-1]).any(1)
    found = [np.asarray(np.moveaxis(rows[new], 0, axis), order="C")]
    if places:
        inverse = (np.cumsum(new) - 1).astype(np.int64, copy=False)
        found.append(inverse.reshape(x.shape) if dim is None else inverse)
    if often:
        starts = np.append(np.flatnonzero(new), rows.shape[0])
        found.append(np.diff(starts).astype(np.int64, copy=False))
    return tuple(found)


@public
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or the entries along `dim`) without those that repeat the one before."""
    shape = input.array.shape
    axis = None if dim is None else wrap_dim(dim, len(shape), "unique_consecutive")
    if axis is not None and not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if axis is not None and 0 in (*shape[:axis], *shape[axis + 1 :]):
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    values_decide("unique_consecutive", input)
    found = _changes((input,), axis, return_inverse, return_counts)
    return found if len(found) > 1 else found[0]


# -- places in a sorted sequence -------------------------------------------------------------------


@plain
def _insertions(seq: Array, values: Array, *rest: Any) -> Array:
    *sorter, which, kind = rest
    if sorter:
        seq = np.take_along_axis(seq, sorter[0], -1)
    if seq.ndim == 1:
        found = np.asarray(np.searchsorted(seq, values, which))
    else:
        count = int(np.prod(seq.shape[:-1]))
        rows = zip(
            seq.reshape(count, seq.shape[-1]), values.reshape(count, values.shape[-1]), strict=True
        )
        found = np.array([np.searchsorted(s, v, which) for s, v in rows], np.int64)
        found = found.reshape(values.shape)
    return found.astype(kind, copy=False)


@public(method=False)
@guarded
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where `input` would be inserted into the last dimension of a sorted sequence.

    Parameters
    ----------
    sorted_sequence : Tensor
        One sequence, or one per row; then `input` has the same leading dimensions.
    input : Tensor or number
    out_int32 : bool
        Indices of type int32.
    right : bool
        After equal elements, not before them; the same as ``side="right"``.
    side : {"left", "right"}, optional
    sorter : Tensor, optional
        The order of a sequence that is not sorted.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.searchsorted(mg.tensor([1, 3, 5]), mg.tensor([3, 4]))
    tensor([1, 2])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise RuntimeError("searchsorted(): side and right can't be set to opposites")
    which: Any = "right" if right or side == "right" else "left"
    sequence = as_operand(sorted_sequence, "searchsorted", 0)
    wanted = input if isinstance(input, Tensor) else given(np.asarray(input))
    seq, values = sequence.array, wanted.array
    if sorter is not None:
        if sorter.array.shape != seq.shape:
            raise RuntimeError("searchsorted(): boundary and sorter must have the same size")
        if sorter.array.dtype.kind not in "iu":
            raise RuntimeError(
                f"searchsorted(): sorter must be a tensor of integers, got {sorter.dtype}"
            )
        n = seq.shape[-1] if seq.ndim else 0
        if sorter.array.size and not (sorter.array.min() >= 0 and sorter.array.max() < n):
            raise RuntimeError("searchsorted(): sorter index out of range")
    if seq.ndim != 1 and (not seq.ndim or seq.shape[:-1] != values.shape[:-1] or not values.ndim):
        raise RuntimeError(
            "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(seq.shape)} and input value tensor {list(values.shape)}"
        )
    inputs = (sequence, wanted) if sorter is None else (sequence, wanted, sorter)
    return _insertions(inputs, which, np.dtype(np.int32 if out_int32 else np.int64))


@public(method=False)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The number of the interval between `boundaries` that each element falls into."""
    if boundaries.array.ndim != 1:
        raise RuntimeError(
            "bucketize(): boundaries tensor must be 1 dimension, but got "
            f"dim({boundaries.array.ndim})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
