"""Residual networks: every few layers, the input is added to what they made of it.

A plain network of 56 layers trains to a *higher* training error than one of 20: the layers that are
too many fail to learn even the identity. With a shortcut around every block, a block that learns
``F(x)`` computes ``F(x) + x``; the identity is ``F = 0``, and the gradient has a path on which
nothing is multiplied: ``dL/dx = dL/dy + dL/dy * dF/dx``. To be compared, there are the *plain*
twins: the same layers, without shortcuts.

- He, Zhang, Ren and Sun 2015, "Deep Residual Learning for Image Recognition" (arXiv:1512.03385)
- Xie et al. 2016, "Aggregated Residual Transformations", ResNeXt (arXiv:1611.05431)
- Zagoruyko and Komodakis 2016, "Wide Residual Networks" (arXiv:1605.07146)

The networks are torchvision's, with its names of parameters: the stride of a bottleneck is on its
3x3 convolution ("ResNet v1.5", Goyal et al. 2017), not on the 1x1 in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.weights import load_weights

__all__ = [
    "BasicBlock", "Bottleneck", "PlainBlock", "PlainBottleneck", "ResNet", "conv1x1", "conv3x3",
    "he_conv", "plain18", "plain34", "plain50", "resnet18", "resnet34", "resnet50", "resnet101",
    "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2",
    "wide_resnet101_2",
]  # fmt: skip

NormLayer = Callable[[int], nn.Module]


def he_conv(in_planes: int, out_planes: int, kernel_size: int, **kwargs: Any) -> nn.Conv2d:
    """A convolution without bias, its weights drawn from ``N(0, 2 / fan_out)`` (He et al. 2015)."""
    conv = nn.utils.skip_init(nn.Conv2d, in_planes, out_planes, kernel_size, bias=False, **kwargs)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution that keeps height and width (at stride 1), drawn as He et al. do."""
    return he_conv(
        in_planes, out_planes, 3, stride=stride, padding=dilation, groups=groups, dilation=dilation
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution, drawn as He et al. do."""
    return he_conv(in_planes, out_planes, 1, stride=stride)


class _Block(nn.Module):
    """``y = relu(F(x) + shortcut(x))``; subclasses define F as ``residual``."""

    expansion: ClassVar[int]
    residual: Callable[[Tensor], Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """``relu(F(x) + shortcut(x))``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y: Tensor = self.relu(self.residual(x) + shortcut)
        return y


class BasicBlock(_Block):
    """Two 3x3 convolutions and a shortcut, for ResNet-18 and 34.

    ``(N, inplanes, H, W) -> (N, planes, H / stride, W / stride)``.

    Parameters
    ----------
    inplanes, planes : int
        Channels of the input and of the output.
    stride : int
        Of the first convolution.
    downsample : Module, optional
        What makes the shortcut fit, if the block changes the shape; else it is the identity.
    groups, base_width, dilation : int
        Only 1, 64 and 1: they are there to be called as :class:`Bottleneck` is.
    norm_layer : callable, optional
        Makes a normalization of so many channels; ``nn.BatchNorm2d`` by default.

    Examples
    --------
    >>> import minigrad as mg
    >>> BasicBlock(8, 8)(mg.ones(2, 8, 6, 6)).shape
    minigrad.Size([2, 8, 6, 6])
    """

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1,
        norm_layer: NormLayer | None = None,
    ) -> None:  # fmt: skip
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                "BasicBlock only supports groups=1, base_width=64 and dilation=1, got "
                f"groups={groups}, base_width={base_width}, dilation={dilation}; Bottleneck takes "
                "others"
            )
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def residual(self, x: Tensor) -> Tensor:
        """3x3, 3x3."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return y  # type: ignore[no-any-return]


class Bottleneck(_Block):
    """1x1 down to few channels, 3x3 among these, 1x1 up again, and a shortcut.

    ``(N, inplanes, H, W) -> (N, 4 * planes, H / stride, W / stride)``. With ``groups > 1`` the 3x3
    convolution is split into groups that do not see each other: ResNeXt.

    Parameters
    ----------
    inplanes, planes : int
        Channels of the input, and a fourth of those of the output.
    stride, dilation : int
        Of the 3x3 convolution.
    downsample : Module, optional
        What makes the shortcut fit, if the block changes the shape; else it is the identity.
    groups, base_width : int
        The 3x3 convolution has ``planes * base_width / 64 * groups`` channels.
    norm_layer : callable, optional
        Makes a normalization of so many channels; ``nn.BatchNorm2d`` by default.

    Examples
    --------
    >>> import minigrad as mg
    >>> Bottleneck(32, 8)(mg.ones(2, 32, 6, 6)).shape
    minigrad.Size([2, 32, 6, 6])
    """

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1,
        norm_layer: NormLayer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def residual(self, x: Tensor) -> Tensor:
        """1x1, 3x3, 1x1."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return y  # type: ignore[no-any-return]


