"""Gathering and scattering along a dimension, masks, and finding what is not zero.

``gather`` reads ``input[..., index[..., j, ...], ...]``, one index per element of the result;
``scatter`` writes the same places. On arrays both are one flat index into the contiguous elements.
Whoever reads an index checks it, in derivatives, too: other code may have written to it since.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.engine import apply
from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.index import take_part
from minigrad.core.ops.shape import expand, reshape
from minigrad.core.plain import plain, plain_results
from minigrad.core.promotion import as_operand, cast
from minigrad.core.public import method, public
from minigrad.core.samples import Sample, cases
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import shifted
from minigrad.ops.guard import all_values, values_decide
from minigrad.ops.index import SMALL, as_value, pick_op, put_op
from minigrad.ops.keys import in_range

kernels = lazy("gather")

Shape = tuple[int, ...]
_INT64 = np.dtype(np.int64)

# -- kernels ---------------------------------------------------------------------------------------


class OutOfBoundsError(RuntimeError, IndexError):
    """An index out of range, as PyTorch's `gather` and `scatter` raise it, and as Python would."""


def _own(index: Array, size: int, dim: int) -> Array:
    """A copy that nobody else can write to, checked."""
    own = np.array(index, np.int64, order="C")
    if not in_range(own, size):
        low, high = int(own.min()), int(own.max())
        raise OutOfBoundsError(
            f"index {low if low < 0 else high} is out of bounds for dimension {dim} with size "
            f"{size}"
        )
    return own


def _flat(shape: Shape, index: Array, dim: int) -> Array:
    """Where the elements that `index` points at lie in a contiguous array of `shape`."""
    index = _own(index, shape[dim], dim)
    flat = index
    step = 1
    for d in reversed(range(len(shape))):
        if d == dim:
            flat = flat + index * (step - 1) if step != 1 else flat
        elif index.shape[d] > 1:
            along = np.arange(0, index.shape[d] * step, step)
            flat = flat + along.reshape((-1,) + (1,) * (len(shape) - 1 - d))
        step *= shape[d]
    return flat


def _gather_array(x: Array, index: Array, dim: int) -> Array:
    limits = _limits(index.shape, x.shape, dim)
    if index.size >= SMALL and x.dtype.char in "fd" and x.shape == tuple(limits):
        picked: Array | None = kernels.gather(x, dim, index)
        if picked is not None:
            return picked
    if not x.flags.c_contiguous:
        own = _own(index, x.shape[dim], dim)
        return np.take_along_axis(x[tuple(map(slice, limits))], own, dim)
    return x.reshape(-1).take(_flat(x.shape, index, dim))


def _limits(small: Shape, large: Shape, dim: int) -> list[int]:
    return [large[d] if d == dim else n for d, n in enumerate(small)]


def _sum_at(x: Array, index: Array, src: Array, dim: int) -> Array:
    """A copy of `x` with `src` added where the index points."""
    out = np.array(x, order="C")
    by_kernel = src.size >= SMALL and src.dtype == x.dtype and src.dtype.char in "fd"
    if by_kernel and kernels.scatter_add(out, dim, index, src):
        return out
    np.add.at(out.reshape(-1), _flat(x.shape, index, dim).reshape(-1), src.reshape(-1))
    return out


def _scatter_array(x: Array, index: Array, src: Array, dim: int) -> Array:
    out = np.array(x, order="C")
    out.reshape(-1)[_flat(x.shape, index, dim)] = src
    return out


def _gather_grad(g: Tensor, index: Tensor, dim: int, x_shape: Shape) -> Tensor:
    return _scatter_add_zeros((g, index), (dim, x_shape))


def _scatter_grad(g: Tensor, index: Tensor, dim: int) -> Tensor:
    """What was replaced has no influence."""
    zeros = given(np.zeros(index.array.shape, g.array.dtype))
    return _scatter((g, index, zeros), (dim,))


