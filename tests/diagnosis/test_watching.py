"""What is recorded over a training: the right numbers, of the right steps; nothing afterwards."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.core.modes import current
from minigrad.diagnosis.watching import histogram
from minigrad.nn import functional as F


@pytest.fixture(autouse=True)
def _seeded() -> None:
    mg.manual_seed(0)


def net() -> Any:
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 2))


def trained(model: Any, steps: int, optimizer: Any = None) -> None:
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        x = mg.randn(32, 4)
        F.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
        optimizer.step()


def test_the_numbers_are_those_of_numpy() -> None:
    model, x, y = net(), mg.randn(32, 4), mg.randint(0, 2, (32,))
    before = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    hidden = [model[:2](x), model[:4](x)]
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with mg.watch(model) as seen:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    (record,) = seen.records
    assert record["step"] == 1
    assert record["loss"] == pytest.approx(loss.item())
    assert record["lr"] == 0.1
    for path, a in zip(("1", "3"), (t.detach().numpy() for t in hidden), strict=True):
        known = record["layers"][path]
        assert known["mean"] == pytest.approx(a.mean(), rel=1e-5)
        assert known["std"] == pytest.approx(a.std(), rel=1e-5)
        assert sum(known["histogram"][0]) == a.size
    assert record["layers"]["1"]["dead"] == (hidden[0].detach().numpy() <= 0).all(0).mean()
    assert "saturated" in record["layers"]["3"]
    for name, p in model.named_parameters():
        known = record["parameters"][name]
        moved = np.linalg.norm(p.detach().numpy() - before[name]) / np.linalg.norm(before[name])
        assert known["update"] == pytest.approx(moved, rel=1e-4)
        assert known["gradient"] == pytest.approx(np.linalg.norm(p.grad.numpy()), rel=1e-5)


@pytest.mark.parametrize("every", [1, 3, 10])
def test_every_so_manyth_step(every: int) -> None:
    model = net()
    with mg.watch(model, every=every) as seen:
        trained(model, 20)
    assert seen.steps == [s for s in range(1, 21) if s % every == 0]
    assert all(r["loss"] is not None and len(r["parameters"]) == 6 for r in seen.records)


def test_nobody_listens_afterwards_and_training_is_the_same() -> None:
    results = []
    for watched in (False, True):
        mg.manual_seed(3)
        model = net()
        if watched:
            seen = mg.watch(model, every=2)
            trained(model, 5)
            seen.close()
            seen.close()
            assert current.get().listeners == ()
            assert not model._forward_pre_hooks
        else:
            trained(model, 5)
        results.append([p.detach().numpy().tobytes() for p in model.parameters()])
    assert results[0] == results[1]
    trained(model, 2)
    assert len(seen) == 2


def test_functions_in_forward_are_layers_too() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            return self.b(F.relu(F.relu(self.a(x))).tanh())

    model = Net()
    with mg.watch(model) as seen:
        trained(model, 2)
    assert set(seen.records[0]["layers"]) == {"a", "relu", "relu 2", "tanh", "b"}


def test_exceptions_and_evaluations_in_between() -> None:
    model = net()
    seen = mg.watch(model)

    def run() -> None:
        with seen:
            trained(model, 2)
            with mg.no_grad():
                model(mg.randn(4, 4))  # no step: no backward pass follows
            trained(model, 1)
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert seen.steps[:2] == [1, 2]
    assert len(seen) == 3
    assert current.get().listeners == ()


def test_two_networks_at_a_time() -> None:
    first, second = net(), net()
    with mg.watch(first) as a, mg.watch(second) as b:
        trained(first, 2)
        trained(second, 3)
    assert (len(a), len(b)) == (2, 3)


def test_files(tmp_path: Path) -> None:
    model = net()
    with mg.watch(model) as seen:
        trained(model, 3)
    rows = list(csv.DictReader(seen.to_csv(tmp_path / "w.csv").read_text().splitlines()))
    assert rows[0] == {"step": "1", "name": "", "quantity": "loss", "value": rows[0]["value"]}
    assert {r["quantity"] for r in rows} >= {"loss", "lr", "std", "gradient", "update", "dead"}
    again = json.loads(seen.to_json(tmp_path / "w.json").read_text())
    assert [r["step"] for r in again] == seen.steps
    assert again[2]["parameters"]["0.weight"]["norm"] == seen.series("norm", "0.weight")[2]
    seen.records[0]["loss"] = math.nan
    assert json.loads(seen.to_json(tmp_path / "w.json").read_text())[0]["loss"] is None


def test_plots(tmp_path: Path) -> None:
    model = net()
    with mg.watch(model) as seen:
        trained(model, 4)
    for name, make in {
        "time.png": lambda p: seen.plot(p), "depth.svg": lambda p: seen.histograms(path=p),
        "layer.png": lambda p: seen.histograms("1", p),
        "weight.png": lambda p: seen.histograms("0.weight", p),
    }.items():  # fmt: skip
        assert make(tmp_path / name).stat().st_size > 5000
    assert (seen._repr_png_() or b"").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"step 9 was not recorded; recorded: \[1, 2, 3, 4\]"):
        seen.histograms(step=9)


def test_what_makes_no_sense_says_what_to_do() -> None:
    with pytest.raises(TypeError, match="expected model as a Module, got list"):
        mg.watch([])
    for every in (0, -1, 1.5):
        with pytest.raises(ValueError, match="every must be a positive number of steps"):
            mg.watch(net(), every)  # type: ignore[arg-type]
    seen = mg.watch(net())
    seen.close()
    with pytest.raises(ValueError, match=r"nothing was recorded: train inside the `with`"):
        seen.plot()
    model = net()
    with mg.watch(model) as seen:
        trained(model, 1)
    with pytest.raises(KeyError, match=r"nothing was recorded of 'l'; known: 0, 0\.bias"):
        seen.series("std", "l")


def test_histograms_of_what_is_odd() -> None:
    assert histogram(np.array([np.nan])) is None
    assert histogram(np.zeros(0)) is None
    counts, low, high = histogram(np.full(10, 3.0))  # type: ignore[misc]
    assert (sum(counts), low, high) == (10, 3.0, 3.0)
    counts, low, high = histogram(np.array([np.inf, 0.0, 1.0]))  # type: ignore[misc]
    assert (sum(counts), low, high) == (2, 0.0, 1.0)
    exact = np.histogram(x := np.random.default_rng(0).normal(size=4000), 32)[0]
    ours = histogram(x)[0]  # type: ignore[index]
    assert sum(abs(a - b) for a, b in zip(ours, exact.tolist(), strict=True)) <= 8


# -- TensorBoard -----------------------------------------------------------------------------------


def events(folder: Path) -> list[Any]:
    """What stands in the event files of a folder."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(folder.rglob("*tfevents*")):
        data, place = file.read_bytes(), 0
        while place < len(data):
            size = int.from_bytes(data[place : place + 8], "little")
            found.append(Event.FromString(data[place + 12 : place + 12 + size]))
            place += 16 + size
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_event_files_hold_what_was_watched(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    model = net()
    with mg.watch(model) as seen:
        trained(model, 2)
    seen.to_tensorboard(tmp_path)
    values = {(v.tag, e.step): v for e in events(tmp_path) for v in e.summary.value}
    assert values["loss", 2].simple_value == pytest.approx(seen.series("loss")[1], rel=1e-6)
    assert values["update/0.weight", 1].simple_value > 0
    assert sum(values["layers/1", 2].histo.bucket) == 32 * 16


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_summary_writer_takes_tensors(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from minigrad.utils.tensorboard import SummaryWriter

    model = net()
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", mg.tensor(0.5, requires_grad=True) * 1, 3)
        writer.add_scalars("both", {"a": mg.tensor(1.0), "b": 2.0}, 1)
        writer.add_histogram("w", model[0].weight, 1)
        writer.add_image("image", mg.rand(3, 8, 8), 1)
        writer.add_images("images", mg.rand(2, 1, 8, 8), 1)
        writer.add_text("note", "hello", 1)
        writer.add_embedding(mg.randn(5, 3), metadata=list("abcde"))
        writer.add_pr_curve("pr", mg.tensor([0, 1, 1]), mg.tensor([0.2, 0.6, 0.9]), 1)
        writer.add_hparams({"lr": 0.1}, {"accuracy": mg.tensor(0.9)})
        writer.add_graph(model, mg.randn(2, 4))
        assert writer.log_dir == str(tmp_path)
        with pytest.raises(AttributeError, match="SummaryWriter has no 'add_scaler'"):
            writer.add_scaler("loss", 1)
    found = events(tmp_path)
    values = {v.tag: v for e in found for v in e.summary.value}
    assert values["loss"].simple_value == 0.5
    assert {"w", "image", "pr", "accuracy"} <= set(values)
    assert any(t.startswith("images") for t in values)
    from tensorboardX.proto.graph_pb2 import GraphDef

    (graph,) = [GraphDef.FromString(e.graph_def) for e in found if e.graph_def]
    names = {n.name: n for n in graph.node}
    assert "0/weight" in names
    operations = [n for n in graph.node if n.op in ("linear", "relu", "tanh")]
    assert [n.op for n in operations] == ["linear", "relu", "linear", "tanh", "linear"]
    assert all(name in names for n in graph.node for name in n.input)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from minigrad.utils.tensorboard import SummaryWriter

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "minigrad\[tensorboard\]"'):
        SummaryWriter()
