"""SENet: channels that are weighed by what the whole image is about.

Every residual branch ends in a *squeeze and excitation*: the mean of each channel (squeeze) goes
through a small two-layer network, and what comes out of its sigmoid scales the channels.

- Hu, Shen and Sun 2018, "Squeeze-and-Excitation Networks" (arXiv:1709.01507), which won the
  ImageNet contest of 2017
"""

from __future__ import annotations

from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.models.blocks import SqueezeExcitation
from minigrad.models.cifar_resnet import CIFARResNet, cifar_resnet
from minigrad.models.resnet import BasicBlock, Bottleneck, ResNet
from minigrad.models.weights import load_weights

__all__ = [
    "SEBasicBlock", "SEBottleneck", "cifar_se_resnet", "cifar_se_resnet20", "cifar_se_resnet56",
    "se_resnet18", "se_resnet34", "se_resnet50", "se_resnet101", "se_resnet152",
    "se_resnext50_32x4d",
]  # fmt: skip


class SEBasicBlock(BasicBlock):
    """A :class:`~minigrad.models.resnet.BasicBlock` whose result is weighed by channel.

    Parameters
    ----------
    inplanes, planes : int
    *args, **kwargs
        Of ``BasicBlock``.
    reduction : int
        How many times fewer units the layer between has than there are channels.

    Examples
    --------
    >>> import minigrad as mg
    >>> SEBasicBlock(16, 16)(mg.ones(2, 16, 6, 6)).shape
    minigrad.Size([2, 16, 6, 6])
    """

    def __init__(
        self, inplanes: int, planes: int, *args: Any, reduction: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.se = SqueezeExcitation(planes, max(1, planes // reduction))

    def residual(self, x: Tensor) -> Tensor:
        """3x3, 3x3, weights."""
        y: Tensor = self.se(super().residual(x))
        return y


class SEBottleneck(Bottleneck):
    """A :class:`~minigrad.models.resnet.Bottleneck` whose result is weighed by channel.

    Parameters
    ----------
    inplanes, planes : int
    *args, **kwargs
        Of ``Bottleneck``.
    reduction : int
        How many times fewer units the layer between has than there are channels.

    Examples
    --------
    >>> import minigrad as mg
    >>> SEBottleneck(32, 8)(mg.ones(2, 32, 6, 6)).shape
    minigrad.Size([2, 32, 6, 6])
    """

    def __init__(
        self, inplanes: int, planes: int, *args: Any, reduction: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        channels = planes * self.expansion
        self.se = SqueezeExcitation(channels, max(1, channels // reduction))

    def residual(self, x: Tensor) -> Tensor:
        """1x1, 3x3, 1x1, weights."""
        y: Tensor = self.se(super().residual(x))
        return y


def se_resnet18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-18 with squeeze and excitation (Hu et al. 2018): 11,778,592 parameters.

    Parameters
    ----------
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`~minigrad.models.resnet.ResNet`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.models.se_resnet18(num_classes=10)(mg.zeros(2, 3, 32, 32)).shape
    minigrad.Size([2, 10])
    """
    return load_weights(ResNet(SEBasicBlock, [2, 2, 2, 2], **kwargs), weights)


def se_resnet34(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """SE-ResNet-34: 21,958,868 parameters; arguments as of :func:`se_resnet18`."""
    return load_weights(ResNet(SEBasicBlock, [3, 4, 6, 3], **kwargs), weights)


def se_resnet50(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """SE-ResNet-50: 28,088,024 parameters; arguments as of :func:`se_resnet18`."""
    return load_weights(ResNet(SEBottleneck, [3, 4, 6, 3], **kwargs), weights)


def se_resnet101(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """SE-ResNet-101: 49,326,872 parameters; arguments as of :func:`se_resnet18`."""
    return load_weights(ResNet(SEBottleneck, [3, 4, 23, 3], **kwargs), weights)


def se_resnet152(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """SE-ResNet-152: 66,821,848 parameters; arguments as of :func:`se_resnet18`."""
    return load_weights(ResNet(SEBottleneck, [3, 8, 36, 3], **kwargs), weights)


def se_resnext50_32x4d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """SE-ResNeXt-50, 32 groups of 4: 27,559,896 parameters; arguments as of :func:`se_resnet18`."""
    kwargs = {"groups": 32, "width_per_group": 4} | kwargs
    return load_weights(ResNet(SEBottleneck, [3, 4, 6, 3], **kwargs), weights)


def cifar_se_resnet(depth: int, **kwargs: Any) -> CIFARResNet:
    """A residual network for CIFAR with squeeze and excitation in every block.

    Parameters
    ----------
    depth : int
        ``6 n + 2`` for some n.
    **kwargs
        Of :func:`~minigrad.models.cifar_resnet.cifar_resnet`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.models.cifar_se_resnet(8)(mg.zeros(2, 3, 16, 16)).shape
    minigrad.Size([2, 10])
    """
    return cifar_resnet(depth, block=SEBasicBlock, **kwargs)


def cifar_se_resnet20(**kwargs: Any) -> CIFARResNet:
    """SE-ResNet-20 for CIFAR: 272,095 parameters; arguments as of :func:`cifar_se_resnet`."""
    return cifar_se_resnet(20, **kwargs)


def cifar_se_resnet56(**kwargs: Any) -> CIFARResNet:
    """SE-ResNet-56 for CIFAR: 860,137 parameters; arguments as of :func:`cifar_se_resnet`."""
    return cifar_se_resnet(56, **kwargs)
