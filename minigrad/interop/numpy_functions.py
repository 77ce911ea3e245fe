"""Where numpy's functions differ from all of minigrad's: written out; see `numpy_protocol`."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import linalg
from minigrad.core.promotion import cast, result_type
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.interop.numpy_ufuncs import as_tensor, call_ufunc
from minigrad.xp._array import ON_TENSORS
from minigrad.xp._dtypes import as_float

__all__ = ["FUNCTIONS"]

#: Functions by numpy's names.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def _table(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function into the table, by its own or by other names."""

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(names or (function.__name__,), function))
        return function

    return put


def _plain(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def _on_arrays(name: str) -> Callable[..., Any]:
    """Questions about arrays, answered by numpy: no results for a gradient to flow through."""
    function = getattr(np, name)
    return lambda *args, **kwargs: function(*[_plain(a) for a in args], **kwargs)


for _name in (
    "array_equal", "array_equiv", "can_cast", "common_type", "iscomplexobj", "isrealobj",
    "may_share_memory", "min_scalar_type", "result_type", "shares_memory",
):  # fmt: skip
    FUNCTIONS[_name] = _on_arrays(_name)
FUNCTIONS |= {
    "array_repr": lambda arr: repr(arr), "array_str": lambda arr: repr(arr),
    "ndim": lambda a: as_tensor(a).ndim, "shape": lambda a: tuple(as_tensor(a).shape),
}  # fmt: skip


@_table()
def size(a: Any, axis: int | None = None) -> int:
    t = as_tensor(a)
    return t.numel() if axis is None else t.shape[axis]


# -- one number from many ------------------------------------------------------------------------


@_table()
def sum(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    """Of minigrad's type also for unsigned integers, as ``t.sum()``."""
    return call_ufunc(np.add, "reduce", (a,), {"axis": axis, "dtype": dtype, "keepdims": keepdims})


@_table()
def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    x = as_tensor(a)
    return PUBLIC["amax"](x, axis, keepdims) - PUBLIC["amin"](x, axis, keepdims)


@_table()
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    x: Any = as_float(as_tensor(a))
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


def _spread(name: str) -> Callable[..., Any]:
    def function(
        a: Any, axis: Any = None, dtype: Any = None, *, ddof: float = 0, keepdims: bool = False,
        correction: float | None = None,
    ) -> Any:  # fmt: skip
        freedom = ddof if correction is None else correction
        compute = ON_TENSORS[name]
        return compute(as_tensor(a, dtype), axis=axis, correction=freedom, keepdims=keepdims)

    return function


def _quantile(name: str, scale: float) -> Callable[..., Any]:
    def function(
        a: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False
    ) -> Any:
        x = as_float(as_tensor(a))
        levels = as_tensor(np.asarray(q, float) / scale, x.dtype)
        return PUBLIC[name](x, levels, axis, keepdims, interpolation=method)

    return function


FUNCTIONS |= {
    "var": _spread("var"), "std": _spread("std"),
    "quantile": _quantile("quantile", 1), "percentile": _quantile("quantile", 100),
    "nanquantile": _quantile("nanquantile", 1), "nanpercentile": _quantile("nanquantile", 100),
}  # fmt: skip


@_table()
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    points = {"dx": dx} if x is None else {"x": as_tensor(x)}
    return PUBLIC["trapezoid"](as_tensor(y), **points, dim=axis)


@_table()
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """By the sum of shifted copies: each element of the shorter one times all of the longer."""
    long, short = sorted((as_tensor(a), as_tensor(v)), key=lambda t: -t.array.size)
    n, m = long.array.size, short.array.size
    zeros = PUBLIC["zeros"]((m - 1,), dtype=long.dtype)
    windows = PUBLIC["cat"]([zeros, long, zeros]).unfold(0, m, 1)
    full = PUBLIC["matmul"](windows, PUBLIC["flip"](cast(short, windows.array.dtype), 0))
    start, size = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[
        mode
    ]
    return full[start : start + size]


@_table()
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    edges = as_tensor(bins)
    if edges.array.size > 1 and edges.array[0] > edges.array[-1]:
        raise ValueError("digitize of tensors takes ascending bins")
    return PUBLIC["bucketize"](as_tensor(x), edges, right=not right)


@_table()
def flatnonzero(a: Any) -> Any:
    return PUBLIC["nonzero"](PUBLIC["reshape"](as_tensor(a), -1), as_tuple=True)[0]


@_table()
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    w = None if weights is None else as_tensor(weights)
    return PUBLIC["bincount"](as_tensor(x), w, minlength)


@_table()
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    w = None if weights is None else as_tensor(weights)
    edges = bins if isinstance(bins, int) else as_tensor(bins)
    x = as_float(as_tensor(a))
    return tuple(PUBLIC["histogram"](x, edges, range=range, weight=w, density=bool(density)))


@_table()
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """By numpy: counts have no derivative."""
    given: list[Any] = [None if a is None else as_tensor(a).array for a in (x, y, weights)]
    found: Any = np.histogram2d(given[0], given[1], _plain(bins), range, density, given[2])
    return tuple(Tensor(f) for f in found)


def _variables(m: Any, y: Any, rowvar: bool) -> Any:
    """One variable in each row."""
    x: Any = as_float(as_tensor(m))
    x = x if rowvar or x.array.ndim < 2 else x.T
    return x if y is None else PUBLIC["vstack"]([x, as_tensor(y)])


@_table()
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None
) -> Any:
    freedom = (0 if bias else 1) if ddof is None else ddof
    return PUBLIC["cov"](_variables(m, y, rowvar), correction=freedom)


@_table()
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    return PUBLIC["corrcoef"](_variables(x, y, rowvar))


# -- elements ------------------------------------------------------------------------------------


@_table()
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    flags = as_tensor(condition)
    flags = flags if flags.array.dtype.kind == "b" else PUBLIC["ne"](flags, 0)
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
    return PUBLIC["clone"](x) if low is None and high is None else PUBLIC["clamp"](x, low, high)


# -- another shape -------------------------------------------------------------------------------


@_table()
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    if order != "C":
        raise ValueError(f"reshape of tensors knows order='C' only, got {order!r}")
    return ON_TENSORS["reshape"](as_tensor(a), shape, copy=copy)


@_table()
def ravel(a: Any, order: str = "C") -> Any:
    return reshape(a, -1, order)


@_table()
def squeeze(a: Any, axis: Any = None) -> Any:
    x = as_tensor(a)
    return PUBLIC["squeeze"](x) if axis is None else ON_TENSORS["squeeze"](x, axis)


@_table()
def transpose(a: Any, axes: Any = None) -> Any:
    t = as_tensor(a)
    return PUBLIC["permute"](t, tuple(reversed(range(t.ndim))) if axes is None else tuple(axes))


@_table()
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """What is no tensor and no number, such as None, stays with numpy."""
    plain = [a if isinstance(a, Tensor) else np.asarray(a) for a in args]
    sizes = np.broadcast_shapes(*[tuple(a.shape) for a in plain])
    return tuple(
        np.broadcast_to(a, sizes)
        if isinstance(a, np.ndarray) and a.dtype.kind not in "biuf"
        else PUBLIC["broadcast_to"](as_tensor(a), sizes)
        for a in plain
    )


def _at_least(name: str) -> Callable[..., Any]:
    return lambda *arys: PUBLIC[name](*[as_tensor(a) for a in arys])


def _directed(name: str) -> Callable[..., Any]:
    return lambda ary, indices_or_sections: list(PUBLIC[name](as_tensor(ary), indices_or_sections))


for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    FUNCTIONS[_name] = _at_least(_name)
for _name in ("vsplit", "hsplit", "dsplit"):
    FUNCTIONS[_name] = _directed(_name)


@_table()
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return list(PUBLIC["tensor_split"](as_tensor(ary), indices_or_sections, axis))


@_table()
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    t = as_tensor(ary)
    if isinstance(indices_or_sections, int) and t.array.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(t, indices_or_sections, axis)


@_table()
def concatenate(arrays: Any, axis: int | None = 0, *, dtype: Any = None) -> Any:
    return ON_TENSORS["concat"]([as_tensor(a, dtype) for a in arrays], axis=axis)


@_table()
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return concatenate([arr, values], axis)


@_table()
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    t = as_tensor(a)
    if axis is None:
        t, axis = PUBLIC["reshape"](t, -1), 0
    return ON_TENSORS["take"](t, as_tensor(np.flatnonzero(_plain(condition))), axis=axis)


@_table()
def extract(condition: Any, arr: Any) -> Any:
    return compress(np.ravel(_plain(condition)), arr)


@_table()
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if sparse:
        raise ValueError("meshgrid of tensors makes full grids only")
    return PUBLIC["meshgrid"](*[as_tensor(x) for x in xi], indexing=indexing)


_BORDERS = ("edge", "reflect", "symmetric", "wrap")


@_table()
def pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Any:
    """Numbers around it, or its own elements again: those are picked by index."""
    t = as_tensor(array)
    widths = np.broadcast_to(np.asarray(pad_width), (t.ndim, 2)).tolist()
    if mode == "constant" and isinstance(constant_values, (bool, int, float)):
        for d, (before, after) in enumerate(widths):
            parts = [_block(t, d, before, constant_values), t, _block(t, d, after, constant_values)]
            t = PUBLIC["cat"](parts, d)
        return t
    if mode not in _BORDERS:
        raise ValueError(f"pad of tensors knows one constant and {_BORDERS}, got mode={mode!r}")
    for d, (before, after) in enumerate(widths):
        places: Any = np.pad(np.arange(t.array.shape[d]), (before, after), mode)
        t = PUBLIC["index_select"](t, d, Tensor(places))
    return t


def _block(t: Tensor, dim: int, n: int, value: Any) -> Any:
    sizes = tuple(n if d == dim else s for d, s in enumerate(t.array.shape))
    return PUBLIC["full"](sizes, value, dtype=t.dtype)


# -- copies and new ones -------------------------------------------------------------------------


@_table()
def copyto(dst: Any, src: Any) -> None:
    if not isinstance(dst, Tensor):
        raise TypeError("numpy.copyto: cannot copy a tensor of minigrad into a numpy array; call "
                        "t.detach().numpy()")  # fmt: skip
    dst.copy_(as_tensor(src))


def _like(name: str) -> Callable[..., Any]:
    def function(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
    ) -> Any:
        t = as_tensor(a)
        return PUBLIC[name](t.shape if shape is None else shape, dtype=dtype or t.dtype)

    return function


for _name in ("zeros", "ones", "empty"):
    FUNCTIONS[f"{_name}_like"] = _like(_name)


@_table()
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None,
) -> Any:  # fmt: skip
    t = as_tensor(a)
    sizes, kind = t.shape if shape is None else shape, dtype or t.dtype
    if isinstance(fill_value, (bool, int, float)):
        return PUBLIC["full"](sizes, fill_value, dtype=kind)
    return PUBLIC["clone"](PUBLIC["broadcast_to"](as_tensor(fill_value, kind), sizes))


