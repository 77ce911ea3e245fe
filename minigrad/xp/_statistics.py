"""Sums, extremes, orders, sets and searches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core import dtypes
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Tensor
from minigrad.xp._array import as_tensor, standard
from minigrad.xp._dtypes import as_float, number_as, together, type_of_number
from minigrad.xp._manipulation import axes_of

__all__: list[str] = []
_standard = standard(__all__)

# -- one number from many --------------------------------------------------------------------------


def fold(name: str, x: Tensor, axis: Any, keepdims: bool, **options: Any) -> Any:
    """Over all axes, or over those given; over none, every element is folded alone."""
    if axis is not None and not (axis := axes_of(axis, x.ndim, name)):
        return PUBLIC[name](PUBLIC["unsqueeze"](x, -1), -1, **options)
    return PUBLIC[name](x, axis, keepdim=keepdims, **options)


def _sum_type(x: Tensor, dtype: Any) -> dtypes.dtype:
    """Integers add up in the widest type of their sign, floats in their own."""
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if x.dtype.is_floating_point:
        return x.dtype
    return dtypes.uint64 if x.array.dtype.kind == "u" else dtypes.int64


@_standard
def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum over some axes, or over all."""
    return fold("sum", x, axis, keepdims, dtype=_sum_type(x, dtype))


@_standard
def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product over some axes, or over all."""
    return fold("prod", x, axis, keepdims, dtype=_sum_type(x, dtype))


@_standard
def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over some axes, or over all."""
    return fold("mean", as_float(x), axis, keepdims)


@_standard
def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The standard deviation over some axes, or over all.

    `correction` is taken from the number of elements.
    """
    return fold("std", as_float(x), axis, keepdims, correction=correction)


@_standard
def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The variance over some axes, or over all.

    `correction` is taken from the number of elements.
    """
    return fold("var", as_float(x), axis, keepdims, correction=correction)


def _some(x: Tensor, axis: Any, name: str) -> Tensor:
    """The array itself, if there are elements along some axes, or at all, to choose from."""
    sizes = x.array.shape
    if axis is not None:
        sizes = tuple(sizes[d] for d in axes_of(axis, x.ndim, name))
    if 0 in sizes:
        raise ValueError(f"{name}(): there are no elements to choose from in {list(x.shape)}")
    return x


@_standard
def max(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element over some axes, or over all."""
    return fold("amax", _some(x, axis, "max"), axis, keepdims)


@_standard
def min(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element over some axes, or over all."""
    return fold("amin", _some(x, axis, "min"), axis, keepdims)


@_standard
def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether every element is not zero, over some axes or over all."""
    return fold("all", x != 0, axis, keepdims)


@_standard
def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether some element is not zero, over some axes or over all."""
    return fold("any", x != 0, axis, keepdims)


@_standard
def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The number of elements that are not zero, over some axes or over all."""
    return fold("sum", x != 0, axis, keepdims)


@_standard
def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest element, the first one of several."""
    return PUBLIC["argmax"](_some(x, axis, "argmax"), axis, keepdims)


@_standard
def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest element, the first one of several."""
    return PUBLIC["argmin"](_some(x, axis, "argmin"), axis, keepdims)


# -- running and neighbouring ----------------------------------------------------------------------


def _running(
    names: tuple[str, str], x: Tensor, axis: int | None, dtype: Any, first: int | None
) -> Any:
    """The function `names` [0], computed by the operation `names` [1]; after `first`, if given."""
    if x.ndim == 0 or (axis is None and x.ndim > 1):
        raise ValueError(f"{names[0]}(): axis must be given for {x.ndim} dimensions")
    (axis,) = axes_of(axis or 0, x.ndim, names[0])
    kind = _sum_type(x, dtype)
    result = PUBLIC[names[1]](x, axis, dtype=kind)
    if first is None:
        return result
    shape = tuple(1 if d == axis else n for d, n in enumerate(x.array.shape))
    return PUBLIC["cat"]([PUBLIC["full"](shape, first, dtype=kind), result], axis)


@_standard
def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The sums of the first 1, 2, 3, ... entries along `axis`."""
    return _running(("cumulative_sum", "cumsum"), x, axis, dtype, 0 if include_initial else None)


@_standard
def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    """The products of the first 1, 2, 3, ... entries along `axis`."""
    return _running(("cumulative_prod", "cumprod"), x, axis, dtype, 1 if include_initial else None)


@_standard
def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along `axis`, `n` times."""
    (axis,) = axes_of(axis, x.ndim, "diff")
    ends = [None if e is None else cast(as_tensor(e, "diff"), x.array.dtype)
            for e in (prepend, append)]  # fmt: skip
    return PUBLIC["diff"](x, n, axis, *ends)


# -- orders and searches ---------------------------------------------------------------------------


@_standard
def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that sort the elements along `axis`; equal ones always stay in order."""
    return PUBLIC["argsort"](x, *axes_of(axis, x.ndim, "argsort"), descending)


@_standard
def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements along `axis` in order; equal ones always stay in order."""
    return PUBLIC["sort"](x, *axes_of(axis, x.ndim, "sort"), descending).values


@_standard
def nonzero(x: Any, /) -> Any:
    """The indices of the elements that are not zero, one array for each dimension."""
    if not x.ndim:
        raise ValueError("nonzero(): an array of no dimensions has no indices")
    return PUBLIC["nonzero"](x, as_tuple=True)


@_standard
def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where the elements of `x2` would be inserted into the sorted vector `x1`."""
    if isinstance(x2, Tensor):
        a, b = together(x1, x2, "searchsorted")
    else:
        a = as_tensor(x1, "searchsorted")
        b = number_as(x2, type_of_number(x2, a.dtype))
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted(): side must be 'left' or 'right', got {side!r}")
    order = None if sorter is None else cast(as_tensor(sorter, "searchsorted"), np.dtype(np.int64))
    return PUBLIC["searchsorted"](a, b, side=side, sorter=order)


@_standard
def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """Elements of `x1` where `condition` holds, of `x2` elsewhere."""
    flags = as_tensor(condition, "where")
    if flags.array.dtype.kind != "b":
        raise TypeError(f"where(): the condition must be boolean, got {flags.dtype}")
    return PUBLIC["where"](flags, *together(x1, x2, "where"))


@_standard
def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Any:
    """Element by element, whether it is among the elements of `x2`."""
    return PUBLIC["isin"](*together(x1, x2, "isin"), invert=invert)


# -- sets ------------------------------------------------------------------------------------------


class UniqueAllResult(NamedTuple):
    """Distinct elements, where each first occurs, which each element is, how often each occurs."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    """Distinct elements, and how often each occurs."""

    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    """Distinct elements, and which of them each element is."""

    values: Tensor
    inverse_indices: Tensor


@_standard
def unique_all(x: Any, /) -> UniqueAllResult:
    """The distinct elements in order, and everything about them; each NaN is distinct."""
    _, *found = call_quietly(_unique, x.array)
    indices, inverse, counts = map(Tensor, found)
    values = PUBLIC["reshape"](x, -1)[indices]  # gradients flow to where each first occurs
    inverse = PUBLIC["reshape"](inverse, x.array.shape)
    return UniqueAllResult(values, indices, inverse, counts)


def _unique(x: np.ndarray[Any, Any]) -> Any:
    return np.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)


@_standard
def unique_counts(x: Any, /) -> UniqueCountsResult:
    """The distinct elements in order, and how often each occurs."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


@_standard
def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """The distinct elements in order, and which of them each element is."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


@_standard
def unique_values(x: Any, /) -> Any:
    """The distinct elements in order."""
    return unique_all(x).values
