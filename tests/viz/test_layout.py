"""Layouts that can be read, and that end: shared leaves drawn at each use, folding by itself."""

from __future__ import annotations

from collections import Counter

import minigrad as mg
from minigrad import viz
from minigrad.viz.collapse import _CROSSED, _TANGLED, _crossed, fit, repeat_leaves
from minigrad.viz.drawing import _roots
from minigrad.viz.graph import Graph, Options, describe


def _unrolled(steps: int) -> tuple[mg.Tensor, dict[str, mg.Tensor]]:
    """A recurrent network, written by hand."""
    shapes = {"Wx": (3, 4), "Wh": (4, 4), "b": (4,)}
    weights = {name: mg.randn(*shape, requires_grad=True) for name, shape in shapes.items()}
    h, loss = mg.zeros(2, 4), 0
    for _ in range(steps):
        x = mg.randn(2, 3)
        h = (x @ weights["Wx"] + h @ weights["Wh"] + weights["b"]).tanh()
        loss = loss + h.square().mean()
    return loss, weights


def _described(loss: mg.Tensor, params: dict[str, mg.Tensor] | None = None) -> Graph:
    return describe(_roots(loss), None, Options(params=params or {}))


def test_weights_of_a_recurrent_network_are_drawn_at_each_step() -> None:
    loss, weights = _unrolled(20)
    before = _described(loss, weights)
    assert _crossed(before) > _CROSSED
    graph = fit(before, None, 400)
    assert _crossed(graph) <= _CROSSED
    titles = Counter(b.title for b in graph.boxes if b.kind == "leaf")
    assert titles == {"Wx": 20, "Wh": 20, "b": 20}
    shown = [b for b in graph.boxes if b.title == "b" and b.rows]
    assert len(shown) == 1  # its numbers stand there once
    assert graph.caption == "drawn at each use: Wx, Wh, b"


def test_a_few_steps_stay_as_they_are() -> None:
    loss, weights = _unrolled(2)
    graph = _described(loss, weights)
    assert _crossed(graph) <= _TANGLED
    assert fit(graph, None, 250) is graph


def test_what_no_layout_carries_is_folded_and_said() -> None:
    values = [mg.tensor(float(i), requires_grad=True).exp() for i in range(120)]
    loss = values[0]
    for a in values[1:]:
        loss = loss * a
    for a in values:  # each is read again, far away
        loss = loss + a
    before = _described(loss)
    graph = fit(before, None, 800)
    assert _crossed(before) > _CROSSED >= _crossed(graph)
    assert len(graph.boxes) < len(before.boxes)
    assert "folded" in graph.caption


def test_all_boxes_are_kept_where_no_limit_is_wanted() -> None:
    w = mg.ones(3, requires_grad=True)
    y = w
    for _ in range(200):
        y = (y * 1.01 + w).tanh()
    drawing = viz.draw(y.sum(), max_nodes=None)
    assert "601 operations" in repr(drawing)


def test_repeating_leaves_keeps_every_arrow() -> None:
    loss, weights = _unrolled(8)
    graph = _described(loss, weights)
    again = repeat_leaves(graph)
    assert len(again.arrows) == len(graph.arrows)
    assert [a.head for a in again.arrows] == [a.head for a in graph.arrows]
    assert [a.tail.title for a in again.arrows] == [a.tail.title for a in graph.arrows]


def test_matrices_wrap_by_rows() -> None:
    w = mg.tensor([[1.25, -2.5], [3.75, 4.0]], requires_grad=True)
    source = viz.draw((w * w).sum(), params={"w": w}).source
    assert "[[1.25, -2.5],<br" in source
