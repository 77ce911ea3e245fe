"""An efficient softmax over very many classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad.core.events import read
from minigrad.core.ops import reduce as core
from minigrad.core.ops.shape import reshape
from minigrad.core.plain import plain, plain_results
from minigrad.core.tensor import Array, Tensor
from minigrad.nn.containers import ModuleList, Sequential
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.ops import reduce as r
from minigrad.ops.join import cat
from minigrad.ops.layers.activations import log_softmax
from minigrad.ops.scatter import gather
from minigrad.ops.select import index_copy, index_select
from minigrad.ops.shape import unsqueeze
from minigrad.ops.sort import argsort

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


@plain_results(3)
def _located(target: Array, cutoffs: tuple[int, ...], shortlist: int) -> tuple[Array, Array, Array]:
    """The cluster of each target, its place in the head, and its place in the cluster."""
    t = target.reshape(-1).astype(np.int64)
    cluster = np.searchsorted(cutoffs, t, side="right")
    starts = np.array((0, *cutoffs))
    return cluster, np.where(cluster == 0, t, shortlist + cluster - 1), t - starts[cluster]


@plain
def _members(cluster: Array, i: int) -> Array:
    """The samples of a cluster."""
    return np.nonzero(cluster == i)[0]


@plain
def _beyond(best: Array, shortlist: int) -> Array:
    """The samples whose class is in no shortlist."""
    return np.nonzero(best >= shortlist)[0]


def _picked(values: Tensor, index: Tensor) -> Tensor:
    """One value of each row."""
    return reshape(gather(values, 1, unsqueeze(index, 1)), (-1,))


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax in clusters of classes by frequency, and its loss (Grave et al. 2017).

    The head scores the most frequent classes and the clusters of the others; a cluster is only
    computed for the samples whose target is in it.

    Parameters
    ----------
    in_features, n_classes : int
        Classes are ordered from the most to the least frequent.
    cutoffs : sequence of int
        Where the clusters begin.
    div_value : float
        Cluster i works on ``in_features / div_value ** (i + 1)`` features.
    head_bias : bool
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 40])
    >>> output, loss = layer(mg.ones(4, 16), mg.tensor([3, 50, 99, 0]))
    >>> output.shape
    minigrad.Size([4])
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
        head_bias: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        limits = list(cutoffs)
        if not limits:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        rising = all(a < b for a, b in pairwise([0, *limits, n_classes]))
        if not rising or any(int(c) != c for c in limits):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                f"order, where each value is between 1 and n_classes-1, got {limits}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*limits, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = limits[0]
        self.n_clusters = len(limits)
        self.head_size = self.shortlist_size + self.n_clusters
        given = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **given)
        self.tail = ModuleList()
        for i, (start, stop) in enumerate(pairwise(self.cutoffs)):
            inner = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, inner, bias=False, **given),
                    Linear(inner, stop - start, bias=False, **given),
                )
            )

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.head.reset_parameters()
        for layer in self.tail.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def _check(self, input: Tensor, target: Tensor) -> None:
        dims, shape = target.array.ndim, input.array.shape
        if dims > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if dims == 1 and (not shape or shape[0] != target.array.size):
            raise RuntimeError(
                "Input and target should have the same size in the batch dimension, got "
                f"{list(shape)} and {list(target.array.shape)}"
            )
        if len(shape) != dims + 1:
            raise RuntimeError(
                f"{dims}D target tensor expects {dims + 1}D input tensors, but found inputs with "
                f"size {input.shape}"
            )
        t = target.array
        if t.dtype.kind not in "iu":
            raise RuntimeError(f"expected class indices (int64) as target, got {target.dtype}")
        if t.size and not 0 <= t.min() <= t.max() < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{t.min()}, {t.max()}] were found."
            )

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """The log-probability of each target, and their mean with the sign changed.

        Parameters
        ----------
        input_ : Tensor, shape (N, in_features) or (in_features,)
        target_ : Tensor of integers, shape (N,) or ()
        """
        self._check(input_, target_)
        batched = target_.array.ndim == 1
        x = input_ if batched else unsqueeze(input_, 0)
        read("adaptive_softmax", target_)  # which clusters are computed, and for how many samples
        cluster, head, inner = _located((target_,), tuple(self.cutoffs), self.shortlist_size)
        output: Any = _picked(log_softmax(self.head(x), 1), head)
        parts, order = [], []
        for i in range(self.n_clusters + 1):
            rows = _members((cluster,), i)
            if not rows.array.size:
                continue
            part: Any = index_select(output, 0, rows)
            if i > 0:
                inside = log_softmax(self.tail[i - 1](index_select(x, 0, rows)), 1)
                part = part + _picked(inside, index_select(inner, 0, rows))
            parts.append(part)
            order.append(rows)
        if parts:
            output = index_select(cat(parts), 0, argsort(cat(order)))
        loss = -core.mean(output)
        return _ASMoutput(output if batched else reshape(output, ()), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, shape (N, n_classes)."""
        head: Any = log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            place = self.shortlist_size + i
            parts.append(log_softmax(cluster(input), 1) + head[:, place : place + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each sample, shape (N,)."""
        best: Tensor = r.argmax(self.head(input), 1)
        rest = _beyond((best,), self.shortlist_size)
        read("adaptive_softmax", best)
        if rest.array.size:
            exact = r.argmax(self.log_prob(index_select(input, 0, rest)), 1)
            best = index_copy(best, 0, rest, exact)
        return best
