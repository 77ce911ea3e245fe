"""Tensors one after the other, and copies with the elements in another order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import as_sizes, wrap_dim, wrap_dims
from minigrad.core.engine import apply
from minigrad.core.ops.index import take_part
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.promotion import as_operand, cast, result_type
from minigrad.core.public import OpFunction, method, public
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import shifted

kernels = lazy("copy")


# -- rearranged copies ---------------------------------------------------------------------------

_flip: OpFunction = primitive(
    "flip", lambda x, dims: np.flip(x, dims).copy(), vjp=lambda g, dims: _flip((g,), (dims,)),
    fused=lambda g, dims: np.flip(g, dims), batch=shifted(0),
    sample=cases(normal((3, 4), (0, 1)), normal((3,), (0,))),
)  # fmt: skip


def _given(values: tuple[Any, ...], word: str, kwargs: dict[str, Any], name: str) -> Any:
    """What may be given one by one, as a sequence, or by name."""
    if not values and word in kwargs:
        values = (kwargs.pop(word),)
    if kwargs:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
    return as_sizes(values, name)


@public
def flip(input: Tensor, *dims: Any, **kwargs: Any) -> Tensor:
    """The order along `dims` reversed; a copy."""
    wanted = _given(dims, "dims", kwargs, "flip")
    return _flip((input,), (wrap_dims(wanted, input.array.ndim, "flip") if wanted else (),))


def _roll_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    (x,), (shifts, dims) = inputs, params
    if dims is not None:
        moved = tuple(d + 1 for d in dims) if isinstance(dims, tuple) else dims + 1
        return apply(op, (x,), (shifts, moved))
    flat = reshape(x, (x.array.shape[0], math.prod(x.array.shape[1:])))
    total = sum(shifts) if isinstance(shifts, tuple) else shifts
    return reshape(apply(op, (flat,), ((total,), (1,))), x.array.shape)


_roll: OpFunction = primitive(
    "roll", lambda x, shifts, dims: np.roll(x, shifts, dims),
    vjp=lambda g, shifts, dims: _roll((g,), (_negated(shifts), dims)),
    batch=_roll_each,
    sample=cases(normal((3, 4), 1, None), normal((3, 4), (1, -2), (0, 1))),
)  # fmt: skip


def _negated(shifts: Any) -> Any:
    return tuple(-s for s in shifts) if isinstance(shifts, tuple) else -shifts


@public
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along dimensions, those that fall off coming in at the other end."""
    many = isinstance(shifts, (tuple, list))
    shifts = as_sizes(shifts if many else (shifts,), "roll")
    if not shifts:
        raise RuntimeError("`shifts` required")
    shifts = shifts if many else shifts[0]
    if dims is None or dims == ():
        if many and len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        dims = None
    else:
        dims = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
        dims = tuple(wrap_dim(d, input.array.ndim, "roll") for d in dims)
        shifts = shifts if isinstance(shifts, tuple) else (shifts,)
        if len(shifts) != len(dims):
            raise RuntimeError(
                f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
            )
    return _roll((input,), (shifts, dims))


@method
def repeat(self: Tensor, *repeats: Any, **kwargs: Any) -> Tensor:
    """The tensor side by side with itself, so many times along each dimension; a copy."""
    times = _given(repeats, "repeats", kwargs, "repeat")
    shape = self.array.shape
    if len(times) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if min(times, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension: repeats {times}")
    padded = (1,) * (len(times) - len(shape)) + shape
    apart = [n for pair in zip((1,) * len(padded), padded, strict=True) for n in pair]
    wide = [n for pair in zip(times, padded, strict=True) for n in pair]
    whole = [a * b for a, b in zip(times, padded, strict=True)]
    spread = expand(reshape(self, apart), wide)
    copy = spread.clone() if spread.array.flags.c_contiguous else spread.contiguous()
    return reshape(copy, whole)


# -- joining -------------------------------------------------------------------------------------


def _pieces(g: Any, dim: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    """What each tensor contributed to `g`; views."""
    take = take_part if isinstance(g, Tensor) else _view
    lead, ends = (slice(None),) * dim, list(accumulate(sizes))
    return tuple(take(g, (*lead, slice(end - n, end))) for end, n in zip(ends, sizes, strict=True))


def _entries(g: Any, dim: int, count: int) -> tuple[Any, ...]:
    """The `count` entries along `dim`; views."""
    take = take_part if isinstance(g, Tensor) else _view
    return tuple(take(g, (*(slice(None),) * dim, i)) for i in range(count))


def _view(a: Array, key: Any) -> Array:
    return a[(*key, Ellipsis)]


def _stacked(xs: Sequence[Array], dim: int) -> Array:
    key = (slice(None),) * dim + (None,)
    return kernels.join([x[key] for x in xs], dim)  # type: ignore[no-any-return]


_cat = primitive(
    "cat", lambda xs, dim, sizes: kernels.join(xs, dim), inputs=-1,
    vjp=_pieces, fused=_pieces, batch=shifted(0),
    sample=cases(lambda rng: ((rng.normal(size=(2, 3)), rng.normal(size=(2, 1))), (1, (3, 1)))),
)  # fmt: skip
_stack = primitive(
    "stack", lambda xs, dim, count: _stacked(xs, dim), inputs=-1,
    vjp=_entries, fused=_entries, batch=shifted(0),
    sample=cases(lambda rng: ((rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), (1, 2))),
    doc="Tensors of one shape along a new dimension.",
)  # fmt: skip


def _same_type(tensors: Sequence[Tensor], name: str) -> list[Tensor]:
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    if not tensors:
        kind = ValueError if name == "cat" else RuntimeError
        raise kind(f"{name}(): expected a non-empty list of Tensors")
    xs = [as_operand(x, name, i) for i, x in enumerate(tensors)]
    dtype = xs[0].array.dtype
    if all(x.array.dtype is dtype for x in xs):
        return xs
    dtype = result_type(*xs).numpy
    return [cast(x, dtype) for x in xs]


@public(method=False)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along `dim`; their other sizes must agree."""
    xs = _same_type(tensors, "cat")
    shapes = [x.array.shape for x in xs]
    if (0,) in shapes:  # PyTorch's legacy empty tensor
        xs = [x for x in xs if x.array.shape != (0,)] or xs[:1]
        shapes = [x.array.shape for x in xs]
    if not shapes[0]:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = wrap_dim(dim, len(shapes[0]), "cat")
    if any(shape != shapes[0] for shape in shapes):
        _check_sizes(shapes, dim)
    return _cat(tuple(xs), (dim, tuple([shape[dim] for shape in shapes])))


def _check_sizes(shapes: list[tuple[int, ...]], dim: int) -> None:
    shape = shapes[0]
    for i, other in enumerate(shapes):
        if len(other) != len(shape):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(shape)} and {len(other)}"
            )
        if any(a != b for d, (a, b) in enumerate(zip(shape, other, strict=True)) if d != dim):
            raise RuntimeError(
                f"cat: Sizes of tensors must match except in dimension {dim}. Expected size "
                f"{list(shape)} but got size {list(other)} for tensor number {i} in the list."
            )


public(cat, name="concat", method=False)
public(cat, name="concatenate", method=False)


@public(method=False)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dimension `dim`."""
    xs = _same_type(tensors, "stack")
    for i, x in enumerate(xs):
        if x.array.shape != xs[0].array.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(xs[0].array.shape)} at "
                f"entry 0 and {list(x.array.shape)} at entry {i}"
            )
    return _stack(tuple(xs), (wrap_dim(dim, xs[0].array.ndim + 1, "stack"), len(xs)))
