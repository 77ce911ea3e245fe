"""Losses with a margin, and losses of embeddings, under PyTorch's names and signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops import reduce as r
from minigrad.core.ops.shape import reshape
from minigrad.core.plain import plain, plain_results
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.nn.functions.reduction import check_same_shape, reducing
from minigrad.nn.functions.sparse import pairwise_distance
from minigrad.ops.activations import logsigmoid
from minigrad.ops.arithmetic import clamp_min
from minigrad.ops.layers import losses
from minigrad.ops.scatter import gather
from minigrad.ops.select import index_select

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

index_kernels = lazy("index")


@reducing
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean of ``log(1 + exp(-target * input))``, targets being -1 or 1.

    Parameters
    ----------
    input, target : Tensor
        Of the same shape.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.soft_margin_loss(mg.zeros(3), mg.ones(3))
    tensor(0.6931)
    """
    check_same_shape(input, target, "soft_margin_loss")
    return e.neg(logsigmoid(e.mul(input, target)))


@reducing
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The input (a distance) where the target is 1, ``max(0, margin - input)`` where it is -1.

    Parameters
    ----------
    input, target : Tensor
        Of the same shape.
    margin : float
    reduction : {"mean", "sum", "none"}
    """
    check_same_shape(input, target, "hinge_embedding_loss")
    far = e.choose(target != 1, clamp_min(margin - input, 0), 0.0)
    near = e.choose(target != -1, input, 0.0)
    return far + near


@reducing
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean of ``max(0, -target * (input1 - input2) + margin)``.

    Parameters
    ----------
    input1, input2, target : Tensor
        With as many dimensions each. The target is 1 where the first input is to be larger, -1
        where the second is.
    margin : float
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If the numbers of dimensions differ.
    """
    if not input1.array.ndim == input2.array.ndim == target.array.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape}"
        )
    gap: Any = e.neg(target) * (input1 - input2) + float(margin)
    return clamp_min(gap, 0)


# -- classes -------------------------------------------------------------------------------------


def _class_targets(input: Tensor, target: Tensor, name: str) -> Tensor:
    """Checked indices: one for the only row, or one per row of a matrix."""
    x, t = input.array.shape, target.array.shape
    if len(x) > 2 or 0 in x[1:] or x == (0,):
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(x)}"
        )
    rows = x[0] if len(x) == 2 else 1
    if target.array.size != rows or len(t) > 1:
        raise RuntimeError(
            f"{name}: target tensor should be 1-D with size equal to the number of input samples. "
            f"Expected target size [{rows}], but got {list(t)} for an input of shape {list(x)}"
        )
    return _in_range(target, x[-1] if x else 1, name)


def _in_range(target: Tensor, classes: int, name: str, ignore: int | None = None) -> Tensor:
    if target.array.dtype != np.int64:
        raise RuntimeError(
            f"{name}: expected scalar type Long but found {target.dtype}: convert the target with "
            ".long()"
        )
    return _indices((target,), classes, name, ignore)


@plain
def _indices(target: Array, classes: int, name: str, ignore: int | None) -> Array:
    try:
        return index_kernels.check_indices(  # type: ignore[no-any-return]
            target, classes, name, "target", ignore=ignore
        )
    except IndexError as error:
        raise RuntimeError(f"target out of range: {error}") from None


@reducing
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``sum(max(0, margin - x[target] + x[i]) ** p) / C`` over the other classes i.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (C,)
    target : Tensor of int64, shape (N,) or ()
    p : {1, 2}
    margin : float
    weight : Tensor, shape (C,), optional
        What each target class counts.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If shapes do not fit, or a target is no class.
    """
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.array.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    index = reshape(_class_targets(input, target, "multi_margin_loss"), (-1, 1))
    classes = input.array.shape[-1] if input.array.ndim else 1
    if weight is not None and weight.array.size != classes:
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.array.shape)}"
        )
    x: Any = reshape(input, (-1, classes)) if index.array.size else input
    others = _others((index,), x.array.shape, x.array.dtype)
    gap = e.relu(margin - gather(x, 1, index) + x) * others
    loss = r.sum(gap if p == 1 else gap * gap, 1) / classes
    if weight is not None:
        loss = loss * index_select(weight, 0, reshape(index, (-1,)))
    return reshape(loss, target.array.shape)


@plain
def _others(index: Array, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    """0 at the class of each row, 1 elsewhere."""
    others = np.ones(shape, kind)
    np.put_along_axis(others, index, 0, 1)
    return others


@reducing
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``sum(max(0, 1 - (x[j] - x[i]))) / C`` over targets j and all i that are no targets.

    Parameters
    ----------
    input : Tensor, shape (N, C) or (C,)
    target : Tensor of int64, of the same shape
        The classes of each sample, and -1 behind the last of them.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If shapes do not fit, or a target is no class.
    """
    name, shape = "multilabel_margin_loss", input.array.shape
    if target.array.shape != shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.array.shape)} for input of size: {list(shape)}"
        )
    if len(shape) > 2 or 0 in shape[1:]:
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(shape)}"
        )
    classes = shape[-1] if shape else 1
    found = _in_range(target, classes, name, ignore=-1)
    index, counted = _pairs((found,), classes, input.array.dtype)
    read(name, target)  # as many columns as a row has targets at most
    rows, most = index.array.shape
    x: Any = reshape(input, (rows, classes))
    chosen: Any = gather(x, 1, index)
    gap = e.relu(1 - reshape(chosen, (rows, most, 1)) + reshape(x, (rows, 1, classes)))
    loss = r.sum(gap * counted, (1, 2)) / classes
    return reshape(loss, shape[:-1])