def _sample(shape: Shape, index: Any, *params: Any, src: bool = False) -> Any:
    def make(rng: np.random.Generator) -> Sample:
        where = np.array(index)
        values = (rng.normal(size=where.shape),) if src else ()
        return Sample((rng.normal(size=shape), where, *values), params)

    return make


_gather = primitive(
    "gather", lambda x, index, dim: _gather_array(x, index, dim), inputs=2,
    vjp=(_gather_grad, None), batch=shifted(0),
    sample=cases(_sample((3, 4), [[0, 2], [1, 1]], 0), _sample((3, 4), [[3, 3, 0]], 1)),
    doc="One element along a dimension for each index.",
)  # fmt: skip


def _add_zeros_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    dim, shape = params
    return apply(op, inputs, (dim + 1, (inputs[0].array.shape[0], *shape)))


_scatter_add_zeros = primitive(
    "scatter_add_zeros",
    lambda g, index, dim, shape: _sum_at(np.zeros(shape, g.dtype), index, g, dim),
    inputs=2, vjp=(lambda g, index, dim: _gather((g, index), (dim,)), None), batch=_add_zeros_each,
    sample=cases(_sample((2, 2), [[0, 2], [1, 1]], 0, (3, 4))),
    doc="Zeros with the input added at the places that `gather` reads.",
)  # fmt: skip
_scatter_add = primitive(
    "scatter_add", lambda x, index, src, dim: _sum_at(x, index, src, dim),
    inputs=3, vjp=(lambda g: g, None, lambda g, index, dim: _gather((g, index), (dim,))),
    batch=shifted(0),
    sample=cases(
        _sample((3, 4), [[0, 2], [1, 1]], 0, src=True), _sample((3, 4), [[3, 3, 0]], 1, src=True)
    ),
    doc="A copy with a source added at the places that `gather` reads.",
)  # fmt: skip
_scatter = primitive(
    "scatter", lambda x, index, src, dim: _scatter_array(x, index, src, dim), inputs=3,
    vjp=(_scatter_grad, None, lambda g, index, dim: _gather((g, index), (dim,))), batch=shifted(0),
    sample=cases(_sample((3, 4), [[0, 2], [1, 1]], 0, src=True)),
    doc="A copy with a source written at the places that `gather` reads.",
)  # fmt: skip

# -- gather and scatter ----------------------------------------------------------------------------


def _checked(
    input: Tensor, dim: Any, index: Any, name: str, src: Shape | None = None
) -> tuple[Tensor, int, Tensor]:
    """Input and index with a dimension at least; what it contains is checked by who reads it."""
    input, index = as_operand(input, name, 0), as_operand(index, name, 2)
    dim = wrap_dim(dim, input.array.ndim, name)
    array = index.array
    if array.dtype.char not in ("lqiB" if name == "gather" else "lqi"):
        raise RuntimeError(
            f"{name}(): Expected dtype int32/int64 for index, got {index.dtype.name}"
        )
    if not input.array.ndim:
        input = reshape(input, 1)
    shape = input.array.shape
    if array.size == 0 and array.ndim != len(shape):
        index = given(np.zeros((0,) * len(shape), np.int64))
    if not array.ndim:
        index = reshape(index, 1)
    where = index.array.shape
    if len(where) != len(shape):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    if index.array.size:
        _check_sizes(where, shape, src, dim)
    return input, dim, cast(index, _INT64)


def _check_sizes(index: Shape, shape: Shape, src: Shape | None, dim: int) -> None:
    fits = all(i <= n for d, (i, n) in enumerate(zip(index, shape, strict=True)) if d != dim)
    if src is None:
        if not fits:
            raise RuntimeError(
                f"Size does not match at dimension {dim} expected index {list(index)} to be no "
                f"larger than self {list(shape)} apart from dimension {dim}"
            )
    elif not fits or len(src) != len(shape) or any(i > n for i, n in zip(index, src, strict=True)):
        raise RuntimeError(
            f"Expected index {list(index)} to be no larger than self {list(shape)} apart from "
            f"dimension {dim} and to be no larger size than src {list(src)}"
        )


