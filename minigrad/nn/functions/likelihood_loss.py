"""Negative log-likelihoods of distributions and of labellings, under PyTorch's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import reshape
from minigrad.core.plain import plain
from minigrad.core.promotion import cast
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.nn.functions.loss import cross_entropy
from minigrad.nn.functions.reduction import check_same_shape, choose_reduction, reduced, reducing
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32
from minigrad.ops.layers import ctc as ctc_ops
from minigrad.ops.layers.affine import linear
from minigrad.ops.shape import unsqueeze

__all__ = ["ctc_loss", "gaussian_nll_loss", "linear_cross_entropy", "poisson_nll_loss"]

index_kernels = lazy("index")


# -- distributions -------------------------------------------------------------------------------


@reducing
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
    size_average: bool | None = None, eps: float = 1e-8, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Of counts: ``exp(input) - target * input``, or ``input - target * log(input + eps)``.

    Parameters
    ----------
    input, target : Tensor
        Of the same shape.
    log_input : bool
        Whether the input is the logarithm of the rate.
    full : bool
        Add Stirling's approximation of ``log(target!)`` where the target is above 1.
    eps : float
    reduction : {"mean", "sum", "none"}
    """
    check_same_shape(input, target, "poisson_nll_loss")
    x: Any = input
    t: Any = target
    loss: Tensor = e.exp(x) - t * x if log_input else x - t * e.log(x + eps)
    if full:
        stirling = t * e.log(t) - t + 0.5 * e.log(2 * math.pi * t)
        loss = loss + e.choose(t > 1, stirling, 0.0)
    return loss


def _variance(var: Any, input: Tensor) -> Any:
    """The variance as a tensor that broadcasts to the input."""
    if isinstance(var, (int, float)):
        var = given(np.full(input.array.shape, var, input.array.dtype))
    if (var.array < 0).any():
        raise ValueError("var has negative entry/entries")
    x, v = input.array.shape, var.array.shape
    if x == v:
        return var
    if x[:-1] == v:
        return unsqueeze(var, -1)
    if len(x) == len(v) and sum(b for a, b in zip(x, v, strict=True) if a != b) == 1:
        return var
    raise ValueError(
        f"var is of incorrect size: expected {list(x)}, one size of it replaced by 1, or "
        f"{list(x[:-1])}; got {list(v)}"
    )


