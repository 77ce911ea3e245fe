"""Making a large graph readable: frames, straight runs, and stretches of operations become boxes.

Each step replaces groups of boxes by one; the groups are intervals of the order of computation, or
runs without branches, so what remains is a graph without cycles.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from minigrad.viz.graph import Arrow, Box, Graph
from minigrad.viz.rolling import roll_up
from minigrad.viz.text import number_text, plural

__all__ = ["collapse_to_depth", "fit", "fold_runs", "fold_stretches", "repeat_leaves"]

_SHORTEST_RUN = 6
_STRETCHES = 16  # as many as a page has room for
_FLOW = ("op", "tensor", "module", "fold")
#: Readers that one leaf may have before it is drawn beside each of them.
_READERS = 4
#: How many rows of the picture all arrows may cross together, before leaves with many readers are
#: drawn beside each; and before a layout takes too long. Graphviz puts a hidden box into each
#: row an arrow crosses, and takes time with the square of their number: about a second for so many.
_TANGLED, _CROSSED = 60, 1500
#: From how many boxes on blocks that repeat are rolled up, if nobody asked.
_ROLLED = 60


def fit(
    graph: Graph, depth: int | None, max_nodes: int | None, shared: str = "auto",
    rolled: bool | None = None,
) -> Graph:  # fmt: skip
    """A picture that can be laid out, of at most about `max_nodes` boxes; says below what was done.

    What a layout cannot carry is simplified first: blocks that repeat are rolled up, leaves that
    many steps read are drawn at each use, and if arrows still cross too many rows, there are fewer
    boxes than allowed.
    """
    if rolled or (rolled is None and len(graph.boxes) > _ROLLED):
        graph = roll_up(graph)
    graph = _fewer(graph, depth, max_nodes)
    if shared == "each" or (shared == "auto" and _crossed(graph) > _TANGLED):
        graph = repeat_leaves(graph, 1 if shared == "each" else _READERS)
    while max_nodes is not None and _crossed(graph) > _CROSSED and max_nodes > 16:
        max_nodes //= 2
        graph = _fewer(graph, depth, max_nodes)
    return graph


def _fewer(graph: Graph, depth: int | None, max_nodes: int | None) -> Graph:
    """At most about `max_nodes` boxes: first by less depth, then by folding; says so below."""
    before = sum(sum(b.ops.values()) for b in graph.boxes)
    if depth is not None:
        graph = collapse_to_depth(graph, depth)
    if max_nodes is None or len(graph.boxes) <= max_nodes:
        return graph
    deepest = max((b.call.level for b in graph.boxes if b.call is not None), default=-1)
    start = min(deepest, depth - 1 if depth is not None else deepest)
    smaller, done = graph, ""
    for level in range(start, -1, -1):
        smaller, done = collapse_to_depth(graph, level), f"collapsed to depth {level}"
        if len(smaller.boxes) <= max_nodes:
            break
    if len(smaller.boxes) > max_nodes:
        smaller, done = fold_runs(smaller), f"{done}, folded" if done else "folded"
    if len(smaller.boxes) > max_nodes:
        smaller = fold_stretches(smaller, max(min(max_nodes // 4, _STRETCHES), 1))
    smaller.caption = f"{plural(before, 'operation')}, {done} (max_nodes={max_nodes})"
    return smaller


def _crossed(graph: Graph) -> int:
    """About how many rows all arrows cross together: every box stands below what it reads, and as
    near to its first reader as that allows.
    """
    row: dict[int, int] = {}
    into: dict[int, list[Box]] = {}
    out_of: dict[int, list[Box]] = {}
    for arrow in graph.arrows:
        into.setdefault(id(arrow.head), []).append(arrow.tail)
        out_of.setdefault(id(arrow.tail), []).append(arrow.head)
    for box in graph.boxes:  # in the order of computation: leaves come before their first reader
        row[id(box)] = max((row.get(id(b), 0) + 1 for b in into.get(id(box), ())), default=0)
    for box in reversed(graph.boxes):
        readers = out_of.get(id(box), ())
        if readers and len(into.get(id(box), ())) <= len(readers) + 1:
            row[id(box)] = min(row[id(b)] for b in readers) - 1
    return sum(max(row[id(a.head)] - row[id(a.tail)] - 1, 0) for a in graph.arrows)


def repeat_leaves(graph: Graph, most: int = _READERS) -> Graph:
    """Draw leaves that more than `most` operations read beside each of these; once in full.

    A weight that is shared by the steps of a recurrent network, drawn once, has an arrow to each.
    """
    readers = Counter(id(a.tail) for a in graph.arrows)
    again = {id(b) for b in graph.boxes if b.kind in ("leaf", "input") and readers[id(b)] > most}
    if not again:
        return graph
    seen: set[int] = set()
    boxes, arrows, names = list(graph.boxes), [], []
    for arrow in graph.arrows:
        key = id(arrow.tail)
        if key in again and key in seen:
            copy = Box(arrow.tail.kind, arrow.tail.title, call=arrow.head.call)
            boxes.insert(boxes.index(arrow.head), copy)
            arrow = replace(arrow, tail=copy)
        elif key in again:
            names.append(arrow.tail.title)
            seen.add(key)
        arrows.append(arrow)
    said = f"drawn at each use: {', '.join(names)}"
    return Graph(boxes, arrows, f"{graph.caption}; {said}" if graph.caption else said)


def collapse_to_depth(graph: Graph, depth: int) -> Graph:
    """One box for each frame at level `depth`; 0 leaves one box for the whole model."""
    groups: dict[int, Box] = {}

    def group(box: Box) -> Box:
        if box.call is None or box.call.level < depth:
            return box
        call = box.call.within(depth)
        if id(call) not in groups:
            groups[id(call)] = Box("module", call.label, call=call.parent, stands=call)
        return groups[id(call)]

    return _contract(graph, group)


def fold_runs(graph: Graph) -> Graph:
    """One box for the inside of each long run of operations without branches."""
    into: dict[int, list[Box]] = {}
    out_of: dict[int, list[Box]] = {}
    for arrow in graph.arrows:
        if not arrow.saved and arrow.tail.kind in _FLOW:
            into.setdefault(id(arrow.head), []).append(arrow.tail)
            out_of.setdefault(id(arrow.tail), []).append(arrow.head)

    def follows(box: Box) -> Box | None:
        """The box that a run goes on to."""
        readers = out_of.get(id(box), ())
        if len(readers) != 1 or readers[0].kind not in _FLOW or readers[0].call is not box.call:
            return None
        return readers[0] if len(into[id(readers[0])]) == 1 else None

    mapping: dict[int, Box] = {}
    seen: set[int] = set()
    for box in graph.boxes:
        if box.kind not in _FLOW or id(box) in seen:
            continue
        run: list[Box] = []
        step: Box | None = box
        while step is not None:
            seen.add(id(step))
            run.append(step)
            step = follows(step)
        if len(run) >= _SHORTEST_RUN:
            fold = Box("fold", "", call=box.call)
            mapping.update((id(b), fold) for b in run[1:-1])
    return _contract(graph, lambda b: mapping.get(id(b), b))


def fold_stretches(graph: Graph, pieces: int) -> Graph:
    """At most `pieces` boxes, each for operations that were computed one after the other."""
    flow = [b for b in graph.boxes if b.kind in _FLOW]
    length = -(-len(flow) // pieces)
    if length <= 1:
        return graph
    mapping: dict[int, Box] = {}
    for i in range(0, len(flow), length):
        fold = Box("fold", "")
        mapping.update((id(b), fold) for b in flow[i : i + length])
    return _contract(graph, lambda b: mapping.get(id(b), b))


def _contract(graph: Graph, group: Callable[[Box], Box]) -> Graph:
    """Replace every box by its group; a group swallows the leaves that only it reads."""
    mapping = {id(b): group(b) for b in graph.boxes}
    readers: dict[int, set[int]] = {}
    for arrow in graph.arrows:
        readers.setdefault(id(arrow.tail), set()).add(id(mapping[id(arrow.head)]))
    heads = {id(g): g for g in mapping.values()}
    for box in graph.boxes:
        if box.kind in ("leaf", "input", "saved") and mapping[id(box)] is box:
            only, *others = (heads[key] for key in readers[id(box)])
            if not others and _swallows(only, box):
                mapping[id(box)] = only
    boxes: dict[int, Box] = {}
    for box in graph.boxes:
        target = mapping[id(box)]
        boxes.setdefault(id(target), target)
        if target is not box:
            target.ops += box.ops
            target.leaves += box.leaves + (box.kind == "leaf")
            target.seqs += box.seqs
    arrows: dict[tuple[int, ...], Arrow] = {}
    for i, arrow in enumerate(graph.arrows):
        tail, head = mapping[id(arrow.tail)], mapping[id(arrow.head)]
        if tail is arrow.tail and head is arrow.head:
            arrows[i,] = arrow  # untouched, even if it is one of two between the same boxes
        elif tail is not head:
            joined = Arrow(tail, head, saved=arrow.saved)
            _carry(arrows.setdefault((id(tail), id(head)), joined), arrow)
    result = Graph(list(boxes.values()), list(arrows.values()), graph.caption)
    _gains(result)
    for box in result.boxes:
        if box.kind in ("module", "fold"):
            _count(box)
    return result


def _carry(joined: Arrow, arrow: Arrow) -> None:
    """An arrow that stands for several carries what flows along all of them."""
    if arrow.length is not None:
        joined.size = max(joined.size or 0.0, arrow.size or 0.0)
        joined.length = math.hypot(joined.length or 0.0, arrow.length)


def _gains(graph: Graph) -> None:
    """Write on arrows into collapsed boxes how much longer the gradient is that leaves them."""
    arrives: dict[int, float] = {}
    for arrow in graph.arrows:
        if arrow.length is not None:
            known = arrives.get(id(arrow.tail), 0.0)
            arrives[id(arrow.tail)] = math.hypot(known, arrow.length)
    for arrow in graph.arrows:
        total = arrives.get(id(arrow.head), 0.0)
        if arrow.head.kind in ("module", "fold") and arrow.length is not None and total:
            arrow.label = f"length ×{number_text(arrow.length / total)}"


def _swallows(group: Box, box: Box) -> bool:
    """Data stays visible outside of modules; the leaves of a fold disappear in it."""
    return group.kind == "fold" or (group.kind == "module" and box.call is not None)


def _count(box: Box) -> None:
    """Write what a group stands for."""
    total = sum(box.ops.values())
    parts = [plural(total, "op")] + ([plural(box.leaves, "param")] if box.leaves else [])
    if box.kind == "module":
        box.note = ", ".join(parts)
        return
    common = Counter(box.ops).most_common(3)
    box.title = f"⋯ {', '.join(parts)} ⋯"
    box.note = ", ".join(f"{name} ×{n:,}" for name, n in common)
    box.note += ", …" if len(box.ops) > 3 else ""
