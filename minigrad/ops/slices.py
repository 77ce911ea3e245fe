"""Parts of a tensor: slices, pieces, entries, diagonals, triangles; views but for the last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import as_sizes, wrap_dim
from minigrad.core.engine import apply
from minigrad.core.ops.index import PART, take_part
from minigrad.core.public import OpFunction, method, named, public
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.batching import same, shifted
from minigrad.ops.shape import clone

#: The operation itself, for callers that have checked the key.


@public
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` entries along `dim` from `start` on; a view."""
    shape = input.array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.array.ndim or start.array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    dim = wrap_dim(dim, len(shape), "narrow")
    start = int(start) if isinstance(start, Tensor) else start.__index__()
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
    dim = wrap_dim(dim, len(shape), "select")
    index = int(index) if isinstance(index, Tensor) else index.__index__()
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(shape)} at dimension "
            f"{dim}"
        )
    return take_part(input, (*(slice(None),) * dim, index))


# Pieces that are made together hand their gradients back together: one copy, where a slice for each
# would make as many arrays of zeros and add them up (the thirds of a projection to queries, keys
# and values: 3.4 times the time).


def _cuts(dim: int, sections: Sequence[int]) -> list[tuple[slice, ...]]:
    """The keys of pieces of these sizes along `dim`."""
    ends = list(accumulate(sections))
    before = (slice(None),) * dim
    return [(*before, slice(b - n, b)) for n, b in zip(sections, ends, strict=True)]


def _places(shape: tuple[int, ...], dim: int) -> list[tuple[Any, ...]]:
    """The keys of the entries along `dim`; the Ellipsis makes a view of a single element, too."""
    return [(*(slice(None),) * dim, i, ...) for i in range(shape[dim])]


def _joined(g: Sequence[Array | None], dim: int, sections: Sequence[int], x_shape: Any) -> Array:
    """The gradients of the pieces side by side; zeros for pieces nobody used."""
    out = np.empty(x_shape, next(part.dtype for part in g if part is not None))
    for part, key in zip(g, _cuts(dim, sections), strict=True):
        out[key] = 0 if part is None else part
    return out


def _stacked(g: Sequence[Array | None], dim: int, x_shape: Any) -> Array:
    out = np.empty(x_shape, next(part.dtype for part in g if part is not None))
    for part, key in zip(g, _places(x_shape, dim), strict=True):
        out[key] = 0 if part is None else part
    return out


def _filled(gs: Sequence[Tensor | None], shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """The gradients of pieces of these shapes, with zeros for those nobody used."""
    dtype = next(g.array.dtype for g in gs if g is not None)
    return [
        given(np.zeros(shape, dtype)) if g is None else g
        for g, shape in zip(gs, shapes, strict=True)
    ]


def _pieces_rule(g: Any, dim: int, sections: Sequence[int], x_shape: Any) -> Tensor:
    shapes = [(*x_shape[:dim], n, *x_shape[dim + 1 :]) for n in sections]
    return named("cat")(_filled(g, shapes), dim)


def _entries_rule(g: Any, dim: int, x_shape: Any) -> Tensor:
    shapes = [(*x_shape[:dim], *x_shape[dim + 1 :])] * x_shape[dim]
    return named("stack")(_filled(g, shapes), dim)


_pieces: Any = primitive(
    "split", lambda x, dim, sections: tuple([x[key] for key in _cuts(dim, sections)]), results=0,
    vjp=_pieces_rule, fused=_joined, batch=shifted(0),
    sample=cases(normal((3, 4), 1, (1, 3)), normal((4, 2), 0, (2, 2)), normal((3,), 0, (3, 0))),
    doc="Pieces of given sizes along a dimension; views.",
)  # fmt: skip
_entries: Any = primitive(
    "unbind", lambda x, dim: tuple([x[key] for key in _places(x.shape, dim)]), results=0,
    vjp=_entries_rule, fused=_stacked, batch=shifted(0),
    sample=cases(normal((3, 2), 0), normal((2, 3, 2), 1), normal((2,), 0)),
    doc="All entries along a dimension; views.",
)  # fmt: skip


def _as_views(x: Tensor, parts: tuple[Tensor, ...], keys: Sequence[Any]) -> tuple[Tensor, ...]:
    """Let pieces know whose memory they are, as if each were a slice: for writes in place."""
    for part, key in zip(parts, keys, strict=True):
        part._view_of(x, PART, (key,))
    return parts


@public
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of a given size (the last may be smaller), or of the given sizes; views."""
    if not tensor.array.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
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
        sections = list(as_sizes((split_size_or_sections,), "split"))
        if sum(sections) != total or min(sections, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's "
                f"size at dimension {dim}), but got split_sizes={sections}"
            )
    if not sections:
        return ()
    return _as_views(tensor, _pieces((tensor,), (dim, tuple(sections))), _cuts(dim, sections))


@public
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size (the last may be smaller); views."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not input.array.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, input.array.ndim, "chunk")
    total = input.array.shape[dim]
    if total == 0:
        if chunks > 2**24:
            raise RuntimeError(f"chunk: can't allocate memory for {chunks} tensors")
        return split(input, [0] * chunks, dim)
    return split(input, -(-total // chunks), dim)


@public
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All entries along `dim`; views."""
    dim = wrap_dim(dim, input.array.ndim, "unbind")
    if not input.array.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    keys = _places(input.array.shape, dim)
    if not keys:
        return ()
    return _as_views(input, _entries((input,), (dim,)), keys)


@method(name="__iter__")
def _iterate(self: Tensor) -> Any:
    if not self.array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(self, 0))


def _embed_diagonal_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    offset, dim1, dim2, shape = params
    size = inputs[0].array.shape[0]
    return apply(op, inputs, (offset, dim1 + 1, dim2 + 1, (size, *shape)))


_diagonal: OpFunction = primitive(
    "diagonal", lambda x, offset, dim1, dim2: _diagonal_view(x, offset, dim1, dim2), view=True,
    vjp=lambda g, offset, dim1, dim2, x_shape: _embed_diagonal((g,), (offset, dim1, dim2, x_shape)),
    batch=shifted(1, 2),
    sample=cases(normal((3, 4), 1, 0, 1), normal((2, 3, 3), 0, 1, 2), normal((4, 2), -1, 0, 1)),
)  # fmt: skip
_embed_diagonal: OpFunction = primitive(
    "embed_diagonal",
    lambda g, offset, dim1, dim2, shape: _put_diagonal(g, offset, dim1, dim2, shape),
    vjp=lambda g, offset, dim1, dim2: _diagonal((g,), (offset, dim1, dim2)),
    batch=_embed_diagonal_each, sample=cases(normal((3,), 0, 0, 1, (3, 3))),
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
            fused=lambda g, diagonal: keep(g, diagonal), batch=same,
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
