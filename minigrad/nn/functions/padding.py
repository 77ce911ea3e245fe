"""Padding under PyTorch's name and signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.ops.guard import guarded
from minigrad.ops.layers.pad import Amounts, pad_constant, pad_copies

__all__ = ["pad"]

_COPIES = ("reflect", "replicate", "circular")


def _amounts(pad: Any) -> Amounts:
    """PyTorch's list starts with the last dimension; ours are in the order of the dimensions."""
    if isinstance(pad, (int, float, str)) or not isinstance(pad, Sequence):
        raise TypeError(
            "pad(): argument 'pad' (position 2) must be tuple of ints, not "
            f"{type(pad).__name__}; one pair (before, after) for each dimension, the last one first"
        )
    numbers = []
    for i, p in enumerate(pad):
        if isinstance(p, bool) or not hasattr(p, "__index__"):
            raise TypeError(
                f"pad(): argument 'pad' failed to unpack the object at pos {i + 1} with error "
                f'"type must be tuple of ints,but got {type(p).__name__}"'
            )
        numbers.append(p.__index__())
    if len(numbers) % 2:
        raise RuntimeError(
            f"Padding length must be divisible by 2: one pair (before, after) for each dimension, "
            f"got {numbers}"
        )
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(pairs)[::-1]


def _fill_value(value: Any, dtype: np.dtype[Any]) -> Any:
    """The value as PyTorch casts it: truncated for integers, refused if out of range."""
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if value != value or not limits.min <= value <= limits.max:
            raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")
        return int(value)
    if np.isfinite(value) and abs(value) > float(np.finfo(dtype).max):
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")
    return float(value)


def _check_copies(shape: tuple[int, ...], amounts: Amounts, mode: str) -> None:
    n, ndim = len(amounts), len(shape)
    if n not in (1, 2, 3) or ndim not in (n + 1, n + 2):
        raise NotImplementedError(
            f"Padding size {2 * n} is not supported for {ndim}D input tensor. Mode {mode!r} takes "
            "2 numbers for 2D or 3D inputs, 4 for 3D or 4D, 6 for 4D or 5D; the constant mode "
            "takes any"
        )
    for dim, (before, after) in enumerate(amounts, ndim - n):
        size = shape[dim]
        if mode == "circular":
            if max(before, after) > size:
                raise RuntimeError(
                    "Padding value causes wrapping around more than once: padding "
                    f"({before}, {after}) at dimension {dim} of input {list(shape)}"
                )
        elif size == 0:
            raise RuntimeError(
                f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and "
                f"other non-zero dimensions for input, but got: {list(shape)}"
            )
        elif mode == "reflect" and max(before, after) >= size:
            raise RuntimeError(
                "Padding size should be less than the corresponding input dimension, but got: "
                f"padding ({before}, {after}) at dimension {dim} of input {list(shape)}"
            )
        if size + before + after < 0 or (mode == "circular" and size + min(before, after, 0) <= 0):
            raise RuntimeError(
                f"padding ({before}, {after}) at dimension {dim} of input {list(shape)} leaves "
                "nothing"
            )


@guarded
def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Put elements around the last dimensions.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        A pair (before, after) for each padded dimension, *the last dimension first*. Negative
        numbers crop.
    mode : {"constant", "reflect", "replicate", "circular"}
        A constant; mirrored without repeating the border; the nearest element; from the other
        side. All but the first take 1 to 3 dimensions of (N, C, ...) or (C, ...).
    value : float, optional
        The constant, 0 by default.

    Raises
    ------
    RuntimeError
        If the input is too small for the mode, or fewer than 0 elements would be left.
    NotImplementedError
        If the mode is unknown or does not take so many dimensions.

    Examples
    --------
    >>> import minigrad as mg
    >>> F = mg.nn.functional
    >>> x = mg.tensor([[1.0, 2.0, 3.0]])
    >>> F.pad(x, (1, 2))
    tensor([[0., 1., 2., 3., 0., 0.]])
    >>> F.pad(x, (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"pad(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    amounts = _amounts(pad)
    x = input.array
    if len(amounts) > x.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {2 * len(amounts)} and input of dimension {x.ndim}"
        )
    if mode == "constant":
        for dim, (before, after) in enumerate(amounts, x.ndim - len(amounts)):
            if x.shape[dim] + min(before, 0) + min(after, 0) < 0:
                raise RuntimeError(
                    f"narrow(): length must be non-negative: padding ({before}, {after}) crops "
                    f"more than there is at dimension {dim} of input {list(x.shape)}"
                )
        fill = _fill_value(0 if value is None else value, x.dtype)
        return pad_constant(input, amounts, fill)
    if mode not in _COPIES:
        raise NotImplementedError(
            f"Unrecognised padding mode {mode}: expected 'constant', 'reflect', 'replicate' or "
            "'circular'"
        )
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    _check_copies(x.shape, amounts, mode)
    return pad_copies(input, amounts, mode)
