"""AlexNet: the network whose lead in the ImageNet contest of 2012 began the present of the field.

Five convolutions and three affine layers, with ReLU (several times faster to train than tanh),
dropout, overlapping pooling and augmented data.

- Krizhevsky, Sutskever and Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
  Networks": :class:`AlexNet2012`, in two columns, for it had to be spread over two processors of
  3 GB each, with local response normalization
- Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"
  (arXiv:1404.5997): :class:`AlexNet`, the one-column version that torchvision has, with 64 instead
  of 96 filters in the first layer, and without local response normalization.
"""

from __future__ import annotations

from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.weights import load_weights

__all__ = ["AlexNet", "AlexNet2012", "alexnet", "alexnet_2012"]


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


class AlexNet2012(nn.Module):
    """The network of 2012: ``(N, 3, H, W) -> (N, num_classes)``; height and width 227.

    (The paper says 224, with which the sizes it gives do not come out.) The second, fourth and
    fifth convolutions see only the maps of their own column: two groups. After the first two, each
    number is divided by a measure of its neighbours in other channels (``k = 2, n = 5,
    alpha = 1e-4, beta = 0.75``; PyTorch's alpha is ``n`` times as large), then pooled with overlap.

    Weights start as ``N(0, 0.01)``; biases at 1 in the convolutions 2, 4 and 5 and in the affine
    layers between, so that ReLUs see positive inputs at first, and at 0 in the others.

    Parameters
    ----------
    num_classes : int
    dropout : float
        The share of the numbers in the affine layers between that is dropped in training.
    hidden : int
        Their width: 4096 in the paper, 2048 for each column.

    References
    ----------
    Krizhevsky, Sutskever and Hinton 2012, sections 3 and 5.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = AlexNet2012(num_classes=10, hidden=32)
    >>> model(mg.zeros(1, 3, 67, 67)).shape
    minigrad.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, *, hidden: int = 4096):
        super().__init__()
        self.features = nn.Sequential(  # for 227 x 227:
            nn.Conv2d(3, 96, kernel_size=11, stride=4),  # 96 x 55 x 55
            nn.ReLU(),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 96 x 27 x 27
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2),
            nn.ReLU(),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 256 x 13 x 13
            nn.Conv2d(256, 384, kernel_size=3, padding=1),  # the columns meet
            nn.ReLU(),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # 256 x 6 x 6
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))  # changes nothing for 227 x 227
        self.classifier = nn.Sequential(
            nn.Linear(256 * 6 * 6, hidden),
            nn.ReLU(),
            nn.Dropout(p=dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(p=dropout),
            nn.Linear(hidden, num_classes),
        )
        self._initialize()

    def _initialize(self) -> None:
        convolutions = [m for m in self.features if isinstance(m, nn.Conv2d)]
        affine = [m for m in self.classifier if isinstance(m, nn.Linear)]
        for layer in (*convolutions, *affine):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        for layer in (convolutions[1], *convolutions[3:], *affine[:-1]):
            nn.init.ones_(layer.bias)

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


def alexnet_2012(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> AlexNet2012:
    """AlexNet in its two columns (Krizhevsky et al. 2012): 60,965,224 parameters.

    The paper says "60 million". Arguments as of :func:`alexnet`, of :class:`AlexNet2012`.
    """
    return load_weights(AlexNet2012(**kwargs), weights)
