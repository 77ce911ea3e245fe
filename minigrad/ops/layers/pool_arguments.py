"""The arguments of pooling, checked once for each combination: sizes, types, windows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Tensor
from minigrad.kernels.pool.windows import Windows, clamped
from minigrad.ops.layers.pool import geometry, output_size
from minigrad.ops.layers.sizes import LIMIT, check_range, check_room, tupled

__all__ = ["check_input", "check_type", "sizes_of", "windows_of"]

Sizes = tuple[int, ...]
_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}


def sizes_of(value: Any, n: int, name: str, what: str, default: Sizes | None = None) -> Sizes:
    """One int, or one for each dimension."""
    if value.__class__ is int:
        return (value,) * n
    if default is not None and (value is None or (not isinstance(value, int) and not len(value))):
        return default
    if not isinstance(value, (bool, str)) and hasattr(value, "__index__"):
        return (value.__index__(),) * n
    if not isinstance(value, (tuple, list)) or not all(
        hasattr(v, "__index__") and not isinstance(v, bool) for v in value
    ):
        raise TypeError(
            f"{name}(): argument '{what}' must be tuple of ints, not {type(value).__name__}"
        )
    if len(value) not in (1, n):
        raise RuntimeError(
            f"{name}: {what} must either be a single int, or a tuple of {_WORDS[n]}, got {value}"
        )
    sizes = tuple(v.__index__() for v in value)
    return sizes if len(sizes) == n else sizes * n


def check_input(input: Any, n: int, name: str) -> None:
    """A tensor with `n` dimensions to pool, channels, and perhaps a batch."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    _check_shape(input.array.shape, n, name)


def _check_shape(shape: Sizes, n: int, name: str) -> None:
    if len(shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}(): Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim "
            f"batch size for input, but got:{list(shape)}"
        )
    if 0 in (shape[1:] if len(shape) == n + 2 else shape):
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input "
            f"has sizes {list(shape)}"
        )


def check_type(dtype: np.dtype[Any], name: str, kinds: str) -> None:
    """One of the kinds of numpy's types."""
    if dtype.kind not in kinds:
        raise RuntimeError(
            f'"{name}" not implemented for {dtypes.from_numpy(dtype)} tensors: convert the input '
            "with .float()"
        )


def windows_of(
    input: Tensor, n: int, name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    up: Any,
) -> Windows:  # fmt: skip
    """The checked windows over the last `n` dimensions, where arguments were no quick keys."""
    check_input(input, n, name)
    arguments = map(tupled, (kernel_size, stride, padding, dilation))
    return windows(name, n, input.array.shape, input.array.dtype, *arguments, bool(up))


@lru_cache(maxsize=1024, typed=True)  # stride=True is not stride=1
def windows(
    name: str, n: int, shape: Sizes, dtype: np.dtype[Any], kernel_size: Any, stride: Any,
    padding: Any, dilation: Any, up: Any,
) -> Windows:  # fmt: skip
    """The checked windows over the last `n` dimensions of a shape."""
    _check_shape(shape, n, name)
    size = shape[len(shape) - n :]
    kernel = sizes_of(kernel_size, n, name, "kernel_size")
    strides = sizes_of(stride, n, name, "stride", kernel)
    pads = sizes_of(padding, n, name, "padding")
    steps = sizes_of(dilation, n, name, "dilation")
    check_range(name, kernel_size=kernel, stride=strides, padding=pads, dilation=steps)
    _check_steps(name, kernel, strides, pads, steps)
    rest = (kernel, strides, pads, steps)
    out = tuple(output_size(*of, bool(up)) for of in zip(size, *rest, strict=True))
    if min(out) < 1:
        channels = shape[len(shape) - n - 1]
        given, found = ("x".join(map(str, (channels, *of))) for of in (size, out))
        raise RuntimeError(
            f"{name}: Given input size: ({given}). Calculated output size: ({found}). Output size "
            f"is too small: the kernel {kernel} must not be larger than the padded input"
        )
    check_room(name, (*shape[: len(shape) - n], *out))
    if max(steps) > 1 and max(pads):
        _check_inside(name, size, *rest, out)
    check_type(dtype, name, "fiu")
    made = geometry(size, *rest, out)
    _check_volume(name, made)
    return made


def _check_steps(name: str, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
    for what, values in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(values) <= 0:
            raise RuntimeError(f"{name}: {what} should be greater than zero, but got {values}")
    for k, p, d in zip(kernel, padding, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {p}")
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d}"
            )


def _check_inside(
    name: str, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    out: Sizes,
) -> None:  # fmt: skip
    """Windows with gaps may lie around a small input without touching it."""
    for n, k, s, p, d, o in zip(size, kernel, stride, padding, dilation, out, strict=True):
        starts = np.arange(o) * s - p
        first = np.maximum(0, -(starts // d))  # the first offset that is not in front
        if not ((first < k) & (starts + first * d < n)).all():
            raise RuntimeError(
                f"{name}: a window with dilation {d} and padding {p} has no element inside the "
                f"input of size {n}: use less padding or dilation"
            )


def _check_volume(name: str, made: Windows) -> None:
    """Places in a window, and positions along the width, are counted in 32 bits; and few windows
    far apart, around a small input, would still be gone through offset by offset.
    """
    near = clamped(made)
    volume = near.kernel[0] * near.kernel[1] * near.kernel[2]
    apart = any(max(k, s) > 4 * n + 2**18 for k, s, n in zip(near.kernel, near.stride, near.size))
    if apart or volume >= LIMIT or made.size[2] + near.padding[2] >= LIMIT // 2:
        raise RuntimeError(
            f"{name}: windows of {made.kernel} with stride {made.stride} and padding "
            f"{made.padding} are too large for an input of {made.size}"
        )
