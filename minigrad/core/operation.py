"""What the engine asks of an operation, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from minigrad.core.engine import Node
    from minigrad.core.tensor import Tensor

__all__ = ["Bare", "NoValues", "Operation"]

Array = np.ndarray[Any, Any]


class Operation(Protocol):
    """What the engine needs of an operation; `core.declare` makes such objects."""

    name: str
    #: Whether a gradient can flow (comparisons and rounding to integers say no).
    differentiable: bool
    #: Whether the result shares the memory of the first input.
    view: bool
    #: Whether the result may be larger than an input, whose gradient is then summed.
    broadcasts: bool
    #: Whether the derivative reads the result.
    reads_output: bool
    #: Whether none of this is the case, and nothing but inputs is kept: the commonest kind.
    plain: bool
    #: How many results there are; 0 where that varies.
    results: int
    #: Whether the gradients that `backward` returns are arrays it has made, or what arrived: not so
    #: where the functions of users make them, who may keep them.
    owns: bool
    #: Whether it runs functions of users, whose operations pass the doors themselves.
    opaque: bool
    #: For sets of inputs that require grad, as bits: whether all or none of the inputs are read.
    kept: dict[int, bool]

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The result; or a tuple of results followed by what backward wants kept."""

    def keep(self, inputs: tuple[Tensor, ...], need: int) -> tuple[Tensor | None, ...]:
        """The inputs that the derivatives of the inputs in the bit set `need` read."""

    def backward(self, node: Node, g: Any) -> Sequence[Array | None]:
        """The gradients of the inputs, computed on arrays."""

    def vjp(self, node: Node, g: Any) -> Sequence[Tensor | None]:
        """The gradients of the inputs, computed on tensors, so that they have a graph."""


class Bare:
    """What is so of an operation that no declaration made, unless it says otherwise."""

    name = "bare"
    differentiable = True
    view = broadcasts = reads_output = plain = owns = opaque = False
    results = 1
    kept: dict[int, bool] = {}  # noqa: RUF012 - nothing is written here

    def keep(self, inputs: tuple[Tensor, ...], need: int) -> tuple[Tensor | None, ...]:
        """Nothing."""
        return ()


class NoValues(RuntimeError):  # noqa: N818 - it says what there is not
    """Somebody asked for the values of a tensor that has none: it stands for something else, which
    the interpreter of the mode knows how to compute (many examples, for `func.vmap`).

    Functions that compute a small result themselves, before any operation is applied, catch it and
    leave the computation to :func:`~minigrad.core.engine.apply`.
    """