@plain_results(2)
def _pairs(index: Array, classes: int, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """The targets of each row, and which pairs of one of them and another class count."""
    index = index.reshape(-1, classes)
    valid = np.logical_and.accumulate(index >= 0, axis=1)
    most = int(valid.sum(1).max(initial=0))
    index, valid = np.where(valid, index, 0)[:, :most], valid[:, :most]
    others = np.ones((len(index), classes), kind)
    rows, places = np.nonzero(valid)
    others[rows, index[rows, places]] = 0
    return index, valid[:, :, None] * others[:, None, :]


@reducing
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Binary cross-entropy from logits, averaged over the classes.

    Parameters
    ----------
    input, target : Tensor, shape (..., C)
        Logits, and 1 for the classes of a sample, 0 for the others.
    weight : Tensor, optional
        What each class counts; it broadcasts.
    reduction : {"mean", "sum", "none"}
        Over the samples.
    """
    check_same_shape(input, target, "multilabel_soft_margin_loss")
    if input.array.ndim == 0:
        raise IndexError("multilabel_soft_margin_loss: expected a dimension of classes, got none")
    loss: Any = losses.bce_with_logits(input, target)
    if weight is not None:
        loss = loss * weight
    return r.mean(loss, -1)


# -- embeddings ----------------------------------------------------------------------------------


@reducing
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Parameters
    ----------
    input1, input2 : Tensor, shape (N, D) or (D,)
    target : Tensor, shape (N,) or ()
    margin : float
    reduction : {"mean", "sum", "none"}
    """
    dims = target.array.ndim
    if dims > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.array.ndim == input2.array.ndim == dims + 1:
        raise RuntimeError(
            f"{dims}D target tensor expects {dims + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.array.shape)} and {list(input2.array.shape)}."
        )
    a: Any = input1
    b: Any = input2
    squares = ((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12)
    cosine = (a * b).sum(-1) / squares.sqrt()
    near = e.choose(target == 1, 1 - cosine, 0.0)
    far = e.choose(target == -1, clamp_min(cosine - margin, 0), 0.0)
    return near + far


def _triplet(
    distance: Callable[[Tensor, Tensor], Tensor], anchor: Tensor, positive: Tensor,
    negative: Tensor, margin: float, swap: bool,
) -> Tensor:  # fmt: skip
    dims = [t.array.ndim for t in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D "
            "inputs"
        )
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = e.minimum(far, distance(positive, negative))
    return clamp_min(margin + near - far, 0)


@reducing
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))`` with p-norm distances d.

    Parameters
    ----------
    anchor, positive, negative : Tensor, shape (N, D) or (D,)
    margin : float
        Positive.
    p, eps : float
        As of :func:`pairwise_distance`.
    swap : bool
        Use the smaller of the negative's distances to anchor and positive (Balntas et al. 2016).
    reduction : {"mean", "sum", "none"}
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet(distance, anchor, positive, negative, margin, swap)


@reducing
def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """:func:`triplet_margin_loss` with a distance of one's own.

    Parameters
    ----------
    anchor, positive, negative : Tensor
    distance_function : callable, optional
        From two tensors to their distances; :func:`pairwise_distance` by default.
    margin : float
        Positive.
    swap : bool
        Use the smaller of the negative's distances to anchor and positive.
    reduction : {"mean", "sum", "none"}
    """
    distance = distance_function or pairwise_distance
    return _triplet(distance, anchor, positive, negative, margin, swap)
