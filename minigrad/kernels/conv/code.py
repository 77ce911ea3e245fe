"""Where the code of convolution's loops is written."""

from __future__ import annotations

from minigrad.kernels.vector.emitter import Vector
from minigrad.kernels.vector.registers import variant

__all__ = ["address"]

_HOMES = dict.fromkeys(("over_taps", "lines", "over_pixels"), "direct_code")
_HOMES |= dict.fromkeys(("add", "clear", "pad", "transpose"), "layout")
_HOMES |= dict.fromkeys(("flow", "gradient", "input", "output", "weight"), "winograd_code")


def address(name: str, vector: Vector, *numbers: int) -> int:
    """The address of the loop `name`, made for a register and numbers, compiled if need be."""
    return variant(f"conv.{_HOMES[name]}", name, vector, *numbers)
