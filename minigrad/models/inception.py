"""Inception-v3: inception blocks with their large windows taken apart.

A 5x5 convolution becomes two of 3x3, a 7x7 one of 1x7 and one of 7x1, and a pooling runs beside a
strided convolution, so that neither loses what the other keeps.

- Szegedy et al. 2015, "Rethinking the Inception Architecture for Computer Vision"
  (arXiv:1512.00567), which also brought label smoothing (``nn.CrossEntropyLoss(label_smoothing=)``)

The network is torchvision's, with its names of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.googlenet import BasicConv2d, ConvBlock, from_imagenet
from minigrad.models.weights import load_weights
from minigrad.names import cat
from minigrad.nn import functional as F

__all__ = [
    "Inception3", "InceptionA", "InceptionB", "InceptionC", "InceptionD", "InceptionE",
    "InceptionOutputs", "inception_v3",
]  # fmt: skip


class InceptionOutputs(NamedTuple):
    """What :class:`Inception3` with an auxiliary head gives in training: (N, num_classes) each."""

    logits: Tensor
    aux_logits: Tensor


class InceptionA(nn.Module):
    """1x1, 5x5, two of 3x3, mean pooling: ``(N, C, H, W) -> (N, 224 + pool_features, H, W)``.

    Parameters
    ----------
    in_channels, pool_features : int
    conv_block : callable, optional
        Makes a convolution; :class:`~minigrad.models.googlenet.BasicConv2d` by default.
    """

    def __init__(
        self, in_channels: int, pool_features: int, conv_block: ConvBlock | None = None
    ) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1x1 = conv(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv(in_channels, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """The four branches, concatenated."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return cat([self.branch1x1(x), five, double, pool], 1)


