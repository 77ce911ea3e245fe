"""A run that goes on in a new process ends with the bits of one that never stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, serialize
from minigrad.data import DataLoader, TensorDataset
from minigrad.optim import lr_scheduler

pytest.importorskip("safetensors")


class Run:
    """Dropout, batch norm, Adam with momentum, a schedule, shuffled data: all that has a state."""

    def __init__(self) -> None:
        mg.manual_seed(3)
        self.model = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.02, weight_decay=1e-3)
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 3, 0.5)
        x = mg.randn(24, 5)
        self.loader = DataLoader(
            TensorDataset(x, mg.arange(24) % 3, mg.arange(24)), batch_size=6, shuffle=True
        )
        self.seen: list[int] = []

    def parts(self) -> tuple[Any, Any, Any]:
        return self.model, self.optimizer, self.scheduler

    def epochs(self, first: int, last: int) -> None:
        self.model.train()
        for _ in range(first, last):
            for x, y, index in self.loader:
                self.seen += index.tolist()
                self.optimizer.zero_grad()
                nn.functional.cross_entropy(self.model(x), y).backward()
                self.optimizer.step()
            self.scheduler.step()

    def bits(self) -> dict[str, bytes]:
        """Everything, as bytes."""
        found = {f"model.{k}": t.array for k, t in self.model.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            found |= {f"adam.{i}.{k}": np.asarray(mg.as_tensor(v)) for k, v in state.items()}
        found["rates"] = np.array(self.scheduler.get_last_lr())
        found["next draws"] = mg.rand(10).array
        return {k: a.tobytes() + str((a.dtype, a.shape)).encode() for k, a in found.items()}


def go_on(checkpoint: str, result: str) -> None:
    """What the new process does."""
    run = Run()
    mg.manual_seed(99)  # nothing of the start is left
    extra = serialize.load_checkpoint(checkpoint, *run.parts())
    run.epochs(extra["epoch"], 10)
    bits = {k: v.hex() for k, v in run.bits().items()}
    serialize.save({"bits": bits, "seen": run.seen, "extra": extra}, result)


def test_five_epochs_and_five_in_a_new_process_are_ten(tmp_path: Path) -> None:
    straight = Run()
    straight.epochs(0, 10)
    expected = {k: v.hex() for k, v in straight.bits().items()}
    first = Run()
    first.epochs(0, 5)
    checkpoint, result = tmp_path / "run.safetensors", tmp_path / "result"
    serialize.save_checkpoint(checkpoint, *first.parts(), epoch=5, history={"loss": [1.0]})
    code = "import sys; from tests.serialize.test_resume import go_on; go_on(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, str(checkpoint), str(result)], check=True)
    second = serialize.load(result)
    assert second["extra"] == {"epoch": 5, "history": {"loss": [1.0]}}
    assert first.seen + second["seen"] == straight.seen
    assert second["bits"].keys() == expected.keys()
    assert [k for k in expected if second["bits"][k] != expected[k]] == []


def test_random_numbers_can_be_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    mg.manual_seed(1)
    serialize.save_checkpoint(path, epoch=1)
    draws = mg.rand(3).tolist()
    mg.manual_seed(2)
    other = mg.rand(3).tolist()
    mg.manual_seed(2)
    serialize.load_checkpoint(path, rng=False)
    assert mg.rand(3).tolist() == other
    serialize.load_checkpoint(path)
    assert mg.rand(3).tolist() == draws


def test_extras_may_have_a_state(tmp_path: Path) -> None:
    path = tmp_path / "file"
    net = nn.Linear(1, 1)
    serialize.save_checkpoint(path, average=net)
    assert set(serialize.load_checkpoint(path)["average"]) == {"weight", "bias"}
