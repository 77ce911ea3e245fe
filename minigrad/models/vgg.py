"""VGG: nothing but 3x3 convolutions, deep.

Two 3x3 convolutions see as much as one of 5x5, three as much as one of 7x7, with fewer parameters
and a non-linearity in between.

- Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
  (arXiv:1409.1556); batch normalization came later (Ioffe and Szegedy 2015).

The networks are torchvision's, with its names of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.weights import load_weights

__all__ = [
    "VGG", "make_layers", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19",
    "vgg19_bn",
]  # fmt: skip

#: How many convolutions each of the five stages has: columns A, B, D and E of the paper's table 1.
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False) -> nn.Sequential:
    """The convolutional part, from a list of channels and ``"M"`` for max pooling.

    Parameters
    ----------
    cfg : sequence of int or "M"
        A number stands for a 3x3 convolution with so many channels and ReLU, ``"M"`` for 2x2
        pooling.
    batch_norm : bool
        Whether each convolution is normalized.

    Raises
    ------
    ValueError
        For other entries.

    Examples
    --------
    >>> make_layers([8, "M"])
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (1): ReLU(inplace=True)
      (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    )
    """
    layers: list[nn.Module] = []
    channels = 3
    for entry in cfg:
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        elif isinstance(entry, int):
            layers.append(nn.Conv2d(channels, entry, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(entry))
            layers.append(nn.ReLU(inplace=True))
            channels = entry
        else:
            raise ValueError(f"make_layers expects numbers of channels and 'M', got {entry!r}")
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """``(N, 3, H, W) -> (N, num_classes)``; height and width 224 in the paper, at least 32.

    Convolutions start with He's normal distribution by ``fan_out``, affine layers with
    ``N(0, 0.01**2)``, all biases with 0. (The paper had to train the small networks first, to start
    the deep ones from them; He et al. 2015 made that unnecessary.)

    Parameters
    ----------
    features : Module
        The convolutional part, as :func:`make_layers` makes it, with 512 channels at its end.
    num_classes : int
    init_weights : bool
        Draw the parameters as above; else they stay as `features` and ``nn.Linear`` have them.
    dropout : float
        The share of the hidden affine units that is dropped in training.
    hidden : int
        The number of those units: 4096 in the paper.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = VGG(make_layers([16, "M", 512, "M"]), num_classes=10, hidden=32)
    >>> model(mg.zeros(2, 3, 28, 28)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True,
        dropout: float = 0.5, *, hidden: int = 4096,
    ) -> None:  # fmt: skip
        super().__init__()

        def linear(inputs: int, outputs: int) -> nn.Linear:
            if init_weights:  # draws 124 million once, not twice
                return nn.utils.skip_init(nn.Linear, inputs, outputs)
            return nn.Linear(inputs, outputs)

        self.features = features  # 512 x 7 x 7, for 224 x 224
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))  # changes nothing then
        self.classifier = nn.Sequential(
            linear(512 * 7 * 7, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            linear(hidden, num_classes),
        )
        if init_weights:
            self._draw()

    def _draw(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        x = self.avgpool(self.features(x))
        x = self.classifier(x.flatten(1))
        return x


def _vgg(depth: int, batch_norm: bool, weights: Any, **kwargs: Any) -> VGG:
    cfg: list[int | str] = []
    for width, count in zip(_WIDTHS, _DEPTHS[depth]):
        cfg += [width] * count + ["M"]
    return load_weights(VGG(make_layers(cfg, batch_norm), **kwargs), weights)


def vgg11(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers (column A of the paper): 132,863,336 parameters.

    Parameters
    ----------
    weights : path, optional
        A file of trained parameters; see :func:`minigrad.models.load_weights`.
    progress : bool
        Without effect: nothing is downloaded.
    **kwargs
        Of :class:`VGG`.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.models.vgg11(num_classes=10, hidden=32)
    >>> model(mg.zeros(1, 3, 32, 32)).shape
    minigrad.Size([1, 10])
    """
    return _vgg(11, False, weights, **kwargs)


def vgg11_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-11 with batch normalization: 132,868,840 parameters; arguments as of :func:`vgg11`."""
    return _vgg(11, True, weights, **kwargs)


def vgg13(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13 (column B): 133,047,848 parameters; arguments as of :func:`vgg11`."""
    return _vgg(13, False, weights, **kwargs)


def vgg13_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13 with batch normalization: 133,053,736 parameters; arguments as of :func:`vgg11`."""
    return _vgg(13, True, weights, **kwargs)


def vgg16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16 (column D): 138,357,544 parameters; arguments as of :func:`vgg11`."""
    return _vgg(16, False, weights, **kwargs)


def vgg16_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16 with batch normalization: 138,365,992 parameters; arguments as of :func:`vgg11`."""
    return _vgg(16, True, weights, **kwargs)


def vgg19(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19 (column E): 143,667,240 parameters; arguments as of :func:`vgg11`."""
    return _vgg(19, False, weights, **kwargs)


def vgg19_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19 with batch normalization: 143,678,248 parameters; arguments as of :func:`vgg11`."""
    return _vgg(19, True, weights, **kwargs)
