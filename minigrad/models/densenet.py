"""DenseNet: each layer reads the outputs of all layers before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.cifar_resnet import blocks_per_stage
from minigrad.models.weights import load_weights
from minigrad.names import cat
from minigrad.nn import functional as F
from minigrad.utils.checkpoint import checkpoint

__all__ = [
    "CIFARDenseNet", "DenseNet", "cifar_densenet100", "densenet121", "densenet161", "densenet169",
    "densenet201",
]  # fmt: skip


class _DenseLayer(nn.Module):
    """Norm, relu, conv 1 x 1 (the bottleneck), norm, relu, conv 3 x 3: `growth_rate` new maps."""

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        between = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.utils.skip_init(
            nn.Conv2d, num_input_features, between, kernel_size=1, bias=False
        )
        self.norm2 = nn.BatchNorm2d(between)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.utils.skip_init(nn.Conv2d, between, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def _bottleneck(self, *features: Tensor) -> Tensor:
        y: Tensor = self.conv1(self.relu1(self.norm1(cat(features, 1))))
        return y

    @contextmanager
    def _statistics_held(self) -> Iterator[None]:
        """While the bottleneck runs for the second time, its statistics must not move again."""
        self.norm1.track_running_stats = False
        try:
            yield
        finally:
            self.norm1.track_running_stats = True

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), self._statistics_held()

    def forward(self, features: list[Tensor]) -> Tensor:
        """The new maps, (N, growth_rate, H, W), from all maps so far."""
        if self.memory_efficient:
            # The concatenation and its normalization are as large as all maps together, and there
            # is one of each per layer: compute them again in backward.
            y = checkpoint(
                self._bottleneck, *features, use_reentrant=False, context_fn=self._contexts
            )
        else:
            y = self._bottleneck(*features)
        new: Tensor = self.conv2(self.relu2(self.norm2(y)))
        return F.dropout(new, self.drop_rate, self.training) if self.drop_rate > 0 else new


class _DenseBlock(nn.ModuleDict):
    """Layers that each add their maps to the common ones."""

    def __init__(
        self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int,
        drop_rate: float, memory_efficient: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        for i in range(num_layers):
            features = num_input_features + i * growth_rate
            layer = _DenseLayer(features, growth_rate, bn_size, drop_rate, memory_efficient)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features: Tensor) -> Tensor:
        """All maps: those that came in, and those that each layer added."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Between blocks: half the maps, half the height and width."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU()
        self.conv = nn.utils.skip_init(
            nn.Conv2d, num_input_features, num_output_features, 1, bias=False
        )
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


def _initialize(net: Any) -> None:
    """As the paper's program: He's distribution, and no bias at first."""
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
    nn.init.zeros_(net.classifier.bias)


def _classified(net: Any, x: Tensor) -> Tensor:
    """The scores of the means of the maps."""
    features = F.relu(net.features(x))
    scores: Tensor = net.classifier(F.adaptive_avg_pool2d(features, (1, 1)).flatten(1))
    return scores


