"""Which elements of some memory a view with strides of its own shows."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["elements", "elements_of", "places"]

Array = np.ndarray[Any, Any]


def places(size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Array:
    """Where the elements of a view lie."""
    places = np.full(size, offset, np.int64)
    for d, s in enumerate(stride):
        places += (np.arange(size[d]) * s).reshape((-1,) + (1,) * (len(size) - d - 1))
    return places


def elements(
    x_shape: tuple[int, ...], size: Any, stride: Any, offset: Any, old: Any
) -> tuple[Array, Array]:
    """Which element of the flattened input each element of the view is, and whether it is one."""
    begin, steps = old
    mine = places(x_shape, steps, begin).reshape(-1)
    seen = places(size, stride, begin if offset is None else offset)
    order = np.argsort(mine, kind="stable")
    rank = np.searchsorted(mine[order], seen)
    rank = np.minimum(rank, max(mine.size - 1, 0))
    found = order[rank] if mine.size else rank
    inside = mine[found] == seen if mine.size else np.zeros(size, bool)
    return found, inside


def elements_of(view: Array, whole: Array) -> tuple[Array, Array]:
    """Which element of the flattened `whole` each element of a view of its memory is, and whether
    it is one.
    """
    size = whole.itemsize
    addresses = [a.__array_interface__["data"][0] // size for a in (view, whole)]
    begin = min(addresses)
    first, second = (a - begin for a in addresses)
    steps, old = (tuple(s // size for s in a.strides) for a in (view, whole))
    return elements(whole.shape, view.shape, steps, first, (second, old))
