"""The order of convolution weights in memory: there is one, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import place
from minigrad.nn import conv
from minigrad.nn.module import M, Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: M, memory_format: Any, kinds: tuple[type[Module], ...], name: str) -> M:
    if not isinstance(memory_format, place.memory_format):
        raise TypeError(f"{name}: expected a minigrad.memory_format, got {memory_format!r}")
    for layer in module.modules():
        if isinstance(layer, kinds):
            layer.weight.array = np.ascontiguousarray(layer.weight.array)
    return module


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay the weights of 2-d convolutions inside a module out row by row, for any format.

    Raises
    ------
    TypeError
        If `memory_format` is none.
    """
    kinds = (conv.Conv2d, conv.ConvTranspose2d)
    return _convert(module, memory_format, kinds, "convert_conv2d_weight_memory_format")


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay the weights of 3-d convolutions inside a module out row by row, for any format.

    Raises
    ------
    TypeError
        If `memory_format` is none.
    """
    kinds = (conv.Conv3d, conv.ConvTranspose3d)
    return _convert(module, memory_format, kinds, "convert_conv3d_weight_memory_format")
