"""MobileNet: convolutions taken apart, for small and quick networks; versions 1 and 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.blocks import Conv2dNormActivation, make_divisible
from minigrad.models.weights import load_weights
from minigrad.nn import functional as F

__all__ = ["MobileNetV1", "MobileNetV2", "mobilenet_v1", "mobilenet_v2"]

#: Version 1: channels and stride of each separable convolution behind the first one.
_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
#: Version 2: expansion, channels, how many blocks, stride of the first of them.
_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip

Norm = Callable[[int], nn.Module]


def _classifier(dropout: float, channels: int, num_classes: int) -> nn.Sequential:
    last = nn.utils.skip_init(nn.Linear, channels, num_classes)
    nn.init.normal_(last.weight, 0, 0.01)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Dropout(dropout), last)


def _classify(model: Any, x: Tensor) -> Tensor:
    features = F.adaptive_avg_pool2d(model.features(x), (1, 1)).flatten(1)
    scores: Tensor = model.classifier(features)
    return scores


class SeparableConv(nn.Sequential):
    """A convolution of 3 x 3 for each channel by itself, then one of 1 x 1 that mixes them.

    ``9 C + C C'`` weights instead of ``9 C C'``: an eighth or ninth, with nearly the same accuracy.

    Examples
    --------
    >>> import minigrad as mg
    >>> SeparableConv(4, 8, stride=2)(mg.ones(1, 4, 6, 6)).shape
    minigrad.Size([1, 8, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__(
            Conv2dNormActivation(
                in_channels, in_channels, stride=stride, groups=in_channels, norm_layer=norm_layer
            ),
            Conv2dNormActivation(in_channels, out_channels, kernel_size=1, norm_layer=norm_layer),
        )


class MobileNetV1(nn.Module):
    """A convolution and thirteen separable ones (Howard et al. 2017); 4,231,976 parameters.

    Parameters
    ----------
    num_classes : int
    width_mult : float
        Scales the channels of every layer; parameters and time go with about its square.
    dropout : float
        Before the classifier.
    norm_layer : callable
        Makes the normalization from the number of channels.

    References
    ----------
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017.

    Examples
    --------
    >>> import minigrad as mg
    >>> MobileNetV1(num_classes=10, width_mult=0.25)(mg.ones(2, 3, 32, 32)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.001,
        norm_layer: Norm = nn.BatchNorm2d,
    ) -> None:  # fmt: skip
        super().__init__()
        channels = int(32 * width_mult)
        layers: list[nn.Module] = [
            Conv2dNormActivation(3, channels, stride=2, norm_layer=norm_layer)
        ]
        for base, stride in _V1:
            wider = int(base * width_mult)
            layers.append(SeparableConv(channels, wider, stride, norm_layer))
            channels = wider
        self.features = nn.Sequential(*layers)
        self.classifier = _classifier(dropout, channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes.

        Parameters
        ----------
        x : Tensor, shape (N, 3, H, W)

        Returns
        -------
        Tensor, shape (N, num_classes)
        """
        return _classify(self, x)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project back; the shortcut joins the *narrow* ends.

    The projection has no activation: relu in a narrow layer would destroy information.

    Parameters
    ----------
    inp, oup : int
        Channels.
    stride : {1, 2}
    expand_ratio : int
    norm_layer : callable

    Examples
    --------
    >>> import minigrad as mg
    >>> block = InvertedResidual(8, 8, stride=1, expand_ratio=6)
    >>> block.use_res_connect, block(mg.ones(1, 8, 5, 5)).shape
    (True, minigrad.Size([1, 8, 5, 5]))
    """

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int,
        norm_layer: Norm = nn.BatchNorm2d,
    ) -> None:  # fmt: skip
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        hidden = round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, 1, 1, 1, norm_layer, nn.ReLU6))
        layers.append(Conv2dNormActivation(hidden, hidden, 3, stride, hidden, norm_layer, nn.ReLU6))
        projection = Conv2dNormActivation(hidden, oup, 1, 1, 1, norm_layer, None)
        self.conv = nn.Sequential(*layers, *projection)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the same size (or half, at stride 2), (N, oup, H, W)."""
        y: Tensor = self.conv(x)
        return x + y if self.use_res_connect else y


class MobileNetV2(nn.Module):
    """Inverted residuals with linear bottlenecks (Sandler et al. 2018); 3,504,872 parameters.

    Parameters
    ----------
    num_classes : int
    width_mult : float
        Scales the channels of every layer.
    inverted_residual_setting : sequence, optional
        Expansion, channels, number and first stride of the blocks of each stage.
    round_nearest : int
        Numbers of channels are multiples of it.
    block : callable, optional
        What stands for :class:`InvertedResidual`.
    norm_layer : callable, optional
        Makes the normalization from the number of channels.
    dropout : float
        Before the classifier.

    References
    ----------
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = MobileNetV2(num_classes=10, width_mult=0.25)
    >>> net(mg.ones(2, 3, 32, 32)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None, round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None, norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__()
        block = InvertedResidual if block is None else block
        norm_layer = nn.BatchNorm2d if norm_layer is None else norm_layer
        setting = _V2 if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(row) != 4 for row in setting):
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got "
                f"{inverted_residual_setting}"
            )
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers: list[nn.Module] = [Conv2dNormActivation(3, channels, 3, 2, 1, norm_layer, nn.ReLU6)]
        for expand_ratio, base, count, first_stride in setting:
            wider = make_divisible(base * width_mult, round_nearest)
            for i in range(count):
                stride = first_stride if i == 0 else 1
                layers.append(block(channels, wider, stride, expand_ratio, norm_layer))
                channels = wider
        last = Conv2dNormActivation(channels, self.last_channel, 1, 1, 1, norm_layer, nn.ReLU6)
        self.features = nn.Sequential(*layers, last)
        self.classifier = _classifier(dropout, self.last_channel, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes.

        Parameters
        ----------
        x : Tensor, shape (N, 3, H, W)

        Returns
        -------
        Tensor, shape (N, num_classes)
        """
        return _classify(self, x)


def mobilenet_v1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV1:
    """MobileNet of 2017; 4,231,976 parameters at width 1.

    Parameters
    ----------
    weights : path, optional
        A file with trained parameters, see :func:`minigrad.models.load_weights`.
    progress : bool
        Accepted.
    **kwargs
        For :class:`MobileNetV1`.

    Examples
    --------
    >>> sum(p.numel() for p in mobilenet_v1().parameters())
    4231976
    """
    return load_weights(MobileNetV1(**kwargs), weights)


def mobilenet_v2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV2:
    """MobileNetV2; 3,504,872 parameters at width 1.

    Parameters
    ----------
    weights : path, optional
        A file with trained parameters, see :func:`minigrad.models.load_weights`.
    progress : bool
        Accepted.
    **kwargs
        For :class:`MobileNetV2`.

    Examples
    --------
    >>> sum(p.numel() for p in mobilenet_v2().parameters())
    3504872
    """
    return load_weights(MobileNetV2(**kwargs), weights)