@public
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """One element along `dim` for each index: ``out[i][j] = input[index[i][j]][j]`` for ``dim=0``.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor
        int64, with as many dimensions as `input`, and no larger except along `dim`.
    sparse_grad : bool
        Taken for compatibility; gradients are dense.

    Examples
    --------
    The score of the right class in each row:

    >>> import minigrad as mg
    >>> scores = mg.tensor([[0.1, 0.9], [0.7, 0.3]])
    >>> mg.gather(scores, 1, mg.tensor([[1], [0]]))
    tensor([[0.9000],
            [0.7000]])
    """
    x, dim, places = _checked(input, dim, index, "gather")
    if not places.array.size:
        return reshape(reshape(x, -1)[:0], index.array.shape)
    picked = _gather((x, places), (dim,))
    return picked if index.array.ndim else reshape(picked, ())


def _source(input: Tensor, src: Any, index: Tensor, name: str) -> Tensor:
    """The part of `src` that the index speaks about; numbers take the type of `input`."""
    if not isinstance(src, Tensor):
        return expand(as_value(src, input), index.array.shape)
    if src.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype.name} and "
            f"{src.dtype.name}"
        )
    if not src.array.ndim:
        src = reshape(src, 1)
    if src.array.shape == index.array.shape:
        return src  # type: ignore[no-any-return]
    return take_part(src, tuple(map(slice, index.array.shape)))


def _shape_of(src: Any) -> Shape | None:
    return (src.array.shape or (1,)) if isinstance(src, Tensor) else None


def _scattered(op: Any, input: Tensor, dim: Any, index: Any, src: Any, name: str) -> Tensor:
    x, dim, index = _checked(input, dim, index, name, _shape_of(src))
    if not index.array.size:
        return input.clone()
    y = op((x, index, _source(input, src, index, "scatter")), (dim,))
    return y if input.array.ndim else reshape(y, ())


