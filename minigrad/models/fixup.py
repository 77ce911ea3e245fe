"""Residual networks without normalization, by the right initialization.

Without normalization the variance of a residual network doubles with every block, and so does what
one step changes. *Fixup* starts every block as the identity, and scales what is inside so that one
step changes the function of all L blocks by about as much as that of one. The rules for the weights
are those of :func:`minigrad.nn.init.fixup_`, which sets any residual network so; written into the
blocks here is the third rule: every branch has a learned factor that starts at 1, and in front of
every convolution, activation and affine layer there is a learned scalar bias that starts at 0.

- Zhang, Dauphin and Ma 2019, "Fixup Initialization: Residual Learning Without Normalization"
  (arXiv:1901.09321)
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.cifar_resnet import PadShortcut, blocks_per_stage
from minigrad.models.resnet import conv3x3
from minigrad.models.weights import load_weights
from minigrad.names import ones, zeros

__all__ = ["FixupBlock", "FixupResNet", "cifar_fixup_resnet", "cifar_fixup_resnet110"]


def _scalar(start: float) -> nn.Parameter:
    return nn.Parameter(ones(1) if start else zeros(1))


class FixupBlock(nn.Module):
    """Two 3x3 convolutions with scalar biases and a factor, and a shortcut without parameters.

    ``(N, inplanes, H, W) -> (N, planes, H / stride, W / stride)``; starts as ``relu(shortcut(x))``.

    Parameters
    ----------
    inplanes, planes, stride : int

    Examples
    --------
    >>> import minigrad as mg
    >>> FixupBlock(4, 4)(mg.ones(1, 4, 1, 1)).flatten()
    tensor([1., 1., 1., 1.], grad_fn=<...>)
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.bias1a = _scalar(0)
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bias1b = _scalar(0)
        self.relu = nn.ReLU(inplace=True)
        self.bias2a = _scalar(0)
        self.conv2 = conv3x3(planes, planes)
        self.scale = _scalar(1)
        self.bias2b = _scalar(0)
        fits = stride == 1 and inplanes == planes
        self.downsample = None if fits else PadShortcut(inplanes, planes, stride)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``relu(F(x) + shortcut(x))``."""
        y = self.relu(self.conv1(x + self.bias1a) + self.bias1b)
        y = self.conv2(y + self.bias2a) * self.scale + self.bias2b
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(y + shortcut)
        return y  # type: ignore[no-any-return]


class FixupResNet(nn.Module):
    """``(N, 3, H, W) -> (N, num_classes)``, without normalization; H and W are 32 in the paper.

    The layers of :class:`~minigrad.models.cifar_resnet.CIFARResNet`.

    Parameters
    ----------
    blocks : int
        The number of blocks of each of the three stages.
    num_classes : int
    width : int
        Channels of the first stage.

    Examples
    --------
    >>> import minigrad as mg
    >>> FixupResNet(1, width=4)(mg.rand(2, 3, 16, 16)).shape
    minigrad.Size([2, 10])
    """

    def __init__(self, blocks: int, num_classes: int = 10, *, width: int = 16) -> None:
        super().__init__()
        self.conv1 = conv3x3(3, width)
        self.bias1 = _scalar(0)
        self.relu = nn.ReLU(inplace=True)
        stages, inplanes = [], width
        for number in range(3):
            made = []
            for i in range(blocks):
                stride = 2 if number and not i else 1
                made.append(FixupBlock(inplanes, width << number, stride))
                inplanes = width << number
            stages.append(nn.Sequential(*made))
        self.layer1, self.layer2, self.layer3 = stages
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.bias2 = _scalar(0)
        self.fc = nn.Linear(inplanes, num_classes)
        branches = [[block.conv1, block.conv2] for stage in stages for block in stage]
        nn.init.fixup_(self, branches, classifier=self.fc, scalars=False)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax): all 0 at the start."""
        x = self.relu(self.conv1(x) + self.bias1)
        x = self.layer3(self.layer2(self.layer1(x)))
        x = self.fc(self.avgpool(x).flatten(1) + self.bias2)
        return x


def cifar_fixup_resnet(
    depth: int, *, weights: Any = None, progress: bool = True, **kwargs: Any
) -> FixupResNet:
    """A residual network for CIFAR without normalization, of ``6 n + 2`` layers.

    The scalar biases and factors learn with a tenth of the learning rate in the paper.

    Parameters
    ----------
    depth : int
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`FixupResNet`: `num_classes`, `width`.

    Raises
    ------
    ValueError
        If `depth` is not ``6 n + 2``.
    """
    return load_weights(FixupResNet(blocks_per_stage(depth, 2, 2), **kwargs), weights)


def cifar_fixup_resnet110(**kwargs: Any) -> FixupResNet:
    """Fixup ResNet-110 for CIFAR (Zhang et al. 2019): 1,720,138 parameters.

    Arguments as of :func:`cifar_fixup_resnet`, without `depth`.
    """
    return cifar_fixup_resnet(110, **kwargs)
