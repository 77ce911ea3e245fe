"""Arrays made from data, from a rule, or like another array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC, called
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Tensor
from minigrad.xp._array import Array, as_tensor, standard, wrap
from minigrad.xp._dtypes import check_device

__all__: list[str] = []
_standard = standard(__all__)


def _numpy(dtype: Any) -> np.dtype[Any]:
    return (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy


def _made(array: Any, device: Any) -> Tensor:
    check_device(device)
    return Tensor(np.asarray(array))


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape.__index__(),)


@_standard
def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """An array of numbers, nested sequences, a buffer, or another array.

    Memory is shared where that is possible and `copy` is not True. A complex number is taken if
    its imaginary part is 0.

    Raises
    ------
    ValueError
        If a copy is needed and `copy` is False.
    OverflowError
        For integers that the type does not hold.

    Examples
    --------
    >>> from minigrad import xp
    >>> xp.asarray([1, 2], dtype=xp.uint16)
    tensor([1, 2], dtype=minigrad.uint16)
    """
    check_device(device)
    kind = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(obj, Tensor):
        result = obj if kind is None else cast(obj, kind.numpy)
        if copy is False and result is not obj:
            raise ValueError(f"asarray(): {obj.dtype} to {kind} needs a copy, and copy=False")
        return PUBLIC["clone"](result) if copy else result
    if isinstance(obj, (bool, int, float, complex, list, tuple)):
        if copy is False:
            raise ValueError("asarray(): numbers and sequences have to be copied, and copy=False")
        return Tensor(_from_sequence(obj, kind))
    array = np.asarray(obj)
    if array.dtype.kind not in "OUSV":
        dtypes.from_numpy(array.dtype)
    converted = array if kind is None else call_quietly(array.astype, kind.numpy)
    if copy is False and (converted is not array and array.dtype != converted.dtype):
        raise ValueError(f"asarray(): {array.dtype} to {kind} needs a copy, and copy=False")
    dtypes.from_numpy(converted.dtype)
    return Tensor(converted.copy() if copy else converted)


def _plain(obj: Any) -> Any:
    """Nested sequences with arrays inside as nested sequences of numpy arrays."""
    if isinstance(obj, Tensor):
        return obj.array
    if isinstance(obj, (list, tuple)):
        return [_plain(o) for o in obj]
    if isinstance(obj, complex):
        if obj.imag:
            raise TypeError(f"asarray(): there are no complex arrays, got {obj}")
        return obj.real
    return obj


def _from_sequence(obj: Any, kind: dtypes.dtype | None) -> Any:
    plain = _plain(obj)
    if kind is not None:
        if kind.category == 1 and np.asarray(plain).dtype.kind == "f":
            return call_quietly(np.asarray(plain).astype, kind.numpy)
        return np.array(plain, kind.numpy)
    array = np.array(plain)
    if array.size == 0:
        return array.astype(_numpy(None)) if array.dtype == np.float64 else array
    if array.dtype.kind in "OU" or (array.dtype == np.uint64 and not _typed(obj)):
        if array.dtype.kind in "Ou" and all(isinstance(v, int) for v in array.ravel().tolist()):
            raise OverflowError("asarray(): an integer is out of the range of int64")
        raise TypeError(f"asarray(): cannot make an array of {type(obj).__name__} of these")
    if array.dtype.kind == "f" and not _typed(obj):
        return array.astype(_numpy(None))
    dtypes.from_numpy(array.dtype)
    return array


def _typed(obj: Any) -> bool:
    """Whether the elements carry a type of their own."""
    while isinstance(obj, (list, tuple)) and obj:
        obj = obj[0]
    return isinstance(obj, (Tensor, np.ndarray, np.generic))


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array that shares the memory of an array of another library."""
    from minigrad.interop.dlpack import from_dlpack as shared

    return wrap(shared(x, device=device, copy=copy))


__all__ += ["from_dlpack"]  # what it takes is no array yet


@_standard
def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None
) -> Any:
    """``start, start + step, ...`` up to, and without, `stop`."""
    if stop is None:
        start, stop = 0, start
    if dtype is None and all(isinstance(v, int) for v in (start, stop, step)):
        dtype = dtypes.int64
    kind = _numpy(dtype)
    if (stop - start) * (1 if step > 0 else -1) <= 0:
        return _made(np.empty(0, kind), device)
    return _made(np.arange(start, stop, step, kind), device)  # type: ignore[call-overload]


@_standard
def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None,
    endpoint: bool = True,
) -> Any:  # fmt: skip
    """`num` values at equal distances from `start` to `stop`."""
    return _made(np.linspace(start, stop, num, endpoint).astype(_numpy(dtype)), device)


@_standard
def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> Any:
    """A matrix with ones on the k-th diagonal."""
    columns = n_rows if n_cols is None else n_cols
    k = max(min(k, columns), -n_rows)
    return _made(np.eye(n_rows, columns, k, dtype=_numpy(dtype)), device)


def _filled(name: str, fill: Callable[..., Any], text: str) -> Any:
    """The function that fills new arrays of given sizes, and the one for those of another array."""

    @called(name, f"An array of the given sizes {text}.")
    def function(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
        return _made(fill(_sizes(shape), _numpy(dtype)), device)

    @called(f"{name}_like", f"An array of the sizes, and if none is given the type, of `x` {text}.")
    def like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
        return _made(fill(x.array.shape, x.array.dtype if dtype is None else _numpy(dtype)), device)

    return _standard(function), _standard(like)


empty, empty_like = _filled("empty", np.empty, "with whatever the memory held")
zeros, zeros_like = _filled("zeros", np.zeros, "filled with 0")
ones, ones_like = _filled("ones", np.ones, "filled with 1")


@_standard
def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of the given sizes filled with one value, whose type decides by default."""
    value = asarray(fill_value, dtype=dtype)
    return _made(np.full(_sizes(shape), value.array, value.array.dtype), device)


@_standard
def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of the sizes, and if none is given the type, of `x` filled with one value."""
    kind = x.dtype if dtype is None else dtype
    return full(tuple(x.array.shape), fill_value, dtype=kind, device=device)


@_standard
def meshgrid(*arrays: Any, indexing: str = "xy") -> Any:
    """The coordinates of a grid: one array for each of its dimensions."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid(): indexing must be 'xy' or 'ij', got {indexing!r}")
    flat = [PUBLIC["reshape"](as_tensor(x, "meshgrid"), -1) for x in arrays]
    shape = [t.array.size for t in flat]
    grids = []
    for d, t in enumerate(flat):
        line = PUBLIC["reshape"](t, [-1 if i == d else 1 for i in range(len(shape))])
        grids.append(PUBLIC["clone"](PUBLIC["broadcast_to"](line, shape)))
    if indexing == "xy" and len(flat) > 1:
        grids = [PUBLIC["transpose"](g, 0, 1) for g in grids]
    return tuple(grids)


def _matrices(x: Tensor, name: str) -> Tensor:
    if x.ndim < 2:
        raise ValueError(f"{name}() takes matrices, got {x.ndim} dimensions")
    return x


@_standard
def tril(x: Any, /, *, k: int = 0) -> Any:
    """Matrices with the elements on and below the k-th diagonal, 0 elsewhere."""
    return PUBLIC["tril"](_matrices(x, "tril"), k)


@_standard
def triu(x: Any, /, *, k: int = 0) -> Any:
    """Matrices with the elements on and above the k-th diagonal, 0 elsewhere."""
    return PUBLIC["triu"](_matrices(x, "triu"), k)
