"""Random numbers written into a tensor that exists: ``uniform_``, ``normal_``, ... (methods)."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.modes import interpreter
from minigrad.core.ops.shape import expand
from minigrad.core.promotion import cast
from minigrad.core.public import method
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.guard import all_values
from minigrad.ops.inplace import write
from minigrad.ops.limits import iinfo
from minigrad.ops.random import (
    Generator,
    Law,
    check_probability,
    check_std,
    flags,
    integers,
    normal_array,
    overwrite,
    uniform_array,
)

Shape = tuple[int, ...]


def _redraw(
    x: Tensor, law: Law, params: tuple[Any, ...], name: str, generator: Generator | None,
    inputs: tuple[Tensor, ...] = (),
) -> Tensor:  # fmt: skip
    """Put random numbers into a tensor."""
    values = law(inputs, params, generator)
    if interpreter() is not None:
        values = cast(values, x.array.dtype)
        if x.array.__class__ is np.ndarray and values.array.__class__ is not np.ndarray:
            raise RuntimeError(
                "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This "
                f"will appear like same randomness. ({name})"
            )
        return write(x, lambda _: values, name)
    return overwrite(x, values, name)


def _float_only(x: Tensor, name: str) -> np.dtype[Any]:
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f'"{name}" not implemented for {x.dtype}: it needs a floating point dtype'
        )
    return x.array.dtype  # type: ignore[no-any-return]


@method
def uniform_(
    self: Tensor, from_: float = 0, to: float = 1, *, generator: Any = None, **kwargs: Any
) -> Tensor:
    """Fill with numbers uniform on [from, to)."""
    low = kwargs.pop("from", from_)
    if kwargs:
        raise TypeError(f"uniform_() got an unexpected keyword argument '{next(iter(kwargs))}'")
    kind = _float_only(self, "uniform_")
    if not low <= to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low} > to={to}"
        )
    params = (low, to, self.array.shape, kind)
    return _redraw(self, _uniform_between, params, "uniform_", generator)


@Law
def _uniform_between(
    g: np.random.Generator, lead: Shape, low: float, to: float, shape: Shape, kind: Any
) -> Array:
    drawn = uniform_array((*lead, *shape), kind, g)
    drawn *= kind.type(to - low)
    drawn += kind.type(low)
    if to > low:  # rounding may reach the end
        np.minimum(drawn, np.nextafter(kind.type(to), kind.type(low)), out=drawn)
    return drawn


@method
def normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    kind = _float_only(self, "normal_")
    check_std(std)
    params = (mean, std, self.array.shape, kind)
    return _redraw(self, _normal_around, params, "normal_", generator)


@Law
def _normal_around(
    g: np.random.Generator, lead: Shape, mean: float, std: float, shape: Shape, kind: Any
) -> Array:
    drawn = normal_array((*lead, *shape), kind, g)
    drawn *= kind.type(std)
    drawn += kind.type(mean)
    return drawn


@method
def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fill with numbers whose logarithm is normal."""
    kind = _float_only(self, "log_normal_")
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    params = (mean, std, self.array.shape, kind)
    return _redraw(self, _log_normal, params, "log_normal_", generator)


@Law
def _log_normal(
    g: np.random.Generator, lead: Shape, mean: float, std: float, shape: Shape, kind: Any
) -> Array:
    return np.asarray(np.exp(normal_array((*lead, *shape), kind, g) * std + mean))


@method
def exponential_(self: Tensor, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with exponential numbers of mean ``1 / lambd``."""
    kind = _float_only(self, "exponential_")
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    drawn_in: Any = kind if kind.char in "fd" else np.float32
    params = (lambd, self.array.shape, drawn_in)
    return _redraw(self, _exponential, params, "exponential_", generator)


@Law
def _exponential(
    g: np.random.Generator, lead: Shape, lambd: float, shape: Shape, kind: Any
) -> Array:
    return np.asarray(g.standard_exponential((*lead, *shape), kind) / lambd)


@method
def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with Cauchy numbers."""
    _float_only(self, "cauchy_")
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _redraw(self, _cauchy, (median, sigma, self.array.shape), "cauchy_", generator)


@Law
def _cauchy(
    g: np.random.Generator, lead: Shape, median: float, sigma: float, shape: Shape
) -> Array:
    return np.asarray(g.standard_cauchy((*lead, *shape)) * sigma + median)


@method
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return _redraw(self, _geometric, (p, self.array.shape), "geometric_", generator)


@Law
def _geometric(g: np.random.Generator, lead: Shape, p: float, shape: Shape) -> Array:
    return np.asarray(g.geometric(p, (*lead, *shape)))


@method
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""
    chances = p if isinstance(p, Tensor) else given(np.asarray(p))
    check_probability(all_values(chances))
    inputs, params = (expand(chances, self.array.shape),), (self.array.shape, bool)
    return _redraw(self, flags, params, "bernoulli_", generator, inputs)


@method
def random_(
    self: Tensor, from_: int = 0, to: int | None = None, *, generator: Any = None, **kwargs: Any
) -> Tensor:
    """Fill with whole numbers of [from, to); ``random_(to)`` counts from 0.

    Without limits, integers reach to the largest of their type, floats to 2 to the number of bits
    of their mantissa.
    """
    low = kwargs.pop("from", from_)
    if kwargs:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(kwargs))}'")
    kind = self.dtype
    if to is None:
        low, high = (0, _past_largest(kind)) if low == 0 else (0, low)
    else:
        high = to
    params = (low, high, self.array.shape, kind)
    return _redraw(self, integers, params, "random_", generator)


def _past_largest(kind: dtypes.dtype) -> int:
    if kind.category == 0:
        return 2
    if kind.category == 1:
        return iinfo(kind).max + 1
    return (2 << int(np.finfo(kind.numpy).nmant)) + 1
