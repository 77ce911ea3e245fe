"""AlexNet: the network whose lead in the ImageNet contest of 2012 began the present of the field.

Five convolutions and three affine layers, with ReLU (several times faster to train than tanh),
dropout, overlapping pooling and augmented data.

- Krizhevsky, Sutskever and Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
  Networks"
- Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"
  (arXiv:1404.5997): the one-column version that torchvision has and this is, with 64 instead of 96
  filters in the first layer, and without local response normalization.
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.weights import load_weights

__all__ = ["AlexNet", "alexnet"]


class AlexNet(nn.Module):
    """``(N, 3, H, W) -> (N, num_classes)``; height and width 224 in the paper, at least 63.

    All layers start as ``nn.Conv2d`` and ``nn.Linear`` do.

    Parameters
    ----------
    num_classes : int
    dropout : float
        The share of the inputs of the first two affine layers that is dropped in training.
    hidden : int
        The width of those layers: 4096 in the paper.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = AlexNet(num_classes=10, hidden=32)
    >>> model(mg.zeros(1, 3, 63, 63)).shape
    minigrad.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, *, hidden: int = 4096):
        super().__init__()
        self.features = nn.Sequential(  # for 224 x 224:
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),  # 64 x 55 x 55
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 64 x 27 x 27
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 192 x 13 x 13
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 256 x 6 x 6
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))  # changes nothing for 224 x 224
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = self.avgpool(self.features(x))
        x = self.classifier(x.flatten(1))
        return x


def alexnet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> AlexNet:
    """AlexNet (Krizhevsky 2014): 61,100,840 parameters, of which the affine layers have 96%.

    Parameters
    ----------
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`AlexNet`.
    """
    return load_weights(AlexNet(**kwargs), weights)
