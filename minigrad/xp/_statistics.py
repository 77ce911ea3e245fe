"""Sums, extremes, orders, sets and searches."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad import dtypes
from minigrad.kernels.run.quiet import call_quietly
from minigrad.ops.functions import PUBLIC, cast
from minigrad.tensor import Tensor
from minigrad.xp._array import Array, as_tensor, wrap
from minigrad.xp._dtypes import as_float, number_as, together, type_of_number
from minigrad.xp._manipulation import axes_of

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "isin",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "searchsorted",
    "sort",
    "std",
    "sum",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "var",
    "where",
]

# -- one number from many --------------------------------------------------------------------------


def _over(
    t: Tensor, axis: Any, keepdims: builtins.bool, fold: Callable[[Tensor, Any], Any], name: str
) -> Tensor:
    """Fold over all axes, or over those given; over none, every element is folded alone."""
    if axis is None:
        axes = tuple(range(t.ndim))
    else:
        axes = axes_of(axis, t.ndim, name)
    if not axes:
        return fold(PUBLIC["unsqueeze"](t, -1), (t.ndim,))  # type: ignore[no-any-return]
    folded = fold(t, tuple(sorted(axes)))
    if not keepdims:
        return folded  # type: ignore[no-any-return]
    return PUBLIC["reshape"](  # type: ignore[no-any-return]
        folded, tuple(1 if d in axes else n for d, n in enumerate(t.array.shape))
    )


def _sum_type(t: Tensor, dtype: Any) -> dtypes.dtype:
    """Integers add up in the widest type of their sign, floats in their own."""
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if t.dtype.is_floating_point:
        return t.dtype
    return dtypes.uint64 if t.array.dtype.kind == "u" else dtypes.int64


def _adding(name: str, ufunc: Any, text: str) -> Any:
    def function(
        x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: builtins.bool = False
    ) -> Array:
        t = as_tensor(x, name)
        kind = _sum_type(t, dtype)
        t = cast(t, kind.numpy)

        def fold(u: Tensor, axes: tuple[int, ...]) -> Tensor:
            if kind.is_floating_point:
                return PUBLIC[name](u, axes)  # type: ignore[no-any-return]
            return Tensor(np.asarray(ufunc.reduce(u.array, axis=axes, dtype=kind.numpy)))

        return wrap(_over(t, axis, keepdims, fold, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {text} over some axes, or over all."
    return function


sum = _adding("sum", np.add, "sum")
prod = _adding("prod", np.multiply, "product")


def mean(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Array:
    """The mean over some axes, or over all."""
    t = as_float(as_tensor(x, "mean"))
    return wrap(_over(t, axis, keepdims, lambda u, axes: PUBLIC["mean"](u, axes), "mean"))


def _spread(name: str, text: str) -> Any:
    def function(
        x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: builtins.bool = False
    ) -> Array:
        t = as_float(as_tensor(x, name))

        def fold(u: Tensor, axes: tuple[int, ...]) -> Tensor:
            return PUBLIC[name](u, axes, correction=correction)  # type: ignore[no-any-return]

        return wrap(_over(t, axis, keepdims, fold, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The {text} over some axes, or over all.\n\n"
        "`correction` is taken from the number of elements."
    )
    return function


std = _spread("std", "standard deviation")
var = _spread("var", "variance")


def _extreme(name: str, known: str, ufunc: Any, text: str) -> Any:
    def function(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Array:
        t = as_tensor(x, name)

        def fold(u: Tensor, axes: tuple[int, ...]) -> Tensor:
            if 0 in [u.array.shape[d] for d in axes]:
                raise ValueError(f"{name}(): no {text} of no elements (shape {list(t.shape)})")
            if u.dtype.is_floating_point:
                return PUBLIC[known](u, axes)  # type: ignore[no-any-return]
            return Tensor(np.asarray(ufunc.reduce(u.array, axis=axes)))

        return wrap(_over(t, axis, keepdims, fold, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {text} element over some axes, or over all."
    return function


max = _extreme("max", "amax", np.maximum, "largest")
min = _extreme("min", "amin", np.minimum, "smallest")


def _logic(name: str, ufunc: Any, text: str) -> Any:
    def function(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Array:
        t = as_tensor(x, name)

        def fold(u: Tensor, axes: tuple[int, ...]) -> Tensor:
            return Tensor(np.asarray(ufunc.reduce(u.array != 0, axis=axes)))

        return wrap(_over(t, axis, keepdims, fold, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Whether {text} element is not zero, over some axes or over all."
    return function


all = _logic("all", np.logical_and, "every")
any = _logic("any", np.logical_or, "some")


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Array:
    """The number of elements that are not zero, over some axes or over all."""
    t = as_tensor(x, "count_nonzero")
    return sum(Tensor(np.asarray(t.array != 0)), axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]


def _position(name: str, text: str) -> Any:
    def function(x: Any, /, *, axis: int | None = None, keepdims: builtins.bool = False) -> Array:
        t = as_tensor(x, name)
        if axis is not None:
            (axis,) = axes_of(axis, t.ndim, name)
        if not (t.array.size if axis is None else t.array.shape[axis]):
            raise ValueError(f"{name}(): no {text} of no elements (shape {list(t.shape)})")
        found = getattr(np, name)(t.array, axis=axis, keepdims=keepdims)
        return wrap(Tensor(np.asarray(found, np.int64)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The index of the {text} element, the first one of several."
    return function


argmax = _position("argmax", "largest")
argmin = _position("argmin", "smallest")

# -- running and neighbouring ----------------------------------------------------------------------


def _cumulative(name: str, known: str, start: int, text: str) -> Any:
    def function(
        x: Any,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        include_initial: builtins.bool = False,
    ) -> Array:
        t = as_tensor(x, name)
        if t.ndim == 0 or (axis is None and t.ndim > 1):
            raise ValueError(f"{name}(): axis must be given for {t.ndim} dimensions")
        (axis,) = axes_of(0 if axis is None else axis, t.ndim, name)
        kind = _sum_type(t, dtype)
        t = cast(t, kind.numpy)
        if kind.is_floating_point:
            result = PUBLIC[known](t, axis)
        else:
            result = Tensor(getattr(np, known)(t.array, axis, kind.numpy))
        if include_initial:
            shape = tuple(1 if d == axis else n for d, n in enumerate(t.array.shape))
            first = PUBLIC["full"](shape, start, dtype=kind)
            result = PUBLIC["cat"]([first, result], axis) if result.array.size else _first(
                first, t.array.shape, axis
            )  # fmt: skip
        return wrap(result, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {text} of the first 1, 2, 3, ... entries along `axis`."
    return function


def _first(first: Tensor, shape: tuple[int, ...], axis: int) -> Tensor:
    """What stands before no entries: one of them, unless there are no rows at all."""
    return first if shape[axis] == 0 else PUBLIC["cat"]([first, Tensor(
        np.empty(shape, first.array.dtype))], axis)  # fmt: skip


cumulative_sum = _cumulative("cumulative_sum", "cumsum", 0, "sums")
cumulative_prod = _cumulative("cumulative_prod", "cumprod", 1, "products")


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Array:
    """The differences of neighbours along `axis`, `n` times."""
    t = as_tensor(x, "diff")
    (axis,) = axes_of(axis, t.ndim, "diff")
    ends = [None if e is None else cast(as_tensor(e, "diff"), t.array.dtype)
            for e in (prepend, append)]  # fmt: skip
    if t.dtype.is_floating_point:
        return wrap(PUBLIC["diff"](t, n, axis, *ends), x)
    parts = [e.array for e in (ends[0], t, ends[1]) if e is not None]
    return wrap(Tensor(np.diff(np.concatenate(parts, axis), n, axis)))


# -- orders and searches ---------------------------------------------------------------------------


def argsort(
    x: Any,
    /,
    *,
    axis: int = -1,
    descending: builtins.bool = False,
    stable: builtins.bool = True,
) -> Array:
    """The indices that sort the elements along `axis`; equal ones always stay in order."""
    t = as_tensor(x, "argsort")
    (axis,) = axes_of(axis, t.ndim, "argsort")
    return wrap(PUBLIC["argsort"](t, axis, descending))


def sort(
    x: Any,
    /,
    *,
    axis: int = -1,
    descending: builtins.bool = False,
    stable: builtins.bool = True,
) -> Array:
    """The elements along `axis` in order; equal ones always stay in order."""
    t = as_tensor(x, "sort")
    (axis,) = axes_of(axis, t.ndim, "sort")
    return wrap(PUBLIC["sort"](t, axis, descending).values)


def nonzero(x: Any, /) -> tuple[Array, ...]:
    """The indices of the elements that are not zero, one array for each dimension."""
    t = as_tensor(x, "nonzero")
    if not t.ndim:
        raise ValueError("nonzero(): an array of no dimensions has no indices")
    return tuple(wrap(Tensor(i)) for i in np.nonzero(t.array))


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Array:
    """Where the elements of `x2` would be inserted into the sorted vector `x1`."""
    if isinstance(x2, Tensor):
        a, b = together(x1, x2, "searchsorted")
    else:
        a = as_tensor(x1, "searchsorted")
        b = number_as(x2, type_of_number(x2, a.dtype))
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted(): side must be 'left' or 'right', got {side!r}")
    order = None if sorter is None else as_tensor(sorter, "searchsorted").array
    found = np.searchsorted(a.array, b.array, side, order)  # type: ignore[call-overload]
    return wrap(Tensor(np.asarray(found, np.int64)))


def where(condition: Any, x1: Any, x2: Any, /) -> Array:
    """Elements of `x1` where `condition` holds, of `x2` elsewhere."""
    flags = as_tensor(condition, "where")
    if flags.array.dtype.kind != "b":
        raise TypeError(f"where(): the condition must be boolean, got {flags.dtype}")
    a, b = together(x1, x2, "where")
    if a.dtype.is_floating_point:
        return wrap(PUBLIC["where"](flags, a, b))
    return wrap(Tensor(np.asarray(np.where(flags.array, a.array, b.array))))


def isin(x1: Any, x2: Any, /, *, invert: builtins.bool = False) -> Array:
    """Element by element, whether it is among the elements of `x2`."""
    a, b = together(x1, x2, "isin")
    return wrap(Tensor(np.asarray(np.isin(a.array, b.array, invert=invert))))


# -- sets ------------------------------------------------------------------------------------------


class UniqueAllResult(NamedTuple):
    """Distinct elements, where each first occurs, which each element is, how often each occurs."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCountsResult(NamedTuple):
    """Distinct elements, and how often each occurs."""

    values: Array
    counts: Array


class UniqueInverseResult(NamedTuple):
    """Distinct elements, and which of them each element is."""

    values: Array
    inverse_indices: Array


def unique_all(x: Any, /) -> UniqueAllResult:
    """The distinct elements in order, and everything about them; each NaN is distinct."""
    t = as_tensor(x, "unique_all")
    _, indices, inverse, counts = call_quietly(_unique, t.array)
    places = Tensor(indices)
    values = PUBLIC["reshape"](t, -1)[places]  # gradients flow to where each first occurs
    return UniqueAllResult(
        wrap(values), wrap(places), wrap(Tensor(inverse.reshape(t.array.shape))),
        wrap(Tensor(counts)),
    )  # fmt: skip


def _unique(x: np.ndarray[Any, Any]) -> Any:
    return np.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)


def unique_counts(x: Any, /) -> UniqueCountsResult:
    """The distinct elements in order, and how often each occurs."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """The distinct elements in order, and which of them each element is."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Array:
    """The distinct elements in order."""
    return unique_all(x).values
