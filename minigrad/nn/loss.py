"""Losses as modules; what they compute is in `nn.functional`."""

from __future__ import annotations

from dataclasses import InitVar

from minigrad.core.tensor import Tensor
from minigrad.nn.functions import loss as F
from minigrad.nn.functions.reduction import choose_reduction
from minigrad.nn.layer import Layer

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "KLDivLoss", "L1Loss",
    "MSELoss", "NLLLoss", "SmoothL1Loss",
]  # fmt: skip


class _Loss(Layer, shown=""):
    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.reduction = reduction
        _Loss.__post_init__(self, size_average, reduce)

    def __post_init__(self, size_average: bool | None = None, reduce: bool | None = None) -> None:
        if size_average is not None or reduce is not None:
            self.reduction = choose_reduction(self.reduction, size_average, reduce)


class _OfTwo(Layer):
    """What is computed from an input and a target."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        result: Tensor = self._computed(input, target)
        return result


class _WeightedLoss(_Loss):
    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None,
        reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class _LossOfTwo(_OfTwo, _Loss):
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"


class _WeightedLossOfTwo(_OfTwo, _WeightedLoss):
    weight: Tensor | None = None
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"


class MSELoss(_LossOfTwo, function=F.mse_loss):
    """The mean of ``(input - target) ** 2``.

    Parameters
    ----------
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """


class L1Loss(_LossOfTwo, function=F.l1_loss):
    """The mean of ``|input - target|``; parameters as of :class:`MSELoss`."""


class SmoothL1Loss(_LossOfTwo, function=F.smooth_l1_loss):
    """A square below `beta`, a line beyond (Girshick 2015).

    Parameters
    ----------
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    beta : float
    """

    beta: float = 1.0


class HuberLoss(_OfTwo, _Loss, function=F.huber_loss):
    """A square below `delta`, a line of slope `delta` beyond (Huber 1964).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float
    """

    reduction: str = "mean"
    delta: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(self.delta)}")


class CrossEntropyLoss(_OfTwo, _WeightedLoss, function=F.cross_entropy):
    """``-log softmax(input)[target]``, from logits (not probabilities).

    Parameters
    ----------
    weight : Tensor, shape (C,), optional
        What each class counts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    ignore_index : int
        Targets of this value count for nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        The share of the target that is spread over all classes.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.CrossEntropyLoss()(mg.zeros(2, 4), mg.tensor([0, 3]))
    tensor(1.3863)
    """

    weight: Tensor | None = None
    size_average: InitVar[bool | None] = None
    ignore_index: int = -100
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"
    label_smoothing: float = 0.0


class NLLLoss(_OfTwo, _WeightedLoss, function=F.nll_loss):
    """``-input[target]`` of log-probabilities.

    Parameters
    ----------
    weight : Tensor, shape (C,), optional
        What each class counts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    ignore_index : int
        Targets of this value count for nothing.
    reduction : {"mean", "sum", "none"}
    """

    weight: Tensor | None = None
    size_average: InitVar[bool | None] = None
    ignore_index: int = -100
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"


class BCELoss(_WeightedLossOfTwo, function=F.binary_cross_entropy):
    """``-(t log p + (1 - t) log(1 - p))`` of probabilities.

    Parameters
    ----------
    weight : Tensor, optional
        A weight for each element; it broadcasts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """


class BCEWithLogitsLoss(_WeightedLossOfTwo, function=F.binary_cross_entropy_with_logits):
    """:class:`BCELoss` of ``sigmoid(input)``, without overflow.

    Parameters
    ----------
    weight : Tensor, optional
        A weight for each element; it broadcasts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        What positive targets count.
    """

    pos_weight: Tensor | None = None


class KLDivLoss(_LossOfTwo, function=F.kl_div):
    """The Kullback-Leibler divergence of a target from *log*-probabilities.

    Parameters
    ----------
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "batchmean", "sum", "none"}
    log_target : bool
        Whether targets are log-probabilities, too.
    """

    log_target: bool = False
