"""One weight: along which paths does the loss depend on it, and by how much along each.

The chain rule says that a derivative is a sum over paths, and along each path a product of local
derivatives. :func:`explain` lists the paths from the loss down to one element of one tensor, on the
reader's own network: the slide "chain rule across multiple paths", with the numbers in it.

What all paths through a value come to is known beforehand (the derivative of that value by the
weight, from one pass forwards), so the search goes where most is, and what it leaves out is known
exactly: the total less what is listed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from minigrad.core.engine import Node, adding
from minigrad.core.gradients import gradients
from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.several import Parts, Pick
from minigrad.core.tensor import Tensor
from minigrad.viz.graph import find_nodes
from minigrad.viz.labels import op_title
from minigrad.viz.text import number_text, plural

__all__ = ["Explanation", "Path", "Place", "explain"]

Array = np.ndarray[Any, Any]

#: How many values the search may look behind, for each path that is wanted.
_EFFORT = 50


@dataclass(frozen=True)
class Place:
    """An element of a value on a path.

    Attributes
    ----------
    name : str
        The operation that made it, or the name of the leaf.
    index : tuple of int
        Which element of the value.
    value : float or None
        What it holds, if that is still known.
    seq : int or None
        The number of the node; None for a leaf.
    """

    name: str
    index: tuple[int, ...]
    value: float | None = None
    seq: int | None = None

    def __str__(self) -> str:
        return f"{self.name}{list(self.index)}" if self.index else self.name


@dataclass(frozen=True)
class Path:
    """From the loss down to the weight.

    Attributes
    ----------
    nodes : tuple of Place
        The loss first, the weight last.
    factors : tuple of float
        The local derivative of each of `nodes` by the next.
    product : float
        What the path adds to the gradient.
    edges : tuple of (int, int)
        Which edges of the graph it goes along: the number of a node, and which of its inputs.
    """

    nodes: tuple[Place, ...]
    factors: tuple[float, ...]
    product: float
    edges: tuple[tuple[int, int], ...] = ()

    @property
    def weakest(self) -> int:
        """Which factor makes the product smallest."""
        return int(np.argmin(np.abs(self.factors)))

    def __str__(self) -> str:
        steps = [str(self.nodes[0])]
        for factor, place in zip(self.factors, self.nodes[1:], strict=True):
            steps.append(f"←({number_text(factor)})— {place}")
        return f"{number_text(self.product)} = {' '.join(steps)}"


@dataclass(frozen=True)
class Explanation:
    """Where a gradient comes from; prints as a list of paths.

    Attributes
    ----------
    target : Place
        The weight.
    paths : tuple of Path
        Those that were found, the largest product first.
    total : float
        The derivative of the loss by the weight: the sum over all paths.
    rest : float
        What the paths that are not listed add up to.
    complete : bool
        Whether all are listed.
    """

    target: Place
    paths: tuple[Path, ...]
    total: float
    rest: float
    complete: bool
    _loss: Any = field(default=None, repr=False, compare=False)
    _names: Any = field(default=None, repr=False, compare=False)

    def text(self) -> str:
        """The paths, one a line, and what remains."""
        head = f"d loss / d {self.target} = {number_text(self.total)}"
        if not self.paths:
            return f"{head}: no path leads there that is not cut by a factor 0"
        lines = [f"{head}, the sum over {'' if self.complete else 'more than '}"
                 f"{plural(len(self.paths), 'path')}"]  # fmt: skip
        lines += [f"  {path}" for path in self.paths]
        if not self.complete:
            lines.append(f"  {number_text(self.rest)} along all other paths together")
        first = self.paths[0]
        k = first.weakest
        lines.append(
            f"The largest is made smallest by {number_text(first.factors[k])}, the derivative of "
            f"{first.nodes[k]} by {first.nodes[k + 1]}."
        )
        return "\n".join(lines)

    __str__ = text

    def draw(self, path: int = 0, **options: Any) -> Any:
        """The graph with one path marked, its factors on the arrows.

        Parameters
        ----------
        path : int
            Which of `paths`.
        **options
            As of :func:`minigrad.viz.draw`.

        Returns
        -------
        Drawing
        """
        from minigrad.viz.drawing import draw

        if not 0 <= path < len(self.paths):
            raise IndexError(f"explain found {plural(len(self.paths), 'path')}, so {path} is none")
        chosen = self.paths[path]
        marks = {
            edge: number_text(factor)
            for edge, factor in zip(chosen.edges, chosen.factors, strict=True)
        }
        return draw(self._loss, marks=marks, **{**(self._names or {}), **options})

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td style='text-align:right'>{number_text(p.product)}</td>"
            f"<td>{escape(str(p).partition(' = ')[2])}</td></tr>"
            for p in self.paths
        )
        if not self.complete:
            rows += (
                f"<tr><td style='text-align:right'>{number_text(self.rest)}</td>"
                "<td>all other paths together</td></tr>"
            )
        head = f"d loss / d {escape(str(self.target))} = {number_text(self.total)}"
        return f"<table><caption>{head}</caption>{rows}</table>"


def explain(
    loss: Tensor, w: Tensor, index: int | Sequence[int] = (), *, paths: int = 10,
    model: Any = None, params: Any = None,
) -> Explanation:  # fmt: skip
    """The paths along which `loss` depends on ``w[index]``, with every factor.

    Gradients, graph and random numbers stay as they are; the graph must not have been freed.

    Parameters
    ----------
    loss : Tensor
        One number, with a graph.
    w : Tensor
        A leaf or an intermediate result.
    index : int or sequence of int
        Which element; none for a number.
    paths : int
        How many are listed at most. A small graph is searched completely; in a large one the search
        follows what adds most, and the rest is known as one sum.
    model : Module, optional
        Gives names to parameters.
    params : dict of str to Tensor, optional
        Other names.

    Returns
    -------
    Explanation

    Raises
    ------
    RuntimeError
        If `loss` has no graph, or it was freed, or does not depend on `w`.
    IndexError
        If `w` has no such element.

    Examples
    --------
    Two paths lead from the loss to `w`:

    >>> import minigrad as mg
    >>> from minigrad import viz
    >>> w = mg.tensor(2.0, requires_grad=True)
    >>> loss = (w * 3).tanh() + w * w
    >>> print(viz.explain(loss, w, params={"w": w}).text().splitlines()[0])
    d loss / d w = 4.0, the sum over 3 paths
    """
    place = _checked(loss, w, index)
    names = _Names(model, params)
    search = _Search(loss, w, place, names)
    found, complete = search.run(paths)
    total = search.total
    listed = sum(p.product for p in found)
    keywords = {"model": model, "params": params}
    return Explanation(
        search.target, tuple(found), total, 0.0 if complete else total - listed, complete,
        loss, keywords,
    )  # fmt: skip


def _checked(loss: Any, w: Any, index: Any) -> tuple[int, ...]:
    for name, t in (("loss", loss), ("w", w)):
        if not isinstance(t, Tensor):
            raise TypeError(f"explain: expected {name} as a Tensor, got {type(t).__name__}")
    if loss.array.size != 1:
        raise RuntimeError(
            f"explain: the loss must be one number, this one has shape {list(loss.shape)}: pass "
            "one element of it, or its sum"
        )
    if loss.node is None:
        raise RuntimeError(
            "explain: the loss has no graph: compute it from tensors that require grad, outside "
            "of no_grad()"
        )
    where = (index,) if isinstance(index, (int, np.integer)) else tuple(index)
    shape = w.array.shape
    if len(where) != len(shape) or not all(-n <= i < n for i, n in zip(where, shape, strict=True)):
        raise IndexError(f"explain: {list(where)} is no element of a tensor of shape {list(shape)}")
    return tuple(int(i) % n for i, n in zip(where, shape, strict=True))


class _Names:
    """What leaves are called."""

    def __init__(self, model: Any, params: Any) -> None:
        self._known: dict[int, str] = {}
        for name, t in getattr(model, "named_parameters", tuple)():
            self._known[id(t)] = name
        for name, t in (params or {}).items():
            self._known[id(t if t.node is None else t.node)] = name

    def of(self, target: Any) -> str:
        """The name of a leaf, or of the operation of a node."""
        known = self._known.get(id(target))
        if isinstance(target, Node):
            return known or op_title(target.op)
        return known or target.name or "w"


class _Search:
    """The paths between the loss and one element."""

    def __init__(self, loss: Tensor, w: Tensor, place: tuple[int, ...], names: _Names) -> None:
        self.names = names
        self.loss = loss
        self.end: Any = w.node if w.node is not None else w
        self.flat = int(np.ravel_multi_index(place, w.array.shape)) if place else 0
        self.target = Place(names.of(self.end), place, float(w.array[place]))
        assert loss.node is not None  # checked
        self.tangents = _tangents(loss.node, self.end, w.array.shape, self.flat)
        top = self.tangents.get(id(loss.node))
        if top is None:
            raise RuntimeError(
                f"explain: the loss does not depend on {self.target.name}: no edge of its graph "
                "leads there"
            )
        self.total = float(np.asarray(top).reshape(-1)[0])

    def run(self, wanted: int) -> tuple[list[Path], bool]:
        """The largest paths, and whether these are all."""
        order = count()
        start = (self._place(self.loss.node, 0, self.loss.array),)
        heap: list[Any] = [(-np.inf, next(order), self.loss.node, 0, 1.0, start, (), ())]
        found: list[Path] = []
        effort = _EFFORT * wanted
        while heap and effort > 0:
            _, _, target, flat, product, places, factors, edges = heapq.heappop(heap)
            if target is self.end:
                if flat == self.flat:
                    found.append(Path(places, factors, product, edges))
                continue
            effort -= 1
            for edge, at, factor, worth, key in self._below(target, flat, 4 * wanted):
                step = (*places, self._place(edge, at, None))
                entry = (edge, at, product * factor, step, (*factors, factor), (*edges, key))
                heapq.heappush(heap, (-abs(product * factor * worth), next(order), *entry))
        found.sort(key=lambda p: -abs(p.product))
        return found[:wanted], not heap and len(found) <= wanted

    def _below(self, node: Node, flat: int, most: int) -> Iterator[Any]:
        """What an element was computed from: the value and the element, the local derivative, the
        derivative of that element by the weight, and which edge it is.
        """
        slot = 0
        if node.op.__class__ is Pick:  # one of several results
            node, slot = node.edges[0], node.params[0]
        for i, (edge, part) in enumerate(zip(node.edges, _row(node, slot, flat), strict=True)):
            tangent = self.tangents.get(id(edge))
            if part is None or tangent is None:
                continue
            row, below = part.reshape(-1), np.asarray(tangent).reshape(-1)
            worth = np.abs(row * below)
            places = np.flatnonzero(worth)
            if len(places) > most:
                places = places[np.argpartition(-worth[places], most)[:most]]
            for at in places:
                yield edge, int(at), float(row[at]), float(below[at]), (node.seq, i)

    def _place(self, target: Any, flat: int, array: Array | None) -> Place:
        shape = tuple(target.shape)
        index = tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
        seq = target.seq if isinstance(target, Node) else None
        if target is self.end:
            return Place(self.target.name, index, self.target.value, seq)
        value = None if array is None else float(array.reshape(-1)[flat])
        name = "loss" if target is self.loss.node else self.names.of(target)
        return Place(name, index, value, seq)


def _row(node: Node, slot: int, flat: int) -> list[Any]:
    """The derivatives of one element of a result by all inputs."""
    node.check()
    shape, dtype = node.outputs[slot] if node.outputs else (node.shape, node.dtype)
    g: Any = np.zeros(shape, dtype)
    g.reshape(-1)[flat] = 1
    if node.outputs:
        g = Parts([g if k == slot else None for k in range(len(node.outputs))])
    with no_grad():
        parts = node.op.backward(node, g)
    rows = []
    for edge, part in zip(node.edges, parts, strict=True):
        if part is not None and edge is not None and part.shape != tuple(edge.shape):
            part = adding[False].sum_to(part, tuple(edge.shape))  # it was repeated
        rows.append(part)
    return rows


def _tangents(root: Node, end: Any, shape: tuple[int, ...], flat: int) -> dict[int, Any]:
    """The derivative of every value by one element, oldest first: one pass forwards."""
    first = np.zeros(shape, end.dtype if isinstance(end, Node) else end.array.dtype)
    first.reshape(-1)[flat] = 1
    found: dict[int, Any] = {id(end): first}
    for node in _in_order(root):
        if node is end or not any(id(e) in found for e in node.edges):
            continue
        found[id(node)] = _forwards(node, found)
    return found


def _in_order(root: Node) -> list[Node]:
    """All nodes, those of single results of several included, oldest first."""
    nodes = {id(n): n for n in find_nodes([root])}
    for node in [*nodes.values(), root]:
        for e in (*node.edges, node):
            if isinstance(e, Node):
                nodes[id(e)] = e
    return sorted(nodes.values(), key=lambda n: n.seq)


def _forwards(node: Node, found: dict[int, Any]) -> Any:
    """The tangent of a result, from those of its inputs: the derivative of ``<t, vjp(g)>`` by g."""
    if node.op.__class__ is Pick:
        return found[id(node.edges[0])][node.params[0]]
    node.check()
    shapes = node.outputs or ((node.shape, node.dtype),)
    with enable_grad():
        flows = [Tensor(np.zeros(s, d)) for s, d in shapes]
        flows = [f.requires_grad_() if f.array.dtype.kind == "f" else f for f in flows]
        parts = node.op.vjp(node, Parts(flows) if node.outputs else flows[0])
        total: Any = None
        for edge, part in zip(node.edges, parts, strict=True):
            tangent = found.get(id(edge))
            if part is None or tangent is None:
                continue
            if tuple(part.shape) != tuple(edge.shape):
                part = adding[True].sum_to(part, tuple(edge.shape))
            term = (part * Tensor(tangent)).sum()
            total = term if total is None else total + term
    wanted = [f for f in flows if f._requires_grad]
    if total is None or total.node is None:
        zeros = [np.zeros(s, d) for s, d in shapes]
        return zeros if node.outputs else zeros[0]
    ins = gradients([total], wanted, [None], True, False)
    arrays = [
        np.zeros(f.array.shape, f.array.dtype) if t is None else t.array
        for f, t in zip(wanted, ins, strict=True)
    ]
    return arrays if node.outputs else arrays[0]
