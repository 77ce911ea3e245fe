"""Residual networks for small images (CIFAR, 32 x 32): three stages of 16, 32 and 64 channels.

Small enough to train in earnest, and built to be compared: every network comes with a *plain* twin
that has the same layers and no shortcuts.

- He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2 (arXiv:1512.03385)
- He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv:1603.05027): normalization
  and ReLU *in front of* the convolutions, so that nothing at all stands on the path of the shortcut
- Zagoruyko and Komodakis 2016, "Wide Residual Networks" (arXiv:1605.07146): fewer layers, more
  channels, dropout between the convolutions

Convolutions start with ``N(0, 2 / fan_out)`` (He et al. 2015), the last layer as any ``nn.Linear``.
Parameters are named as in :mod:`minigrad.models.resnet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.resnet import BasicBlock, PlainBlock, conv1x1, conv3x3, he_conv
from minigrad.models.weights import load_weights
from minigrad.nn import functional as F

__all__ = [
    "CIFARResNet", "PadShortcut", "PreActBlock", "PreActBottleneck", "PreActResNet",
    "blocks_per_stage", "cifar_plain20", "cifar_plain32", "cifar_plain44", "cifar_plain56",
    "cifar_plain110", "cifar_preact_resnet20", "cifar_preact_resnet56", "cifar_preact_resnet110",
    "cifar_preact_resnet164", "cifar_resnet", "cifar_resnet20", "cifar_resnet32", "cifar_resnet44",
    "cifar_resnet56", "cifar_resnet110", "cifar_wide_resnet", "wide_resnet16_8", "wide_resnet28_10",
    "wide_resnet40_4",
]  # fmt: skip

SHORTCUTS = ("A", "B", "none")


class PadShortcut(nn.Module):
    """A shortcut without parameters: skip pixels, and fill up with channels of zeros (option A).

    ``(N, C, H, W) -> (N, planes, H / stride, W / stride)``; the new channels are put half in front
    of the old ones and half behind.

    Parameters
    ----------
    inplanes, planes, stride : int

    Raises
    ------
    ValueError
        If `planes` is less than `inplanes`.

    Examples
    --------
    >>> import minigrad as mg
    >>> PadShortcut(1, 3, stride=2)(mg.ones(1, 1, 2, 2)).flatten()
    tensor([0., 1., 0.])
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        if planes < inplanes:
            raise ValueError(f"PadShortcut adds channels; it cannot make {planes} of {inplanes}")
        self.new = planes - inplanes
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """The input with fewer pixels and more channels."""
        x = x[:, :, :: self.stride, :: self.stride]
        before = self.new // 2
        return F.pad(x, (0, 0, 0, 0, before, self.new - before)) if self.new else x

    def extra_repr(self) -> str:
        """The parameters."""
        return f"new_channels={self.new}, stride={self.stride}"


def _shortcut(kind: str, inplanes: int, planes: int, stride: int) -> nn.Module | None:
    """What makes the shortcut fit around a block; None if it fits."""
    if stride == 1 and inplanes == planes:
        return None
    if kind == "A":
        return PadShortcut(inplanes, planes, stride)
    return conv1x1(inplanes, planes, stride)


