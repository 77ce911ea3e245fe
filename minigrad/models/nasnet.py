"""NASNet-A: two small cells that a search found, stacked by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad import nn
from minigrad.core.tensor import Tensor
from minigrad.models.blocks import StochasticDepth
from minigrad.models.weights import load_weights
from minigrad.names import cat
from minigrad.nn import functional as F

__all__ = ["NORMAL", "REDUCTION", "Cell", "NASNetA", "Table", "nasnet_a_cifar", "nasnet_a_mobile"]


class Table(NamedTuple):
    """What a cell computes.

    Attributes
    ----------
    pairs : tuple of ((str, int), (str, int))
        The rows: two operations, and the number of the map that each reads.
    outputs : tuple of int
        The numbers of the maps that are concatenated to the output.
    stride : {1, 2}
        Of the operations on the two inputs: 2 in a reduction cell.
    """

    pairs: tuple[tuple[tuple[str, int], tuple[str, int]], ...]
    outputs: tuple[int, ...]
    stride: int


# A cell reads two maps, numbered 0 (the output of the cell below) and 1 (that of the cell below
# it). Each row adds two of what is there, each after an operation, and gives the sum the next
# number; the last row says what is concatenated to the cell's output. These two tables are all
# that the search of the paper had to find.
#
#        operation, of         operation, of
NORMAL = Table(
    pairs=(
        (("sep 5x5", 0), ("sep 3x3", 1)),  # 2
        (("sep 5x5", 1), ("sep 3x3", 1)),  # 3
        (("avg 3x3", 0), ("identity", 1)),  # 4
        (("avg 3x3", 1), ("avg 3x3", 1)),  # 5
        (("sep 3x3", 0), ("identity", 0)),  # 6
    ),
    outputs=(1, 2, 3, 4, 5, 6),
    stride=1,
)
REDUCTION = Table(
    pairs=(
        (("sep 5x5", 0), ("sep 7x7", 1)),  # 2
        (("max 3x3", 0), ("sep 7x7", 1)),  # 3
        (("avg 3x3", 0), ("sep 5x5", 1)),  # 4
        (("avg 3x3", 2), ("identity", 3)),  # 5
        (("sep 3x3", 2), ("max 3x3", 0)),  # 6
    ),
    outputs=(3, 4, 5, 6),
    stride=2,
)

#: Of all batch normalizations, as in the paper's own program.
EPS, MOMENTUM = 1e-3, 3e-4


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)


class _Separable(nn.Sequential):
    """Twice: relu, a convolution for each channel by itself, one of 1 x 1, norm."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int) -> None:
        layers: list[nn.Module] = []
        for source, step in ((inputs, stride), (channels, 1)):
            padding = kernel // 2
            layers += [
                nn.ReLU(),
                nn.Conv2d(source, source, kernel, step, padding, groups=source, bias=False),
                nn.Conv2d(source, channels, 1, bias=False),
                _norm(channels),
            ]
        super().__init__(*layers)


