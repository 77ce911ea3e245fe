"""What Python asks of a tensor: its length, whether it is true, numbers, lists, an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.events import read
from minigrad.core.public import method
from minigrad.core.tensor import Array, Tensor

__all__: list[str] = []


@method
def tolist(self: Tensor) -> Any:
    """The elements as nested lists of Python numbers."""
    read("tolist", self)
    return self.array.tolist()


@method(name="__array__")
def _as_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Array:
    """What ``numpy.asarray`` asks for."""
    return np.array(self.numpy(), dtype=dtype, copy=copy)


@method(name="__len__")
def _length(self: Tensor) -> int:
    """The size of the first dimension."""
    if self.array.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    length: int = self.array.shape[0]
    return length


@method(name="__bool__")
def _truth(self: Tensor) -> bool:
    """Whether the only element is not zero."""
    if self.array.size == 1:
        read("bool", self)
        return bool(self.array.item())
    few = "no values" if self.array.size == 0 else "more than one value"
    raise RuntimeError(f"Boolean value of Tensor with {few} is ambiguous")


@method(name="__float__")
def _float(self: Tensor) -> float:
    """The only element as a float."""
    return float(_only(self))


@method(name="__int__")
def _int(self: Tensor) -> int:
    """The only element as an integer."""
    return int(_only(self))


def _only(x: Tensor) -> Any:
    if x.array.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    read("number", x)
    return x.array.item()


@method(name="__index__")
def _index(self: Tensor) -> int:
    """The only element, an integer, where Python wants an index or a size."""
    if self.array.dtype.kind not in "iub" or self.array.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    read("index", self)
    return int(self.array.item())
