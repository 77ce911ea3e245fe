"""Parts of a tensor by integers, slices, None and Ellipsis: views."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.public import OpFunction, method
from minigrad.core.samples import cases, normal
from minigrad.core.tensor import Tensor

Array = np.ndarray[Any, Any]


def _put(shape: tuple[int, ...], key: Any, g: Array) -> Array:
    """Zeros of `shape` with `g` at `key`: the derivative of taking a part."""
    out = np.zeros(shape, g.dtype)
    out[key] = g
    return out


def _view_part(x: Array, key: Any) -> Array:
    """Part of an array as a view, also where it is one element."""
    part = x[key]
    return part if part.__class__ is np.ndarray else x[(*key, Ellipsis)]


_part: OpFunction = primitive(
    "slice", _view_part, view=True,
    vjp=lambda g, key, x_shape: _embed((g,), (key, x_shape)),
    fused=lambda g, key, x_shape: _put(x_shape, key, g),
    sample=cases(
        normal((3, 4), (slice(1, 3), 2)), normal((5,), (slice(None, None, 2),)),
        normal((2, 3), (Ellipsis, None, 0)),
    ), doc="Basic indexing by integers, slices, None and Ellipsis.",
)  # fmt: skip


_embed: OpFunction = primitive(
    "embed", lambda g, key, shape: _put(shape, key, g), vjp=lambda g, key: _part((g,), (key,)),
    sample=cases(lambda rng: ((rng.normal(size=2),), ((slice(1, 3), 2), (3, 4)))),
    doc="Zeros with the input at some place: the inverse of a slice.",
)  # fmt: skip


#: The operation itself, for callers that have checked the key.
PART = _part.op


def take_part(x: Tensor, key: tuple[Any, ...]) -> Tensor:
    """Basic indexing, with a key of ints, slices, None and Ellipsis that is known to be valid."""
    y: Tensor = _part((x,), (key,))
    return y


@method(name="__getitem__")
def _get_item(self: Tensor, key: Any) -> Tensor:
    """``x[key]``; index tensors, masks and PyTorch's words for errors come from `ops.index`."""
    return take_part(self, key if isinstance(key, tuple) else (key,))
