"""Normalization under PyTorch's names and signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.events import change
from minigrad.core.modes import interpreter, no_grad
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import reshape
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops import reduce as r
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32
from minigrad.ops.inplace import alter
from minigrad.ops.layers import normalization as ops
from minigrad.ops.layers.channels import channel_sums

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "rms_norm",
]  # fmt: skip


def _ones_and_zeros(
    input: Tensor, size: tuple[int, ...], weight: Any, bias: Any
) -> tuple[Tensor, Tensor]:
    kind = input.array.dtype
    return (
        given(np.ones(size, kind)) if weight is None else weight,
        given(np.zeros(size, kind)) if bias is None else bias,
    )


def _channels(v: Tensor, ndim: int) -> Tensor:
    return reshape(v, (1, -1) + (1,) * (ndim - 2))


def _check_vector(name: str, v: Tensor | None, channels: int, what: str) -> None:
    if v is not None and v.array.shape != (channels,):
        raise RuntimeError(
            f"{name}: {what} should contain {channels} elements not {v.array.size}: expected shape "
            f"[{channels}], got {list(v.array.shape)}"
        )


def _check_types(name: str, input: Tensor, *vectors: Tensor | None) -> None:
    for v in vectors:
        if v is None or v.array.dtype == input.array.dtype:
            continue
        if (input.array.dtype, v.array.dtype) != (np.float16, np.float32):
            raise RuntimeError(
                f"{name}: mixed dtype: expect parameters to have the type of the input, "
                f"{input.dtype}, got {v.dtype}"
            )


def _move(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    """``(1 - momentum) * running + momentum * batch``, in place, outside the graph."""
    if running is None:
        return
    if interpreter() is not None:
        with no_grad():
            running.lerp_(batch.detach(), momentum)
        return
    call_quietly(alter, running, _step_towards, (batch,), momentum)


@change
def _step_towards(running: Array, batch: Array, momentum: float) -> None:
    step = batch - running
    step *= running.dtype.type(momentum)
    running += step


@guarded
@in_float32
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalize each channel (dimension 1) to mean 0 and variance 1, then scale and shift.

    By the statistics of the batch in training, which also move the running ones; by the running
    ones otherwise (Ioffe and Szegedy 2015).

    Raises
    ------
    ValueError
        In training with one value per channel: its variance says nothing.
    """
    x = input.array
    if x.ndim < 2:
        raise IndexError(f"batch_norm: expected at least 2D input (got {x.ndim}D input)")
    channels = x.shape[1]
    for what, v in (("running_mean", running_mean), ("running_var", running_var),
                    ("weight", weight), ("bias", bias)):  # fmt: skip
        _check_vector("batch_norm", v, channels, what)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        if eps < 0:
            raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
        _check_types("batch_norm", input, weight, bias, running_mean, running_var)
        w, b = _ones_and_zeros(input, (channels,), weight, bias)
        y = ops.batch_norm_eval((input, w, b, running_mean, running_var), (float(eps),))
        return y
    if eps <= 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if x.size // max(channels, 1) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}: "
            "use a larger batch (drop_last=True drops a last one that is too small), or eval()"
        )
    _check_types("batch_norm", input, weight, bias, running_mean, running_var)
    w, b = _ones_and_zeros(input, (channels,), weight, bias)
    y, mean, var = ops.batch_norm_training((input, w, b), (float(eps),))
    if x.size:  # an empty batch has no statistics
        _move(running_mean, mean, momentum)
        _move(running_var, var, momentum)
    return y


