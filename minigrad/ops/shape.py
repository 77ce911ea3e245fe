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
from minigrad.core.engine import apply
from minigrad.core.promotion import cast
from minigrad.core.public import OpFunction, method, public
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Size, Tensor
from minigrad.ops.batching import lined_up, same
from minigrad.place import wants_rows

Array = np.ndarray[Any, Any]

# -- reshape -------------------------------------------------------------------------------------


def _reshape_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    return apply(op, inputs, ((inputs[0].array.shape[0], *params[0]),))


_reshape: OpFunction = primitive(
    "reshape", lambda x, shape: x.reshape(shape), view=True,
    vjp=lambda g, x_shape: _reshape((g,), (x_shape,)),
    fused=lambda g, x_shape: g.reshape(x_shape), batch=_reshape_each,
    sample=cases(
        normal((3, 4), (2, 6)), normal((6,), (2, 3)), normal((0, 2), (0,)), normal((), (1,))
    ),
)  # fmt: skip


def _target(numel: int, shape: tuple[int, ...], name: str, old: tuple[int, ...]) -> tuple[int, ...]:
    """Fill in the one size that is -1."""
    if shape.count(-1) > 1:
        raise RuntimeError(f"{name}: only one dimension can be inferred, got shape {list(shape)}")
    if any(s < -1 for s in shape):
        raise RuntimeError(f"{name}: invalid shape dimension in {list(shape)}")
    if -1 in shape:
        known = -math.prod(shape)
        if known == 0:
            raise RuntimeError(
                f"{name}: cannot reshape tensor of {numel} elements into shape {list(shape)} "
                "because the unspecified dimension size -1 can be any value and is ambiguous"
            )
        if numel % known == 0:
            return tuple(numel // known if s == -1 else s for s in shape)
    elif math.prod(shape) == numel:
        return shape
    raise RuntimeError(
        f"{name}: shape {list(shape)} is invalid for input of size {numel} (shape {list(old)})"
    )


@public
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements, in the same order, in another shape; one size may be -1.

    A view where the memory allows it, a copy elsewhere.
    """
    if len(shape) == 0:
        raise TypeError("reshape() missing the new shape")
    x = input.array
    return _reshape((input,), (_target(x.size, as_sizes(shape, "reshape"), "reshape", x.shape),))


@public
def view(self: Tensor, *shape: Any) -> Tensor:
    """As :func:`reshape`, but never a copy: an error where the memory does not allow a view.

    A dtype instead of sizes reads the same bytes as elements of that type.
    """
    x = self.array
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return _reinterpret(self, shape[0])
    sizes = _target(x.size, as_sizes(shape, "view"), "view", x.shape)
    if not x.flags.c_contiguous:
        try:
            x.view().shape = sizes  # numpy's own test
        except AttributeError:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            ) from None
    return _reshape((self,), (sizes,))


def _reinterpret(x: Tensor, dtype: dtypes.dtype) -> Tensor:
    """The bytes of `x` as another type, outside the graph."""
    old, new = x.array.itemsize, dtype.itemsize
    if old != new and (not x.array.ndim or x.array.shape[-1] * old % new):
        raise RuntimeError(
            f"self.size(-1) must be divisible by {new // old or 1} to view {x.dtype} as {dtype} "
            f"(different element sizes), but got shape {list(x.array.shape)}"
        )
    return Tensor(x.array.view(dtype.numpy))


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


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def _permute_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    return apply(op, inputs, ((0, *(d + 1 for d in params[0])),))


_permute: OpFunction = primitive(
    "permute", lambda x, dims: x.transpose(dims), view=True,
    vjp=lambda g, dims: _permute((g,), (_inverse(dims),)),
    fused=lambda g, dims: g.transpose(_inverse(dims)), batch=_permute_each,
    sample=cases(normal((2, 3, 4), (2, 0, 1)), normal((3, 2), (1, 0)), normal((0, 2), (1, 0))),
)  # fmt: skip


@public
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimensions in another order; a view."""
    order = as_sizes(dims, "permute")
    n = input.array.ndim
    if len(order) != n:
        raise RuntimeError(
            "permute: number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {n} is not equal to "
            f"len(dims) = {len(order)}"
        )
    wrapped = tuple(wrap_dim(d, n, "permute") for d in order)
    if len(set(wrapped)) != n:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute((input,), (wrapped,))


@public
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped; a view."""
    n = input.array.ndim
    a, b = wrap_dim(dim0, n, "transpose"), wrap_dim(dim1, n, "transpose")
    order = list(range(n))
    if n:
        order[a], order[b] = order[b], order[a]
    return _permute((input,), (tuple(order),))


public(transpose, name="swapaxes")
public(transpose, name="swapdims")


@public
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector stays as it is."""
    n = input.array.ndim
    if n > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {n}D")
    return _permute((input,), (tuple(reversed(range(n))),))


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
    return _permute((input,), (tuple(order),))


public(movedim, name="moveaxis")


def _reversed_dims(self: Tensor) -> Tensor:
    """The tensor with its dimensions reversed; a view."""
    return _permute((self,), (tuple(reversed(range(self.array.ndim))),))


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two dimensions swapped; a view."""
    if self.array.ndim < 2:
        raise RuntimeError(f"tensor.mT needs at least 2 dimensions, got {self.array.ndim}")
    return transpose(self, -2, -1)


setattr(Tensor, "T", property(_reversed_dims))  # noqa: B010
setattr(Tensor, "mT", property(_matrix_transpose))  # noqa: B010

# -- broadcasting --------------------------------------------------------------------------------


def _expand_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    x = lined_up(inputs[0], len(params[0]))
    return apply(op, (x,), ((x.array.shape[0], *params[0]),))


_expand = primitive(
    "expand", lambda x, shape: np.broadcast_to(x, shape), view=True, broadcasts=True,
    vjp=lambda g: g,  # the engine sums the broadcast away
    fused=lambda g: g, batch=_expand_each,
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
    if new < 0:
        raise RuntimeError(
            f"expand({list(shape)}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    full = []
    for i, s in enumerate(wanted):
        old = shape[i - new] if i >= new else None
        if s == -1 and old is not None:
            s = old
        if s < 0 or (old is not None and old not in (1, s)):
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(wanted)}.  "
                f"Tensor sizes: {list(shape)}"
            )
        full.append(s)
    return _expand((self,), (tuple(full),))


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

_clone = primitive(
    "clone", lambda x: x.copy("K"), vjp=lambda g: g, fused=lambda g: g, batch=same,
    sample=cases(normal((2, 3)), normal(())),
)  # fmt: skip


@public
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with its own memory, in the graph."""
    if wants_rows(memory_format, "clone", input.array.ndim):
        return _clone_c((input,))
    return _clone((input,))


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Itself if it is contiguous, else a copy that is."""
    ndim = self.array.ndim
    if memory_format is not None and not wants_rows(memory_format, "contiguous", ndim):
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    return self if self.array.flags.c_contiguous else _clone_c((self,))


_clone_c = primitive(
    "contiguous", lambda x: np.array(x, order="C"), vjp=lambda g: g, fused=lambda g: g,
    batch=same, sample=cases(lambda rng: ((rng.normal(size=(4, 3)).T,), ())),
)  # fmt: skip

_cast = primitive(
    "_cast", lambda x, dtype: call_quietly(x.astype, dtype),
    vjp=lambda g, x: cast(g, x.array.dtype),
    fused=lambda g, x: g.astype(x.dtype), sample=cases(normal((2, 3), np.dtype("float64"))),
    batch=same, doc="The elements as another type.",
)  # fmt: skip
public(_cast, method=False)
_convert = primitive(
    "_convert", lambda x, dtype: call_quietly(x.astype, dtype), batch=same,
    sample=cases(normal((2, 3), np.dtype("int64"))),
    doc="The elements as a type that no gradient passes.",
)  # fmt: skip
public(_convert, method=False)
