"""Pooling under PyTorch's names and signatures.

Inputs are (N, C, L), (N, C, H, W) or (N, C, D, H, W), or the same without N. Sizes of windows are
one int for all dimensions, or one for each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.ops import elementwise as e
from minigrad.core.tensor import Tensor
from minigrad.ops.family import for_dimensions, with_option
from minigrad.ops.half import in_float32
from minigrad.ops.layers import pool as ops
from minigrad.ops.layers.pool import AVG_POOL, MAX_POOL
from minigrad.ops.layers.pool_arguments import (
    check_input,
    check_type,
    sizes_of,
    windows,
    windows_of,
)
from minigrad.ops.layers.sizes import check_range, check_room

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

Size = int | Sequence[int]
Sizes = tuple[int, ...]
# -- maximum ---------------------------------------------------------------------------------------


def _max_pool_Nd(
    input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
    dilation: Size = 1, ceil_mode: bool = False, return_indices: bool = False, *, n: int = 2,
) -> Any:  # fmt: skip
    """The maximum of each window of the {last}.

    The first of equal maxima gets the gradient; NaN is larger than all.

    Parameters
    ----------
    input : Tensor, shape {shape}
    kernel_size : {sizes}
        The size of a window.
    stride : {sizes}, optional
        From one window to the next; by default the size.
    padding : {sizes}
        Minus infinity on both sides, at most half a window.
    dilation : {sizes}
        From one element of a window to the next.
    ceil_mode : bool
        Also take windows that start inside and stick out.
    return_indices : bool
        Return a pair ``(output, indices)``; they count along all {n} dimensions, for
        :func:`max_unpool{n}d`.

    Returns
    -------
    Tensor
        Of sizes ``floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1``.

    Raises
    ------
    RuntimeError
        If sizes do not fit.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.arange(16.0).reshape(1, 4, 4)
    >>> mg.nn.functional.max_pool2d(x, 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    name = f"max_pool{n}d"
    numbers = (kernel_size, stride, padding, dilation, ceil_mode)
    try:
        x = input.array
        found = windows(name, n, x.shape, x.dtype, *numbers)
    except (AttributeError, TypeError):
        found = windows_of(input, n, name, *numbers)
    if not return_indices:
        return apply(MAX_POOL, (input,), (n, found))
    return ops.max_pool(input, n, found, True)


max_pool1d, max_pool2d, max_pool3d = _max_pools = for_dimensions(_max_pool_Nd)
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = (
    with_option(f, "return_indices", True) for f in _max_pools
)

# -- mean ------------------------------------------------------------------------------------------


def _avg_pool_Nd(
    input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
    *, n: int = 2,
) -> Tensor:  # fmt: skip
    """The mean of each window of the {last}.

    Parameters
    ----------
    input : Tensor, shape {shape}
    kernel_size, stride, padding, ceil_mode
        As of :func:`max_pool{n}d`; the padding is zero.
    count_include_pad : bool
        Whether the padding counts as elements that the sum is divided by.
    divisor_override : int, optional
        Divide by this instead.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.arange(16.0).reshape(1, 4, 4)
    >>> mg.nn.functional.avg_pool2d(x, 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    name = f"avg_pool{n}d"
    numbers = (kernel_size, stride, padding, 1, ceil_mode)
    try:
        x = input.array
        found = windows(name, n, x.shape, x.dtype, *numbers)
    except (AttributeError, TypeError):
        found = windows_of(input, n, name, *numbers)
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError(f"{name}: divisor must be not zero")
    params = (n, found, bool(count_include_pad), divisor_override)
    return apply(AVG_POOL, (input,), params)  # type: ignore[no-any-return]  # apply makes several


avg_pool1d, avg_pool2d, avg_pool3d = for_dimensions(_avg_pool_Nd)


def _lp_pool_Nd(
    input: Tensor, norm_type: int | float, kernel_size: Size, stride: Size | None = None,
    ceil_mode: bool = False, *, n: int = 2,
) -> Tensor:  # fmt: skip
    """``(sum of x ** norm_type) ** (1 / norm_type)`` of each window.

    Parameters
    ----------
    input : Tensor, shape {shape}
    norm_type : float
    kernel_size, stride, ceil_mode
        As of :func:`avg_pool{n}d`.
    """
    x: Any = input
    if norm_type == 0:
        raise ValueError(f"lp_pool{n}d: norm_type must not be 0")
    kernel = sizes_of(kernel_size, n, f"lp_pool{n}d", "kernel_size")
    volume = math.prod(kernel)
    mean: Any = _avg_pool_Nd(x.pow(norm_type), kernel, stride, 0, ceil_mode, n=n)
    size = e.sign(mean) * e.relu(abs(mean))
    return (size * volume).pow(1.0 / norm_type)


lp_pool1d, lp_pool2d, lp_pool3d = map(in_float32, for_dimensions(_lp_pool_Nd))

# -- a given number of results ---------------------------------------------------------------------


def _bins(input: Tensor, n: int, output_size: Any, name: str) -> Sizes:
    """The checked output size; None keeps a dimension."""
    if n > 1 and isinstance(output_size, (tuple, list)) and input.array.ndim <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    check_input(input, n, name)
    check_type(input.array.dtype, name, "f")
    sizes = input.array.shape[input.array.ndim - n :]
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != n:
            raise RuntimeError(f"{name}: output_size must be {n} ints, got {output_size}")
        given = list(output_size)
    elif output_size is None:
        raise TypeError(f"{name}(): argument 'output_size' must be tuple of ints, not None")
    else:
        given = [output_size] * n
    kept = [size if g is None and n > 1 else g for g, size in zip(given, sizes, strict=True)]
    out = sizes_of(tuple(kept), n, name, "output_size")
    if min(out) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {out}"
        )
    check_room(name, (*input.array.shape[: input.array.ndim - n], *out))
    return out


def _adaptive_avg_pool_Nd(input: Tensor, output_size: Any, *, n: int = 2) -> Tensor:
    """Means of as many bins as wanted; 1 is global average pooling.

    Parameters
    ----------
    input : Tensor, shape {shape}
    output_size : {sizes}, or None for some
        How many bins cover each dimension; None for as many as there are elements. Bin `i` of `n`
        goes from ``floor(i * size / n)`` to ``ceil((i + 1) * size / n)``, so bins may overlap.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.adaptive_avg_pool2d(mg.arange(16.0).reshape(1, 4, 4), (1, 2))
    tensor([[[6.5000, 8.5000]]])
    """
    return ops.adaptive_avg(input, _bins(input, n, output_size, f"adaptive_avg_pool{n}d"))


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = for_dimensions(
    _adaptive_avg_pool_Nd
)


def _adaptive_max_pool_Nd(
    input: Tensor, output_size: Any, return_indices: bool = False, *, n: int = 2
) -> Any:
    """Maxima of as many bins as wanted.

    Parameters
    ----------
    input : Tensor, shape {shape}
    output_size : {sizes}, or None for some
        As of :func:`adaptive_avg_pool{n}d`.
    return_indices : bool
        Return a pair ``(output, indices)``.
    """
    out = _bins(input, n, output_size, f"adaptive_max_pool{n}d")
    return ops.adaptive_max(input, out, return_indices)


_adaptive_max = for_dimensions(_adaptive_max_pool_Nd)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = _adaptive_max
(
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d_with_indices,
) = (with_option(f, "return_indices", True) for f in _adaptive_max)

# -- back ------------------------------------------------------------------------------------------


def _unpooled_size(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, output_size: Any
) -> Sizes:
    n = len(size)
    least = [(i - 1) * s + k - 2 * p for i, k, s, p in zip(size, kernel, stride, padding)]
    if output_size is None:
        return tuple(least)
    wanted = tuple(output_size)
    if len(wanted) == n + 2:
        wanted = wanted[2:]
    if len(wanted) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a "
            f"length of '{len(wanted)}'"
        )
    for d, (w, exact, s) in enumerate(zip(wanted, least, stride, strict=True)):
        if not exact - s < w < exact + s:
            raise ValueError(
                f'invalid output_size "{wanted}" (dim {d} must be between {exact - s} and '
                f"{exact + s})"
            )
    return wanted


def _max_unpool_Nd(
    input: Tensor, indices: Tensor, kernel_size: Size, stride: Size | None = None,
    padding: Size = 0, output_size: Sequence[int] | None = None, *, n: int = 2,
) -> Tensor:  # fmt: skip
    """The partial inverse of :func:`max_pool{n}d`: zeros, with the maxima where they were.

    Parameters
    ----------
    input : Tensor, shape {shape}
    indices : Tensor of int64
        As :func:`max_pool{n}d` returns them.
    kernel_size, stride, padding
        As they were given to :func:`max_pool{n}d`.
    output_size : sequence of int, optional
        The size of its input, where the other arguments leave a choice.

    Raises
    ------
    RuntimeError
        If an index is outside of the result.

    Examples
    --------
    >>> import minigrad as mg
    >>> F = mg.nn.functional
    >>> x = mg.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    tensor([[[0., 0.],
             [4., 0.]]])
    """
    name = f"max_unpool{n}d"
    kernel = sizes_of(kernel_size, n, name, "kernel_size")
    strides = sizes_of(stride, n, name, "stride", kernel)
    pads = sizes_of(padding, n, name, "padding")
    check_input(input, n, name)
    if not isinstance(indices, Tensor) or indices.array.dtype != np.int64:
        got = getattr(indices, "dtype", type(indices).__name__)
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got: {got}")
    shape = input.array.shape
    if indices.array.shape != shape:
        raise RuntimeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor "
            f"({list(shape)}) but got indices tensor with shape: {list(indices.array.shape)}"
        )
    if min(strides) <= 0:
        raise RuntimeError(f"{name}: strides should be greater than zero, but got {strides}")
    check_range(name, kernel_size=kernel, stride=strides, padding=pads)
    out = _unpooled_size(shape[len(shape) - n :], kernel, strides, pads, output_size)
    if min(out) <= 0:
        raise RuntimeError(f"{name}: the output size {out} should be greater than zero")
    check_room(name, (*shape[: len(shape) - n], *out))
    places, volume = indices.array, math.prod(out)
    if places.size and (places.min() < 0 or places.max() >= volume):
        bad = places.max() if places.max() >= volume else places.min()
        raise RuntimeError(
            f"{name}: Found an invalid max index: {bad} (output volumes are of size "
            f"{'x'.join(map(str, out))})"
        )
    return ops.unpool(input, indices, out)


max_unpool1d, max_unpool2d, max_unpool3d = for_dimensions(_max_unpool_Nd)
