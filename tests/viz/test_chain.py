"""The chain rule on the arrows: what is written multiplies and adds up to the gradients."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, viz
from minigrad.core.modes import listen
from minigrad.viz.flow import flow


def test_local_derivatives_of_a_scalar_graph() -> None:
    w, x, b = (mg.tensor(v, requires_grad=True) for v in (0.5, 2.0, 1.0))
    y = (w * x + b).tanh() + w * w
    found = flow({"y": y})
    slope = 1 - np.tanh(2.0) ** 2
    texts = sorted(e.local for e in found.edges.values())
    assert texts == sorted(["1.0", "1.0", f"{slope:.3g}", "0.5", "0.5", "1.0", "1.0", "2.0", "0.5"])
    assert found.leaves[id(w)].text == f"{2 * slope + 1:.3g}"
    assert w.grad is None
    y.backward()  # nothing was freed


def test_gradients_are_sums_of_what_arrows_bring() -> None:
    """At every value: the sum over its arrows of the gradient at the head times what is written."""
    a = mg.tensor(0.3, requires_grad=True, dtype=mg.float64)
    h = a.sin()
    y = h * h + h.exp() * a
    found = flow({"y": y})
    arrived = {seq: float(s.text) for seq, s in found.gradients.items()}
    total = 0.0
    for (seq, i), edge in found.edges.items():
        node = next(n for n in _nodes(y) if n.seq == seq)
        if node.edges[i] is a:
            total += arrived[seq] * float(edge.local)
    (grad,) = mg.autograd.grad(y, [a])
    assert total == pytest.approx(grad.item(), rel=0.01)  # three digits are written


def _nodes(y: mg.Tensor) -> list:
    from minigrad.viz.graph import find_nodes

    return find_nodes([y.node])


def test_small_jacobians_are_written_out_large_ones_by_length() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = (x.softmax(0) * mg.tensor([1.0, 3.0])).sum()
    texts = [e.local for e in flow({"y": y}).edges.values()]
    s = 1 / (1 + np.e)
    d = s * (1 - s)
    assert f"[[{d:.3g}, {-d:.3g}], [{-d:.3g}, {d:.3g}]]" in texts
    net = nn.Linear(20, 10)
    y = net(mg.randn(5, 20)).square().mean()
    texts = [e.local for e in flow({"y": y}).edges.values()]
    assert any(re.fullmatch(r"length ×[\d.e+-]+", t) for t in texts)


def test_vanishing_gradients_are_pale() -> None:
    mg.manual_seed(0)
    layers = [part for _ in range(6) for part in (nn.Linear(4, 4), nn.Sigmoid())]
    net = nn.Sequential(*layers, nn.Linear(4, 1))
    source = viz.draw(net(mg.randn(8, 4)).mean(), net, chain=True).source
    widths = [float(w) for w in re.findall(r"penwidth=([\d.]+)\]", source)]
    assert max(widths) > 2.5
    assert min(widths) < 1


def test_others_hear_nothing_of_it_and_all_stays_as_it_is() -> None:
    heard: list[str] = []
    w = mg.ones(2, requires_grad=True)
    y = (w * 3).sum()
    with listen(lambda event: heard.append(event.op.name)):
        viz.draw(y, chain=True)
    assert heard == []
    assert w.grad is None


def test_several_results_and_cross_entropy() -> None:
    x = mg.randn(4, 3, requires_grad=True)
    first, second = x.unbind(0)[:2]
    y = F.cross_entropy(x, mg.tensor([0, 1, 2, 0])) + (first * second).sum()
    assert "digraph" in viz.draw(y, chain=True).source


def test_what_cannot_be_drawn_says_why() -> None:
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="drawn for numbers"):
        viz.draw(w * 2, chain=True)
    y = (w * w).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        viz.draw(y, chain=True)
