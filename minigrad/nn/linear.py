"""Affine layers, and layers that only change the shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.ops import reduce as r
from minigrad.core.ops.shape import reshape
from minigrad.core.tensor import Tensor
from minigrad.nn import fill
from minigrad.nn.functions.sparse import bilinear, linear
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


class Linear(Module):
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

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = new_parameter((out_features, in_features), dtype, device)
        if bias:
            self.bias = new_parameter((out_features,), dtype, device)
        else:
            self.register_parameter("bias", None)
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

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


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
        if bias:
            self.bias = fill.zeros_(new_parameter((self.out_features,)))
        else:
            self.register_parameter("bias", None)

    def forward(self, input: Tensor) -> Tensor:
        """The product with the weight, plus the bias; shape (..., out_features)."""
        return linear(input, self.weight.T, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, tied=True"


class Bilinear(Module):
    """``y_k = x1 @ weight[k] @ x2 + bias_k``.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool
    device, dtype : optional
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = new_parameter((out_features, in1_features, in2_features), dtype, device)
        if bias:
            self.bias = new_parameter((out_features,), dtype, device)
        else:
            self.register_parameter("bias", None)
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

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Maxout(Module):
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

    def __init__(
        self, in_features: int, out_features: int, num_pieces: int = 2, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_pieces < 1:
            raise ValueError(f"num_pieces must be at least 1, got {num_pieces}")
        self.in_features = in_features
        self.out_features = out_features
        self.num_pieces = num_pieces
        self.weight = new_parameter((out_features * num_pieces, in_features), dtype, device)
        if bias:
            self.bias = new_parameter((out_features * num_pieces,), dtype, device)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        Linear.reset_parameters(self)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        """``max_p(input @ weight_p.T + bias_p)``."""
        pieces = linear(input, self.weight, self.bias)
        shape = (*input.array.shape[:-1], self.out_features, self.num_pieces)
        return r.amax(reshape(pieces, shape), -1)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"num_pieces={self.num_pieces}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Joins dimensions into one; by default all but the first.

    Parameters
    ----------
    start_dim, end_dim : int
        The first and last dimension to join.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """The input with fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one dimension into several.

    Parameters
    ----------
    dim : int
        The dimension.
    unflattened_size : sequence of int
        Its new sizes; one may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"unflatten dim must be an int, got {type(dim).__name__}")
        if not isinstance(unflattened_size, (tuple, list)) or not all(
            isinstance(n, int) for n in unflattened_size
        ):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found {unflattened_size!r}"
            )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """The input with more dimensions."""
        shape = input.array.shape
        dim = self.dim % max(len(shape), 1)
        return reshape(input, (*shape[:dim], *self.unflattened_size, *shape[dim + 1 :]))

    def extra_repr(self) -> str:
        """The dimension and its sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