@reducing
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``(log(var) + (input - target) ** 2 / var) / 2``, var counting as `eps` at least.

    Nix and Weigend 1994.

    Parameters
    ----------
    input : Tensor
        The expected values.
    target : Tensor
        It broadcasts with the input.
    var : Tensor or float
        The variances, of the shape of the input; one of its sizes may be 1, the last may be left
        out.
    full : bool
        Add ``log(2 pi) / 2``.
    eps : float
        A smaller variance counts as this, but keeps its gradient.
    reduction : {"mean", "sum", "none"}
    """
    for t in (input, target):
        if t.array.dtype.kind != "f":
            raise RuntimeError(f"gaussian_nll_loss: expected floating point tensors, got {t.dtype}")
    v = _variance(var, input)
    v = v + _missing((v,), eps)
    gap: Any = input - target
    loss: Tensor = 0.5 * (e.log(v) + gap * gap / v)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return loss


@plain
def _missing(var: Array, eps: float) -> Array:
    """What a variance lacks to be `eps`."""
    return np.asarray(np.maximum(var.dtype.type(eps) - var, 0))


# -- labellings ----------------------------------------------------------------------------------

Lengths = Tensor | Sequence[int]


def _lengths(lengths: Any, samples: int, most: int | None, name: str) -> Tensor:
    if isinstance(lengths, Tensor):
        if lengths.array.dtype.kind not in "iu":
            raise RuntimeError(f"{name} must be integral, got {lengths.dtype}")
        counts: Tensor = cast(reshape(lengths, (-1,)), np.dtype(np.int64))
    else:
        counts = given(np.array(list(lengths), np.int64))
    values = counts.array
    if values.size != samples:
        raise RuntimeError(f"{name} must be of size batch_size ({samples}), got {values.size}")
    if values.size and values.min() < 0:
        raise RuntimeError(
            f"Expected {name} to have value at least 0, but got value {values.min()} (while "
            "checking arguments for ctc_loss)"
        )
    if most is not None and values.size and values.max() > most:
        raise RuntimeError(
            f"Expected {name} to have value at most {most}, but got value {values.max()} (while "
            "checking arguments for ctc_loss)"
        )
    return counts


def _padded_targets(targets: Tensor, lengths: Tensor, classes: int) -> Tensor:
    """Targets as rows; concatenated ones are cut apart. Only what counts is checked and kept."""
    t, counts = targets.array, lengths.array
    if t.ndim not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {t.ndim}-dimensional tensor for argument #2 "
            "'targets' (while checking arguments for ctc_loss)"
        )
    most = int(counts.max(initial=0))
    read("ctc_loss", lengths)  # the size of the rows
    if t.ndim == 1:
        if t.size != counts.sum():
            raise RuntimeError(
                f"Expected tensor to have size {counts.sum()} at dimension 0, but got size "
                f"{t.size} for argument #2 'targets' (while checking arguments for ctc_loss)"
            )
    else:
        for dim, wanted in ((0, counts.size), (1, most)):
            if t.shape[dim] < wanted or (dim == 0 and t.shape[0] != wanted):
                raise RuntimeError(
                    f"Expected tensor to have size {'at least ' if dim else ''}{wanted} at "
                    f"dimension {dim}, but got size {t.shape[dim]} for argument #2 'targets' "
                    "(while checking arguments for ctc_loss)"
                )
    return _rows((targets, lengths), most, classes)


@plain
def _divisors(counts: Array, kind: np.dtype[Any]) -> Array:
    return np.maximum(counts, 1).astype(kind)


@plain
def _rows(targets: Array, counts: Array, most: int, classes: int) -> Array:
    inside = np.arange(most) < counts[:, None]
    rows = np.zeros(inside.shape, np.int64)
    rows[inside] = targets if targets.ndim == 1 else targets[:, :most][inside]
    index_kernels.check_indices(rows, classes, "ctc_loss", "target")
    return rows


@guarded
def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths,
    blank: int = 0, reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """The negative log-likelihood of labellings, summed over their alignments (Graves et al. 2006).

    The derivative is the one in `log_probs` themselves. PyTorch's adds what log-softmax would
    subtract again; behind log-softmax both give the same.

    Parameters
    ----------
    log_probs : Tensor, shape (T, N, C) or (T, C)
        Log-probabilities of the classes at each time.
    targets : Tensor of integers, shape (N, S) or (sum(target_lengths),)
        The labels, padded to rows or one after the other.
    input_lengths, target_lengths : Tensor or sequence of int, shape (N,)
        Up to T and S.
    blank : int
        The class that stands for no label.
    reduction : {"mean", "sum", "none"}
        The mean divides each loss by the length of its target first.
    zero_infinity : bool
        Losses of targets too long for their input, which are infinite, count for nothing.

    Returns
    -------
    Tensor, shape () or (N,)

    Raises
    ------
    RuntimeError
        If sizes do not fit.
    IndexError
        If a target is no class.

    Examples
    --------
    >>> import minigrad as mg
    >>> half = mg.full((2, 1, 2), 0.5).log()  # a-, -a and aa make "a": 3 of 4
    >>> mg.nn.functional.ctc_loss(half, mg.tensor([[1]]), [2], [1]).neg().exp()
    tensor(0.7500)
    """
    reduction = choose_reduction(reduction)
    batched = log_probs.array.ndim == 3
    if not batched and log_probs.array.ndim != 2:
        raise RuntimeError(
            f"Expected 2 or 3-dimensional tensor, but got {log_probs.array.ndim}-dimensional "
            "tensor for argument #1 'log_probs' (while checking arguments for ctc_loss)"
        )
    if log_probs.array.dtype not in (np.float32, np.float64):
        raise NotImplementedError(
            f'"ctc_loss" not implemented for {log_probs.dtype}: convert log_probs with .float()'
        )
    if not batched:
        log_probs = unsqueeze(log_probs, 1)
        targets = targets if targets.array.ndim == 2 else unsqueeze(targets, 0)
    steps, samples, classes = log_probs.array.shape
    if log_probs.array.size == 0:
        raise RuntimeError("log_probs tensor must not be empty")
    if not 0 <= blank < classes:
        raise RuntimeError(f"blank must be in label range, 0 to {classes - 1}, got {blank}")
    times = _lengths(input_lengths, samples, steps, "input_lengths")
    counts = _lengths(target_lengths, samples, None, "target_lengths")
    rows = _padded_targets(targets, counts, classes)
    losses = ctc_ops.ctc((log_probs, rows, times, counts), (blank, bool(zero_infinity)))
    if reduction == "mean":
        losses = losses / _divisors((counts,), losses.array.dtype)
    loss = reduced(losses, reduction)
    return loss if batched or reduction != "none" else reshape(loss, ())


# -- classes -------------------------------------------------------------------------------------


@guarded
@in_float32
def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
    weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """:func:`cross_entropy` of the logits ``linear(input, linear_weight, linear_bias)``.

    Parameters
    ----------
    input : Tensor, shape (N, F) or (F,)
    linear_weight : Tensor, shape (C, ..., F)
        With dimensions between C and F, there is a loss for each of their places.
    target : Tensor
        Class indices, or probabilities of the shape of the logits, (N, C, ...).
    linear_bias : Tensor, shape (C, ...), optional
    weight, reduction, ignore_index, label_smoothing
        As of :func:`cross_entropy`; `ignore_index` is -100 if it is not given.
    options : optional
        Accepted; how PyTorch divides the work into chunks does not change the result.
    """
    if input.array.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.array.ndim}")
    shape = linear_weight.array.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {len(shape)}"
        )
    if input.array.shape[-1] != shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.array.shape[-1]} and {shape[-1]}, respectively"
        )
    if linear_bias is not None and linear_bias.array.shape != shape[:-1]:
        raise RuntimeError(
            f"expected linear_bias shape {shape[:-1]}, got {linear_bias.array.shape}"
        )
    if len(shape) > 2 and input.array.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {shape} requires batched input, "
            f"(N, {shape[-1]}), got unbatched input with shape {input.array.shape}"
        )
    samples, targets = input.array.shape[:-1], target.array.shape[:1]
    if samples and targets and samples != targets:
        raise ValueError(
            f"Expected input batch_size ({samples[0]}) to match target batch_size ({targets[0]})."
        )
    logits_shape = (*samples, *shape[:-1])
    if target.array.shape == logits_shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    bias = None if linear_bias is None else reshape(linear_bias, (-1,))
    logits = linear(input, reshape(linear_weight, (-1, shape[-1])), bias)
    return cross_entropy(
        reshape(logits, logits_shape), target, weight, reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )  # fmt: skip
