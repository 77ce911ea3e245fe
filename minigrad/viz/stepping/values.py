"""Tensors in the form that a page can show: numbers, heat maps, images, statistics."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

import numpy as np

from minigrad.notebook import CELLS, block_means
from minigrad.viz.text import shape_text

__all__ = ["FEW", "Kept", "fill", "flat_images", "number", "show", "shown"]

Array = np.ndarray[Any, Any]
#: Tensors of at most this many elements are shown as numbers, larger ones as heat maps.
FEW = 64
#: Of larger tensors no copy is kept while recording.
COPIED = 1 << 22
_PICTURES = 16  # images of a batch, or channels, that are shown
_PLACE = re.compile("⟦([^⟧]+)⟧")
#: Beside these a negative number needs no parentheses ("" is in every text: the ends of a line).
_OPENS, _CLOSES = "(=,:[", ")=,;]"


def show(array: Array) -> dict[str, Any]:
    """What is shown of a tensor, as JSON takes it.

    Small tensors keep their elements. Of large ones statistics are kept, and a picture of at most
    64 x 64 cells, each the mean of what it covers, as bytes from the smallest to the largest.

    >>> show(np.array([1.0, float("nan")]))
    {'shape': [2], 'type': '2 float64', 'elements': [1.0, 'nan']}
    """
    known: dict[str, Any] = {
        "shape": list(array.shape), "type": shape_text(array.shape, array.dtype)
    }  # fmt: skip
    if array.size <= FEW:
        known["elements"] = _plain(array.tolist() if array.dtype.kind != "V" else array.size)
        return known
    values = array.astype(np.float64)
    known["stats"] = _statistics(values)
    known |= _image(values) or _heat(values)
    return known


class Kept:
    """A tensor as it was when it was heard of: what is shown of it is made when somebody asks.

    Recording a computation then takes a copy of each tensor, not a picture. Tensors beyond
    :data:`COPIED` bytes are not copied: of them the picture is made at once.
    """

    __slots__ = ("_array", "_known")

    def __init__(self, array: Array) -> None:
        small = array.size > FEW and array.nbytes <= COPIED
        self._array: Array | None = array.copy() if small else None
        self._known: dict[str, Any] | None = None if small else show(array)

    def shown(self) -> dict[str, Any]:
        """As :func:`show` has it."""
        if self._known is None:
            assert self._array is not None
            self._known, self._array = show(self._array), None
        return self._known


def shown(kept: Kept | None) -> dict[str, Any] | None:
    """What is shown of what was kept, if anything was."""
    return None if kept is None else kept.shown()


def _plain(value: Any) -> Any:
    """Nested lists in which numbers that JSON does not have are words."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _statistics(values: Array) -> dict[str, Any]:
    """Of the finite elements; how many others there are is said."""
    fine = np.isfinite(values)
    finite = values.ravel() if fine.all() else values[fine]
    found: dict[str, Any] = {}
    if finite.size:
        found = {
            "mean": float(finite.mean()), "std": float(finite.std()),
            "min": float(finite.min()), "max": float(finite.max()),
        }  # fmt: skip
    found["size"] = int(values.size)
    if finite.size < values.size:
        found["not finite"] = int(values.size - finite.size)
    return found


def _image(values: Array) -> dict[str, Any] | None:
    """Images side by side: of a batch its first, of one example's activations its channels."""
    if values.ndim < 3 or min(values.shape[-2:]) < 6 or max(values.shape[-2:]) > 512:
        return None
    channels = values.shape[-3]
    colour = channels == 3
    if values.ndim == 3 or channels not in (1, 3):
        planes = values if values.ndim == 3 else values.reshape(-1, *values.shape[-3:])[0]
        pictures = [planes] if colour and values.ndim == 3 else [p[None] for p in planes]
    else:
        pictures = list(values.reshape(-1, *values.shape[-3:]))
    pictures = [_smaller(p) for p in pictures[:_PICTURES]]
    colour = len(pictures[0]) == 3
    stacked = np.stack(pictures)
    height, width = stacked.shape[-2:]
    cells = _bytes(stacked.transpose(0, 2, 3, 1))
    return {"images": {"n": len(pictures), "rows": height, "columns": width, "colour": colour,
                       "cells": cells}}  # fmt: skip


