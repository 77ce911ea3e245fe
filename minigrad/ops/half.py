"""float16 stores; what adds up or divides computes in float32, and rounds once.

Sums of squares leave the range of float16 where values are larger than 255, counts of elements at
65,504. PyTorch's kernels on the CPU compute in float32 for the same reason.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from minigrad.core import dtypes
from minigrad.core.promotion import cast
from minigrad.core.tensor import Tensor

__all__ = ["in_float32"]

F = TypeVar("F", bound=Callable[..., Any])

_HALF, _FLOAT = np.dtype(np.float16), np.dtype(np.float32)


def in_float32(function: F) -> F:
    """`function`, which for float16 tensors computes in float32 and rounds its results.

    So do its derivatives, because the conversions are part of the graph. Where some floating
    tensors are of another type, or a type is asked for, the function decides alone.

    Examples
    --------
    >>> import minigrad as mg
    >>> loud = mg.full((4,), 300.0, dtype=mg.float16)
    >>> (loud * loud).sum(), in_float32(lambda x: (x * x).sum().sqrt())(loud)
    (tensor(inf, dtype=minigrad.float16), tensor(600., dtype=minigrad.float16))
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else kwargs.get("input")
        if not isinstance(first, Tensor) or first.array.dtype.char != "e":
            return function(*args, **kwargs)
        floating = [
            v for v in (*args, *kwargs.values())
            if isinstance(v, Tensor) and dtypes.is_float(v.array.dtype)
        ]  # fmt: skip
        mixed = any(v.array.dtype != _HALF for v in floating)
        if mixed or kwargs.get("dtype") is not None or kwargs.get("out") is not None:
            return function(*args, **kwargs)
        wide = {key: _to(_FLOAT, value) for key, value in kwargs.items()}
        return _to(_HALF, function(*[_to(_FLOAT, value) for value in args], **wide))

    return called  # type: ignore[return-value] # the signature is the function's


def _to(dtype: np.dtype[Any], value: Any) -> Any:
    """Tensors of either type converted, also in tuples; all else as it is."""
    if isinstance(value, Tensor):
        return cast(value, dtype) if value.array.dtype in (_HALF, _FLOAT) else value
    if isinstance(value, tuple) and any(isinstance(v, Tensor) for v in value):
        parts = [_to(dtype, v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
