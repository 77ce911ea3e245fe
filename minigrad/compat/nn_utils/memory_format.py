"""The order of convolution weights in memory: there is one, row by row."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from minigrad.nn import conv
from minigrad.nn.module import Module
from minigrad.tensor import contiguous_format

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

M = TypeVar("M", bound=Module)


def _convert(module: M, memory_format: Any, kinds: tuple[type[Module], ...], name: str) -> M:
    if memory_format is not contiguous_format:
        raise RuntimeError(f"{name}: tensors are contiguous, there is no {memory_format} here")
    for layer in module.modules():
        if isinstance(layer, kinds):
            layer.weight.array = np.ascontiguousarray(layer.weight.array)
    return module


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay the weights of 2-d convolutions inside a module out in memory.

    Raises
    ------
    RuntimeError
        If `memory_format` is not ``minigrad.contiguous_format``, the one there is.
    """
    kinds = (conv.Conv2d, conv.ConvTranspose2d)
    return _convert(module, memory_format, kinds, "convert_conv2d_weight_memory_format")


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay the weights of 3-d convolutions inside a module out in memory.

    Raises
    ------
    RuntimeError
        If `memory_format` is not ``minigrad.contiguous_format``, the one there is.
    """
    kinds = (conv.Conv3d, conv.ConvTranspose3d)
    return _convert(module, memory_format, kinds, "convert_conv3d_weight_memory_format")
