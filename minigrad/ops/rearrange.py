"""Views and joins made of those in `shape`: stacking, splitting, windows, diagonals, grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations as _combinations
from typing import Any

import numpy as np

from minigrad.core.dims import as_sizes, wrap_dim
from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.modes import interpreter
from minigrad.core.ops.index import take_part
from minigrad.core.ops.shape import expand, reshape, transpose
from minigrad.core.plain import plain, plain_results
from minigrad.core.promotion import as_operand, cast, result_type
from minigrad.core.public import called, method, public
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.creation import finish, spaced
from minigrad.ops.guard import guarded, values_decide
from minigrad.ops.join import cat, flip, repeat, stack
from minigrad.ops.room import check_room
from minigrad.ops.select import index_select
from minigrad.ops.slices import _embed_diagonal, diagonal, narrow, select, split

# -- at least so many dimensions, and stacks of those ----------------------------------------------


def _each(tensors: tuple[Any, ...], change: Any) -> Any:
    """Apply to one tensor, or to each of several."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    elif len(tensors) == 1:
        return change(tensors[0])
    return tuple(change(t) for t in tensors)


def _two(x: Tensor) -> Tensor:
    return reshape(x, (1,) * (2 - x.array.ndim) + x.array.shape) if x.array.ndim < 2 else x


def _three(x: Tensor) -> Tensor:
    shape = x.array.shape
    return (
        x
        if len(shape) > 2
        else reshape(x, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)])
    )


@public(method=False)
def atleast_1d(*tensors: Any) -> Any:
    """With one dimension where there is none."""
    return _each(tensors, lambda x: x if x.array.ndim else reshape(x, 1))


@public(method=False)
def atleast_2d(*tensors: Any) -> Any:
    """With leading dimensions of size 1 up to two."""
    return _each(tensors, _two)


@public(method=False)
def atleast_3d(*tensors: Any) -> Any:
    """With dimensions of size 1 up to three: ``(1, n, 1)`` of a vector, ``(n, m, 1)``."""
    return _each(tensors, _three)


def _some(tensors: Sequence[Tensor], name: str) -> Sequence[Tensor]:
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@public(method=False)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """One after the other along the second dimension, vectors along their only one."""
    xs = [atleast_1d(x) for x in _some(tensors, "hstack")]
    return cat(xs, 0 if xs[0].array.ndim == 1 else 1)


@public(method=False)
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """One below the other: along the first dimension, vectors as rows."""
    return cat([_two(x) for x in _some(tensors, "vstack")], 0)


public(vstack, name="row_stack", method=False)


@public(method=False)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """One behind the other, along the third dimension."""
    return cat([_three(x) for x in _some(tensors, "dstack")], 2)


