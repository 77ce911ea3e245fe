"""Operations that fold dimensions into one number each: sums, means, extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dims
from minigrad.core.dtypes import as_dtype
from minigrad.core.flat import record
from minigrad.core.modes import current
from minigrad.core.operation import NoValues
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.plain import plain
from minigrad.core.promotion import cast
from minigrad.core.public import public
from minigrad.core.samples import cases
from minigrad.core.tensor import Tensor

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]


def axes_samples(
    *shapes_axes: tuple[tuple[int, ...], Axes], low: float = -3, high: float = 3
) -> Any:
    """Samples of shapes and the axes to reduce."""

    def make(shape: tuple[int, ...], axes: Axes, keepdim: bool) -> Any:
        return lambda rng: ((rng.uniform(low, high, shape),), (axes, keepdim))

    pairs = shapes_axes or (((3, 4), (1,)), ((2, 3, 4), (0, 2)), ((5,), (0,)), ((3, 2), (0, 1)))
    return cases(*[make(s, a, k) for s, a in pairs for k in (False, True)])


def _kept(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape with the reduced dimensions of size 1."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def spread(g: Any, shape: tuple[int, ...], axes: Axes) -> Any:
    """A reduced tensor (or array) over the shape it was reduced from."""
    kept = _kept(shape, axes)
    if isinstance(g, Tensor):
        return expand(reshape(g, kept), shape)
    return np.broadcast_to(g.reshape(kept), shape)


def count(shape: tuple[int, ...], axes: Axes) -> int:
    """How many elements are reduced to one."""
    n = 1
    for a in axes:
        n *= shape[a]
    return n


def _add_up(x: Array, axes: Axes, keepdim: bool) -> Array:
    """The sum, in float64 or int64; floats come back in their own type."""
    floats = x.dtype.kind == "f"
    total = np.sum(x, axes, np.float64 if floats else np.int64, keepdims=keepdim)
    return total.astype(x.dtype) if floats else np.asarray(total)


sum_op = primitive(
    "sum", _add_up,
    vjp=lambda g, axes, x_shape: spread(g, x_shape, axes),
    fused=lambda g, axes, x_shape: spread(g, x_shape, axes), sample=axes_samples(),
    doc="Blocks of 8192 elements, the blocks added in float64.",
)  # fmt: skip


mean_op = primitive(
    "mean", lambda x, axes, keepdim: np.mean(x, axes, np.float64, keepdims=keepdim).astype(x.dtype),
    vjp=lambda g, axes, x_shape: spread(g / count(x_shape, axes), x_shape, axes),
    fused=lambda g, axes, x_shape: spread(
        g / np.float64(count(x_shape, axes)).astype(g.dtype), x_shape, axes
    ), sample=axes_samples(),
)  # fmt: skip


_SUM = sum_op.op


def in_dtype(input: Tensor, dtype: Any) -> Tensor:
    """`input` in a type that was asked for, if any was."""
    return input if dtype is None else cast(input, as_dtype(dtype).numpy)


@public
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over some dimensions, or over all.

    Integers and booleans sum to int64. float32 is summed in blocks of 8192, the blocks in float64:
    more accurate than one running sum, and the same bits for any number of threads.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.sum(mg.ones(2, 3), dim=1)
    tensor([3., 3.])
    """
    x = input.array
    params = (wrap_dims(dim, x.ndim, "sum"), keepdim)
    if dtype is None:  # straight to the engine: a small sum is little more than its calls
        mode = current.get()
        if mode.listeners:
            return sum_op((input,), params)
        try:
            out = _SUM.run(x, *params)
        except NoValues:
            return sum_op((input,), params)
        summed: Tensor = record(_SUM, (input,), params, out, mode)
        return summed
    return in_dtype(sum_op((in_dtype(input, dtype),), params), dtype)


@public
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over some dimensions, or over all."""
    x = in_dtype(input, dtype)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {x.dtype}; use .float() first"
        )
    if x.array.dtype.char == "e":  # added up and divided in float32, rounded once
        return cast(mean(cast(x, np.dtype(np.float32)), dim, keepdim), x.array.dtype)
    return mean_op((x,), (wrap_dims(dim, x.array.ndim, "mean"), keepdim))


@plain
def _tie_shares(x: Array, y: Array, axes: Axes) -> Array:
    """One over how many elements equal the extreme, where one does; else 0."""
    ties = x == spread(y, x.shape, axes)
    shares: Array = (ties / ties.sum(axis=axes, keepdims=True)).astype(x.dtype)
    return shares


def _extreme_grad(g: Tensor, x: Tensor, y: Tensor, axes: Axes) -> Tensor:
    """Ties share the gradient equally."""
    gx: Tensor = spread(g, x.array.shape, axes) * _tie_shares((x, y), axes)
    return gx


amax_op = primitive(
    "amax",
    lambda x, axes, keepdim: np.max(x, axes, keepdims=keepdim),
    vjp=_extreme_grad,
    sample=axes_samples(),
)


amin_op = primitive(
    "amin",
    lambda x, axes, keepdim: np.min(x, axes, keepdims=keepdim),
    vjp=_extreme_grad,
    sample=axes_samples(),
)


def nonempty(x: Tensor, axes: Axes, name: str, dim: Any = 0) -> None:
    """Refuse to find an extreme of nothing."""
    if 0 in [x.array.shape[a] for a in axes]:
        raise (RuntimeError if dim in (None, (), []) else IndexError)(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0, or to have "
            f"non-zero size; got shape {list(x.array.shape)}"
        )


@public
def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The largest element over some dimensions, or all; ties share the gradient equally."""
    axes = wrap_dims(dim, input.array.ndim, "amax")
    nonempty(input, axes, "amax", dim)
    return amax_op((input,), (axes, keepdim))


@public
def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The smallest element over some dimensions, or all; ties share the gradient equally."""
    axes = wrap_dims(dim, input.array.ndim, "amin")
    nonempty(input, axes, "amin", dim)
    return amin_op((input,), (axes, keepdim))
