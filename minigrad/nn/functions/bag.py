"""Bags of embeddings under PyTorch's name and signature."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.ops import elementwise as e
from minigrad.core.plain import plain
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.nn.functions.sparse import limit_norms, shares_of_rows
from minigrad.nn.functions.warn import warn_user
from minigrad.ops.arithmetic import clamp_min
from minigrad.ops.guard import guarded
from minigrad.ops.layers import bag as ops
from minigrad.ops.scatter import gather

__all__ = ["embedding_bag"]

index_kernels = lazy("index")
bag_kernels = lazy("bag")


def _check_integers(t: Tensor, name: str) -> None:
    if t.array.dtype.kind not in "iu":
        raise RuntimeError(
            f"Expected tensor for argument '{name}' of embedding_bag to have one of the following "
            f"scalar types: Long, Int; but got {t.dtype}: convert it with .long()"
        )


def _starts(input: Tensor, offsets: Tensor | None, include_last: bool) -> Tensor:
    """Where each bag starts, and where the last one ends."""
    if input.array.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        bags, length = input.array.shape
        return given(np.arange(bags + 1) * length)
    if offsets is None or offsets.array.ndim != 1:
        got = "None" if offsets is None else f"a {offsets.array.ndim}D one"
        raise ValueError(f"offsets has to be a 1D Tensor but got {got}")
    _check_integers(offsets, "offsets")
    return _limits((offsets,), input.array.size, include_last)


@plain
def _limits(offsets: Array, n: int, include_last: bool) -> Array:
    """Offsets, checked, with the end of the last bag."""
    starts: Array = offsets.astype(np.int64)
    if include_last and starts.size == 0:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    if starts.size and starts[-1] > n:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {n} but got offsets[-1] of "
            f"{starts[-1]}"
        )
    if (np.diff(starts) < 0).any():
        raise RuntimeError(f"offsets have to ascend, but got {starts.tolist()}")
    ends = [] if include_last else [n if starts.size else 0]
    return np.concatenate([starts, np.array(ends, np.int64)])


def _checked(
    input: Tensor, weight: Tensor, per_sample: Tensor | None, mode: str, by_freq: bool, sparse: bool
) -> None:
    if per_sample is not None and per_sample.array.shape != input.array.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )
    if weight.array.ndim != 2:
        raise ValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.array.ndim}"
        )
    if input.array.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.array.ndim}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if per_sample is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}')"
        )
    _check_integers(input, "input")
    if per_sample is not None and per_sample.array.dtype != weight.array.dtype:
        raise RuntimeError(
            "Expected weight to have the same type as per_sample_weights; but got "
            f"{weight.dtype} and {per_sample.dtype}"
        )


def _padding(padding_idx: int | None, rows: int) -> int:
    """The row that counts for nothing, -1 if there is none."""
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, "
            f"but got {padding_idx}"
        )
    return padding_idx % rows


def _scaled_gradient(weight: Tensor, index: Tensor) -> Tensor:
    """The same table, whose gradient is divided by how often each row is looked up."""
    rows, kind = weight.array.shape[0], weight.array.dtype
    same: Any = weight * given(np.ones((rows, 1), kind))
    if same._requires_grad:
        share = shares_of_rows((index,), rows, kind)
        same.register_hook(lambda g: g * share)
    return same  # type: ignore[no-any-return]


@plain
def _index(input: Array, rows: int) -> Array:
    try:
        index: Array = index_kernels.check_indices(input.reshape(-1), rows, "embedding_bag")
    except IndexError as error:
        raise RuntimeError(str(error)) from None
    return index


@plain
def _rows_of_largest(weight: Array, index: Array, starts: Array, skip: int) -> Array:
    rows: Array = bag_kernels.bag_rows_of_largest(weight, index, starts, skip)
    return rows


def _largest(weight: Tensor, index: Tensor, starts: Tensor, skip: int) -> Tensor:
    """The largest value of each column in each bag; zeros for an empty bag."""
    rows: Any = _rows_of_largest((weight, index, starts), skip)
    shape = rows.array.shape
    if rows.array.size == 0 or weight.array.size == 0:
        return weight[:0] if not shape[0] else given(np.zeros(shape, weight.array.dtype))
    return e.choose(rows >= 0, gather(weight, 0, clamp_min(rows, 0)), 0.0)


@guarded
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Sums, means or maxima of bags of rows of `weight`, without the rows in between.

    Parameters
    ----------
    input : Tensor of integers, shape (B, n) or (n,)
        The rows of each bag; or of all bags, one after the other.
    weight : Tensor, shape (V, D)
    offsets : Tensor of integers, shape (B,), optional
        Where each bag starts in an `input` of one dimension.
    max_norm : float, optional
        Rows that are looked up and longer than this are scaled down first, in place.
    norm_type : float
        The p of that norm.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often it was looked up.
    mode : {"mean", "sum", "max"}
    sparse : bool
        Accepted; gradients are dense.
    per_sample_weights : Tensor, of the shape of `input`, optional
        What each row counts; with "sum" only.
    include_last_offset : bool
        `offsets` has one more entry, the end of the last bag.
    padding_idx : int, optional
        A row that counts for nothing.

    Returns
    -------
    Tensor, shape (B, D)
        Zeros for empty bags.

    Examples
    --------
    >>> import minigrad as mg
    >>> table = mg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> bags = mg.tensor([0, 1, 2]), mg.tensor([0, 2])
    >>> mg.nn.functional.embedding_bag(bags[0], table, bags[1])
    tensor([[2., 3.],
            [5., 6.]])
    """
    if weight.array.dtype == np.int64 and input.array.dtype.kind == "f":
        warn_user(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
            "`embedding_bag(input, weight, ...)`."
        )
        input, weight = weight, input
    _checked(input, weight, per_sample_weights, mode, scale_grad_by_freq, sparse)
    starts = _starts(input, offsets, include_last_offset)
    skip = _padding(padding_idx, weight.array.shape[0])
    index = _index((input,), weight.array.shape[0])
    if max_norm is not None:
        limit_norms(input, weight, max_norm, norm_type)
    if mode == "max":
        return _largest(weight, index, starts, skip)
    if scale_grad_by_freq:
        weight = _scaled_gradient(weight, index)
    scale = _shares((index, starts), skip, mode == "mean", weight.array.dtype)
    if per_sample_weights is not None:
        scale = scale * per_sample_weights.reshape(-1)
    return ops.bag_sums((weight, scale, index, starts))


@plain
def _shares(index: Array, starts: Array, skip: int, mean: bool, kind: np.dtype[Any]) -> Array:
    """What each index counts for: 0 for padding, one over the size of its bag for means."""
    counted = index != skip
    shares = counted.astype(np.float64)
    if mean:
        total = np.concatenate([[0], np.cumsum(counted)])
        sizes = total[starts[1:]] - total[starts[:-1]]
        bag = np.repeat(np.arange(starts.size - 1), np.diff(starts))
        shares[: bag.size] /= np.maximum(sizes, 1)[bag]
    return np.asarray(shares, kind)
