"""Equal blocks drawn once, gradients through folds, costs of operations, ids, shared weights."""

from __future__ import annotations

import re
from typing import Any

import pytest

import minigrad as mg
from minigrad import models, nn, viz
from minigrad.core.modes import listen
from minigrad.nn import functional as F
from minigrad.viz.render import available


def gpt(layers: int) -> tuple[Any, Any]:
    mg.manual_seed(0)
    sizes = models.GPTConfig(vocab_size=7, block_size=4, n_layer=layers, n_head=2, n_embd=8)
    model = models.GPT(sizes)
    x = mg.randint(0, 7, (2, 4))
    return model, model(x, x)[1]


def test_twelve_blocks_are_drawn_once() -> None:
    model, loss = gpt(12)
    source = viz.draw(loss, model).source
    assert "transformer.h.0 … transformer.h.11: Block ×12" in source
    assert "transformer.h.1.ln_1" not in source
    assert "drawn once" in source
    one = viz.draw(*gpt(1)[::-1]).source
    assert source.count('[id="n') == one.count('[id="n')  # the picture of one block
    assert source.count(" -> ") == one.count(" -> ")


def test_it_can_be_asked_for_and_refused() -> None:
    model, loss = gpt(3)
    assert "Block ×3" in viz.draw(loss, model, rolled=True).source
    assert "Block ×3" not in viz.draw(loss, model, rolled=False).source


def test_blocks_that_differ_are_not_rolled_up() -> None:
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(4)])
    model[2][1] = nn.Tanh()
    loss = model(mg.randn(2, 4)).sum()
    assert "drawn once" not in viz.draw(loss, model, rolled=True, values=False).source


def test_what_is_behind_the_last_block_hangs_on_the_drawn_one() -> None:
    model = nn.Sequential(
        *[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(5)], nn.Linear(4, 2)
    )
    source = viz.draw(model(mg.randn(2, 4)).sum(), model, rolled=True).source
    names = dict(re.findall(r'(n\d+) \[id="n\d+", label=<[^>]*>?.*?<b>([\w.]+)</b>', source))
    arrows = {(names.get(a), names.get(b)) for a, b in re.findall(r"(n\d+) -> (n\d+)", source)}
    assert ("relu", "linear") in arrows
    assert ("linear", "relu") in arrows
    assert sum(name == "relu" for name in names.values()) == 1


def test_time_steps_stay() -> None:
    cell, h = nn.RNNCell(3, 4), mg.zeros(1, 4)
    for _ in range(6):
        h = cell(mg.randn(1, 3), h)
    source = viz.draw(h.sum(), cell, rolled=True).source
    assert "call 6 of 6" in source


def test_folded_arrows_keep_the_gradient() -> None:
    mg.manual_seed(0)
    deep = nn.Sequential(*[m for _ in range(4) for m in (nn.Linear(8, 8), nn.Sigmoid())])
    loss = deep(mg.randn(16, 8)).square().mean()
    source = viz.draw(loss, deep, chain=True, depth=1, values=False).source
    gains = [float(g) for g in re.findall(r"length ×([\d.e-]+)", source)]
    assert len(gains) >= 7
    widths = [float(w) for w in re.findall(r"penwidth=([\d.]+)\];", source)]
    assert min(widths) < 0.8 * max(widths)
    x = deep[:2](mg.randn(16, 8)).detach().requires_grad_()
    y = x
    for m in deep[2:]:
        y = m(y)
    assert y.requires_grad


def test_the_gain_of_a_module_is_that_of_its_gradients() -> None:
    mg.manual_seed(0)
    x = mg.randn(8, 4, requires_grad=True)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    h = model[0](x)
    h.retain_grad()
    y = model[1](h)
    y.retain_grad()
    loss = y.square().sum()
    source = viz.draw(loss, model, params={"x": x}, chain=True, depth=1, values=False).source
    loss.backward()
    expected = (h.grad.norm() / y.grad.norm()).item()
    assert any(
        abs(float(g) - expected) < 2e-3 * expected for g in re.findall(r"length ×([\d.]+)", source)
    )


