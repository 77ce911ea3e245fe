"""Pooling as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from minigrad.nn.functions import pooling as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d",
    "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip

Size = int | Sequence[int]


class _MaxPoolNd(Module):
    _function: ClassVar[Any]

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """The maxima; with `return_indices`, a pair of them and their places."""
        own = self.__dict__
        return type(self)._function(
            input, own["kernel_size"], own["stride"], own["padding"], own["dilation"],
            own["ceil_mode"], own["return_indices"],
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The parameters."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of (N, C, L) or (C, L); parameters of :class:`MaxPool2d`."""

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
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

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of (N, C, D, H, W) or (C, D, H, W); see :class:`MaxPool2d`."""

    _function = staticmethod(F.max_pool3d)


class _MaxUnpoolNd(Module):
    _dims: ClassVar[int]
    _function: ClassVar[Any]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = self._each(kernel_size)
        self.stride = self._each(stride if stride is not None else kernel_size)
        self.padding = self._each(padding)

    def _each(self, size: Any) -> tuple[int, ...]:
        return (size,) * self._dims if isinstance(size, int) else tuple(size)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Zeros, with the input at `indices`."""
        return type(self)._function(  # type: ignore[no-any-return]
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        """The parameters."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The partial inverse of :class:`MaxPool1d`; see :class:`MaxUnpool2d`."""

    _dims = 1
    _function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """The partial inverse of :class:`MaxPool2d`: zeros, with the maxima where they were.

    Parameters
    ----------
    kernel_size, stride, padding : int or pair of int
        As of the pooling. The module is called with the maxima, their indices, and perhaps the
        size of the result.
    """

    _dims = 2
    _function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """The partial inverse of :class:`MaxPool3d`; see :class:`MaxUnpool2d`."""

    _dims = 3
    _function = staticmethod(F.max_unpool3d)


class AvgPool1d(Module):
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

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            (size,) if isinstance(size, int) else tuple(size)
            for size in (kernel_size, stride if stride is not None else kernel_size, padding)
        )
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The parameters."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
    _function: ClassVar[Any]

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        own = self.__dict__
        return type(self)._function(  # type: ignore[no-any-return]
            input, own["kernel_size"], own["stride"], own["padding"], own["ceil_mode"],
            own["count_include_pad"], own["divisor_override"],
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The parameters."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
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

    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); see :class:`AvgPool2d`."""

    _function = staticmethod(F.avg_pool3d)


class _LPPoolNd(Module):
    _function: ClassVar[Any]

    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """The norms of the windows."""
        return type(self)._function(  # type: ignore[no-any-return]
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """The parameters."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
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

    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The norms of windows of (N, C, H, W) or (C, H, W); see :class:`LPPool1d`."""

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The norms of windows of (N, C, D, H, W) or (C, D, H, W); see :class:`LPPool1d`."""

    _function = staticmethod(F.lp_pool3d)


class _AdaptivePool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The parameters."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of `output_size` bins of (N, C, L) or (C, L); see :class:`AdaptiveAvgPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
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

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means of bins of (N, C, D, H, W) or (C, D, H, W); see :class:`AdaptiveAvgPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPoolNd(_AdaptivePool):
    _function: ClassVar[Any]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """The maxima; with `return_indices`, a pair of them and their places."""
        return type(self)._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima of `output_size` bins of (N, C, L) or (C, L); see :class:`AdaptiveMaxPool2d`."""

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima of as many bins of (N, C, H, W) or (C, H, W) as wanted.

    Parameters
    ----------
    output_size : int, or pair of int or None
        How many bins cover each dimension; None for as many as there are elements.
    return_indices : bool
        Also return where the maxima are.
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima of bins of (N, C, D, H, W) or (C, D, H, W); see :class:`AdaptiveMaxPool2d`."""

    _function = staticmethod(F.adaptive_max_pool3d)
