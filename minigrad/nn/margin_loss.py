"""Losses with a margin, and losses of embeddings, as modules; see `nn.functional`."""

from __future__ import annotations

from collections.abc import Callable

from minigrad.nn.functions import margin_loss as F
from minigrad.nn.loss import _Loss, _WeightedLoss
from minigrad.nn.sparse import PairwiseDistance
from minigrad.tensor import Tensor

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class SoftMarginLoss(_Loss):
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

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class _MarginLoss(_Loss):
    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """A distance where the target is 1, ``max(0, margin - distance)`` where it is -1.

    Parameters
    ----------
    margin : float
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of distances `input`."""
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(_MarginLoss):
    """The mean of ``max(0, -target * (input1 - input2) + margin)``.

    Parameters
    ----------
    margin : float
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss; the target is 1 where the first input is to be larger, -1 elsewhere."""
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Parameters
    ----------
    margin : float
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss of pairs of vectors."""
        return F.cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
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

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
        size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.array.ndim != 1:
            raise ValueError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, got "
                f"{weight.array.ndim}D instead"
            )
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of scores `input`."""
        return F.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """``sum(max(0, 1 - (x[j] - x[i]))) / C`` over targets j and all i that are no targets.

    Parameters
    ----------
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of scores `input`; targets are classes, and -1 behind the last of them."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Binary cross-entropy from logits, averaged over the classes.

    Parameters
    ----------
    weight : Tensor, shape (C,), optional
        What each class counts.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits `input`."""
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class TripletMarginLoss(_Loss):
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

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
        size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of triplets."""
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class TripletMarginWithDistanceLoss(_Loss):
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

    def __init__(
        self, *, distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0, swap: bool = False, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                "TripletMarginWithDistanceLoss: expected margin to be greater than 0, got "
                f"{margin} instead"
            )
        self.distance_function = distance_function or PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss of triplets."""
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function,
            margin=self.margin, swap=self.swap, reduction=self.reduction,
        )  # fmt: skip
