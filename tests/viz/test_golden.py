"""Whole pictures, compared with the DOT text of ones that were looked at."""

from __future__ import annotations

import minigrad as mg
from minigrad import nn, viz
from minigrad.nn import functional as F


def leaf(value, name=None):
    t = mg.tensor(value, requires_grad=True)
    t.name = name
    return t


def neuron():
    x1, x2 = leaf(2.0, "x1"), leaf(0.0, "x2")
    w1, w2, b = leaf(-3.0, "w1"), leaf(1.0, "w2"), leaf(6.8813735870195432, "b")
    n = x1 * w1 + x2 * w2 + b
    n.name = "n"
    return n, n.tanh()


def mlp():
    mg.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Sequential(nn.Linear(128, 64), nn.ReLU()),
        nn.Linear(64, 10),
    )
    x, t = mg.randn(32, 64), mg.randint(0, 10, (32,))
    return model, F.cross_entropy(model(x), t), {"images": x, "digits": t}


def test_neuron_with_values_and_gradients(golden):
    with viz.record() as tape:
        _, o = neuron()
        o.backward()
    golden("neuron", viz.draw({"o": o}, tape=tape, values=True, grads=True, direction="LR"))


def test_neuron_plain(golden):
    golden("neuron_plain", viz.draw(neuron()[1], values=False))


def test_mlp(golden):
    model, loss, inputs = mlp()
    golden("mlp", viz.draw(loss, model, inputs=inputs, values=False))


def test_mlp_collapsed(golden):
    model, loss, inputs = mlp()
    golden("mlp_depth1", viz.draw(loss, model, inputs=inputs, values=False, depth=1))
    golden("mlp_depth0", viz.draw(loss, model, inputs=inputs, values=False, depth=0))


def test_mlp_saved(golden):
    model, loss, inputs = mlp()
    golden("mlp_saved", viz.draw(loss, model, inputs=inputs, values=False, show_saved=True))


def test_after_backward(golden):
    model, loss, _ = mlp()
    loss.backward()
    golden("mlp_after_backward", viz.draw(loss, model, values=False))


def test_double_backward(golden):
    x = leaf([1.0, 2.0, 3.0], "x")
    (g,) = mg.autograd.grad((x * x * x).sum(), x, create_graph=True)
    golden("double_backward", viz.draw({"sum of g²": (g * g).sum()}))


def test_long_chain(golden):
    y = leaf(1.0, "x")
    for _ in range(500):
        y = (y * 1.001).tanh()
    golden("chain_folded", viz.draw(y, values=False))


def test_same_text_again():
    """The second time around the counters of the engine stand elsewhere."""
    texts = []
    for _ in range(2):
        model, loss, inputs = mlp()
        texts.append(viz.draw(loss, model, inputs=inputs).source)
    assert texts[0] == texts[1]