class _Plain(_Block):
    """``y = relu(F(x))``: a block without its shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        """``relu(F(x))``."""
        y: Tensor = self.relu(self.residual(x))
        return y


class PlainBlock(_Plain, BasicBlock):
    """A :class:`BasicBlock` without its shortcut: ``relu(F(x))``."""


class PlainBottleneck(_Plain, Bottleneck):
    """A :class:`Bottleneck` without its shortcut: ``relu(F(x))``."""


class ResNet(nn.Module):
    """A residual network for images: ``(N, 3, H, W) -> (N, num_classes)``.

    ==========  ==================================  =====================
    layer       what it is                          result, for 224 x 224
    ==========  ==================================  =====================
    conv1       7x7, stride 2                       64 x 112 x 112
    maxpool     3x3, stride 2                       64 x 56 x 56
    layer1      ``layers[0]`` blocks                64 e x 56 x 56
    layer2      ``layers[1]`` blocks, stride 2      128 e x 28 x 28
    layer3      ``layers[2]`` blocks, stride 2      256 e x 14 x 14
    layer4      ``layers[3]`` blocks, stride 2      512 e x 7 x 7
    avgpool     the mean of each channel            512 e
    fc          affine                              num_classes
    ==========  ==================================  =====================

    with e the block's ``expansion``. Any height and width of 1 or more will do.

    Convolutions start with He's normal distribution by ``fan_out`` (those of blocks of your own as
    you made them), ``fc`` as any ``nn.Linear``.

    Parameters
    ----------
    block : class
        :class:`BasicBlock`, :class:`Bottleneck`, their plain twins, or one that is called as they
        are.
    layers : sequence of four int
        The number of blocks of each stage.
    num_classes : int
    zero_init_residual : bool
        Start the last normalization of every block with scale 0, so that every block starts as the
        identity (Goyal et al. 2017).
    groups, width_per_group : int
        Of the 3x3 convolution of a bottleneck.
    replace_stride_with_dilation : sequence of three bool, optional
        Keep the resolution in layer2, layer3, layer4, and dilate the convolutions instead.
    norm_layer : callable, optional
        Makes a normalization of so many channels; ``nn.BatchNorm2d`` by default.

    Raises
    ------
    ValueError
        If `replace_stride_with_dilation` has not three entries.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)
    >>> model(mg.zeros(2, 3, 32, 32)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, block: type[Any], layers: Sequence[int], num_classes: int = 1000,
        zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: NormLayer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        dilate = (
            [False] * 3
            if replace_stride_with_dilation is None
            else list(replace_stride_with_dilation)
        )
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = he_conv(3, 64, 7, stride=2, padding=3)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
                    nn.init.zeros_(last.weight)

    def _make_layer(
        self, block: type[Any], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """A stage: its first block changes the shape, the others keep it."""
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        out_planes = planes * block.expansion
        downsample = None
        if not issubclass(block, _Plain) and (stride != 1 or self.inplanes != out_planes):
            downsample = nn.Sequential(
                conv1x1(self.inplanes, out_planes, stride), self._norm_layer(out_planes)
            )
        how = (self.groups, self.base_width)
        norm = self._norm_layer
        made = [block(self.inplanes, planes, stride, downsample, *how, first_dilation, norm)]
        self.inplanes = out_planes
        for _ in range(1, blocks):
            made.append(block(out_planes, planes, 1, None, *how, self.dilation, norm))
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.fc(self.avgpool(x).flatten(1))
        return x


def _resnet(
    block: type[Any], layers: Sequence[int], weights: Any, **kwargs: Any
) -> ResNet:  # fmt: skip
    return load_weights(ResNet(block, layers, **kwargs), weights)


def resnet18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-18 (He et al. 2015): 11,689,512 parameters.

    Parameters
    ----------
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`ResNet`.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.models.resnet18(num_classes=10).eval()
    >>> model(mg.zeros(1, 3, 32, 32)).shape
    minigrad.Size([1, 10])
    """
    return _resnet(BasicBlock, [2, 2, 2, 2], weights, **kwargs)


def resnet34(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-34 (He et al. 2015): 21,797,672 parameters; arguments as of :func:`resnet18`."""
    return _resnet(BasicBlock, [3, 4, 6, 3], weights, **kwargs)


def resnet50(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-50 (He et al. 2015): 25,557,032 parameters; arguments as of :func:`resnet18`."""
    return _resnet(Bottleneck, [3, 4, 6, 3], weights, **kwargs)


def resnet101(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-101 (He et al. 2015): 44,549,160 parameters; arguments as of :func:`resnet18`."""
    return _resnet(Bottleneck, [3, 4, 23, 3], weights, **kwargs)


def resnet152(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-152 (He et al. 2015): 60,192,808 parameters; arguments as of :func:`resnet18`."""
    return _resnet(Bottleneck, [3, 8, 36, 3], weights, **kwargs)


def resnext50_32x4d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNeXt-50, 32 groups of 4 (Xie et al. 2016): 25,028,904 parameters.

    Arguments as of :func:`resnet18`.
    """
    kwargs = {"groups": 32, "width_per_group": 4} | kwargs
    return _resnet(Bottleneck, [3, 4, 6, 3], weights, **kwargs)


def resnext101_32x8d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNeXt-101, 32 groups of 8 (Xie et al. 2016): 88,791,336 parameters.

    Arguments as of :func:`resnet18`.
    """
    kwargs = {"groups": 32, "width_per_group": 8} | kwargs
    return _resnet(Bottleneck, [3, 4, 23, 3], weights, **kwargs)


def resnext101_64x4d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNeXt-101, 64 groups of 4 (Xie et al. 2016): 83,455,272 parameters.

    Arguments as of :func:`resnet18`.
    """
    kwargs = {"groups": 64, "width_per_group": 4} | kwargs
    return _resnet(Bottleneck, [3, 4, 23, 3], weights, **kwargs)


def wide_resnet50_2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-50 with twice the channels in its 3x3 convolutions: 68,883,240 parameters.

    Zagoruyko and Komodakis 2016; arguments as of :func:`resnet18`.
    """
    return _resnet(Bottleneck, [3, 4, 6, 3], weights, **({"width_per_group": 128} | kwargs))


def wide_resnet101_2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-101 with twice the channels in its 3x3 convolutions: 126,886,696 parameters.

    Zagoruyko and Komodakis 2016; arguments as of :func:`resnet18`.
    """
    return _resnet(Bottleneck, [3, 4, 23, 3], weights, **({"width_per_group": 128} | kwargs))


def plain18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-18 without shortcuts (He et al. 2015, figure 4 left): 11,515,688 parameters.

    Arguments as of :func:`resnet18`.
    """
    return _resnet(PlainBlock, [2, 2, 2, 2], weights, **kwargs)


def plain34(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-34 without shortcuts (He et al. 2015, figure 4 left): 21,623,848 parameters.

    Arguments as of :func:`resnet18`.
    """
    return _resnet(PlainBlock, [3, 4, 6, 3], weights, **kwargs)


def plain50(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-50 without shortcuts: 22,780,456 parameters; arguments as of :func:`resnet18`."""
    return _resnet(PlainBottleneck, [3, 4, 6, 3], weights, **kwargs)
