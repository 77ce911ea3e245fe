"""What looks suspicious and is right: no alarm, or not that one."""

from __future__ import annotations

from typing import Any

import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F

from .networks import data, healthy, train
from .test_diagnosis import alarms, diagnosed


def names(report: Any) -> set[str]:
    return {f.name for f in report.findings}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    mg.manual_seed(0)


def test_log_softmax_and_nll() -> None:
    model, batch, optimizer = healthy("mlp")
    loss = lambda y, t: F.nll_loss(F.log_softmax(y, 1), t)
    report = diagnosed({"model": model, "loss_fn": loss, "batch": batch, "optimizer": optimizer})
    assert alarms(report) == []


def test_softmax_inside_attention() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(96, 4))
    x, y = data("recurrent")
    report = diagnosed({"model": model, "loss_fn": F.cross_entropy, "batch": (x, y)})
    assert alarms(report) == []


def test_two_backward_passes_before_an_update() -> None:
    model, (x, y), optimizer = healthy("mlp")

    def step() -> None:
        optimizer.zero_grad()
        for half in (slice(0, 32), slice(32, 64)):
            (F.cross_entropy(model(x[half]), y[half]) / 2).backward()
        optimizer.step()

    report = diagnosed({"model": model, "step": step})
    assert "gradients_accumulate" not in names(report)
    assert alarms(report) == []


def test_set_to_none_and_set_to_zero() -> None:
    for none in (True, False):
        model, (x, y), optimizer = healthy("mlp")

        def step() -> None:
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=none)

        assert alarms(diagnosed({"model": model, "step": step})) == []


def test_a_frozen_body_and_a_head_that_learns() -> None:
    model, batch, _ = healthy("mlp")
    for p in model.body.parameters():
        p.requires_grad_(False)
    for p in model.norm.parameters():
        p.requires_grad_(False)
    model.norm.eval()
    optimizer = optim.Adam(model.head.parameters(), lr=1e-2)
    arguments = {"model": model, "loss_fn": F.cross_entropy, "batch": batch, "optimizer": optimizer}
    assert alarms(diagnosed(arguments)) == []


def test_evaluation_mode_without_what_it_changes() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)).eval()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    report = diagnosed(
        {"model": model, "loss_fn": F.cross_entropy, "batch": data("mlp"), "optimizer": optimizer}
    )
    assert alarms(report) == []


def test_tied_weights() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.bias = nn.Linear(16, 8), nn.Parameter(mg.zeros(16))

        def forward(self, x: Any) -> Any:
            return F.linear(F.relu(self.encode(x)), self.encode.weight.t(), self.bias)

    model = Tied()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    batch = data("mlp")[0]
    arguments = {"model": model, "loss_fn": F.mse_loss, "batch": batch, "optimizer": optimizer}
    assert alarms(diagnosed(arguments)) == []


def test_two_networks_and_two_optimizers() -> None:
    make, judge = (
        nn.Sequential(nn.Linear(a, 32), nn.LeakyReLU(0.2), nn.Linear(32, b))
        for a, b in ((8, 16), (16, 1))
    )
    both = nn.ModuleDict({"make": make, "judge": judge})
    first, second = (optim.Adam(m.parameters(), lr=1e-3, betas=(0.5, 0.999)) for m in (make, judge))
    real = mg.randn(64, 16)
    loss = F.binary_cross_entropy_with_logits

    def step() -> None:
        fake = make(mg.randn(64, 8))
        second.zero_grad()
        (loss(judge(real), mg.ones(64, 1)) + loss(judge(fake.detach()), mg.zeros(64, 1))).backward()
        second.step()
        first.zero_grad()
        loss(judge(fake), mg.ones(64, 1)).backward()
        first.step()

    found = names(diagnosed({"model": both, "step": step}))
    assert not found & {
        "gradients_accumulate", "graph_detached", "parameters_not_optimized", "parameters_unused"
    }  # fmt: skip


def test_lbfgs_asks_for_a_closure() -> None:
    model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 4))
    optimizer = optim.LBFGS(model.parameters(), lr=0.5)
    arguments = {
        "model": model,
        "loss_fn": F.cross_entropy,
        "batch": data("mlp"),
        "optimizer": optimizer,
    }
    assert alarms(diagnosed(arguments)) == []


def test_losses_of_each_example() -> None:
    model, batch, optimizer = healthy("cnn")
    loss = lambda y, t: F.cross_entropy(y, t, reduction="none").mean()
    arguments = {"model": model, "loss_fn": loss, "batch": batch, "optimizer": optimizer}
    assert alarms(diagnosed(arguments)) == []


