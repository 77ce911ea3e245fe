"""Padding as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from minigrad.nn.functions.padding import pad
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

Padding = int | Sequence[int]


class _Pad(Module):
    _dims: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: Padding) -> None:
        super().__init__()
        count = 2 * self._dims
        self.padding = (padding,) * count if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != count:
            raise ValueError(
                f"{type(self).__name__}: expected one int or {count} of them, got {padding}"
            )
        if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) for n in self.padding):
            raise TypeError(f"{type(self).__name__}: expected {count} ints, got {padding!r}")

    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """The amounts."""
        return f"{self.padding}"


class ReflectionPad1d(_Pad):
    """Mirror (N, C, W) or (C, W) at its ends, without repeating the border.

    Parameters
    ----------
    padding : int or (left, right)

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.ReflectionPad1d(2)(mg.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Mirror (N, C, H, W) or (C, H, W) at its border, without repeating it.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    """

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Mirror (N, C, D, H, W) or (C, D, H, W) at its border, without repeating it.

    Parameters
    ----------
    padding : int or (left, right, top, bottom, front, back)
    """

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Repeat the ends of (N, C, W) or (C, W); `padding` as of :class:`ReflectionPad1d`."""

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Repeat the border of (N, C, H, W) or (C, H, W); `padding` as of :class:`ReflectionPad2d`."""

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Repeat the border of (N, C, D, H, W) or (C, D, H, W); see :class:`ReflectionPad3d`."""

    _dims, _mode = 3, "replicate"


class _CircularPadNd(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        ndim, n = input.array.ndim, self._dims
        if ndim not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {ndim}D input)")
        return pad(input, self.padding, self._mode)


class CircularPad1d(_CircularPadNd):
    """Continue (N, C, W) or (C, W) from the other side; see :class:`ReflectionPad1d`."""

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Continue (N, C, H, W) or (C, H, W) from the other side; see :class:`ReflectionPad2d`."""

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Continue (N, C, D, H, W) or (C, D, H, W) periodically; see :class:`ReflectionPad3d`."""

    _dims = 3


class ZeroPad1d(_Pad):
    """Zeros around (N, C, W) or (C, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right)
    """

    _dims, _mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Zeros around (N, C, H, W) or (C, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    """

    _dims, _mode = 2, "constant"


class ZeroPad3d(_Pad):
    """Zeros around (N, C, D, H, W) or (C, D, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom, front, back)
    """

    _dims, _mode = 3, "constant"


class _ConstantPadNd(_Pad):
    _mode = "constant"

    def __init__(self, padding: Padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The amounts and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """A value around (N, C, W) or (C, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right)
    value : float
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """A value around (N, C, H, W) or (C, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    value : float
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """A value around (N, C, D, H, W) or (C, D, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom, front, back)
    value : float
    """

    _dims = 3
