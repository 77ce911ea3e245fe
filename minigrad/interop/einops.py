"""Tensors in einops: ``rearrange``, ``reduce``, ``repeat``, ``pack``, ``einsum``, with gradients.

einops finds the arrays of a library by the subclasses of its class ``AbstractBackend``. There is
one for tensors as soon as both libraries are imported, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor

__all__ = ["register"]


class _Methods:
    """What einops asks of a backend."""

    framework_name = "minigrad"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: Any) -> Tensor:
        t: Tensor = PUBLIC["from_numpy"](x)
        return t.requires_grad_() if t.is_floating_point() else t

    def to_numpy(self, x: Tensor) -> Any:
        return x.detach().numpy()

    def arange(self, start: int, stop: int) -> Any:
        return PUBLIC["arange"](start, stop)

    def shape(self, x: Tensor) -> tuple[int, ...]:
        shape: tuple[int, ...] = x.array.shape
        return shape

    def reshape(self, x: Tensor, shape: Any) -> Any:
        return PUBLIC["reshape"](x, tuple(shape))

    def transpose(self, x: Tensor, axes: Any) -> Any:
        return PUBLIC["permute"](x, tuple(axes))

    def reduce(self, x: Tensor, operation: str, axes: tuple[int, ...]) -> Any:
        name = {"min": "amin", "max": "amax"}.get(operation, operation)
        return PUBLIC[name](x, tuple(axes)) if axes else x

    def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Any:
        return PUBLIC["stack"](tensors)

    def add_axis(self, x: Tensor, new_position: int) -> Any:
        return PUBLIC["unsqueeze"](x, new_position)

    def add_axes(self, x: Tensor, n_axes: int, pos2len: dict[int, int]) -> Any:
        """New dimensions without copying."""
        sizes = [-1] * n_axes
        for position, length in pos2len.items():
            x = PUBLIC["unsqueeze"](x, position)
            sizes[position] = length
        return x.expand(sizes)

    def tile(self, x: Tensor, repeats: Sequence[int]) -> Any:
        return PUBLIC["tile"](x, tuple(repeats))

    def concat(self, tensors: list[Tensor], axis: int) -> Any:
        return PUBLIC["cat"](tensors, axis)

    def is_float_type(self, x: Tensor) -> bool:
        return x.dtype.is_floating_point

    def einsum(self, pattern: str, *x: Tensor) -> Any:
        return PUBLIC["einsum"](pattern, *x)


def register() -> None:
    """Define the backend: einops finds it among the subclasses of its own class."""
    from einops._backends import AbstractBackend

    global backend
    backend = type("MinigradBackend", (_Methods, AbstractBackend), {"__module__": __name__})


#: The class, kept from being collected.
backend: type | None = None
