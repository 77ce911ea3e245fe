"""One convolution of certain sizes, as the ways of computing it see it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np

from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.run.plan import Plan
from minigrad.kernels.vector.registers import Registers

__all__ = ["Case", "Prepared", "Way"]

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


class Case(NamedTuple):
    """Everything that decides how a convolution is computed.

    Sequences come as images of one line, so there are two or three spatial dimensions.

    Attributes
    ----------
    registers : Registers
        What to make loops for.
    size : int
        Bytes of a number, 4 or 8.
    x, w, y : tuple of int
        Shapes of the input, the weight and the result of the forward pass; none is empty.
    how : Geometry
    """

    registers: Registers
    size: int
    x: Ints
    w: Ints
    y: Ints
    how: Geometry

    @property
    def products(self) -> int:
        """Multiplications of each pass."""
        return math.prod(self.y) * math.prod(self.w[1:])

    def of(self, kind: str) -> Ints:
        """The shape of the result of a pass."""
        return {"forward": self.y, "data": self.x, "weight": self.w}[kind]


class Prepared(NamedTuple):
    """A pass of a convolution, ready to be run on arrays.

    Attributes
    ----------
    plan : Plan
    start : array
        What sums begin with where there is no bias: zeros.
    channels : int
        If not 0, the channels of a group that a bias must have, filled up with zeros.
    """

    plan: Plan
    start: Array
    channels: int = 0


class Way(Protocol):
    """One way of computing convolutions: any module with these functions."""

    def serves(self, kind: str, case: Case) -> bool:
        """Whether it is the quickest of those that come after it."""
        ...

    def forward(self, case: Case) -> Prepared:
        """The result, from images and weights."""
        ...

    def data(self, case: Case) -> Prepared:
        """The gradient of the images, from that of the result and weights."""
        ...

    def weight(self, case: Case) -> Prepared:
        """The gradient of the weights, from images and that of the result."""
        ...