@public(method=False)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side, vectors as columns."""
    return hstack([reshape(x, x.array.size, 1) if x.array.ndim < 2 else x for x in tensors])


# -- splits ----------------------------------------------------------------------------------------


_BYTES_OF_A_VIEW = 512  #: a tensor, its array, and its place in a list


@public
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many pieces of nearly equal size, or pieces that end at the given indices; views."""
    if not input.array.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    dim = wrap_dim(dim, input.array.ndim, "tensor_split")
    size = input.array.shape[dim]
    cuts = (
        indices_or_sections.tolist()
        if isinstance(indices_or_sections, Tensor)
        else indices_or_sections
    )
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        check_room("tensor_split", (cuts,), _BYTES_OF_A_VIEW)
        quotient, rest = divmod(size, cuts)
        return split(input, [quotient + (i < rest) for i in range(cuts)], dim)
    edges = [slice(a, b).indices(size)[:2] for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    return tuple(narrow(input, dim, a, max(b - a, 0)) for a, b in edges)


def _directed_split(name: str, dims: tuple[int, int], least: int) -> Any:
    @called(name, f"As :func:`tensor_split` along dimension {dims[1]}; equal pieces only.")
    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        n = input.array.ndim
        if n < least:
            raise RuntimeError(
                f"{name} requires a tensor with at least {least} dimension(s), but got a tensor "
                f"with {n} dimensions!"
            )
        dim = dims[0] if n == 1 else dims[1]
        size = input.array.shape[dim]
        if isinstance(indices_or_sections, int) and size % max(indices_or_sections, 1):
            raise RuntimeError(
                f"{name} attempted to split along dimension {dim}, but the size of the dimension "
                f"{size} is not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, dim)

    return public(function)


hsplit = _directed_split("hsplit", (0, 1), 1)
vsplit = _directed_split("vsplit", (0, 0), 2)
dsplit = _directed_split("dsplit", (2, 2), 3)


@public
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One dimension as several; one of the sizes may be -1."""
    shape = input.array.shape
    dim = wrap_dim(dim, len(shape), "unflatten")
    sizes = tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = math.prod(s for s in sizes if s != -1)
    if -1 in sizes and known and shape[dim] % known == 0:
        sizes = tuple(shape[dim] // known if s == -1 else s for s in sizes)
    if math.prod(sizes) != shape[dim]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[dim]}) in the input tensor"
        )
    return reshape(input, (*shape[:dim], *sizes, *shape[dim + 1 :]))


@public
def ravel(input: Tensor) -> Tensor:
    """All dimensions as one; a view of a contiguous tensor, else a copy."""
    return reshape(input.contiguous(), -1)


# -- turned and repeated ---------------------------------------------------------------------------


@public
def fliplr(input: Tensor) -> Tensor:
    """Columns in the opposite order."""
    if input.array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@public
def flipud(input: Tensor) -> Tensor:
    """Rows in the opposite order."""
    if input.array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


@public
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by `k` quarters from the first of two dimensions towards the second; a copy."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.array.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.array.ndim}")
    a, b = (wrap_dim(d, input.array.ndim, "rot90") for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}"
        )
    turns = k % 4
    if turns == 1:
        return transpose(flip(input, b), a, b)
    if turns == 2:
        return flip(input, a, b)
    return flip(transpose(input, a, b), b) if turns == 3 else input.clone()


@public
def tile(input: Tensor, *dims: Any) -> Tensor:
    """The tensor side by side with itself, so many times along the last dimensions."""
    times = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    return repeat(input, (1,) * (input.array.ndim - len(times)) + times)


@plain
def _repeated(times: Array, size: int) -> Array:
    return np.repeat(np.arange(size), times)


@public
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each entry along `dim` repeated, all equally often or as `repeats` says for each.

    >>> import minigrad as mg
    >>> mg.repeat_interleave(mg.tensor([7, 8]), mg.tensor([1, 2]))
    tensor([7, 8, 8])
    """
    if repeats is None:  # how often each index occurs
        if input.array.ndim != 1 or input.array.dtype.kind not in "iu":
            raise RuntimeError(
                "repeat_interleave only accepts a vector of integers as repeat, got "
                f"{input.dtype} of shape {list(input.array.shape)}"
            )
        if input.array.size and input.array.min() < 0:
            raise RuntimeError("repeats can not be negative")
        values_decide("repeat_interleave", input)
        return _repeated((input,), input.array.size)
    x = reshape(input, -1) if dim is None else input
    dim = 0 if dim is None else wrap_dim(dim, x.array.ndim, "repeat_interleave")
    if isinstance(repeats, Tensor):
        values_decide("repeat_interleave", repeats)
    else:
        repeats = given(np.asarray(repeats))
    times = repeats.array
    if times.size and times.min() < 0:
        raise RuntimeError("repeats can not be negative")
    if times.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if times.size not in (1, x.array.shape[dim]):
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{times.size} and input.size({dim}) = {x.array.shape[dim]}"
        )
    return index_select(x, dim, _repeated((repeats,), x.array.shape[dim]))


# -- diagonals -------------------------------------------------------------------------------------


@public
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices of zeros with the last dimension as their diagonal."""
    shape = input.array.shape
    n = len(shape) + 1
    a, b = wrap_dim(dim1, n, "diag_embed"), wrap_dim(dim2, n, "diag_embed")
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = shape[-1] + abs(offset)
    whole = list(shape[:-1])
    for d in sorted((a, b)):
        whole.insert(d, size)
    return _embed_diagonal((input,), (offset, a, b, tuple(whole)))


@public
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements as its diagonal."""
    return diag_embed(reshape(input, -1), offset)


def _replaced(input: Tensor, part: Any, src: Tensor) -> Tensor:
    """A copy of `input` with ``part(copy)`` overwritten."""
    if not isinstance(src, Tensor):
        raise TypeError(f"expected src to be a Tensor, got {type(src).__name__}")
    if interpreter() is None:
        copy = input.clone()
    else:
        copy = interpreter().own_copy(input, (src,))
    view = part(copy)
    if view.array.shape != src.array.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.array.shape)}, slice size = {list(view.array.shape)}"
        )
    view.copy_(src)
    return copy


@public
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with another diagonal."""
    return _replaced(input, lambda x: diagonal(x, offset, dim1, dim2), src)


@public
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with another entry `index` along `dim`."""
    return _replaced(input, lambda x: select(x, dim, index), src)


