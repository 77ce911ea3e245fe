"""Losses under PyTorch's names and signatures.

Where PyTorch broadcasts input and target against each other, with a warning at best, these refuse:
``(n, 1)`` against ``(n,)`` would make ``n * n`` errors, and a model that learns nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.ops import elementwise as e
from minigrad.core.ops import reduce as r
from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast, promote
from minigrad.core.tensor import Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.nn.functions.reduction import check_same_shape, choose_reduction, reduced, reducing
from minigrad.nn.functions.warn import warn_user
from minigrad.ops.activations import logsigmoid
from minigrad.ops.guard import all_values, guarded
from minigrad.ops.half import in_float32
from minigrad.ops.layers import losses
from minigrad.ops.layers import losses as ops
from minigrad.ops.layers.activations import log_softmax
from minigrad.ops.shape import movedim, unsqueeze

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss",
    "kl_div", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip

index_kernels = lazy("index")

#: What gives probabilities, and what a loss that wants logits should be told.
_PROBABILITIES = {
    "softmax": "probabilities (from softmax)",
    "log_softmax": "log-probabilities (from log_softmax)",
    "sigmoid": "probabilities (from sigmoid)",
}


def warn_of_probabilities(logits: Tensor, name: str, instead: str, kinds: tuple[str, ...]) -> None:
    """Warn if the logits went through softmax or sigmoid before, looking through views."""
    node: Any = logits.node
    while node is not None and getattr(node.op, "view", False) and node.edges:
        node = node.edges[0] if hasattr(node.edges[0], "op") else None
    if node is not None and node.op.name in kinds:
        warn_user(
            f"{name} expects logits and applies {'softmax' if 'softmax' in kinds else 'sigmoid'} "
            f"itself, but its input is {_PROBABILITIES[node.op.name]}: pass the values from "
            f"before, {instead}"
        )


# -- pointwise -----------------------------------------------------------------------------------


def _pointwise(
    loss: Tensor, input: Tensor, weight: Tensor | None, reduction: str, by_weight: bool
) -> Tensor:
    if weight is None:
        return reduced(loss, reduction)
    if weight.array.shape != input.array.shape:
        raise ValueError("Weights and input must have the same size.")
    weighted = e.mul(loss, weight)
    if reduction == "mean" and by_weight:
        return r.sum(weighted) / r.sum(weight)
    return reduced(weighted, reduction)


def _with_parameter(op: Any, input: Tensor, target: Tensor, parameter: float) -> Tensor:
    return apply(op.op, promote(op.op, (input, target)), (float(parameter),))  # type: ignore[no-any-return]


@guarded
@in_float32
def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The mean of ``(input - target) ** 2``.

    Parameters
    ----------
    input, target : Tensor
        Of the same shape.
    reduction : {"mean", "sum", "none"}
    weight : Tensor, optional
        A weight for each element; the mean divides by their sum.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.mse_loss(mg.tensor([1.0, 3.0]), mg.tensor([0.0, 0.0]))
    tensor(5.)
    """
    reduction = choose_reduction(reduction, size_average, reduce)
    check_same_shape(input, target, "mse_loss")
    if weight is None and reduction != "none":
        kind = input.array.dtype
        if kind is target.array.dtype and kind.kind == "f":
            return ops.mse((input, target), (reduction,))
    return _pointwise(ops.squared_error(input, target), input, weight, reduction, True)


@guarded
@in_float32
def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The mean of ``|input - target|``; parameters as of :func:`mse_loss`."""
    reduction = choose_reduction(reduction, size_average, reduce)
    check_same_shape(input, target, "l1_loss")
    return _pointwise(ops.absolute_error(input, target), input, weight, reduction, True)


@reducing
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """``error ** 2 / (2 beta)`` where the error is below `beta`, ``|error| - beta / 2`` beyond.

    Girshick 2015.
    """
    check_same_shape(input, target, "smooth_l1_loss")
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return ops.absolute_error(input, target)
    return _with_parameter(ops.smooth_l1, input, target, beta)


@guarded
@in_float32
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``error ** 2 / 2`` where the error is below `delta`, ``delta (|error| - delta / 2)`` beyond.

    Huber 1964.
    """
    reduction = choose_reduction(reduction)
    check_same_shape(input, target, "huber_loss")
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return _pointwise(
        _with_parameter(ops.huber, input, target, delta), input, weight, reduction, False
    )


@guarded
@in_float32
def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """The Kullback-Leibler divergence of `target` from `input`, which holds *log*-probabilities.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor
        Probabilities, or log-probabilities if `log_target`.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" divides by the first size only, which is the mathematical definition.
    """
    batch = reduction == "batchmean" and size_average is None and reduce is None
    reduction = choose_reduction("sum" if batch else reduction, size_average, reduce)
    check_same_shape(input, target, "kl_div")
    loss = (ops.kl_pointwise_log if log_target else ops.kl_pointwise)(input, target)
    result = reduced(loss, reduction)
    if batch and input.array.ndim:
        return result / input.array.shape[0]  # type: ignore[no-any-return]
    return result


