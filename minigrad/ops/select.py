"""Entries along a dimension by number: selecting, adding, copying, filling; flat positions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.dims import wrap_dim
from minigrad.core.engine import apply
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.plain import plain
from minigrad.core.promotion import as_operand, cast
from minigrad.core.public import method, public
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.guard import all_values, guarded
from minigrad.ops.index import (
    Plan,
    as_value,
    check_points,
    pick_op,
    plan_of,
    points_of,
    put_op,
    put_planned,
    refuse_type,
    write_points,
)
from minigrad.ops.inplace import check_writable, write
from minigrad.ops.keys import Pick, check_range, split_key
from minigrad.ops.scatter import scatter_reduce

Shape = tuple[int, ...]


def _planned_put(
    input: Tensor, indices: Any, values: Any, name: str
) -> tuple[list[Pick], Plan, Tensor, Shape]:
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'indices' (position 1) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    shape = input.array.shape
    basic, picks = split_key(shape, tuple(as_operand(i, name, 1) for i in indices))
    if basic or not picks:
        raise IndexError(f"{name}: the indices must be tensors with dimensions")
    plan = plan_of(shape, picks)
    points = points_of(shape, plan)
    values = as_value(values, input)
    if values.array.dtype != input.array.dtype:
        refuse_type(input, values)
    check_points(values, points)
    return picks, plan, values, points


@public
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with `values` at ``input[indices]``, or added there with `accumulate`."""
    _, plan, values, _ = _planned_put(input, indices, values, "index_put")
    return put_planned(input, plan, values, accumulate)


@method
def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place form of :func:`index_put`."""
    check_writable(self, "index_put_")
    picks, plan, values, points = _planned_put(self, indices, values, "index_put_")
    write_points(self, picks, plan, values, points, accumulate)
    return self


def _vector_index(
    input: Tensor, dim: Any, index: Any, name: str, error: type[Exception], negative: bool = False
) -> tuple[int, Tensor]:
    """A dimension and a checked one-dimensional index into it."""
    dim = wrap_dim(dim, input.array.ndim, name)
    index = as_operand(index, name, 2)
    if index.array.dtype.char not in "lqi":
        raise RuntimeError(
            f"{name}(): Expected dtype int32 or int64 for index, got {index.dtype.name}"
        )
    if index.array.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, got {index.array.ndim} dimensions"
        )
    size = input.array.shape[dim] if input.array.ndim else 1
    if not negative and index.array.size and all_values(index).min(initial=0) < 0:
        low = int(all_values(index).min())
        raise error(f"{name}(): index {low} is out of bounds for dimension {dim} with size {size}")
    checked = check_range(index, size, dim, error)
    return dim, checked if checked.array.ndim else reshape(checked, 1)


@public
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The entries `index` along `dim`, in that order.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.index_select(mg.eye(3), 0, mg.tensor([2, 0]))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    try:
        dim, index = _vector_index(input, dim, index, "index_select", IndexError)
    except IndexError as error:
        if "out of bounds" not in str(error):
            raise
        raise IndexError(f"index out of range in self: {error}") from None
    if not input.array.ndim:
        return reshape(pick_op((reshape(input, 1), index), (0, 1)), ())
    return pick_op((input, index), (dim, 1))


def _vector_source(input: Tensor, dim: int, index: Tensor, source: Any, name: str) -> Tensor:
    source = as_operand(source, name, 3)
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"{name}(): self ({input.dtype.name}) and source ({source.dtype.name}) must have the "
            "same scalar type"
        )
    shape, n = input.array.shape or (1,), index.array.size
    given = source.array.shape or (1,)
    if dim >= len(given) or given[dim] != n:
        count = given[dim] if dim < len(given) else 1
        raise (IndexError if name == "index_copy" else RuntimeError)(
            f"{name}_(): Number of indices ({n}) should be equal to source.size(dim): ({count}), "
            f"for dim: {dim}"
        )
    if given != (*shape[:dim], n, *shape[dim + 1 :]):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(shape)} source.shape = {list(given)}"
        )
    return source if source.array.ndim else reshape(source, 1)


def _put_vector(input: Tensor, dim: int, index: Tensor, values: Tensor, accumulate: bool) -> Tensor:
    if not input.array.ndim:
        return reshape(_put_vector(reshape(input, 1), 0, index, values, accumulate), ())
    return put_op((input, index, values), (dim, 1, accumulate))


@public(inplace=True)
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """A copy with the entries of ``alpha * source`` added at the entries `index` along `dim`."""
    dim, index = _vector_index(input, dim, index, "index_add", RuntimeError)
    source = _vector_source(input, dim, index, source, "index_add")
    return _put_vector(input, dim, index, _times(source, alpha), True)


def _times(source: Tensor, alpha: float) -> Tensor:
    return source if alpha == 1 else cast(source * alpha, source.array.dtype)


@public(inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the entries of `source` at the entries `index` along `dim`."""
    dim, index = _vector_index(input, dim, index, "index_copy", IndexError)
    source = _vector_source(input, dim, index, source, "index_copy")
    return _put_vector(input, dim, index, source, False)


