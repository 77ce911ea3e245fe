"""Tables of vectors, looked up by index; and distances."""

from __future__ import annotations

from typing import Any

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn import fill
from minigrad.nn.functions import sparse as F
from minigrad.nn.layer import Layer
from minigrad.nn.linear import new_parameter
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter

__all__ = ["CosineSimilarity", "Embedding", "PairwiseDistance", "Table"]


class Table(Module):
    """What `Embedding` and `EmbeddingBag` share: vectors, and how they are looked up."""

    _padding_name = "Padding_idx"  # as PyTorch's messages spell it

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None,
        max_norm: float | None, norm_type: float, scale_grad_by_freq: bool, sparse: bool,
        weight: Tensor | None, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(f"{self._padding_name} must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if weight is None:
            self.weight = new_parameter((num_embeddings, embedding_dim), dtype, device)
            self.reset_parameters()
        else:
            if weight.array.shape != (num_embeddings, embedding_dim):
                raise AssertionError(
                    "Shape of weight does not match num_embeddings and embedding_dim"
                )
            self.weight = Parameter(weight)

    def reset_parameters(self) -> None:
        """Standard normal vectors; 0 for `padding_idx`."""
        fill.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def _norm_repr(self) -> str:
        """Of the norm and the gradient's scale, what is not as usual."""
        text = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text


class Embedding(Table):
    """A table of learned vectors.

    Parameters
    ----------
    num_embeddings : int
        How many there are.
    embedding_dim : int
        Their length.
    padding_idx : int, optional
        One that stays as it is: 0 at the start, and without gradient.
    max_norm : float, optional
        Longer vectors are scaled down when they are looked up.
    norm_type : float
        The p of that norm.
    scale_grad_by_freq : bool
        Divide the gradient of a vector by how often it was looked up.
    sparse : bool
        Accepted; gradients are dense.
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Embedding(10, 3)(mg.tensor([[1, 2], [4, 9]])).shape
    minigrad.Size([2, 2, 3])
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, device, dtype,
        )  # fmt: skip
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:  # fmt: skip
        """A table of given vectors, not trained if `freeze`."""
        if embeddings.array.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.array.shape
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            _weight=embeddings, _freeze=freeze,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """The vectors at the indices `input`."""
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        text += self._norm_repr()
        return text + ", sparse=True" if self.sparse else text


class CosineSimilarity(Layer, function=F.cosine_similarity, shown=""):
    """``x1 . x2 / (|x1| |x2|)`` along a dimension.

    Parameters
    ----------
    dim : int
    eps : float
        What norms count as at least.
    """

    dim: int = 1
    eps: float = 1e-8

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The similarity."""
        result: Tensor = self._computed(x1, x2)
        return result


class PairwiseDistance(Module):
    """The p-norm of ``x1 - x2 + eps`` along the last dimension.

    Parameters
    ----------
    p : float
    eps : float
    keepdim : bool
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The distance."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