class DenseNet(nn.Module):
    """``x_l = H_l([x_0, x_1, ..., x_(l-1)])``: maps are concatenated, never added (Huang 2017).

    Every layer has a short path to the loss and to the input, and none needs to learn again what
    another has found: few maps per layer are enough.

    Parameters
    ----------
    growth_rate : int
        How many maps each layer adds.
    block_config : tuple of int
        How many layers each block has.
    num_init_features : int
        Maps of the first convolution.
    bn_size : int
        The bottleneck before each 3 x 3 convolution has ``bn_size * growth_rate`` maps.
    drop_rate : float
        Dropout behind each layer.
    num_classes : int
    memory_efficient : bool
        Compute the concatenations and their normalizations again in backward instead of keeping
        them (Pleiss et al. 2017): slower, in memory linear in the depth instead of quadratic. The
        result and the running statistics are the same.

    References
    ----------
    Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2017.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=10)
    >>> net(mg.ones(2, 3, 32, 32)).shape
    minigrad.Size([2, 10])
    >>> list(net.state_dict())[6]
    'features.denseblock1.denselayer1.norm1.weight'
    """

    def __init__(
        self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0,
        num_classes: int = 1000, memory_efficient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = nn.Sequential()
        for name, stem in (
            ("conv0", nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(num_init_features)),
            ("relu0", nn.ReLU()),
            ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
        ):
            self.features.add_module(name, stem)
        maps = num_init_features
        for i, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, maps, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            maps += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(maps, maps // 2))
                maps //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(maps))
        self.classifier = nn.Linear(maps, num_classes)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes.

        Parameters
        ----------
        x : Tensor, shape (N, 3, H, W)
            H and W at least 29 with four blocks.

        Returns
        -------
        Tensor, shape (N, num_classes)
        """
        return _classified(self, x)


class CIFARDenseNet(nn.Module):
    """``(N, in_channels, H, W) -> (N, num_classes)`` for small images: DenseNet-BC.

    A 3x3 convolution, three blocks of ``(depth - 4) / 6`` layers at full, half and quarter size,
    halving transitions between, the mean of each channel, an affine layer (Huang et al. 2017,
    section 4.2).

    Parameters
    ----------
    depth : int
        ``6 n + 4`` for some n.
    growth_rate : int
        How many maps each layer adds.
    num_classes : int
    in_channels : int
        1 for MNIST.
    drop_rate : float
        Dropout behind each layer: 0.2 in the paper where images are not augmented.

    Raises
    ------
    ValueError
        If `depth` is not ``6 n + 4``.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = CIFARDenseNet(depth=10, growth_rate=4, in_channels=1)
    >>> net(mg.ones(2, 1, 28, 28)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, depth: int = 100, growth_rate: int = 12, num_classes: int = 10, *,
        in_channels: int = 3, drop_rate: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        layers = blocks_per_stage(depth, 2, 4)
        maps = 2 * growth_rate
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(in_channels, maps, 3, padding=1, bias=False))
        for i in (1, 2, 3):
            block = _DenseBlock(layers, maps, 4, growth_rate, drop_rate, False)
            self.features.add_module(f"denseblock{i}", block)
            maps += layers * growth_rate
            if i < 3:
                self.features.add_module(f"transition{i}", _Transition(maps, maps // 2))
                maps //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(maps))
        self.classifier = nn.Linear(maps, num_classes)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of the classes (before softmax)."""
        return _classified(self, x)


def densenet121(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-121: blocks of 6, 12, 24 and 16 layers, 7,978,856 parameters.

    Parameters
    ----------
    weights : path, optional
        A file with trained parameters, see :func:`minigrad.models.load_weights`.
    progress : bool
        Accepted.
    **kwargs
        For :class:`DenseNet`.

    Examples
    --------
    >>> sum(p.numel() for p in densenet121().parameters())
    7978856
    """
    return load_weights(DenseNet(32, (6, 12, 24, 16), 64, **kwargs), weights)


def densenet161(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-161: growth rate 48, blocks of 6, 12, 36 and 24 layers, 28,681,000 parameters.

    Parameters as of :func:`densenet121`.
    """
    return load_weights(DenseNet(48, (6, 12, 36, 24), 96, **kwargs), weights)


def densenet169(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-169: blocks of 6, 12, 32 and 32 layers, 14,149,480 parameters.

    Parameters as of :func:`densenet121`.
    """
    return load_weights(DenseNet(32, (6, 12, 32, 32), 64, **kwargs), weights)


def densenet201(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-201: blocks of 6, 12, 48 and 32 layers, 20,013,928 parameters.

    Parameters as of :func:`densenet121`.
    """
    return load_weights(DenseNet(32, (6, 12, 48, 32), 64, **kwargs), weights)


def cifar_densenet100(
    *, weights: Any = None, progress: bool = True, **kwargs: Any
) -> CIFARDenseNet:
    """DenseNet-BC of 100 layers, growth rate 12, for CIFAR (Huang 2017): 769,162 parameters.

    Arguments as of :func:`densenet121`, of :class:`CIFARDenseNet`.
    """
    return load_weights(CIFARDenseNet(**kwargs), weights)
