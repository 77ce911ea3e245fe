"""Where and how the elements of a tensor lie: device, strides, bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Size, Tensor
from minigrad.place import device, layout, strided

__all__: list[str] = []


_CPU = device()


def _no_such_dim(dim: Any, ndim: int) -> Exception:
    if not hasattr(dim, "__index__"):
        return TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
    n = max(ndim, 1)
    return IndexError(
        f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
    )


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension."""
    if dim is None:
        return Size(self.array.shape)
    try:
        return self.array.shape[dim]
    except (IndexError, TypeError):
        raise _no_such_dim(dim, self.array.ndim) from None


def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return self.array.ndim


def nelement(self: Tensor) -> int:
    """The number of elements."""
    return self.array.size


def _device(self: Tensor) -> device:
    """Always ``device(type='cpu')``."""
    return _CPU


def itemsize(self: Tensor) -> int:
    """Bytes per element."""
    return self.array.itemsize


def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self.array.itemsize


def nbytes(self: Tensor) -> int:
    """Bytes of all elements."""
    return self.array.nbytes


def stride(self: Tensor, dim: int | None = None) -> Any:
    """Elements to step over from one index to the next, for each dimension or for one."""
    strides = tuple(s // self.array.itemsize for s in self.array.strides)
    if dim is None:
        return strides
    try:
        return strides[dim]
    except (IndexError, TypeError):
        raise _no_such_dim(dim, self.array.ndim) from None


def data_ptr(self: Tensor) -> int:
    """The address of the first element."""
    return self.array.ctypes.data


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory in row-major order, or another, without gaps."""
    last = None if memory_format is None else memory_format.ndim
    if last is not None:  # channels last
        if self.array.ndim != last:
            return False
        return np.moveaxis(self.array, 1, -1).flags.c_contiguous
    return self.array.flags.c_contiguous


def _layout(self: Tensor) -> layout:
    """Always ``minigrad.strided``: the elements are in an array."""
    return strided


def is_floating_point(self: Tensor) -> bool:
    """Whether the element type is a floating point type."""
    return dtypes.is_float(self.array.dtype)


def _data(self: Tensor) -> Tensor:
    """The same memory outside the graph, unseen by its version counter."""
    return Tensor(self.array)


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"expected a Tensor as data, got {type(value).__name__}")
    if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
        self._share_counter().bump()  # graphs that saved this tensor have other sizes in mind
    self.array = value.array


for _method in (
    size, dim, nelement, element_size, stride, data_ptr, is_contiguous, is_floating_point,
):  # fmt: skip
    setattr(Tensor, _method.__name__, _method)
for _name, _get in {
    "device": _device,
    "layout": _layout,
    "itemsize": itemsize,
    "nbytes": nbytes,
}.items():
    setattr(Tensor, _name, property(_get))
setattr(Tensor, "data", property(_data, _set_data))  # noqa: B010