class CIFARResNet(nn.Module):
    """``(N, in_channels, H, W) -> (N, num_classes)``; H and W are 32 in the paper.

    A 3x3 convolution, three stages of `blocks` blocks with 16, 32 and 64 channels at full, half and
    quarter size, the mean of each channel, an affine layer: ``6 * blocks + 2`` layers.

    Parameters
    ----------
    blocks : int
        The number of blocks of each stage.
    num_classes : int
    shortcut : {"A", "B", "none"}
        How shortcuts change the shape: by padding with zeros, as in the paper's experiments with
        CIFAR (A); by a 1x1 convolution and normalization (B). ``"none"`` is the plain network.
    width : int
        Channels of the first stage.
    block : class, optional
        A subclass of :class:`~minigrad.models.resnet.BasicBlock` to take in its place.
    in_channels : int
        1 for MNIST.

    Raises
    ------
    ValueError
        For another `shortcut`, and for a `block` of the plain network: that has its own.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = CIFARResNet(1, width=4)
    >>> model(mg.zeros(2, 3, 16, 16)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, blocks: int, num_classes: int = 10, shortcut: str = "A", *, width: int = 16,
        block: type[BasicBlock] | None = None, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        if shortcut not in SHORTCUTS:
            raise ValueError(f"shortcut should be one of {SHORTCUTS}, got {shortcut!r}")
        if shortcut == "none" and block is not None:
            raise ValueError(f"{block.__name__} has a shortcut: it makes no plain network")
        kind = block or (PlainBlock if shortcut == "none" else BasicBlock)
        self.conv1 = conv3x3(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(kind, width, width, blocks, 1, shortcut)
        self.layer2 = _stage(kind, width, 2 * width, blocks, 2, shortcut)
        self.layer3 = _stage(kind, 2 * width, 4 * width, blocks, 2, shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = self.fc(self.avgpool(x).flatten(1))
        return x


def _stage(
    kind: type[BasicBlock], inplanes: int, planes: int, blocks: int, stride: int, shortcut: str
) -> nn.Sequential:
    downsample = None
    if shortcut != "none":
        downsample = _shortcut(shortcut, inplanes, planes, stride)
        if isinstance(downsample, nn.Conv2d):
            downsample = nn.Sequential(downsample, nn.BatchNorm2d(planes))
    rest = [kind(planes, planes) for _ in range(blocks - 1)]
    return nn.Sequential(kind(inplanes, planes, stride, downsample), *rest)


class PreActBlock(nn.Module):
    """Normalization, ReLU, 3x3 convolution, twice, and a shortcut with nothing on it.

    ``y = x + F(x)``. Where the shape changes by a 1x1 convolution (option B), that comes behind
    the first ReLU; option A pads the input itself.

    Parameters
    ----------
    inplanes, planes, stride : int
    shortcut : {"A", "B"}
        How the shortcut changes the shape, if the block does.
    dropout : float
        The share dropped in training between the convolutions.

    Examples
    --------
    >>> import minigrad as mg
    >>> PreActBlock(4, 8, stride=2)(mg.ones(2, 4, 6, 6)).shape
    minigrad.Size([2, 8, 3, 3])
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, shortcut: str = "A", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inplanes)
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.downsample = _shortcut(shortcut, inplanes, planes, stride)

    def _residual(self, y: Tensor) -> Tensor:
        """What follows on the first ReLU."""
        y = self.relu(self.bn2(self.conv1(y)))
        if self.dropout is not None:
            y = self.dropout(y)
        y = self.conv2(y)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """``x + F(x)``."""
        y = self.relu(self.bn1(x))
        if self.downsample is not None:
            x = self.downsample(x if isinstance(self.downsample, PadShortcut) else y)
        return self._residual(y) + x


