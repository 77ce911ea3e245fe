"""From a loss to what is drawn: boxes, arrows and frames, without a word about how.

The walk goes from the roots along the edges of their nodes, without recursion, and lists nodes in
the order of their making; so the same computation gives the same picture, character by character.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.core.engine import Node
from minigrad.core.several import picked
from minigrad.core.tensor import Tensor
from minigrad.viz.labels import INFIX, op_label, op_title
from minigrad.viz.modules import Call, owners
from minigrad.viz.record import Tape
from minigrad.viz.text import Summary, shape_text, value_text

if TYPE_CHECKING:
    from minigrad.viz.flow import Flow

__all__ = ["Arrow", "Box", "Graph", "Options", "describe", "find_nodes"]

_UNNAMED = "input"
#: What formulas call by one letter, where it says more than that.
_ROLES = {"t": "target", "q": "target"}


@dataclass(eq=False, slots=True)
class Box:
    """Something drawn.

    Attributes
    ----------
    kind : {"op", "leaf", "input", "output", "tensor", "saved", "module", "fold"}
        What it stands for.
    title, note : str
        The first line, and a small second one.
    rows : tuple of (str, str)
        Named values below.
    call : Call or None
        The frame it is in.
    ops : Counter
        The operations it stands for, by name.
    leaves : int
        How many leaves it has swallowed.
    hint : str
        What a pointer resting on it may tell.
    seqs : list of int
        The numbers of the nodes it stands for (``node.seq``), by which events know them.
    stands : Call or None
        Of a collapsed module, the call that it stands for.
    """

    kind: str
    title: str
    note: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    call: Call | None = None
    ops: Counter[str] = field(default_factory=Counter)
    leaves: int = 0
    hint: str = ""
    seqs: list[int] = field(default_factory=list)
    stands: Call | None = None


@dataclass(eq=False, slots=True)
class Arrow:
    """From what is computed first to what reads it; `saved` for a value kept for backward.

    `edge` is the number of the reading node and which of its inputs this is; `marked` arrows are
    drawn so that they are seen first. Of the gradient that flows back along it `size` is the root
    mean square, `length` the norm.
    """

    tail: Box
    head: Box
    label: str = ""
    saved: bool = False
    edge: tuple[int, int] | None = None
    marked: bool = False
    size: float | None = None
    length: float | None = None


@dataclass(eq=False, slots=True)
class Graph:
    """Boxes in the order of computation, arrows between them, and a sentence below."""

    boxes: list[Box]
    arrows: list[Arrow]
    caption: str = ""


@dataclass(slots=True)
class Options:
    """What to show; see :func:`minigrad.viz.draw`."""

    params: Mapping[str, Tensor] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    tape: Tape | None = None
    values: str | bool = "small"
    grads: str | bool = "small"
    show_saved: bool = False
    memory: bool = False
    times: bool = False
    marks: Mapping[tuple[int, int], str] = field(default_factory=dict)
    flow: Flow | None = None


def find_nodes(roots: Sequence[Node]) -> list[Node]:
    """All nodes that `roots` were computed by, oldest first."""
    seen: set[int] = set()
    nodes: list[Node] = []
    stack: list[Any] = list(roots)
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or id(node) in seen:
            continue
        seen.add(id(node))
        if picked(node) is None:
            nodes.append(node)
        stack.extend(node.edges)
    nodes.sort(key=lambda n: n.seq)
    return nodes


def describe(roots: Mapping[str, Tensor], model: Any, options: Options) -> Graph:
    """The whole graph of `roots` (names and tensors), one box per operation."""
    return _Describer(roots, model, options).graph()


class _Names:
    """What tensors are called."""

    def __init__(self, roots: Mapping[str, Tensor], model: Any, options: Options) -> None:
        self.of_leaf: dict[int, str] = {}
        self.of_result: dict[int, tuple[str, Tensor]] = {}
        self.inside: set[int] = set()  # what belongs to the model
        self.inputs = options.inputs
        for kind in ("named_buffers", "named_parameters"):
            for name, t in getattr(model, kind, tuple)():
                self.of_leaf[id(t)] = name
                self.inside.add(id(t))
        for name, t in (*options.inputs.items(), *options.params.items(), *roots.items()):
            if t.node is None:
                self.of_leaf[id(t)] = name
            else:
                self.of_result[t.node.seq] = (name, t)

    def leaf(self, t: Tensor, role: str) -> str:
        """The name of a leaf or constant; `role` is what the operation calls it."""
        name = self.of_leaf.get(id(t)) or t.name
        if name or t._requires_grad:
            return name or (role if len(role) > 2 else "leaf")
        place = t.array.__array_interface__["data"][0]
        for name, known in self.inputs.items():  # a reshaped input is still that input
            if known.array.size and known.array.__array_interface__["data"][0] == place:
                return name
        return role if len(role) > 2 else _UNNAMED


class _Describer:
    def __init__(self, roots: Mapping[str, Tensor], model: Any, options: Options) -> None:
        self.options = options
        self.roots = roots
        self.names = _Names(roots, model, options)
        self.nodes = find_nodes([t.node for t in roots.values() if t.node is not None])
        self.calls = owners(model, [n.seq for n in self.nodes])
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.results: dict[int, Box] = {}  # by number of node or slot: where its arrows start
        self.tensors: dict[int, Box] = {}  # by id: leaves and inputs
        self.alive: list[Any] = []  # so that ids stay unique

    def graph(self) -> Graph:
        slots = self._slots()
        for node, call in zip(self.nodes, self.calls, strict=True):
            box = self._operation(node, call)
            self.results[node.seq] = box
            results: list[Node] = [*slots.get(node.seq, ())] or [node]
            for result in results:
                self._result(result, box, call, len(results) > 1)
        self._place_tensors()
        return Graph(self.boxes, self.arrows)

    def _slots(self) -> dict[int, list[Node]]:
        """The results in use of operations with several, by number of the operation."""
        found: dict[int, dict[int, Node]] = {}
        edges = [e for n in self.nodes for e in n.edges]
        for e in [*edges, *(t.node for t in self.roots.values())]:
            of_result = picked(e)
            if of_result is not None:
                node, index = of_result
                found.setdefault(node.seq, {})[index] = e
        return {seq: [d[i] for i in sorted(d)] for seq, d in found.items()}

    # -- operations --------------------------------------------------------------------------

    def _operation(self, node: Node, call: Call | None) -> Box:
        constants = self._constants(node)
        texts = tuple(self._inline(node, i, c) for i, c in enumerate(constants))
        label = op_label(node, texts)
        operands = zip(node.edges, constants, texts, label.operands, strict=True)
        sources = [
            (self._source(node, i, edge, constant, text), arrow)
            for i, (edge, constant, text, arrow) in enumerate(operands)
        ]
        box = Box("op", label.title, call=call, hint=_hint(node), seqs=[node.seq])
        box.rows = self._costs(node)
        name = op_title(node.op)
        box.ops[name] += 1
        self.boxes.append(box)
        for i, (tail, arrow) in enumerate(sources):
            if tail is not None:
                self.arrows.append(self._arrow(tail, box, arrow, (node.seq, i)))
        shape = shape_text(node.shape, node.dtype)
        box.note = f"{name} · {shape}" if label.symbolic else shape
        if self.options.show_saved:
            self._saved(node, box)
        return box

    def _arrow(self, tail: Box, head: Box, label: str, edge: tuple[int, int]) -> Arrow:
        """An arrow with what is to be written on it: a mark, or the local derivative."""
        mark, flow = self.options.marks.get(edge), self.options.flow
        known = None if flow is None else flow.edges.get(edge)
        text = mark if mark is not None else "" if known is None else known.local
        return Arrow(
            tail, head, f"{label} {text}".strip(), edge=edge, marked=mark is not None,
            size=None if known is None else known.size,
            length=None if known is None else known.length,
        )  # fmt: skip

    def _constants(self, node: Node) -> tuple[Tensor | None, ...]:
        """The inputs without gradient, as far as the node or the tape still has them."""
        known: tuple[Tensor | None, ...] = ()
        if self.options.tape is not None:
            known = self.options.tape.constants.get(node.seq, ())
        known = known or tuple(node.saved or ())
        known = known if len(known) == len(node.edges) else (None,) * len(node.edges)
        return tuple(None if e is not None else t for e, t in zip(node.edges, known, strict=True))

    def _inline(self, node: Node, i: int, constant: Tensor | None) -> str | None:
        """What stands inside of the box for an input; None if an arrow comes from it."""
        if node.edges[i] is not None:
            return None
        if constant is None:
            return "const"
        named = id(constant) in self.names.of_leaf or constant.name
        if constant.array.ndim or named or node.op.name not in INFIX:
            return None
        value = constant.array.item()
        return str(value) if isinstance(value, int) else f"{value:.6g}"

    def _source(
        self, node: Node, i: int, edge: Any, constant: Tensor | None, text: str | None
    ) -> Box | None:
        if isinstance(edge, Node):
            return self.results[edge.seq]
        t = edge if edge is not None else constant
        if t is None or text is not None:
            return None
        box = self.tensors.get(id(t))
        if box is None:
            names = getattr(node.op, "names", ())
            arity = getattr(node.op, "arity", 0)
            role = names[i] if i < arity and i < len(names) else ""
            role = _ROLES.get(role, role)
            box = Box("leaf" if t._requires_grad else "input", self.names.leaf(t, role))
            shown, limits = _values(t, self.options)
            box.note, box.rows = _note(t.array, shown), limits
            self.tensors[id(t)] = box
            self.alive.append(t)
            self.boxes.append(box)
        return box

    def _costs(self, node: Node) -> tuple[tuple[str, str], ...]:
        """What the operation keeps in memory, and how long it took."""
        rows: list[tuple[str, str]] = []
        if self.options.memory:
            kept = sum(array.nbytes for _, array in _kept(node))
            rows.append(("keeps", _bytes_text(kept) if kept else "nothing"))
        tape = self.options.tape
        if self.options.times and tape is not None:
            for name, known in (("forward", tape.forward), ("backward", tape.backward)):
                if node.seq in known:
                    rows.append((name, _time_text(known[node.seq])))
        return tuple(rows)

    # -- results -----------------------------------------------------------------------------

    def _result(self, node: Node, op: Box, call: Call | None, several: bool) -> None:
        """A box for a result, where it is a root, has a name, or its value is known."""
        known = self.names.of_result.get(node.seq)
        name, t = known if known is not None else ("", None)
        root = t is not None and self.roots.get(name) is t
        rows = self._rows(node, t)
        if t is None and not rows:
            if picked(node) is not None:
                self.results[node.seq] = op
            return
        box = Box("output" if root else "tensor", name or self._noted_name(node), rows=rows)
        box.call = None if root else call
        box.note = _note(np.empty(node.shape, node.dtype), any(k == "data" for k, _ in rows))
        if not several:  # the shape is told once
            op.note = op.note.removesuffix(shape_text(node.shape, node.dtype)).rstrip(" ·")
        self.boxes.append(box)
        of_result = picked(node) if several else None
        place = "" if of_result is None else str(of_result[1])
        self.arrows.append(Arrow(op, box, place))
        self.results[node.seq] = box

    def _rows(self, node: Node, t: Tensor | None) -> tuple[tuple[str, str], ...]:
        tape, options = self.options.tape, self.options
        data = value_text(t.array, options.values) if t is not None else None
        known = None if t is None else t._grad
        grad = None if known is None else value_text(known.array, options.grads)
        if tape is not None:
            data = data or _allowed(tape.values.get(node.seq), options.values)
            grad = grad or _allowed(tape.grads.get(node.seq), options.grads)
        if grad is None and options.flow is not None:
            grad = _allowed(options.flow.gradients.get(node.seq), options.grads)
        return _pairs(data, grad)

    def _noted_name(self, node: Node) -> str:
        t = self.options.tape.tensor(node.seq) if self.options.tape is not None else None
        return (t.name or "") if t is not None else ""

    # -- what is kept for backward -----------------------------------------------------------

    def _saved(self, node: Node, op: Box) -> None:
        """A box for what lives on because of this operation; leaves would live anyway."""
        kept = _kept(node)
        if kept:
            rows = tuple((name, _kept_text(array)) for name, array in kept)
            box = Box("saved", "saved", rows=rows, call=op.call)
            self.boxes.append(box)
            self.arrows.append(Arrow(box, op, saved=True))

    # -- frames ------------------------------------------------------------------------------

    def _place_tensors(self) -> None:
        """Put what belongs to the model into the innermost frame around all its readers."""
        readers: dict[int, list[Box]] = {}
        flowing: set[int] = set()
        for arrow in self.arrows:
            readers.setdefault(id(arrow.tail), []).append(arrow.head)
            if arrow.tail.kind not in ("leaf", "input"):
                flowing.add(id(arrow.head))
        given = {id(t) for t in self.options.inputs.values()}
        for key, box in self.tensors.items():
            heads = readers[id(box)]
            # What is read together with results, such as a mask, was made on the way; what is
            # read alone, or with parameters, came from outside.
            on_the_way = box.kind == "input" and all(id(h) in flowing for h in heads)
            if key in self.names.inside or (on_the_way and key not in given):
                box.call = common_call([h.call for h in heads])
            if on_the_way and box.title == _UNNAMED:
                box.title = "constant"


def common_call(calls: Sequence[Call | None]) -> Call | None:
    """The innermost frame that holds all of `calls`."""
    if not calls or None in calls:
        return None
    found = calls[0]
    for call in calls[1:]:
        while found is not None and call is not None and not found.holds(call):
            found = found.parent
    return found


def _values(t: Tensor, options: Options) -> tuple[bool, tuple[tuple[str, str], ...]]:
    data = value_text(t.array, options.values)
    grad = None if t._grad is None else value_text(t._grad.array, options.grads)
    if options.flow is not None:  # what this loss brings, whatever others have left
        grad = _allowed(options.flow.leaves.get(id(t)), options.grads)
    return data is not None, _pairs(data, grad)


def _pairs(data: str | None, grad: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((k, v) for k, v in (("data", data), ("grad", grad)) if v is not None)


def _note(array: Any, shown: bool) -> str:
    """Shape and type; a float32 number that is written out needs neither."""
    if shown and array.ndim == 0 and array.dtype == np.float32:
        return ""
    return shape_text(array.shape, array.dtype)


def _allowed(summary: Summary | None, level: str | bool) -> str | None:
    if summary is None or level is False or (level == "small" and not summary.small):
        return None
    return summary.text


def _hint(node: Node) -> str:
    return node.name() + (f", recorded at {node.where}" if node.where else "")


def _kept(node: Node) -> list[tuple[str, Any]]:
    """What lives on because of an operation, by names; leaves would live anyway."""
    names = getattr(node.op, "names", ())
    kept: list[tuple[str, Any]] = []
    for edge, t, name in zip(node.edges, node.saved or (), names, strict=False):
        if t is not None and isinstance(edge, Node):
            kept.append((name if len(name) > 2 else f"input {name}", t.array))
    outs = node.out if isinstance(node.out, tuple) else (node.out,)
    kept += [("result", a) for a in outs if isinstance(a, np.ndarray)]
    kept += [("extra", a) for a in node.residuals or () if isinstance(a, np.ndarray) and a.ndim]
    return kept


def _time_text(seconds: float) -> str:
    """A short time.

    >>> _time_text(1.234e-5), _time_text(0.0456)
    ('12 µs', '45.6 ms')
    """
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


def _kept_text(array: Any) -> str:
    return f"{shape_text(array.shape, array.dtype)}, {_bytes_text(array.nbytes)}"


def _bytes_text(n: int) -> str:
    """A size in memory.

    >>> _bytes_text(512), _bytes_text(32768), _bytes_text(3 * 2**20)
    ('512 B', '32.0 KiB', '3.0 MiB')
    """
    if n < 1024:
        return f"{n} B"
    return f"{n / 1024:.1f} KiB" if n < 2**20 else f"{n / 2**20:.1f} MiB"
