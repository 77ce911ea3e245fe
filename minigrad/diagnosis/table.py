"""The table of layers: its columns, and how a row is written."""

from __future__ import annotations

from typing import Any

__all__ = ["COLUMNS", "cells"]

#: The columns of the table of layers: key, head, how it is written.
COLUMNS = (
    ("layer", "layer", "{}"), ("kind", "kind", "{}"), ("activation", "then", "{}"),
    ("mean", "mean", "{:.3g}"), ("std", "std", "{:.3g}"), ("dead", "dead", "{:.0%}"),
    ("saturated", "saturated", "{:.0%}"), ("gradient", "gradient", "{:.2g}"),
    ("n Var(w)", "n Var(w)", "{:.3g}"), ("update", "update / weight", "{:.2g}"),
)  # fmt: skip


def cells(row: dict[str, Any]) -> list[str]:
    """What stands in the row of a layer; a dash where nothing was measured."""
    return [
        "-" if row[key] is None or (key in ("dead", "saturated") and not row[key])
        else form.format(row[key]) or "."
        for key, _, form in COLUMNS
    ]  # fmt: skip
