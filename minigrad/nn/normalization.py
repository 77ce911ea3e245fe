"""Normalization as modules."""

from __future__ import annotations

from dataclasses import KW_ONLY, InitVar
from typing import Any, ClassVar

import numpy as np

from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.events import change
from minigrad.core.modes import interpreter
from minigrad.core.tensor import Tensor, given
from minigrad.nn import fill
from minigrad.nn.functions import normalization as F
from minigrad.nn.layer import UnaryLayer
from minigrad.nn.linear import new_parameter
from minigrad.ops.inplace import alter

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip


@change
def _increase(count: np.ndarray[Any, Any]) -> None:
    count += 1


class _Affine(UnaryLayer):
    """What all normalizations share: a learned scale and shift, or none."""

    def _add_affine(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, new_parameter(shape, dtype, device) if wanted else None)

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            fill.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            fill.zeros_(self.bias)


class _NormBase(
    _Affine, shown="{num_features}, eps=, momentum=, affine=, bias=, track_running_stats="
):
    """Normalization that also remembers the statistics it saw."""

    num_features: int
    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True
    track_running_stats: bool = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None
    bias: InitVar[bool] = True

    def __post_init__(self, device: Any, dtype: Any, bias: bool) -> None:
        shape, affine = (self.num_features,), self.affine
        self._add_affine(shape, affine, affine and bias, device, dtype)
        kind = (get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
        if self.track_running_stats:
            self.register_buffer("running_mean", given(np.zeros(shape, kind)))
            self.register_buffer("running_var", given(np.ones(shape, kind)))
            self.register_buffer("num_batches_tracked", given(np.zeros((), np.int64)))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the statistics: mean 0, variance 1."""
        if self.track_running_stats:
            fill.zeros_(self.running_mean)
            fill.ones_(self.running_var)
            fill.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Forget the statistics; scale 1, shift 0."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input: Tensor) -> None:
        """Refuse inputs of the wrong number of dimensions."""

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Old files do not count batches: keep the count that is there."""
        key = prefix + "num_batches_tracked"
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            state_dict[key] = given(np.zeros((), np.int64)) if count is None else count
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    _version = 2
    _dims: ClassVar[tuple[int, ...]]

    _: KW_ONLY
    bias: InitVar[bool] = True

    def _check_input_dim(self, input: Tensor) -> None:
        if input.array.ndim not in self._dims:
            wanted = " or ".join(f"{n}D" for n in self._dims)
            raise ValueError(f"expected {wanted} input (got {input.array.ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize by the batch in training, by the running statistics in use."""
        self._check_input_dim(input)
        mean, var = self.running_mean, self.running_var
        momentum, training = self.momentum or 0.0, self.training
        if training:
            if not self.track_running_stats:
                mean = var = None
            elif (count := self.num_batches_tracked) is not None:
                if interpreter() is None:
                    alter(count, _increase)
                else:
                    count.add_(1)
                if self.momentum is None:  # a plain average of all batches
                    momentum = 1.0 / float(count)
        by_batch = training or (mean is None and var is None)
        weight, bias = self.weight, self.bias
        return F.batch_norm(input, mean, var, weight, bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L) (Ioffe and Szegedy 2015).

    In training, each channel is normalized by the mean and variance of the batch, and the running
    statistics move towards them; in use (``eval()``), by the running statistics.

    Parameters
    ----------
    num_features : int
        The number of channels C.
    eps : float
        Added to the variance.
    momentum : float or None
        The share of the new statistics in the running ones; None for the average of all batches.
    affine : bool
        Whether scale (`weight`) and shift (`bias`) are learned.
    track_running_stats : bool
        Without them, the batch's own statistics serve in use, too.
    device, dtype : optional
    bias : bool
        Whether there is a shift.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.BatchNorm1d(1, affine=False)(mg.tensor([[1.0], [3.0]]))
    tensor([[-1.0000],
            [ 1.0000]])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalization of images, (N, C, H, W): one mean and variance for each channel.

    Over all samples and places, as a convolution treats all places alike. Parameters as of
    :class:`BatchNorm1d`.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.randn(4, 3, 5, 5) * 2 + 1
    >>> y = mg.nn.BatchNorm2d(3)(x)
    >>> bool(y.mean((0, 2, 3)).abs().max() < 1e-5)
    True
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W); parameters as of :class:`BatchNorm1d`."""

    _dims = (5,)


class _InstanceNorm(_NormBase):
    _spatial: ClassVar[int]

    affine: bool = False
    track_running_stats: bool = False
    _: KW_ONLY
    bias: InitVar[bool] = True

    def forward(self, input: Tensor) -> Tensor:
        """Normalize each channel of each sample."""
        ndim, channel = input.array.ndim, input.array.ndim - self._spatial - 1
        if channel not in (0, 1):
            n = self._spatial
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {ndim}D input)")
        if input.array.shape[channel] != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={channel} to match num_features "
                f"({self.num_features}), but got: {input.array.shape[channel]}."
            )
        batch = input if channel else input.unsqueeze(0)
        by_input = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        y = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            by_input,
            momentum,
            self.eps,
        )
        return y if channel else y.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalization of each channel of each sample of (N, C, L) or (C, L) (Ulyanov et al. 2016)."""

    _spatial = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalization of each channel of each sample of (N, C, H, W) or (C, H, W)."""

    _spatial = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalization of each channel of each sample of (N, C, D, H, W) or (C, D, H, W)."""

    _spatial = 3


def _as_shape(normalized_shape: Any) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(_Affine, shown="{normalized_shape}, eps=, elementwise_affine=, bias="):
    """Normalization of each sample over its last dimensions (Ba, Kiros and Hinton 2016).

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of those dimensions.
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Whether scale and shift are learned.
    bias : bool
        Whether there is a shift.
    device, dtype : optional
    """

    normalized_shape: Any
    eps: float = 1e-5
    elementwise_affine: bool = True
    bias: InitVar[bool] = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None

    def __post_init__(self, bias: bool, device: Any, dtype: Any) -> None:
        self.normalized_shape = shape = _as_shape(self.normalized_shape)
        affine = self.elementwise_affine
        self._add_affine(shape, affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalize over the last dimensions."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_Affine, shown="{normalized_shape}, eps=, elementwise_affine="):
    """Division by the root of the mean square over the last dimensions (Zhang and Sennrich 2019).

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
        By default the precision of the input's dtype.
    elementwise_affine : bool
        Whether a scale is learned.
    device, dtype : optional
    """

    normalized_shape: Any
    eps: float | None = None
    elementwise_affine: bool = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None

    def __post_init__(self, device: Any, dtype: Any) -> None:
        self.normalized_shape = shape = _as_shape(self.normalized_shape)
        wanted = self.elementwise_affine
        self.register_parameter("weight", new_parameter(shape, dtype, device) if wanted else None)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalize over the last dimensions."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class GroupNorm(_Affine, shown="{num_groups}, {num_channels}, eps=, affine=, bias="):
    """Normalization of each group of channels of each sample (Wu and He 2018).

    Parameters
    ----------
    num_groups, num_channels : int
        The second is a multiple of the first.
    eps : float
        Added to the variance.
    affine : bool
        Whether scale and shift are learned, per channel.
    device, dtype : optional
    bias : bool
        Whether there is a shift.
    """

    num_groups: int
    num_channels: int
    eps: float = 1e-5
    affine: bool = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None
    _: KW_ONLY
    bias: InitVar[bool] = True

    def __post_init__(self, device: Any, dtype: Any, bias: bool) -> None:
        channels, groups, affine = self.num_channels, self.num_groups, self.affine
        if channels % groups:
            raise ValueError(
                f"num_channels ({channels}) must be divisible by num_groups ({groups})"
            )
        self._add_affine((channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalize each group."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(
    UnaryLayer, function=F.local_response_norm, shown="{size}, alpha=, beta=, k="
):
    """Divide by ``(k + alpha / size * sum of squares over size channels) ** beta``.

    Krizhevsky et al. 2012.

    Parameters
    ----------
    size : int
        The number of channels in the window around each.
    alpha, beta, k : float

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.LocalResponseNorm(2)(mg.ones(1, 3, 4)).shape
    minigrad.Size([1, 3, 4])
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0
