"""Random numbers written into a tensor that exists: ``uniform_``, ``normal_``, ... (methods)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.modes import interpreter
from minigrad.core.ops.shape import expand
from minigrad.core.promotion import cast
from minigrad.core.public import method
from minigrad.core.tensor import Tensor
from minigrad.ops.guard import all_values
from minigrad.ops.inplace import write
from minigrad.ops.random import (
    Generator,
    check_probability,
    check_std,
    draw,
    integer_array,
    normal_array,
    numpy_generator,
    overwrite,
    uniform_array,
)

Array = np.ndarray[Any, Any]


def _redraw(
    x: Tensor, compute: Callable[..., Array], name: str, generator: Generator | None,
    inputs: tuple[Tensor, ...] = (),
) -> Tensor:  # fmt: skip
    """Put random numbers into a tensor; `compute` and `inputs` as for :func:`draw`."""
    if interpreter() is not None:
        values = cast(draw(compute, inputs, generator), x.array.dtype)
        if x.array.__class__ is np.ndarray and values.array.__class__ is not np.ndarray:
            raise RuntimeError(
                "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This "
                f"will appear like same randomness. ({name})"
            )
        return write(x, lambda _: values, name)
    return overwrite(x, compute((), *[t.array for t in inputs]), name)


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
    shape, g = self.array.shape, numpy_generator(generator)

    def numbers(lead: tuple[int, ...]) -> Array:
        drawn = uniform_array((*lead, *shape), kind, g)
        drawn *= kind.type(to - low)
        drawn += kind.type(low)
        if to > low:  # rounding may reach the end
            np.minimum(drawn, np.nextafter(kind.type(to), kind.type(low)), out=drawn)
        return drawn

    return _redraw(self, numbers, "uniform_", generator)


@method
def normal_(self: Tensor, mean: float = 0, std: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    kind = _float_only(self, "normal_")
    check_std(std)
    shape, g = self.array.shape, numpy_generator(generator)

    def numbers(lead: tuple[int, ...]) -> Array:
        drawn = normal_array((*lead, *shape), kind, g)
        drawn *= kind.type(std)
        drawn += kind.type(mean)
        return drawn

    return _redraw(self, numbers, "normal_", generator)


@method
def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator: Any = None) -> Tensor:
    """Fill with numbers whose logarithm is normal."""
    kind = _float_only(self, "log_normal_")
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    shape, g = self.array.shape, numpy_generator(generator)
    return _redraw(
        self, lambda lead: np.exp(normal_array((*lead, *shape), kind, g) * std + mean),
        "log_normal_", generator,
    )  # fmt: skip


@method
def exponential_(self: Tensor, lambd: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with exponential numbers of mean ``1 / lambd``."""
    kind = _float_only(self, "exponential_")
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    shape, g = self.array.shape, numpy_generator(generator)
    drawn_in: Any = kind if kind.char in "fd" else np.float32
    return _redraw(
        self, lambda lead: g.standard_exponential((*lead, *shape), drawn_in) / lambd,
        "exponential_", generator,
    )  # fmt: skip


@method
def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Tensor:
    """Fill with Cauchy numbers."""
    _float_only(self, "cauchy_")
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    shape, g = self.array.shape, numpy_generator(generator)
    return _redraw(
        self, lambda lead: g.standard_cauchy((*lead, *shape)) * sigma + median, "cauchy_",
        generator,
    )  # fmt: skip


@method
def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    shape, g = self.array.shape, numpy_generator(generator)
    return _redraw(self, lambda lead: g.geometric(p, (*lead, *shape)), "geometric_", generator)


@method
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""
    chances = p if isinstance(p, Tensor) else Tensor(np.asarray(p))
    check_probability(all_values(chances))
    shape, g = self.array.shape, numpy_generator(generator)

    def flags(lead: tuple[int, ...], chance: Array) -> Array:
        return np.asarray(g.random((*lead, *shape)) < chance)

    return _redraw(self, flags, "bernoulli_", generator, (expand(chances, shape),))


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
    shape, g = self.array.shape, numpy_generator(generator)
    return _redraw(
        self, lambda lead: integer_array(low, high, (*lead, *shape), kind, g), "random_",
        generator,
    )  # fmt: skip


def _past_largest(kind: dtypes.dtype) -> int:
    if kind.category == 0:
        return 2
    if kind.category == 1:
        return dtypes.iinfo(kind).max + 1
    return (2 << int(np.finfo(kind.numpy).nmant)) + 1