@public(inplace=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """A copy with `src` (a tensor or a number) written where the index points along `dim`.

    ``out[index[i][j]][j] = src[i][j]`` for ``dim=0``. Where several point to the same place, the
    last one stays. ``reduce="add"`` or ``"multiply"`` combines with what is there.
    """
    if value is not None:
        src = value
    if src is None:
        raise TypeError("scatter() missing required argument: src, or value")
    if reduce is None:
        return _scattered(_scatter, input, dim, index, src, "scatter")
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if not isinstance(src, Tensor):
        src = expand(as_value(src, input), index.array.shape)
    return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")


@public(inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with `src` added where the index points: ``out[index[i][j]][j] += src[i][j]``."""
    if not isinstance(src, Tensor):
        raise TypeError(
            f"scatter_add(): argument 'src' (position 4) must be Tensor, not {type(src).__name__}"
        )
    return _scattered(_scatter_add, input, dim, index, src, "scatter_add")


def _reduced(x: Array, index: Array, src: Array, dim: int, ufunc: Any) -> Array:
    out = np.array(x, order="C")
    ufunc.at(out.reshape(-1), _flat(x.shape, index, dim).reshape(-1), src.reshape(-1))
    return out


@plain_results(3)
def _winners(y: Array, x: Array, index: Array, src: Array, dim: int) -> tuple[Array, ...]:
    """Ones at what equals an extreme, there and in the source, and how many there are of them."""
    best = np.equal(x, y).astype(y.dtype)
    won = np.equal(src, _gather_array(y, index, dim)).astype(y.dtype)
    return best, won, _sum_at(best, index, won, dim)


def _share(
    g: Tensor, y: Tensor, x: Tensor, index: Tensor, src: Tensor, dim: int
) -> tuple[Any, ...]:
    """Of an extreme, all that equal it get an equal part."""
    best, won, ties = _winners((y, x, index, src), dim)
    part = g / ties
    return part * best, None, _gather((part, index), (dim,)) * won


@plain_results(3)
def _zeros(x: Array, index: Array, src: Array, dim: int) -> tuple[Array, ...]:
    """Which factors are 0, there and in the source, and which of the latter are the only ones."""
    zero = src == 0
    count = _sum_at(np.zeros(x.shape, np.int64), index, zero.astype(np.int64), dim)
    return x == 0, zero, zero & (_gather_array(count, index, dim) == 1)


def _product_grad(
    g: Tensor, y: Tensor, x: Tensor, index: Tensor, src: Tensor, dim: int
) -> tuple[Any, ...]:
    """The product of the other factors, also where a factor is 0.

    A factor that is 0 is left out by a 1 in its place; any other by dividing through it. The zeros
    of the others stay as they are, so that derivatives of this in them are right, too.
    """
    x_zero, src_zero, single = _zeros((x, index, src), dim)
    safe_x = e.choose(x_zero, 1.0, x)
    for_x = g * _scatter_prod((safe_x, index, src), (dim,)) / safe_x
    without = g * _scatter_prod((x, index, e.choose(single, 1.0, src)), (dim,))
    whole = _gather((g * _scatter_prod((x, index, src), (dim,)), index), (dim,))
    for_src = e.choose(
        single, _gather((without, index), (dim,)), whole / e.choose(src_zero, 1.0, src)
    )
    return for_x, None, for_src


def _reduction(name: str, ufunc: Any, rule: Any) -> Any:
    return primitive(
        f"scatter_{name}", lambda x, index, src, dim: _reduced(x, index, src, dim, ufunc), inputs=3,
        vjp=rule, batch=shifted(0),
        sample=cases(_sample((3, 4), [[0, 2], [1, 1], [0, 2]], 0, src=True)),
        doc="A copy combined with a source at the places that `gather` reads.",
    )  # fmt: skip


_scatter_prod = _reduction("prod", np.multiply, _product_grad)
_scatter_amax = _reduction("amax", np.maximum, _share)
_scatter_amin = _reduction("amin", np.minimum, _share)


def _neutral(reduce: str, dtype: np.dtype[Any]) -> Any:
    """What does not change the result of a reduction."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "b":
        return reduce == "amin"
    low, high = (
        (-math.inf, math.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    )
    return low if reduce == "amax" else high


@public(inplace=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy combined with `src` where the index points, by ``sum, prod, mean, amax`` or ``amin``.

    Without `include_self` the elements that the index points at count as not there.
    """
    ops = {
        "sum": _scatter_add, "mean": _scatter_add, "prod": _scatter_prod, "amax": _scatter_amax,
        "amin": _scatter_amin,
    }  # fmt: skip
    if reduce not in ops:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    base = input
    if not include_self:
        base = scatter(input, dim, index, _neutral(reduce, input.array.dtype))
    total = _scattered(ops[reduce], base, dim, index, src, f"scatter_{reduce}")
    if reduce != "mean":
        return total
    kind = input.array.dtype
    counts = given(np.ones(input.array.shape, kind))
    if not include_self:
        counts = scatter(counts, dim, index, 0)
    counts = scatter_add(counts, dim, index, given(np.ones(index.array.shape, kind)))
    counts = e.maximum(counts, 1)
    if kind.kind == "f":
        return total / counts
    return total.div(counts, rounding_mode="floor")


@public
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As :func:`gather`, with shapes that broadcast; without `dim`, from the flattened tensor."""
    if indices.array.dtype != np.int64:
        raise RuntimeError(
            f"take_along_dim(): dtype of indices should be Long but got {indices.dtype.name}"
        )
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    n = input.array.ndim
    if n != indices.array.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but "
            f"got {n} dimensions for input, and {indices.array.ndim} dimensions for indices"
        )
    dim = wrap_dim(dim, n, "take_along_dim")
    size = input.array.shape[dim] if n else 1
    if all_values(indices).min(initial=0) < 0:
        indices = e.choose(indices < 0, indices + size, indices)
    given = indices.array.shape
    shapes = [list(input.array.shape), list(given)]
    for s in shapes:
        if n:
            s[dim] = 1
    try:
        common = list(np.broadcast_shapes(*map(tuple, shapes)))
    except ValueError:
        raise RuntimeError(
            f"take_along_dim(): shapes {list(input.array.shape)} and {list(given)} do not "
            f"broadcast outside dimension {dim}"
        ) from None
    sizes = [
        (*common[:dim], k, *common[dim + 1 :]) if n else () for k in (size, (given or (1,))[dim])
    ]
    return gather(expand(input, sizes[0]), dim, expand(indices, sizes[1]))


# -- masks -----------------------------------------------------------------------------------------


def _mask(mask: Any, message: str) -> Tensor:
    flags: Tensor = as_operand(mask, "mask", 1)
    if flags.array.dtype.kind != "b":
        raise RuntimeError(message.format(flags.dtype.name))
    return flags


@public(inplace=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where the mask holds, `input` elsewhere; the type is that of `input`.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0, 3.0])
    >>> x.masked_fill(x > 1.5, 0.0)
    tensor([1., 0., 0.])
    """
    flags = _mask(mask, "masked_fill_ only supports boolean masks, but got mask with dtype {}")
    if not isinstance(value, (Tensor, bool, int, float, np.generic)):
        raise TypeError(
            f"masked_fill(): argument 'value' must be Tensor or Number, not {type(value).__name__}"
        )
    fill = as_value(value, input)
    if fill.array.ndim:
        raise RuntimeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{fill.array.ndim} dimension(s)."
        )
    return e.choose(flags, cast(fill, input.array.dtype), input)


def _together(input: Tensor, mask: Tensor, name: str) -> Shape:
    a, b = input.array.shape, mask.array.shape
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        n = max(len(a), len(b))
        pairs = zip((1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b, strict=True)
        dim, i, j = next((d, i, j) for d, (i, j) in enumerate(pairs) if i != j and 1 not in (i, j))
        raise RuntimeError(
            f"{name}: The size of tensor a ({j}) must match the size of tensor b ({i}) at "
            f"non-singleton dimension {dim}"
        ) from None


@plain
def _true(mask: Array, shape: Shape) -> Array:
    """Where a mask holds in the flattened elements of `shape`, to which it broadcasts."""
    return np.flatnonzero(np.broadcast_to(mask, shape))


@public
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in order, in one dimension; both broadcast."""
    mask = _mask(mask, "masked_select: expected BoolTensor for mask, got {}")
    shape = _together(input, mask, "masked_select")
    values_decide("masked_select", mask)
    return pick_op((reshape(expand(input, shape), -1), _true((mask,), shape)), (0, 1))


@public(inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, where the mask holds; `input` elsewhere."""
    mask = _mask(mask, "masked_scatter_ only supports boolean masks, but got mask with dtype {}")
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype.name} and {source.dtype.name}"
        )
    shape = _together(input, mask, "masked_scatter")
    values_decide("masked_scatter", mask)
    places = _true((mask,), shape)
    count = places.array.size
    if source.array.size < count:
        raise RuntimeError("masked_scatter: Number of elements of source < number of ones in mask")
    values = take_part(reshape(source, -1), (slice(count),))
    flat = put_op((reshape(expand(input, shape), -1), places, values), (0, 1, False))
    return reshape(flat, shape)


@plain
def _rows(x: Array) -> Array:
    return np.argwhere(x)


@plain_results(0)
def _coordinates(x: Array) -> tuple[Array, ...]:
    return np.nonzero(np.atleast_1d(x))


@public
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not zero: one row each, or one tensor per dimension."""
    values_decide("nonzero", input)
    return _coordinates((input,)) if as_tuple else _rows((input,))


@public
def argwhere(input: Tensor) -> Tensor:
    """The places of the elements that are not zero, one row each."""
    values_decide("argwhere", input)
    return _rows((input,))


@method(name="__contains__")
def _contains(self: Tensor, element: Any) -> bool:
    """Whether some element equals `element`."""
    if isinstance(element, Tensor):
        read("in", element)
        element = element.array
    read("in", self)
    return bool(np.any(self.array == element))
