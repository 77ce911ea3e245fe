"""Running results, reductions that look past NaN, quantiles, distances, integrals by trapezoids."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.reduce import amax, amin, in_dtype, mean, sum
from minigrad.core.ops.shape import reshape, transpose
from minigrad.core.plain import Plain, plain_results
from minigrad.core.promotion import cast, promote, result_type
from minigrad.core.public import OpFunction, called, public
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases, span
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.batching import shifted
from minigrad.ops.elementwise import lerp
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32
from minigrad.ops.join import cat, stack
from minigrad.ops.reduce import ValuesIndices, p_norm, prod
from minigrad.ops.scatter import gather
from minigrad.ops.shape import movedim, unsqueeze
from minigrad.ops.slices import narrow
from minigrad.ops.sort import sort

# -- running products, extremes, and sums of exponentials ------------------------------------------


def _cumprod_grad(g: Tensor, x: Tensor, y: Tensor, dim: int) -> Tensor:
    """Where no factor is 0, ``sum of (g y) from here on, over x``; else each product without it."""
    read("cumprod", x)
    if x.array.all():
        return (g * y).flip(dim).cumsum(dim).flip(dim) / x
    size = x.array.shape[dim]
    parts = []
    for i in range(size):
        before, after = narrow(x, dim, 0, i), narrow(x, dim, i + 1, size - i - 1)
        head = prod(before, dim, True)
        tail = cat([head, head * _cumprod((after,), (dim,))], dim)
        parts.append(sum(narrow(g, dim, i, size - i) * tail, dim, True))
    return cat(parts, dim)


_cumprod = primitive(
    "cumprod",
    lambda x, dim: np.cumprod(x, dim, dtype=np.int64 if x.dtype.kind in "biu" else x.dtype),
    vjp=_cumprod_grad, batch=shifted(0),
    sample=cases(
        lambda rng: ((rng.uniform(0.5, 2, (3, 4)),), (1,)),
        lambda rng: ((np.array([2.0, 0.0, 3.0, 0.0, 1.5]),), (0,)),
    ),
)  # fmt: skip


@public(inplace=True)
@guarded
@in_float32
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The products of the first 1, 2, 3, ... entries along `dim`."""
    x = in_dtype(input, dtype)
    dim = wrap_dim(dim, x.array.ndim, "cumprod")
    return in_dtype(_cumprod((x,), (dim,)), dtype) if x.array.ndim else prod(x, dtype=dtype)


def _running(name: str, ufunc: Any, text: str) -> Any:
    def places(x: Array, dim: int) -> Array:
        """Where the last extreme so far is."""
        best = ufunc.accumulate(x, dim)
        count = np.arange(x.shape[dim]).reshape((-1,) + (1,) * (x.ndim - dim - 1))
        new = np.equal(x, best)
        if x.dtype.kind == "f":
            new |= np.isnan(x)
        return np.maximum.accumulate(np.where(new, count, 0), dim)

    find = Plain(places, name=f"{name}_places")

    @called(
        name,
        f"The {text} of the first 1, 2, 3, ... entries along `dim`, and where the last such one "
        "is.",
    )
    def function(input: Tensor, dim: int) -> ValuesIndices:
        x = input.array
        dim = wrap_dim(dim, x.ndim, name)
        if not x.ndim:
            return ValuesIndices(input.clone(), given(np.zeros((), np.int64)))
        indices = find((input,), dim)
        return ValuesIndices(gather(input, dim, indices), indices)

    return public(function)


cummax = _running("cummax", np.maximum, "largest")
cummin = _running("cummin", np.minimum, "smallest")


# The derivative of ``y = logcumsumexp(x)`` adds up, at each place, ``g exp(x - y)`` with the x of
# that place and the g and y of it and all behind it. No such exponent is above 0, but exp(x) and
# exp(-y) alone leave the range of numbers, so sums are taken of logarithms: one for the terms above
# zero, one for those below. They are float64, because logarithms of large values are coarse.


def _signed_sums(v: Array, inner: Array, outer: Array, dim: int, late: bool) -> Array:
    """``exp(outer) * (the running sum of v exp(inner))``, from the end if `late`."""
    total = np.zeros(v.shape, np.float64)
    order = (slice(None),) * dim + (slice(None, None, -1 if late else 1),)
    lost = inner == np.inf  # exp(-y) where y is the logarithm of nothing: x is, too, and counts 0
    for sign in (1.0, -1.0):
        terms = np.where(lost, -np.inf, np.log(np.maximum(sign * v, 0.0)) + inner)
        sums = np.logaddexp.accumulate(terms[order], dim)[order]
        total += sign * np.exp(np.where(sums == -np.inf, -np.inf, outer + sums))
    return total.astype(v.dtype)