def _squeeze(inputs: int, channels: int) -> nn.Sequential:
    """Bring a map to the channels of the cell."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, channels, 1, bias=False), _norm(channels))


class _FactorizedReduction(nn.Module):
    """Half the size without loss of information: two samplings by 2, one pixel apart."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels // 2, 1, bias=False)
        self.conv2 = nn.Conv2d(inputs, channels - channels // 2, 1, bias=False)
        self.norm = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        both = [self.conv1(x[:, :, ::2, ::2]), self.conv2(shifted[:, :, ::2, ::2])]
        y: Tensor = self.norm(cat(both, 1))
        return y


def _operation(name: str, inputs: int, channels: int, stride: int) -> nn.Module:
    """The module that an entry of the table stands for."""
    kind, _, window = name.partition(" ")
    size = int(window[:1] or 1)
    if kind == "sep":
        return _Separable(inputs, channels, size, stride)
    if kind == "avg":
        return nn.AvgPool2d(size, stride, size // 2, count_include_pad=False)
    if kind == "max":
        return nn.MaxPool2d(size, stride, size // 2)
    if kind == "identity" and stride == 1:
        return nn.Identity()
    if kind == "identity":
        reduced = nn.Conv2d(inputs, channels, 1, stride, bias=False)
        return nn.Sequential(nn.ReLU(), reduced, _norm(channels))
    raise ValueError(f"unknown operation {name!r}; known: sep, avg and max with a size; identity")


class Cell(nn.Module):
    """A cell by its table, see :data:`NORMAL` and :data:`REDUCTION`.

    Parameters
    ----------
    table : Table
    below, before : int
        Channels of input 0 and of input 1.
    channels : int
        Of each sum.
    shrink : bool
        Whether input 1 is twice as large as input 0, for a reduction cell lies between.
    squeeze_before : bool
        Whether input 1 is brought to `channels`; the first cell on a stem takes it as it is.
    drop_path : float
        The probability to drop an operation in training.

    Examples
    --------
    >>> import minigrad as mg
    >>> cell = Cell(REDUCTION, below=8, before=8, channels=4)
    >>> x = mg.ones(1, 8, 6, 6)
    >>> cell(x, x).shape, cell.out_channels
    (minigrad.Size([1, 16, 3, 3]), 16)
    """

    def __init__(
        self, table: Table, below: int, before: int, channels: int, shrink: bool = False,
        squeeze_before: bool = True, drop_path: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.table = table
        self.squeeze = _squeeze(below, channels)
        self.adjust: nn.Module = nn.Identity()
        if shrink:
            self.adjust = _FactorizedReduction(before, channels)
        elif squeeze_before and before != channels:
            self.adjust = _squeeze(before, channels)
        width = channels if squeeze_before or shrink else before
        self.operations = nn.ModuleList()
        for pair in table.pairs:
            for name, source in pair:
                inputs = width if source == 1 else channels
                stride = table.stride if source < 2 else 1
                self.operations.append(_operation(name, inputs, channels, stride))
        self.drop = StochasticDepth(drop_path)
        self.out_channels = channels * len(table.outputs)

    def _operate(self, number: int, x: Tensor) -> Tensor:
        operation = self.operations[number]
        y: Tensor = operation(x)
        return y if isinstance(operation, nn.Identity) else self.drop(y)

    def forward(self, below: Tensor, before: Tensor) -> Tensor:
        """The concatenated sums, (N, out_channels, H / stride, W / stride).

        Parameters
        ----------
        below : Tensor, shape (N, below, H, W)
        before : Tensor, shape (N, before, H, W), or twice the height and width with `shrink`
        """
        maps: list[Tensor] = [self.squeeze(below), self.adjust(before)]
        for row, ((_, a), (_, b)) in enumerate(self.table.pairs):
            maps.append(self._operate(2 * row, maps[a]) + self._operate(2 * row + 1, maps[b]))
        return cat([maps[n] for n in self.table.outputs], 1)


class _Auxiliary(nn.Sequential):
    """A classifier for maps inside the network, as in the paper's program.

    Its last convolution is as large as what it sees: 4 x 4 for images of 32 x 32 (CIFAR) and of 224
    x 224 (ImageNet), to which means bring the maps of other images.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__(
            nn.ReLU(), nn.AvgPool2d(5, 3), nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(channels, 128, 1, bias=False), _norm(128), nn.ReLU(),
            nn.Conv2d(128, 768, 4, bias=False), _norm(768), nn.ReLU(),
            nn.Flatten(), nn.Linear(768, num_classes),
        )  # fmt: skip


class NASNetA(nn.Module):
    """Normal cells in three groups with reduction cells between (Zoph et al. 2018).

    The search looked for the cells on CIFAR-10 only; how often they are repeated, and with how
    many channels, is chosen by hand, so that the same cells serve for ImageNet. The probability to
    drop an operation grows with depth, and over the training ("ScheduledDropPath"):
    :meth:`set_progress` says how much of the training is over.

    Parameters
    ----------
    repeats : int
        N of the paper: normal cells per group.
    penultimate : int
        Channels before the classifier; the sums of the first group have a 24th of them, those of
        the stem's reduction cells a 96th and a 48th.
    num_classes : int
    stem : {"cifar", "imagenet"}
        A convolution; or one of stride 2 and two reduction cells.
    stem_channels : int
        Of that convolution.
    drop_path : float
        The probability to drop an operation in the last cell at the end of the training; it falls
        linearly to 0 at the first one.
    dropout : float
        Before the classifier.
    auxiliary : bool
        In training, return ``(scores, auxiliary scores)``, the latter from two thirds of the
        depth, as the paper's program does: their loss is added with weight 0.4.

    References
    ----------
    Zoph, Vasudevan, Shlens and Le, "Learning transferable architectures for scalable image
    recognition", 2018.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = NASNetA(repeats=1, penultimate=48, num_classes=10, stem_channels=8)
    >>> net(mg.ones(2, 3, 16, 16)).shape
    minigrad.Size([2, 10])
    """

    def __init__(
        self, repeats: int = 6, penultimate: int = 768, num_classes: int = 10,
        stem: str = "cifar", stem_channels: int = 96, drop_path: float = 0.0, dropout: float = 0.0,
        auxiliary: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if stem not in ("cifar", "imagenet"):
            raise ValueError(f"stem must be 'cifar' or 'imagenet', got {stem!r}")
        unit = 24 if stem == "cifar" else 96
        if penultimate % unit:
            raise ValueError(f"penultimate must be a multiple of {unit}, got {penultimate}")
        channels = penultimate // 24
        stride, padding = (1, 1) if stem == "cifar" else (2, 0)
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem_channels, 3, stride, padding, bias=False), _norm(stem_channels)
        )
        plan = [(REDUCTION, channels // 4), (REDUCTION, channels // 2)] * (stem == "imagenet")
        for group in range(3):
            plan += [(REDUCTION, channels << group)] * (group > 0)
            plan += [(NORMAL, channels << group)] * repeats
        self.cells = nn.ModuleList()
        below = before = stem_channels
        shrink = False
        for i, (table, width) in enumerate(plan):
            drop = drop_path * i / max(1, len(plan) - 1)
            first_on_stem = i == 0 and stem == "imagenet"
            cell = Cell(table, below, before, width, shrink, not first_on_stem, drop)
            self.cells.append(cell)
            below, before, shrink = cell.out_channels, below, table.stride == 2
        self._drops = [(c.drop, c.drop.p) for c in self.cells]
        last = max(i for i, (table, _) in enumerate(plan) if table is REDUCTION)
        #: After which cell the auxiliary classifier stands: the last before a reduction.
        self.auxiliary_at = last - 1
        self.auxiliary: nn.Module | None = None
        if auxiliary:
            self.auxiliary = _Auxiliary(self.cells[last - 1].out_channels, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(below, num_classes))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Scores of the classes; in training with an auxiliary head, also its scores.

        Parameters
        ----------
        x : Tensor, shape (N, 3, H, W)

        Returns
        -------
        Tensor, shape (N, num_classes), or two of them
        """
        below = before = self.stem(x)
        early = None
        for i, cell in enumerate(self.cells):
            below, before = cell(below, before), below
            if i == self.auxiliary_at and self.training and self.auxiliary is not None:
                early = self.auxiliary(below)
        pooled = F.adaptive_avg_pool2d(F.relu(below), (1, 1)).flatten(1)
        scores: Tensor = self.classifier(pooled)
        return scores if early is None else (scores, early)

    def set_progress(self, share: float) -> None:
        """Say how much of the training is over: operations are dropped with ``drop_path * share``.

        Parameters
        ----------
        share : float
            From 0 to 1. A network whose training is not told drops as at its end.

        Raises
        ------
        ValueError
            For any other number.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"set_progress: expected a share from 0 to 1, got {share}")
        for drop, p in self._drops:
            drop.p = p * share


def nasnet_a_cifar(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> NASNetA:
    """NASNet-A (6 @ 768) for images of 32 x 32 in 10 classes; 3,328,234 parameters.

    Parameters
    ----------
    weights : path, optional
        A file with trained parameters, see :func:`minigrad.models.load_weights`.
    progress : bool
        Accepted.
    **kwargs
        For :class:`NASNetA`.
    """
    return load_weights(NASNetA(**{"repeats": 6, "penultimate": 768, **kwargs}), weights)


def nasnet_a_mobile(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> NASNetA:
    """NASNet-A (4 @ 1056) for images of 224 x 224 in 1000 classes; 5,289,978 parameters.

    Parameters as of :func:`nasnet_a_cifar`.
    """
    settings: dict[str, Any] = {
        "repeats": 4, "penultimate": 1056, "num_classes": 1000, "stem": "imagenet",
        "stem_channels": 32, "dropout": 0.5,
    }  # fmt: skip
    return load_weights(NASNetA(**{**settings, **kwargs}), weights)
