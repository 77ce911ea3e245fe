"""The graph of the steps as DOT: once for the page, and once for each frame.

All pictures of one computation have the same layout: what is not known yet takes its room, unseen.
Nodes and arrows have the ids of the data, so that the page finds them.
"""

from __future__ import annotations

from html import escape
from typing import Any

from minigrad.viz.dot import PALETTE
from minigrad.viz.stepping.values import fill, number

__all__ = ["graph_dot"]

Data = dict[str, Any]

_TEXT, _SMALL, _GRADIENT, _ARROW = "#1F2933", "#6B7280", "#B4402A", "#9AA1AB"
#: What the current step does to the node and arrows it is about.
_NOW = {"forward": "#2563EB", "backward": "#B4402A"}
_WIDEST = 16  # characters of a value
_FONT = "Helvetica,Arial,sans-serif"
_KIND = {"leaf": "leaf", "data": "input", "op": "op"}


def graph_dot(data: Data, at: int | None = None) -> str:
    """The graph, with everything that is known at a step; without one, with all of it.

    Parameters
    ----------
    data : dict
        Of the steps.
    at : int, optional
        The number of the step, which is marked.
    """
    step = None if at is None else data["steps"][at]
    lines = [
        "digraph steps {",
        f"  graph [rankdir=LR, bgcolor={'transparent' if at is None else 'white'}, pad=0.2, "
        f'nodesep=0.25, ranksep=0.4, fontname="{_FONT}"];',
        f'  node [shape=box, style="filled,rounded", fontname="{_FONT}", fontsize=12, '
        f'fontcolor="{_TEXT}", margin="0.08,0.04", penwidth=1];',
        f'  edge [arrowsize=0.6, fontname="{_FONT}", fontsize=10, color="{_ARROW}"];',
    ]
    if step is not None:
        lines.append(f"  label=<{_caption(data, at or 0)}>; labelloc=b; labeljust=l;")
    lines += [_node(data, n, at, step) for n in data["nodes"]]
    lines += [_edge(data, e, at, step) for e in data["edges"]]
    return "\n".join([*lines, "}", ""])


def _known(data: Data, key: str, at: int | None) -> bool:
    return (
        at is None
        or data["shown"].get(key, 0 if key.startswith("v:") else len(data["steps"])) <= at
    )


def _node(data: Data, node: Data, at: int | None, step: Data | None) -> str:
    found = node["id"]
    kind = "output" if found == data["root"] else _KIND[node["kind"]]
    background, border = PALETTE[kind]
    width = 1.0
    if step is not None and step["node"] == found:
        border, width = _colour(step), 3.0
    rows = [f'<tr><td colspan="2"><b>{escape(_title(node))}</b></td></tr>']
    if node["kind"] == "op":
        rows.append(_row(data, f"v:{found}", node["name"], _TEXT, background, at))
    else:
        rows.append(_row(data, f"v:{found}", "value", _TEXT, background, at))
    if f"g:{found}" in data["values"]:
        rows.append(_row(data, f"g:{found}", "grad", _GRADIENT, background, at))
    table = f'<table border="0" cellspacing="0" cellpadding="1">{"".join(rows)}</table>'
    return (
        f'  {found} [id="{found}", class="{kind}", label=<{table}>, fillcolor="{background}", '
        f'color="{border}", penwidth={width:g}];'
    )


def _title(node: Data) -> str:
    return str(node["op"] if node["kind"] == "op" else node["name"])


def _row(data: Data, key: str, label: str, colour: str, background: str, at: int | None) -> str:
    seen = _known(data, key, at)
    text = short(data["values"].get(key))
    value = f'<font point-size="11" color="{colour if seen else background}">{escape(text)}</font>'
    dim = f'<font point-size="9" color="{_SMALL if seen else background}">{escape(label)}</font>'
    return f'<tr><td align="right">{dim}</td><td align="left">{value}</td></tr>'


def short(shown: Data | None) -> str:
    """A value in the room that a box has."""
    if shown is None:
        return "?"
    elements = shown.get("elements")
    if not isinstance(elements, list) and elements is not None:
        return number(elements)
    if isinstance(elements, list) and len(shown["shape"]) == 1:
        text = f"[{', '.join(map(number, elements))}]"
        if len(text) <= _WIDEST:
            return text
    return "×".join(map(str, shown["shape"]))


def _edge(data: Data, edge: Data, at: int | None, step: Data | None) -> str:
    key = f"l:{edge['id']}"
    marks = [f'id="{edge["id"]}"']
    marked = step is not None and edge["id"] in step["edges"]
    if not edge["flows"]:
        marks.append("style=dashed")
    if marked and step is not None:
        marks += [f'color="{_colour(step)}"', "penwidth=2.5"]
        if step["phase"] != "forward":
            marks.append("dir=back")
    shown = data["values"].get(key)
    if shown is not None and shown["shape"] == []:
        seen = _known(data, key, at)
        colour = _GRADIENT if seen else "white"
        marks.append(f'label=" × {short(shown)} ", fontcolor="{colour}"')
    return f"  {edge['from']} -> {edge['to']} [{', '.join(marks)}];"


def _colour(step: Data) -> str:
    return _NOW["forward" if step["phase"] in ("start", "forward") else "backward"]


def _caption(data: Data, at: int) -> str:
    """What the step says; as many lines, and as wide, at every step."""
    texts = [[s["title"], *_lines(data, s)] for s in data["steps"]]
    height = max(map(len, texts))
    own = texts[at] + [""] * (height - len(texts[at]))
    width = max(len(line) for text in texts for line in text) * 7 + 20
    rows = [
        f'<tr><td align="left" width="{width}"><font point-size="{14 if i == 0 else 12}">'
        f"{escape(line) or ' '}</font></td></tr>"
        for i, line in enumerate(own)
    ]
    return f'<table border="0" cellspacing="0" cellpadding="2">{"".join(rows)}</table>'


def _lines(data: Data, step: Data) -> list[str]:
    lines = [fill(line, data["values"]) for line in step["lines"]]
    cut = [line if len(line) <= 100 else line[:97] + "..." for line in lines[:8]]
    return [*cut, "..."] if len(lines) > 8 else cut