class PreActBottleneck(PreActBlock):
    """1x1 to `planes` channels, 3x3, 1x1 to ``4 * planes``, each behind normalization and ReLU.

    Parameters
    ----------
    inplanes, planes, stride : int
    shortcut : {"A", "B"}
        How the shortcut changes the shape, if the block does.
    dropout : float
        The share dropped in training in front of the last convolution.
    """

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, shortcut: str = "A", dropout: float = 0.0
    ) -> None:
        nn.Module.__init__(self)
        out = planes * self.expansion
        self.bn1 = nn.BatchNorm2d(inplanes)
        self.conv1 = conv1x1(inplanes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn3 = nn.BatchNorm2d(planes)
        self.conv3 = conv1x1(planes, out)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.downsample = _shortcut(shortcut, inplanes, out, stride)

    def _residual(self, y: Tensor) -> Tensor:
        y = self.relu(self.bn2(self.conv1(y)))
        y = self.relu(self.bn3(self.conv2(y)))
        if self.dropout is not None:
            y = self.dropout(y)
        y = self.conv3(y)
        return y


class PreActResNet(nn.Module):
    """``(N, 3, H, W) -> (N, num_classes)``, of pre-activation blocks; H and W are 32 in the papers.

    Parameters
    ----------
    blocks : int
        The number of blocks of each of the three stages.
    num_classes : int
    widths : sequence of three int
        Channels of the stages (times the block's ``expansion``).
    shortcut : {"A", "B"}
        How shortcuts change the shape: by padding with zeros (A), or by a 1x1 convolution (B).
    dropout : float
        The share dropped in training inside of the blocks.
    block : class
        :class:`PreActBlock` or :class:`PreActBottleneck`.

    Raises
    ------
    ValueError
        For another `shortcut`.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = PreActResNet(1, widths=(4, 8, 16))
    >>> model(mg.zeros(2, 3, 16, 16)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, blocks: int, num_classes: int = 10, widths: Sequence[int] = (16, 32, 64),
        shortcut: str = "A", dropout: float = 0.0, block: type[PreActBlock] = PreActBlock,
    ) -> None:  # fmt: skip
        super().__init__()
        if shortcut not in SHORTCUTS[:2]:
            raise ValueError(f"shortcut should be one of {SHORTCUTS[:2]}, got {shortcut!r}")
        channels = min(16, widths[0])
        self.conv1 = he_conv(3, channels, 3, padding=1)
        stages = []
        for number, width in enumerate(widths):
            made = []
            for i in range(blocks):
                stride = 2 if number and not i else 1
                made.append(block(channels, width, stride, shortcut, dropout))
                channels = width * block.expansion
            stages.append(nn.Sequential(*made))
        self.layer1, self.layer2, self.layer3 = stages
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = self.avgpool(self.relu(self.bn(x)))
        x = self.fc(x.flatten(1))
        return x


def blocks_per_stage(depth: int, per_block: int, more: int) -> int:
    """How many blocks each of three stages has in a network of so many layers.

    Parameters
    ----------
    depth, per_block, more : int
        ``depth = 3 * per_block * n + more``, of which n is asked.

    Raises
    ------
    ValueError
        If there is no such n.

    Examples
    --------
    >>> blocks_per_stage(20, 2, 2)
    3
    """
    blocks, left = divmod(depth - more, 3 * per_block)
    if left or blocks < 1:
        raise ValueError(
            f"depth should be {3 * per_block} * n + {more} for some n of 1 or more, got {depth}"
        )
    return blocks


def cifar_resnet(
    depth: int, *, weights: Any = None, progress: bool = True, **kwargs: Any
) -> CIFARResNet:
    """A residual network for CIFAR with any number of layers ``6 n + 2`` (He et al. 2015).

    Parameters
    ----------
    depth : int
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`CIFARResNet`: `num_classes`, `shortcut`, `width`.

    Raises
    ------
    ValueError
        If `depth` is not ``6 n + 2``.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.models.cifar_resnet(8, shortcut="B", num_classes=5)
    >>> model(mg.zeros(2, 3, 16, 16)).shape
    minigrad.Size([2, 5])
    """
    return load_weights(CIFARResNet(blocks_per_stage(depth, 2, 2), **kwargs), weights)


def cifar_resnet20(**kwargs: Any) -> CIFARResNet:
    """ResNet-20 for CIFAR (He et al. 2015): 269,722 parameters.

    Arguments as of :func:`cifar_resnet`, without `depth`.
    """
    return cifar_resnet(20, **kwargs)


def cifar_resnet32(**kwargs: Any) -> CIFARResNet:
    """ResNet-32 for CIFAR: 464,154 parameters; arguments as of :func:`cifar_resnet20`."""
    return cifar_resnet(32, **kwargs)


def cifar_resnet44(**kwargs: Any) -> CIFARResNet:
    """ResNet-44 for CIFAR: 658,586 parameters; arguments as of :func:`cifar_resnet20`."""
    return cifar_resnet(44, **kwargs)


def cifar_resnet56(**kwargs: Any) -> CIFARResNet:
    """ResNet-56 for CIFAR: 853,018 parameters; arguments as of :func:`cifar_resnet20`."""
    return cifar_resnet(56, **kwargs)


def cifar_resnet110(**kwargs: Any) -> CIFARResNet:
    """ResNet-110 for CIFAR: 1,727,962 parameters; arguments as of :func:`cifar_resnet20`."""
    return cifar_resnet(110, **kwargs)


def cifar_plain20(**kwargs: Any) -> CIFARResNet:
    """:func:`cifar_resnet20` without shortcuts, with the same 269,722 parameters."""
    return cifar_resnet(20, shortcut="none", **kwargs)


def cifar_plain32(**kwargs: Any) -> CIFARResNet:
    """:func:`cifar_resnet32` without shortcuts, with the same 464,154 parameters."""
    return cifar_resnet(32, shortcut="none", **kwargs)


def cifar_plain44(**kwargs: Any) -> CIFARResNet:
    """:func:`cifar_resnet44` without shortcuts, with the same 658,586 parameters."""
    return cifar_resnet(44, shortcut="none", **kwargs)


def cifar_plain56(**kwargs: Any) -> CIFARResNet:
    """:func:`cifar_resnet56` without shortcuts, with the same 853,018 parameters."""
    return cifar_resnet(56, shortcut="none", **kwargs)


def cifar_plain110(**kwargs: Any) -> CIFARResNet:
    """:func:`cifar_resnet110` without shortcuts, with the same 1,727,962 parameters."""
    return cifar_resnet(110, shortcut="none", **kwargs)


def _preact(depth: int, weights: Any = None, progress: bool = True, **kwargs: Any) -> PreActResNet:
    return load_weights(PreActResNet(blocks_per_stage(depth, 2, 2), **kwargs), weights)


def cifar_preact_resnet20(**kwargs: Any) -> PreActResNet:
    """Pre-activation ResNet-20 for CIFAR (He et al. 2016): 269,722 parameters.

    Parameters
    ----------
    **kwargs
        `weights` and `progress` as of :func:`cifar_resnet`; `num_classes`, `widths`, `shortcut` and
        `dropout` of :class:`PreActResNet`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.models.cifar_preact_resnet20()(mg.zeros(1, 3, 16, 16)).shape
    minigrad.Size([1, 10])
    """
    return _preact(20, **kwargs)


def cifar_preact_resnet56(**kwargs: Any) -> PreActResNet:
    """Pre-activation ResNet-56: 853,018 parameters.

    Arguments as of :func:`cifar_preact_resnet20`.
    """
    return _preact(56, **kwargs)


def cifar_preact_resnet110(**kwargs: Any) -> PreActResNet:
    """Pre-activation ResNet-110: 1,727,962 parameters.

    Arguments as of :func:`cifar_preact_resnet20`.
    """
    return _preact(110, **kwargs)


def cifar_preact_resnet164(
    *, weights: Any = None, progress: bool = True, **kwargs: Any
) -> PreActResNet:
    """Pre-activation ResNet-164 (He et al. 2016): 1,703,258 parameters.

    Of bottlenecks, with shortcuts of option B. Arguments as of :func:`cifar_preact_resnet20`.
    """
    kwargs = {"shortcut": "B"} | kwargs
    model = PreActResNet(blocks_per_stage(164, 3, 2), block=PreActBottleneck, **kwargs)
    return load_weights(model, weights)


def cifar_wide_resnet(
    depth: int, widen_factor: int, *, weights: Any = None, progress: bool = True, **kwargs: Any
) -> PreActResNet:
    """WRN-depth-factor for CIFAR: ``6 n + 4`` layers, `widen_factor` times as wide.

    Zagoruyko and Komodakis 2016.

    Parameters
    ----------
    depth, widen_factor : int
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        `num_classes` and `dropout` of :class:`PreActResNet`. (The paper's best results are with
        ``dropout=0.3``.)

    Raises
    ------
    ValueError
        If `depth` is not ``6 n + 4``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.models.cifar_wide_resnet(10, 2)(mg.zeros(1, 3, 16, 16)).shape
    minigrad.Size([1, 10])
    """
    widths = [16 * widen_factor, 32 * widen_factor, 64 * widen_factor]
    model = PreActResNet(blocks_per_stage(depth, 2, 4), widths=widths, shortcut="B", **kwargs)
    return load_weights(model, weights)


def wide_resnet16_8(**kwargs: Any) -> PreActResNet:
    """WRN-16-8: 10,961,370 parameters; arguments as of :func:`cifar_wide_resnet`."""
    return cifar_wide_resnet(16, 8, **kwargs)


def wide_resnet28_10(**kwargs: Any) -> PreActResNet:
    """WRN-28-10: 36,479,194 parameters; arguments as of :func:`cifar_wide_resnet`."""
    return cifar_wide_resnet(28, 10, **kwargs)


def wide_resnet40_4(**kwargs: Any) -> PreActResNet:
    """WRN-40-4: 8,949,210 parameters; arguments as of :func:`cifar_wide_resnet`."""
    return cifar_wide_resnet(40, 4, **kwargs)