def _late_sums(v: Array, x: Array, total: Array, dim: int) -> Array:
    wide_x, wide_total = x.astype(np.float64), total.astype(np.float64)
    sums: Array = call_quietly(_signed_sums, v, -wide_total, wide_x, dim, True)
    return sums


def _early_sums(v: Array, x: Array, total: Array, dim: int) -> Array:
    wide_x, wide_total = x.astype(np.float64), total.astype(np.float64)
    sums: Array = call_quietly(_signed_sums, v, wide_x, -wide_total, dim, False)
    return sums


def _from_scratch(g: Array, x: Array, dim: int) -> Array:
    """The gradient with y computed again in float64: a rounded one is coarse where it is large."""
    wide = x.astype(np.float64)
    return _signed_sums(g, -np.logaddexp.accumulate(wide, dim), wide, dim, True)


def _sums_sample(rng: np.random.Generator) -> Any:
    return (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), (1,)


_late: OpFunction = primitive(
    "logcumsumexp_late_sums", _late_sums, inputs=3, batch=shifted(0),
    vjp=(
        lambda g, x, total, dim: _early((g, x, total), (dim,)),
        lambda g, v, x, total, dim: g * _late((v, x, total), (dim,)),
        lambda g, v, x, total, dim: -v * _early((g, x, total), (dim,)),
    ),
    sample=cases(_sums_sample), doc="``exp(x) * (the sum of v exp(-total) from here on)``.",
)  # fmt: skip
_early: OpFunction = primitive(
    "logcumsumexp_early_sums", _early_sums, inputs=3, batch=shifted(0),
    vjp=(
        lambda g, x, total, dim: _late((g, x, total), (dim,)),
        lambda g, v, x, total, dim: v * _late((g, x, total), (dim,)),
        lambda g, v, x, total, dim: -g * _early((v, x, total), (dim,)),
    ),
    sample=cases(_sums_sample), doc="``exp(-total) * (the sum of v exp(x) up to here)``.",
)  # fmt: skip
_logcumsumexp = primitive(
    "logcumsumexp", lambda x, dim: call_quietly(np.logaddexp.accumulate, x, dim),
    vjp=lambda g, x, y, dim: _late((g, x, y), (dim,)),
    fused=lambda g, x, dim: call_quietly(_from_scratch, g, x, dim),
    batch=shifted(0), sample=cases(lambda rng: ((rng.normal(size=(3, 4)),), (1,))),
)  # fmt: skip


@public
@guarded
@in_float32
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """``log(cumsum(exp(x)))`` without overflow."""
    dim = wrap_dim(dim, input.array.ndim, "logcumsumexp")
    x = cast(input, result_type(input, 1.0).numpy)
    return _logcumsumexp((x,), (dim,)) if x.array.ndim else x.clone()


# -- reductions ------------------------------------------------------------------------------------


class MinMax(NamedTuple):
    """Both extremes."""

    min: Tensor
    max: Tensor


@public
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest element, of all or along `dim`."""
    dims: Any = () if dim is None else dim
    return MinMax(amin(input, dims, keepdim), amax(input, dims, keepdim))


_zero_for_nan = elementwise(
    "zero_for_nan", lambda x: fx.where(fx.isnan(x), 0, x),
    vjp=lambda g, x: fx.where(fx.isnan(x), 0, g), sample=span(-3, 3), kind="promote",
    public=False, method=False, doc="The number, and 0 for NaN.",
)  # fmt: skip


def _without_nan(input: Tensor) -> Tensor:
    return _zero_for_nan(input) if input.array.dtype.kind == "f" else input


@public
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of what is not NaN."""
    return sum(_without_nan(in_dtype(input, dtype)), dim, keepdim, dtype=dtype)


