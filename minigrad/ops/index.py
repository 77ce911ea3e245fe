"""Reading and writing parts of a tensor: ``x[key]``, ``x[key] = value``, and what is built on them.

A key is taken apart in two steps, as PyTorch does: its ints, slices, None and Ellipsis give a view;
its index tensors and masks then pick elements of that view. Index tensors that are neighbours put
their dimensions where they stood; with a slice between them, in front.

Every index is checked before any kernel runs. Derivatives check theirs again: whoever made an index
tensor may have written to it since, unseen, through numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.events import change
from minigrad.core.modes import current, interpreter
from minigrad.core.ops.index import PART
from minigrad.core.ops.shape import expand, permute, reshape
from minigrad.core.plain import plain, plain_results
from minigrad.core.promotion import cast, constant, refuse_bfloat16
from minigrad.core.public import PUBLIC, method
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import Sample, cases
from minigrad.core.tensor import Array, Number, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops import batching_index
from minigrad.ops.inplace import alter, check_writable, store, write
from minigrad.ops.keys import (
    Pick,
    _is_plain,
    check_range,
    in_range,
    is_basic,
    one_mask,
    split_key,
)

kernels = lazy("index")
_INT64 = np.dtype(np.int64)

Shape = tuple[int, ...]

SMALL = 512  #: below so many elements numpy's ``add.at`` is as quick as a kernel

# -- kernels: `index` picks along the `k` neighbouring dimensions from `start` on ------------------
#
# For k = 1 `index` has any shape; for k > 1 its first dimension lists the k coordinates.


def _place(start: int, k: int, index: Array) -> tuple[Any, ...]:
    """The numpy key."""
    parts = (index,) if k == 1 else tuple(index)
    return (*(slice(None),) * start, *parts)


def _own(index: Array, sizes: Shape) -> Array:
    """A copy that nobody else can write to, checked against the dimensions that it picks in.

    Raises
    ------
    IndexError
        If it is out of range.
    """
    own = np.array(index, np.int64, order="C")
    for part, size in zip(own if len(sizes) > 1 else (own,), sizes, strict=True):
        if not in_range(part, size):
            low, high = int(part.min()), int(part.max())
            raise IndexError(f"index {low if low < 0 else high} is out of range for size {size}")
    return own


def _pick(x: Array, index: Array, start: int, k: int) -> Array:
    if k == 1:
        if start == 0 and x.ndim > 1 and x.flags.c_contiguous:
            return kernels.take_rows(x, index)  # type: ignore[no-any-return]
        return x.take(index, start)
    return x[_place(start, k, index)]  # type: ignore[no-any-return]


def _flat_index(shape: Shape, index: Array, start: int, k: int) -> tuple[Array, Shape]:
    """Which rows of ``x.reshape(rows, width)`` the index picks, in the order of the result."""
    lead, picked = math.prod(shape[:start]), shape[start : start + k]
    index = _own(index, picked)
    flat = index.reshape(-1) if k == 1 else np.ravel_multi_index(tuple(index), picked).reshape(-1)
    size, width = math.prod(picked), math.prod(shape[start + k :])
    if lead != 1:
        flat = (np.arange(lead)[:, None] * size + flat).reshape(-1)
    return flat, (lead * size, width)


def _sum_at(shape: Shape, values: Array, index: Array, start: int, k: int) -> Array:
    """Zeros of `shape` with `values` added where the index points, as often as it does."""
    flat, rows = _flat_index(shape, index, start, k)
    values = np.ascontiguousarray(values).reshape(flat.size, rows[1])
    if values.size < SMALL or values.dtype.kind != "f":
        out = np.zeros(rows, values.dtype)
        np.add.at(out, flat, values)
    else:
        out = kernels.add_rows(values, flat, rows[0])
    return out.reshape(shape)


def _picked_shape(shape: Shape, index: Array, start: int, k: int) -> Shape:
    points = index.shape if k == 1 else index.shape[1:]
    return (*shape[:start], *points, *shape[start + k :])


def _put_copy(x: Array, index: Array, values: Array, start: int, k: int, accumulate: bool) -> Array:
    if accumulate:
        if x.dtype.kind == "V":
            refuse_bfloat16("index_put")
        values = np.broadcast_to(values, _picked_shape(x.shape, index, start, k))
        return np.asarray(x + _sum_at(x.shape, values, index, start, k))
    out = np.array(x, order="C")
    out[_place(start, k, index)] = values
    return out


def _index_grad(g: Tensor, index: Tensor, start: int, k: int, x_shape: Shape) -> Tensor:
    return add_zeros_op((g, index), (start, k, x_shape))


def _put_grad(g: Tensor, index: Tensor, start: int, k: int, accumulate: bool) -> Tensor:
    """What was replaced has no influence."""
    if accumulate:
        return g
    _check_again(index, g.array.shape[start : start + k])
    return put_op((g, index, constant(0.0, g.array.dtype)), (start, k, False))


def _check_again(index: Tensor, sizes: Shape) -> None:
    """In a derivative: refuse an index that was in range and is no more.

    numpy, which does the work, would count a negative one from the end. Under `vmap` it stays at
    that: there the index has no values to look at.
    """
    if interpreter() is None:
        _own(index.array, sizes)


def _pick_again(g: Tensor, index: Tensor, start: int, k: int) -> Tensor:
    _check_again(index, g.array.shape[start : start + k])
    return pick_op((g, index), (start, k))


def _sample(shape: Shape, index: Any, *params: Any) -> Any:
    return lambda rng: Sample((rng.normal(size=shape), np.array(index)), params)


def _put_sample(shape: Shape, index: Any, values: Shape, *params: Any) -> Any:
    return lambda rng: Sample(
        (rng.normal(size=shape), np.array(index), rng.normal(size=values)), params
    )


pick_op = primitive(
    "index", lambda x, index, start, k: _pick(x, index, start, k), inputs=2,
    vjp=(_index_grad, None), batch=batching_index.pick,
    sample=cases(
        _sample((3, 4), [2, 0, 2], 0, 1), _sample((3, 4), [[1], [0]], 1, 1),
        _sample((3, 4, 2), [[2, 0], [1, 3]], 0, 2), _sample((2, 3, 4), [[2, 0], [1, 3]], 1, 2),
    ),
    doc="The elements that index tensors point at.",
)  # fmt: skip
add_zeros_op = primitive(
    "index_add_zeros",
    lambda g, index, start, k, shape: _sum_at(shape, g, index, start, k),
    inputs=2, vjp=(_pick_again, None),
    batch=batching_index.add_zeros,
    sample=cases(
        _sample((3, 4), [2, 0, 2], 0, 1, (3, 4)), _sample((2, 2), [[2, 0], [1, 3]], 0, 2, (3, 4, 2))
    ),
    doc="Zeros with the input added where index tensors point: the derivative of picking.",
)  # fmt: skip
put_op = primitive(
    "index_put", _put_copy, inputs=3, broadcasts=True, batch=batching_index.put,
    vjp=(_put_grad, None, _pick_again),
    sample=cases(
        _put_sample((3, 4), [2, 0], (2, 4), 0, 1, False),
        _put_sample((3, 4), [2, 0, 2], (3, 4), 0, 1, True),
        _put_sample((3, 4), [1, 0], (3, 1), 1, 1, False),
        _put_sample((3, 4), [[2, 0], [1, 3]], (), 0, 2, False),
    ),
    doc="A copy with other values, or values added, where index tensors point.",
)  # fmt: skip

# -- the index tensors of a key as one -------------------------------------------------------------


class Plan(NamedTuple):
    """How to bring the picks of a key to one call of a kernel."""

    order: Shape | None  # of the view's dimensions, so that the picked ones are neighbours
    merged: Shape | None  # the view's shape with the dimensions of a mask merged
    places: Tensor
    start: int
    k: int


def plan_of(shape: Shape, picks: list[Pick]) -> Plan:
    """One index for all picks of a view of the given shape."""
    if len(picks) == 1:
        dim, span, index = picks[0]
        if span == 1:
            return Plan(None, None, index, dim, 1)
        size = math.prod(shape[dim : dim + span])
        return Plan(None, (*shape[:dim], size, *shape[dim + span :]), index, dim, 1)
    dims: list[int] = []
    spans = tuple(shape[dim : dim + span] for dim, span, _ in picks)
    batched = False
    for dim, span, places in picks:
        dims += range(dim, dim + span)
        batched = batched or places.array.__class__ is not np.ndarray
    stacked = (
        _stacked(shape, picks)
        if batched
        else _coordinate_rows(tuple(p for _, _, p in picks), spans)
    )
    if dims == list(range(dims[0], dims[0] + len(dims))):
        return Plan(None, None, stacked, dims[0], len(dims))
    order = (*dims, *(d for d in range(len(shape)) if d not in dims))
    return Plan(order, None, stacked, 0, len(dims))


@plain
def _coordinate_rows(*arguments: Any) -> Array:
    """The coordinates of several picks, each in dimensions of the sizes that come last."""
    *places, spans = arguments
    found = [
        a for index, sizes in zip(places, spans, strict=True) for a in _coordinates(index, sizes)
    ]
    return np.stack(_broadcast(found))


def _stacked(shape: Shape, picks: list[Pick]) -> Tensor:
    """All coordinates as one index, for index tensors that stand for many."""
    parts: list[Tensor] = []
    for dim, span, places in picks:
        if span == 1:
            parts.append(places)
        else:
            parts += _coordinates_of((places,), shape[dim : dim + span])
    joined: Tensor = PUBLIC["stack"](list(PUBLIC["broadcast_tensors"](*parts)))
    return joined


@plain_results(0)
def _coordinates_of(index: Array, sizes: Shape) -> tuple[Array, ...]:
    return tuple(_coordinates(index, sizes))


def _coordinates(index: Array, sizes: Shape) -> Sequence[Array]:
    return (index,) if len(sizes) == 1 else np.unravel_index(index, sizes)


def _broadcast(arrays: Sequence[Array]) -> Sequence[Array]:
    try:
        return np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = ", ".join(str(list(a.shape)) for a in arrays)
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes " + shapes
        ) from None


def points_of(shape: Shape, plan: Plan) -> Shape:
    """The shape of what a plan picks."""
    if plan.order is not None:
        shape = tuple([shape[d] for d in plan.order])
    return _picked_shape(plan.merged or shape, plan.places.array, plan.start, plan.k)


def _arranged(x: Tensor, plan: Plan) -> Tensor:
    if plan.order is not None:
        x = permute(x, plan.order)
    return x if plan.merged is None else reshape(x, plan.merged)


def put_planned(x: Tensor, plan: Plan, values: Tensor, accumulate: bool) -> Tensor:
    """`x` with other values at the places of a plan, in its own arrangement of dimensions."""
    y = put_op((_arranged(x, plan), plan.places, values), (plan.start, plan.k, accumulate))
    if plan.merged is not None:
        return reshape(y, x.array.shape)
    if plan.order is not None:
        return permute(y, tuple(np.argsort(plan.order).tolist()))
    return y


# -- x[key] ----------------------------------------------------------------------------------------


@method(name="__getitem__")
def get_item(self: Tensor, key: Any) -> Tensor:
    """Part of the tensor: a view for ints, slices, None and Ellipsis, a copy for index tensors.

    Raises
    ------
    IndexError
        For an index out of range, too many indices, a mask of another shape.
    ValueError
        For a slice with a negative step.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.arange(6).reshape(2, 3)
    >>> x[:, 1], x[x > 3], x[mg.tensor([1, 0]), mg.tensor([2, 0])]
    (tensor([1, 4]), tensor([4, 5]), tensor([5, 0]))
    """
    kind = key.__class__
    if kind is not tuple:
        if kind is int or (kind is slice and _is_plain(key)):
            try:
                return apply(PART, (self,), ((key,),))  # type: ignore[no-any-return]
            except IndexError:
                pass  # explained below
        elif kind is Tensor and key.array.dtype is _INT64 and key.array.ndim and self.array.ndim:
            rows = check_range(key, self.array.shape[0], 0)
            return pick_op((self, rows), (0, 1))
    elif is_basic(key):
        try:
            return apply(PART, (self,), (key,))  # type: ignore[no-any-return]
        except IndexError:
            pass
    basic, picks = split_key(self.array.shape, key)
    if basic or not picks:
        self = apply(PART, (self,), (basic or (Ellipsis,),))
    if not picks:
        return self
    plan = plan_of(self.array.shape, picks)
    return pick_op((_arranged(self, plan), plan.places), (plan.start, plan.k))


# -- x[key] = value --------------------------------------------------------------------------------


def as_value(value: Any, x: Tensor) -> Tensor:
    """What is assigned, as a tensor; numbers take the type of `x`."""
    if isinstance(value, Tensor):
        return value
    dtype = x.array.dtype
    if isinstance(value, (bool, int, float)):
        if dtype.kind in "iu" and not abs(value) <= np.iinfo(dtype).max + 1:  # NaN neither
            raise RuntimeError(f"value cannot be converted to type {x.dtype.name} without overflow")
        return Number(np.asarray(value).astype(dtype))
    if isinstance(value, (np.ndarray, np.generic)):
        return given(np.asarray(value).astype(dtype, copy=False))
    raise TypeError(f"can't assign a {type(value).__name__} to a tensor of {x.dtype}")


def _without_leading_ones(value: Tensor, ndim: int) -> Tensor:
    shape = value.array.shape
    extra = len(shape) - ndim
    if extra > 0 and all(s == 1 for s in shape[:extra]):
        return reshape(value, shape[extra:])
    return value


def recorded(*tensors: Tensor) -> bool:
    """Whether a graph, or a `vmap`, has to know what happens to the tensors."""
    if interpreter() is not None:
        return True
    return current.get().grad and any(t._requires_grad for t in tensors)


@method(name="__setitem__")
def set_item(self: Tensor, key: Any, value: Any) -> None:
    """Write over part of the tensor; `value` broadcasts, and gradients flow into it.

    Raises
    ------
    IndexError
        As for reading.
    RuntimeError
        If `value` does not broadcast to the part; if the tensor is a leaf that requires grad.
    """
    value = as_value(value, self)
    if key.__class__ is bool:  # all or nothing
        if not key:
            return
        key = None
    basic, picks = split_key(self.array.shape, key)
    check_writable(self, "__setitem__")
    if picks:
        view = apply(PART, (self,), (basic,)) if basic else self
        plan = plan_of(view.array.shape, picks)
        points = points_of(view.array.shape, plan)
        value = _without_leading_ones(value, len(points))
        if value.array.dtype != self.array.dtype and not (value.array.size == 1 and one_mask(key)):
            refuse_type(self, value)
        write_points(view, picks, plan, cast(value, self.array.dtype), points)
        return
    place = basic or (Ellipsis,)
    if not recorded(self, value):
        part = self.array[place if Ellipsis in place else (*place, Ellipsis)]
        value = _without_leading_ones(value, part.ndim)
        if value.array.shape != part.shape:
            _check_expands(value.array.shape, part.shape)
        call_quietly(store, self, value, None, part)
        return
    view = apply(PART, (self,), (place,))
    value = cast(_without_leading_ones(value, view.array.ndim), self.array.dtype)
    write(view, lambda _: expand(value, view.array.shape), "__setitem__")


def _check_expands(shape: Shape, target: Shape) -> None:
    expand(given(np.empty(shape, np.bool_)), target)  # says what does not match


def refuse_type(x: Tensor, value: Tensor) -> None:
    """Raise, because elements of another type cannot be put."""
    raise RuntimeError(
        f"Index put requires the source and destination dtypes match, got {x.dtype.name} for the "
        f"destination and {value.dtype.name} for the source."
    )


def check_points(value: Tensor, points: Shape) -> None:
    """Refuse values that do not broadcast to what is picked."""
    shape = value.array.shape
    try:
        fits = np.broadcast_shapes(shape, points) == points
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(shape)} cannot be broadcast to indexing "
            f"result of shape {list(points)}"
        )


def write_points(
    x: Tensor, picks: list[Pick], plan: Plan, value: Tensor, points: Shape, accumulate: bool = False
) -> None:
    """Write where index tensors point: straight into the memory if no graph needs to know."""
    check_points(value, points)
    if recorded(x, value) or accumulate:
        write(x, lambda y: put_planned(y, plan, value, accumulate), "index_put_")
        return
    where = tuple((dim, span) for dim, span, _ in picks)
    alter(x, _put, (value, *(places for _, _, places in picks)), where)


@change
def _put(target: Array, value: Array, *rest: Any) -> None:
    """Where the places point, each in some of the dimensions: those are the last argument."""
    *places, where = rest
    key: list[Any] = [slice(None)] * target.ndim
    for (dim, span), found in zip(where, places, strict=True):
        key[dim : dim + span] = _coordinates(found, target.shape[dim : dim + span])
    target[tuple(key)] = value
