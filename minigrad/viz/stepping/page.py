"""The page: data, picture, style and script in one file."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from typing import Any

from minigrad.viz.render import render
from minigrad.viz.stepping.picture import graph_dot

__all__ = ["make_page"]


def make_page(data: dict[str, Any]) -> str:
    """The page as HTML text.

    Without Graphviz it has no picture of the graph, and says so.
    """
    try:
        svg = _inner(render(graph_dot(data), "svg").decode())
    except ImportError:
        svg = (
            '<p class="none">The graph is drawn by Graphviz, which is not installed here: '
            'pip install "minigrad[draw]"</p>'
        )
    parts = {
        "title": escape(data["title"]),
        "style": _resource("page.css"),
        "graph": svg,
        "data": _json({k: v for k, v in data.items() if k != "program"}),
        "program": _program(data["program"]),
        "script": _resource("page.js"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _resource("page.html"))


def _resource(name: str) -> str:
    return files("minigrad.viz.stepping").joinpath(name).read_text(encoding="utf-8")


def _inner(svg: str) -> str:
    """The element itself, without what stands before it in a file of its own."""
    return svg[svg.index("<svg") :]


def _json(value: Any) -> str:
    """As a literal that may stand in a script: no text in it can end the script."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _program(program: dict[str, Any] | None) -> str:
    """The formulas as functions of the gradient, the result and the operands."""
    if program is None:
        return "null"
    entries = []
    for name, op in program.items():
        operands = ", ".join(f"a{i}" for i in range(len(op["inputs"])))
        slopes = ", ".join(
            "null" if s is None else f"(g, y, {operands}) => {s}" for s in op["slopes"]
        )
        entries.append(
            f"{name}: {{inputs: {_json(op['inputs'])}, value: ({operands}) => {op['value']}, "
            f"slopes: [{slopes}]}}"
        )
    return "{\n" + ",\n".join(entries) + "\n}"
