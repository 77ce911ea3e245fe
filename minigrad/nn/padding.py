"""Padding as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.nn.functions.padding import pad
from minigrad.nn.layer import UnaryLayer, spread

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

Padding = int | Sequence[int]


class _Pad(UnaryLayer, shown="{padding}"):
    _dims: ClassVar[int]
    _mode: ClassVar[str]
    padding: Padding

    def __post_init__(self) -> None:
        given, count = self.padding, 2 * self._dims
        self.padding = spread(given, count)
        if len(self.padding) != count:
            raise ValueError(
                f"{type(self).__name__}: expected one int or {count} of them, got {given}"
            )
        if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) for n in self.padding):
            raise TypeError(f"{type(self).__name__}: expected {count} ints, got {given!r}")

    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        amounts: Any = self.padding  # one number became a tuple
        return pad(input, amounts, self._mode, getattr(self, "value", None))


class ReflectionPad1d(_Pad, dims=1, mode="reflect"):
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


class ReflectionPad2d(_Pad, dims=2, mode="reflect"):
    """Mirror (N, C, H, W) or (C, H, W) at its border, without repeating it.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    """


class ReflectionPad3d(_Pad, dims=3, mode="reflect"):
    """Mirror (N, C, D, H, W) or (C, D, H, W) at its border, without repeating it.

    Parameters
    ----------
    padding : int or (left, right, top, bottom, front, back)
    """


class ReplicationPad1d(_Pad, dims=1, mode="replicate"):
    """Repeat the ends of (N, C, W) or (C, W); `padding` as of :class:`ReflectionPad1d`."""


class ReplicationPad2d(_Pad, dims=2, mode="replicate"):
    """Repeat the border of (N, C, H, W) or (C, H, W); `padding` as of :class:`ReflectionPad2d`."""


class ReplicationPad3d(_Pad, dims=3, mode="replicate"):
    """Repeat the border of (N, C, D, H, W) or (C, D, H, W); see :class:`ReflectionPad3d`."""


class _CircularPadNd(_Pad, mode="circular"):
    def forward(self, input: Tensor) -> Tensor:
        """The padded input."""
        ndim, n = input.array.ndim, self._dims
        if ndim not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {ndim}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd, dims=1):
    """Continue (N, C, W) or (C, W) from the other side; see :class:`ReflectionPad1d`."""


class CircularPad2d(_CircularPadNd, dims=2):
    """Continue (N, C, H, W) or (C, H, W) from the other side; see :class:`ReflectionPad2d`."""


class CircularPad3d(_CircularPadNd, dims=3):
    """Continue (N, C, D, H, W) or (C, D, H, W) periodically; see :class:`ReflectionPad3d`."""


class ZeroPad1d(_Pad, dims=1, mode="constant"):
    """Zeros around (N, C, W) or (C, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right)
    """


class ZeroPad2d(_Pad, dims=2, mode="constant"):
    """Zeros around (N, C, H, W) or (C, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    """


class ZeroPad3d(_Pad, dims=3, mode="constant"):
    """Zeros around (N, C, D, H, W) or (C, D, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom, front, back)
    """


class _ConstantPadNd(_Pad, mode="constant", shown="padding=, value="):
    value: float


class ConstantPad1d(_ConstantPadNd, dims=1):
    """A value around (N, C, W) or (C, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right)
    value : float
    """


class ConstantPad2d(_ConstantPadNd, dims=2):
    """A value around (N, C, H, W) or (C, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom)
    value : float
    """


class ConstantPad3d(_ConstantPadNd, dims=3):
    """A value around (N, C, D, H, W) or (C, D, H, W); negative amounts crop.

    Parameters
    ----------
    padding : int or (left, right, top, bottom, front, back)
    value : float
    """
