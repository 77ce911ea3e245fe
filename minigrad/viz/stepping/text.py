"""The steps for a terminal."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.viz.stepping.values import fill, number

__all__ = ["as_text", "value_lines"]

Data = dict[str, Any]
_ROWS = 6  # of a matrix, at most


def as_text(data: Data) -> str:
    """All steps, one after the other."""
    lines: list[str] = []
    source = ""
    by_id = {n["id"]: n for n in data["nodes"]}
    for i, step in enumerate(data["steps"]):
        line = by_id[step["node"]].get("line", "") if step["node"] else ""
        if step["phase"] == "forward" and line and line != source:
            lines.append(f"     > {line}")
            source = line
        lines.append(f"{i:>3}  {step['title']}")
        lines += [f"       {fill(text, data['values'])}" for text in step["lines"]]
        for name, key in step["tensors"]:
            lines += [f"       {text}" for text in value_lines(name, data["values"].get(key))]
    return "\n".join(lines)


def value_lines(name: str, shown: Data | None) -> list[str]:
    """A tensor in some lines: small ones in full."""
    if shown is None:
        return [f"{name} = ?"]
    if "elements" not in shown:
        stats = shown["stats"]
        facts = ", ".join(f"{k} {number(stats[k])}" for k in ("mean", "std", "min", "max")
                          if k in stats)  # fmt: skip
        return [f"{name}: {shown['type']}, {facts}"]
    if not isinstance(shown["elements"], list):
        return [f"{name} = {number(shown['elements'])}"]
    rows = _rows(shown["elements"], len(shown["shape"]))
    if not rows:
        return [f"{name}: {shown['type']}, no elements"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = ["  ".join(t.rjust(w) for t, w in zip(row, widths, strict=True)) for row in rows]
    if len(texts) > _ROWS:
        texts[_ROWS - 1 :] = [f"... {len(texts) - _ROWS + 1} more rows"]
    head = f"{name} = "
    return [f"{head if i == 0 else ' ' * len(head)}[{text}]" for i, text in enumerate(texts)]


def _rows(elements: Any, ndim: int) -> list[list[str]]:
    """The elements as rows of one matrix, whatever their dimensions."""
    array = np.array(elements, dtype=object)
    if not array.size:
        return []
    table = array.reshape(-1, array.shape[-1]) if ndim > 1 else array[None]
    return [[number(v) for v in row] for row in table.tolist()]