def test_padding_and_ignored_targets() -> None:
    model = nn.Sequential(nn.Embedding(20, 16, padding_idx=0), nn.Linear(16, 20))
    tokens = mg.randint(1, 20, (16, 8))
    tokens[:, -2:] = 0
    target = mg.where(tokens == 0, -100, tokens)
    loss = lambda y, t: F.cross_entropy(y.reshape(-1, 20), t.reshape(-1))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    arguments = {"model": model, "loss_fn": loss, "batch": (tokens, target), "optimizer": optimizer}
    assert alarms(diagnosed(arguments)) == []


def test_weights_of_classes_broadcast_on_purpose() -> None:
    model = nn.Linear(16, 3)
    x = data("mlp")[0]
    loss = lambda y, t: ((y - t) ** 2 * mg.tensor([1.0, 2.0, 3.0])).mean()
    arguments = {"model": model, "loss_fn": loss, "batch": (x, mg.randn(64, 3))}
    assert alarms(diagnosed(arguments)) == []


def test_a_trained_network_may_have_large_weights() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    x = mg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]) * 2 - 1
    y = mg.tensor([0, 1, 1, 0])
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    assert train(model, (x, y), optimizer, 400) < 0.01
    arguments = {
        "model": model,
        "loss_fn": F.cross_entropy,
        "batch": (x, y),
        "optimizer": optimizer,
    }
    assert alarms(diagnosed(arguments)) == []


def test_weights_without_a_module_have_names() -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W1, self.b1 = nn.Parameter(mg.randn(16, 32) / 4), nn.Parameter(mg.zeros(32))
            self.W2 = nn.Parameter(mg.randn(32, 4) / 6)

        def forward(self, x: Any) -> Any:
            return (x @ self.W1 + self.b1).relu() @ self.W2

    model = ByHand()
    with mg.no_grad():
        model.b1.fill_(-100.0)
    arguments = {"model": model, "loss_fn": F.cross_entropy, "batch": data("mlp")}
    assert ("dead_units", "W1") in {(f.name, f.layer) for f in diagnosed(arguments).findings}


def test_a_body_of_other_widths_beside_the_network() -> None:
    body = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU())
    head = nn.Linear(24, 4)
    optimizer = optim.Adam(head.parameters(), lr=1e-2)
    x, y = data("mlp")

    def step() -> None:
        with mg.no_grad():
            features = body(x)
        optimizer.zero_grad()
        F.cross_entropy(head(features), y).backward()
        optimizer.step()

    assert alarms(diagnosed({"model": head, "step": step})) == []


def test_gradients_that_are_gone_before_the_step() -> None:
    model, (x, y), optimizer = healthy("mlp")

    def step() -> None:
        F.cross_entropy(model(x), y).backward()
        optimizer.zero_grad()
        optimizer.step()

    (found,) = [
        f for f in diagnosed({"model": model, "step": step}).findings if f.severity == "error"
    ]
    assert (found.name, found.layer) == ("parameters_not_optimized", "optimizer")
    assert "not between them" in found.remedy


def test_probabilities_that_are_clamped_stay_probabilities() -> None:
    model, batch, optimizer = healthy("cnn")
    loss = lambda y, t: F.cross_entropy(y.softmax(1).clamp(1e-7, 1), t)
    arguments = {"model": model, "loss_fn": loss, "batch": batch, "optimizer": optimizer}
    assert "softmax_before_cross_entropy" in names(diagnosed(arguments))


def test_a_derivative_that_is_not_finite_in_the_loss() -> None:
    model, batch, optimizer = healthy("mlp")
    loss = lambda y, t: (y * 0).sqrt().sum()
    report = diagnosed({"model": model, "loss_fn": loss, "batch": batch, "optimizer": optimizer})
    (found,) = report.named("nan_origin")
    assert found.layer == "loss"
    assert found.measured["operation"] == "sqrt"


def test_a_frozen_body_with_dropout_in_evaluation() -> None:
    model, batch, _ = healthy("mlp")
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("head"))
    model.eval()
    optimizer = optim.Adam(model.head.parameters(), lr=1e-2)
    arguments = {"model": model, "loss_fn": F.cross_entropy, "batch": batch, "optimizer": optimizer}
    assert alarms(diagnosed(arguments)) == []


def test_features_without_a_graph_and_a_head_that_learns() -> None:
    model, (x, y), _ = healthy("mlp")
    optimizer = optim.Adam(model.head.parameters(), lr=1e-2)

    def step() -> None:
        optimizer.zero_grad()
        with mg.no_grad():
            features = model.features(x)
        F.cross_entropy(model.head(features), y).backward()
        optimizer.step()

    (found,) = diagnosed({"model": model, "step": step}).named("graph_detached")
    assert found.severity == "note"
