"""``draw``: a picture of a computation, and the object that holds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from minigrad.autograd.modes import is_grad_enabled
from minigrad.core.tensor import Tensor
from minigrad.viz.collapse import fit
from minigrad.viz.dot import to_dot
from minigrad.viz.flow import flow
from minigrad.viz.graph import Graph, Options, describe
from minigrad.viz.record import Tape
from minigrad.viz.render import render

__all__ = ["Drawing", "draw"]

_TEXTS = (".dot", ".gv")
_PICTURES = (".svg", ".png", ".pdf")


class Drawing:
    """A picture: shown by notebooks, written by :meth:`save`.

    Attributes
    ----------
    source : str
        The DOT text, which needs no Graphviz; also called ``dot``.
    ids : dict
        The ids of elements in the SVG: of the box that an operation is in, by ``node.seq``, and of
        the arrow to one of its inputs, by ``(node.seq, input)``. Events of that operation
        (:mod:`minigrad.core.events`) have the same node.
    """

    def __init__(self, source: str, summary: str = "", ids: dict[Any, str] | None = None) -> None:
        self.source = source
        self.ids = ids or {}
        self._summary = summary
        self._svg: str | None = None

    @property
    def dot(self) -> str:
        """The DOT text."""
        return self.source

    @property
    def svg(self) -> str:
        """The picture as SVG text.

        Raises
        ------
        ImportError
            If there is no Graphviz.
        """
        if self._svg is None:
            self._svg = render(self.source, "svg").decode()
        return self._svg

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | PathLike[str], dpi: int = 144) -> Path:
        """Write the picture; the suffix decides the format.

        Parameters
        ----------
        path : path_like
            Ends in .svg, .png, .pdf, .dot or .gv.
        dpi : int
            Pixels per inch, for PNG.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        ValueError
            For any other suffix.
        ImportError
            If there is no Graphviz, and the suffix is not one of DOT text.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix in _TEXTS:
            path.write_text(self.source, encoding="utf-8")
        elif suffix == ".svg":
            path.write_text(self.svg, encoding="utf-8")
        elif suffix in _PICTURES:
            path.write_bytes(render(self.source, suffix[1:], dpi))
        else:
            raise ValueError(
                f"Drawing.save: expected a path that ends in {', '.join((*_PICTURES, *_TEXTS))}, "
                f"got {path.name!r}"
            )
        return path

    def __repr__(self) -> str:
        return f"Drawing({self._summary})"


def draw(
    loss: Tensor | Iterable[Tensor] | Mapping[str, Tensor],
    model: Any = None,
    *,
    params: Mapping[str, Tensor] | Iterable[Any] | None = None,
    inputs: Mapping[str, Tensor] | None = None,
    tape: Tape | None = None,
    values: str | bool = "small",
    grads: str | bool = "small",
    show_saved: bool = False,
    depth: int | None = None,
    direction: str = "TB",
    max_nodes: int | None = 250,
    marks: Mapping[tuple[int, int], str] | None = None,
    chain: bool = False,
    memory: bool = False,
    times: bool = False,
    shared: str = "auto",
    rolled: bool | None = None,
) -> Drawing:
    """Draw the graph that `loss` was computed by, from the data to the loss.

    Operations are grey, leaves that collect a gradient light blue, outputs green, saved tensors
    orange; calls of modules are frames around what they computed. It may be drawn before or after
    the backward pass, which frees what nodes saved: constant operands are then known only by
    `tape`.

    Parameters
    ----------
    loss : Tensor, sequence of Tensor, or dict of str to Tensor
        What was computed.
    model : Module, optional
        Whose parameters give names to leaves, and whose calls become frames.
    params : dict of str to Tensor, or iterable, optional
        Names of leaves, or of intermediate results that are to be shown with their values; an
        iterable of tensors (named by ``Tensor.name``, or p0, p1, ...) or of pairs.
    inputs : dict of str to Tensor, optional
        Names of data, such as ``{"images": x, "digits": y}``.
    tape : Tape, optional
        What :func:`record` noted: with it, every intermediate result has a box.
    values, grads : {"small", True, False}
        Write elements and gradients: of tensors of at most eight elements, also mean and
        standard deviation of larger ones, or none.
    show_saved : bool
        Show what is kept in memory for the backward pass.
    depth : int, optional
        Collapse modules at this level of nesting to one box each; what was called outermost, the
        model as a rule, is level 0.
    direction : {"TB", "LR"}
        From top to bottom, or from left to right.
    max_nodes : int or None
        Collapse further where there would be more boxes; None draws all.
    marks : dict of (int, int) to str, optional
        Arrows to be marked, and what is written on them: by the number of the reading node
        (``node.seq``) and which of its inputs it is.
    chain : bool
        Write the chain rule on the arrows: the local derivative of each operation by each of its
        inputs (a number, a vector, a small matrix, or by how much the gradient gets longer), and
        draw arrows as strong as the gradient that flows back along them. The gradient at a value is
        the sum, over the arrows that leave it, of the gradient at the head times what is written
        there. Needs a graph that was not freed: draw before `backward`, or retain it.

    memory : bool
        Write on each operation how many bytes it keeps for the backward pass.
    times : bool
        Write on each operation how long it took, forward and backward; needs a `tape`, and is the
        time while that listened.
    shared : {"auto", "once", "each"}
        Draw leaves that several operations read, such as the weights of a recurrent network, once
        or beside each; by itself once, unless the arrows would be tangled.
    rolled : bool, optional
        Draw equal blocks in a row once, with "×12" on the frame; by itself in large graphs only.

    Returns
    -------
    Drawing

    Raises
    ------
    RuntimeError
        If `loss` has no graph.
    ValueError
        For other options than these, and `times` without a tape.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import viz
    >>> w = mg.tensor([0.5, -1.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> viz.draw(loss, params={"w": w})
    Drawing(2 operations, 4 boxes)
    """
    if direction not in ("TB", "LR"):
        raise ValueError(f"draw: direction must be 'TB' or 'LR', got {direction!r}")
    for name, level in (("values", values), ("grads", grads)):
        if level not in (True, False, "small"):
            raise ValueError(f"draw: {name} must be 'small', True or False, got {level!r}")
    if depth is not None and depth < 0:
        raise ValueError(f"draw: depth must not be negative, got {depth}")
    if max_nodes is not None and max_nodes < 1:
        raise ValueError(f"draw: max_nodes must be positive, got {max_nodes}")
    if shared not in ("auto", "once", "each"):
        raise ValueError(f"draw: shared must be 'auto', 'once' or 'each', got {shared!r}")
    if times and tape is None:
        raise ValueError("draw: times needs a tape: with viz.record() as tape: ..., then tape=tape")
    named = _named("params", params, "p")
    options = Options(
        params=named,
        inputs=_named("inputs", inputs, "input"),
        tape=tape,
        values=values,
        grads=grads,
        show_saved=show_saved,
        memory=memory,
        times=times,
        marks=marks or {},
        flow=flow(_roots(loss)) if chain else None,
    )
    graph = describe(_roots(loss), model, options)
    graph = fit(graph, depth, max_nodes, shared, rolled)
    ops = sum(sum(b.ops.values()) for b in graph.boxes)
    summary = f"{ops:,} operation{'s' * (ops != 1)}, {len(graph.boxes):,} boxes"
    return Drawing(to_dot(graph, direction), summary, _ids(graph))