def test_costs_of_operations() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU())
    with viz.record() as tape:
        loss = model(mg.randn(4, 8)).sum()
        loss.backward(retain_graph=True)
    source = viz.draw(loss, model, tape=tape, values=False, memory=True, times=True).source
    assert "keeps" in source
    assert "256 B" in source  # the result of relu: 4 x 16 numbers of 4 bytes
    assert re.search(r"forward.*?\d+ µs", source)
    assert re.search(r"backward.*?\d+ µs", source)
    assert set(tape.forward) == set(tape.values)
    assert set(tape.backward) <= set(tape.forward)
    with pytest.raises(ValueError, match="times needs a tape"):
        viz.draw(loss, model, times=True)


def test_events_boxes_and_arrows_know_each_other() -> None:
    w, heard = mg.tensor(2.0, requires_grad=True), []
    y = (w * 3).tanh()
    drawing = viz.draw(y, params={"w": w})
    with listen(lambda event: heard.append(event)):
        y.backward()
    nodes = [e.node for e in heard if e.node is not None]
    assert len(nodes) == 2
    for node in nodes:
        box = drawing.ids[node.seq]
        assert re.search(rf'{box} \[id="{box}"[^\n]*(tanh|×)', drawing.source)
        arrow = drawing.ids[node.seq, 0]
        assert f'id="{arrow}"' in drawing.source
    if available():
        for name in drawing.ids.values():
            assert f'id="{name}"' in drawing.svg


def test_folded_boxes_keep_the_ids_of_what_is_in_them() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    loss = model(mg.randn(2, 4)).sum()
    drawing = viz.draw(loss, model, depth=0)
    assert loss.node is not None
    inner = loss.node.edges[0]
    assert drawing.ids[inner.seq] == drawing.ids[inner.edges[0].seq]


@pytest.mark.parametrize(("shared", "times"), [("once", 1), ("each", 3)])
def test_weights_that_are_shared(shared: str, times: int) -> None:
    w, h = mg.tensor(0.5, requires_grad=True), mg.tensor(1.0)
    for _ in range(3):
        h = (h * w).tanh()
    source = viz.draw(h, params={"w": w}, shared=shared).source
    assert source.count("<b>w</b>") == times
    with pytest.raises(ValueError, match="shared must be 'auto', 'once' or 'each', got 'twice'"):
        viz.draw(h, shared="twice")


def test_a_network_of_many_layers() -> None:
    layers = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(300)]
    model = nn.Sequential(*layers)
    loss = F.mse_loss(model(mg.randn(2, 4)), mg.zeros(2, 4))
    source = viz.draw(loss, model).source
    assert "0 … 299: Sequential ×300" in source


def test_blocks_that_others_read_are_all_drawn() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(5))

        def forward(self, x: Any) -> Any:
            found = []
            for block in self.blocks:
                x = block(x)
                found.append(x)
            return mg.cat(found, 1)

    model = Dense()
    drawing = viz.draw(model(mg.randn(2, 4)).sum(), model, rolled=True, values=False)
    assert "drawn once" not in drawing.source
    assert drawing.source.count("<b>relu</b>") == 5


def test_operations_of_all_blocks_are_counted_and_costs_stay() -> None:
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(12)])
    with viz.record() as tape:
        loss = model(mg.randn(2, 4)).sum()
        loss.backward(retain_graph=True)
    rolled = viz.draw(loss, model, rolled=True, tape=tape, times=True, memory=True, values=False)
    whole = viz.draw(loss, model, rolled=False, values=False, max_nodes=None)
    assert repr(rolled).split(",")[0] == repr(whole).split(",")[0]
    assert len(re.findall(r"\d µs|\d ms", rolled.source)) >= 6
    assert "with the numbers of the first" in rolled.source
