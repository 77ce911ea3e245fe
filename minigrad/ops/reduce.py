"""Operations that fold dimensions into one number each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core import dtypes
from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.dims import wrap_dim, wrap_dims
from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.reduce import (
    amax_op,
    amin_op,
    axes_samples,
    count,
    in_dtype,
    mean,
    nonempty,
    spread,
    sum,
    sum_op,
)
from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import cast, refuse_bfloat16
from minigrad.core.public import OpFunction, called, public
from minigrad.core.samples import cases, normal, span
from minigrad.core.tensor import Array, Tensor, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import reducing, shifted
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32

kernels = lazy("reduce")
softmax_kernels = lazy("softmax")
running = lazy("cumsum")

Axes = tuple[int, ...]


class ValuesIndices(NamedTuple):
    """The results of a search along a dimension."""

    values: Tensor
    indices: Tensor


# -- sums ----------------------------------------------------------------------------------------


_RUNNING = 1024  #: below so many elements numpy's ``cumsum`` is as quick as a kernel


def _prod_grad(g: Tensor, x: Tensor, y: Tensor, axes: Axes) -> Tensor:
    """The product of the others: y / x, or where x is 0, computed without it."""
    read("prod", x)
    if x.array.all():
        quotient: Tensor = spread(g * y, x.array.shape, axes) / x
        return quotient
    others = []
    flat_axes = [x.array.shape[a] for a in axes]
    for index in np.ndindex(*flat_axes):
        place: list[Any] = [slice(None)] * x.array.ndim
        for a, i in zip(axes, index, strict=True):
            place[a] = slice(i, i + 1)
        hole = np.zeros(x.array.shape, bool)
        hole[tuple(place)] = True
        mask = given(hole)
        without = e.choose(mask, 1.0, x)
        others.append(
            e.choose(mask, spread(_prod((without,), (axes, True)), x.array.shape, axes), 0.0)
        )
    total = others[0]
    for o in others[1:]:
        total = total + o
    gx: Tensor = spread(g, x.array.shape, axes) * total
    return gx


_prod = primitive(
    "prod", lambda x, axes, keepdim: kernels.prod(x, axes, keepdim), vjp=_prod_grad,
    batch=reducing,
    sample=cases(
        lambda rng: ((rng.uniform(0.5, 2, (3, 4)),), ((1,), False)),
        lambda rng: ((np.array([2.0, 0.0, 3.0]),), ((0,), False)),
        lambda rng: ((np.array([[2.0, 0.0], [0.0, 3.0]]),), ((0, 1), True)),
    ),
)  # fmt: skip


@public
@guarded
@in_float32
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over a dimension, or over all; its derivative is right where factors are 0."""
    x = in_dtype(input, dtype)
    return in_dtype(_prod((x,), (wrap_dims(dim, x.array.ndim, "prod"), keepdim)), dtype)


def _running(x: Array, dim: int, backwards: bool = False) -> Array:
    """Sums along `dim`, added up in float64 whatever the size."""
    if x.size >= _RUNNING and x.dtype.char in "fd":
        return running.cumsum(x, dim, backwards)  # type: ignore[no-any-return]
    if backwards:
        return np.flip(_running(np.flip(x, dim), dim), dim)
    if x.dtype.kind in "biu":
        return np.cumsum(x, dim, dtype=np.int64)
    return np.cumsum(x, dim, dtype=np.float64).astype(x.dtype, copy=False)


_cumsum = primitive(
    "cumsum", _running,
    vjp=lambda g, dim: _reverse_cumsum(g, dim),
    fused=lambda g, dim: _running(g, dim, True), batch=shifted(0),
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 4)),), (1,)),
        lambda rng: ((rng.normal(size=5),), (0,)),
    ),
)  # fmt: skip


def _reverse_cumsum(g: Tensor, dim: int) -> Tensor:
    return g.flip(dim).cumsum(dim).flip(dim)


