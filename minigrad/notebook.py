"""How tensors show themselves in a notebook: type, a table or a heat map, and how they are spread.

Plain HTML with styles of its own, no scripts: it looks the same in every notebook and in exported
pages, and follows the colours of the page (light or dark) by inheriting them.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from minigrad.core.events import read
from minigrad.core.tensor import Tensor

__all__ = ["CELLS", "block_means", "heat_map", "tensor_html"]

Array = np.ndarray[Any, Any]

#: Matrices of at most so many rows and columns are tables of numbers.
_ROWS, _COLUMNS = 8, 10
#: A heat map has at most so many cells along a side: means of blocks stand for more.
CELLS = 64
_SIDE = 320  # pixels


def tensor_html(t: Tensor) -> str:
    """What a notebook shows of a tensor.

    Small matrices are tables, larger ones heat maps (red above 0, blue below, white at 0), with
    mean, standard deviation and range. Of more than two dimensions, the first matrix is shown.

    Examples
    --------
    >>> import minigrad as mg
    >>> html = tensor_html(mg.tensor([[1.0, -2.0]], requires_grad=True))
    >>> "1 × 2" in html, "requires grad" in html, html.count("<td")
    (True, True, 2)
    """
    read("show", t)
    a = t.array
    shape = " × ".join(map(str, a.shape)) or "scalar"
    facts = [f"{shape} {t.dtype.name}"]
    if t.requires_grad:
        facts.append("requires grad" if t.node is None else f"made by {t.node.op.name}")
    name = f"<b>{escape(t.name)}</b> " if t.name else ""
    head = f"<div>{name}<code>{escape(', '.join(facts))}</code></div>"
    if not a.size or a.dtype.kind == "V":
        return f"<div>{head}</div>"
    if a.ndim == 0:
        return f"<div>{head}<div><b>{escape(_number(a))}</b></div></div>"
    matrix = a if a.ndim == 2 else a.reshape(1, -1) if a.ndim == 1 else a[(0,) * (a.ndim - 2)]
    small = matrix.shape[0] <= _ROWS and matrix.shape[1] <= _COLUMNS
    body = _table(matrix) if small else heat_map(matrix)
    which = f"<div>[{', '.join('0' * (a.ndim - 2))}, …]</div>" if a.ndim > 2 else ""
    return f"<div>{head}{which}{body}{'' if small and a.ndim <= 2 else _statistics(a)}</div>"


def _number(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(matrix: Array) -> str:
    largest = _largest(matrix)
    rows = "".join(
        "<tr>" + "".join(_cell(value, largest) for value in row) + "</tr>" for row in matrix
    )
    return f'<table style="border-collapse:collapse;font-family:monospace">{rows}</table>'


def _cell(value: Any, largest: float) -> str:
    style = "padding:2px 8px;text-align:right"
    if np.asarray(value).dtype.kind == "f":
        style += f";background:{_colour(float(value), largest, 0.45)}"
        style += "" if np.isfinite(value) else ";color:white"
    return f'<td style="{style}">{escape(_number(value))}</td>'


def _largest(a: Array) -> float:
    finite = np.abs(np.asarray(a, np.float64))
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _colour(value: float, largest: float, strength: float = 1.0) -> str:
    """Red above 0, blue below; what is no number is black."""
    if not np.isfinite(value):
        return "rgba(0,0,0,0.8)"
    share = max(-1.0, min(1.0, value / largest))
    tone = "214,72,58" if share > 0 else "52,108,190"
    return f"rgba({tone},{abs(share) * strength:.2f})"


def heat_map(matrix: Array) -> str:
    """A matrix as a picture: SVG, one rectangle a cell, or a block of cells if there are many."""
    blocks = block_means(block_means(np.asarray(matrix, np.float64), 0), 1)
    rows, columns = blocks.shape
    side = max(3, min(_SIDE // max(rows, columns), 24))
    largest = _largest(blocks)
    cells = "".join(
        f'<rect x="{c * side}" y="{r * side}" width="{side}" height="{side}" '
        f'fill="{_colour(blocks[r, c], largest)}"/>'
        for r in range(rows)
        for c in range(columns)
        if blocks[r, c] != 0
    )
    width, height = columns * side, rows * side
    label = f"heat map of {matrix.shape[0]} by {matrix.shape[1]} numbers up to {largest:.3g}"
    return (
        f'<svg role="img" aria-label="{label}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="border:1px solid rgba(128,128,128,0.5)">'
        f"{cells}</svg>"
    )


def block_means(matrix: Array, axis: int) -> Array:
    """At most `CELLS` rows (axis 0), or columns (1): each the mean of several."""
    size = matrix.shape[axis]
    if size <= CELLS:
        return matrix
    if size % CELLS == 0:  # the same, several times as quick
        rows, columns = matrix.shape
        cut = (rows, CELLS, -1) if axis == 1 else (CELLS, -1, columns)
        added = np.einsum("ijk->ij" if axis == 1 else "ijk->ik", matrix.reshape(cut))
        return np.asarray(added / (size // CELLS))
    starts = np.arange(CELLS) * size // CELLS
    counts = np.diff([*starts, size])
    sums: Array = np.add.reduceat(matrix, starts, axis=axis)
    return sums / (counts[:, None] if axis == 0 else counts)


def _statistics(a: Array) -> str:
    if a.dtype.kind == "b":
        return f"<div>{np.count_nonzero(a):,} of {a.size:,} are True</div>"
    numbers = np.asarray(a, np.float64)
    finite = numbers[np.isfinite(numbers)]
    bad = numbers.size - finite.size
    parts = [f"<b>{bad:,} of {a.size:,} are not finite</b>"] if bad else []
    if finite.size:
        parts.append(
            f"mean {finite.mean():.4g}, std {finite.std():.4g}, "
            f"in [{finite.min():.4g}, {finite.max():.4g}]"
        )
    return f"<div>{'; '.join(parts)}</div>"