def flat_images(array: Array) -> dict[str, Any] | None:
    """What is shown of a matrix whose rows are square grey images; None if they cannot be.

    >>> flat_images(np.zeros((2, 784)))["images"]["rows"]
    28
    """
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not len(array):
        return None
    side = math.isqrt(array.shape[1])
    if side < 6 or side * side != array.shape[1]:
        return None
    images = show(array.reshape(-1, 1, side, side))
    return {**show(array), "images": images["images"]} if "images" in images else None


def _smaller(image: Array) -> Array:
    step = -(-max(image.shape[-2:]) // CELLS)
    return image[..., ::step, ::step]


def _heat(values: Array) -> dict[str, Any]:
    """A matrix of means, its rows the first dimension (what is one row wraps)."""
    flat = values.reshape(values.shape[0], -1) if values.ndim > 1 else values[None]
    if len(flat) == 1:
        width = math.isqrt(flat.size - 1) + 1
        flat = np.append(flat, np.full(-flat.size % width, np.nan)).reshape(-1, width)
    for axis in (0, 1):
        flat = block_means(flat, axis)
    return {"heat": {"rows": flat.shape[0], "columns": flat.shape[1], "cells": _bytes(flat),
                     "low": _finite(flat, np.min), "high": _finite(flat, np.max)}}  # fmt: skip


def _finite(matrix: Array, function: Any) -> float:
    found = float(function(matrix)) if matrix.size else 0.0
    if math.isfinite(found):  # NaN and infinities show up in extremes, -inf in the lowest only
        return found
    finite = matrix[np.isfinite(matrix)]
    return float(function(finite)) if finite.size else 0.0


def _bytes(matrix: Array) -> str:
    """Elements as 1 to 255, from the smallest to the largest; 0 for what is no finite number."""
    low, high = _finite(matrix, np.min), _finite(matrix, np.max)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = 1 + np.round((matrix - low) / ((high - low) or 1.0) * 254)
    cells = np.where(np.isfinite(scaled), scaled, 0).astype(np.uint8)
    return base64.b64encode(cells.tobytes()).decode("ascii")


def number(value: Any) -> str:
    """A number with four significant digits, as the page writes it, too.

    >>> [number(v) for v in (3.0, 0.43180817, -12345.678, 2.5e-7, -0.0, "nan", True)]
    ['3', '0.4318', '-12346', '2.5e-7', '-0', 'nan', 'True']
    """
    if isinstance(value, (str, bool)):
        return str(value)
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    if 1e4 <= abs(value) < 1e6:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].replace("+", ""), f"{value:.4g}")


def fill(template: str, values: dict[str, dict[str, Any]]) -> str:
    """A line with the numbers in the places of ``⟦key⟧``; negative ones in parentheses where an
    operator stands beside them.

    >>> fill("2 * ⟦v⟧ = ⟦y⟧", {"v": {"elements": -3.0}, "y": {"elements": -6.0}})
    '2 * (-3) = -6'
    """

    def place(match: re.Match[str]) -> str:
        text = number(_scalar(values.get(match[1])))
        before, after = template[: match.start()].rstrip(), template[match.end() :].lstrip()
        alone = before[-1:] in _OPENS and after[:1] in _CLOSES
        return f"({text})" if text.startswith("-") and not alone else text

    return _PLACE.sub(place, template)


def _scalar(shown: dict[str, Any] | None) -> Any:
    """The only element."""
    value: Any = "?" if shown is None else shown.get("elements", "?")
    while isinstance(value, list):
        value = value[0] if len(value) == 1 else "?"
    return value