@public(inplace=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of the first 1, 2, 3, ... entries along `dim`."""
    x = in_dtype(input, dtype)
    if x.array.dtype.kind == "V":
        refuse_bfloat16("cumsum")
    if not x.array.ndim:
        wrap_dim(dim, 0, "cumsum")
        return sum(x, dtype=dtype)
    return in_dtype(_cumsum((x,), (wrap_dim(dim, x.array.ndim, "cumsum"),)), dtype)


# -- extremes ------------------------------------------------------------------------------------


def _finder(name: str, find: str) -> OpFunction:
    """The operation that finds an extreme: its indices, which have no derivative."""
    return primitive(
        name, lambda x, dim, keepdim: getattr(kernels, find)(x, dim, keepdim), batch=shifted(0),
        sample=cases(normal((3, 4), 1, False), normal((3, 4), 0, True), normal((5,), 0, False)),
    )  # fmt: skip


_argmax, _argmin = _finder("argmax", "argmax"), _finder("argmin", "argmin")


def _search(input: Tensor, dim: Any, keepdim: bool, find: OpFunction, name: str) -> ValuesIndices:
    """The extreme along one dimension, and where it is: the gradient goes to that one place."""
    x = input.array
    d = wrap_dim(dim, x.ndim, name)
    if not x.ndim:
        return ValuesIndices(input.clone(), given(np.zeros((), np.int64)))
    nonempty(input, (d,), name)
    indices = find((input,), (d, True))
    values = input.gather(d, indices)
    if keepdim:
        return ValuesIndices(values, indices)
    shape = tuple(n for i, n in enumerate(x.shape) if i != d)
    return ValuesIndices(reshape(values, shape), reshape(indices, shape))


def _extreme(name: str, whole: Any, find: Any, pairwise: Any, text: str) -> Any:
    @called(
        name,
        f"The {text} element; along `dim`, a pair ``(values, indices)``; of two tensors, "
        "elementwise.\n\n"
        "Over all elements ties share the gradient; along a dimension the first one gets it.",
    )
    def function(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None
    ) -> Any:
        if isinstance(dim, Tensor) or other is not None:
            return pairwise(input, dim if other is None else other)
        if dim is None:
            if input.array.size == 0:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                    "Specify the reduction dim with the 'dim' argument."
                )
            return whole((input,), (tuple(range(input.array.ndim)), False))
        return _search(input, dim, keepdim, find, name)

    return public(function)


max = _extreme("max", amax_op, _argmax, e.maximum, "largest")
min = _extreme("min", amin_op, _argmin, e.minimum, "smallest")


def _position(name: str, find: Any, text: str) -> Any:
    @called(name, f"The index of the {text} element, the first one of several; NaN counts as it.")
    def function(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        x = input.array
        if x.size == 0 and (dim is None or x.shape[wrap_dim(dim, x.ndim, name)] == 0):
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0, or to "
                "have non-zero size."
            )
        if dim is None:
            found = find((input if x.ndim == 1 else reshape(input.detach(), -1),), (0, False))
            return reshape(found, (1,) * x.ndim) if keepdim else found
        d = wrap_dim(dim, x.ndim, name)
        return find((input,), (d, keepdim)) if x.ndim else given(np.zeros((), np.int64))

    return public(function)


argmax = _position("argmax", _argmax, "largest")
argmin = _position("argmin", _argmin, "smallest")


# -- log-sum-exp, variance, norm ------------------------------------------------------------------

_logsumexp = primitive(
    "logsumexp", lambda x, axes, keepdim: softmax_kernels.logsumexp(x, axes, keepdim),
    vjp=lambda g, x, y, axes, x_shape: (
        spread(g, x_shape, axes) * e.exp(x - spread(y, x_shape, axes))
    ),
    batch=reducing, sample=axes_samples(),
)  # fmt: skip


@public
@guarded
@in_float32
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` over some dimensions, without overflow."""
    if input.array.dtype.kind == "V":
        refuse_bfloat16("logsumexp")
    x = input if input.array.dtype.kind == "f" else cast(input, dtypes.get_default_dtype().numpy)
    return _logsumexp((x,), (wrap_dims(dim, x.array.ndim, "logsumexp"), keepdim))


def _var_grad(g: Any, x: Any, axes: Axes, correction: float) -> Any:
    n = count(tuple(x.shape), axes)
    centred = x - (x.mean(axes, True) if isinstance(x, Tensor) else kernels.mean(x, axes, True))
    scale = 2.0 / (n - correction) if n > correction else float("nan")
    return spread(g, tuple(x.shape), axes) * centred * scale


_var = primitive(
    "var", lambda x, axes, keepdim, correction: kernels.var(x, axes, correction, keepdim)[0],
    vjp=lambda g, x, axes, correction: _var_grad(g, x, axes, correction), batch=reducing,
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 4)),), ((1,), False, 1)),
        lambda rng: ((rng.normal(size=(2, 3, 4)),), ((0, 2), True, 0)),
    ),
)  # fmt: skip


