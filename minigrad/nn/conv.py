"""Convolutions as modules."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from minigrad.core.tensor import Tensor
from minigrad.kernels.conv.geometry import Geometry
from minigrad.nn import fill
from minigrad.nn.functions import conv as F
from minigrad.nn.layer import UnaryLayer
from minigrad.nn.linear import new_parameter
from minigrad.nn.module import Module

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Fold",
    "Unfold",
]  # fmt: skip

Ints = tuple[int, ...]
_MODES = ("zeros", "reflect", "replicate", "circular")


def _numbers(value: Any, n: int, name: str) -> Ints:
    """One number for each spatial dimension."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    if any(isinstance(v, bool) or not hasattr(v, "__index__") for v in numbers):
        raise TypeError(f"{name} must be an int or a tuple of {n} ints, got {value!r}")
    if len(numbers) != n:
        raise ValueError(f"{name} must be an int or a tuple of {n} ints, got {value!r}")
    return tuple([int(v) for v in numbers])


def _same_padding(kernel: Ints, dilation: Ints) -> list[int]:
    """What ``padding="same"`` adds before and after, the last dimension first, as `F.pad` wants."""
    both: list[int] = []
    for d, k in zip(reversed(dilation), reversed(kernel)):
        missing = d * (k - 1)
        both += [missing // 2, missing - missing // 2]
    return both


class _ConvNd(Module):
    """What all convolutions share: the settings, the parameters, the text."""

    _spatial: ClassVar[int]
    transposed = False

    def _set_up(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
        dilation: Any, output_padding: Any, groups: int, bias: bool, padding_mode: str,
        device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        n = self._spatial
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _numbers(kernel_size, n, "kernel_size")
        self.stride = _numbers(stride, n, "stride")
        self.padding: Any = padding if isinstance(padding, str) else _numbers(padding, n, "padding")
        self.dilation = _numbers(dilation, n, "dilation")
        self.output_padding = _numbers(output_padding, n, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        self._both_ends = self._padding_of_both_ends()
        channels = (out_channels, in_channels // groups)
        if self.transposed:
            channels = (in_channels, out_channels // groups)
        self.weight = new_parameter((*channels, *self.kernel_size), dtype, device)
        first = new_parameter((out_channels,), dtype, device) if bias else None
        self.register_parameter("bias", first)
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, channels in (("in", self.in_channels), ("out", self.out_channels)):
            if channels % self.groups:
                raise ValueError(
                    f"{name}_channels must be divisible by groups: got {name}_channels={channels} "
                    f"and groups={self.groups}"
                )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {self.padding!r}, should be one of 'same', 'valid'"
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {_MODES}, but got padding_mode='{self.padding_mode}'"
            )

    def _padding_of_both_ends(self) -> list[int]:
        if self.padding == "same":
            return _same_padding(self.kernel_size, self.dilation)
        padding = (0,) * self._spatial if isinstance(self.padding, str) else self.padding
        return [p for p in reversed(padding) for _ in range(2)]

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform in ``+-1 / sqrt(inputs of an output)``."""
        fill.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            fill.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """The settings that are not the usual ones."""
        n = self._spatial
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (usual,) * n:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text + (
            f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else ""
        )


class _Conv(_ConvNd):
    _function: ClassVar[Any]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._set_up(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """The convolution of the input with the weight, plus the bias."""
        own = self.__dict__  # quicker than by attribute
        padding = own["padding"]
        if own["padding_mode"] != "zeros":
            from minigrad.nn.functions.padding import pad

            input, padding = pad(input, own["_both_ends"], mode=own["padding_mode"]), 0
        parameters = own["_parameters"]
        try:
            weight, bias = parameters["weight"], parameters["bias"]
        except KeyError:  # computed from other parameters
            weight, bias = self.weight, self.bias
        return type(self)._function(  # type: ignore[no-any-return]
            input, weight, bias, own["stride"], padding, own["dilation"], own["groups"]
        )


class Conv1d(_Conv):
    """Kernels that slide over a sequence; parameters as of :class:`Conv2d`.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kernel_size)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Conv1d(4, 8, 3, padding=1)(mg.ones(2, 4, 10)).shape
    minigrad.Size([2, 8, 10])
    """

    _spatial = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Kernels that slide over images, each making one channel of the result.

    See :func:`minigrad.nn.functional.conv2d` for the formula. Weight and bias start uniform in
    ``+-1 / sqrt(in_channels / groups * kernel height * kernel width)``, as PyTorch's do.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or tuple of int
    stride : int or tuple of int
        From one window to the next.
    padding : int, tuple of int, "same" or "valid"
        At both ends of each dimension.
    dilation : int or tuple of int
        From one element of the kernel to the next.
    groups : int
        The channels are convolved in so many separate groups.
    bias : bool
        Whether each output channel has a shift.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is filled with.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, *kernel_size)
    bias : Parameter, shape (out_channels,), or None

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Conv2d(3, 16, 3, padding=1)
    >>> layer(mg.ones(2, 3, 8, 8)).shape
    minigrad.Size([2, 16, 8, 8])
    """

    _spatial = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Kernels that slide over volumes; parameters as of :class:`Conv2d`.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, *kernel_size)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Conv3d(1, 2, 2)(mg.ones(1, 1, 3, 4, 5)).shape
    minigrad.Size([1, 2, 2, 3, 4])
    """

    _spatial = 3
    _function = staticmethod(F.conv3d)


class _ConvTranspose(_ConvNd):
    _function: ClassVar[Any]
    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, bias: bool = True,
        dilation: Any = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {type(self).__name__}, got '
                f"'{padding_mode}'"
            )
        if isinstance(padding, str):
            raise TypeError(
                f"{type(self).__name__}: padding must be an int or a tuple of ints, got {padding!r}"
            )
        self._set_up(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """The transposed convolution.

        Parameters
        ----------
        input : Tensor
        output_size : sequence of int, optional
            Sizes of the result, with or without those of batch and channels, instead of
            `output_padding`.
        """
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra(tuple(input.array.shape), tuple(output_size))
        return type(self)._function(  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip

    def _extra(self, shape: Ints, wanted: Ints) -> Ints:
        """The output padding that makes the result as large as wanted."""
        n = self._spatial
        others = len(shape) - n
        if len(wanted) == len(shape):
            wanted = wanted[others:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {len(shape)}D input, output_size must have {n} or "
                f"{len(shape)} elements (got {len(wanted)})"
            )
        how = Geometry(self.kernel_size, self.stride, self.padding, self.dilation, self.groups)
        least = list(how.input_sizes(shape[others:]))
        most = [m + s - 1 for m, s in zip(least, self.stride)]
        if any(not a <= w <= b for a, w, b in zip(least, wanted, most)):
            raise ValueError(
                f"requested an output size of {list(wanted)}, but valid sizes range from {least} "
                f"to {most} (for an input of {list(shape[others:])})"
            )
        return tuple([w - m for w, m in zip(wanted, least)])


class ConvTranspose1d(_ConvTranspose):
    """The transpose of :class:`Conv1d`; parameters as of :class:`ConvTranspose2d`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1)(mg.ones(1, 4, 5)).shape
    minigrad.Size([1, 2, 10])
    """

    _spatial = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of :class:`Conv2d`: each input puts a kernel, times its value, on the output.

    Undoes the change of sizes of a convolution with the same settings, so networks use it to
    enlarge images. See :func:`minigrad.nn.functional.conv_transpose2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or tuple of int
    stride, padding : int or tuple of int
        Of the convolution that this is the transpose of.
    output_padding : int or tuple of int
        Elements more at the end of each dimension.
    groups : int
    bias : bool
    dilation : int or tuple of int
    padding_mode : {"zeros"}
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter, shape (in_channels, out_channels / groups, *kernel_size)
    bias : Parameter, shape (out_channels,), or None

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)
    >>> layer(mg.ones(1, 4, 5, 5)).shape
    minigrad.Size([1, 2, 10, 10])
    """

    _spatial = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of :class:`Conv3d`; parameters as of :class:`ConvTranspose2d`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.ConvTranspose3d(1, 2, 2, stride=2)(mg.ones(1, 1, 2, 3, 4)).shape
    minigrad.Size([1, 2, 4, 6, 8])
    """

    _spatial = 3
    _function = staticmethod(F.conv_transpose3d)


class Unfold(UnaryLayer, function=F.unfold):
    """The windows that a convolution reads, as columns; see :func:`minigrad.nn.functional.unfold`.

    Parameters
    ----------
    kernel_size, dilation, padding, stride : int or tuple of int

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Unfold(2)(mg.ones(1, 3, 4, 5)).shape
    minigrad.Size([1, 12, 12])
    """

    kernel_size: Any
    dilation: Any = 1
    padding: Any = 0
    stride: Any = 1


class Fold(UnaryLayer, function=F.fold):
    """Windows added up to images; see :func:`minigrad.nn.functional.fold`.

    Parameters
    ----------
    output_size : int or tuple of int
    kernel_size, dilation, padding, stride : int or tuple of int

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Fold((4, 5), 2)(mg.ones(1, 12, 12)).shape
    minigrad.Size([1, 3, 4, 5])
    """

    output_size: Any
    kernel_size: Any
    dilation: Any = 1
    padding: Any = 0
    stride: Any = 1
