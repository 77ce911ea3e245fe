"""What the parametrizations by norms and their older, hook based forms share."""

from __future__ import annotations

from minigrad.core.tensor import Tensor
from minigrad.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from minigrad.nn.functions.normalization import normalize
from minigrad.nn.module import Module
from minigrad.ops.aliases import norm_except_dim
from minigrad.ops.inplace import store

__all__ = ["default_dim", "scaled", "unit", "weight_matrix", "write"]


def scaled(g: Tensor, v: Tensor, dim: int) -> Tensor:
    """``g v / ||v||``; the norms are those of the entries along `dim`, of all of v if it is -1."""
    return v * (g / norm_except_dim(v, 2, dim))


def unit(x: Tensor, eps: float) -> Tensor:
    """A vector divided by its length, which counts as `eps` at least."""
    return normalize(x, dim=0, eps=eps)


def weight_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as a matrix whose rows belong to the entries along `dim`."""
    if dim != 0:
        weight = weight.permute(dim, *[d for d in range(weight.ndim) if d != dim])
    return weight.reshape(weight.shape[0], -1)


def default_dim(module: Module) -> int:
    """The dimension of the outputs in the weight of a layer."""
    transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
    return 1 if isinstance(module, transposed) else 0


def write(t: Tensor, value: Tensor) -> None:
    """Overwrite a buffer in place, so that it stays the tensor that others hold."""
    store(t, value)
