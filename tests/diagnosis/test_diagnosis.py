"""Planted sicknesses are found, where they are; healthy networks raise no alarm."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import minigrad as mg
from minigrad import models, nn, optim
from minigrad.diagnosis.findings import CHECKS
from minigrad.diagnosis.running import Batch, plain_step
from minigrad.nn import functional as F

from .networks import ARCHITECTURES
from .sick import PLANTS


def diagnosed(arguments: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mg.diagnose(**arguments)


def test_every_check_has_a_plant() -> None:
    assert set(PLANTS) == set(CHECKS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_is_found_there(name: str, architecture: str) -> None:
    mg.manual_seed(0)
    arguments, layers = PLANTS[name](architecture)
    report = diagnosed(arguments)
    found = report.named(name)
    assert found, f"not found; the report:\n{report}"
    assert layers & {f.layer for f in found}, [f.layer for f in found]


# -- healthy networks ------------------------------------------------------------------------------


def network(name: str) -> dict[str, Any]:
    """A network as people build it, with data it can learn from."""
    x, y = mg.randn(64, 16), mg.randint(0, 4, (64,))
    images, tokens = mg.randn(32, 3, 16, 16), mg.randint(0, 30, (16, 12))
    few = mg.randint(0, 10, (32,))
    rows = mg.arange(64)
    x[rows, y * 4] += 3
    images[mg.arange(32), :, few] += 2
    sizes = models.GPTConfig(vocab_size=30, block_size=12, n_layer=3, n_head=2, n_embd=32)
    vit = nn.Sequential(
        nn.Conv2d(3, 32, 4, stride=4), nn.Flatten(2), Turned(),
        nn.TransformerEncoder(
            nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True), 2,
            enable_nested_tensor=False,
        ), Averaged(), nn.Linear(32, 10),
    )  # fmt: skip
    steps = x[:, None] + mg.randn(64, 10, 16)
    small = nn.Sequential(
        nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
    )
    binary = F.binary_cross_entropy_with_logits
    made: dict[str, tuple[Any, Any, Any]] = {
        "mlp": (small, F.cross_entropy, (x, y)),
        "tanh": (two(nn.Tanh(), 4), F.cross_entropy, (x, y)),
        "lenet": (models.LeNet5(), F.cross_entropy, (mg.rand(32, 1, 28, 28), few)),
        "resnet": (models.cifar_resnet20(width=8), F.cross_entropy, (images, few)),
        "fixup": (models.cifar_fixup_resnet(20, width=8), F.cross_entropy, (images, few)),
        "densenet": (
            models.DenseNet(8, (2, 2), 16, num_classes=10), F.cross_entropy,
            (mg.randn(16, 3, 32, 32), few[:16]),
        ),
        "gpt": (Letters(models.GPT(sizes)), sequence_loss, (tokens[:, :-1], tokens[:, 1:])),
        "vit": (vit, F.cross_entropy, (images, few)),
        "lstm": (Last(nn.LSTM(16, 32, batch_first=True)), F.cross_entropy, (steps, y)),
        "gru": (Last(nn.GRU(16, 32, batch_first=True)), F.cross_entropy, (steps, y)),
        "autoencoder": (
            nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16)), F.mse_loss, x
        ),
        "regression": (two(nn.SiLU(), 1), F.mse_loss, (x, x[:, :1] * 2)),
        "binary": (two(nn.GELU(), 1), binary, (x, (y[:, None] > 1).float())),
    }  # fmt: skip
    model, loss, batch = made[name]
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    return {"model": model, "loss_fn": loss, "batch": batch, "optimizer": optimizer}


NETWORKS = (
    "mlp", "tanh", "lenet", "resnet", "fixup", "densenet", "gpt", "vit", "lstm", "gru",
    "autoencoder", "regression", "binary",
)  # fmt: skip


def two(activation: Any, outputs: int) -> Any:
    return nn.Sequential(nn.Linear(16, 32), activation, nn.Linear(32, outputs))


class Letters(nn.Module):
    def __init__(self, gpt: Any) -> None:
        super().__init__()
        self.gpt = gpt

    def forward(self, x: Any) -> Any:
        return self.gpt(x, x)[0]


class Turned(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.transpose(1, 2)


class Averaged(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(1)


class Last(nn.Module):
    def __init__(self, rnn: Any) -> None:
        super().__init__()
        self.rnn, self.head = rnn, nn.Linear(32, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.rnn(x)[0][:, -1])


def sequence_loss(output: Any, target: Any) -> Any:
    logits = output[0] if isinstance(output, tuple) else output
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1))


def learn(arguments: dict[str, Any], steps: int) -> float:
    batch = Batch(arguments["batch"])
    step = plain_step(arguments["model"], arguments["loss_fn"], batch, arguments["optimizer"], id)
    for _ in range(steps):
        loss = step()
    return float(loss)


def alarms(report: Any) -> list[str]:
    return [str(f) for f in report.findings if f.severity != "note"]


@pytest.mark.parametrize("trained", [0, 60], ids=["at first", "trained"])
@pytest.mark.parametrize("name", NETWORKS)
def test_healthy_networks_raise_no_alarm(name: str, trained: int) -> None:
    mg.manual_seed(1)
    arguments = network(name)
    if trained:
        before = learn(arguments, 1)
        assert learn(arguments, trained) < 0.9 * before
    report = diagnosed(arguments)
    assert alarms(report) == [], f"{report}"
