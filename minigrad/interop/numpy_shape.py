"""numpy's rearrangements, joins, splits and makers on tensors; see `numpy_protocol`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.interop.numpy_ufuncs import as_tensor, filling
from minigrad.ops.functions import PUBLIC, cast
from minigrad.tensor import Tensor

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Callable[..., Any]] = {}
_table = filling(FUNCTIONS)


def _all(tensors: Any) -> list[Tensor]:
    return [as_tensor(t) for t in tensors]


# -- what it is ----------------------------------------------------------------------------------


@_table()
def shape(a: Any) -> tuple[int, ...]:
    return tuple(as_tensor(a).shape)


@_table()
def ndim(a: Any) -> int:
    return as_tensor(a).ndim


@_table()
def size(a: Any, axis: int | None = None) -> int:
    t = as_tensor(a)
    return t.numel() if axis is None else t.array.shape[axis]


def _on_arrays(*names: str) -> None:
    """Questions about arrays, answered by numpy: no results for a gradient to flow through."""

    def ask(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: function(*[_plain(a) for a in args], **kwargs)

    for name in names:
        FUNCTIONS[name] = ask(getattr(np, name))


def _plain(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


_on_arrays(
    "can_cast", "common_type", "iscomplexobj", "isrealobj", "may_share_memory", "min_scalar_type",
    "result_type", "shares_memory",
)  # fmt: skip
FUNCTIONS["array_repr"] = FUNCTIONS["array_str"] = lambda arr: repr(arr)

# -- another shape -------------------------------------------------------------------------------


@_table()
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Tensor:
    if order != "C":
        raise ValueError(f"reshape of tensors knows order='C' only, got {order!r}")
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    t = as_tensor(a)
    if copy is False:
        return PUBLIC["view"](t, *sizes)  # type: ignore[no-any-return]
    return PUBLIC["reshape"](PUBLIC["clone"](t) if copy else t, *sizes)  # type: ignore[no-any-return]


@_table()
def ravel(a: Any, order: str = "C") -> Tensor:
    return reshape(a, (-1,), order)


@_table()
def squeeze(a: Any, axis: Any = None) -> Tensor:
    t = as_tensor(a)
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for d in axes:
        if t.array.shape[d] != 1:
            raise ValueError(
                f"cannot select an axis to squeeze out which has size not equal to one: axis {d} "
                f"of shape {list(t.array.shape)}"
            )
    return PUBLIC["squeeze"](t, axis)  # type: ignore[no-any-return]


@_table()
def expand_dims(a: Any, axis: Any) -> Tensor:
    t = as_tensor(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    n = t.ndim + len(axes)
    for d in sorted(d % n for d in axes):
        t = PUBLIC["unsqueeze"](t, d)
    return t


@_table()
def transpose(a: Any, axes: Any = None) -> Tensor:
    t = as_tensor(a)
    return PUBLIC["permute"](t, tuple(reversed(range(t.ndim))) if axes is None else tuple(axes))  # type: ignore[no-any-return]


@_table("matrix_transpose", "linalg.matrix_transpose")
def matrix_transpose(x: Any, /) -> Tensor:
    return PUBLIC["transpose"](as_tensor(x), -2, -1)  # type: ignore[no-any-return]


@_table()
def swapaxes(a: Any, axis1: int, axis2: int) -> Tensor:
    return PUBLIC["transpose"](as_tensor(a), axis1, axis2)  # type: ignore[no-any-return]


@_table()
def moveaxis(a: Any, source: Any, destination: Any) -> Tensor:
    return PUBLIC["movedim"](as_tensor(a), source, destination)  # type: ignore[no-any-return]


@_table()
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Tensor:
    return PUBLIC["broadcast_to"](  # type: ignore[no-any-return]
        as_tensor(array), shape if isinstance(shape, (tuple, list)) else (shape,)
    )


@_table()
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """What is no tensor and no number, such as None, stays with numpy."""
    plain = [a if isinstance(a, Tensor) else np.asarray(a) for a in args]
    sizes = np.broadcast_shapes(*[tuple(a.shape) for a in plain])
    return tuple(
        np.broadcast_to(a, sizes)
        if isinstance(a, np.ndarray) and a.dtype.kind not in "biuf"
        else PUBLIC["broadcast_to"](as_tensor(a), sizes)
        for a in plain
    )


def _at_least(name: str) -> None:
    FUNCTIONS[name] = lambda *arys: PUBLIC[name](*_all(arys))


for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    _at_least(_name)

# -- another order -------------------------------------------------------------------------------


@_table()
def flip(m: Any, axis: Any = None) -> Tensor:
    t = as_tensor(m)
    axes = tuple(range(t.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return PUBLIC["flip"](t, *axes) if axes else PUBLIC["clone"](t)  # type: ignore[no-any-return]


@_table()
def fliplr(m: Any) -> Tensor:
    return PUBLIC["fliplr"](as_tensor(m))  # type: ignore[no-any-return]


@_table()
def flipud(m: Any) -> Tensor:
    return PUBLIC["flipud"](as_tensor(m))  # type: ignore[no-any-return]


@_table()
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    return PUBLIC["rot90"](as_tensor(m), k, axes)  # type: ignore[no-any-return]


@_table()
def roll(a: Any, shift: Any, axis: Any = None) -> Tensor:
    t = as_tensor(a)
    if isinstance(axis, (tuple, list)) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return PUBLIC["roll"](t, shift, axis)  # type: ignore[no-any-return]


@_table()
def tile(A: Any, reps: Any) -> Tensor:
    return PUBLIC["tile"](as_tensor(A), reps if isinstance(reps, (tuple, list)) else (reps,))  # type: ignore[no-any-return]


@_table()
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Tensor:
    times = repeats if isinstance(repeats, int) else as_tensor(repeats)
    return PUBLIC["repeat_interleave"](as_tensor(a), times, axis)  # type: ignore[no-any-return]


@_table()
def tril(m: Any, k: int = 0) -> Tensor:
    return PUBLIC["tril"](as_tensor(m), k)  # type: ignore[no-any-return]


@_table()
def triu(m: Any, k: int = 0) -> Tensor:
    return PUBLIC["triu"](as_tensor(m), k)  # type: ignore[no-any-return]


@_table()
def diag(v: Any, k: int = 0) -> Tensor:
    return PUBLIC["diag"](as_tensor(v), k)  # type: ignore[no-any-return]


@_table()
def diagflat(v: Any, k: int = 0) -> Tensor:
    return PUBLIC["diagflat"](as_tensor(v), k)  # type: ignore[no-any-return]


@_table()
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return PUBLIC["diagonal"](as_tensor(a), offset, axis1, axis2)  # type: ignore[no-any-return]


@_table()
def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Tensor:
    if mode != "raise":
        raise ValueError(f"take of tensors knows mode='raise' only, got {mode!r}")
    t, index = as_tensor(a), as_tensor(indices)
    if axis is None:
        t, axis = PUBLIC["reshape"](t, -1), 0
    return t[(slice(None),) * (axis % t.ndim) + (index,)]


@_table()
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Tensor:
    return PUBLIC["take_along_dim"](as_tensor(arr), as_tensor(indices), axis)  # type: ignore[no-any-return]


@_table()
def compress(condition: Any, a: Any, axis: int | None = None) -> Tensor:
    return take(a, np.flatnonzero(_plain(condition)), axis)


@_table()
def extract(condition: Any, arr: Any) -> Tensor:
    return compress(np.ravel(_plain(condition)), arr)


# -- together and apart --------------------------------------------------------------------------


@_table()
def concatenate(arrays: Any, axis: int | None = 0, *, dtype: Any = None) -> Tensor:
    tensors = _all(arrays)
    if axis is None:
        tensors, axis = [PUBLIC["reshape"](t, -1) for t in tensors], 0
    return as_tensor(PUBLIC["cat"](tensors, axis), dtype)


@_table()
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Tensor:
    return as_tensor(PUBLIC["stack"](_all(arrays), axis), dtype)


def _stacked(name: str) -> None:
    FUNCTIONS[name] = lambda tup: PUBLIC[name](_all(tup))


for _name in ("vstack", "hstack", "dstack", "column_stack"):
    _stacked(_name)


@_table()
def append(arr: Any, values: Any, axis: int | None = None) -> Tensor:
    return concatenate([arr, values], axis)


@_table()
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    return list(PUBLIC["tensor_split"](as_tensor(ary), indices_or_sections, axis))


@_table()
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    t = as_tensor(ary)
    if isinstance(indices_or_sections, int) and t.array.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(t, indices_or_sections, axis)


def _directed(name: str) -> None:
    FUNCTIONS[name] = lambda ary, indices_or_sections: list(
        PUBLIC[name](as_tensor(ary), indices_or_sections)
    )


for _name in ("vsplit", "hsplit", "dsplit"):
    _directed(_name)


@_table()
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    return PUBLIC["unbind"](as_tensor(x), axis)  # type: ignore[no-any-return]


@_table()
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if sparse:
        raise ValueError("meshgrid of tensors makes full grids only")
    return PUBLIC["meshgrid"](*_all(xi), indexing=indexing)


# -- borders -------------------------------------------------------------------------------------

_BORDERS = ("edge", "reflect", "symmetric", "wrap")


@_table()
def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Tensor:
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
        places = np.pad(np.arange(t.array.shape[d]), (before, after), mode)  # type: ignore[call-overload]
        t = PUBLIC["index_select"](t, d, Tensor(places))
    return t


def _block(t: Tensor, dim: int, n: int, value: Any) -> Tensor:
    sizes = tuple(n if d == dim else s for d, s in enumerate(t.array.shape))
    return PUBLIC["full"](sizes, value, dtype=t.dtype)  # type: ignore[no-any-return]


# -- copies and new ones -------------------------------------------------------------------------


@_table()
def copy(a: Any, order: str = "K", subok: bool = False) -> Tensor:
    return PUBLIC["clone"](as_tensor(a))  # type: ignore[no-any-return]


@_table()
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    t = as_tensor(x, dtype)
    return PUBLIC["clone"](t) if copy and t is x else t


@_table()
def copyto(dst: Any, src: Any) -> None:
    if not isinstance(dst, Tensor):
        raise TypeError("numpy.copyto: cannot copy a tensor of minigrad into a numpy array; call "
                        "t.detach().numpy()")  # fmt: skip
    dst.copy_(as_tensor(src))


def _like(name: str) -> None:
    def function(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
    ) -> Tensor:
        t = as_tensor(a)
        if shape is not None:
            maker = PUBLIC[name.removesuffix("_like")]
            return maker(shape, dtype=dtype or t.dtype)  # type: ignore[no-any-return]
        return PUBLIC[name](t, dtype=dtype)  # type: ignore[no-any-return]

    FUNCTIONS[name] = function


for _name in ("zeros_like", "ones_like", "empty_like"):
    _like(_name)


@_table()
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
) -> Tensor:
    t = as_tensor(a)
    sizes = t.array.shape if shape is None else shape
    if isinstance(fill_value, (bool, int, float)):
        return PUBLIC["full"](sizes, fill_value, dtype=dtype or t.dtype)  # type: ignore[no-any-return]
    value = cast(as_tensor(fill_value), as_tensor(t, dtype).array.dtype)
    return PUBLIC["clone"](PUBLIC["broadcast_to"](value, sizes))  # type: ignore[no-any-return]


@_table()
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    return PUBLIC["vander"](as_tensor(x), N, increasing)  # type: ignore[no-any-return]


@_table()
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, dtype: Any = None, axis: int = 0
) -> Tensor:
    """Between tensors: gradients flow to both ends."""
    a, b = as_tensor(start), as_tensor(stop)
    steps: Any = np.arange(num) / max(num - 1 if endpoint else num, 1)
    grid = PUBLIC["as_tensor"](steps, dtype=(a + b).dtype)
    grid = PUBLIC["reshape"](grid, (num,) + (1,) * max(a.ndim, b.ndim))
    line = a + grid * (b - a)
    return as_tensor(PUBLIC["movedim"](line, 0, axis), dtype)
