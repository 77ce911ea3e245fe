"""Looking up rows, one-hot vectors, and the affine maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.events import change, read
from minigrad.core.modes import no_grad
from minigrad.core.ops import elementwise as e
from minigrad.core.ops import reduce as core
from minigrad.core.ops.shape import reshape
from minigrad.core.plain import plain
from minigrad.core.promotion import cast, result_type
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops import reduce as r
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32
from minigrad.ops.inplace import alter
from minigrad.ops.layers import affine as ops
from minigrad.ops.layers.affine import linear
from minigrad.ops.select import index_select
from minigrad.ops.shape import broadcast_tensors

__all__ = [
    "bilinear", "cosine_similarity", "embedding", "linear", "one_hot", "pairwise_distance", "pdist",
]  # fmt: skip


@guarded
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of `weight` at the indices `input`.

    Parameters
    ----------
    input : Tensor of integers, any shape
    weight : Tensor, shape (V, D)
    padding_idx : int, optional
        A row that gets no gradient; negative ones count from the end.
    max_norm : float, optional
        Rows that are looked up and longer than this are scaled down first, in place.
    norm_type : float
        The p of that norm.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often it was looked up.
    sparse : bool
        Accepted; gradients are dense.

    Raises
    ------
    IndexError
        If an index is out of range.
    """
    if weight.array.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(weight.array.shape)}")
    rows = weight.array.shape[0]
    skip = -1
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ValueError("Padding_idx must be within num_embeddings")
        skip = padding_idx % rows
    if max_norm is not None:
        limit_norms(input, weight, max_norm, norm_type)
    y = ops.embedding(input, weight, skip)
    if scale_grad_by_freq and y._requires_grad:
        flat = reshape(input, (-1,))
        share = index_select(shares_of_rows((flat,), rows, y.array.dtype), 0, flat)
        share = reshape(share, (*input.array.shape, 1))
        y.register_hook(lambda g: g * share)
    return y


@plain
def shares_of_rows(index: Array, rows: int, kind: np.dtype[Any]) -> Array:
    """For each row one over how often it is looked up, shape (rows, 1)."""
    counts = np.maximum(np.bincount(index, minlength=rows), 1)
    return (1.0 / counts).astype(kind)[:, None]


def limit_norms(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale down the rows that are about to be looked up."""
    with no_grad():
        ops.embedding(input, weight)  # checks the indices
        alter(weight, _shorten_rows, (input,), max_norm, norm_type)


@change
def _shorten_rows(table: Array, index: Array, most: float, p: float) -> None:
    used = np.unique(index)
    rows = table[used]
    norms = np.linalg.norm(rows, p, axis=1)
    long = norms > most
    scale = (most / (norms[long] + 1e-7)).astype(table.dtype)
    table[used[long]] = rows[long] * scale[:, None]


@guarded
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Zeros with a one at each index, along a new last dimension.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.one_hot(mg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    x = tensor.array
    if x.dtype != np.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}."
        )
    if x.size == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return given(np.zeros((*x.shape, num_classes), np.int64))
    low, high = int(x.min()), int(x.max())
    if low < 0:
        raise RuntimeError(f"Class values must be non-negative, got {low}.")
    if num_classes == -1:
        read("one_hot", tensor)
        num_classes = high + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif high >= num_classes:
        raise RuntimeError(
            f"Class values must be smaller than num_classes: {high} >= {num_classes}."
        )
    return _one_hot((tensor,), num_classes)


@plain
def _one_hot(x: Array, classes: int) -> Array:
    out = np.zeros((*x.shape, classes), np.int64)
    np.put_along_axis(out, x[..., None], 1, -1)
    return out


@guarded
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y_k = input1 @ weight[k] @ input2 + bias_k`` for any number of leading dimensions."""
    a, b, w = input1.array.shape, input2.array.shape, weight.array.shape
    if a[:-1] != b[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(a)} and {list(b)}"
        )
    if len(w) != 3:
        raise RuntimeError(f"bilinear(): weight must be 3D, got {list(w)}")
    if not a:
        raise RuntimeError("bilinear(): inputs must have at least one dimension")
    if a[-1] != w[1] or b[-1] != w[2]:
        raise RuntimeError(
            f"bilinear(): input sizes do not match weight size: got {list(a)} and {list(b)} but "
            f"expected last dimensions {w[1]} and {w[2]}"
        )
    out, first, second = w
    # input1 with all matrices at once, then the sum with input2
    left: Any = linear(reshape(input1, (-1, first)), reshape(weight.transpose(1, 2), (-1, first)))
    rows = left.array.shape[0]
    y: Any = (reshape(left, (rows, out, second)) * reshape(input2, (rows, 1, second))).sum(2)
    y = reshape(y, (*a[:-1], out))
    return y if bias is None else y + bias  # type: ignore[no-any-return]


@guarded
@in_float32
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """``x1 . x2 / (|x1| |x2|)`` along `dim`; norms count as `eps` at least."""
    kind = result_type(x1, x2).numpy
    a, b = broadcast_tensors(cast(x1, kind), cast(x2, kind))
    first = r.p_norm(a, 2, dim, keepdim=True).clamp_min(eps)
    second = r.p_norm(b, 2, dim, keepdim=True).clamp_min(eps)
    return core.sum(e.mul(e.over(a, first), e.over(b, second)), dim)


@guarded
@in_float32
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension."""
    difference: Any = x1 - x2 + eps
    return r.p_norm(difference, p, -1, keepdim)


@guarded
@in_float32
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances between all pairs of rows: (N, D) gives (N (N - 1) / 2,).

    The order is that of the upper triangle: rows 0 and 1, 0 and 2, ..., 1 and 2, ...

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.pdist(mg.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]]))
    tensor([5., 3., 4.])
    """
    x = input.array
    if x.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {x.ndim}D")
    if x.dtype.kind != "f":
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    first, second = (given(i) for i in np.triu_indices(len(x), 1))
    difference: Any = index_select(input, 0, first) - index_select(input, 0, second)
    if x.shape[1] == 0:
        return core.sum(difference, 1)
    return r.p_norm(difference, p, 1)
