"""Dropout in its forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.engine import apply
from minigrad.ops.functions import cast, guarded
from minigrad.ops.inplace import write
from minigrad.ops.layers import activations as a
from minigrad.ops.random import Generator, draw, numpy_generator
from minigrad.tensor import Tensor

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip

Array = np.ndarray[Any, Any]


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def keep_mask(shape: tuple[int, ...], p: float, generator: Generator | None) -> Array:
    """True with probability ``1 - p``: 32 random bits an element, two elements a word."""
    count = 1
    for size in shape:
        count *= size
    if p <= 0.0:
        return np.ones(shape, bool)
    if p >= 1.0:
        return np.zeros(shape, bool)
    bits = numpy_generator(generator).bit_generator.random_raw((count + 1) // 2)
    return np.greater_equal(bits.view(np.uint32)[:count], np.uint32(p * 2**32)).reshape(shape)


def _drop(input: Tensor, shape: tuple[int, ...], p: float, inplace: bool, generator: Any) -> Tensor:
    keep = draw(lambda lead: keep_mask((*lead, *shape), p, generator), (), generator)
    scale = 1 / (1 - p) if p < 1 else 0.0
    if inplace:
        return write(input, lambda x: a.dropout(keep, x, scale), "dropout_")
    if input.array.dtype.kind == "f":  # nothing to convert
        return apply(a.dropout.op, (keep, input), (scale,))  # type: ignore[no-any-return]
    return a.dropout(keep, input, scale)


@guarded
def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero elements with probability `p` and scale the others by ``1 / (1 - p)``.

    So the expected value stays, and nothing changes when not training (Srivastava et al. 2014).

    Parameters
    ----------
    input : Tensor
    p : float
        The probability of an element to be zeroed (not to be kept).
    training : bool
        Without it the input is returned as it is.
    inplace : bool
        Write over the input.
    generator : Generator, optional
        What to draw from.
    """
    _check(p)
    if not training or (p == 0.0 and not inplace):
        return input
    return _drop(input, input.array.shape, p, inplace, generator)


def _dropout_nd(
    input: Tensor, p: float, training: bool, inplace: bool, name: str, spatial: int, generator: Any
) -> Tensor:
    """Drop whole channels; with one dimension less than usual there is no batch."""
    _check(p)
    ndim = input.array.ndim
    if ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"{name}: Expected {spatial + 1}D or {spatial + 2}D input, but received a {ndim}D "
            f"input of shape {list(input.array.shape)}"
        )
    if not training or (p == 0.0 and not inplace):
        return input
    kept = ndim - spatial
    shape = input.array.shape[:kept] + (1,) * spatial
    return _drop(input, shape, p, inplace, generator)


@guarded
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero whole channels of (N, C, L) or (C, L) with probability `p` (Tompson et al. 2015)."""
    return _dropout_nd(input, p, training, inplace, "dropout1d", 1, generator)


@guarded
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero whole channels of (N, C, H, W) or (C, H, W) with probability `p`."""
    return _dropout_nd(input, p, training, inplace, "dropout2d", 2, generator)


@guarded
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability `p`."""
    return _dropout_nd(input, p, training, inplace, "dropout3d", 3, generator)


_ALPHA = -1.7580993408473766  # -scale * alpha of selu: what it tends to far below 0


def _alpha(
    input: Tensor, shape: tuple[int, ...], p: float, inplace: bool, generator: Any
) -> Tensor:
    if p == 1.0:
        return write(input, lambda x: x * 0, "alpha_dropout_") if inplace else input * 0
    scale = ((1 - p) * (1 + p * _ALPHA**2)) ** -0.5
    shift = -scale * _ALPHA * p
    keep = draw(lambda lead: keep_mask((*lead, *shape), p, generator), (), generator)
    kept: Any = cast(keep, input.array.dtype)
    factor, offset = kept * scale, shift + (1 - kept) * (scale * _ALPHA)
    if inplace:
        return write(input, lambda x: x * factor + offset, "alpha_dropout_")
    return input * factor + offset  # type: ignore[no-any-return]


@guarded
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Dropout that keeps mean 0 and variance 1, for selu (Klambauer et al. 2017)."""
    _check(p)
    if not training or p == 0.0:
        return input
    return _alpha(input, input.array.shape, p, inplace, generator)


@guarded
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """:func:`alpha_dropout` of whole channels, which are dimension 1."""
    _check(p)
    if not training or p == 0.0:
        return input
    if input.array.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    shape = input.array.shape[:2] + (1,) * (input.array.ndim - 2)
    return _alpha(input, shape, p, inplace, generator)
