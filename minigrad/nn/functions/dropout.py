"""Dropout in its forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.promotion import cast
from minigrad.core.tensor import Array, Tensor
from minigrad.nn.functions.warn import warn_user
from minigrad.ops.family import for_dimensions
from minigrad.ops.guard import guarded
from minigrad.ops.inplace import write
from minigrad.ops.layers import activations as a
from minigrad.ops.random import Generator, Law

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip


def check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@Law
def keep_mask(
    g: np.random.Generator, lead: tuple[int, ...], shape: tuple[int, ...], p: float
) -> Array:
    """True with probability ``1 - p``: 32 random bits an element, two elements a word."""
    shape = (*lead, *shape)
    count = math.prod(shape)
    if p <= 0.0:
        return np.ones(shape, bool)
    if p >= 1.0:
        return np.zeros(shape, bool)
    bits = g.bit_generator.random_raw((count + 1) // 2)
    return np.greater_equal(bits.view(np.uint32)[:count], np.uint32(p * 2**32)).reshape(shape)


def _drop(input: Tensor, shape: tuple[int, ...], p: float, inplace: bool, generator: Any) -> Tensor:
    keep = keep_mask((), (shape, p), generator)
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
    check_probability(p)
    if not training or p == 0.0:
        return input
    return _drop(input, input.array.shape, p, inplace, generator)


def _dropout_Nd(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    generator: Generator | None = None, *, n: int = 2,
) -> Tensor:  # fmt: skip
    """Zero whole channels of {shape} with probability `p` (Tompson et al. 2015)."""
    check_probability(p)
    shape = input.array.shape
    kept = len(shape) - n
    if kept not in (1, 2):
        kept = _unusual(f"dropout{n}d", shape, n, training)
    if not training or p == 0.0:
        return input
    return _drop(input, shape[:kept] + (1,) * (len(shape) - kept), p, inplace, generator)


def _unusual(name: str, shape: tuple[int, ...], n: int, training: bool) -> int:
    """How many leading dimensions are drawn for, where PyTorch warns of the input's dimensions."""
    wanted = f"{n + 1}D or {n + 2}D"
    if n == 1:
        raise RuntimeError(
            f"{name}: Expected {wanted} input, but received a {len(shape)}D input of shape "
            f"{list(shape)}"
        )
    warn_user(
        f"{name}: Received a {len(shape)}-D input to {name}, which is deprecated and will result "
        f"in an error in a future release: pass {wanted} inputs, or use dropout instead"
    )
    if n == 2 and training and len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return 2 if n == 2 else 1


dropout1d, dropout2d, dropout3d = for_dimensions(_dropout_Nd)


_ALPHA = -1.7580993408473766  # -scale * alpha of selu: what it tends to far below 0


def _alpha(
    input: Tensor, shape: tuple[int, ...], p: float, inplace: bool, generator: Any
) -> Tensor:
    if p == 1.0:
        return write(input, lambda x: x * 0, "alpha_dropout_") if inplace else input * 0
    scale = ((1 - p) * (1 + p * _ALPHA**2)) ** -0.5
    shift = -scale * _ALPHA * p
    keep = keep_mask((), (shape, p), generator)
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
    check_probability(p)
    if not training or p == 0.0:
        return input
    return _alpha(input, input.array.shape, p, inplace, generator)


@guarded
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """:func:`alpha_dropout` of whole channels, which are dimension 1."""
    check_probability(p)
    if not training or p == 0.0:
        return input
    if input.array.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    shape = input.array.shape[:2] + (1,) * (input.array.ndim - 2)
    return _alpha(input, shape, p, inplace, generator)
