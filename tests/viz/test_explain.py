"""Paths from the loss to one weight: their products add up to the gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, viz


def _random_program(seed: int) -> tuple[Any, list[Any]]:
    """A small loss of a few leaves, by operations drawn from a list; float64."""
    rng = np.random.default_rng(seed)
    leaves = [
        mg.tensor(rng.uniform(0.3, 1.5, shape), requires_grad=True)
        for shape in ((2, 3), (3, 2), (3,), ())
    ]
    known = list(leaves)
    for _ in range(rng.integers(2, 7)):
        a, b = (known[rng.integers(len(known))] for _ in range(2))
        kind = rng.integers(8)
        if kind == 0:
            new = a.tanh()
        elif kind == 1:
            new = a * a + 0.5
        elif kind == 2 and a.ndim == 2 and b.ndim == 2 and a.shape[1] == b.shape[0]:
            new = a @ b
        elif kind == 3:
            new = a.sum(-1) if a.ndim else a.exp() * 0.2
        elif kind == 4 and a.ndim:
            new = a.softmax(-1)
        elif kind == 5 and a.ndim == 2:
            first, second = a.unbind(0)[:2]
            new = first * second
        else:
            try:
                new = a * b + a / (1 + b * b)
            except RuntimeError:  # sizes that do not broadcast
                new = a.sigmoid()
        known.append(new)
    loss = sum((t * t).mean() for t in known[-3:])
    return loss, leaves


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_the_paths_and_the_rest_add_up_to_the_gradient(seed: int) -> None:
    loss, leaves = _random_program(seed)
    reached = [t for t in leaves if t in _leaves_of(loss)]
    if not reached:
        return
    w = reached[seed % len(reached)]
    index = tuple(seed // 7 % n for n in w.shape)
    before = [t.grad for t in leaves]
    found = viz.explain(loss, w, index, paths=8)
    assert [t.grad for t in leaves] == before
    (grad,) = mg.autograd.grad(loss, [w], retain_graph=True)
    assert math.isclose(found.total, grad[index].item(), rel_tol=1e-9, abs_tol=1e-12)
    listed = sum(p.product for p in found.paths)
    assert math.isclose(listed + found.rest, found.total, rel_tol=1e-9, abs_tol=1e-9)
    for path in found.paths:
        assert math.isclose(math.prod(path.factors), path.product, rel_tol=1e-9)
        assert len(path.nodes) == len(path.factors) + 1
        assert path.nodes[-1].index == index
    loss.backward()  # the graph is still whole


def _leaves_of(loss: Any) -> set[Any]:
    found, stack, seen = set(), [loss.node], set()
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        for e in getattr(node, "edges", ()):
            if isinstance(e, mg.Tensor):
                found.add(e)
            else:
                stack.append(e)
    return found


def test_every_path_of_a_small_network_is_listed() -> None:
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    loss = net(mg.randn(2, 2, dtype=mg.float64)).square().sum()
    found = viz.explain(loss, net[0].weight, (1, 0), paths=100, model=net)
    # two samples, two outputs; the square reads its input once
    assert len(found.paths) == 4
    assert found.complete
    assert found.rest == 0
    (grad,) = mg.autograd.grad(loss, [net[0].weight])
    assert sum(p.product for p in found.paths) == pytest.approx(grad[1, 0].item(), rel=1e-12)
    assert [p.nodes[-1].name for p in found.paths] == ["0.weight"] * 4
    sizes = [abs(p.product) for p in found.paths]
    assert sizes == sorted(sizes, reverse=True)


def test_the_text_names_what_kills_the_gradient() -> None:
    w = mg.tensor(6.0, requires_grad=True, dtype=mg.float64)
    loss = (w.tanh() * 3).sigmoid()
    text = viz.explain(loss, w, params={"w": w}).text()
    assert "d loss / d w" in text
    assert "made smallest by 2.46e-05, the derivative of tanh by w" in text


def test_of_a_large_network_the_rest_is_one_number() -> None:
    mg.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(50, 80), nn.ReLU(), nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 5)
    )
    loss = F.cross_entropy(net(mg.randn(16, 50)), mg.randint(0, 5, (16,)))
    found = viz.explain(loss, net[0].weight, (3, 4), paths=5, model=net)
    (grad,) = mg.autograd.grad(loss, [net[0].weight])
    assert (len(found.paths), found.complete) == (5, False)
    assert found.total == pytest.approx(grad[3, 4].item(), rel=1e-4, abs=1e-8)


def test_an_intermediate_result_and_shared_weights() -> None:
    w = mg.tensor([1.5], requires_grad=True, dtype=mg.float64)
    h = w * 2
    loss = (h * h + w).sum()
    found = viz.explain(loss, h, 0, params={"h": h})
    assert found.total == pytest.approx(6.0)
    found = viz.explain(loss, w, 0)
    assert sorted(p.product for p in found.paths) == pytest.approx([1.0, 6.0, 6.0])


def test_the_path_is_marked_in_the_drawing() -> None:
    w = mg.tensor(2.0, requires_grad=True)
    found = viz.explain((w * 3).tanh(), w, params={"w": w})
    source = found.draw().source
    assert source.count("penwidth=2.5") == len(found.paths[0].factors)
    assert "3.0" in source
    with pytest.raises(IndexError, match="explain found 1 path"):
        found.draw(1)
    assert "<table>" in found._repr_html_()


def test_wrong_arguments_say_what_to_do() -> None:
    w = mg.ones(2, requires_grad=True)
    other = mg.ones(2, requires_grad=True)
    loss = (w * 2).sum()
    with pytest.raises(IndexError, match=r"\[2\] is no element of a tensor of shape \[2\]"):
        viz.explain(loss, w, 2)
    with pytest.raises(RuntimeError, match="must be one number"):
        viz.explain(w * 2, w, 0)
    with pytest.raises(RuntimeError, match="has no graph"):
        viz.explain(mg.ones(()), w, 0)
    with pytest.raises(RuntimeError, match="does not depend on"):
        viz.explain(loss, other, 0)
    with pytest.raises(TypeError, match="expected w as a Tensor, got int"):
        viz.explain(loss, 3, 0)  # type: ignore[arg-type]
    deep = (w.exp() * 2).sum()
    deep.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        viz.explain(deep, w, 0)
