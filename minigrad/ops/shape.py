"""Operations that move elements without computing: views and their inverses.

A view shares the memory of its input; the derivative of one is the view undone, or a zero tensor
with the gradient put where the view looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.ops.declare import primitive
from minigrad.ops.functions import as_operand, cast, method, public, result_type
from minigrad.ops.samples import cases
from minigrad.tensor import Size, Tensor

Array = np.ndarray[Any, Any]


_ALL_DIMS = [tuple(range(n)) for n in range(65)]  # numpy has at most 64


def wrap_dim(dim: Any, ndim: int, name: str) -> int:
    """A dimension counted from the front; out of range is an IndexError as in PyTorch."""
    if dim.__class__ is int and 0 <= dim < ndim:
        return dim  # type: ignore[no-any-return]
    try:
        dim = dim.__index__()
    except AttributeError:
        raise TypeError(f"{name}(): dim must be an int, got {type(dim).__name__}") from None
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim % n  # type: ignore[no-any-return]


def wrap_dims(dim: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Several dimensions (an int, a sequence, or None for all), sorted; a repeat is an error."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return _ALL_DIMS[ndim]
    if dim.__class__ is int and 0 <= dim < ndim:
        return (dim,)
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    wrapped = [wrap_dim(d, ndim, name) for d in dims]
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"{name}: dim {dims} appears multiple times in the list of dims")
    return tuple(sorted(wrapped)) if ndim else ()


def as_sizes(sizes: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    try:
        return tuple([s if s.__class__ is int else s.__index__() for s in sizes])
    except AttributeError:
        raise TypeError(f"{name}(): sizes must be ints, got {sizes}") from None


def _normal(*shape: int) -> Any:
    return lambda rng: rng.normal(size=shape)


def _one(shape: tuple[int, ...], *params: Any) -> Any:
    return lambda rng: ((rng.normal(size=shape),), params)


# -- reshape -------------------------------------------------------------------------------------

_reshape = primitive(
    "reshape", lambda x, shape: x.reshape(shape), view=True,
    vjp=lambda g, x_shape: reshape(g, x_shape), fused=lambda g, x_shape: g.reshape(x_shape),
    sample=cases(_one((3, 4), (2, 6)), _one((6,), (2, 3)), _one((0, 2), (0,)), _one((), (1,))),
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
                f"{name}: cannot reshape tensor of {numel} elements into shape {list(shape)} because "
                "the unspecified dimension size -1 can be any value and is ambiguous"
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
            f"self.size(-1) must be divisible by {new // old or 1} to view {x.dtype} as {dtype} (different "
            f"element sizes), but got shape {list(x.array.shape)}"
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
    dims = wrap_dims(dim, len(shape), "squeeze")
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


_permute = primitive(
    "permute", lambda x, dims: x.transpose(dims), view=True,
    vjp=lambda g, dims: permute(g, _inverse(dims)),
    fused=lambda g, dims: g.transpose(_inverse(dims)),
    sample=cases(_one((2, 3, 4), (2, 0, 1)), _one((3, 2), (1, 0)), _one((0, 2), (1, 0))),
)  # fmt: skip


@public
def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimensions in another order; a view."""
    order = as_sizes(dims, "permute")
    n = input.array.ndim
    if len(order) != n:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length "
            f"of the desired ordering of dimensions i.e. input.dim() = {n} is not equal to "
            f"len(dims) = {len(order)}".replace("(sparse_coo)", "")
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
            f"movedim: Invalid source or destination dims: source ({src} dims) should contain the same "
            f"number of dims as destination ({dst} dims)"
        )
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


Tensor.T = property(_reversed_dims)  # type: ignore[attr-defined]
Tensor.mT = property(_matrix_transpose)  # type: ignore[attr-defined]

# -- broadcasting --------------------------------------------------------------------------------

_expand = primitive(
    "expand", lambda x, shape: np.broadcast_to(x, shape), view=True, broadcasts=True,
    vjp=lambda g: g,  # the engine sums the broadcast away
    fused=lambda g: g,
    sample=cases(_one((3, 1), (3, 4)), _one((2,), (3, 2)), _one((), (2, 2)), _one((1,), (0,))),
)  # fmt: skip