@_table()
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, dtype: Any = None, axis: int = 0
) -> Any:
    """Between tensors: gradients flow to both ends."""
    a: Any = as_tensor(start)
    b: Any = as_tensor(stop)
    steps: Any = np.arange(num) / max(num - 1 if endpoint else num, 1)
    grid = PUBLIC["as_tensor"](steps, dtype=(a + b).dtype)
    grid = PUBLIC["reshape"](grid, (num,) + (1,) * max(a.ndim, b.ndim))
    line = a + grid * (b - a)
    return as_tensor(PUBLIC["movedim"](line, 0, axis), dtype)


# -- products ------------------------------------------------------------------------------------


def _two(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as one type, as matrix products want it."""
    x, y = as_tensor(a), as_tensor(b)
    kind = result_type(PUBLIC["reshape"](x, -1), PUBLIC["reshape"](y, -1)).numpy
    return cast(x, kind), cast(y, kind)


@_table()
def dot(a: Any, b: Any) -> Any:
    """numpy's: a product of numbers, of vectors, of matrices; the last dimension with the last
    but one.
    """
    x, y = _two(a, b)
    if not x.ndim or not y.ndim:
        return PUBLIC["mul"](x, y)
    if y.ndim <= 2:
        return PUBLIC["matmul"](x, y)
    return PUBLIC["tensordot"](x, y, ([x.ndim - 1], [y.ndim - 2]))


@_table()
def inner(a: Any, b: Any) -> Any:
    return PUBLIC["inner"](*_two(a, b))


@_table("outer", "linalg.outer")
def outer(a: Any, b: Any) -> Any:
    return PUBLIC["outer"](*[t.reshape(-1) for t in _two(a, b)])


@_table()
def vdot(a: Any, b: Any) -> Any:
    return PUBLIC["vdot"](*[t.reshape(-1) for t in _two(a, b)])


@_table("linalg.vecdot")
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return PUBLIC["sum"](PUBLIC["mul"](as_tensor(x1), as_tensor(x2)), axis)


@_table()
def einsum(*operands: Any, optimize: Any = False) -> Any:
    if isinstance(operands[0], str):
        return PUBLIC["einsum"](operands[0], *[as_tensor(x) for x in operands[1:]])
    pairs = [
        x if isinstance(x, (list, tuple)) and i % 2 else as_tensor(x)
        for i, x in enumerate(operands[: len(operands) // 2 * 2])
    ]
    return PUBLIC["einsum"](*pairs, *operands[len(operands) // 2 * 2 :])


@_table("cross", "linalg.cross")
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _two(a, b)
    x, y = PUBLIC["movedim"](x, axisa, -1), PUBLIC["movedim"](y, axisb, -1)
    x, y = PUBLIC["broadcast_tensors"](x, y)
    return PUBLIC["movedim"](PUBLIC["cross"](x, y, -1), -1, axisc)


@_table()
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return PUBLIC["diagonal"](as_tensor(a, dtype), offset, axis1, axis2).sum(-1)


@_table("linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    try:
        return linalg.norm(as_float(as_tensor(x)), ord, axis, keepdims)
    except RuntimeError as error:
        raise ValueError(f"numpy.linalg.norm of tensors: {error}") from None


@_table("linalg.svd")
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    x = as_tensor(a)
    return linalg.svd(x, full_matrices) if compute_uv else linalg.svdvals(x)