class InceptionB(nn.Module):
    """Half the height and width: ``(N, C, H, W) -> (N, 480 + C, (H - 1) / 2, (W - 1) / 2)``.

    Parameters
    ----------
    in_channels : int
    conv_block : callable, optional
        Makes a convolution; :class:`~minigrad.models.googlenet.BasicConv2d` by default.
    """

    def __init__(self, in_channels: int, conv_block: ConvBlock | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch3x3 = conv(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """The three branches, concatenated."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat([self.branch3x3(x), double, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionC(nn.Module):
    """Windows of 7, one dimension at a time: ``(N, C, H, W) -> (N, 768, H, W)``.

    Parameters
    ----------
    in_channels, channels_7x7 : int
    conv_block : callable, optional
        Makes a convolution; :class:`~minigrad.models.googlenet.BasicConv2d` by default.
    """

    def __init__(
        self, in_channels: int, channels_7x7: int, conv_block: ConvBlock | None = None
    ) -> None:
        super().__init__()
        conv, c = conv_block or BasicConv2d, channels_7x7
        row: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
        column: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = conv(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv(in_channels, c, kernel_size=1)
        self.branch7x7_2 = conv(c, c, **row)
        self.branch7x7_3 = conv(c, 192, **column)
        self.branch7x7dbl_1 = conv(in_channels, c, kernel_size=1)
        self.branch7x7dbl_2 = conv(c, c, **column)
        self.branch7x7dbl_3 = conv(c, c, **row)
        self.branch7x7dbl_4 = conv(c, c, **column)
        self.branch7x7dbl_5 = conv(c, 192, **row)
        self.branch_pool = conv(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """The four branches, concatenated."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return cat([self.branch1x1(x), seven, double, pool], 1)


class InceptionD(nn.Module):
    """Half the height and width: ``(N, C, H, W) -> (N, 512 + C, (H - 1) / 2, (W - 1) / 2)``.

    Parameters
    ----------
    in_channels : int
    conv_block : callable, optional
        Makes a convolution; :class:`~minigrad.models.googlenet.BasicConv2d` by default.
    """

    def __init__(self, in_channels: int, conv_block: ConvBlock | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch3x3_1 = conv(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = conv(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = conv(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """The three branches, concatenated."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_2(self.branch7x7x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        return cat([three, seven, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionE(nn.Module):
    """Wide: 1x3 and 3x1 side by side: ``(N, C, H, W) -> (N, 2048, H, W)``.

    Parameters
    ----------
    in_channels : int
    conv_block : callable, optional
        Makes a convolution; :class:`~minigrad.models.googlenet.BasicConv2d` by default.
    """

    def __init__(self, in_channels: int, conv_block: ConvBlock | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        row: dict[str, Any] = {"kernel_size": (1, 3), "padding": (0, 1)}
        column: dict[str, Any] = {"kernel_size": (3, 1), "padding": (1, 0)}
        self.branch1x1 = conv(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv(384, 384, **row)
        self.branch3x3_2b = conv(384, 384, **column)
        self.branch3x3dbl_1 = conv(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv(384, 384, **row)
        self.branch3x3dbl_3b = conv(384, 384, **column)
        self.branch_pool = conv(in_channels, 192, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """The six branches, concatenated."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            pool,
        ]
        return cat(branches, 1)


class InceptionAux(nn.Module):
    """The auxiliary head: ``(N, in_channels, H, W) -> (N, num_classes)``, with H and W from 17.

    Parameters
    ----------
    in_channels, num_classes : int
    conv_block : callable, optional
        Makes a convolution; :class:`~minigrad.models.googlenet.BasicConv2d` by default.
    """

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: ConvBlock | None = None
    ) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = F.avg_pool2d(x, kernel_size=5, stride=3)  # 768 x 5 x 5
        x = self.conv1(self.conv0(x))  # 768 x 1 x 1
        x = self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))
        return x


class Inception3(nn.Module):
    """``(N, 3, H, W) -> (N, num_classes)``; height and width 299 in the paper, at least 75.

    In training with the auxiliary head (for which images are at least 299 x 299), an
    :class:`InceptionOutputs` with the scores of both.

    Parameters
    ----------
    num_classes : int
    aux_logits : bool
        Whether there is an auxiliary head.
    transform_input : bool
        Whether images come normalized by ImageNet's mean and std, and are to be changed as
        :func:`~minigrad.models.googlenet.from_imagenet` does.
    inception_blocks : sequence of seven callables, optional
        In place of :class:`~minigrad.models.googlenet.BasicConv2d`, :class:`InceptionA` to
        :class:`InceptionE`, and :class:`InceptionAux`.
    init_weights : bool
        Draw all weights from ``N(0, 0.1**2)`` (``fc`` of the auxiliary head: 0.001). torchvision
        draws them truncated at +-2, slowly: that is 20 standard deviations away, so it is the same.
    dropout : float
        The share dropped in training in front of the last layer.

    Raises
    ------
    ValueError
        If `inception_blocks` are not seven.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = Inception3(num_classes=10, aux_logits=False)
    >>> model(mg.zeros(2, 3, 75, 75)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        inception_blocks: Sequence[ConvBlock] | None = None, init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        if inception_blocks is None:
            inception_blocks = [
                BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE,
                InceptionAux,
            ]  # fmt: skip
        if len(inception_blocks) != 7:
            raise ValueError(
                f"length of inception_blocks should be 7 instead of {len(inception_blocks)}"
            )
        conv, a, b, c, d, e, head = inception_blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        # sizes behind the stages, for 299 x 299
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)  # 64 x 73 x 73
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)  # 192 x 35 x 35
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)  # 288 x 35 x 35
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)  # 768 x 17 x 17
        self.AuxLogits = head(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)  # 2048 x 8 x 8
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            self._draw()

    def _draw(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, 0, 0.001 if name == "AuxLogits.fc" else 0.1)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        """The scores of the classes (before softmax), in training those of the head, too."""
        if self.transform_input:
            x = from_imagenet(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        aux = None
        if self.training and self.AuxLogits is not None:
            aux = self.AuxLogits(x)
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(self.dropout(self.avgpool(x)).flatten(1))
        return x if aux is None else InceptionOutputs(x, aux)


def inception_v3(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> Inception3:
    """Inception-v3 (Szegedy et al. 2015): 27,161,264 parameters; 23,834,568 without the head.

    Parameters
    ----------
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`. With
        one, `transform_input` is True, unless it is given.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`Inception3`.
    """
    if weights is not None:
        kwargs = {"transform_input": True, "init_weights": False} | kwargs
    model = Inception3(**kwargs)
    return load_weights(model, weights, () if model.aux_logits else ("AuxLogits.",))
