"""GoogLeNet: blocks of parallel convolutions, and few parameters.

Each *inception* block looks at its input through 1x1, 3x3 and 5x5 windows and a pooling at once;
1x1 convolutions in front of the expensive ones reduce the channels. Two auxiliary heads in the
middle bring gradient to the lower layers in training.

- Szegedy et al. 2014, "Going Deeper with Convolutions" (arXiv:1409.4842); with batch normalization
  (Ioffe and Szegedy 2015), as torchvision has it.

The network is torchvision's, with its names of parameters. As there, what the paper gives as 5x5 is
a 3x3 convolution: so were the trained weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.weights import load_weights
from minigrad.names import cat, tensor
from minigrad.nn import functional as F

__all__ = [
    "BasicConv2d", "GoogLeNet", "GoogLeNetOutputs", "Inception", "InceptionAux", "from_imagenet",
    "googlenet",
]  # fmt: skip

ConvBlock = Callable[..., nn.Module]


class GoogLeNetOutputs(NamedTuple):
    """What :class:`GoogLeNet` with auxiliary heads gives in training: scores (N, num_classes)."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class BasicConv2d(nn.Module):
    """A convolution without bias, batch normalization (``eps=0.001``), ReLU.

    Parameters
    ----------
    in_channels, out_channels : int
    **kwargs
        Of ``nn.Conv2d``.

    Examples
    --------
    >>> import minigrad as mg
    >>> BasicConv2d(3, 8, kernel_size=3)(mg.ones(2, 3, 6, 6)).shape
    minigrad.Size([2, 8, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """``relu(bn(conv(x)))``."""
        y: Tensor = F.relu(self.bn(self.conv(x)), inplace=True)
        return y


class Inception(nn.Module):
    """Four ways to look at the input, their results side by side.

    ``(N, in_channels, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W)``.

    Parameters
    ----------
    in_channels : int
    ch1x1 : int
        Channels of the 1x1 convolution.
    ch3x3red, ch3x3 : int
        Channels of a 1x1 convolution, and of the 3x3 behind it.
    ch5x5red, ch5x5 : int
        The same for the branch that is 5x5 in the paper, and 3x3 here.
    pool_proj : int
        Channels of the 1x1 convolution behind the 3x3 pooling.
    conv_block : callable, optional
        Makes a convolution; :class:`BasicConv2d` by default.

    Examples
    --------
    >>> import minigrad as mg
    >>> Inception(8, 4, 2, 6, 2, 3, 1)(mg.ones(2, 8, 5, 5)).shape
    minigrad.Size([2, 14, 5, 5])
    """

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
        pool_proj: int, conv_block: ConvBlock | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The four branches, concatenated."""
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """An auxiliary head: ``(N, in_channels, H, W) -> (N, num_classes)``.

    Parameters
    ----------
    in_channels, num_classes : int
    conv_block : callable, optional
        Makes a convolution; :class:`BasicConv2d` by default.
    dropout : float
        The share of the hidden units that is dropped in training.
    """

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: ConvBlock | None = None,
        dropout: float = 0.7,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4)))  # 128 x 4 x 4
        x = F.relu(self.fc1(x.flatten(1)), inplace=True)
        x = self.fc2(self.dropout(x))
        return x


def from_imagenet(x: Tensor) -> Tensor:
    """Change images (N, 3, H, W) from ImageNet's mean and std per channel to 0.5 and 0.5.

    The trained weights of Inception networks were made with images scaled to [-1, 1].

    Examples
    --------
    >>> import minigrad as mg
    >>> black = mg.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    >>> from_imagenet(black.view(1, 3, 1, 1)).flatten()
    tensor([-1., -1., -1.])
    """
    scale = [0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5]
    shift = [(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5]
    a, b = (tensor(values, dtype=x.dtype).view(3, 1, 1) for values in (scale, shift))
    return x * a + b


class GoogLeNet(nn.Module):
    """``(N, 3, H, W) -> (N, num_classes)``; height and width 224 in the paper, at least 16.

    In training with auxiliary heads, a :class:`GoogLeNetOutputs` with the scores of all three
    heads; the paper's loss is that of the first plus 0.3 times those of the others.

    Parameters
    ----------
    num_classes : int
    aux_logits : bool
        Whether there are auxiliary heads.
    transform_input : bool
        Whether images come normalized by ImageNet's mean and std, and are to be changed as
        :func:`from_imagenet` does.
    init_weights : bool
        Draw all weights from ``N(0, 0.01**2)``. (torchvision draws them truncated at +-2, which is
        200 standard deviations away: the same.)
    blocks : sequence of three callables, optional
        In place of :class:`BasicConv2d`, :class:`Inception`, :class:`InceptionAux`.
    dropout, dropout_aux : float
        The shares dropped in training in front of the last layer, and in the auxiliary heads.

    Raises
    ------
    ValueError
        If `blocks` are not three.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = GoogLeNet(num_classes=10, aux_logits=False)
    >>> model(mg.zeros(2, 3, 32, 32)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        init_weights: bool = True, blocks: Sequence[ConvBlock] | None = None, dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:  # fmt: skip
        super().__init__()
        if blocks is None:
            blocks = [BasicConv2d, Inception, InceptionAux]
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, head = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        # sizes behind the stages, for 224 x 224
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # 64 x 56 x 56
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # 192 x 28 x 28
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # 480 x 14 x 14
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)  # 832 x 7 x 7
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)  # 1024 x 7 x 7
        self.aux1 = head(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = head(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    nn.init.normal_(module.weight, 0, 0.01)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """The scores of the classes (before softmax), in training those of the heads, too."""
        heads = self.training and self.aux_logits
        if self.transform_input:
            x = from_imagenet(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        aux1 = self.aux1(x) if heads and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if heads and self.aux2 is not None else None
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x)))
        x = self.fc(self.dropout(x.flatten(1)))
        return GoogLeNetOutputs(x, aux2, aux1) if heads else x  # type: ignore[arg-type]


def googlenet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> GoogLeNet:
    """GoogLeNet (Szegedy et al. 2014): 6,624,904 parameters; 13,004,888 with auxiliary heads.

    Parameters
    ----------
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`. With
        one, `aux_logits` is False and `transform_input` True, unless they are given.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`GoogLeNet`.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.models.googlenet(num_classes=10)
    >>> scores, aux2, aux1 = model(mg.zeros(2, 3, 32, 32))
    >>> scores.shape, aux2.shape, aux1.shape
    (minigrad.Size([2, 10]), minigrad.Size([2, 10]), minigrad.Size([2, 10]))
    """
    if weights is not None:
        kwargs = {"aux_logits": False, "transform_input": True, "init_weights": False} | kwargs
    model = GoogLeNet(**kwargs)
    return load_weights(model, weights, () if model.aux_logits else ("aux1.", "aux2."))
