"""EfficientNet: depth, width and resolution scaled together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.blocks import (
    Conv2dNormActivation,
    SqueezeExcitation,
    StochasticDepth,
    make_divisible,
)
from minigrad.models.weights import load_weights

__all__ = [
    "EfficientNet", "MBConv", "MBConvConfig", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6",
    "efficientnet_b7",
]  # fmt: skip

Norm = Callable[[int], nn.Module]


@dataclass(frozen=True)
class MBConvConfig:
    """A stage: so many equal blocks, of which the first may change size and channels.

    Parameters
    ----------
    expand_ratio : float
    kernel : int
    stride : int
    input_channels, out_channels : int
    num_layers : int

    Examples
    --------
    >>> MBConvConfig(6, 5, 2, 24, 40, 2).scaled(width_mult=1.1, depth_mult=1.2)
    MBConvConfig(expand_ratio=6, kernel=5, stride=2, input_channels=24, out_channels=48,
                 num_layers=3)
    """

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int

    def scaled(self, width_mult: float, depth_mult: float) -> MBConvConfig:
        """The stage with more channels and more layers."""
        return MBConvConfig(
            self.expand_ratio, self.kernel, self.stride,
            make_divisible(self.input_channels * width_mult),
            make_divisible(self.out_channels * width_mult),
            math.ceil(self.num_layers * depth_mult),
        )  # fmt: skip


#: Table 1 of the paper, found by a search: expansion, kernel, stride, channels in and out, layers.
_B0 = (
    MBConvConfig(1, 3, 1, 32, 16, 1),
    MBConvConfig(6, 3, 2, 16, 24, 2),
    MBConvConfig(6, 5, 2, 24, 40, 2),
    MBConvConfig(6, 3, 2, 40, 80, 3),
    MBConvConfig(6, 5, 1, 80, 112, 3),
    MBConvConfig(6, 5, 2, 112, 192, 4),
    MBConvConfig(6, 3, 1, 192, 320, 1),
)
#: For B0 to B7: factors of width and depth, and the dropout before the classifier.
_SCALES = (
    (1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.4),
    (1.6, 2.2, 0.4), (1.8, 2.6, 0.5), (2.0, 3.1, 0.5),
)  # fmt: skip


class MBConv(nn.Module):
    """An inverted residual with squeeze-and-excitation, and stochastic depth on its branch.

    Parameters
    ----------
    config : MBConvConfig
    stochastic_depth_prob : float
    norm_layer : callable

    Examples
    --------
    >>> import minigrad as mg
    >>> block = MBConv(MBConvConfig(4, 3, 1, 8, 8, 1), 0.1, mg.nn.BatchNorm2d)
    >>> block(mg.ones(2, 8, 6, 6)).shape
    minigrad.Size([2, 8, 6, 6])
    """

    def __init__(
        self, config: MBConvConfig, stochastic_depth_prob: float, norm_layer: Norm
    ) -> None:
        super().__init__()
        if config.stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {config.stride}")
        inp, oup = config.input_channels, config.out_channels
        expanded = make_divisible(inp * config.expand_ratio)
        layers: list[nn.Module] = []
        if expanded != inp:
            layers.append(Conv2dNormActivation(inp, expanded, 1, 1, 1, norm_layer, nn.SiLU))
        layers += [
            Conv2dNormActivation(
                expanded, expanded, config.kernel, config.stride, expanded, norm_layer, nn.SiLU
            ),
            SqueezeExcitation(expanded, max(1, inp // 4), activation=nn.SiLU),
            Conv2dNormActivation(expanded, oup, 1, 1, 1, norm_layer, None),
        ]
        self.use_res_connect = config.stride == 1 and inp == oup
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = oup

    def forward(self, input: Tensor) -> Tensor:
        """Maps of the same size (or half, at stride 2), (N, out_channels, H, W)."""
        y: Tensor = self.block(input)
        return self.stochastic_depth(y) + input if self.use_res_connect else y


class EfficientNet(nn.Module):
    """Stages of :class:`MBConv`, scaled by one number in depth, width and resolution at once.

    A network twice as deep, or twice as wide, or for finer images, is better, but less and less
    so; growing all three in proportion wastes least (Tan and Le 2019).

    Parameters
    ----------
    inverted_residual_setting : sequence of MBConvConfig
        The stages.
    dropout : float
        Before the classifier.
    stochastic_depth_prob : float
        Of the last block; it falls linearly to 0 at the first one.
    num_classes : int
    norm_layer : callable, optional
        Makes the normalization from the number of channels.
    last_channel : int, optional
        Maps before the classifier; by default four times those of the last stage.

    References
    ----------
    Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019.

    Examples
    --------
    >>> import minigrad as mg
    >>> stages = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(4, 3, 2, 8, 16, 2)]
    >>> net = EfficientNet(stages, dropout=0.2, num_classes=10)
    >>> net(mg.ones(2, 3, 16, 16)).shape
    minigrad.Size([2, 10])
    >>> [m.p for m in net.modules() if isinstance(m, StochasticDepth)]
    [0.0, 0.06666666666666667, 0.13333333333333333]
    """

    def __init__(
        self, inverted_residual_setting: Sequence[MBConvConfig], dropout: float,
        stochastic_depth_prob: float = 0.2, num_classes: int = 1000,
        norm_layer: Norm | None = None, last_channel: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        norm = nn.BatchNorm2d if norm_layer is None else norm_layer
        first = inverted_residual_setting[0].input_channels
        layers: list[nn.Module] = [Conv2dNormActivation(3, first, 3, 2, 1, norm, nn.SiLU)]
        total = sum(stage.num_layers for stage in inverted_residual_setting)
        done = 0
        for stage in inverted_residual_setting:
            blocks = []
            for i in range(stage.num_layers):
                config = stage if i == 0 else _following(stage)
                blocks.append(MBConv(config, stochastic_depth_prob * done / total, norm))
                done += 1
            layers.append(nn.Sequential(*blocks))
        channels = inverted_residual_setting[-1].out_channels
        last = 4 * channels if last_channel is None else last_channel
        layers.append(Conv2dNormActivation(channels, last, 1, 1, 1, norm, nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        linear = nn.utils.skip_init(nn.Linear, last, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), linear)
        self._initialize()

    def _initialize(self) -> None:
        """Draw what is not drawn yet: the gates and the classifier."""
        for m in self.modules():
            if isinstance(m, SqueezeExcitation):
                for conv in (m.fc1, m.fc2):
                    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
                    nn.init.zeros_(conv.bias)
        linear = self.classifier[1]
        bound = 1 / math.sqrt(linear.out_features)
        nn.init.uniform_(linear.weight, -bound, bound)
        nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes.

        Parameters
        ----------
        x : Tensor, shape (N, 3, H, W)

        Returns
        -------
        Tensor, shape (N, num_classes)
        """
        scores: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return scores


