"""Large graphs become small, stay without cycles, and lose no operation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, viz
from minigrad.viz.collapse import collapse_to_depth, fit, fold_runs, fold_stretches
from minigrad.viz.graph import Options, describe


def random_graph(parents):
    """A graph whose i-th operation adds two of the results before it."""
    results = [mg.tensor(float(i), requires_grad=True) for i in range(3)]
    for a, b in parents:
        results.append(results[a % len(results)] + results[b % len(results)])
    return describe({"loss": results[-1] * 1.0}, None, Options())


def is_acyclic(graph):
    into = {id(b): 0 for b in graph.boxes}
    after = {id(b): [] for b in graph.boxes}
    for arrow in graph.arrows:
        into[id(arrow.head)] += 1
        after[id(arrow.tail)].append(id(arrow.head))
    ready = [key for key, n in into.items() if n == 0]
    done = 0
    while ready:
        done += 1
        for key in after[ready.pop()]:
            into[key] -= 1
            if into[key] == 0:
                ready.append(key)
    return done == len(graph.boxes)


def count(graph):
    return sum(sum(b.ops.values()) for b in graph.boxes)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=40),
    st.integers(1, 12),
)
def test_folding_keeps_the_graph_acyclic(parents, pieces):
    graph = random_graph(parents)
    for smaller in (fold_stretches(graph, pieces), fold_runs(graph), fit(graph, None, pieces)):
        assert is_acyclic(smaller)
        assert count(smaller) == count(graph)
        assert len(smaller.boxes) <= len(graph.boxes)


def block(width=4):
    return nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.blocks = nn.ModuleList([block() for _ in range(n)])

    def forward(self, x):
        for inner in self.blocks:
            x = x + inner(x)
        return x


@pytest.fixture(scope="module")
def residual():
    model = Residual(12)
    return model, model(mg.ones(2, 4)).sum()


def described(model, loss):
    return describe({"loss": loss}, model, Options())


def test_depth(residual):
    graph = described(*residual)
    for depth in range(4):
        smaller = collapse_to_depth(graph, depth)
        assert is_acyclic(smaller)
        assert count(smaller) == count(graph)
    one = collapse_to_depth(graph, 0)
    assert [b.title for b in one.boxes] == ["input", "Residual", "sum", "loss"]
    assert one.boxes[1].note == "60 ops, 48 params"
    blocks = [b for b in collapse_to_depth(graph, 1).boxes if b.kind == "module"]
    assert blocks[0].title == "blocks.0: Sequential"
    assert blocks[0].note == "4 ops, 4 params"
    assert len(blocks) == 12


def test_max_nodes_chooses_the_depth(residual):
    graph = described(*residual)
    assert fit(graph, None, 250).boxes == graph.boxes
    smaller = fit(graph, None, 100)
    assert smaller.caption == "61 operations, collapsed to depth 2 (max_nodes=100)"
    assert len(smaller.boxes) <= 100
    assert "collapsed to depth 1" in fit(graph, None, 40).caption
    assert "collapsed to depth 0" in fit(graph, None, 10).caption
    assert "collapsed to depth 1" in viz.draw(residual[1], residual[0], max_nodes=40).source


def test_given_depth_is_kept_where_it_fits(residual):
    graph = described(*residual)
    assert fit(graph, 1, 250).caption == ""
    assert "depth 0" in fit(graph, 1, 10).caption


def test_leaf_read_by_a_collapsed_module_only_is_swallowed(residual):
    graph = collapse_to_depth(described(*residual), 1)
    assert not [b for b in graph.boxes if b.kind == "leaf"]


def test_run_keeps_its_ends():
    y = mg.tensor(1.0, requires_grad=True)
    for _ in range(20):
        y = (y * 2).tanh()
    graph = fold_runs(describe({"loss": y}, None, Options()))
    assert [b.kind for b in graph.boxes] == ["leaf", "op", "fold", "op", "output"]
    assert graph.boxes[2].title == "⋯ 38 ops ⋯"
    assert graph.boxes[2].note == "tanh ×19, mul ×19"


def test_recurrence_without_modules_fits():
    w, h = mg.rand(3, 3).requires_grad_(), mg.zeros(3)
    for _ in range(200):
        h = (w * h).sum(1).tanh() + h * 0.5
    drawing = viz.draw(h.sum())
    assert "1,000 operations, folded (max_nodes=250)" in drawing.source
    assert drawing.source.count("label=") < 40
