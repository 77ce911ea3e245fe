"""Losses with a margin, and losses of embeddings, as modules; see `nn.functional`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar

from minigrad.core.tensor import Tensor
from minigrad.nn.functions import margin_loss as F
from minigrad.nn.loss import _Loss, _LossOfTwo, _OfTwo, _WeightedLoss, _WeightedLossOfTwo
from minigrad.nn.sparse import PairwiseDistance

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class SoftMarginLoss(_LossOfTwo, function=F.soft_margin_loss):
    """The mean of ``log(1 + exp(-target * input))``, targets being -1 or 1.

    Parameters
    ----------
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.SoftMarginLoss()(mg.zeros(3), mg.ones(3))
    tensor(0.6931)
    """


class _MarginLoss(_Loss):
    margin: float = 0.0
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        result: Tensor = self._computed(input1, input2, target)
        return result


class HingeEmbeddingLoss(_OfTwo, _Loss, function=F.hinge_embedding_loss):
    """A distance where the target is 1, ``max(0, margin - distance)`` where it is -1.

    Parameters
    ----------
    margin : float
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    margin: float = 1.0
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"


class MarginRankingLoss(_MarginLoss, function=F.margin_ranking_loss):
    """The mean of ``max(0, -target * (input1 - input2) + margin)``.

    Parameters
    ----------
    margin : float
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """


class CosineEmbeddingLoss(_MarginLoss, function=F.cosine_embedding_loss):
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Parameters
    ----------
    margin : float
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """


class MultiMarginLoss(_OfTwo, _WeightedLoss, function=F.multi_margin_loss):
    """``sum(max(0, margin - x[target] + x[i]) ** p) / C`` over the other classes i.

    Parameters
    ----------
    p : {1, 2}
    margin : float
    weight : Tensor, shape (C,), optional
        What each target class counts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    p: int = 1
    margin: float = 1.0
    weight: Tensor | None = None
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"

    def __post_init__(self, *flags: bool | None) -> None:
        super().__post_init__(*flags)
        if self.p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if self.weight is not None and self.weight.array.ndim != 1:
            raise ValueError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, got "
                f"{self.weight.array.ndim}D instead"
            )


class MultiLabelMarginLoss(_LossOfTwo, function=F.multilabel_margin_loss):
    """``sum(max(0, 1 - (x[j] - x[i]))) / C`` over targets j and all i that are no targets.

    Parameters
    ----------
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """


class MultiLabelSoftMarginLoss(_WeightedLossOfTwo, function=F.multilabel_soft_margin_loss):
    """Binary cross-entropy from logits, averaged over the classes.

    Parameters
    ----------
    weight : Tensor, shape (C,), optional
        What each class counts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """


class _TripletLoss(_Loss):
    def __post_init__(self, *flags: bool | None) -> None:
        super().__post_init__(*flags)
        margin: float = self.__dict__["margin"]
        if margin <= 0:
            raise ValueError(
                f"{type(self).__name__}: expected margin to be greater than 0, got {margin} instead"
            )

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of triplets."""
        result: Tensor = self._computed(anchor, positive, negative)
        return result


class TripletMarginLoss(_TripletLoss, function=F.triplet_margin_loss):
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))`` with p-norm distances d.

    Parameters
    ----------
    margin : float
        Positive.
    p, eps : float
        As of :class:`PairwiseDistance`.
    swap : bool
        Use the smaller of the negative's distances to anchor and positive (Balntas et al. 2016).
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"


class TripletMarginWithDistanceLoss(_TripletLoss, function=F.triplet_margin_with_distance_loss):
    """:class:`TripletMarginLoss` with a distance of one's own.

    Parameters
    ----------
    distance_function : callable, optional
        From two tensors to their distances; a :class:`PairwiseDistance` by default.
    margin : float
        Positive.
    swap : bool
        Use the smaller of the negative's distances to anchor and positive.
    reduction : {"mean", "sum", "none"}
    """

    _: KW_ONLY
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None
    margin: float = 1.0
    swap: bool = False
    reduction: str = "mean"

    def __post_init__(self, *flags: bool | None) -> None:
        super().__post_init__(*flags)
        self.distance_function = self.distance_function or PairwiseDistance()
