"""Operations that move elements without computing: views and their inverses.

A view shares the memory of its input; its derivative is the view undone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import as_sizes, wrap_dim
from minigrad.core.promotion import cast
from minigrad.core.public import OpFunction, method, public
from minigrad.core.quiet import call_quietly
from minigrad.core.refusal import explain
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Tensor

Array = np.ndarray[Any, Any]


reshape_op: OpFunction = primitive(
    "reshape", lambda x, shape: x.reshape(shape), view=True,
    vjp=lambda g, x_shape: reshape_op((g,), (x_shape,)),
    fused=lambda g, x_shape: g.reshape(x_shape),
    sample=cases(
        normal((3, 4), (2, 6)), normal((6,), (2, 3)), normal((0, 2), (0,)), normal((), (1,))
    ),
)  # fmt: skip


def filled_in(numel: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The one size that is -1 follows from the others; numpy says whether that fits."""
    if -1 not in shape:
        return shape
    known = -math.prod(shape)
    return tuple([numel // known if s == -1 else s for s in shape]) if known > 0 else shape


@public
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements, in the same order, in another shape; one size may be -1.

    A view where the memory allows it, a copy elsewhere.
    """
    if len(shape) == 0:
        raise TypeError("reshape() missing the new shape")
    x = input.array
    sizes = as_sizes(shape, "reshape")
    full = filled_in(x.size, sizes)
    try:
        if full and min(full) < 0:  # numpy would take any of them for -1
            raise ValueError(f"cannot reshape {x.shape} into {sizes}")
        return reshape_op((input,), (full,))
    except ValueError as error:
        raise explain("reshape", (x.shape, sizes), error) from None


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


permute_op: OpFunction = primitive(
    "permute", lambda x, dims: x.transpose(dims), view=True,
    vjp=lambda g, dims: permute_op((g,), (_inverse(dims),)),
    fused=lambda g, dims: g.transpose(_inverse(dims)),
    sample=cases(normal((2, 3, 4), (2, 0, 1)), normal((3, 2), (1, 0)), normal((0, 2), (1, 0))),
)  # fmt: skip


@public
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimensions in another order; a view."""
    order = as_sizes(dims, "permute")
    n = input.array.ndim
    try:
        return permute_op((input,), (tuple([wrap_dim(d, n, "permute") for d in order]),))
    except ValueError as error:
        raise explain("permute", (n, order), error) from None


@public
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped; a view."""
    n = input.array.ndim
    a, b = wrap_dim(dim0, n, "transpose"), wrap_dim(dim1, n, "transpose")
    order = list(range(n))
    if n:
        order[a], order[b] = order[b], order[a]
    return permute_op((input,), (tuple(order),))


def _reversed_dims(self: Tensor) -> Tensor:
    """The tensor with its dimensions reversed; a view."""
    return permute_op((self,), (tuple(reversed(range(self.array.ndim))),))


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two dimensions swapped; a view."""
    if self.array.ndim < 2:
        raise RuntimeError(f"tensor.mT needs at least 2 dimensions, got {self.array.ndim}")
    return transpose(self, -2, -1)


_expand = primitive(
    "expand", lambda x, shape: np.broadcast_to(x, shape), view=True, broadcasts=True,
    vjp=lambda g: g,  # the engine sums the broadcast away
    fused=lambda g: g,
    sample=cases(
        normal((3, 1), (3, 4)), normal((2,), (3, 2)), normal((), (2, 2)), normal((1,), (0,))
    ),
)  # fmt: skip


@method
def expand(self: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    wanted = as_sizes(sizes, "expand")
    shape = self.array.shape
    new = len(wanted) - len(shape)
    full = tuple([shape[i - new] if s == -1 and i >= new else s for i, s in enumerate(wanted)])
    try:
        return _expand((self,), (full,))
    except ValueError as error:
        raise explain("expand", (shape, wanted), error) from None


clone_op = primitive(
    "clone", lambda x: x.copy("K"), vjp=lambda g: g, fused=lambda g: g,
    sample=cases(normal((2, 3)), normal(())),
)  # fmt: skip


def copy(x: Tensor) -> Tensor:
    """A copy with its own memory, in the graph."""
    return clone_op((x,))


_cast = primitive(
    "_cast", lambda x, dtype: call_quietly(x.astype, dtype),
    vjp=lambda g, x: cast(g, x.array.dtype),
    fused=lambda g, x: g.astype(x.dtype), sample=cases(normal((2, 3), np.dtype("float64"))),
    doc="The elements as another type.",
)  # fmt: skip


_convert = primitive(
    "_convert", lambda x, dtype: call_quietly(x.astype, dtype),
    sample=cases(normal((2, 3), np.dtype("int64"))),
    doc="The elements as a type that no gradient passes.",
)  # fmt: skip


public(transpose, name="swapaxes")
public(transpose, name="swapdims")
public(_cast, method=False)
public(_convert, method=False)
setattr(Tensor, "T", property(_reversed_dims))  # noqa: B010
setattr(Tensor, "mT", property(_matrix_transpose))  # noqa: B010
