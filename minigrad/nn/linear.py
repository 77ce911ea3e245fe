"""Affine layers, and layers that only change the shape."""

from __future__ import annotations

import math
from dataclasses import InitVar
from typing import Any

import numpy as np

from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.ops import reduce as r
from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor
from minigrad.nn import fill
from minigrad.nn.functions.sparse import bilinear, linear
from minigrad.nn.layer import Layer, UnaryLayer
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.creation import finish

__all__ = [
    "Bilinear", "Flatten", "Identity", "Linear", "Maxout", "TransposedLinear", "Unflatten",
    "new_parameter",
]  # fmt: skip


def new_parameter(shape: Any, dtype: Any = None, device: Any = None) -> Parameter:
    """A parameter whose values are to be set."""
    kind = (get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
    if any(n < 0 for n in shape):
        first = next(n for n in shape if n < 0)
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {first}: {list(shape)}"
        )
    return Parameter(finish(np.empty(shape, kind), device=device))


class Identity(Module):
    """Gives back its input, whatever arguments it was made with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input."""
        return input


class Linear(UnaryLayer, shown="in_features=, out_features=, bias="):
    """``y = x @ weight.T + bias``.

    Weights start uniform in ``+-1 / sqrt(in_features)``, as PyTorch's do.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(3, 2)
    >>> layer(mg.ones(4, 3)).shape
    minigrad.Size([4, 2])
    """

    in_features: int
    out_features: int
    bias: InitVar[bool] = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None

    def __post_init__(self, bias: bool, device: Any, dtype: Any) -> None:
        rows = self.out_features
        self.weight = new_parameter((rows, self.in_features), dtype, device)
        self.register_parameter("bias", new_parameter((rows,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        fill.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            fill.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """``input @ weight.T + bias``."""
        own = self.__dict__["_parameters"]  # quicker than by attribute
        try:
            return linear(input, own["weight"], own["bias"])
        except KeyError:  # computed from other parameters
            return linear(input, self.weight, self.bias)


class TransposedLinear(Module):
    """``y = x W + b`` with the weight of another layer, that computes ``x W.T + c``.

    The decoder of an autoencoder that is tied to its encoder. The two layers share one parameter:
    it appears once in ``parameters()``, twice in the graph, and its gradient is the sum of what
    flows back from both uses. The state dict has it under both names.

    Parameters
    ----------
    linear : Linear
        The layer whose weight is used, transposed.
    bias : bool
        Whether there is a shift; it is a parameter of its own.

    Examples
    --------
    >>> import minigrad as mg
    >>> encode = mg.nn.Linear(4, 2)
    >>> decode = mg.nn.TransposedLinear(encode)
    >>> decode(encode(mg.ones(3, 4))).shape, decode.weight is encode.weight
    (minigrad.Size([3, 4]), True)
    """

    def __init__(self, linear: Linear, bias: bool = True) -> None:
        super().__init__()
        self.in_features = linear.out_features
        self.out_features = linear.in_features
        self.weight = linear.weight
        self.register_parameter("bias", new_parameter((self.out_features,)) if bias else None)
        if bias:
            fill.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The product with the weight, plus the bias; shape (..., out_features)."""
        return linear(input, self.weight.T, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, tied=True"


class Bilinear(Layer, shown="in1_features=, in2_features=, out_features=, bias="):
    """``y_k = x1 @ weight[k] @ x2 + bias_k``.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool
    device, dtype : optional
    """

    in1_features: int
    in2_features: int
    out_features: int
    bias: InitVar[bool] = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None

    def __post_init__(self, bias: bool, device: Any, dtype: Any) -> None:
        if self.in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {self.in1_features}")
        shape = self.out_features, self.in1_features, self.in2_features
        self.weight = new_parameter(shape, dtype, device)
        self.register_parameter("bias", new_parameter(shape[:1], dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        fill.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            fill.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """``input1 @ weight @ input2 + bias``."""
        return bilinear(input1, input2, self.weight, self.bias)


class Maxout(UnaryLayer, shown="in_features=, out_features=, num_pieces=, bias="):
    """The largest of several affine maps (Goodfellow et al. 2013): a learned activation.

    Parameters
    ----------
    in_features, out_features : int
    num_pieces : int
        How many affine maps compete for each output.
    bias : bool
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Maxout(3, 2, num_pieces=4)(mg.ones(5, 3)).shape
    minigrad.Size([5, 2])
    """

    in_features: int
    out_features: int
    num_pieces: int = 2
    bias: InitVar[bool] = True
    device: InitVar[Any] = None
    dtype: InitVar[Any] = None

    def __post_init__(self, bias: bool, device: Any, dtype: Any) -> None:
        if self.num_pieces < 1:
            raise ValueError(f"num_pieces must be at least 1, got {self.num_pieces}")
        rows = self.out_features * self.num_pieces
        self.weight = new_parameter((rows, self.in_features), dtype, device)
        self.register_parameter("bias", new_parameter((rows,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        Linear.reset_parameters(self)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        """``max_p(input @ weight_p.T + bias_p)``."""
        pieces = linear(input, self.weight, self.bias)
        shape = (*input.array.shape[:-1], self.out_features, self.num_pieces)
        return r.amax(reshape(pieces, shape), -1)


class Flatten(UnaryLayer):
    """Joins dimensions into one; by default all but the first.

    Parameters
    ----------
    start_dim, end_dim : int
        The first and last dimension to join.
    """

    start_dim: int = 1
    end_dim: int = -1

    def forward(self, input: Tensor) -> Tensor:
        """The input with fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(UnaryLayer):
    """Splits one dimension into several.

    Parameters
    ----------
    dim : int
        The dimension.
    unflattened_size : sequence of int
        Its new sizes; one may be -1.
    """

    dim: int
    unflattened_size: Any

    def __post_init__(self) -> None:
        dim, sizes = self.dim, self.unflattened_size
        if not isinstance(dim, int):
            raise TypeError(f"unflatten dim must be an int, got {type(dim).__name__}")
        if not isinstance(sizes, (tuple, list)) or not all(isinstance(n, int) for n in sizes):
            raise TypeError(f"unflattened_size must be a tuple of ints, but found {sizes!r}")

    def forward(self, input: Tensor) -> Tensor:
        """The input with more dimensions."""
        shape = input.array.shape
        dim = self.dim % max(len(shape), 1)
        return reshape(input, (*shape[:dim], *self.unflattened_size, *shape[dim + 1 :]))
