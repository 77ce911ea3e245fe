"""The types of tensors as classes, in scripts that say ``LongTensor`` for a tensor of int64.

>>> LongTensor([1, 2]).dtype
minigrad.int64
>>> FloatTensor(2, 3).shape
minigrad.Size([2, 3])
>>> isinstance(FloatTensor([1.5]), FloatTensor), isinstance(FloatTensor([1.5]), LongTensor)
(True, False)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Size, Tensor

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor",
]  # fmt: skip


class _Typed(type):
    """A class whose instances are the tensors of one type."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor) and value.dtype == cls.dtype

    def __call__(cls, *data: Any) -> Tensor:
        kind = cls.dtype.numpy
        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            given = data[0].array if isinstance(data[0], Tensor) else data[0]
            return Tensor(np.array(given, kind))
        sizes = data[0] if len(data) == 1 and isinstance(data[0], Size) else data or (0,)
        return Tensor(np.empty(sizes, kind))


def _typed(name: str, kind: dtypes.dtype) -> Any:
    text = f"Tensors of {kind.name}: ``{name}(2, 3)`` by their sizes, not filled; else by values."
    return _Typed(f"{name}Tensor", (), {"dtype": kind, "__doc__": text, "__module__": "minigrad"})


BoolTensor = _typed("Bool", dtypes.bool_)
ByteTensor = _typed("Byte", dtypes.uint8)
CharTensor = _typed("Char", dtypes.int8)
DoubleTensor = _typed("Double", dtypes.float64)
FloatTensor = _typed("Float", dtypes.float32)
HalfTensor = _typed("Half", dtypes.float16)
IntTensor = _typed("Int", dtypes.int32)
LongTensor = _typed("Long", dtypes.int64)
ShortTensor = _typed("Short", dtypes.int16)
