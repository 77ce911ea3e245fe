"""From what was heard to what is shown: nodes, edges, values, and the steps in their order.

Everything is plain data, as JSON takes it. Texts have places, ``⟦v:n3⟧``, for numbers that stand
once, under ``values``: ``v:n3`` is the value of node n3, ``g:n3`` its gradient, ``l:e4`` the local
derivative along edge e4 and ``c:e4`` what is passed along it. So one text serves the terminal, the
pictures and the page, where leaves can be changed.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from minigrad.core.declare import Elementwise
from minigrad.core.engine import Node
from minigrad.core.expr import symbol
from minigrad.core.several import picked
from minigrad.core.tensor import Number
from minigrad.viz.labels import INFIX, op_label, op_title
from minigrad.viz.remarks import why_not_finite
from minigrad.viz.stepping.formulas import derivative, formula, javascript, replaced, spelled
from minigrad.viz.stepping.heard import Heard
from minigrad.viz.stepping.values import flat_images, number, shown

__all__ = ["build"]

Data = dict[str, Any]

#: What the derivatives of operations that are no formulas compute, for each input in turn.
_RULES: dict[str, tuple[str, ...]] = {
    "matmul": ("{g} @ {1}ᵀ", "{0}ᵀ @ {g}"),
    "linear": ("{g} @ {1}", "{g}ᵀ @ {0}", "{g}, summed over the examples"),
    "linear_plain": ("{g} @ {1}", "{g}ᵀ @ {0}"),
    "sum": ("{g}, copied to every element that was summed",),
    "mean": ("{g} / (how many were averaged), copied to each of them",),
    "reshape": ("{g}, in the shape of {0}",),
    "permute": ("{g}, its dimensions put back",),
    "expand": ("{g}, summed over the copies",),
    "clone": ("{g}",), "contiguous": ("{g}",), "_cast": ("{g}, in the type of {0}",),
    "index": ("{g}, put back to where the elements were taken from, 0 elsewhere",),
    "slice": ("{g}, put back to where the elements were taken from, 0 elsewhere",),
    "batch_norm": ("{1} / std * ({g} - mean({g}) - n * mean({g} * n)), n = ({0} - mean) / std",
                   "sum of {g} * ({0} - mean) / std over the examples",
                   "sum of {g} over the examples"),
    "amax": ("{g}, where the largest element is, 0 elsewhere",),
    "max_pool": ("{g}, to the largest element of each window, 0 elsewhere",),
    "avg_pool": ("{g} / (how many are in a window), to each of them",),
    "convolution": ("{g} convolved with {1}, turned around",
                    "{0} correlated with {g}, summed over the examples",
                    "{g}, summed over examples and places"),
    "amin": ("{g}, where the smallest element is, 0 elsewhere",),
    "softmax": ("{y} * ({g} - sum({g} * {y}))",),
    "log_softmax": ("{g} - softmax({0}) * sum({g})",),
    "logsumexp": ("{g} * softmax({0})",),
    "cross_entropy": ("{g} * (softmax({0}) - one-hot({1})) / (how many examples)",),
    "mse_loss": ("{g} * 2 * ({0} - {1}) / (how many elements)",
                 "{g} * 2 * ({1} - {0}) / (how many elements)"),
}  # fmt: skip
#: Rows of data of such names are images, if their length is a square.
_IMAGES = ("image", "img", "picture", "digit", "pixel")
#: One word, or one call: what needs no brackets as a factor.
_TIGHT = re.compile(r"[\w.]+(\([^()]*\))?")


def build(
    loss: Any, nodes: Sequence[Node], heard: Heard, names: Mapping[int, str],
    results: Mapping[int, str], title: str,
) -> Data:  # fmt: skip
    """What is shown of `nodes`, oldest first.

    Parameters
    ----------
    loss : Tensor
        What was differentiated.
    nodes : sequence of Node
        The operations.
    heard : Heard
        What happened.
    names, results : mapping
        What leaves (by id) and results (by number of their node) are called.
    title : str
        Of the page.
    """
    return _Builder(loss, nodes, heard, names, results).data(title)


class _Builder:
    def __init__(
        self, loss: Any, nodes: Sequence[Node], heard: Heard, names: Mapping[int, str],
        results: Mapping[int, str],
    ) -> None:  # fmt: skip
        self.loss, self.operations, self.heard = loss, nodes, heard
        self.leaf_names, self.result_names = names, dict(results)
        self.nodes: list[Data] = []
        self.edges: list[Data] = []
        self.values: dict[str, Any] = {}
        self.ids: dict[Any, str] = {}  # by ("t", id of a tensor) or number of a node
        self.by_id: dict[str, Data] = {}
        self.readers: dict[str, list[Data]] = {}  # edges that a gradient comes back along
        self.of_node: dict[str, Node] = {}
        self.operands: dict[str, list[Any]] = {}  # ids of nodes, and numbers; None is unknown
        self.taken: set[str] = set()
        self.used: set[str] = set()
        self.counted = 0

    def data(self, title: str) -> Data:
        self._name_by_lines()
        self.taken |= {*self.leaf_names.values(), *self.result_names.values()}
        for node in self.operations:
            self._operation(node)
        self.root = self.ids[_whole(self.loss.node).seq]
        name = self.by_id[self.root]["name"]
        self.symbol = "L" if name.lower() in ("loss", "l") else name
        steps = [self._start(), *self._forward(), self._seed(), *self._backward(), self._end()]
        return {
            "title": title, "root": self.root, "nodes": self.nodes, "edges": self.edges,
            "values": self.values, "steps": steps, "shown": _first_shown(steps, self.edges),
            "program": self._program(),
        }  # fmt: skip

    # -- names -------------------------------------------------------------------------------

    def _name_by_lines(self) -> None:
        """``h = tanh(w * x)``: the last of what a line computes is called as the line says."""
        lines = [self.heard.lines.get(n.seq, "") for n in self.operations]
        targets = [_target(line) for line in lines]
        for i, (node, line) in enumerate(zip(self.operations, lines, strict=True)):
            last = i + 1 == len(lines) or lines[i + 1] != line
            once = targets.count(targets[i]) == lines.count(line)  # elsewhere it is another value
            known = self.result_names.values()
            if last and once and targets[i] and targets[i] not in known:
                if i + 1 < len(lines) and line in lines[i + 1 :]:
                    continue  # a loop
                if i and lines.index(line) != i and _split(lines[: i + 1], line):
                    continue
                self.result_names.setdefault(node.seq, targets[i])

    def _fresh(self) -> str:
        while True:
            self.counted += 1
            if f"v{self.counted}" not in self.taken:
                return f"v{self.counted}"

    # -- nodes and edges ---------------------------------------------------------------------

    def _add(self, key: Any, kind: str, name: str, shown: Any, **more: Any) -> str:
        found = self.ids[key] = f"n{len(self.nodes)}"
        while name in self.used:  # two things of one name would be one to the reader
            name += "′"
        self.used.add(name)
        entry = {"id": found, "kind": kind, "name": name, **more}
        self.nodes.append(entry)
        self.by_id[found] = entry
        self.readers[found] = []
        if shown is not None:
            self.values[f"v:{found}"] = shown
        return found

    def _operation(self, node: Node) -> None:
        known = self.heard.inputs.get(node.seq, ())
        known = known if len(known) == len(node.edges) else (None,) * len(node.edges)
        sources = [self._source(e, t) for e, t in zip(node.edges, known, strict=True)]
        name = self.result_names.get(node.seq) or self._fresh()
        place, _, line = self.heard.lines.get(node.seq, "").partition(": ")
        label = op_label(node, tuple(s if isinstance(s, str) and s not in self.by_id else None
                                     for s in map(_as_text, sources)))  # fmt: skip
        found = self._add(
            node.seq, "op", name, shown(self.heard.results.get(node.seq)), op=label.title,
            line=line, place=place,
        )  # fmt: skip
        self.of_node[found], self.operands[found] = node, sources
        for i, source in enumerate(sources):
            if isinstance(source, str):
                edge = {"id": f"e{len(self.edges)}", "from": source, "to": found, "input": i,
                        "flows": node.edges[i] is not None}  # fmt: skip
                self.edges.append(edge)
                if edge["flows"]:
                    self.readers[source].append(edge)
        self.by_id[found]["formula"] = self._formula(found)
        self._derived(found)

    def _source(self, edge: Any, constant: Any) -> Any:
        """The node that an input comes from; or its number; None if nobody knows."""
        if isinstance(edge, Node):
            return self.ids[_whole(edge).seq]
        t = constant if edge is None else edge
        if t is None:
            return None
        if isinstance(t, Number):
            return t.array.item()
        key = ("t", id(t))
        if key not in self.ids:
            self.heard.leaf(t)
            kind = "leaf" if edge is not None else "data"
            name = self.leaf_names.get(id(t)) or t.name or self._unnamed(kind)
            seen = self.heard.tensors[id(t)][1].shown()
            if kind == "data" and name.lower().startswith(_IMAGES):
                seen = flat_images(t.array) or seen
            self._add(key, kind, name, seen)
            if id(t) in self.heard.arrived:
                self.values[f"g:{self.ids[key]}"] = self.heard.arrived[id(t)].shown()
        return self.ids[key]

    def _unnamed(self, kind: str) -> str:
        stem = "w" if kind == "leaf" else "data"
        n = 1
        while f"{stem}{n}" in self.taken:
            n += 1
        self.taken.add(f"{stem}{n}")
        return f"{stem}{n}"

    def _derived(self, found: str) -> None:
        """Gradients: what arrived, what was passed on, the local derivatives."""
        known = self.heard.derived.get(self.of_node[found].seq)
        if known is None:
            return
        incoming = next((p for p in known.incoming if p is not None), None)
        if incoming is not None:
            self.values[f"g:{found}"] = incoming.shown()
        for edge in self.edges:
            if edge["to"] == found:
                for kind, parts in (("c", known.parts), ("l", known.local)):
                    part = parts[edge["input"]] if edge["input"] < len(parts) else None
                    if part is not None and edge["flows"]:
                        self.values[f"{kind}:{edge['id']}"] = part.shown()

    # -- texts -------------------------------------------------------------------------------

    def _texts(self, found: str, numbers: bool) -> list[str]:
        """How the operands are written: by name, or as places for numbers."""
        texts = []
        for s in self.operands[found]:
            if isinstance(s, str):
                texts.append(f"⟦v:{s}⟧" if numbers else self.by_id[s]["name"])
            else:
                text = "?" if s is None else number(s)
                texts.append(f"({text})" if text.startswith("-") else text)
        return texts

    def _formula(self, found: str, numbers: bool = False) -> str:
        node, texts = self.of_node[found], self._texts(found, numbers)
        op = node.op
        if isinstance(op, Elementwise):
            return spelled(formula(op, node.params), dict(zip(op.names, texts, strict=False)))
        if op.name in INFIX and len(texts) == 2:
            return f" {INFIX[op.name]} ".join(texts)
        if op.name.startswith("linear") and 2 <= len(texts) <= 3:
            return " + ".join([f"{texts[0]} @ {texts[1]}ᵀ", *texts[2:]])
        title, _, settings = op_label(node, (None,) * len(texts)).title.partition("(")
        title = title if title.isidentifier() else op_title(op)
        return f"{title}({', '.join([*texts, settings.rstrip(')')] if settings else texts)})"

    def _scalar(self, *keys: str) -> bool:
        return all(self.values.get(k, {}).get("shape") in ([], [1], [1, 1]) for k in keys)

    def _numeric(self, found: str) -> bool:
        """Whether the numbers of a node can be put into its formula."""
        inputs = [s for s in self.operands[found] if isinstance(s, str)]
        return (
            isinstance(self.of_node[found].op, Elementwise)
            and None not in self.operands[found]
            and self._scalar(f"v:{found}", *[f"v:{s}" for s in inputs])
        )

    def _d(self, found: str) -> str:
        name = self.symbol if found == self.root else self.by_id[found]["name"]
        return f"d{self.symbol}/d{name}"

    # -- steps -------------------------------------------------------------------------------

    def _start(self) -> Data:
        given = [n for n in self.nodes if n["kind"] != "op"]
        lines = [f"{n['name']} = ⟦v:{n['id']}⟧" for n in given if self._scalar(f"v:{n['id']}")]
        return {
            "phase": "start", "node": None, "edges": [],
            "title": "Given: " + ", ".join(n["name"] for n in given), "lines": lines,
            "tensors": [[n["name"], f"v:{n['id']}"] for n in given
                        if not self._scalar(f"v:{n['id']}")],
        }  # fmt: skip

    def _forward(self) -> list[Data]:
        steps = []
        for found in self.of_node:
            entry = self.by_id[found]
            line = f"{entry['name']} = {entry['formula']}"
            if self._numeric(found):
                line += f" = {self._formula(found, True)} = ⟦v:{found}⟧"
            elif self._scalar(f"v:{found}"):
                line += f" = ⟦v:{found}⟧"
            inputs = dict.fromkeys(s for s in self.operands[found] if isinstance(s, str))
            shown = [[self.by_id[s]["name"], f"v:{s}"] for s in inputs] + [
                [entry["name"], f"v:{found}"]
            ]
            lines = [line, *self._remarks(found)]
            if f"v:{found}" not in self.values or None in self.operands[found]:
                lines.append("Some of it the graph did not keep: record it by viz.record().")
            steps.append({
                "phase": "forward", "node": found,
                "edges": [e["id"] for e in self.edges if e["to"] == found],
                "title": f"Compute {entry['name']}", "lines": lines,
                "tensors": [] if self._numeric(found) else shown,
            })  # fmt: skip
        return steps

    def _remarks(self, found: str) -> list[str]:
        value = self.values.get(f"v:{found}", {}).get("elements")
        op = self.of_node[found].op.name
        inputs = [self.values.get(f"v:{s}", {}).get("elements") if isinstance(s, str) else s
                  for s in self.operands[found]]  # fmt: skip
        return why_not_finite(op, inputs, value)

    def _seed(self) -> Data:
        name = self.by_id[self.root]["name"]
        lines = [f"{self._d(self.root)} = 1"]
        if name != self.symbol:
            lines.append(f"{self.symbol} is {name}: the gradient of a thing in itself is 1.")
        if self._scalar(f"v:{self.root}"):
            lines.insert(0, f"{name} = ⟦v:{self.root}⟧")
        return {"phase": "turn", "node": self.root, "edges": [], "lines": lines, "tensors": [],
                "title": "Forward is done; backward begins"}  # fmt: skip

    def _backward(self) -> list[Data]:
        steps = []
        oldest = {
            s: min(map(self._seq, edges)) for s, edges in self.readers.items()
            if edges and self.by_id[s]["kind"] == "leaf"
        }  # fmt: skip
        for found, node in reversed(self.of_node.items()):
            if node.seq in self.heard.derived:
                steps.append(self._derivative(found))
            steps += [self._leaf(s) for s, seq in oldest.items() if seq == node.seq]
        return steps

    def _seq(self, edge: Data) -> int:
        return self.of_node[edge["to"]].seq

    def _arrival(self, found: str) -> list[str]:
        """``dL/dx = a + b``: what the readers of a node have sent."""
        readers = self.readers[found]
        keys = [f"c:{e['id']}" for e in reversed(readers)]
        if len(readers) < 2:
            known = self._scalar(f"g:{found}")
            return [f"{self._d(found)} = ⟦g:{found}⟧"] if known else []
        uses = f"{self.by_id[found]['name']} is used {len(readers)} times, so gradients add up:"
        if self._scalar(f"g:{found}", *keys) and len(keys) <= 12:
            return [uses, f"{self._d(found)} = {' + '.join(f'⟦{k}⟧' for k in keys)} = ⟦g:{found}⟧"]
        names = [self.by_id[e["to"]]["name"] for e in reversed(readers)]
        through = " + ".join(f"(through {n})" for n in names[:12])
        return [uses, f"{self._d(found)} = {through}{' + ...' * (len(names) > 12)}"]

    def _derivative(self, found: str) -> Data:
        edges = [e for e in self.edges if e["to"] == found and e["flows"]]
        lines = self._arrival(found)
        shown = [] if self._scalar(f"g:{found}") else [[self._d(found), f"g:{found}"]]
        for edge in edges:
            lines += self._passed(found, edge)
            if not self._scalar(f"c:{edge['id']}"):
                name = self._d(edge["from"]) + f" through {self.by_id[found]['name']}" * (
                    len(self.readers[edge["from"]]) > 1
                )
                shown.append([name, f"c:{edge['id']}"])
        targets = ", ".join(dict.fromkeys(self.by_id[e["from"]]["name"] for e in edges))
        return {
            "phase": "backward", "node": found, "edges": [e["id"] for e in edges],
            "title": f"From {self.by_id[found]['name']} back to {targets}", "lines": lines,
            "tensors": [s for s in shown if s[1] in self.values],
        }  # fmt: skip

    def _passed(self, found: str, edge: Data) -> list[str]:
        """The local derivative along an edge, and the chain rule."""
        source, y = self.by_id[edge["from"]]["name"], self.by_id[found]["name"]
        y = self.symbol if found == self.root else y
        g, e, i = self._d(found), edge["id"], edge["input"]
        local = self._local(found, i, False)
        gets = "gets" if len(self.readers[edge["from"]]) > 1 else "="
        if local is None:
            return [f"{self._d(edge['from'])} {gets} {self._rule(found, i)}"]
        factor = local if _TIGHT.fullmatch(local) else f"({local})"
        if not (self._numeric(found) and self._scalar(f"c:{e}", f"l:{e}", f"g:{found}")):
            tail = self._summed(found, edge)
            return [f"{self._d(edge['from'])} {gets} {g} * {factor}, element by element{tail}"]
        slope = f"d{y}/d{source}"
        numbers = self._local(found, i, True)
        spelled_out = f" = {numbers}" if numbers != local else ""
        end = f" = ⟦l:{e}⟧" if "⟦" in str(numbers) and numbers != f"⟦l:{e}⟧" else ""
        if spelled_out == f" = ⟦v:{edge['from']}⟧" or _is_place(numbers):
            spelled_out = ""  # a name, whose number follows
        first = f"{slope} = {local}{spelled_out}{end}"
        if found == self.root:  # what comes in is 1
            if gets == "gets":
                return [f"{slope} gets {local}{spelled_out}{end}"]
            return [first]
        return [
            first,
            f"{self._d(edge['from'])} {gets} {g} * {slope} = ⟦g:{found}⟧ * ⟦l:{e}⟧ = ⟦c:{e}⟧",
        ]

    def _summed(self, found: str, edge: Data) -> str:
        part = self.values.get(f"c:{edge['id']}", {}).get("shape")
        whole = self.values.get(f"g:{found}", {}).get("shape")
        name = self.by_id[edge["from"]]["name"]
        return f", summed over the copies of {name}" if part != whole else ""

    def _local(self, found: str, i: int, numbers: bool) -> str | None:
        node = self.of_node[found]
        op = node.op
        if not isinstance(op, Elementwise):
            return None
        slope = derivative(op, i, node.params)
        if slope is None:
            return None
        texts = self._texts(found, numbers)
        y = f"⟦v:{found}⟧" if numbers else self.by_id[found]["name"]
        return spelled(slope, {"y": y, **dict(zip(op.names, texts, strict=False))})

    def _rule(self, found: str, i: int) -> str:
        op, texts = self.of_node[found].op, self._texts(found, False)
        known = _RULES.get(op.name, ())
        if i >= len(known):
            return f"{self._d(found)} through the derivative of {op_title(op)}"
        y = self.by_id[found]["name"]
        return known[i].format(*texts, "", "", g=self._d(found), y=y)

    def _leaf(self, found: str) -> Data:
        name = self.by_id[found]["name"]
        lines = self._arrival(found)
        key = f"g:{found}"
        lines.append(f"This is {name}.grad.")
        return {"phase": "leaf", "node": found, "edges": [e["id"] for e in self.readers[found]],
                "title": f"The gradient of {name}", "lines": lines,
                "tensors": [] if self._scalar(key) else [[self._d(found), key]]}  # fmt: skip

    def _end(self) -> Data:
        leaves = [n for n in self.nodes if f"g:{n['id']}" in self.values and n["kind"] == "leaf"]
        lines = [f"{self._d(n['id'])} = ⟦g:{n['id']}⟧" for n in leaves
                 if self._scalar(f"g:{n['id']}")]  # fmt: skip
        shown = [[self._d(n["id"]), f"g:{n['id']}"] for n in leaves
                 if not self._scalar(f"g:{n['id']}")]  # fmt: skip
        return {"phase": "end", "node": None, "edges": [], "title": "All gradients",
                "lines": lines, "tensors": shown}  # fmt: skip

    # -- the same in JavaScript --------------------------------------------------------------

    def _program(self) -> Data | None:
        """The formulas in JavaScript, of graphs of numbers; so that leaves can be changed."""
        shapes = [v["shape"] for v in self.values.values()]
        numbers = [s for o in self.operands.values() for s in o if not isinstance(s, str)]
        if any(shapes) or not all(map(self._numeric, self.of_node)):
            return None
        if not all(map(math.isfinite, numbers)):
            return None
        return {found: self._compiled(found) for found in self.of_node}

    def _compiled(self, found: str) -> Data:
        node, op = self.of_node[found], self.of_node[found].op
        names = {n: f"a{i}" for i, n in enumerate(op.names[: op.arity])}
        put = {k: symbol(v) for k, v in names.items()}
        slopes = [derivative(op, i, node.params, symbol("g")) if e is not None else None
                  for i, e in enumerate(node.edges)]  # fmt: skip
        return {
            "inputs": self.operands[found], "value": _script(formula(op, node.params), put),
            "slopes": [None if s is None else _script(s, put) for s in slopes],
        }  # fmt: skip


def _script(e: Any, put: Mapping[str, Any]) -> str:
    return javascript(replaced(e, put))


def _as_text(source: Any) -> str | None:
    return None if source is None or isinstance(source, str) else number(source)


def _whole(node: Any) -> Node:
    """The node of the operation, where `node` stands for one of several results."""
    of_result = picked(node)
    return node if of_result is None else of_result[0]


def _is_place(text: str | None) -> bool:
    return text is not None and text.startswith("⟦") and text.find("⟧") == len(text) - 1


def _target(line: str) -> str:
    """``h`` of the line ``file:3, in f: h = tanh(x)``."""
    try:
        statement = ast.parse(line.partition(": ")[2]).body
    except (SyntaxError, ValueError):
        return ""
    if len(statement) != 1 or not isinstance(statement[0], ast.Assign):
        return ""
    targets = statement[0].targets
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _split(lines: Sequence[str], line: str) -> bool:
    """Whether what a line computed stands in several places: it ran several times."""
    first = lines.index(line)
    return any(other != line for other in lines[first:])


def _first_shown(steps: Sequence[Data], edges: Sequence[Data]) -> dict[str, int]:
    """From which step on each node's value and gradient, and each edge's derivative, is known."""
    found: dict[str, int] = {}
    for i, step in enumerate(steps):
        if step["phase"] == "forward":
            found[f"v:{step['node']}"] = i
        elif step["phase"] == "turn":
            found[f"g:{step['node']}"] = i
        elif step["phase"] == "backward":
            found |= {f"l:{e}": i for e in step["edges"]}
    for edge in edges:  # a gradient is complete when the last of its readers has sent
        key, sent = f"g:{edge['from']}", found.get(f"l:{edge['id']}")
        if sent is not None:
            found[key] = max(found.get(key, 0), sent)
    return found
