"""``viz.steps``: what is shown is what autograd computed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, viz
from minigrad.nn import functional as F
from minigrad.viz.render import available
from minigrad.viz.stepping.text import as_text
from minigrad.viz.stepping.values import fill, number, show

GOLDEN = Path(__file__).parent / "golden"


def leaf(value):
    return mg.tensor(value, requires_grad=True)


def neuron():
    w, x, b = leaf(0.5), leaf(2.0), leaf(1.0)
    with viz.record() as tape:
        y = mg.tanh(w * x + b)
        y.backward()
    return viz.steps(y, params={"w": w, "x": x, "b": b}, tape=tape), (w, x, b)


def node(shown, name):
    (found,) = [n for n in shown.data["nodes"] if n["name"] == name]
    return found["id"]


def elements(shown, key):
    return np.array(shown.data["values"][key]["elements"])


def lines(shown, phase, name):
    (step,) = [
        s for s in shown.data["steps"] if s["phase"] == phase and s["node"] == node(shown, name)
    ]
    return [fill(line, shown.data["values"]) for line in step["lines"]]


def network():
    mg.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10), nn.BatchNorm1d(10),
        nn.Dropout(0.3), nn.Linear(10, 3),
    )  # fmt: skip
    return model, mg.randn(5, 1, 8, 8), mg.randint(0, 3, (5,))


# -- the data ------------------------------------------------------------------------------------


def test_golden_data():
    shown, _ = neuron()
    for n in shown.data["nodes"]:
        n.pop("place", None)
    text = json.dumps(shown.data, ensure_ascii=False, indent=1) + "\n"
    path = GOLDEN / "steps_neuron.json"
    if os.environ.get("MINIGRAD_OVERWRITE"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_formulas_with_their_numbers():
    shown, _ = neuron()
    assert lines(shown, "forward", "y") == ["y = tanh(v2) = tanh(2) = 0.964"]
    assert lines(shown, "backward", "y") == [
        "dy/dy = 1",
        "dy/dv2 = 1 - y * y = 1 - 0.964 * 0.964 = 0.07065",
    ]
    assert lines(shown, "backward", "v1") == [
        "dy/dv1 = 0.07065",
        "dv1/dw = x = 2",
        "dy/dw = dy/dv1 * dv1/dw = 0.07065 * 2 = 0.1413",
        "dv1/dx = w = 0.5",
        "dy/dx = dy/dv1 * dv1/dx = 0.07065 * 0.5 = 0.03533",
    ]


def test_every_leaf_ends_at_its_gradient():
    shown, leaves = neuron()
    for name, t in zip("wxb", leaves):
        assert elements(shown, f"g:{node(shown, name)}") == t.grad.item()


def test_a_fan_out_adds_up():
    x = leaf(3.0)
    with viz.record() as tape:
        y = x * x + x.exp() / x
        y.backward()
    shown = viz.steps(y, tape=tape)
    found = node(shown, "x")
    sent = [elements(shown, f"c:{e['id']}") for e in shown.data["edges"] if e["from"] == found]
    assert len(sent) == 4
    assert sum(sent) == pytest.approx(x.grad.item())
    uses, total, last = lines(shown, "leaf", "x")
    assert uses == "x is used 4 times, so gradients add up:"
    assert total.startswith("dy/dx = ")
    assert total.endswith(f"= {number(x.grad.item())}")
    assert total.count(" + ") == 3
    assert last == "This is x.grad."


def test_chain_rule_on_every_edge():
    """What passes an edge is what arrived, times the local derivative."""
    a, b = leaf(0.7), leaf(-1.3)
    with viz.record() as tape:
        y = (mg.sigmoid(a * b) - a / b).exp().log1p() * F.gelu(a)
        y.backward()
    shown = viz.steps(y, tape=tape)
    checked = 0
    for e in shown.data["edges"]:
        if e["flows"]:
            product = elements(shown, f"g:{e['to']}") * elements(shown, f"l:{e['id']}")
            assert elements(shown, f"c:{e['id']}") == pytest.approx(product, rel=1e-5)
            checked += 1
    assert checked == len(shown.data["edges"])


@pytest.mark.parametrize("taped", [True, False])
def test_networks(taped):
    model, x, t = network()
    with viz.record() as tape:
        loss = F.cross_entropy(model(x), t)
    shown = viz.steps(loss, model, tape=tape if taped else None)
    loss.backward()
    for name, p in model.named_parameters():
        assert shown.data["values"][f"g:{node(shown, name)}"] == show(p.grad.array)
    assert shown.data["program"] is None


def test_without_a_tape_the_same_is_shown():
    model, x, t = network()
    with viz.record() as tape:
        loss = F.cross_entropy(model(x), t)
        loss.backward(retain_graph=True)
    again = viz.steps(loss, model).data
    heard = viz.steps(loss, model, tape=tape).data
    assert again["values"] == heard["values"]
    assert [s["title"] for s in again["steps"]] == [s["title"] for s in heard["steps"]]


def test_nothing_else_changes():
    model, x, t = network()
    called = []
    loss = F.cross_entropy(model(x), t)
    next(model.parameters()).register_hook(lambda g: called.append(g))
    before = mg.get_rng_state()
    viz.steps(loss, model)
    assert mg.equal(before, mg.get_rng_state())
    assert all(p.grad is None for p in model.parameters())
    assert called == []
    loss.backward()
    assert len(called) == 1


def test_steps_come_in_the_order_of_computation():
    shown, _ = neuron()
    phases = [s["phase"] for s in shown.data["steps"]]
    assert phases == ["start", *["forward"] * 3, "turn", "backward", "backward", "leaf", "backward",
                      "leaf", "leaf", "end"]  # fmt: skip
    for e in shown.data["edges"]:
        order = [n["id"] for n in shown.data["nodes"]]
        assert order.index(e["from"]) < order.index(e["to"])


def test_lines_of_the_program_and_names_from_them():
    w = leaf(2.0)
    with viz.record() as tape:
        doubled = w * 2
        loss = nn.Dropout(0.5)(doubled.exp().reshape(1)).sum()
        loss.backward()
    shown = viz.steps(loss, tape=tape)
    by_name = {n["name"]: n for n in shown.data["nodes"]}
    assert by_name["doubled"]["line"] == "doubled = w * 2"
    assert by_name["doubled"]["place"].startswith(f"{__file__}:")
    assert {n["line"] for n in shown.data["nodes"] if n["kind"] == "op"} == {
        "doubled = w * 2",
        "loss = nn.Dropout(0.5)(doubled.exp().reshape(1)).sum()",
    }


def test_a_line_in_a_loop_names_nothing_twice():
    h = leaf(0.5)
    with viz.record() as tape:
        for _ in range(3):
            h = mg.tanh(h)
    names = [n["name"] for n in viz.steps(h, tape=tape).data["nodes"]]
    assert len(set(names)) == len(names) == 4


def test_several_results_and_derivatives_of_derivatives():
    x = leaf([1.0, 2.0, 3.0, 4.0])
    a, b = x.split(2)
    first = (a * b * b).sum()
    shown = viz.steps(first)
    first.backward()
    assert elements(shown, f"g:{node(shown, 'x')}").tolist() == x.grad.tolist()
    (g,) = mg.autograd.grad((x**3).sum(), x, create_graph=True)
    x.grad = None
    second = (g * g).sum()
    shown = viz.steps(second)
    second.backward()
    assert elements(shown, f"g:{node(shown, 'x')}").tolist() == x.grad.tolist()


@pytest.mark.filterwarnings("ignore::minigrad.autograd.nonfinite.NonFiniteWarning")
def test_numbers_that_are_none():
    x = leaf(-1.0)
    with viz.record() as tape:
        y = mg.log(x) + mg.tensor([float("inf")]).sum()
        y.backward()
    shown = viz.steps(y, tape=tape)
    json.dumps(shown.data, allow_nan=False)
    assert "nan" in shown.html
    assert any("no real logarithm" in line for s in shown.data["steps"] for line in s["lines"])


def test_broadcast_operands_get_sums():
    x, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([1.0, -1.0])
    with viz.record() as tape:
        y = (x * b).sum()
        y.backward()
    shown = viz.steps(y, tape=tape)
    assert elements(shown, f"g:{node(shown, 'b')}").tolist() == b.grad.tolist() == [4.0, 6.0]
    assert any("summed over the copies of b" in line for line in lines(shown, "backward", "v1"))


# -- values --------------------------------------------------------------------------------------


def test_large_tensors_become_pictures():
    values = np.linspace(-1, 1, 300 * 200).reshape(300, 200)
    heat = show(values)
    assert (heat["heat"]["rows"], heat["heat"]["columns"]) == (64, 64)
    assert heat["stats"]["min"] == -1
    assert heat["stats"]["mean"] == pytest.approx(0, abs=1e-12)
    images = show(np.zeros((40, 3, 32, 32)))["images"]
    assert (images["n"], images["rows"], images["colour"]) == (16, 32, True)
    assert show(np.full(100, np.nan))["stats"] == {"size": 100, "not finite": 100}


def test_rows_called_images_are_shown_as_such():
    images, rows = mg.rand(5, 64), mg.rand(5, 64)
    w = leaf(1.0)
    with viz.record() as tape:
        z = (images * w).mean() + (rows * w).mean()
    shown = viz.steps(z, tape=tape)
    assert "images" in shown.data["values"][f"v:{node(shown, 'images')}"]
    assert "images" not in shown.data["values"][f"v:{node(shown, 'rows')}"]


def test_negative_numbers_stand_in_parentheses():
    values = {"a": {"elements": -2.0}, "b": {"elements": 3.0}}
    assert fill("⟦a⟧ * ⟦b⟧ = f(⟦a⟧, ⟦b⟧) = ⟦a⟧", values) == "(-2) * 3 = f(-2, 3) = -2"
    assert fill("⟦c⟧", values) == "?"


# -- what can be written -------------------------------------------------------------------------


def test_text():
    shown, _ = neuron()
    text = shown.text()
    assert text == as_text(shown.data)
    assert "y = tanh(v2) = tanh(2) = 0.964" in text
    assert "> y = mg.tanh(w * x + b)" in text


def test_page_is_one_file():
    shown, _ = neuron()
    assert not any(word in shown.html for word in ("src=", "@import", "fetch(", "XMLHttp"))
    assert "</script><b>" not in viz.steps(leaf(1.0) * 2, title="</script><b>").html
    assert shown._repr_html_().startswith('<iframe srcdoc="')


def test_saved_forms(tmp_path):
    shown, _ = neuron()
    assert shown.save(tmp_path / "a.html").read_text(encoding="utf-8") == shown.html
    assert json.loads(shown.save(tmp_path / "a.json").read_text(encoding="utf-8")) == shown.data
    assert shown.save(tmp_path / "a.txt").read_text(encoding="utf-8") == shown.text() + "\n"
    with pytest.raises(ValueError, match=r"cannot write '.docx'"):
        shown.save(tmp_path / "a.docx")
    with pytest.raises(ValueError, match="kind must be"):
        shown.save(tmp_path / "frames", kind="bmp")


def test_frames_and_animation(tmp_path):
    image = pytest.importorskip("PIL.Image")
    if not available():
        pytest.skip("Graphviz is not installed")
    shown, _ = neuron()
    folder = shown.save(tmp_path / "frames")
    files = sorted(folder.iterdir())
    assert [f.name for f in files] == [f"step-{i:02}.svg" for i in range(len(shown))]
    heads = {f.read_text(encoding="utf-8").partition("viewBox=")[2][:40] for f in files}
    assert len(heads) == 1  # all have the same layout
    with image.open(shown.save(tmp_path / "a.gif", dpi=50)) as animation:
        assert animation.n_frames == len(shown)


# -- refused -------------------------------------------------------------------------------------


def test_what_cannot_be_stepped_through():
    w = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match="expected a Tensor, got float"):
        viz.steps(1.0)
    with pytest.raises(RuntimeError, match="has no graph"):
        viz.steps(w)
    with pytest.raises(RuntimeError, match=r"shape \[2\].*reduce it first"):
        viz.steps(w * 2)
    y = w.sum()
    for _ in range(10):
        y = y * 2
    with pytest.raises(ValueError, match="11 operations are too many"):
        viz.steps(y, max_nodes=10)
    with pytest.raises(ValueError, match="max_nodes must be positive"):
        viz.steps(y, max_nodes=0)


def test_freed_graphs_and_foreign_tapes():
    w = leaf(2.0)
    y = w.exp() * w
    y.backward()
    with pytest.raises(RuntimeError, match=r"retain_graph=True.*viz.record"):
        viz.steps(y)
    with viz.record() as tape:
        pass
    with pytest.raises(ValueError, match="did not hear"):
        viz.steps(w * 2, tape=tape)
