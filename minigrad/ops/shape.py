"""Operations that move elements without computing: views and their inverses.

A view shares the memory of its input; the derivative of one is the view undone, or a zero tensor
with the gradient put where the view looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.declare import primitive
from minigrad.core.dims import as_sizes, wrap_dim, wrap_dims
from minigrad.core.ops.shape import clone_op, expand, permute_op, reshape
from minigrad.core.plain import plain
from minigrad.core.public import method, public
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Size, Tensor
from minigrad.ops.batching import same
from minigrad.ops.refusals import filled_in
from minigrad.place import wants_rows

# -- reshape -------------------------------------------------------------------------------------


@public
def view(self: Tensor, *shape: Any) -> Tensor:
    """As :func:`reshape`, but never a copy: an error where the memory does not allow a view.

    A dtype instead of sizes reads the same bytes as elements of that type.
    """
    x = self.array
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return _reinterpret(self, shape[0])
    sizes = filled_in(x.shape, as_sizes(shape, "view"), "view")
    if not x.flags.c_contiguous:
        try:
            x.view().shape = sizes  # numpy's own test
        except AttributeError:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            ) from None
    return reshape(self, sizes)


@plain
def _same_bytes(x: Array, dtype: Any) -> Array:
    return x.view(dtype)


def _reinterpret(x: Tensor, dtype: dtypes.dtype) -> Tensor:
    """The bytes of `x` as another type, outside the graph."""
    old, new = x.array.itemsize, dtype.itemsize
    if old != new and (not x.array.ndim or x.array.shape[-1] * old % new):
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old or 1} to view {x.dtype} as {dtype} "
            f"(different element sizes), but got shape {list(x.array.shape)}"
        )
    return _same_bytes((x,), dtype.numpy)


@method
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view of the shape of `other`."""
    return view(self, *other.array.shape)


@method
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The same elements in the shape of `other`."""
    return reshape(self, other.array.shape)


@public
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions `start_dim` to `end_dim` as one."""
    shape = input.array.shape
    if not shape:
        return reshape(input, 1)
    start, end = (wrap_dim(d, len(shape), "flatten") for d in (start_dim, end_dim))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@public
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those named."""
    shape = input.array.shape
    if dim is None:
        return reshape(input, tuple(s for s in shape if s != 1))
    dims = () if dim in ((), []) else wrap_dims(dim, len(shape), "squeeze")
    return reshape(input, tuple(s for i, s in enumerate(shape) if s != 1 or i not in dims))


@public
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`."""
    shape = input.array.shape
    dim = wrap_dim(dim, len(shape) + 1, "unsqueeze")
    return reshape(input, (*shape[:dim], 1, *shape[dim:]))


# -- transpose -----------------------------------------------------------------------------------


@public
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector stays as it is."""
    n = input.array.ndim
    if n > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {n}D")
    return permute_op((input,), (tuple(reversed(range(n))),))


@public
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions `source` moved to the places `destination`, the others in order; a view."""
    n = input.array.ndim
    src, dst = [
        [wrap_dim(d, n, "movedim") for d in (dims if isinstance(dims, (tuple, list)) else (dims,))]
        for dims in (source, destination)
    ]
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({src} dims) should contain the "
            f"same number of dims as destination ({dst} dims)"
        )
    for word, given in (("source", src), ("destination", dst)):
        if len(set(given)) != len(given):
            raise RuntimeError(f"movedim: repeated dim in `{word}` ({given})")
    order = [d for d in range(n) if d not in src]
    for to, from_ in sorted(zip(dst, src, strict=True)):
        order.insert(to, from_)
    return permute_op((input,), (tuple(order),))


public(movedim, name="moveaxis")


# -- broadcasting --------------------------------------------------------------------------------


@method
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of `other`."""
    return expand(self, other.array.shape)


@public
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """Expanded to `shape`."""
    return expand(input, tuple(shape))


@public(method=False)
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All expanded to the shape they broadcast to."""
    shape = broadcast_shapes(*[x.array.shape for x in tensors])
    return tuple(expand(x, shape) for x in tensors)


@public(method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that shapes broadcast to."""
    try:
        return Size(
            np.broadcast_shapes(*[tuple(s) if not isinstance(s, int) else s for s in shapes])
        )
    except ValueError:
        raise RuntimeError(
            "Shape mismatch: objects cannot be broadcast to a single shape: "
            f"{[list(s) for s in shapes]}"
        ) from None


# -- copies --------------------------------------------------------------------------------------


@public
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with its own memory, in the graph."""
    if wants_rows(memory_format, "clone", input.array.ndim):
        return _clone_c((input,))
    return clone_op((input,))


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Itself if it is contiguous, else a copy that is."""
    ndim = self.array.ndim
    if memory_format is not None and not wants_rows(memory_format, "contiguous", ndim):
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    # where PyTorch would copy to another order, whoever writes into the result expects a copy
    if memory_format is not None and not self.is_contiguous(memory_format):
        return _clone_c((self,))
    return self if self.array.flags.c_contiguous else _clone_c((self,))


_clone_c = primitive(
    "contiguous", lambda x: np.array(x, order="C"), vjp=lambda g: g, fused=lambda g: g,
    batch=same, sample=cases(lambda rng: ((rng.normal(size=(4, 3)).T,), ())),
)  # fmt: skip
