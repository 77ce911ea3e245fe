"""Networks for handwritten digits: LeNet-5 as published and as taught, and a small one of today."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn
from minigrad.core.tensor import Tensor, given
from minigrad.names import cat
from minigrad.nn import functional as F
from minigrad.nn.linear import new_parameter

__all__ = ["LeNet5", "MNISTNet", "OriginalLeNet5"]

#: Which of the six maps of S2 each of the sixteen maps of C3 reads (table I of the paper).
CONNECTIONS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip


class LeNet5(nn.Sequential):
    """LeNet-5 as it is taught today: tanh, mean pooling, all maps connected (LeCun et al. 1998).

    ====  ==============================  ===========  ==========
    C1    convolution 5 x 5, tanh         6 x 28 x 28         156
    S2    mean pooling 2 x 2              6 x 14 x 14           0
    C3    convolution 5 x 5, tanh        16 x 10 x 10       2,416
    S4    mean pooling 2 x 2              16 x 5 x 5            0
    C5    linear, tanh                           120       48,120
    F6    linear, tanh                            84       10,164
    out   linear                                  10          850
    ====  ==============================  ===========  ==========

    61,706 parameters in all. :class:`OriginalLeNet5` is the published network.

    Parameters
    ----------
    num_classes : int
    activation : callable
        Makes the activation: tanh as published, or ``nn.ReLU`` to see the difference.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = LeNet5()
    >>> net(mg.ones(2, 1, 28, 28)).shape
    minigrad.Size([2, 10])
    >>> sum(p.numel() for p in net.parameters())
    61706
    """

    def __init__(self, num_classes: int = 10, activation: type[nn.Module] = nn.Tanh) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2), activation(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), activation(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120), activation(),
            nn.Linear(120, 84), activation(),
            nn.Linear(84, num_classes),
        )  # fmt: skip


class ScaledTanh(nn.Module):
    """``1.7159 tanh(2/3 x)``: 1 and -1 go to themselves, where the slope's change is largest.

    Targets of 1 and -1 do not drive units into saturation (LeCun et al. 1998, appendix A).

    Examples
    --------
    >>> import minigrad as mg
    >>> ScaledTanh()(mg.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.0000,  0.0000,  1.0000])
    """

    def forward(self, x: Tensor) -> Tensor:
        """The squashed input."""
        return 1.7159 * (2 / 3 * x).tanh()


class Subsampling(nn.Module):
    """The mean of windows of 2 x 2, times a weight and plus a bias for each map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.init.ones_(new_parameter((channels, 1, 1)))
        self.bias = nn.init.zeros_(new_parameter((channels, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Maps of half the size, (N, C, H / 2, W / 2)."""
        return F.avg_pool2d(x, 2) * self.weight + self.bias


class PartialConv2d(nn.Module):
    """A convolution in which each map of the result reads only some of the maps of the input.

    To break the symmetry: maps that see different inputs learn different features. Rows of the
    table with equally many inputs form one grouped convolution.

    Parameters
    ----------
    connections : tuple of tuples of int
        For each map of the result the maps that it reads; sorted by their number.
    kernel_size : int
    """

    def __init__(self, connections: tuple[tuple[int, ...], ...], kernel_size: int) -> None:
        super().__init__()
        widths = sorted({len(c) for c in connections})
        if [len(c) for c in connections] != sorted(len(c) for c in connections):
            raise ValueError("PartialConv2d: sort the connections by the number of their inputs")
        self.convs = nn.ModuleList()
        self._reads: list[np.ndarray[Any, Any]] = []
        for width in widths:
            rows = [c for c in connections if len(c) == width]
            conv = nn.Conv2d(width * len(rows), len(rows), kernel_size, groups=len(rows))
            self.convs.append(conv)
            self._reads.append(np.array(rows, np.int64).reshape(-1))

    def forward(self, x: Tensor) -> Tensor:
        """The maps, in the order of the table."""
        return cat(
            [conv(x.index_select(1, given(i))) for conv, i in zip(self.convs, self._reads)], 1
        )


class OriginalLeNet5(nn.Module):
    """LeNet-5 as published, with its 60,000 trainable parameters (LeCun et al. 1998).

    Other than in :class:`LeNet5`, pooling has a weight and a bias per map, C3 reads S2 by a table,
    the squashing function is :class:`ScaledTanh`, and the output has no parameters: it is the
    squared distance of F6 from a fixed code of -1 and 1 for each class, so that *small* is near.
    The paper's codes are little pictures of the characters; here they are rows of a Hadamard
    matrix, as far apart from each other as codes can be.

    Parameters
    ----------
    num_classes : int

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    1998.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = OriginalLeNet5()
    >>> sum(p.numel() for p in net.parameters())
    60000
    >>> net(mg.ones(2, 1, 28, 28)).shape  # minus the distances: the highest score is the nearest
    minigrad.Size([2, 10])
    """

    codes: Tensor

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        if not 0 < num_classes <= 127:
            raise ValueError(f"there are codes for 1 to 127 classes, got num_classes={num_classes}")
        self.c1 = nn.Conv2d(1, 6, 5, padding=2)
        self.s2 = Subsampling(6)
        self.c3 = PartialConv2d(CONNECTIONS, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.squash = ScaledTanh()
        self.register_buffer("codes", given(_codes(num_classes, 84)))

    def forward(self, x: Tensor) -> Tensor:
        """Minus the squared distance from the code of each class.

        Parameters
        ----------
        x : Tensor, shape (N, 1, 28, 28)

        Returns
        -------
        Tensor, shape (N, num_classes)
        """
        x = self.squash(self.s2(self.c1(x)))
        x = self.squash(self.s4(self.c3(x)))
        x = self.squash(self.f6(self.squash(self.c5(x)).flatten(1)))
        return -(x.unsqueeze(1) - self.codes).square().sum(2)


def _codes(count: int, length: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Rows of a Hadamard matrix (Sylvester 1867), without the first one, of equal signs."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < max(length, count + 1):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.ascontiguousarray(matrix[1 : count + 1, :length])


class MNISTNet(nn.Module):
    """Two convolutions and two linear layers with relu and dropout: about 99% on MNIST.

    The network of PyTorch's first example, with 1,199,882 parameters.

    Parameters
    ----------
    num_classes : int

    Examples
    --------
    >>> import minigrad as mg
    >>> MNISTNet()(mg.ones(2, 1, 28, 28)).shape  # logarithms of probabilities
    minigrad.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * 12 * 12, 128)
        self.fc2 = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        x : Tensor, shape (N, 1, 28, 28)

        Returns
        -------
        Tensor, shape (N, num_classes)
        """
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout1(F.max_pool2d(x, 2)).flatten(1)
        x = self.fc2(self.dropout2(F.relu(self.fc1(x))))
        return F.log_softmax(x, dim=1)