@method
def expand(self: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    wanted = as_sizes(sizes, "expand")
    shape = self.array.shape
    new = len(wanted) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"expand({list(shape)}, size={list(wanted)}): the number of sizes provided ({len(wanted)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    full = []
    for i, s in enumerate(wanted):
        old = shape[i - new] if i >= new else None
        if s == -1 and old is not None:
            s = old
        if s < 0 or (old is not None and old not in (1, s)):
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(shape)}"
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
        return Size(np.broadcast_shapes(*[tuple(s) if not isinstance(s, int) else s for s in shapes]))
    except ValueError:
        raise RuntimeError(
            f"Shape mismatch: objects cannot be broadcast to a single shape: {[list(s) for s in shapes]}"
        ) from None


# -- copies --------------------------------------------------------------------------------------

_clone = primitive(
    "clone", lambda x: x.copy("K"), vjp=lambda g: g, fused=lambda g: g,
    sample=cases(_one((2, 3)), _one(())),
)  # fmt: skip


@public
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with its own memory, in the graph."""
    return _clone((input,))


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Itself if it is contiguous, else a copy that is."""
    return self if self.array.flags.c_contiguous else _clone_c((self,))


_clone_c = primitive(
    "contiguous", lambda x: np.ascontiguousarray(x), vjp=lambda g: g, fused=lambda g: g,
    sample=cases(lambda rng: ((rng.normal(size=(4, 3)).T,), ())),
)  # fmt: skip

_cast = primitive(
    "_cast", lambda x, dtype: x.astype(dtype), vjp=lambda g, x: cast(g, x.array.dtype),
    fused=lambda g, x: g.astype(x.dtype), sample=cases(_one((2, 3), np.dtype("float64"))),
    doc="The elements as another type.",
)  # fmt: skip
public(_cast, method=False)

# -- parts ---------------------------------------------------------------------------------------


def _put(shape: tuple[int, ...], key: Any, g: Array) -> Array:
    """Zeros of `shape` with `g` at `key`: the derivative of taking a part."""
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


def _view_part(x: Array, key: Any) -> Array:
    """Part of an array as a view, also where it is one element."""
    part = x[key]
    return part if part.__class__ is np.ndarray else x[(*key, Ellipsis)]


_part = primitive(
    "slice", _view_part, view=True,
    vjp=lambda g, key, x_shape: _embed((g,), (key, x_shape)),
    fused=lambda g, key, x_shape: _put(x_shape, key, g),
    sample=cases(
        _one((3, 4), (slice(1, 3), 2)), _one((5,), (slice(None, None, 2),)),
        _one((2, 3), (Ellipsis, None, 0)),
    ),
    doc="Basic indexing by integers, slices, None and Ellipsis.",
)  # fmt: skip
_embed = primitive(
    "embed", lambda g, key, shape: _put(shape, key, g), vjp=lambda g, key: _part((g,), (key,)),
    sample=cases(lambda rng: ((rng.normal(size=2),), ((slice(1, 3), 2), (3, 4)))),
    doc="Zeros with the input at some place: the inverse of a slice.",
)  # fmt: skip


#: The operation itself, for callers that have checked the key.
PART = _part.op  # type: ignore[attr-defined]


def take_part(x: Tensor, key: tuple[Any, ...]) -> Tensor:
    """Basic indexing, with a key of ints, slices, None and Ellipsis that is known to be valid."""
    y: Tensor = _part((x,), (key,))
    return y