def _following(stage: MBConvConfig) -> MBConvConfig:
    """What the blocks of a stage behind the first one are: nothing changes in them."""
    out = stage.out_channels
    return MBConvConfig(stage.expand_ratio, stage.kernel, 1, out, out, stage.num_layers)


def _efficientnet(number: int, weights: Any, more: dict[str, Any]) -> EfficientNet:
    width, depth, dropout = _SCALES[number]
    if number >= 5:
        more.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=0.001, momentum=0.01))
    stages = [stage.scaled(width, depth) for stage in _B0]
    return load_weights(EfficientNet(stages, more.pop("dropout", dropout), **more), weights)


def efficientnet_b0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """The base network, for images of 224 x 224; 5,288,548 parameters.

    Parameters
    ----------
    weights : path, optional
        A file with trained parameters, see :func:`minigrad.models.load_weights`.
    progress : bool
        Accepted.
    **kwargs
        For :class:`EfficientNet`.

    Examples
    --------
    >>> sum(p.numel() for p in efficientnet_b0().parameters())
    5288548
    """
    return _efficientnet(0, weights, kwargs)


def efficientnet_b1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """1.0 times as wide and 1.1 times as deep, for 240 x 240; 7,794,184 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(1, weights, kwargs)


def efficientnet_b2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """1.1 times as wide and 1.2 times as deep, for 288 x 288; 9,109,994 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(2, weights, kwargs)


def efficientnet_b3(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """1.2 times as wide and 1.4 times as deep, for 300 x 300; 12,233,232 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(3, weights, kwargs)


def efficientnet_b4(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """1.4 times as wide and 1.8 times as deep, for 380 x 380; 19,341,616 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(4, weights, kwargs)


def efficientnet_b5(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """1.6 times as wide and 2.2 times as deep, for 456 x 456; 30,389,784 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(5, weights, kwargs)


def efficientnet_b6(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """1.8 times as wide and 2.6 times as deep, for 528 x 528; 43,040,704 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(6, weights, kwargs)


def efficientnet_b7(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """2.0 times as wide and 3.1 times as deep, for 600 x 600; 66,347,960 parameters.

    Parameters as of :func:`efficientnet_b0`.
    """
    return _efficientnet(7, weights, kwargs)
