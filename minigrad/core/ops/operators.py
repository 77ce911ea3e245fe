"""The operators of tensors, and how gradients are added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import adding
from minigrad.core.events import on_arrays
from minigrad.core.operation import Bare
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.reduce import sum as sum_
from minigrad.core.ops.shape import copy, reshape
from minigrad.core.promotion import NUMBERS, as_operand, cast
from minigrad.core.public import operator
from minigrad.core.rules import REGISTRY
from minigrad.core.tensor import Tensor

__all__ = ["as_operator", "known", "power"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

#: Powers that have an operation of their own, exact and vectorised.
_POWERS = {2: e.square, 3: e.cube, 0.5: e.sqrt, -0.5: e.rsqrt, -1: e.reciprocal}


def power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``, of floats; either may be a number."""
    if isinstance(input, Tensor) and isinstance(exponent, (int, float)) and exponent != 0:
        special = _POWERS.get(exponent)
        return special(input) if special is not None else e.pow_number(input, float(exponent))
    return e.pow_tensors(input, exponent)


def known(other: Any) -> Any:
    """Arrays and numbers of numpy as tensors; tensors and Python's numbers as they are."""
    if isinstance(other, (Tensor, bool, int, float)):
        return other
    return as_operand(other, "operator", 1)


def as_operator(function: Callable[[Any, Any], Tensor], swap: bool = False) -> Any:
    """A binary operator method; for what is no tensor, array or number, Python asks the other."""

    def forward(self: Tensor, other: Any) -> Any:
        if other.__class__ is Tensor or isinstance(other, NUMBERS):
            return function(self, known(other))
        return NotImplemented

    def swapped(self: Tensor, other: Any) -> Any:
        return function(known(other), self) if isinstance(other, NUMBERS) else NotImplemented

    return swapped if swap else forward


for _name, _function in {
    "add": e.plus, "sub": e.minus, "mul": e.mul, "truediv": e.over,
    "eq": e.eq, "ne": e.ne, "lt": e.lt, "le": e.le, "gt": e.gt, "ge": e.ge,
}.items():  # fmt: skip
    setattr(Tensor, f"__{_name}__", operator(_function.op))
_two: Any
for _name, _two in {"sub": e.minus, "truediv": e.over, "pow": power}.items():
    setattr(Tensor, f"__r{_name}__", as_operator(_two, swap=True))
setattr(Tensor, "__radd__", Tensor.__add__)  # noqa: B010
setattr(Tensor, "__rmul__", Tensor.__mul__)  # noqa: B010
setattr(Tensor, "__pow__", as_operator(power))  # noqa: B010
setattr(Tensor, "__neg__", e.neg)  # noqa: B010
setattr(Tensor, "__abs__", e.abs)  # noqa: B010


def _axes_to_sum(shape: Shape, target: Shape) -> Shape:
    new = len(shape) - len(target)
    return tuple([i for i, n in enumerate(shape) if i < new or (target[i - new] == 1 and n != 1)])


class _Add(Bare):
    """The sum of two gradients; into the first, if nobody else holds that."""

    name = "add_gradients"

    def forward(self, arrays: Sequence[Array], params: tuple[bool]) -> Array:
        a, b = arrays
        if params[0] and a.flags.writeable:
            return np.add(a, b, out=a)
        return np.asarray(np.add(a, b))


class _SumTo(Bare):
    """A gradient summed over the dimensions along which an input was repeated."""

    name = "sum_to"

    def forward(self, arrays: Sequence[Array], params: tuple[Shape]) -> Array:
        (g,), (shape,) = arrays, params
        total = REGISTRY["sum"].forward((g,), (_axes_to_sum(g.shape, shape), False))
        return np.asarray(total).reshape(shape)


class _Keep(Bare):
    """A gradient as a leaf keeps it: in rows, and an array that nobody else holds."""

    name = "keep_gradient"

    def forward(self, arrays: Sequence[Array], params: tuple[Shape]) -> Array:
        return np.array(arrays[0], order="C").reshape(params[0])


_ADD, _SUM_TO, _KEEP = _Add(), _SumTo(), _Keep()


class _OnArrays:
    """Adding gradients, summing a broadcast away, keeping the result."""

    @staticmethod
    def add(a: Array, b: Array, own: bool = False) -> Array:
        return on_arrays(_ADD, (a, b), (own,))  # type: ignore[no-any-return]

    @staticmethod
    def sum_to(g: Array, shape: Shape) -> Array:
        return on_arrays(_SUM_TO, (g,), (shape,))  # type: ignore[no-any-return]

    @staticmethod
    def keep(g: Array, shape: Shape) -> Array:
        return on_arrays(_KEEP, (g,), (shape,))  # type: ignore[no-any-return]


class _OnTensors:
    """The same, recorded; and what else gradients with a graph need."""

    copy = staticmethod(copy)
    cast = staticmethod(cast)

    @staticmethod
    def add(a: Tensor, b: Tensor, own: bool = False) -> Tensor:
        return e.plus(a, b)

    @staticmethod
    def sum_to(g: Tensor, shape: Shape) -> Tensor:
        axes = _axes_to_sum(g.array.shape, shape)
        return reshape(sum_(g, axes) if axes else g, shape)


adding[False] = _OnArrays
adding[True] = _OnTensors
