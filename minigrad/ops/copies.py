"""Pickling and deep copies of tensors: leaves only, with what users put on them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from minigrad.core.dtypes import native
from minigrad.core.events import on_arrays
from minigrad.core.operation import Bare
from minigrad.core.tensor import Array, Tensor

__all__: list[str] = []


def _extras(t: Tensor) -> dict[str, Any]:
    """The attributes that users put on a tensor."""
    return {k: v for k, v in t.__dict__.items() if not k.startswith("_")}


def _rebuild(cls: type, array: Array, requires_grad: bool, extras: dict[str, Any]) -> Any:
    t: Any = object.__new__(cls)
    t.array, t.node, t._requires_grad = native(array), None, requires_grad
    t.__dict__.update(extras)
    return t


def _reduce(self: Tensor, protocol: Any) -> Any:
    if self.node is not None:
        raise RuntimeError("only leaf tensors can be pickled; use detach() first")
    return _rebuild, (type(self), self.array, self._requires_grad, _extras(self))


class _Copy(Bare):
    """The elements in memory of their own."""

    name = "deepcopy"

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Array:
        return arrays[0].copy()


_COPY = _Copy()


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    if self.node is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment"
        )
    y: Tensor = _rebuild(
        type(self), on_arrays(_COPY, (self.array,)), self._requires_grad,
        deepcopy(_extras(self), memo),
    )  # fmt: skip
    memo[id(self)] = y
    if self._grad is not None:
        y._grad = deepcopy(self._grad, memo)
    return y


setattr(Tensor, "__reduce_ex__", _reduce)  # noqa: B010
setattr(Tensor, "__deepcopy__", _deepcopy)  # noqa: B010