def _ids(graph: Graph) -> dict[Any, str]:
    """Elements of the picture by the numbers of nodes."""
    found: dict[Any, str] = {s: f"n{i}" for i, b in enumerate(graph.boxes) for s in b.seqs}
    for i, arrow in enumerate(graph.arrows):
        if arrow.edge is not None:
            found[arrow.edge] = f"e{i}"
    return found


def _roots(loss: Any) -> dict[str, Tensor]:
    """What to draw, by name, all of it with a graph."""
    if isinstance(loss, Tensor):
        default = "loss" if loss.array.size == 1 else "output"
        found = {loss.name or default: loss}
    elif isinstance(loss, Mapping):
        found = dict(loss)
    else:
        found = {}
        for i, t in enumerate(_iterate("loss", loss)):
            name = getattr(t, "name", None)
            found[name if name and name not in found else f"output {i}"] = t
    if not found:
        raise ValueError("draw: there is nothing to draw: loss is empty")
    for name, t in found.items():
        _check_root(name, t)
    return found


def _iterate(argument: str, values: Any) -> Iterable[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(
            f"draw: expected {argument} as a Tensor, a sequence or a dict of Tensors, got "
            f"{type(values).__name__}"
        )
    return values


def _check_root(name: str, t: Any) -> None:
    if not isinstance(t, Tensor):
        raise TypeError(f"draw: expected {name!r} to be a Tensor, got {type(t).__name__}")
    if t.node is not None:
        return
    shape = list(t.array.shape)
    if t._requires_grad:
        raise RuntimeError(
            f"draw: {name!r} (of shape {shape}) is a leaf: nothing was computed yet that could be "
            "drawn. Pass a result, such as the loss"
        )
    now = "" if is_grad_enabled() else " (it is switched off right now)"
    raise RuntimeError(
        f"draw: {name!r} (of shape {shape}) has no graph. Either nothing that it was computed from "
        f"has requires_grad=True, or it was computed under no_grad(){now}, or it was cut off by "
        "detach(), .data or item(). Compute it from parameters, with gradients enabled"
    )


def _named(argument: str, tensors: Any, prefix: str) -> dict[str, Tensor]:
    """Tensors by name, from a dictionary, pairs, or bare tensors."""
    if tensors is None:
        return {}
    named: dict[str, Tensor] = {}
    pairs = tensors.items() if isinstance(tensors, Mapping) else _iterate(argument, tensors)
    for i, item in enumerate(pairs):
        name, t = item if isinstance(item, tuple) else (None, item)
        if not isinstance(t, Tensor):
            raise TypeError(f"draw: {argument} must hold Tensors, got {type(t).__name__}")
        named[name or t.name or f"{prefix}{i}"] = t
    return named
