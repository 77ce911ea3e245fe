"""What a drawing contains, and what is refused."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, viz
from minigrad.viz.drawing import _roots
from minigrad.viz.graph import Options, describe


def leaf(value, name=None):
    t = mg.tensor(value, requires_grad=True)
    t.name = name
    return t


def graph(loss, model=None, **options):
    return describe(_roots(loss), model, Options(**options))


def titles(g, kind):
    return [b.title for b in g.boxes if b.kind == kind]


def only(g, kind):
    (box,) = (b for b in g.boxes if b.kind == kind)
    return box


# -- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "title"),
    [
        (lambda x: x + 1.5, "+ 1.5"),
        (lambda x: 2 * x, "× 2"),
        (lambda x: x * 1.001, "× 1.001"),
        (lambda x: x - 3, "− 3"),
        (lambda x: 3 - x, "3 − x"),
        (lambda x: x / 4, "÷ 4"),
        (lambda x: 1 / x, "1 ÷ x"),
        (lambda x: x + x, "+"),
        (lambda x: x - x, "a − b"),
        (lambda x: -x, "−x"),
        (lambda x: x.exp(), "exp"),
        (lambda x: x.double(), "to float64"),
        (lambda x: x**3, "x³"),
        (lambda x: x**-2, "x⁻²"),
        (lambda x: x.softmax(dim=1), "softmax(dim=1)"),
        (lambda x: x.sum(dim=0), "sum(dim=0)"),
        (lambda x: x.sum(), "sum"),
    ],
)
def test_titles(function, title):
    x = leaf([[1.0, 2.0]])
    with viz.record() as tape:
        y = function(x)
    assert titles(graph(y, tape=tape), "op") == [title]


def test_unknown_constant():
    """The graph does not keep what addition added."""
    assert titles(graph(leaf(1.0) + 5), "op") == ["+ const"]


def test_a_tensor_used_twice_has_two_arrows():
    x = leaf(3.0)
    g = graph(x * x)
    assert len([a for a in g.arrows if a.tail.kind == "leaf"]) == 2


def test_order_of_operands_is_told():
    g = graph(leaf(1.0, "p") - leaf(2.0, "q"))
    assert [(a.tail.title, a.label) for a in g.arrows if a.tail.kind == "leaf"] == [
        ("p", "a"), ("q", "b"),
    ]  # fmt: skip


def test_several_results_meet_in_one_node():
    x = leaf([[3.0, 1.0], [2.0, 5.0]])
    values, _ = x.sort(dim=1)
    parts = x.sum(0).unbind(0)
    g = graph({"a": values.sum() + parts[0] * parts[1]})
    assert len({id(b) for b in g.boxes}) == len(g.boxes)
    assert len(titles(g, "leaf")) == 1


# -- names -------------------------------------------------------------------------------------


def test_names_from_model_params_inputs_and_attribute():
    model = nn.Linear(2, 3)
    scale, shift, x = leaf(2.0), leaf(1.0, "shift"), mg.ones(4, 2)
    loss = (model(x) * scale + shift).sum()
    g = graph(loss, model, params={"scale": scale}, inputs={"x": x})
    assert set(titles(g, "leaf")) == {"weight", "bias", "scale", "shift"}
    assert titles(g, "input") == ["x"]
    assert titles(g, "output") == ["loss"]


def test_params_as_iterable():
    w, b = leaf([1.0, 2.0]), leaf(0.5, "b")
    text = viz.draw((w.sum() + b), params=[w, b]).source
    assert "<b>p0</b>" in text
    assert "<b>b</b>" in text
    model = nn.Linear(2, 1)
    text = viz.draw(model(mg.ones(1, 2)), params=model.named_parameters()).source
    assert "<b>weight</b>" in text


def test_unnamed_data_is_called_what_operations_call_it():
    model = nn.Linear(2, 3)
    loss = nn.functional.cross_entropy(model(mg.ones(4, 2)), mg.tensor([0, 1, 2, 0]))
    assert titles(graph(loss, model), "input") == ["input", "target"]


def test_reshaped_input_keeps_its_name():
    model, x = nn.Linear(4, 1), mg.rand(2, 2, 2)
    g = graph(model(x.reshape(2, 4)).sum(), model, inputs={"images": x})
    assert titles(g, "input") == ["images"]


def test_named_result_gets_a_box_without_tape():
    x = leaf(2.0, "x")
    h = x * 3
    h.retain_grad()
    y = h * h
    y.backward()
    box = only(graph(y, params={"h": h}), "tensor")
    assert (box.title, box.rows) == ("h", (("data", "6.0"), ("grad", "12.0")))


def test_markup_in_names_is_escaped():
    text = viz.draw(leaf(1.0, '<"a" & b>') * 2).source
    assert "&lt;&quot;a&quot; &amp; b&gt;" in text


# -- values and gradients ----------------------------------------------------------------------


def test_levels_of_values():
    small, large = leaf([1.0, 2.0], "small"), leaf(np.linspace(0, 1, 101, dtype="f4").tolist())
    loss = small.sum() + large.sum()
    loss.backward()

    def rows(level):
        g = graph(loss, values=level, grads=level)
        return [dict(b.rows) for b in g.boxes if b.kind == "leaf"]

    assert rows(False) == [{}, {}]
    assert rows("small") == [{"data": "[1.0, 2.0]", "grad": "[1.0, 1.0]"}, {}]
    assert rows(True)[1] == {"data": "0.5 ± 0.292", "grad": "1.0 ± 0.0"}


def test_nan_is_told():
    x = leaf([[float("nan"), float("inf"), *[0.0] * 8]], "x")
    assert dict(only(graph(x.sum(), values=True), "leaf").rows)["data"] == "1 nan, 1 inf of 10"


def test_tape_knows_interior_values_and_gradients():
    x = leaf(3.0, "x")
    with viz.record() as tape:
        y = (x * 2 + 1) ** 2
        y.backward()
    boxes = [b for b in graph(y, tape=tape).boxes if b.kind in ("tensor", "output")]
    assert [dict(b.rows) for b in boxes] == [
        {"data": "6.0", "grad": "14.0"},
        {"data": "7.0", "grad": "14.0"},
        {"data": "49.0", "grad": "1.0"},
    ]


def test_tape_keeps_no_results_alive():
    x = leaf([1.0] * 100)
    with viz.record() as tape:
        y = (x * 2).sum()
    seq = y.node.seq
    assert tape.tensor(seq) is y
    del y
    assert tape.tensor(seq) is None
    assert len(tape.values) == 2


def test_values_on_tape_are_of_their_time():
    x = leaf([1.0, 2.0])
    with viz.record() as tape:
        h = x * 2
        seq = h.node.seq
        h.detach().zero_()
    assert tape.values[seq].text == "[2.0, 4.0]"


def test_tape_stops_listening():
    x = leaf(1.0)
    with viz.record() as tape:
        x * 2
    x * 3
    assert len(tape) == 1
    assert repr(tape) == "Tape(1 results, 0 gradients)"


def test_backward_after_recording():
    x = leaf(1.0)
    with viz.record() as tape:
        y = x * 2
    y.backward()
    assert len(tape.grads) == 1


# -- saved tensors -----------------------------------------------------------------------------


def test_saved_tensors_come_and_go():
    x = leaf([1.0] * 1000)
    y = x.exp()
    loss = (y * y).sum()
    boxes = [b for b in graph(loss, show_saved=True).boxes if b.kind == "saved"]
    assert [k for b in boxes for k, _ in b.rows] == ["result", "input a", "input b"]
    assert boxes[0].rows[0][1] == "1000 float32, 3.9 KiB"
    assert not [b for b in graph(loss).boxes if b.kind == "saved"]
    loss.backward()
    assert not [b for b in graph(loss, show_saved=True).boxes if b.kind == "saved"]


# -- modules -----------------------------------------------------------------------------------


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(self.layer(x)).relu()


def frames(g):
    return {b.call.label for b in g.boxes if b.call is not None}


def test_module_called_twice_has_two_frames():
    model = Twice()
    loss = model(mg.ones(1, 2)).sum()
    g = graph(loss, model)
    assert frames(g) == {
        "Twice", "layer: Linear(2 → 2), call 1 of 2", "layer: Linear(2 → 2), call 2 of 2",
    }  # fmt: skip
    # Parameters that both calls read are in the frame around both; the loss is in none.
    assert {b.call.label for b in g.boxes if b.kind == "leaf"} == {"Twice"}
    assert next(b for b in g.boxes if b.title == "sum").call is None


def test_earlier_calls_do_not_count():
    model = Twice()
    for _ in range(3):
        loss = model(mg.ones(1, 2)).sum()
    assert frames(graph(loss, model)) >= {"layer: Linear(2 → 2), call 1 of 2"}


def test_backward_nodes_are_outside():
    model = nn.Linear(2, 1)
    x = leaf([[1.0, 2.0]])
    (g,) = mg.autograd.grad(model(x).tanh().sum(), x, create_graph=True)
    calls = {b.call for b in graph((g * g).sum(), model).boxes if b.kind == "op"}
    assert None in calls


def test_data_is_outside_and_masks_are_inside():
    model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5))
    x = mg.ones(3, 2)
    g = graph(model(x).sum(), model)
    where = {b.title: b.call for b in g.boxes if b.kind == "input"}
    outside = [t for t, call in where.items() if call is None]
    assert len(outside) == 1
    assert all(call is not None for t, call in where.items() if t not in outside)


def test_labels_of_modules():
    from minigrad.viz.modules import module_label

    assert module_label("0", nn.Linear(3, 4)) == "0: Linear(3 → 4)"
    assert module_label("a.b", nn.Dropout(0.25)) == "a.b: Dropout(p=0.25)"
    assert module_label("", nn.ReLU()) == "ReLU"
    assert module_label("n", nn.BatchNorm1d(7)) == "n: BatchNorm1d(7)"
    assert module_label("n", nn.LayerNorm(7)) == "n: LayerNorm(7)"
    assert module_label("n", nn.LayerNorm((7, 8))) == "n: LayerNorm((7, 8))"
    assert module_label("s", nn.Sequential(nn.ReLU())) == "s: Sequential"


def test_not_a_module():
    with pytest.raises(TypeError, match="model must be a Module, got dict"):
        viz.draw(leaf(1.0) * 2, {})


# -- errors ------------------------------------------------------------------------------------


def test_no_graph():
    with pytest.raises(RuntimeError, match=r"'loss' \(of shape \[\]\) has no graph.*requires_grad"):
        viz.draw(mg.ones(3).sum())
    x = leaf(1.0)
    with mg.no_grad(), pytest.raises(RuntimeError, match="switched off right now"):
        viz.draw(x * 2)
    with pytest.raises(RuntimeError, match="detach"):
        viz.draw((x * 2).detach())
    with pytest.raises(RuntimeError, match="is a leaf"):
        viz.draw(x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"direction": "RL"}, ValueError, "'TB' or 'LR', got 'RL'"),
        ({"values": "all"}, ValueError, "values must be"),
        ({"grads": 3}, ValueError, "grads must be"),
        ({"depth": -1}, ValueError, "depth"),
        ({"max_nodes": 0}, ValueError, "max_nodes"),
        ({"params": {"w": 3}}, TypeError, "params must hold Tensors, got int"),
        ({"params": 3}, TypeError, "params"),
        ({"inputs": "x"}, TypeError, "inputs"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        viz.draw(leaf(1.0) * 2, **arguments)


def test_bad_loss():
    with pytest.raises(TypeError, match="got float"):
        viz.draw(1.0)
    with pytest.raises(TypeError, match="got str"):
        viz.draw("loss")
    with pytest.raises(TypeError, match="'output 1' to be a Tensor, got int"):
        viz.draw([leaf(1.0) * 2, 3])
    with pytest.raises(ValueError, match="empty"):
        viz.draw([])


def test_several_outputs():
    x = leaf(1.0)
    a, b = x * 2, x * 3
    assert titles(graph([a, b]), "output") == ["output 0", "output 1"]
    assert titles(graph({"a": a, "b": b}), "output") == ["a", "b"]


# -- the text ----------------------------------------------------------------------------------


def test_boxes_are_numbered_in_order():
    text = viz.draw((leaf(1.0) * 2).tanh()).source
    assert re.findall(r"^  (n\d+) \[", text, re.M) == [f"n{i}" for i in range(4)]


def test_thousands_of_nodes_without_recursion():
    y = leaf(1.0)
    for _ in range(20_000):
        y = y * 1.0
    start = time.perf_counter()
    drawing = viz.draw(y)
    assert time.perf_counter() - start < 10
    assert repr(drawing) == "Drawing(20,000 operations, 5 boxes)"
