"""Pooling as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from minigrad.core.tensor import Tensor
from minigrad.nn.functions import pooling as F
from minigrad.nn.layer import Layer, UnaryLayer, spread

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d",
    "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip

Size = int | Sequence[int]


class _WindowLayer(Layer, shown="kernel_size=, stride=, padding="):
    """Windows, whose stride is their size by default."""

    kernel_size: Size
    stride: Size | None = None
    padding: Size = 0

    def __post_init__(self) -> None:
        self.stride = self.stride if self.stride is not None else self.kernel_size

    def _spread_sizes(self, n: int) -> None:
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, spread(getattr(self, name), n))


class _PoolNd(_WindowLayer, UnaryLayer):
    """Windows of one input."""


class _MaxPoolNd(_PoolNd, shown="kernel_size=, stride=, padding=, dilation=, ceil_mode="):
    dilation: Size = 1
    return_indices: bool = False
    ceil_mode: bool = False

    def forward(self, input: Tensor) -> Any:
        """The maxima; with `return_indices`, a pair of them and their places."""
        return self._computed(input)


class MaxPool1d(_MaxPoolNd, function=F.max_pool1d):
    """The maximum of each window of (N, C, L) or (C, L); parameters of :class:`MaxPool2d`."""


class MaxPool2d(_MaxPoolNd, function=F.max_pool2d):
    """The maximum of each window of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size : int or pair of int
        The size of a window.
    stride : int or pair of int, optional
        From one window to the next; by default the size.
    padding : int or pair of int
        Minus infinity on both sides, at most half a window.
    dilation : int or pair of int
        From one element of a window to the next.
    return_indices : bool
        Also return where the maxima are, for :class:`MaxUnpool2d`.
    ceil_mode : bool
        Also take windows that start inside and stick out.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.MaxPool2d(2)(mg.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """


class MaxPool3d(_MaxPoolNd, function=F.max_pool3d):
    """The maximum of each window of (N, C, D, H, W) or (C, D, H, W); see :class:`MaxPool2d`."""


class _MaxUnpoolNd(_WindowLayer):
    _dims: ClassVar[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._spread_sizes(self._dims)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Zeros, with the input at `indices`."""
        result: Tensor = self._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
        return result


class MaxUnpool1d(_MaxUnpoolNd, function=F.max_unpool1d, dims=1):
    """The partial inverse of :class:`MaxPool1d`; see :class:`MaxUnpool2d`."""


class MaxUnpool2d(_MaxUnpoolNd, function=F.max_unpool2d, dims=2):
    """The partial inverse of :class:`MaxPool2d`: zeros, with the maxima where they were.

    Parameters
    ----------
    kernel_size, stride, padding : int or pair of int
        As of the pooling. The module is called with the maxima, their indices, and perhaps the
        size of the result.
    """


class MaxUnpool3d(_MaxUnpoolNd, function=F.max_unpool3d, dims=3):
    """The partial inverse of :class:`MaxPool3d`; see :class:`MaxUnpool2d`."""


class AvgPool1d(_PoolNd, function=F.avg_pool1d):
    """The mean of each window of (N, C, L) or (C, L).

    Parameters
    ----------
    kernel_size : int or tuple of one int
    stride : int, optional
        By default the size.
    padding : int
        Zeros on both sides.
    ceil_mode : bool
        Also take windows that start inside and stick out.
    count_include_pad : bool
        Whether the padding counts as elements that the sum is divided by.
    """

    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._spread_sizes(1)


class _AvgPoolNd(_PoolNd):
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None


class AvgPool2d(_AvgPoolNd, function=F.avg_pool2d):
    """The mean of each window of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        By default the size.
    padding : int or pair of int
        Zeros on both sides, at most half a window.
    ceil_mode : bool
        Also take windows that start inside and stick out.
    count_include_pad : bool
        Whether the padding counts as elements that the sum is divided by.
    divisor_override : int, optional
        Divide by this instead.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.AvgPool2d(2)(mg.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """


class AvgPool3d(_AvgPoolNd, function=F.avg_pool3d):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); see :class:`AvgPool2d`."""


class _LPPoolNd(UnaryLayer):
    norm_type: float
    kernel_size: Size
    stride: Size | None = None
    ceil_mode: bool = False


class LPPool1d(_LPPoolNd, function=F.lp_pool1d):
    """``(sum of x ** norm_type) ** (1 / norm_type)`` of each window of (N, C, L) or (C, L).

    Parameters
    ----------
    norm_type : float
    kernel_size : int
    stride : int, optional
        By default the size.
    ceil_mode : bool
        Also take windows that start inside and stick out.
    """


class LPPool2d(_LPPoolNd, function=F.lp_pool2d):
    """The norms of windows of (N, C, H, W) or (C, H, W); see :class:`LPPool1d`."""


class LPPool3d(_LPPoolNd, function=F.lp_pool3d):
    """The norms of windows of (N, C, D, H, W) or (C, D, H, W); see :class:`LPPool1d`."""


class _AdaptivePool(UnaryLayer, shown="output_size="):
    output_size: Any


class AdaptiveAvgPool1d(_AdaptivePool, function=F.adaptive_avg_pool1d):
    """Means of `output_size` bins of (N, C, L) or (C, L); see :class:`AdaptiveAvgPool2d`."""


class AdaptiveAvgPool2d(_AdaptivePool, function=F.adaptive_avg_pool2d):
    """Means of as many bins of (N, C, H, W) or (C, H, W) as wanted, whatever the input's size.

    Parameters
    ----------
    output_size : int, or pair of int or None
        How many bins cover each dimension; None for as many as there are elements.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.AdaptiveAvgPool2d(1)(mg.ones(2, 3, 5, 7)).shape
    minigrad.Size([2, 3, 1, 1])
    """


class AdaptiveAvgPool3d(_AdaptivePool, function=F.adaptive_avg_pool3d):
    """Means of bins of (N, C, D, H, W) or (C, D, H, W); see :class:`AdaptiveAvgPool2d`."""


class _AdaptiveMaxPoolNd(_AdaptivePool):
    return_indices: bool = False

    def forward(self, input: Tensor) -> Any:
        """The maxima; with `return_indices`, a pair of them and their places."""
        return self._computed(input)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd, function=F.adaptive_max_pool1d):
    """Maxima of `output_size` bins of (N, C, L) or (C, L); see :class:`AdaptiveMaxPool2d`."""


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd, function=F.adaptive_max_pool2d):
    """Maxima of as many bins of (N, C, H, W) or (C, H, W) as wanted.

    Parameters
    ----------
    output_size : int, or pair of int or None
        How many bins cover each dimension; None for as many as there are elements.
    return_indices : bool
        Also return where the maxima are.
    """


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd, function=F.adaptive_max_pool3d):
    """Maxima of bins of (N, C, D, H, W) or (C, D, H, W); see :class:`AdaptiveMaxPool2d`."""
