"""What is asked about element types: their limits, and what may be written to what."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.dtypes import dtype, get_default_dtype

__all__ = ["can_cast", "finfo", "iinfo"]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of type `from_` may be written to `to`: the category must not fall.

    >>> from minigrad import float32, float64, int64, uint8
    >>> can_cast(float64, float32), can_cast(float32, int64), can_cast(int64, uint8)
    (True, False, True)
    """
    if from_.category > to.category:
        return False
    return not (from_.is_signed and from_.category == to.category and not to.is_signed) or (
        from_.category == 1 and to.category == 1
    )


def _bfloat16_limits(kind: dtype) -> Any:
    from ml_dtypes import finfo as limits

    return limits(kind.numpy)  # type: ignore[no-untyped-call]


class finfo:
    """The limits of a floating point type: ``eps``, ``max``, ``min``, ``tiny``, ``bits``.

    >>> from minigrad import float32
    >>> finfo(float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = get_default_dtype() if type is None else type
        if not kind.is_floating_point:
            raise TypeError(f"finfo() takes a floating point type, got {kind}; use iinfo()")
        info: Any = np.finfo(kind.numpy) if kind.numpy.kind == "f" else _bfloat16_limits(kind)
        self.bits = int(info.bits)
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = float(info.resolution)
        self.dtype = kind.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer type: ``min``, ``max``, ``bits``.

    >>> from minigrad import uint8
    >>> iinfo(uint8).max
    255
    """

    def __init__(self, type: dtype) -> None:
        if type.category != 1:
            raise TypeError(f"iinfo() takes an integer type, got {type}; use finfo()")
        info = np.iinfo(type.numpy)
        self.bits = int(info.bits)
        self.max = int(info.max)
        self.min = int(info.min)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
