"""Initialization of one tensor: constants, the variance that a layer needs, structure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Array, Tensor, given
from minigrad.nn.fans import (
    _calculate_correct_fan,
    _calculate_fan_in_and_fan_out,
    calculate_gain,
)
from minigrad.ops.random import Generator, Law, normal_array, overwrite

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_",
    "lecun_normal_", "lecun_uniform_", "normal_", "ones_", "orthogonal_", "random_walk_", "sparse_",
    "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


_SKIP: ContextVar[bool] = ContextVar("skip", default=False)


@contextmanager
def skipped() -> Iterator[None]:
    """The functions of this file leave tensors as they are."""
    token = _SKIP.set(True)
    try:
        yield
    finally:
        _SKIP.reset(token)


def skips() -> bool:
    """Whether tensors are left as they are."""
    return _SKIP.get()


def _set(tensor: Tensor, values: Any, name: str) -> Tensor:
    if skips():
        return tensor
    with no_grad():
        return overwrite(tensor, values, name)


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers uniform on [a, b).

    Parameters
    ----------
    tensor : Tensor
    a, b : float
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> w = uniform_(mg.empty(3, 5), -1.0, 1.0)
    >>> bool((w.abs() <= 1).all())
    True
    """
    if _SKIP.get():
        return tensor
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers of this mean and standard deviation.

    With a small fixed `std` such as 0.01 signals die out in deep networks, with a large one they
    saturate: :func:`xavier_normal_` and :func:`kaiming_normal_` choose it by the size of the layer.

    Parameters
    ----------
    tensor : Tensor
    mean, std : float
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> round(mg.nn.init.normal_(mg.empty(1000), std=0.01).std().item(), 2)
    0.01
    """
    if _SKIP.get():
        return tensor
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value: weights that start equal stay equal, so this is for biases.

    Parameters
    ----------
    tensor : Tensor
    val : float

    Examples
    --------
    >>> import minigrad as mg
    >>> constant_(mg.empty(3), 0.01)
    tensor([0.0100, 0.0100, 0.0100])
    """
    return _set(tensor, val, "constant_")


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1, as scales of normalization start.

    Parameters
    ----------
    tensor : Tensor

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.init.ones_(mg.empty(2))
    tensor([1., 1.])
    """
    return _set(tensor, 1, "ones_")


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0: right for biases; weights of 0 get equal gradients and stay equal for ever.

    Parameters
    ----------
    tensor : Tensor

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.init.zeros_(mg.empty(2))
    tensor([0., 0.])
    """
    return _set(tensor, 0, "zeros_")


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity, so that a linear layer passes on what it gets.

    Raises
    ------
    ValueError
        If the tensor is no matrix.

    Examples
    --------
    >>> import minigrad as mg
    >>> eye_(mg.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.array.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _set(tensor, given(np.eye(*tensor.array.shape)), "eye_")


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution the identity on as many channels as possible.

    Parameters
    ----------
    tensor : Tensor
        Of 3 to 5 dimensions: ``(outputs, inputs / groups, ...)``.
    groups : int
        That the convolution has.

    Raises
    ------
    ValueError
        For other dimensions, or if the outputs cannot be divided into the groups.

    Examples
    --------
    >>> import minigrad as mg
    >>> dirac_(mg.empty(1, 2, 3))
    tensor([[[0., 1., 0.],
             [0., 0., 0.]]])
    """
    shape = tensor.array.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(shape)
    centre = tuple(n // 2 for n in shape[2:])
    per_group = shape[0] // groups
    for group in range(groups):
        for channel in range(min(per_group, shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1
    return _set(tensor, given(values), "dirac_")


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform with variance ``gain**2 / fan_avg``: ``+-gain * sqrt(6 / (fan_in + fan_out))``.

    Glorot and Bengio 2010: a compromise between holding the variance of the signal (fan_in) and
    that of the gradient (fan_out), for activations that are linear around 0.

    Parameters
    ----------
    tensor : Tensor
        Of two dimensions at least: ``(outputs, inputs, ...)``.
    gain : float
        What :func:`calculate_gain` gives.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> w = xavier_uniform_(mg.empty(30, 20))
    >>> bool(w.abs().max() <= (6 / 50) ** 0.5)
    True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance ``2 * gain**2 / (fan_in + fan_out)`` (Glorot and Bengio 2010).

    As :func:`xavier_uniform_`, with another distribution.

    Parameters
    ----------
    tensor : Tensor
        Of two dimensions at least: ``(outputs, inputs, ...)``.
    gain : float
        What :func:`calculate_gain` gives.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> w = xavier_normal_(mg.empty(300, 200))
    >>> round(w.var().item() * 250, 1)
    1.0
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def _warn_empty() -> None:
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Uniform with variance ``gain**2 / fan`` (He et al. 2015).

    Parameters
    ----------
    tensor : Tensor
    a : float
        The negative slope of the leaky relu behind the layer.
    mode : {"fan_in", "fan_out"}
        Hold the variance of the forward or of the backward pass.
    nonlinearity : str
        What :func:`calculate_gain` knows.
    generator : Generator, optional

    Raises
    ------
    ValueError
        For another mode or activation, or if the tensor has fewer than two dimensions.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = kaiming_uniform_(mg.empty(30, 20), nonlinearity="relu")
    >>> bool(w.abs().max() <= (6 / 20) ** 0.5)
    True
    """
    if 0 in tensor.array.shape:
        _warn_empty()
        return tensor
    bound = (
        math.sqrt(3.0)
        * calculate_gain(nonlinearity, a)
        / math.sqrt(_calculate_correct_fan(tensor, mode))
    )
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal with variance ``gain**2 / fan``: for relu, ``N(0, 2 / fan_in)`` (He et al. 2015).

    As :func:`kaiming_uniform_`, with another distribution: relu sets half of the signal to 0, which
    the factor 2 makes up for.

    Parameters
    ----------
    tensor : Tensor
    a : float
        The negative slope of the leaky relu behind the layer.
    mode : {"fan_in", "fan_out"}
        Hold the variance of the forward or of the backward pass.
    nonlinearity : str
        What :func:`calculate_gain` knows.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> w = kaiming_normal_(mg.empty(300, 200), nonlinearity="relu")
    >>> round(w.var().item() * 100, 1)
    1.0
    """
    if 0 in tensor.array.shape:
        _warn_empty()
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Normal with variance ``1 / fan_in`` (LeCun et al. 1998); what selu needs.

    Parameters
    ----------
    tensor : Tensor
        Of two dimensions at least: ``(outputs, inputs, ...)``.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> w = lecun_normal_(mg.empty(300, 200))
    >>> round(w.var().item() * 200, 1)
    1.0
    """
    return normal_(
        tensor, 0.0, math.sqrt(1.0 / _calculate_correct_fan(tensor, "fan_in")), generator
    )


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Uniform with variance ``1 / fan_in``: ``+-sqrt(3 / fan_in)`` (LeCun et al. 1998).

    Parameters
    ----------
    tensor : Tensor
        Of two dimensions at least: ``(outputs, inputs, ...)``.
    generator : Generator, optional
    """
    bound = math.sqrt(3.0 / _calculate_correct_fan(tensor, "fan_in"))
    return uniform_(tensor, -bound, bound, generator)


def random_walk_(
    tensor: Tensor, nonlinearity: str = "relu", generator: Generator | None = None
) -> Tensor:
    """Normal with variance ``g**2 / fan_in``, so that the *logarithm* of the gradient's norm holds.

    Through many layers that logarithm does a random walk; `g` takes its drift away. For linear
    layers ``g = exp(1 / (2 n))``, for relu ``g = sqrt(2) * exp(1.2 / (max(n, 6) - 2.4))``, n the
    fan-in (Sussillo and Abbott 2014).

    Parameters
    ----------
    tensor : Tensor
    nonlinearity : {"relu", "linear"}
    generator : Generator, optional

    Raises
    ------
    ValueError
        For another nonlinearity.

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> w = mg.nn.init.random_walk_(mg.empty(400, 100))
    >>> round(100 * w.var().item(), 1)  # a little more than the 2 of kaiming_normal_
    2.0
    """
    n = _calculate_correct_fan(tensor, "fan_in")
    if nonlinearity == "relu":
        gain = math.sqrt(2.0) * math.exp(1.2 / (max(n, 6) - 2.4))
    elif nonlinearity == "linear":
        gain = math.exp(1.0 / (2 * n))
    else:
        raise ValueError(f"random_walk_ knows 'relu' and 'linear', got {nonlinearity!r}")
    return normal_(tensor, 0.0, gain / math.sqrt(n), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Make the rows (or columns, if there are more rows) orthonormal, times `gain`.

    All dimensions but the first count as one. Such a layer keeps the length of what goes through
    it, forwards and backwards (Saxe, McClelland and Ganguli 2013).

    Parameters
    ----------
    tensor : Tensor
        Of two dimensions at least.
    gain : float
    generator : Generator, optional

    Raises
    ------
    ValueError
        If it has fewer than two dimensions.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = orthogonal_(mg.empty(3, 5))
    >>> mg.allclose(w @ w.T, mg.eye(3), atol=1e-6)
    True
    """
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.array.size == 0 or _SKIP.get():
        return tensor
    rows, columns = shape[0], tensor.array.size // shape[0]
    drawn = _orthogonal((), (rows, columns, shape, gain), generator)
    return _set(tensor, drawn, "orthogonal_")


@Law
def _orthogonal(
    g: np.random.Generator, lead: tuple[int, ...], rows: int, columns: int,
    shape: tuple[int, ...], gain: float,
) -> Array:  # fmt: skip
    wide = rows < columns
    drawn = normal_array((*lead, rows, columns), np.dtype(np.float64), g)
    q, triangle = np.linalg.qr(drawn.swapaxes(-1, -2) if wide else drawn)
    # else the distribution would not be uniform
    q *= np.sign(np.diagonal(triangle, 0, -2, -1))[..., None, :]
    return np.asarray(gain * (q.swapaxes(-1, -2) if wide else q).reshape((*lead, *shape)))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal, with the share `sparsity` of each column set to 0 (Martens 2010).

    Parameters
    ----------
    tensor : Tensor
        A matrix.
    sparsity : float
        The share, rounded up to whole elements.
    std : float
        The standard deviation of the others.
    generator : Generator, optional

    Raises
    ------
    ValueError
        If the tensor is no matrix.

    Examples
    --------
    >>> import minigrad as mg
    >>> (sparse_(mg.empty(5, 3), sparsity=0.3) == 0).sum(0)
    tensor([2, 2, 2])
    """
    if tensor.array.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    if _SKIP.get():
        return tensor
    rows, columns = tensor.array.shape
    zeros = math.ceil(sparsity * rows)
    return _set(tensor, _sparse((), (rows, columns, zeros, std), generator), "sparse_")


@Law
def _sparse(
    g: np.random.Generator, lead: tuple[int, ...], rows: int, columns: int, zeros: int, std: float
) -> Array:
    shape = (*lead, rows, columns)
    values = normal_array(shape, np.dtype(np.float64), g) * std
    order = np.argsort(g.random(shape), -2)[..., :zeros, :]
    np.put_along_axis(values, order, 0, -2)
    return values


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal, drawn again where outside of [a, b].

    The numbers have exactly this distribution for any interval, however far from the mean.

    Parameters
    ----------
    tensor : Tensor
    mean, std : float
        Of the normal distribution before it is cut.
    a, b : float
        The bounds.
    generator : Generator, optional

    Raises
    ------
    ValueError
        Unless ``a < b`` and ``std > 0``.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = trunc_normal_(mg.empty(100), std=0.02, a=-0.04, b=0.04)
    >>> bool(w.abs().max() <= 0.04)
    True
    """
    if a >= b or std <= 0:
        raise ValueError(f"trunc_normal_ expects a < b and std > 0, got a={a}, b={b}, std={std}")
    if _SKIP.get():
        return tensor
    drawn = _cut_normal((), (tensor.array.shape, mean, std, a, b), generator)
    return _set(tensor, drawn, "trunc_normal_")


@Law
def _cut_normal(
    g: np.random.Generator, lead: tuple[int, ...], shape: tuple[int, ...], mean: float, std: float,
    a: float, b: float,
) -> Array:  # fmt: skip
    values = _truncated(math.prod((*lead, *shape)), (a - mean) / std, (b - mean) / std, g)
    return np.clip(values * std + mean, a, b).reshape((*lead, *shape))


def _truncated(count: int, low: float, high: float, g: np.random.Generator) -> Array:
    """Standard normal numbers of [low, high], by rejection (Robert 1995)."""
    out = np.empty(count)
    left = np.arange(count)
    while left.size:
        if low <= 0 <= high and high - low > 1:
            drawn = g.standard_normal(left.size)
            good = (drawn >= low) & (drawn <= high)
        elif high - low < 1 / max(1.0, min(abs(low), abs(high))):
            drawn = g.uniform(low, high, left.size)
            nearest = min(max(low, 0.0), high)
            good = g.random(left.size) <= np.exp((nearest**2 - drawn**2) / 2)
        else:  # a tail: exponential proposals from its near end
            start, sign = (low, 1.0) if low > 0 else (-high, -1.0)
            rate = (start + math.sqrt(start**2 + 4)) / 2
            steps = start + g.standard_exponential(left.size) / rate
            good = g.random(left.size) <= np.exp(-((steps - rate) ** 2) / 2)
            drawn = steps * sign
            good &= (drawn >= low) & (drawn <= high)
        out[left[good]] = drawn[good]
        left = left[~good]
    return out
