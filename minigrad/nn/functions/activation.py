"""Activations under PyTorch's names and signatures; the formulas are in `ops`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.nn.functions.warn import warn_user
from minigrad.ops import elementwise as e
from minigrad.ops.dims import wrap_dim
from minigrad.ops.functions import guarded
from minigrad.ops.inplace import write
from minigrad.ops.layers import activations as a
from minigrad.ops.parts import chunk
from minigrad.ops.random import Generator, draw, numpy_generator
from minigrad.ops.shape import reshape
from minigrad.tensor import Tensor

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid",
    "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_", "sigmoid",
    "silu", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold", "threshold_",
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


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(0, x), 6)`` (Howard et al. 2017)."""
    return _maybe_inplace(e.relu6, input, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``negative_slope * x`` elsewhere (Maas, Hannun and Ng 2013)."""
    return _maybe_inplace(e.leaky_relu, input, inplace, negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place form of :func:`leaky_relu`."""
    return leaky_relu(input, negative_slope, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al. 2016)."""
    return _maybe_inplace(e.elu, input, inplace, alpha)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of :func:`elu`."""
    return elu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``scale * elu(x, alpha)`` with the constants of Klambauer et al. 2017."""
    return _maybe_inplace(e.selu, input, inplace)


def selu_(input: Tensor) -> Tensor:
    """In-place form of :func:`selu`."""
    return selu(input, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`` (Barron 2017)."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _maybe_inplace(e.celu, input, inplace, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of :func:`celu`."""
    return celu(input, alpha, True)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``x * Phi(x)``, Phi the normal distribution; or its ``"tanh"`` approximation.

    Hendrycks and Gimpel 2016.
    """
    if approximate == "none":
        return e.gelu(input)
    if approximate != "tanh":
        raise RuntimeError(
            f"approximate argument must be either none or tanh, got {approximate!r}."
        )
    return e.gelu_tanh(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)`` (Elfwing et al. 2017), also called swish."""
    return _maybe_inplace(e.silu, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))`` (Misra 2019)."""
    return _maybe_inplace(a.mish, input, inplace)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return e.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return e.tanh(input)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``; linear where ``beta * x > threshold``."""
    return e.softplus(input, float(beta), float(threshold))


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return e.softsign(input)


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(x))``, without underflow."""
    return e.logsigmoid(input)


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
    return _maybe_inplace(e.hardtanh, input, inplace, float(min_val), float(max_val))


@guarded
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of :func:`hardtanh`."""
    return hardtanh(input, min_val, max_val, True)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(x + 3) / 6`` (Howard et al. 2019)."""
    return _maybe_inplace(a.hardsigmoid, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * relu6(x + 3) / 6`` (Howard et al. 2019)."""
    return _maybe_inplace(a.hardswish, input, inplace)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return a.tanhshrink(input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` moved by `lambd` towards 0, and 0 within `lambd` of it."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return a.softshrink(input, float(lambd))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x``, and 0 within `lambd` of 0."""
    return a.hardshrink(input, float(lambd))


@guarded
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where it is greater than `threshold`, `value` elsewhere."""
    return _maybe_inplace(a.threshold, input, inplace, threshold, value)


@guarded
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place form of :func:`threshold`."""
    return _maybe_inplace(a.threshold, input, True, threshold, value)


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
    return e.prelu(input, weight)


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
        return leaky_relu(input, (lower + upper) / 2, inplace)
    shape, kind, g = input.array.shape, input.array.dtype, numpy_generator(generator)
    slopes = draw(
        lambda lead: np.asarray(g.uniform(lower, upper, (*lead, *shape)), kind), (), generator
    )
    if inplace:
        return write(input, lambda t: e.prelu(t, slopes), "rrelu_")
    return e.prelu(input, slopes)


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


def _implicit_dim(name: str, ndim: int) -> int:
    warn_user(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument."
    )
    return 0 if ndim in (0, 1, 3) else 1


@guarded
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``exp(x) / sum(exp(x))`` along `dim`, without overflow."""
    if dim is None:
        dim = _implicit_dim("softmax", input.array.ndim)
    return a.softmax(input, dim, dtype)


@guarded
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The softmax of ``-x`` along `dim`."""
    if dim is None:
        dim = _implicit_dim("softmin", input.array.ndim)
    return a.softmax(e.neg(input), dim, dtype)


@guarded
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``log(softmax(x))`` along `dim`, without underflow."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.array.ndim)
    return a.log_softmax(input, dim, dtype)


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
    drawn = numpy_generator(generator).standard_exponential(x.shape)
    noise = -np.log(np.maximum(drawn, np.finfo(np.float64).tiny))
    soft: Any = a.softmax((logits + Tensor(noise.astype(x.dtype))) / tau, dim)
    if not hard:
        return soft  # type: ignore[no-any-return]
    chosen = np.zeros(x.shape, x.dtype)
    axis = wrap_dim(dim, x.ndim, "gumbel_softmax")
    if x.ndim and x.size:
        np.put_along_axis(chosen, np.expand_dims(soft.array.argmax(axis), axis), 1, axis)
    else:
        chosen[...] = 1
    return Tensor(chosen) - soft.detach() + soft  # type: ignore[no-any-return]