def _in_unit_interval(x: np.ndarray[Any, Any], name: str) -> None:
    if x.size and not bool((x.min() >= 0) & (x.max() <= 1)):
        raise RuntimeError(
            f"{name}: all elements of input should be between 0 and 1: pass probabilities, or use "
            "binary_cross_entropy_with_logits for logits"
        )


@reducing
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``-(t log p + (1 - t) log(1 - p))`` of probabilities p; the logarithms are kept above -100.

    Raises
    ------
    RuntimeError
        If an input is not in [0, 1].
    ValueError
        If the shapes differ.
    """
    check_same_shape(input, target, "binary_cross_entropy")
    _in_unit_interval(all_values(input), "binary_cross_entropy")
    loss = losses.bce(input, target)
    return loss if weight is None else e.mul(loss, weight)


@reducing
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """:func:`binary_cross_entropy` of ``sigmoid(input)``, without overflow.

    Parameters
    ----------
    input : Tensor
        Logits.
    target : Tensor
        Of the same shape, between 0 and 1.
    weight : Tensor, optional
        A weight for each element (it broadcasts).
    pos_weight : Tensor, optional
        What positive targets count (it broadcasts): above 1 for recall, below for precision.
    """
    check_same_shape(input, target, "binary_cross_entropy_with_logits")
    if input.node is not None:
        warn_of_probabilities(
            input, "binary_cross_entropy_with_logits", "or use binary_cross_entropy", ("sigmoid",)
        )
    if pos_weight is None:
        loss = losses.bce_with_logits(input, target)
    else:  # (1 - t) x + (1 + (w - 1) t) softplus(-x)
        more = 1 + (pos_weight - 1) * target
        loss = (1 - target) * input - more * logsigmoid(input)
    return loss if weight is None else e.mul(loss, weight)


# -- classes -------------------------------------------------------------------------------------


def _check_scores(input: Tensor, what: str, name: str) -> None:
    if input.array.ndim == 0 or input.array.dtype.kind != "f":
        raise RuntimeError(
            f"{name} expects floating point {what} of shape (C,), (N, C) or (N, C, d1, ...), got "
            f"{input.dtype} of shape {list(input.array.shape)}"
        )


def _check_weight(weight: Tensor | None, classes: int, name: str) -> None:
    if weight is not None and weight.array.shape != (classes,):
        raise RuntimeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no "
            f"classes but got weight tensor of shape: {list(weight.array.shape)}"
        )


def _check_kind(weight: Tensor | None, input: Tensor, name: str) -> None:
    if weight is not None and weight.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"{name}: expected scalar type {input.dtype} but found {weight.dtype}: weight must "
            "have the dtype of the input"
        )


def _check_constant(weight: Tensor | None, name: str) -> None:
    if weight is not None and weight._requires_grad:
        raise RuntimeError(
            f"{name} is not differentiable with respect to argument 'weight'. This input cannot "
            "have requires_grad True: use weight.detach()"
        )


def _check_classes(input: Tensor, target: Tensor, name: str) -> None:
    """A class index for each sample: the shape of the input without dimension 1."""
    x, t = input.array.shape, target.array.shape
    if target.array.dtype.kind not in "iu":
        raise RuntimeError(
            f"{name}: expected class indices (int64) as target, got {target.dtype}; convert them "
            "with .long()"
        )
    if x[0] != (t[0] if t else 1):
        raise ValueError(
            f"Expected input batch_size ({x[0]}) to match target batch_size ({t[0] if t else 1})."
        )
    if len(x) == 2 and len(t) != 1:
        raise RuntimeError(
            f"{name}: 0D or 1D target tensor expected, multi-target not supported: got a target of "
            f"shape {list(t)} for an input of shape {list(x)}; "
            + ("use target.squeeze(1)" if t[1:] == (1,) else "give one class index per sample")
        )
    if t != x[:1] + x[2:]:
        raise RuntimeError(f"{name}: Expected target size {list(x[:1] + x[2:])}, got {list(t)}")


def _indices(target: Tensor, classes: int, name: str, ignored: int) -> Tensor:
    """Targets as checked int64 indices."""
    given = all_values(target)
    index = index_kernels.check_indices(given, classes, name, "target", ignore=ignored)
    return target if index is given else cast(target, index.dtype)


def _class_rows(t: Tensor) -> Tensor:
    """(N, C, d1, ...) as (N * d1 * ..., C)."""
    if t.array.ndim == 2:
        return t
    return reshape(movedim(t, 1, -1), (-1, t.array.shape[1]))


@guarded
@in_float32
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """``-log softmax(input)[target]``, from logits.

    Parameters
    ----------
    input : Tensor, shape (C,), (N, C) or (N, C, d1, ...)
        Logits: not probabilities, softmax is applied here.
    target : Tensor
        Class indices (int64) of the shape without C; or probabilities of the shape of `input`.
    weight : Tensor, shape (C,), optional
        What each class counts; with indices, the mean divides by the weights of the targets.
    ignore_index : int
        Targets of this value count for nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        The share of the target that is spread evenly over all classes (Szegedy et al. 2016).

    Raises
    ------
    IndexError
        If a target is no class.
    ValueError, RuntimeError
        If shapes or dtypes do not fit.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.cross_entropy(mg.zeros(2, 4), mg.tensor([0, 3]))
    tensor(1.3863)
    """
    reduction = choose_reduction(reduction, size_average, reduce)
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        bad, name = (input, "input") if not isinstance(input, Tensor) else (target, "target")
        raise TypeError(
            f"cross_entropy(): argument '{name}' must be Tensor, not {type(bad).__name__}"
        )
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    _check_scores(input, "logits", "cross_entropy")
    if input.node is not None:
        warn_of_probabilities(
            input,
            "cross_entropy",
            "or use nll_loss on log-probabilities",
            ("softmax", "log_softmax", "sigmoid"),
        )
    soft = target.array.shape == input.array.shape and target.array.dtype.kind == "f"
    single = input.array.ndim == 1
    if single:
        input = unsqueeze(input, 0)
        target = unsqueeze(target, 0) if soft or target.array.ndim == 0 else target
    _check_weight(weight, input.array.shape[1], "cross_entropy")
    if soft and ignore_index >= 0:
        raise RuntimeError(
            "cross_entropy: ignore_index is not supported for floating point target: it names a "
            "class index"
        )
    if soft:
        loss = _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    else:
        loss = _hard_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    return reshape(loss, ()) if single and reduction == "none" else loss


def _in_kernel_dtype(x: Tensor) -> Tensor:
    return x.float() if x.array.dtype == np.float16 else x


def _hard_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignored: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    _check_kind(weight, input, "cross_entropy")
    _check_constant(weight, "cross_entropy")
    _check_classes(input, target, "cross_entropy")
    shape = target.array.shape
    index = target if target.array.ndim == 1 else reshape(target, (-1,))
    index = cast(index, np.dtype(np.int64))
    rows = _class_rows(_in_kernel_dtype(input))
    params = (ignored, float(smoothing), reduction)
    loss: Tensor = ops.cross_entropy_hard((rows, index, weight), params)
    if reduction == "none" and len(shape) != 1:
        loss = reshape(loss, shape)
    return loss.to(input.dtype) if loss.array.dtype != input.array.dtype else loss


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    if target._requires_grad or (weight is not None and weight._requires_grad):
        return _composed_cross_entropy(input, target, weight, reduction, smoothing)
    shape = input.array.shape
    rows, q = _class_rows(_in_kernel_dtype(input)), _class_rows(target)
    params = (
        float(smoothing),
        "sum" if reduction == "mean" and input.array.ndim > 2 else reduction,
    )
    loss: Tensor = ops.cross_entropy_soft((rows, q, weight), params)
    if reduction == "mean" and input.array.ndim > 2:
        loss = loss / (input.array.size // max(shape[1], 1))
    if reduction == "none" and len(shape) > 2:
        loss = reshape(loss, (shape[0], *shape[2:]))
    return loss.to(input.dtype) if loss.array.dtype != input.array.dtype else loss


def _composed_cross_entropy(
    input: Tensor, target: Any, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """From other operations, where the target is trained as well."""
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.array.shape[1]
    terms = log_softmax(input, 1) * target
    if weight is not None:
        terms = terms * weight.reshape(-1, *(1,) * (input.array.ndim - 2))
    loss = -r.sum(terms, 1)
    return reduced(loss, reduction)


@guarded
@in_float32
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``-input[target]`` of log-probabilities; parameters as of :func:`cross_entropy`."""
    reduction = choose_reduction(reduction, size_average, reduce)
    _check_scores(input, "log-probabilities", "nll_loss")
    single = input.array.ndim == 1
    if single:
        input = unsqueeze(input, 0)
        target = unsqueeze(target, 0) if target.array.ndim == 0 else target
    _check_weight(weight, input.array.shape[1], "nll_loss")
    _check_kind(weight, input, "nll_loss")
    _check_constant(weight, "nll_loss")
    _check_classes(input, target, "nll_loss")
    index = _indices(target, input.array.shape[1], "nll_loss", ignore_index)
    params = (ignore_index, reduction)
    loss: Tensor = ops.nll((input, index, weight), params)
    return reshape(loss, ()) if single and reduction == "none" else loss
