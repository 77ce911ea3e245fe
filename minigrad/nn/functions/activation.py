"""Activations under PyTorch's names and signatures; the formulas are in `ops`.

Those that are all formula are made of their declarations (`pointwise`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.dims import wrap_dim
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast
from minigrad.core.tensor import Array, Tensor, given
from minigrad.nn.functions import pointwise
from minigrad.nn.functions.pointwise import *  # noqa: F403
from minigrad.nn.functions.warn import warn_user
from minigrad.ops import activations as act
from minigrad.ops.guard import guarded
from minigrad.ops.inplace import write
from minigrad.ops.layers import activations as a
from minigrad.ops.random import Generator, Law
from minigrad.ops.slices import chunk

__all__ = [
    "gelu", "glu", "gumbel_softmax", "hardtanh", "hardtanh_", "log_softmax", "prelu", "relu",
    "relu_", "rrelu", "rrelu_", "sigmoid", "softmax", "softmin", "tanh", "threshold", "threshold_",
    *pointwise.__all__,
]  # fmt: skip


def _maybe_inplace(op: Any, input: Tensor, inplace: bool, *params: Any) -> Tensor:
    if inplace:
        return write(input, lambda x: op(x, *params), f"{op.op.name}_")
    return op(input, *params)  # type: ignore[no-any-return]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, x)`` (Nair and Hinton 2010)."""
    return _maybe_inplace(e.relu, input, True) if inplace else e.relu(input)


def relu_(input: Tensor) -> Tensor:
    """In-place form of :func:`relu`."""
    return _maybe_inplace(e.relu, input, True)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``x * Phi(x)``, Phi the normal distribution; or its ``"tanh"`` approximation.

    Hendrycks and Gimpel 2016.
    """
    if approximate == "none":
        return act.gelu(input)
    if approximate != "tanh":
        raise RuntimeError(
            f"approximate argument must be either none or tanh, got {approximate!r}."
        )
    return act.gelu_tanh(input)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return e.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return e.tanh(input)


@guarded
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """``x`` limited to ``[min_val, max_val]``."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.array.dtype.kind in "iu":
        limits = int(min_val), int(max_val)
        return input.clamp_(*limits) if inplace else input.clamp(*limits)
    return _maybe_inplace(act.hardtanh, input, inplace, float(min_val), float(max_val))


@guarded
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of :func:`hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


@guarded
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where it is greater than `threshold`, `value` elsewhere."""
    return _maybe_inplace(act.threshold, input, inplace, threshold, value)


@guarded
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place form of :func:`threshold`."""
    return _maybe_inplace(act.threshold, input, True, threshold, value)


@guarded
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` where positive, ``weight * x`` elsewhere; a slope for all, or one per channel.

    He et al. 2015.
    """
    x, w = input.array, weight.array
    if w.size != 1:
        channels = x.shape[1] if x.ndim > 1 else 1
        if w.ndim > 1 or w.size != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{w.size} and channel size = {channels}."
            )
        weight = reshape(weight, (-1,) + (1,) * max(x.ndim - 2, 0))
    elif w.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected weight to be a scalar or 1D tensor, but got ndim={w.ndim}"
        )
    else:
        weight = reshape(weight, ())
    if x.dtype != w.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}"
        )
    return act.prelu(input, weight)


@Law
def _slopes(
    g: np.random.Generator, lead: tuple[int, ...], lower: float, upper: float,
    shape: tuple[int, ...], kind: Any,
) -> Array:  # fmt: skip
    return np.asarray(g.uniform(lower, upper, (*lead, *shape)), kind)


@guarded
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Leaky relu, the slope of each element drawn from [lower, upper]; their mean in use.

    Xu et al. 2015.
    """
    if lower > upper:
        raise RuntimeError(
            f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    if not training:
        return pointwise.leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = _slopes((), (lower, upper, input.array.shape, input.array.dtype), generator)
    if inplace:
        return write(input, lambda t: act.prelu(t, slopes), "rrelu_")
    return act.prelu(input, slopes)


@guarded
def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place form of :func:`rrelu`."""
    return rrelu(input, lower, upper, training, True)


@guarded
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim`, gated by the sigmoid of the second (Dauphin et al. 2017)."""
    if input.array.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    axis = wrap_dim(dim, input.array.ndim, "glu")
    size = input.array.shape[axis]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {axis} is size {size}")
    first, second = chunk(input, 2, axis)
    return e.mul(first, e.sigmoid(second))


def _chosen(dim: int | None, name: str, input: Tensor) -> int:
    if dim is not None:
        return dim
    warn_user(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument."
    )
    return 0 if input.array.ndim in (0, 1, 3) else 1


@guarded
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``exp(x) / sum(exp(x))`` along `dim`, without overflow."""
    return a.softmax(input, _chosen(dim, "softmax", input), dtype)


@guarded
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The softmax of ``-x`` along `dim`."""
    return a.softmax(e.neg(input), _chosen(dim, "softmin", input), dtype)


@guarded
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``log(softmax(x))`` along `dim`, without underflow."""
    return a.log_softmax(input, _chosen(dim, "log_softmax", input), dtype)


@guarded
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """A random choice, relaxed to ``softmax((logits + noise) / tau)`` so that it has a gradient.

    Jang et al. 2017; Maddison et al. 2017.

    Parameters
    ----------
    logits : Tensor
        Unnormalized log-probabilities along `dim`.
    tau : float
        The temperature: the lower, the nearer to one-hot vectors.
    hard : bool
        Return one-hot vectors, with the gradient of the relaxed ones.
    eps : float
        Accepted; without effect.
    dim : int
    generator : Generator, optional
        What to draw from.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.gumbel_softmax(mg.zeros(3, 4), hard=True).sum(1)
    tensor([1., 1., 1.])
    """
    if eps != 1e-10:
        warn_user("`eps` parameter is deprecated and has no effect.")
    x = logits.array
    noise = _gumbel((), (x.shape, x.dtype), generator)
    soft: Any = a.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft  # type: ignore[no-any-return]
    axis = wrap_dim(dim, x.ndim, "gumbel_softmax")
    still = soft.detach()
    return _highest(still, axis) - still + soft  # type: ignore[no-any-return]


@Law
def _gumbel(
    g: np.random.Generator, lead: tuple[int, ...], shape: tuple[int, ...], kind: Any
) -> Array:
    drawn = g.standard_exponential((*lead, *shape))
    return np.asarray(-np.log(np.maximum(drawn, np.finfo(np.float64).tiny)).astype(kind))


def _highest(x: Any, axis: int) -> Any:
    """1 at the highest along a dimension (at the first, of several), 0 elsewhere."""
    if not x.array.ndim or not x.array.size:
        return given(np.ones(x.array.shape, x.array.dtype))
    size = x.array.shape[axis]
    places = given(np.arange(size).reshape(size, *(1,) * (x.array.ndim - axis - 1)))
    return cast(x.argmax(axis, True) == places, x.array.dtype)
