"""Bags of embeddings as a layer."""

from __future__ import annotations

from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.nn.functions import bag as F
from minigrad.nn.sparse import Table

__all__ = ["EmbeddingBag"]


class EmbeddingBag(Table):
    """Sums, means or maxima of bags of learned vectors.

    Parameters
    ----------
    num_embeddings : int
        How many vectors there are.
    embedding_dim : int
        Their length.
    max_norm : float, optional
        Longer vectors are scaled down when they are looked up.
    norm_type : float
        The p of that norm.
    scale_grad_by_freq : bool
        Divide the gradient of a vector by how often it was looked up.
    mode : {"mean", "sum", "max"}
    sparse : bool
        Accepted; gradients are dense.
    include_last_offset : bool
        Offsets have one more entry, the end of the last bag.
    padding_idx : int, optional
        A vector that counts for nothing and stays as it is: 0 at the start.
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> bag = mg.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(mg.tensor([1, 2, 4, 5]), mg.tensor([0, 3])).shape
    minigrad.Size([2, 3])
    """

    _padding_name = "padding_idx"

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
        sparse: bool = False, _weight: Tensor | None = None, include_last_offset: bool = False,
        padding_idx: int | None = None, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, device, dtype,
        )  # fmt: skip
        self.mode = mode
        self.include_last_offset = include_last_offset

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
        sparse: bool = False, include_last_offset: bool = False, padding_idx: int | None = None,
    ) -> EmbeddingBag:  # fmt: skip
        """A table of given vectors, not trained if `freeze`."""
        if embeddings.array.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.array.shape
        bag = cls(
            rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
            include_last_offset, padding_idx,
        )  # fmt: skip
        bag.weight.requires_grad_(not freeze)
        return bag

    def forward(
        self, input: Tensor, offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The bags of indices `input`, shape (B, n), or (n,) with `offsets`."""
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        text = f"{self.num_embeddings}, {self.embedding_dim}{self._norm_repr()}"
        text += f", mode={self.mode!r}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