@public
@guarded
@in_float32
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of what is not NaN."""
    x = in_dtype(input, dtype)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f"nanmean(): expected input to have floating point dtype but got {x.dtype}"
        )
    count = sum(cast(~e.isnan(x), x.array.dtype), dim, keepdim)
    return sum(_without_nan(x), dim, keepdim) / count


@public
@guarded
@in_float32
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return p_norm(input - other, p)


@public(inplace=True)
@guarded
@in_float32
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """With the entries along `dim` scaled down to a p-norm of at most `maxnorm`."""
    if input.array.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.array.ndim} dimensions"
        )
    d = wrap_dim(dim, input.array.ndim, "renorm")
    others = [i for i in range(input.array.ndim) if i != d]
    size = p_norm(input, p, others, True)
    factor = e.choose(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return input * factor


# -- quantiles -------------------------------------------------------------------------------------

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@plain_results(5)
def _ranks(ordered: Array, levels: Array, skip_nan: bool, interpolation: str) -> tuple[Array, ...]:
    """The ranks below and above, the weight of the one above, what a level is multiplied with for
    its rank, and where it does not count: a row with NaN is NaN, and looks at the end.
    """
    kind, size = ordered.dtype, ordered.shape[-1]
    missing = np.isnan(ordered).sum(-1, keepdims=True)
    lost = np.zeros(missing.shape, bool) if skip_nan else missing > 0
    scale = np.maximum(size - missing, 1) - 1 if skip_nan else np.full(missing.shape, size - 1)
    rank: Array = (np.where(lost, kind.type(1), levels) * scale).astype(kind)
    if interpolation == "lower":
        rank = np.floor(rank)
    elif interpolation == "higher":
        rank = np.ceil(rank)
    elif interpolation == "nearest":
        rank = np.rint(rank)
    low = np.floor(rank)
    weight = np.where(rank > low, 0.5, 0.0) if interpolation == "midpoint" else rank - low
    high = np.ceil(rank).astype(np.int64)
    return low.astype(np.int64), high, weight.astype(kind), scale.astype(kind), lost


def _between(ordered: Tensor, levels: Tensor, skip_nan: bool, interpolation: str) -> Tensor:
    """Values at the ranks that belong to `levels` along the last dimension of sorted rows."""
    low, high, weight, scale, lost = _ranks((ordered, levels), skip_nan, interpolation)
    if interpolation == "linear" and levels.requires_grad:
        levels = e.choose(lost, 1.0, levels)
        weight = levels * scale - cast(low, scale.array.dtype)
    return lerp(gather(ordered, -1, low), gather(ordered, -1, high), weight)


def _quantile(name: str, skip_nan: bool, text: str) -> Any:
    @called(
        name,
        f"The value below which a share `q` of the elements{text} lies, of all or along `dim`.",
    )
    def function(
        input: Tensor,
        q: Any,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        interpolation: str = "linear",
    ) -> Tensor:
        x = input.array
        if x.dtype.char not in "fd":
            raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
        if not x.size:
            raise RuntimeError(f"{name}() input tensor must be non-empty")
        if interpolation not in _METHODS:
            raise RuntimeError(
                f"{name}() interpolation must be one of linear, lower, higher, midpoint or "
                f"nearest, but got {interpolation}"
            )
        if not isinstance(q, (Tensor, int, float, np.number)):
            raise TypeError(
                f"{name}(): argument 'q' must be Tensor or float, not {type(q).__name__}"
            )
        share = q if isinstance(q, Tensor) else given(np.asarray(q, x.dtype))
        levels = share.array
        if levels.dtype != x.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        if levels.ndim > 1 or (levels.size and not (levels.min() >= 0 and levels.max() <= 1)):
            raise RuntimeError(
                f"{name}() q values must be in the range [0, 1], in at most one dimension"
            )
        d = None if dim is None else wrap_dim(dim, x.ndim, name)
        rows = reshape(input, -1) if d is None or not x.ndim else movedim(input, d, -1)
        ordered = sort(rows).values
        found = _between(ordered, reshape(share, -1), skip_nan, interpolation)
        found = movedim(found, -1, 0)
        if not x.ndim:
            found = reshape(found, -1)
        elif keepdim:
            found = reshape(found, (-1, *(1,) * x.ndim)) if d is None else unsqueeze(found, d + 1)
        return found if levels.ndim else reshape(found, found.array.shape[1:])

    return public(function)


quantile = _quantile("quantile", False, "")
nanquantile = _quantile("nanquantile", True, " that are not NaN")

# -- differences and integrals ---------------------------------------------------------------------


@public
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The n-th differences between neighbours along `dim`."""
    if not input.array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = wrap_dim(dim, input.array.ndim, "diff")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    parts = [p for p in (prepend, input, append) if p is not None]
    x = cat(parts, dim) if len(parts) > 1 and n else input
    for _ in range(min(n, x.array.shape[dim])):
        size = x.array.shape[dim] - 1
        late, early = narrow(x, dim, 1, size), narrow(x, dim, 0, size)
        x = e.ne(late, early) if x.array.dtype.kind == "b" else late - early
    return x if n else x.clone()


