"""Blocks that several networks are built of, under the names that torchvision gives them."""

from __future__ import annotations

from collections.abc import Callable

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.names import rand
from minigrad.nn.layer import UnaryLayer

__all__ = ["Conv2dNormActivation", "SqueezeExcitation", "StochasticDepth", "make_divisible"]


def make_divisible(v: float, divisor: int = 8, least: int | None = None) -> int:
    """The nearest multiple of `divisor`, but not more than a tenth below `v`.

    So that scaled networks have numbers of channels that are quick to compute with.

    Examples
    --------
    >>> make_divisible(32 * 0.5), make_divisible(11.9), make_divisible(1)
    (16, 16, 8)
    """
    rounded = max(least or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


class Conv2dNormActivation(nn.Sequential):
    """Convolution that keeps the size (but for the stride), normalization, activation.

    The weights start normal with variance ``2 / fan_out`` (He et al. 2015).

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, groups : int
    norm_layer : callable
        Makes the normalization from the number of channels.
    activation_layer : callable, optional
        Makes the activation; None for none.

    Examples
    --------
    >>> import minigrad as mg
    >>> Conv2dNormActivation(3, 8, stride=2)(mg.ones(1, 3, 6, 6)).shape
    minigrad.Size([1, 8, 3, 3])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1,
        groups: int = 1, norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation_layer: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:  # fmt: skip
        padding = (kernel_size - 1) // 2
        conv = nn.utils.skip_init(
            nn.Conv2d, in_channels, out_channels, kernel_size, stride, padding, groups=groups,
            bias=False,
        )  # fmt: skip
        nn.init.kaiming_normal_(conv.weight, mode="fan_out")
        layers = [conv, norm_layer(out_channels)]
        if activation_layer is not None:
            layers.append(activation_layer())
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a number in (0, 1) that depends on the means of all channels.

    ``x * sigmoid(W_2 f(W_1 mean(x)))`` (Hu et al. 2018).

    Parameters
    ----------
    input_channels : int
    squeeze_channels : int
        Of the small layer between.
    activation : callable
        Makes f.
    scale_activation : callable
        Makes the gate.

    Examples
    --------
    >>> import minigrad as mg
    >>> SqueezeExcitation(8, 2)(mg.ones(1, 8, 5, 5)).shape
    minigrad.Size([1, 8, 5, 5])
    """

    def __init__(
        self, input_channels: int, squeeze_channels: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        scale_activation: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        """The channels, weighed; the same shape (N, C, H, W)."""
        scale = self.activation(self.fc1(self.avgpool(input)))
        gate: Tensor = self.scale_activation(self.fc2(scale))
        return gate * input


class StochasticDepth(UnaryLayer):
    """Drop whole samples of a residual branch in training, and scale up what is left.

    Added to its shortcut, a dropped branch leaves the identity: each sample sees a network of
    another depth (Huang et al. 2016).

    Parameters
    ----------
    p : float
        The probability to be dropped.
    mode : {"row", "batch"}
        Drop each sample by itself, or all together.

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> kept = StochasticDepth(0.5)(mg.ones(6, 2))
    >>> set(kept.flatten().tolist()) == {0.0, 2.0}
    True
    """

    p: float
    mode: str = "row"

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ValueError(f"drop probability has to be between 0 and 1, but got {self.p}")
        if self.mode not in ("batch", "row"):
            raise ValueError(f"mode has to be either 'batch' or 'row', but got {self.mode}")

    def forward(self, input: Tensor) -> Tensor:
        """The branch with some samples zeroed; unchanged out of training."""
        if not self.training or self.p == 0:
            return input
        if self.p == 1:
            return input * 0
        count = input.shape[0] if self.mode == "row" else 1
        keep = rand(count, *(1,) * (input.ndim - 1), dtype=input.dtype) >= self.p
        return input * (keep.to(input.dtype) / (1 - self.p))