@public
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` entries along `dim` from `start` on; a view."""
    shape = input.array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim, start = wrap_dim(dim, len(shape), "narrow"), int(start)
    size = shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return take_part(input, (*(slice(None),) * dim, slice(start, start + length)))


@public
def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The entry `index` along `dim`, without that dimension; a view."""
    shape = input.array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = wrap_dim(dim, len(shape), "select"), int(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}"
        )
    return take_part(input, (*(slice(None),) * dim, index))


@public
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a given size (the last may be smaller), or of the given sizes; views."""
    dim = wrap_dim(dim, tensor.array.ndim, "split")
    total = tensor.array.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and total):
            raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
        sections = [size] * (total // size) if size else [0]
        if size and (total % size or not total):
            sections.append(total % size)
    else:
        sections = [int(s) for s in split_size_or_sections]
        if sum(sections) != total or min(sections, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at "
                f"dimension {dim}), but got split_sizes={sections}"
            )
    starts = [sum(sections[:i]) for i in range(len(sections))]
    return tuple(narrow(tensor, dim, a, n) for a, n in zip(starts, sections, strict=True))


@public
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size (the last may be smaller); views."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim(dim, input.array.ndim, "chunk")
    total = input.array.shape[dim]
    if total == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-total // chunks), dim)


@public
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All entries along `dim`; views."""
    dim = wrap_dim(dim, input.array.ndim, "unbind")
    if not input.array.ndim:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    return tuple(take_part(input, (*(slice(None),) * dim, i)) for i in range(input.array.shape[dim]))


@method(name="__iter__")
def _iterate(self: Tensor) -> Any:
    if not self.array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(self, 0))


_diagonal = primitive(
    "diagonal", lambda x, offset, dim1, dim2: _diagonal_view(x, offset, dim1, dim2), view=True,
    vjp=lambda g, offset, dim1, dim2, x_shape: _embed_diagonal((g,), (offset, dim1, dim2, x_shape)),
    sample=cases(_one((3, 4), 1, 0, 1), _one((2, 3, 3), 0, 1, 2), _one((4, 2), -1, 0, 1)),
)  # fmt: skip
_embed_diagonal = primitive(
    "embed_diagonal", lambda g, offset, dim1, dim2, shape: _put_diagonal(g, offset, dim1, dim2, shape),
    vjp=lambda g, offset, dim1, dim2: _diagonal((g,), (offset, dim1, dim2)),
    sample=cases(_one((3,), 0, 0, 1, (3, 3))),
)  # fmt: skip


def _diagonal_view(x: Array, offset: int, dim1: int, dim2: int) -> Array:
    view = np.diagonal(x, offset, dim1, dim2)
    view.flags.writeable = x.flags.writeable
    return view


def _put_diagonal(g: Array, offset: int, dim1: int, dim2: int, shape: tuple[int, ...]) -> Array:
    out = np.zeros(shape, g.dtype)
    _diagonal_view(out, offset, dim1, dim2)[...] = g
    return out


@public
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the planes of two dimensions, as the last dimension; a view."""
    n = input.array.ndim
    a, b = wrap_dim(dim1, n, "diagonal"), wrap_dim(dim2, n, "diagonal")
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _diagonal((input,), (offset, a, b))


@public
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector as its diagonal."""
    if input.array.ndim == 2:
        return clone(_diagonal((input,), (diagonal, 0, 1)))
    if input.array.ndim != 1:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.array.ndim}D")
    n = input.array.size + abs(diagonal)
    return _embed_diagonal((input,), (diagonal, 0, 1, (n, n)))


def _triangle(lower: bool) -> Any:
    keep = np.tril if lower else np.triu

    def make(name: str) -> Any:
        return primitive(
            name, lambda x, diagonal: keep(x, diagonal),
            vjp=lambda g, diagonal: op((g,), (diagonal,)),
            fused=lambda g, diagonal: keep(g, diagonal),
            sample=cases(_one((3, 4), 0), _one((2, 3, 3), 1), _one((4, 3), -1)),
        )  # fmt: skip

    op = make("tril" if lower else "triu")
    return op


_tril, _triu = _triangle(True), _triangle(False)


def _as_matrix(input: Tensor, name: str) -> Tensor:
    if input.array.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return input


@public(inplace=True)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, the rest 0."""
    return _tril((_as_matrix(input, "tril"),), (int(diagonal),))


@public(inplace=True)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, the rest 0."""
    return _triu((_as_matrix(input, "triu"),), (int(diagonal),))


# -- rearranged copies ---------------------------------------------------------------------------

_flip = primitive(
    "flip", lambda x, dims: np.flip(x, dims).copy(), vjp=lambda g, dims: _flip((g,), (dims,)),
    fused=lambda g, dims: np.flip(g, dims), sample=cases(_one((3, 4), (0, 1)), _one((3,), (0,))),
)  # fmt: skip


@public
def flip(input: Tensor, *dims: Any) -> Tensor:
    """The order along `dims` reversed; a copy."""
    wanted = as_sizes(dims, "flip")
    return _flip((input,), (wrap_dims(wanted, input.array.ndim, "flip") if wanted else (),))


_roll = primitive(
    "roll", lambda x, shifts, dims: np.roll(x, shifts, dims),
    vjp=lambda g, shifts, dims: _roll((g,), (_negated(shifts), dims)),
    sample=cases(_one((3, 4), 1, None), _one((3, 4), (1, -2), (0, 1))),
)  # fmt: skip


def _negated(shifts: Any) -> Any:
    return tuple(-s for s in shifts) if isinstance(shifts, tuple) else -shifts


@public
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved along dimensions, those that fall off coming in at the other end."""
    shifts = tuple(shifts) if isinstance(shifts, (tuple, list)) else shifts
    if dims is not None:
        dims = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
        dims = tuple(wrap_dim(d, input.array.ndim, "roll") for d in dims)
        shifts = shifts if isinstance(shifts, tuple) else (shifts,)
        if len(shifts) != len(dims):
            raise RuntimeError(
                f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
            )
    return _roll((input,), (shifts, dims))


@method
def repeat(self: Tensor, *sizes: Any) -> Tensor:
    """The tensor side by side with itself, so many times along each dimension."""
    times = as_sizes(sizes, "repeat")
    shape = self.array.shape
    if len(times) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    padded = (1,) * (len(times) - len(shape)) + shape
    apart = [n for pair in zip((1,) * len(padded), padded, strict=True) for n in pair]
    wide = [n for pair in zip(times, padded, strict=True) for n in pair]
    whole = [a * b for a, b in zip(times, padded, strict=True)]
    return reshape(expand(reshape(self, apart), wide), whole)


# -- joining -------------------------------------------------------------------------------------


def _cat_grad(g: Any, xs: Any, dim: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    key = (slice(None),) * dim
    take = take_part if isinstance(g, Tensor) else (lambda a, k: a[k])
    return tuple(take(g, (*key, slice(a, a + n))) for a, n in zip(starts, sizes, strict=True))


_cat = primitive(
    "cat", lambda xs, dim, sizes: np.concatenate(xs, dim), inputs=-1,
    vjp=lambda g, dim, sizes: _cat_grad(g, None, dim, sizes),
    fused=lambda g, dim, sizes: _cat_grad(g, None, dim, sizes),
    sample=cases(lambda rng: ((rng.normal(size=(2, 3)), rng.normal(size=(2, 1))), (1, (3, 1)))),
)  # fmt: skip


def _same_type(tensors: Sequence[Tensor], name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    if not tensors:
        kind = ValueError if name == "cat" else RuntimeError
        raise kind(f"{name}(): expected a non-empty list of Tensors")
    xs = [as_operand(x, name, i) for i, x in enumerate(tensors)]
    dtype = result_type(*xs).numpy
    return [cast(x, dtype) for x in xs]


@public(method=False)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along `dim`; their other sizes must agree."""
    xs = _same_type(tensors, "cat")
    xs = [x for x in xs if x.array.shape != (0,)] or xs[:1]  # PyTorch's legacy empty tensor
    shape = xs[0].array.shape
    if not shape:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = wrap_dim(dim, len(shape), "cat")
    for i, x in enumerate(xs):
        other = x.array.shape
        if len(other) != len(shape):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(shape)} and {len(other)}"
            )
        if any(a != b for d, (a, b) in enumerate(zip(shape, other, strict=True)) if d != dim):
            raise RuntimeError(
                f"cat: Sizes of tensors must match except in dimension {dim}. Expected size "
                f"{list(shape)} but got size {list(other)} for tensor number {i} in the list."
            )
    return _cat(tuple(xs), (dim, tuple(x.array.shape[dim] for x in xs)))


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
    dim = wrap_dim(dim, xs[0].array.ndim + 1, "stack")
    return cat([unsqueeze(x, dim) for x in xs], dim)