@guarded
@in_float32
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalize each channel of each sample by itself (Ulyanov et al. 2016)."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    x = input.array
    if x.ndim < 3:
        raise RuntimeError(f"instance_norm: expected at least 3D input (got {x.ndim}D input)")
    samples, channels = x.shape[:2]
    for what, v in (("running_mean", running_mean), ("running_var", running_var),
                    ("weight", weight), ("bias", bias)):  # fmt: skip
        _check_vector("instance_norm", v, channels, what)
    if math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    if running_mean is None and running_var is None:
        return group_norm(input, channels, weight, bias, eps)
    joined = reshape(input, (1, samples * channels, *x.shape[2:]))
    w, b = _ones_and_zeros(input, (samples * channels,), None, None)
    y, mean, var = ops.batch_norm_training((joined, w, b), (float(eps),))
    with no_grad():
        for running, batch in ((running_mean, mean), (running_var, var)):
            _move(running, reshape(batch, (samples, channels)).mean(0), momentum)
    y = reshape(y, x.shape)
    if weight is not None:
        y = y * _channels(weight, x.ndim)
    return y if bias is None else y + _channels(bias, x.ndim)


def _trailing(
    input: Tensor, normalized_shape: Sequence[int], name: str, *vectors: Any
) -> tuple[int, ...]:
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(f"{name}: Expected normalized_shape to be at least 1-dimensional")
    for what, v in zip(("weight", "bias"), vectors, strict=False):
        if v is not None and v.array.shape != shape:
            raise RuntimeError(
                f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
                f"{list(v.array.shape)} and normalized_shape = {list(shape)}"
            )
    if input.array.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{list(input.array.shape)}"
        )
    return shape


@guarded
@in_float32
def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalize each sample over its last dimensions (Ba, Kiros and Hinton 2016).

    Parameters
    ----------
    input : Tensor, shape (*, *normalized_shape)
    normalized_shape : sequence of int
        The sizes of the dimensions that are normalized over.
    weight, bias : Tensor, shape normalized_shape, optional
        Scale and shift.
    eps : float
        Added to the variance.
    """
    shape = _trailing(input, normalized_shape, "layer_norm", weight, bias)
    _check_types("layer_norm", input, weight, bias)
    w, b = _ones_and_zeros(input, shape, weight, bias)
    return ops.layer_norm_affine((input, w, b), (float(eps),))


@guarded
@in_float32
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:  # fmt: skip
    """Divide by the root of the mean square over the last dimensions (Zhang and Sennrich 2019)."""
    shape = _trailing(input, normalized_shape, "rms_norm", weight)
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"rms_norm: expected a floating point tensor, got {input.dtype}")
    if eps is None:
        eps = float(np.finfo(input.array.dtype).eps)
    return ops.rms_norm(input, len(shape), weight, float(eps))


@guarded
@in_float32
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalize each group of channels of each sample (Wu and He 2018)."""
    x = input.array
    if x.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {x.ndim}")
    channels = x.shape[1]
    if num_groups <= 0 or channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(x.shape)} and num_groups={num_groups}"
        )
    for what, v in (("weight", weight), ("bias", bias)):
        _check_vector("group_norm", v, channels, what)
    _check_types("group_norm", input, weight, bias)
    w, b = _ones_and_zeros(input, (channels,), weight, bias)
    return ops.group_norm((input, w, b), (num_groups, float(eps)))


@guarded
@in_float32
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along `dim`, which counts as `eps` at least."""
    size = r.p_norm(input, p, dim, keepdim=True).clamp_min(eps)
    return e.over(input, size)


@guarded
@in_float32
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by ``(k + alpha / size * sum of squares over size channels) ** beta``.

    Krizhevsky et al. 2012. The window is centred on each channel and ends where channels end.

    Parameters
    ----------
    input : Tensor, shape (N, C, ...)
        With three dimensions at least.
    size : int
        The number of channels in the window.
    alpha, beta, k : float

    Raises
    ------
    ValueError
        If there are fewer than three dimensions.
    """
    ndim = input.array.ndim
    if ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {ndim} dimensions)")
    if size < 1:
        raise RuntimeError(f"local_response_norm: size should be at least 1, got {size}")
    if input.array.size == 0:
        return input
    squares = channel_sums((e.mul(input, input),), (size // 2, (size - 1) // 2))
    return input / (squares * (alpha / size) + k) ** beta
