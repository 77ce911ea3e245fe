"""From the description of a graph to DOT, Graphviz's language.

Names are n0, n1, ... in the order of computation, arrows e0, e1, ..., so that the text can be
compared; in SVG they are the ids of the elements.

The colours are those that torchviz's users know, a little softer: light blue for leaves that
collect a gradient, green for outputs, orange for what is saved for backward, grey for operations.
Beyond those: white for data and intermediate results, lilac for collapsed modules, pale frames for
open ones. Text is dark on light everywhere, and the page is white, so that pictures look the same
in dark mode.
"""

from __future__ import annotations

import math
from collections import Counter
from html import escape
from textwrap import wrap

from minigrad.viz.graph import Arrow, Box, Graph
from minigrad.viz.modules import Call

__all__ = ["PALETTE", "to_dot"]

#: Fill and border of each kind of box.
PALETTE = {
    "op": ("#E6E8EB", "#9AA1AB"),
    "leaf": ("#BFE3F5", "#5C9FBF"),
    "input": ("#FFFFFF", "#9AA1AB"),
    "output": ("#CDEBA8", "#7FA84E"),
    "tensor": ("#FFFFFF", "#C3C8D0"),
    "saved": ("#FFD08A", "#D29A3C"),
    "module": ("#E3DDF3", "#9588BD"),
    "fold": ("#F3F4F6", "#9AA1AB"),
}
_FRAMES = ("#F6F7FA", "#ECEFF4")  # by turns, from the outside in
_FRAME_BORDER = "#C5CCD6"
_TEXT, _SMALL, _GRADIENT, _ARROW = "#1F2933", "#6B7280", "#B4402A", "#6B7280"
#: Arrows from vanished gradients to the largest.
_FAINT = ("#CBD2DA", "#B7BCCB", "#A99FB5", "#A97F92", "#AE5F66", "#B4402A")
_FONT = "Helvetica,Arial,sans-serif"
_LETTER = 8  # about the width of one, in points
_WIDEST = 36  # characters of a value on one line
_DASHED = ("fold",)


def to_dot(graph: Graph, direction: str = "TB") -> str:
    """The picture as DOT text.

    Parameters
    ----------
    graph : Graph
    direction : {"TB", "LR"}
        From top to bottom, or from left to right.
    """
    names = {id(box): f"n{i}" for i, box in enumerate(graph.boxes)}
    lines = ["digraph minigrad {", *_defaults(direction, _effort(len(graph.boxes)))]
    if graph.caption:
        lines.append(f"  label=<{_font(graph.caption, 10, _SMALL)}>; labelloc=b;")
    beside = _beside(graph)
    lines += _nested(graph.boxes, names, beside)
    largest = max((a.size for a in graph.arrows if a.size), default=0.0)
    lines += [
        _arrow(arrow, names, beside, largest, f"e{i}") for i, arrow in enumerate(graph.arrows)
    ]
    return "\n".join([*lines, "}", ""])


def _effort(boxes: int) -> float:
    """How long Graphviz may polish the layout: the time grows with the square of the size."""
    return 2 if boxes <= 100 else 1 if boxes <= 500 else 0.1


def _defaults(direction: str, effort: float) -> list[str]:
    return [
        f'  graph [rankdir={direction}, bgcolor=white, fontname="{_FONT}", fontsize=11, '
        f'fontcolor="{_TEXT}", nodesep=0.25, ranksep=0.35, pad=0.2, '
        f"nslimit={effort}, nslimit1={effort}];",
        f'  node [shape=box, style="filled,rounded", fontname="{_FONT}", fontsize=12, '
        f'fontcolor="{_TEXT}", height=0.3, margin="0.12,0.06", penwidth=1];',
        f'  edge [color="{_ARROW}", arrowsize=0.6, penwidth=1, fontname="{_FONT}", fontsize=9, '
        f'fontcolor="{_SMALL}"];',
    ]


def _beside(graph: Graph) -> dict[int, list[Box]]:
    """What stands beside an operation instead of before it.

    Inside of frames one or two leaves do, so that the flow from frame to frame runs straight;
    leaves that several operations read, and data from outside, stand before their readers as
    usual. What is saved always does. The first stands to the left, others to the right.
    """
    readers = Counter(id(a.tail) for a in graph.arrows)
    found: dict[int, list[Box]] = {}
    for arrow in graph.arrows:
        leaf, op = arrow.tail, arrow.head
        own = leaf.call is not None and leaf.call is op.call and readers[id(leaf)] == 1
        if own and leaf.kind in ("leaf", "input"):
            found.setdefault(id(op), []).append(leaf)
    found = {key: leaves for key, leaves in found.items() if len(leaves) <= 2}
    for arrow in graph.arrows:
        if arrow.saved and readers[id(arrow.tail)] == 1:
            found.setdefault(id(arrow.head), []).append(arrow.tail)
    return found


def _nested(boxes: list[Box], names: dict[int, str], beside: dict[int, list[Box]]) -> list[str]:
    """Boxes inside of their frames, frames inside of frames."""
    order: list[Call | None] = [None]
    inside: dict[int, list[Box | Call]] = {id(None): []}
    for box in boxes:
        inner: Box | Call = box
        call = box.call
        while call is not None and id(call) not in inside:
            order.append(call)
            inside[id(call)] = [inner]
            inner, call = call, call.parent
        inside[id(call)].append(inner)
    lines: list[str] = []
    stack: list[tuple[Box | Call | str, int]] = [(item, 1) for item in reversed(inside[id(None)])]
    frames = 0
    while stack:
        item, level = stack.pop()
        indent = "  " * level
        if isinstance(item, str):
            lines.append(indent + item)
        elif isinstance(item, Box):
            lines.append(indent + _box(item, names[id(item)]))
            if id(item) in beside:
                row = [names[id(b)] for b in (*beside[id(item)], item)]
                lines.append(f"{indent}{{rank=same; {'; '.join(row)};}}")
        else:
            narrow = len(inside[id(item)]) == 1 and isinstance(inside[id(item)][0], Box)
            lines += [indent + line for line in _frame(item, frames, level, narrow)]
            frames += 1
            stack.append(("}", level))
            stack += [(part, level + 1) for part in reversed(inside[id(item)])]
    return lines