_root = elementwise(
    "root", lambda v: fx.sqrt(v), vjp=lambda g, y: fx.where(y == 0, 0, g / (2 * y)),
    sample=span(0.3, 4), ufunc=np.sqrt, public=False, method=False,
    doc="The square root with the derivative 0 at 0: "
    "equal values have a standard deviation to minimize.",
)  # fmt: skip


def _var_args(
    input: Tensor, dim: Any, unbiased: bool | None, correction: Any, keepdim: bool, name: str
) -> tuple[tuple[Tensor], tuple[Any, ...]]:
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    if input.array.dtype.kind != "f":
        raise RuntimeError(
            f"{name} only support floating point and complex dtypes, got {input.dtype}"
        )
    axes = wrap_dims(dim, input.array.ndim, name)
    return (input,), (axes, keepdim, 1 if correction is None else correction)


@public
@guarded
@in_float32
def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = 1,
) -> Tensor:
    """The variance, ``sum((x - mean)**2) / (n - correction)``, in two passes."""
    return _var(*_var_args(input, dim, unbiased, correction, keepdim, "var"))


@public
@guarded
@in_float32
def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = 1,
) -> Tensor:
    """The standard deviation, the root of :func:`var`."""
    return _root(_var(*_var_args(input, dim, unbiased, correction, keepdim, "std")))


@public
@guarded
@in_float32
def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = 1,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


@public
@guarded
@in_float32
def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = 1,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def _norm_grad(g: Tensor, x: Tensor, y: Tensor, axes: Axes) -> Tensor:
    """``x / |x|``, and 0 where the norm is 0."""
    norm = spread(y, x.array.shape, axes)
    safe = e.choose(norm == 0, 1.0, norm)
    gx: Tensor = spread(g, x.array.shape, axes) * x / safe
    return gx


_norm2 = primitive(
    "norm2", lambda x, axes, keepdim: np.sqrt(kernels.sum(x * x, axes, keepdim)), vjp=_norm_grad,
    batch=reducing, sample=axes_samples(),
)  # fmt: skip


@in_float32
def p_norm(
    input: Tensor, p: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """``sum(|x|**p) ** (1/p)`` over some dimensions, or all; "fro" is p = 2."""
    x = in_dtype(input, dtype)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{x.dtype}"
        )
    axes = wrap_dims(dim, x.array.ndim, "norm")
    if p in ("fro", 2, None):
        return _norm2((x,), (axes, keepdim))
    if p == float("inf"):
        return amax_op((e.abs(x),), (axes, keepdim))
    if p == -float("inf"):
        return amin_op((e.abs(x),), (axes, keepdim))
    if p == 0:
        return sum_op((cast(x != 0, x.array.dtype),), (axes, keepdim))
    if p == 1:
        return sum_op((e.abs(x),), (axes, keepdim))
    root: Tensor = sum_op((e.abs(x) ** p,), (axes, keepdim)) ** (1.0 / p)
    return root


# -- logic ---------------------------------------------------------------------------------------


def _logic(name: str, ufunc: Any, text: str) -> Any:
    def compute(x: Array, axes: Axes, keepdim: bool) -> Array:
        kind = np.uint8 if x.dtype == np.uint8 else np.bool_  # as PyTorch has it
        flags = x if x.dtype.kind == "b" else x != 0
        return np.asarray(ufunc.reduce(flags, axis=axes, keepdims=keepdim), kind)

    op = primitive(
        name,
        lambda x, axes, keepdim: compute(x, axes, keepdim),
        batch=reducing,
        sample=axes_samples(),
    )

    @called(name, f"Whether {text} element is nonzero, over a dimension or over all.")
    def function(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        return op((input,), (wrap_dims(dim, input.array.ndim, name), keepdim))

    return public(function)


all = _logic("all", np.logical_and, "every")
any = _logic("any", np.logical_or, "some")


_count_nonzero = primitive(
    "count_nonzero", lambda x, axes: np.asarray(np.count_nonzero(x, axis=axes), np.int64),
    batch=reducing, sample=cases(normal((3, 4), (1,)), normal((3, 4), (0, 1))),
)  # fmt: skip


@public
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """The number of elements that are not zero, over some dimensions or all."""
    return _count_nonzero((input,), (wrap_dims(dim, input.array.ndim, "count_nonzero"),))
