"""Negative log-likelihoods of distributions and of labellings as modules."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, InitVar
from typing import Any

from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor
from minigrad.nn.functions import likelihood_loss as F
from minigrad.nn.functions.warn import warn_user
from minigrad.nn.linear import Linear
from minigrad.nn.loss import NLLLoss, _Loss, _WeightedLoss

__all__ = ["CTCLoss", "GaussianNLLLoss", "LinearCrossEntropyLoss", "NLLLoss2d", "PoissonNLLLoss"]


class PoissonNLLLoss(_Loss, function=F.poisson_nll_loss):
    """Of counts: ``exp(input) - target * input``, or ``input - target * log(input + eps)``.

    Parameters
    ----------
    log_input : bool
        Whether the input is the logarithm of the rate.
    full : bool
        Add Stirling's approximation of ``log(target!)`` where the target is above 1.
    size_average, reduce : bool, optional
        PyTorch's old names for `reduction`.
    eps : float
    reduction : {"mean", "sum", "none"}
    """

    log_input: bool = True
    full: bool = False
    size_average: InitVar[bool | None] = None
    eps: float = 1e-8
    reduce: InitVar[bool | None] = None
    reduction: str = "mean"

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        result: Tensor = self._computed(log_input, target)
        return result


class GaussianNLLLoss(_Loss, function=F.gaussian_nll_loss):
    """``(log(var) + (input - target) ** 2 / var) / 2`` (Nix and Weigend 1994).

    Parameters
    ----------
    full : bool
        Add ``log(2 pi) / 2``.
    eps : float
        A smaller variance counts as this.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.GaussianNLLLoss()(mg.zeros(3), mg.ones(3), mg.ones(3))
    tensor(0.5000)
    """

    _: KW_ONLY
    full: bool = False
    eps: float = 1e-6
    reduction: str = "mean"

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """The loss of expected values `input` and variances `var`."""
        result: Tensor = self._computed(input, target, var)
        return result


class CTCLoss(_Loss, function=F.ctc_loss):
    """The negative log-likelihood of labellings, summed over alignments (Graves et al. 2006).

    Parameters
    ----------
    blank : int
        The class that stands for no label.
    reduction : {"mean", "sum", "none"}
        The mean divides each loss by the length of its target first.
    zero_infinity : bool
        Losses of targets too long for their input, which are infinite, count for nothing.

    Examples
    --------
    >>> import minigrad as mg
    >>> half = mg.full((2, 1, 2), 0.5).log()
    >>> mg.nn.CTCLoss()(half, mg.tensor([[1]]), [2], [1])
    tensor(0.2877)
    """

    blank: int = 0
    reduction: str = "mean"
    zero_infinity: bool = False

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: F.Lengths,
        target_lengths: F.Lengths,
    ) -> Tensor:  # fmt: skip
        """The loss of log-probabilities, shape (T, N, C)."""
        result: Tensor = self._computed(log_probs, targets, input_lengths, target_lengths)
        return result


class LinearCrossEntropyLoss(_WeightedLoss):
    """An affine layer and the cross-entropy of its results.

    Parameters
    ----------
    in_features, num_classes : int
    out_features : tuple of int
        Further dimensions, with a loss for each of their places.
    bias : bool
    device, dtype : optional
    reduction : {"mean", "sum", "none"}
    weight : Tensor, shape (num_classes,), optional
        What each class counts.
    ignore_index : int, optional
        Targets of this value count for nothing; -100 by default.
    label_smoothing : float
        The share of the target that is spread over all classes.
    options : optional
        Accepted; how PyTorch divides the work into chunks does not change the result.
    """

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (),
        bias: bool = False, device: Any = None, dtype: Any = None, reduction: str = "mean",
        weight: Tensor | None = None, ignore_index: int | None = None,
        label_smoothing: float = 0.0, options: Any = None,
    ) -> None:  # fmt: skip
        if weight is not None and weight.array.shape != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be {(num_classes,)}, got {weight.array.shape}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        rows = math.prod(out_features) * num_classes
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of features `input`."""
        shape = (self.num_classes, *self.out_features)
        bias = None if self.linear.bias is None else reshape(self.linear.bias, shape)
        return F.linear_cross_entropy(
            input, reshape(self.linear.weight, (*shape, self.linear.in_features)), target,
            linear_bias=bias, weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing,
            options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The sizes and arguments."""
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class NLLLoss2d(NLLLoss):
    """PyTorch's old name of :class:`NLLLoss`; arguments are the same."""

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None,
        ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        warn_user("`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead.")
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