def _frame(call: Call, number: int, level: int, narrow: bool) -> list[str]:
    """The head of a frame; a `narrow` one has a blank right of its title, where arrows enter."""
    fill = _FRAMES[(level - 1) % 2]
    title = f"<b>{escape(call.label)}</b>"
    if narrow:
        blank = f'<td width="{_LETTER * len(call.label)}"></td>'
        title = f'<table border="0" cellspacing="0"><tr><td>{title}</td>{blank}</tr></table>'
    return [
        f"subgraph cluster{number} {{",
        f'  label=<{title}>; labeljust=l; labelloc=t; style="filled,rounded";',
        f'  fillcolor="{fill}"; color="{_FRAME_BORDER}"; fontcolor="{_SMALL}"; margin=10;',
    ]


def _box(box: Box, name: str) -> str:
    fill, border = PALETTE[box.kind]
    extra = f' tooltip="{_quoted(box.hint)}"' if box.hint else ""
    if box.kind in _DASHED:
        extra += ' style="filled,rounded,dashed"'
    label = f'id="{name}", label=<{_label(box)}>'
    return f'{name} [{label}, fillcolor="{fill}", color="{border}"{_comma(extra)}];'


def _comma(extra: str) -> str:
    return "," + extra.replace('" style', '", style') if extra else ""


def _label(box: Box) -> str:
    """A small table: title, note, values."""
    lines = []
    if box.title:
        title = f"<b>{escape(box.title)}</b>"
        symbol = box.kind == "op" and len(box.title) == 1
        lines.append(f'<font point-size="14">{title}</font>' if symbol else title)
    if box.note:
        lines.append(_font(box.note, 9, _SMALL))
    if len(lines) == 1 and not box.rows:
        return lines[0]
    span = ' colspan="2"' if box.rows else ""
    head = "".join(f"<tr><td{span}>{line}</td></tr>" for line in lines)
    rows = "".join(_row(key, value) for key, value in box.rows)
    padding = 1 if box.rows else 0
    return f'<table border="0" cellspacing="0" cellpadding="{padding}">{head}{rows}</table>'


def _row(key: str, value: str) -> str:
    colour = _GRADIENT if key == "grad" else _TEXT
    size = 11 if key in ("data", "grad") else 9
    width = _WIDEST if len(value) <= _WIDEST else len(value) // -(-len(value) // _WIDEST) + 8
    if value.startswith("[["):  # a matrix: its rows
        lines = [escape(line) for line in value.replace("], [", "],\n\u00a0[").split("\n")]
    else:
        lines = [escape(line) for line in wrap(value, width)]
    text = '<br align="left"/>'.join([*lines, ""] if len(lines) > 1 else lines)
    cell = f'<td align="left"><font point-size="{size}" color="{colour}">{text}</font></td>'
    return f'<tr><td align="right">{_font(key, 9, _SMALL)} </td>{cell}</tr>'


def _font(text: str, size: int, colour: str) -> str:
    return f'<font point-size="{size}" color="{colour}">{escape(text)}</font>'


def _strength(size: float, largest: float) -> str:
    """Colour and width by the size of a gradient, on a scale of logarithms.

    From red and wide for the largest in the picture to pale and thin for what is a millionth of it:
    where gradients vanish, the arrows do.
    """
    if size <= 0 or not largest:
        return f'color="{_FAINT[0]}", penwidth=0.5, style=dotted'
    share = min(1.0, max(0.0, 1 + math.log10(size / largest) / 6))
    colour = _FAINT[min(len(_FAINT) - 1, int(share * len(_FAINT)))]
    return f'color="{colour}", penwidth={0.6 + 2.4 * share:.2g}'


def _arrow(
    arrow: Arrow, names: dict[int, str], beside: dict[int, list[Box]], largest: float, name: str
) -> str:
    marks = [f'id="{name}"']
    if arrow.label:
        marks.append(f'label=" {_quoted(arrow.label)} "')
    if arrow.saved:
        marks.append(f'style=dashed, arrowhead=none, color="{PALETTE["saved"][1]}"')
    elif arrow.tail.kind not in ("leaf", "input"):
        marks.append("weight=8")  # keeps the flow straight
    if arrow.size is not None and not arrow.marked:
        marks.append(_strength(arrow.size, largest))
    if arrow.marked:
        marks.append(f'color="{_GRADIENT}", penwidth=2.5, fontcolor="{_GRADIENT}", fontsize=11')
    tail, head = names[id(arrow.tail)], names[id(arrow.head)]
    row = beside.get(id(arrow.head), [])
    before = ""
    if arrow.tail in row[1:]:  # to the right
        tail, head = head, tail
        marks += [] if arrow.saved else ["dir=back"]
        if arrow.tail in row[2:]:  # and there the outer one
            before = f"  {names[id(row[1])]} -> {head} [style=invis];\n"
    attributes = f" [{', '.join(marks)}]" if marks else ""
    return f"{before}  {tail} -> {head}{attributes};"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
