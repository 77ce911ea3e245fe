"""numpy's sums, extremes, statistics, sorts and searches on tensors; see `numpy_protocol`."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.interop.numpy_ufuncs import as_tensor, filling
from minigrad.ops.functions import PUBLIC, cast, result_type
from minigrad.tensor import Tensor

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Callable[..., Any]] = {}
_table = filling(FUNCTIONS)


def _float(a: Any, dtype: Any = None) -> Tensor:
    """As a floating point tensor."""
    x = as_tensor(a, dtype)
    return x if x.is_floating_point() else cast(x, dtypes.get_default_dtype().numpy)


# -- one number from many ------------------------------------------------------------------------


@_table()
def sum(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Tensor:
    x = as_tensor(a, dtype)
    return x.clone() if axis == () else PUBLIC["sum"](x, axis, keepdims)


@_table()
def prod(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Tensor:
    return PUBLIC["prod"](as_tensor(a, dtype), axis, keepdims)  # type: ignore[no-any-return]


@_table()
def mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Tensor:
    return PUBLIC["mean"](_float(a, dtype), axis, keepdims)  # type: ignore[no-any-return]


def _spread(name: str) -> None:
    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        *,
        ddof: float = 0,
        keepdims: bool = False,
        correction: float | None = None,
    ) -> Tensor:
        freedom = ddof if correction is None else correction
        x = _float(a, dtype)
        return PUBLIC[name](x, axis, keepdim=keepdims, correction=freedom)  # type: ignore[no-any-return]

    FUNCTIONS[name] = function


_spread("var")
_spread("std")


def _folded(name: str, *names: str) -> None:
    def function(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
        return PUBLIC[name](as_tensor(a), axis, keepdims)  # type: ignore[no-any-return]

    for n in names:
        FUNCTIONS[n] = function


_folded("amax", "max", "amax")
_folded("amin", "min", "amin")
_folded("all", "all")
_folded("any", "any")
_folded("argmax", "argmax")
_folded("argmin", "argmin")
_folded("nansum", "nansum")


@_table()
def nanmean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return PUBLIC["nanmean"](_float(a), axis, keepdims)  # type: ignore[no-any-return]


@_table()
def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    x = as_tensor(a)
    high, low = PUBLIC["amax"](x, axis, keepdims), PUBLIC["amin"](x, axis, keepdims)
    return high - low  # type: ignore[no-any-return]


@_table()
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return PUBLIC["sum"](as_tensor(a) != 0, axis, keepdims)  # type: ignore[no-any-return]


@_table()
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    x: Any = _float(a)
    if weights is None:
        result = PUBLIC["mean"](x, axis, keepdims)
        total = PUBLIC["full_like"](result, x.numel() // builtins.max(result.numel(), 1))
    else:
        w: Any = as_tensor(weights, x.dtype)
        if w.shape != x.shape:  # one weight for each place along the axis
            w = w.reshape([n if i == axis % x.ndim else 1 for i, n in enumerate(x.shape)])
            w = w.expand(x.shape)
        total = PUBLIC["sum"](w, axis, keepdims)
        result = PUBLIC["sum"](x * w, axis, keepdims) / total
    return (result, total) if returned else result


def _quantile(name: str, scale: float, skip_nan: bool) -> None:
    def function(
        a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False
    ) -> Tensor:
        x = _float(a)
        levels = as_tensor(np.asarray(q, float) / scale, x.dtype)
        return PUBLIC["nanquantile" if skip_nan else "quantile"](  # type: ignore[no-any-return]
            x, levels, axis, keepdims, interpolation=method
        )

    FUNCTIONS[name] = function


_quantile("quantile", 1, False)
_quantile("percentile", 100, False)
_quantile("nanquantile", 1, True)
_quantile("nanpercentile", 100, True)


@_table()
def median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return FUNCTIONS["quantile"](a, 0.5, axis, keepdims=keepdims)  # type: ignore[no-any-return]


@_table()
def nanmedian(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    return FUNCTIONS["nanquantile"](a, 0.5, axis, keepdims=keepdims)  # type: ignore[no-any-return]


# -- running and neighbouring --------------------------------------------------------------------


def _running(name: str) -> None:
    def function(a: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
        x: Any = as_tensor(a, dtype)
        return PUBLIC[name](x.reshape(-1) if axis is None else x, axis or 0)  # type: ignore[no-any-return]

    FUNCTIONS[name] = function


_running("cumsum")
_running("cumprod")


def _cumulative(name: str, start: int) -> None:
    def function(
        x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
    ) -> Tensor:
        t: Any = as_tensor(x, dtype)
        if axis is None:
            if t.ndim > 1:
                raise ValueError("the axis must be given for tensors of more than one dimension")
            axis = 0
        result: Any = PUBLIC[name](t, axis)
        if include_initial:
            first = result.narrow(axis, 0, 1) if result.shape[axis] else result
            shape = [1 if i == axis % t.ndim else n for i, n in enumerate(first.shape)]
            first = PUBLIC["full"](shape, start, dtype=result.dtype)
            result = PUBLIC["cat"]([first, result], axis)
        return result  # type: ignore[no-any-return]

    FUNCTIONS[{"cumsum": "cumulative_sum", "cumprod": "cumulative_prod"}[name]] = function


_cumulative("cumsum", 0)
_cumulative("cumprod", 1)


@_table()
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    ends = [None if e is None else as_tensor(e) for e in (prepend, append)]
    return PUBLIC["diff"](as_tensor(a), n, axis, *ends)  # type: ignore[no-any-return]


@_table()
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    points = None if x is None else as_tensor(x)
    if points is None:
        return PUBLIC["trapezoid"](as_tensor(y), dx=dx, dim=axis)  # type: ignore[no-any-return]
    return PUBLIC["trapezoid"](as_tensor(y), points, dim=axis)  # type: ignore[no-any-return]


@_table()
def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    """By the sum of shifted copies: each element of the shorter one times all of the longer."""
    long, short = sorted((as_tensor(a), as_tensor(v)), key=lambda t: -t.array.size)
    n, m = long.array.size, short.array.size
    zeros = PUBLIC["zeros"]((m - 1,), dtype=long.dtype)
    padded: Any = PUBLIC["cat"]([zeros, long, zeros])
    windows = padded.unfold(0, m, 1)
    full = PUBLIC["matmul"](windows, PUBLIC["flip"](cast(short, windows.array.dtype), 0))
    start, size = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[
        mode
    ]
    return full[start : start + size]  # type: ignore[no-any-return]


# -- order and search ----------------------------------------------------------------------------


@_table()
def sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    x: Any = as_tensor(a)
    return PUBLIC["sort"](x.reshape(-1) if axis is None else x, -1 if axis is None else axis).values  # type: ignore[no-any-return]


@_table()
def argsort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Tensor:
    x: Any = as_tensor(a)
    return PUBLIC["argsort"](x.reshape(-1) if axis is None else x, -1 if axis is None else axis)  # type: ignore[no-any-return]


@_table()
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    order = None if sorter is None else as_tensor(sorter)
    return PUBLIC["searchsorted"](as_tensor(a), as_tensor(v), side=side, sorter=order)  # type: ignore[no-any-return]


@_table()
def digitize(x: Any, bins: Any, right: bool = False) -> Tensor:
    edges = as_tensor(bins)
    if edges.array.size > 1 and edges.array[0] > edges.array[-1]:
        raise ValueError("digitize of tensors takes ascending bins")
    return PUBLIC["bucketize"](as_tensor(x), edges, right=not right)  # type: ignore[no-any-return]


@_table()
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    if return_index:
        raise TypeError("numpy.unique: return_index= is no argument for tensors of minigrad")
    return PUBLIC["unique"](as_tensor(ar), True, return_inverse, return_counts, axis)


@_table()
def nonzero(a: Any) -> tuple[Tensor, ...]:
    return PUBLIC["nonzero"](as_tensor(a), as_tuple=True)  # type: ignore[no-any-return]


@_table()
def argwhere(a: Any) -> Tensor:
    return PUBLIC["argwhere"](as_tensor(a))  # type: ignore[no-any-return]


@_table()
def flatnonzero(a: Any) -> Tensor:
    return PUBLIC["nonzero"](PUBLIC["reshape"](as_tensor(a), -1), as_tuple=True)[0]  # type: ignore[no-any-return]


@_table()
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    w = None if weights is None else as_tensor(weights)
    return PUBLIC["bincount"](as_tensor(x), w, minlength)  # type: ignore[no-any-return]


@_table()
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tensor, Tensor]:
    w = None if weights is None else as_tensor(weights)
    edges = bins if isinstance(bins, int) else as_tensor(bins)
    found = PUBLIC["histogram"](_float(a), edges, range=range, weight=w, density=bool(density))
    return found.hist, found.bin_edges


@_table()
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tensor, ...]:
    """By numpy: counts have no derivative."""
    arrays = [None if a is None else as_tensor(a).array for a in (x, y, weights)]
    edges = bins.array if isinstance(bins, Tensor) else bins
    found = np.histogram2d(arrays[0], arrays[1], edges, range, density, arrays[2])  # type: ignore[arg-type]
    return tuple(Tensor(f) for f in found)


@_table()
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None
) -> Tensor:
    x = _float(m)
    x = x if rowvar or x.array.ndim < 2 else x.T
    if y is not None:
        x = PUBLIC["vstack"]([x, as_tensor(y)])
    return PUBLIC["cov"](x, correction=(0 if bias else 1) if ddof is None else ddof)  # type: ignore[no-any-return]


@_table()
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Tensor:
    t = _float(x)
    t = t if rowvar or t.array.ndim < 2 else t.T
    return PUBLIC["corrcoef"](t if y is None else PUBLIC["vstack"]([t, as_tensor(y)]))  # type: ignore[no-any-return]


# -- elements ------------------------------------------------------------------------------------


@_table()
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    flags = as_tensor(condition)
    flags = flags if flags.array.dtype.kind == "b" else Tensor(flags.array != 0)
    if x is None and y is None:
        return PUBLIC["where"](flags)
    a, b = (v if isinstance(v, (bool, int, float)) else as_tensor(v) for v in (x, y))
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = PUBLIC["full"]((), a, dtype=result_type(a, b))
    return PUBLIC["where"](flags, a, b)


@_table()
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    low, high = (
        b if b is None or isinstance(b, (bool, int, float)) else as_tensor(b) for b in (low, high)
    )
    x = as_tensor(a)
    return x.clone() if low is None and high is None else PUBLIC["clamp"](x, low, high)


@_table("round", "around")
def round(a: Any, decimals: int = 0) -> Tensor:
    return PUBLIC["round"](as_tensor(a), decimals=decimals)  # type: ignore[no-any-return]


@_table()
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Tensor:
    return PUBLIC["nan_to_num"](as_tensor(x), nan, posinf, neginf)  # type: ignore[no-any-return]


def _elementwise(name: str, known: str) -> None:
    def function(x: Any) -> Tensor:
        return PUBLIC[known](as_tensor(x))  # type: ignore[no-any-return]

    FUNCTIONS[name] = function


for _name, _known in {
    "fix": "trunc", "sinc": "sinc", "real": "real", "isneginf": "isneginf", "isposinf": "isposinf",
    "isreal": "isreal",
}.items():  # fmt: skip
    _elementwise(_name, _known)


def _pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    x, y = as_tensor(a), as_tensor(b)
    kind = dtypes.promote_types(x.dtype, y.dtype).numpy
    return cast(x, kind), cast(y, kind)


@_table()
def isclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    return PUBLIC["isclose"](*_pair(a, b), rtol, atol, equal_nan)  # type: ignore[no-any-return]


@_table()
def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    return PUBLIC["allclose"](*_pair(a, b), rtol, atol, equal_nan)  # type: ignore[no-any-return]


@_table()
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    a, b = (as_tensor(a).array for a in (a1, a2))
    return bool(np.array_equal(a, b, equal_nan))


@_table()
def array_equiv(a1: Any, a2: Any) -> bool:
    a, b = (as_tensor(a).array for a in (a1, a2))
    return bool(np.array_equiv(a, b))


@_table()
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    a, b = as_tensor(element), as_tensor(test_elements)
    return PUBLIC["isin"](a, b, assume_unique=assume_unique, invert=invert)  # type: ignore[no-any-return]
