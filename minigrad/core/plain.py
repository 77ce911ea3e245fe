"""Functions of arrays as operations that no gradient flows through.

Masks, indices, counts, norms: what a function of numpy computes from the values of tensors passes
the engine as every other computation does, so that whoever listens hears of it.

>>> import minigrad as mg
>>> import numpy as np
>>> @plain
... def nearest(x, grid):
...     return np.abs(x[..., None] - grid).argmin(-1)
>>> nearest((mg.tensor([0.2, 2.9]), mg.tensor([0.0, 1.0, 2.0, 3.0])))
tensor([0, 3])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.core.engine import apply
from minigrad.core.operation import Bare
from minigrad.core.tensor import Tensor

__all__ = ["Plain", "PlainResults", "plain", "plain_results"]


class _OfArrays(Bare):
    """A function of arrays and parameters as an operation.

    Parameters
    ----------
    function : callable
        ``function(*arrays, *params)`` gives an array; or a tuple of them, if there are `results`.
    results : int
        How many arrays it gives; 0 where that varies.
    name : str, optional
        By default that of the function.
    """

    differentiable = False

    def __init__(self, function: Callable[..., Any], results: int = 1, name: str = "") -> None:
        self.function = function
        self.name = name or function.__name__.strip("_")
        self.results = results

    def forward(self, arrays: Sequence[Any], params: tuple[Any, ...]) -> Any:
        """What the function gives."""
        return self.function(*arrays, *params)


class Plain(_OfArrays):
    """A function of arrays with one result as an operation."""

    def __call__(self, inputs: tuple[Tensor, ...], *params: Any) -> Tensor:
        """The result as a tensor."""
        result: Tensor = apply(self, inputs, params)
        return result


class PlainResults(_OfArrays):
    """A function of arrays with several results as an operation."""

    def __call__(self, inputs: tuple[Tensor, ...], *params: Any) -> tuple[Tensor, ...]:
        """The results as tensors."""
        results: tuple[Tensor, ...] = apply(self, inputs, params)
        return results


def plain(function: Callable[..., Any]) -> Plain:
    """``function(*arrays, *params)`` as an operation with one result."""
    return Plain(function)


def plain_results(results: int) -> Callable[[Callable[..., Any]], PlainResults]:
    """The same for functions with several results."""
    return lambda function: PlainResults(function, results)
