"""Convolutions, and the windows they read, under PyTorch's names and signatures."""

from __future__ import annotations

import functools
from typing import Any

from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor
from minigrad.kernels.conv.geometry import Geometry
from minigrad.ops.guard import guarded
from minigrad.ops.layers import conv as ops
from minigrad.ops.layers.conv_functions import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from minigrad.ops.layers.sizes import check_range, check_room, tupled

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "fold", "unfold",
]  # fmt: skip

Ints = tuple[int, ...]


def _pair(value: Any, argument: str, name: str) -> Ints:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if any(isinstance(v, bool) or not hasattr(v, "__index__") for v in values):
        raise TypeError(f"{name}(): argument '{argument}' must be int or tuple of ints: {value!r}")
    if len(values) != 2:
        raise RuntimeError(
            f"{name}: It is expected {argument} equals to 2, but got size {len(values)}"
        )
    return tuple([int(v) for v in values])


@functools.lru_cache(maxsize=256)
def _windows(name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Geometry:
    """The checked geometry of windows."""
    kernel = _pair(kernel_size, "kernel_size", name)
    dilation = _pair(dilation, "dilation", name)
    padding = _pair(padding, "padding", name)
    stride = _pair(stride, "stride", name)
    for what, values in (("kernel size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(values) < 1:
            raise RuntimeError(f"{name}: {what} should be greater than zero, but got {values}")
    if min(padding) < 0:
        raise RuntimeError(f"{name}: padding should be non-negative, but got {padding}")
    check_range(name, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    return Geometry(kernel, stride, padding, dilation, 1)


def _geometry(name: str, *arguments: Any) -> Geometry:
    return _windows(name, *map(tupled, arguments))


def _tensor(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input


@guarded
def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The windows that a convolution reads, each as a column (``im2col``).

    ``weight.reshape(O, -1) @ unfold(x, ...)`` is the convolution, its positions in one dimension.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (C, H, W)
    kernel_size, dilation, padding, stride : int or tuple of int
        As of :func:`conv2d`.

    Returns
    -------
    Tensor, shape (N, C * KH * KW, L) or (C * KH * KW, L)
        For `L` windows, row by row.

    Raises
    ------
    RuntimeError
        If no window fits in.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.arange(6.0).reshape(1, 2, 3)
    >>> mg.nn.functional.unfold(x, (2, 2))
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    how = _geometry("unfold", kernel_size, dilation, padding, stride)
    shape = _tensor(input, "unfold").array.shape
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)} (in unfold)"
        )
    blocks = how.output_sizes(shape[-2:])
    if min(blocks) < 1:
        raise RuntimeError(
            f"Given input with spatial size {shape[-2:]}, kernel_size={how.kernel}, "
            f"dilation={how.dilation}, padding={how.padding}, calculated shape of the array of "
            f"sliding blocks as {blocks}, but its components must be at least one."
        )
    rows = shape[-3] * how.kernel[0] * how.kernel[1]
    check_room("unfold", (*shape[:-3], rows, blocks[0] * blocks[1]))
    batch = input if len(shape) == 4 else reshape(input, (1, *shape))
    y = ops.im2col((batch,), (how,))
    return y if len(shape) == 4 else reshape(y, y.array.shape[1:])


@guarded
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Windows added up to images: the transpose of :func:`unfold` (``col2im``).

    Parameters
    ----------
    input : Tensor, shape (N, C * KH * KW, L) or (C * KH * KW, L)
    output_size : int or tuple of int
        Height and width of the images.
    kernel_size, dilation, padding, stride : int or tuple of int
        As of :func:`unfold`.

    Returns
    -------
    Tensor, shape (N, C, H, W) or (C, H, W)

    Raises
    ------
    RuntimeError
        If images of this size have other windows.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.fold(mg.ones(4, 2), (2, 3), (2, 2))
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    how = _geometry("fold", kernel_size, dilation, padding, stride)
    shape, sizes = _tensor(input, "fold").array.shape, _pair(output_size, "output_size", "fold")
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(shape)} (in fold)"
        )
    if shape[-2] % (how.kernel[0] * how.kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={shape[-2]} and kernel_size={how.kernel}."
        )
    a, b = how.output_sizes(sizes)
    if min(a, b) < 1 or a * b != shape[-1]:
        raise RuntimeError(
            f"Given output_size={sizes}, kernel_size={how.kernel}, dilation={how.dilation}, "
            f"padding={how.padding}, stride={how.stride}, expected size of input's dimension 2 to "
            f"match the calculated number of sliding blocks {a} * {b} = {a * b}, but got "
            f"input.size(2)={shape[-1]}."
        )
    if input.array.dtype.kind == "b":
        raise RuntimeError("fold: not implemented for 'Bool'; convert with .float() first")
    check_room("fold", (*shape[:-2], shape[-2] // (how.kernel[0] * how.kernel[1]), *sizes))
    batch = input if len(shape) == 3 else reshape(input, (1, *shape))
    y = ops.col2im((batch,), (sizes, how))
    return y if len(shape) == 3 else reshape(y, y.array.shape[1:])
