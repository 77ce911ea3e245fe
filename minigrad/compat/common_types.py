"""The names that PyTorch's files give to types of arguments, for files that annotate with them."""

from __future__ import annotations

from minigrad.core.tensor import Tensor
from minigrad.place import device

__all__ = ["Device", "Number"]

_size_any_t = int | tuple[int, ...]
_size_1_t = int | tuple[int]
_size_2_t = int | tuple[int, int]
_size_3_t = int | tuple[int, int, int]
_size_4_t = int | tuple[int, int, int, int]
_size_5_t = int | tuple[int, int, int, int, int]
_size_6_t = int | tuple[int, int, int, int, int, int]

_ratio_any_t = float | tuple[float, ...]
_ratio_2_t = float | tuple[float, float]
_ratio_3_t = float | tuple[float, float, float]

_tensor_list_t = Tensor | list[Tensor]
_maybe_indices_t = Tensor | tuple[Tensor, Tensor]

_int = int
_float = float
_bool = bool
_size = tuple[int, ...] | list[int]
Number = int | float | bool
Device = device | str | int | None
