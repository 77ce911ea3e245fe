"""Inputs to try operations on: part of every declaration, and what its tests are made from.

A sampler is called with a random generator and yields :class:`Sample` objects. Values stay away
from kinks, where finite differences and derivatives rightly disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Sample", "Sampler", "cases", "normal", "pair", "span", "spans"]

Array = np.ndarray[Any, Any]


class Sample(NamedTuple):
    """One call: the arrays that tensors are made of, and the parameters."""

    inputs: tuple[Array, ...]
    params: tuple[Any, ...] = ()


Sampler = Callable[[np.random.Generator], Iterator[Sample]]


def draw(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    low: float,
    high: float,
    avoid: tuple[float, ...],
) -> Array:
    """Uniform values in [low, high], at least 0.05 away from each of `avoid`."""
    values = rng.uniform(low, high, shape)
    for kink in avoid:
        near = np.abs(values - kink) < 0.05
        values = np.where(near, kink + np.where(values < kink, -0.1, 0.1), values)
    return values


def span(
    low: float, high: float, avoid: tuple[float, ...] = (), params: tuple[Any, ...] = ()
) -> Sampler:
    """One input from an interval: a matrix, a number, nothing."""

    def sampler(rng: np.random.Generator) -> Iterator[Sample]:
        for shape in ((3, 4), (), (0, 2)):
            yield Sample((draw(rng, shape, low, high, avoid),), params)

    return sampler


def pair(
    first: tuple[float, float] = (-3, 3), second: tuple[float, float] = (-3, 3), apart: float = 0.0
) -> Sampler:
    """Two inputs from intervals, of equal and of broadcast shapes; at least `apart` apart."""

    def sampler(rng: np.random.Generator) -> Iterator[Sample]:
        shapes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
            ((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1), (1, 3)), ((), (2, 2)), ((0, 2), (2,)),
        )  # fmt: skip
        for a, b in shapes:
            x, y = draw(rng, a, *first, ()), draw(rng, b, *second, ())
            if apart and a == b:
                y = np.where(np.abs(x - y) < apart, y + 2 * apart, y)
            yield Sample((x, y))

    return sampler


def spans(*intervals: tuple[float, float], flags: int = 0, params: tuple[Any, ...] = ()) -> Sampler:
    """Several inputs, after `flags` boolean ones."""

    def sampler(rng: np.random.Generator) -> Iterator[Sample]:
        for shapes in (((3, 4),) * 9, ((3, 1), (4,), (3, 4), (1,), ())):
            arrays: list[Array] = [rng.random(shapes[i]) > 0.5 for i in range(flags)]
            for i, (low, high) in enumerate(intervals, flags):
                arrays.append(draw(rng, shapes[i], low, high, ()))
            yield Sample(tuple(arrays), params)

    return sampler


def normal(shape: tuple[int, ...], *params: Any) -> Callable[[np.random.Generator], Sample]:
    """For :func:`cases`: one array of normal values, and the parameters."""
    return lambda rng: Sample((rng.normal(size=shape),), params)


def cases(*made: Callable[[np.random.Generator], Sample | tuple[Any, ...]]) -> Sampler:
    """Each function makes one sample: ``lambda rng: ((arrays,), (params,))``."""

    def sampler(rng: np.random.Generator) -> Iterator[Sample]:
        for make in made:
            sample = make(rng)
            yield sample if isinstance(sample, Sample) else Sample(*sample)

    return sampler