def _slabs(y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    """Twice the areas between neighbours."""
    if not y.array.ndim:
        raise RuntimeError("trapezoid: y must have at least one dimension")
    if x is not None and x.array.ndim != 1 and x.array.ndim != y.array.ndim:
        raise RuntimeError(
            "There must be one `x` value for each sample point, as a vector or in the shape of y: "
            f"got x of shape {list(x.array.shape)} and y of shape {list(y.array.shape)}"
        )
    size = y.array.shape[dim] - 1
    heights = narrow(y, dim, 1, size) + narrow(y, dim, 0, size)
    if x is None:
        return heights * dx
    if x.array.ndim == 1:
        shape = tuple(x.array.size if d == dim else 1 for d in range(y.array.ndim))
        x = reshape(x, shape)
    return heights * diff(x, dim=dim)


@public(method=False)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral along `dim` of the function through the points, by trapezoids."""
    dim = wrap_dim(dim, y.array.ndim, "trapezoid")
    if x is None and y.array.ndim:
        size = y.array.shape[dim]
        ends = [sum(narrow(y, dim, i, 1), dim) for i in (0, size - 1)] if size else []
        return (sum(y, dim) - sum(stack(ends), 0) * 0.5) * dx if ends else sum(y, dim)
    return sum(_slabs(y, x, dx, dim), dim) / 2.0


public(trapezoid, name="trapz", method=False)


@public(method=False)
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1
) -> Tensor:
    """The integrals along `dim` up to the second, third, ... point, by trapezoids."""
    dim = wrap_dim(dim, y.array.ndim, "cumulative_trapezoid")
    return _slabs(y, x, dx, dim).cumsum(dim) / 2.0


# -- covariance and distances ----------------------------------------------------------------------


@public
@guarded
@in_float32
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariances of variables in rows, observed in columns."""
    if input.array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got {input.array.ndim}"
        )
    x = cast(input, result_type(input, 1.0).numpy)
    x = x if x.array.ndim == 2 else reshape(x, 1, -1)
    _check_weights(fweights, "fweights", "integral", "biu", x.array.shape[1])
    _check_weights(aweights, "aweights", "floating point", "f", x.array.shape[1])
    weights = None
    if fweights is not None:
        weights = cast(fweights, x.array.dtype)
    if aweights is not None:
        weights = aweights if weights is None else weights * aweights
    total: Any = x.array.shape[1] if weights is None else sum(weights)
    average = mean(x, 1, True) if weights is None else sum(x * weights, 1, True) / total
    centred = x - average
    scaled = centred if weights is None else centred * weights
    if weights is not None and aweights is not None and correction:
        count = total - correction * sum(weights * aweights) / total
    else:
        count = total - correction
    if not isinstance(count, Tensor):
        count = float(max(count, 0))
    result = matmul(scaled, transpose(centred, 0, 1)) / count
    return result if x.array.shape[0] != 1 else reshape(result, ())


def _check_weights(w: Tensor | None, name: str, word: str, kinds: str, count: int) -> None:
    if w is None:
        return
    if w.array.ndim > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions")
    if w.array.dtype.kind not in kinds:
        raise RuntimeError(
            f"cov(): expected {name} to have {word} dtype but got {name} with {w.dtype.name} dtype"
        )
    if w.array.size != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input "
            f"but got {w.array.size} != {count}"
        )
    if w.array.size and w.array.min() < 0:
        raise RuntimeError(f"cov(): {name} cannot be negative")


@public
@guarded
@in_float32
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables in rows, observed in columns."""
    c = cov(input)
    if not c.array.ndim:
        return c / c
    deviation = e.sqrt(c.diagonal())
    return (c / reshape(deviation, -1, 1) / deviation).clamp(-1, 1)


@public(method=False)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = None) -> Tensor:
    """The p-norm distances between all rows: ``(*, n, d)`` and ``(*, m, d)`` give ``(*, n, m)``."""
    a, b = promote(e.minus.op, (x1, x2))
    if min(a.array.ndim, b.array.ndim) < 2:
        raise RuntimeError("cdist only supports at least 2D tensors")
    if a.array.shape[-1] != b.array.shape[-1]:
        raise RuntimeError(
            "X1 and X2 must have the same number of columns. X1: "
            f"{a.array.shape[-1]} X2: {b.array.shape[-1]}"
        )
    return p_norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, -1)
