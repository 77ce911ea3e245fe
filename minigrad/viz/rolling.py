"""Blocks that repeat, drawn once: the first of twelve equal ones, and "×12" on its frame.

Only those of different modules: the steps of a recurrent network are drawn as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from minigrad.viz.graph import Arrow, Box, Graph
from minigrad.viz.modules import Call

__all__ = ["roll_up"]

#: So many equal blocks in a row are worth it.
_FEWEST = 3
_FLOW = ("op", "tensor", "module", "fold")


@dataclass(eq=False)
class _Block:
    """What was computed in one call, in order."""

    call: Call
    boxes: list[Box]

    def shape(self, arrows: dict[int, list[Arrow]]) -> tuple[object, ...]:
        """What has to be equal: the boxes, what they are called inside, and how they are joined."""
        place = {id(b): i for i, b in enumerate(self.boxes)}
        parts: list[object] = [self.call.label.partition(": ")[2]]
        for box in self.boxes:
            title = box.title.removeprefix(f"{self.call.path}.")
            inner = self._inner(box)
            joined = tuple(place.get(id(a.tail), -1) for a in arrows.get(id(box), ()))
            parts.append((box.kind, title, box.note, tuple(sorted(box.ops.items())), inner, joined))
        return tuple(parts)

    def _inner(self, box: Box) -> tuple[str, ...]:
        """The frames between the block and a box, by their paths inside the block."""
        found: list[str] = []
        call = box.call
        while call is not None and call is not self.call:
            found.append(call.label.removeprefix(f"{self.call.path}."))
            call = call.parent
        return tuple(found)


def roll_up(graph: Graph) -> Graph:
    """Draw of equal blocks in a row the first only, from the outermost frames in."""
    done: set[int] = set()
    while True:
        run = next((r for r in _runs(graph) if id(r[0].call) not in done), None)
        if run is None:
            return graph
        done.add(id(run[0].call))
        graph = _rolled(graph, run)


def _runs(graph: Graph) -> Iterator[list[_Block]]:
    """Runs of equal blocks: calls with the same frame around them, one after the other."""
    arrows: dict[int, list[Arrow]] = {}
    for arrow in graph.arrows:
        arrows.setdefault(id(arrow.head), []).append(arrow)
    by_parent: dict[int, dict[int, _Block]] = {}
    for box in graph.boxes:
        call = box.call
        while call is not None:
            blocks = by_parent.setdefault(id(call.parent), {})
            blocks.setdefault(id(call), _Block(call, [])).boxes.append(box)
            call = call.parent
    place = {id(b): i for i, b in enumerate(b for b in graph.boxes if b.kind in _FLOW)}
    levels = sorted(by_parent.values(), key=lambda d: next(iter(d.values())).call.level)
    for blocks in levels:
        run: list[_Block] = []
        shape: tuple[object, ...] = ()
        for block in blocks.values():
            own = block.shape(arrows)
            another = bool(run) and block.call.path != run[-1].call.path  # not the next time step
            if another and own == shape and _follows(run[-1], block, place):
                run.append(block)
                continue
            if len(run) >= _FEWEST and _chained(run, graph.arrows):
                yield run
            run, shape = [block], own
        if len(run) >= _FEWEST and _chained(run, graph.arrows):
            yield run


def _follows(first: _Block, second: _Block, place: dict[int, int]) -> bool:
    """Whether nothing else was computed between two blocks."""
    last = max((place[id(b)] for b in first.boxes if id(b) in place), default=-2)
    begin = min((place[id(b)] for b in second.boxes if id(b) in place), default=-1)
    return begin == last + 1


def _chained(run: list[_Block], arrows: list[Arrow]) -> bool:
    """Whether each block is read by the next one only: what others read must be seen."""
    number = {id(b): i for i, block in enumerate(run) for b in block.boxes}
    for arrow in arrows:
        tail, head = number.get(id(arrow.tail)), number.get(id(arrow.head))
        if tail is None or tail == head:
            continue
        if head != tail + 1 and not (head is None and tail == len(run) - 1):
            return False
    return True


def _rolled(graph: Graph, run: list[_Block]) -> Graph:
    """The graph with the first block of a run for all of them."""
    first, last = run[0], run[-1]
    stands = {id(box): first.boxes[i] for block in run[1:] for i, box in enumerate(block.boxes)}
    inside = {id(b) for b in first.boxes}
    ends = {id(b) for b in last.boxes}
    arrows: list[Arrow] = []
    for arrow in graph.arrows:
        tail, head = stands.get(id(arrow.tail)), stands.get(id(arrow.head))
        if tail is None and head is None:
            leaves = id(arrow.tail) in inside and id(arrow.head) not in inside
            if not leaves or arrow.head.kind == "output":
                arrows.append(arrow)
        elif id(arrow.tail) in ends and head is None and tail is not None:
            arrows.append(replace(arrow, tail=tail, label=""))  # what goes on behind the last one
    _add_up(run)
    boxes = [b for b in graph.boxes if id(b) not in stands]
    read = {id(a.tail) for a in arrows} | {id(a.head) for a in arrows}
    boxes = [b for b in boxes if id(b) in read or b.kind not in ("leaf", "input")]
    frame = first.call
    name = frame.label.partition(": ")[2] or frame.label
    frame.label = f"{frame.path} … {last.call.path}: {name} ×{len(run)}"
    said = f"{frame.path} … {last.call.path} drawn once, with the numbers of the first"
    return Graph(boxes, arrows, f"{graph.caption}; {said}" if graph.caption else said)


def _add_up(run: list[_Block]) -> None:
    """What the first block stands for now: the operations and nodes of all."""
    for block in run[1:]:
        for own, other in zip(run[0].boxes, block.boxes, strict=True):
            own.ops = own.ops + other.ops
            own.seqs = [*own.seqs, *other.seqs]
