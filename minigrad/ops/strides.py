"""Views with strides of their own: windows along a dimension, and any pattern over the memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.operation import NoValues
from minigrad.core.ops.shape import reshape
from minigrad.core.public import method, public
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.addresses import elements
from minigrad.ops.batching import shifted
from minigrad.ops.index import add_zeros_op, pick_op

Shape = tuple[int, ...]


def _memory(x: Array) -> tuple[Array, int]:
    """All of the memory that an array lives in, flat, and where in it the array begins."""
    owner: Any = x
    base: Any = x
    while base is not None:
        if isinstance(base, np.ndarray) and base.dtype == x.dtype and base.flags.forc:
            owner = base
        base = getattr(base, "base", None)
    if not owner.flags.forc:
        raise RuntimeError("as_strided(): the memory is not one piece: call .contiguous() first")
    distance = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return owner.ravel("K"), distance // x.itemsize


def _strided(
    x: Array, size: tuple[int, ...], stride: tuple[int, ...], offset: int | None, old: Any
) -> Array:
    flat, start = _memory(x)
    steps = tuple(s * x.itemsize for s in stride)
    flat = flat[start if offset is None else offset :]
    return np.lib.stride_tricks.as_strided(flat, size, steps, writeable=x.flags.writeable)


def _strided_grad(
    g: Tensor, size: Any, stride: Any, offset: Any, old: Any, x_shape: tuple[int, ...]
) -> Tensor:
    """What looked at an element of the input is added there; the rest of the memory gets none."""
    found, inside = elements(x_shape, size, stride, offset, old)
    if not inside.all():
        g, found = g * given(inside.astype(g.array.dtype)), np.where(inside, found, 0)
    flat = add_zeros_op((g, given(found)), (0, 1, (math.prod(x_shape),)))
    return reshape(flat, x_shape)


def _strided_each(op: Any, inputs: Any, params: Any, _: Any) -> Tensor:
    """A copy: the elements of each example that the view would show."""
    (x,) = inputs
    found, inside = elements(x.array.shape[1:], *params)
    if not inside.all():
        raise RuntimeError("vmap: as_strided() would leave the memory of an example")
    return pick_op((reshape(x, (x.array.shape[0], -1)), given(found)), (1, 1))


_as_strided = primitive(
    "as_strided", _strided, vjp=_strided_grad, view=True, batch=_strided_each,
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 4)),), ((2, 3), (4, 2), 1, (0, (4, 1)))),
        lambda rng: ((rng.normal(size=(6,)),), ((2, 2), (2, 1), None, (0, (1,)))),
    ),
)  # fmt: skip


@public
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view with any sizes and strides of the memory of a tensor; places may overlap.

    The offset counts from the start of that memory, by default to where the tensor starts.

    Raises
    ------
    RuntimeError
        If the view would leave the memory, or a gradient would be ambiguous.
    """
    shape, steps = tuple(size), tuple(stride)
    if len(shape) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    try:
        flat, start = _memory(input.array)
        room = flat.size
    except NoValues:  # the memory of one example
        extent = zip(input.shape, input.stride(), strict=True)
        start, room = 0, 1 + sum((n - 1) * s for n, s in extent)
    begin = start if storage_offset is None else storage_offset
    old = (start, input.stride())
    if input.requires_grad and any(s == 0 < n - 1 for s, n in zip(old[1], input.shape)):
        raise RuntimeError(
            "as_strided(): the gradient of an expanded tensor is ambiguous: call .contiguous() "
            "first"
        )
    last = begin + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    if min(steps, default=0) < 0 or begin < 0 or (0 not in shape and last >= room):
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {begin} are "
            f"out of bounds for storage of {room} elements"
        )
    return _as_strided((input,), (shape, steps, storage_offset, old))


def _windows(x: Array, dim: int, size: int, step: int) -> Array:
    every = np.lib.stride_tricks.sliding_window_view(x, size, dim)
    return every[(*(slice(None),) * dim, slice(None, None, step))]


def _windows_grad(g: Tensor, dim: int, size: int, step: int, x_shape: tuple[int, ...]) -> Tensor:
    places = np.arange(0, x_shape[dim] - size + 1, step)[:, None] + np.arange(size)
    return add_zeros_op((g.movedim(-1, dim + 1), given(places)), (dim, 1, x_shape))


_unfold = primitive(
    "unfold", _windows, vjp=_windows_grad, view=True, batch=shifted(0),
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 7)),), (1, 3, 2)),
        lambda rng: ((rng.normal(size=(5, 2)),), (0, 2, 1)),
    ),
)  # fmt: skip


@method
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` entries along a dimension, as a new last dimension; a view."""
    shape = self.array.shape or (1,)
    dim = wrap_dim(dimension, self.array.ndim, "unfold")
    if size > shape[dim] or size < 0:
        raise RuntimeError(
            f"maximum size for tensor at dimension {dim} is {shape[dim]} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not self.array.ndim:
        return reshape(self, 1)[:size]
    return _unfold((self,), (dim, size, min(step, shape[dim] + 1)))