@public
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy with another slice along `dim`."""
    if not input.array.ndim:
        raise RuntimeError("slice_scatter: input tensor must have at least 1 dimension.")
    if step < 1:
        raise RuntimeError("slice_scatter: slice step must be positive")
    d = wrap_dim(dim, input.array.ndim, "slice_scatter")
    return _replaced(
        input, lambda x: take_part(x, (*(slice(None),) * d, slice(start, end, step))), src
    )


@public(method=False)
def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one matrix, zeros elsewhere."""
    if not tensors:
        return given(np.zeros((1, 0), get_default_dtype().numpy))
    for i, x in enumerate(tensors):
        if as_operand(x, "block_diag", i).array.ndim > 2:
            raise RuntimeError(
                "block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {x.array.ndim} dimensions"
            )
    dtype = result_type(*tensors).numpy
    blocks = [cast(_two(x), dtype) for x in tensors]
    width = sum(x.array.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        h, w = x.array.shape
        before, after = (given(np.zeros((h, n), dtype)) for n in (left, width - left - w))
        rows.append(cat([before, x, after], 1))
        left += w
    return cat(rows, 0)


# -- grids and indices -----------------------------------------------------------------------------


@public(method=False)
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Every combination of the entries of vectors, one tensor per vector; views."""
    xs = (
        list(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
        else list(tensors)
    )
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if not xs:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if any(x.array.ndim > 1 for x in xs):
        raise RuntimeError("meshgrid: Expected 0D or 1D tensor in the tensor list")
    swap = indexing == "xy" and len(xs) > 1
    if swap:
        xs[0], xs[1] = xs[1], xs[0]
    shape = tuple(x.array.size for x in xs)
    grids = [
        expand(reshape(x, tuple(n if d == i else 1 for d, n in enumerate(shape))), shape)
        for i, x in enumerate(xs)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@public(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every combination of the entries of vectors, one per row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(g, -1) for g in meshgrid(*tensors)], 1)


@public(method=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of `r` entries of a vector, in order, one per row."""
    from itertools import combinations_with_replacement

    if input.array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if not r:
        return given(np.zeros(0, input.array.dtype))
    n = input.array.size
    count = math.comb(n + r - 1, r) if with_replacement and n else math.comb(n, r)
    check_room("combinations", (count, r), 8)
    choose: Any = combinations_with_replacement if with_replacement else _combinations
    rows = np.array(list(choose(range(input.array.size), r)), np.int64).reshape(-1, r)
    return input[given(rows)]


def _triangle_indices(name: str, find: Any, text: str) -> Any:
    @called(name, f"The places of the {text} triangle of a matrix: a row of rows, one of columns.")
    def function(
        row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None
    ) -> Tensor:
        check_room(name, (max(row, 0), max(col, 0)), 1)  # numpy marks the triangle in a matrix
        indices = np.stack(find(row, offset, col)).astype(np.int64)
        return finish(indices if dtype is None else indices.astype(dtype.numpy), False, device)

    return public(function, method=False)


tril_indices = _triangle_indices("tril_indices", np.tril_indices, "lower")
triu_indices = _triangle_indices("triu_indices", np.triu_indices, "upper")


@plain_results(0)
def _unravelled(places: Array, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    found: list[Array] = []
    for size in reversed(sizes):
        places, rest = np.divmod(places, max(size, 1))
        found.append(np.asarray(rest, np.int64))
    return tuple(reversed(found))


@public(method=False)
@guarded
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as places in each dimension."""
    sizes = as_sizes((shape,), "unravel_index")
    indices = as_operand(indices, "unravel_index", 0)
    places = indices.array
    if places.dtype.kind not in "iu":
        raise RuntimeError(f"unravel_index: expected 'indices' to be integers, got {indices.dtype}")
    if min(sizes, default=0) < 0:
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {sizes}")
    count = math.prod(sizes)
    if places.size and not (places.min() >= 0 and places.max() < count):
        raise ValueError(
            f"unravel_index: an index is out of range for the {count} elements of {list(sizes)}"
        )
    return _unravelled((indices,), sizes)


@public(method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of the entries of a vector, one column each."""
    if x.array.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.array.size if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    if n > 1_000_000:
        raise RuntimeError(f"vander: can't allocate memory for {n} columns, one by one")
    powers = range(n) if increasing else range(n - 1, -1, -1)
    x = x if x.array.dtype.kind == "f" else cast(x, np.dtype(np.int64))
    return stack([x**p for p in powers], 1)


@public(method=False)
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` powers of `base`, their exponents equally spaced from `start` to `end`."""
    kind = (get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
    values = float(base) ** spaced(start, end, steps, kind, "logspace")
    return finish(call_quietly(values.astype, kind), requires_grad, device)


@method
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed over the dimensions that broadcasting from `size` would add or stretch."""
    wanted = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    shape = self.array.shape
    new = len(shape) - len(wanted)
    if new < 0 or any(w not in (1, s) for w, s in zip(wanted, shape[new:], strict=True)):
        raise RuntimeError(f"size {list(wanted)} is not expandable to size {list(shape)}.")
    if not wanted:
        return self.sum()
    dims = [d for d in range(len(shape)) if d < new or (wanted[d - new] == 1 and shape[d] != 1)]
    return reshape(self.sum(dims) if dims else self, wanted)


def _matrix_transpose(self: Tensor) -> Tensor:
    """A matrix transposed."""
    if self.array.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.array.ndim}-D."
        )
    return transpose(self, 0, 1) if self.array.ndim else self


setattr(Tensor, "H", property(_matrix_transpose))  # noqa: B010