@plain
def _named(index: Array, size: int) -> Array:
    """Which of so many entries an index names."""
    flags = np.zeros(size, bool)
    flags[index] = True
    return flags


@public(inplace=True)
@guarded
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with one value at the entries `index` along `dim`."""
    dim, index = _vector_index(input, dim, index, "index_fill", IndexError, negative=True)
    value = as_value(value, input)
    if value.array.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.array.ndim} dimension(s)."
        )
    shape = [1] * input.array.ndim
    if shape:
        shape[dim] = input.array.shape[dim]
    filled = reshape(_named((index,), math.prod(shape)), tuple(shape))
    value = cast(value, input.array.dtype)
    y: Tensor = apply(e.choose.op, (filled, value, input))
    return y


@public(inplace=True)
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """A copy combined with the entries of `source` at the entries `index` along `dim`.

    `reduce` is "prod", "mean", "amax" or "amin", see :func:`scatter_reduce`.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    dim, index = _vector_index(input, dim, index, "index_reduce", RuntimeError)
    source = _vector_source(input, dim, index, source, "index_reduce")
    places = reshape(index, (-1,) + (1,) * (source.array.ndim - dim - 1))
    wide = expand(places, source.array.shape)
    return scatter_reduce(input, dim, wide, source, reduce, include_self=include_self)


def _flat_positions(input: Tensor, index: Any, name: str) -> Tensor:
    index = as_operand(index, name, 1)
    if index.array.dtype != np.int64:
        raise RuntimeError(
            f"{name}(): Expected a long tensor for index, but got {index.dtype.name}"
        )
    try:
        return check_range(index, input.array.size, 0)
    except IndexError:
        low, high = int(all_values(index).min()), int(all_values(index).max())
        bad = high if high >= input.array.size else low
        raise IndexError(
            f"out of range: tried to access index {bad} on a tensor of {input.array.size} elements."
        ) from None


@public
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements `index` of the flattened tensor, in the shape of `index`."""
    return pick_op((reshape(input, -1), _flat_positions(input, index, "take")), (0, 1))


@public
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with the elements of `source` at the places `index` of the flattened tensor."""
    place = _flat_positions(input, index, "put")
    if source.array.size != place.array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.array.size}, index.numel() = {place.array.size}"
        )
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype.name} and source.dtype = {source.dtype.name}"
        )
    flat = put_op(
        (reshape(input, -1), place, reshape(source, place.array.shape)), (0, 1, accumulate)
    )
    return reshape(flat, input.array.shape)


@method
def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """In-place form of :meth:`put`."""
    return write(self, lambda x: put(x, index, source, accumulate), "put_")
