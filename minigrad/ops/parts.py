"""Parts of a tensor: slices, pieces, entries, diagonals, triangles; views but for the last."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.declare import primitive
from minigrad.ops.dims import wrap_dim
from minigrad.ops.functions import OpFunction, method, public
from minigrad.ops.samples import cases, normal
from minigrad.ops.shape import clone
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]


def _put(shape: tuple[int, ...], key: Any, g: Array) -> Array:
    """Zeros of `shape` with `g` at `key`: the derivative of taking a part."""
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


def _view_part(x: Array, key: Any) -> Array:
    """Part of an array as a view, also where it is one element."""
    part = x[key]
    return part if part.__class__ is np.ndarray else x[(*key, Ellipsis)]


_part: OpFunction = primitive(
    "slice", _view_part, view=True,
    vjp=lambda g, key, x_shape: _embed((g,), (key, x_shape)),
    fused=lambda g, key, x_shape: _put(x_shape, key, g),
    sample=cases(
        normal((3, 4), (slice(1, 3), 2)), normal((5,), (slice(None, None, 2),)),
        normal((2, 3), (Ellipsis, None, 0)),
    ),
    doc="Basic indexing by integers, slices, None and Ellipsis.",
)  # fmt: skip
_embed: OpFunction = primitive(
    "embed", lambda g, key, shape: _put(shape, key, g), vjp=lambda g, key: _part((g,), (key,)),
    sample=cases(lambda rng: ((rng.normal(size=2),), ((slice(1, 3), 2), (3, 4)))),
    doc="Zeros with the input at some place: the inverse of a slice.",
)  # fmt: skip


#: The operation itself, for callers that have checked the key.
PART = _part.op


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
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension "
            f"{dim}"
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
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        sections = [size] * (total // size) if size else [0]
        if size and (total % size or not total):
            sections.append(total % size)
    else:
        sections = [int(s) for s in split_size_or_sections]
        if sum(sections) != total or min(sections, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={sections}"
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
    return tuple(
        take_part(input, (*(slice(None),) * dim, i)) for i in range(input.array.shape[dim])
    )


@method(name="__iter__")
def _iterate(self: Tensor) -> Any:
    if not self.array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(self, 0))


_diagonal: OpFunction = primitive(
    "diagonal", lambda x, offset, dim1, dim2: _diagonal_view(x, offset, dim1, dim2), view=True,
    vjp=lambda g, offset, dim1, dim2, x_shape: _embed_diagonal((g,), (offset, dim1, dim2, x_shape)),
    sample=cases(normal((3, 4), 1, 0, 1), normal((2, 3, 3), 0, 1, 2), normal((4, 2), -1, 0, 1)),
)  # fmt: skip
_embed_diagonal: OpFunction = primitive(
    "embed_diagonal",
    lambda g, offset, dim1, dim2, shape: _put_diagonal(g, offset, dim1, dim2, shape),
    vjp=lambda g, offset, dim1, dim2: _diagonal((g,), (offset, dim1, dim2)),
    sample=cases(normal((3,), 0, 0, 1, (3, 3))),
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


def _triangle(lower: bool) -> OpFunction:
    keep = np.tril if lower else np.triu

    def make(name: str) -> OpFunction:
        return primitive(
            name, lambda x, diagonal: keep(x, diagonal),
            vjp=lambda g, diagonal: op((g,), (diagonal,)),
            fused=lambda g, diagonal: keep(g, diagonal),
            sample=cases(normal((3, 4), 0), normal((2, 3, 3), 1), normal((4, 3), -1)),
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
