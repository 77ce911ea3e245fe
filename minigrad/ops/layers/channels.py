"""Sums over neighbouring channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.public import OpFunction
from minigrad.core.samples import cases, normal
from minigrad.ops.batching import each

__all__ = ["channel_sums"]

Array = np.ndarray[Any, Any]


def _sums(x: Array, before: int, after: int) -> Array:
    """``out[:, c] = x[:, c - before] + ... + x[:, c + after]``, as far as there are channels."""
    channels, out = x.shape[1], x.copy()
    for shift in range(1, min(max(before, after), channels - 1) + 1):
        if shift <= before and shift < channels:
            out[:, shift:] += x[:, : channels - shift]
        if shift <= after and shift < channels:
            out[:, : channels - shift] += x[:, shift:]
    return out


channel_sums: OpFunction = primitive(
    "channel_sums", _sums, vjp=lambda g, before, after: channel_sums((g,), (after, before)),
    sample=cases(normal((2, 5), 1, 2), normal((2, 3, 2), 2, 0), normal((1, 2, 2), 4, 4)),
    batch=each, doc="Over `before` channels (dimension 1) before each one, itself, and `after`.",
)  # fmt: skip
