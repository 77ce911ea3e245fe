"""Sicknesses, planted as people do: each in three architectures, and where it is to be found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F

from .networks import CLASSES, data, healthy

Planted = tuple[dict[str, Any], set[str]]

#: By the name of the finding: plants it in an architecture; returns the arguments of `diagnose`,
#: and the layers in any of which it may be found.
PLANTS: dict[str, Callable[[str], Planted]] = {}
FIRST = {"mlp": "body.0", "cnn": "body.0", "recurrent": "hidden"}
SECOND = {"mlp": "body.1", "cnn": "body.2", "recurrent": "second"}
NORM = {"mlp": "norm", "cnn": "body.6", "recurrent": "norm"}
DROP = {"mlp": "drop", "cnn": "body.10", "recurrent": "drop"}


def plant(function: Callable[[str], Planted]) -> Callable[[str], Planted]:
    PLANTS[function.__name__] = function
    return function


def given(model: Any, batch: Any, optimizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "model": model,
        "loss_fn": F.cross_entropy,
        "batch": batch,
        "optimizer": optimizer,
        **more,
    }


def layer_of(model: Any, path: str) -> Any:
    return model.get_submodule(path)


def layers_of(model: Any) -> list[Any]:
    return [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]


def plain(activation: str, architecture: str) -> tuple[Any, Any, Any]:
    """A network without normalization, deeper, whose activation is another."""
    function, module = {
        "sigmoid": (mg.sigmoid, nn.Sigmoid), "tanh": (mg.tanh, nn.Tanh), "relu": (F.relu, nn.ReLU)
    }[activation]  # fmt: skip
    batch = data(architecture)
    if architecture == "mlp":
        layers = [m for _ in range(7) for m in (nn.Linear(16, 16), module())]
        model: Any = nn.Sequential(*layers, nn.Linear(16, CLASSES))
    elif architecture == "cnn":
        model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), module())
        for _ in range(6):
            model.extend([nn.Conv2d(8, 8, 3, padding=1), module()])
        model.extend([nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, CLASSES)])
    else:
        model = Deep(function)
    return model, batch, optim.SGD(model.parameters(), lr=0.1)


class Deep(nn.Module):
    """An RNN, and many layers on its last state."""

    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.rnn = nn.RNN(8, 16, batch_first=True)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(6))
        self.head = nn.Linear(16, CLASSES)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        y = self.rnn(x)[0][:, -1]
        for layer in self.layers:
            y = self.activation(layer(y))
        return self.head(y)


DEEP_FIRST = {"mlp": "0", "cnn": "0", "recurrent": "rnn"}


@plant
def dead_units(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    with mg.no_grad():
        layer_of(model, FIRST[architecture]).bias.fill_(-100.0)
    return given(model, batch, optimizer), {FIRST[architecture]}


@plant
def saturated_units(architecture: str) -> Planted:
    model, batch, optimizer = plain("tanh", architecture)
    layer = layers_of(model)[0]
    with mg.no_grad():
        layer.weight.mul_(100)
    name = {"mlp": "0", "cnn": "0", "recurrent": "layers.0"}[architecture]
    return given(model, batch, optimizer), {name}


@plant
def vanishing_gradients(architecture: str) -> Planted:
    return given(*plain("sigmoid", architecture)), {DEEP_FIRST[architecture]}


@plant
def exploding_gradients(architecture: str) -> Planted:
    model, batch, optimizer = plain("relu", architecture)
    with mg.no_grad():
        for layer in layers_of(model):
            layer.weight.mul_(12)
    return given(model, batch, optimizer), {DEEP_FIRST[architecture]}


@plant
def symmetric_units(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    with mg.no_grad():
        for layer in layers_of(model):
            layer.weight.fill_(0.1)
            layer.bias.zero_()
    return given(model, batch, optimizer), {SECOND[architecture], "hidden"}


@plant
def one_signed_gradients(architecture: str) -> Planted:
    model, batch, optimizer = plain("sigmoid", architecture)
    name = {"mlp": "8", "cnn": "16", "recurrent": "layers.4"}[architecture]
    return given(model, batch, optimizer), {name}


@plant
def weights_too_large(architecture: str) -> Planted:
    model, batch, optimizer = plain("tanh", architecture)
    with mg.no_grad():
        for layer in layers_of(model):
            layer.weight.normal_()
    name = {"mlp": "2", "cnn": "2", "recurrent": "layers.1"}[architecture]
    return given(model, batch, optimizer), {name}


@plant
def weights_too_small(architecture: str) -> Planted:
    model, batch, optimizer = plain("tanh", architecture)
    with mg.no_grad():
        for layer in layers_of(model):
            layer.weight.normal_(std=0.01)
    name = {"mlp": "2", "cnn": "2", "recurrent": "layers.1"}[architecture]
    return given(model, batch, optimizer), {name}


@plant
def inputs_not_scaled(architecture: str) -> Planted:
    model, (x, y), optimizer = healthy(architecture)
    return given(model, (x * 60 + 120, y), optimizer), {"input"}


@plant
def softmax_before_cross_entropy(architecture: str) -> Planted:
    model, batch, _ = healthy(architecture)
    if architecture == "mlp":  # as a module
        model: Any = nn.Sequential(model, nn.Softmax(dim=1))  # type: ignore[no-redef]
        where = "1"
    else:  # as a function
        model = Wrapped(model, lambda inner, x: F.softmax(inner(x), -1))
        where = ""
    optimizer = optim.Adam(model.parameters())
    return given(model, batch, optimizer), {where}


class Wrapped(nn.Module):
    """A network with something around its forward."""

    def __init__(self, inner: Any, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.inner = inner
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self.inner, x)


@plant
def gradients_accumulate(architecture: str) -> Planted:
    model, (x, y), optimizer = healthy(architecture)

    def step() -> None:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return {"model": model, "step": step}, {"optimizer"}


@plant
def learning_rate_too_high(architecture: str) -> Planted:
    model, batch, _ = healthy(architecture)
    optimizer = optim.SGD(model.parameters(), lr=50.0)
    return given(model, batch, optimizer), {"optimizer"}


@plant
def learning_rate_too_low(architecture: str) -> Planted:
    model, batch, _ = healthy(architecture)
    optimizer = optim.Adam(model.parameters(), lr=1e-6)
    return given(model, batch, optimizer), {"optimizer"}


@plant
def labels_out_of_range(architecture: str) -> Planted:
    model, (x, y), optimizer = healthy(architecture)
    return given(model, (x, y + 1), optimizer), {"target"}


@plant
def parameters_not_optimized(architecture: str) -> Planted:
    model, batch, _ = healthy(architecture)
    body = [p for n, p in model.named_parameters() if not n.startswith("head")]
    return given(model, batch, optim.Adam(body)), {"head"}


@plant
def parameters_unused(architecture: str) -> Planted:
    model, batch, _ = healthy(architecture)
    model.extra = nn.Linear(3, 3)
    return given(model, batch, optim.Adam(model.parameters())), {"extra"}


@plant
def graph_detached(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    cut = {
        "mlp": lambda t: t.detach(), "cnn": lambda t: mg.tensor(t.detach().numpy()),
        "recurrent": lambda t: t.data,
    }[architecture]  # fmt: skip
    features = model.features
    model.features = lambda x: cut(features(x))
    last = {"mlp": {"norm", "body.2"}, "cnn": {"body.6", "body.5"}, "recurrent": {"second"}}
    return given(model, batch, optimizer), last[architecture]


@plant
def batchnorm_in_eval(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    model.eval()  # from the last evaluation
    return given(model, batch, optimizer), {NORM[architecture]}


@plant
def batchnorm_tiny_batch(architecture: str) -> Planted:
    model, (x, y), optimizer = healthy(architecture)
    return given(model, (x[:2], y[:2]), optimizer), {NORM[architecture]}


@plant
def dropout_in_eval(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    model.eval()
    return given(model, batch, optimizer), {DROP[architecture]}


@plant
def constant_output(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    with mg.no_grad():
        layer_of(model, SECOND[architecture]).weight.zero_()
        if architecture != "recurrent":
            layer_of(model, NORM[architecture]).weight.zero_()
    return given(model, batch, optimizer), {"head"}


@plant
def loss_shape_broadcast(architecture: str) -> Planted:
    model, (x, _), _ = healthy(architecture)
    model.head = nn.Linear(model.head.in_features, 1)
    target = x.reshape(len(x), -1)[:, 0]
    losses = {
        "mlp": lambda y, t: ((y - t) ** 2).mean(), "cnn": F.mse_loss,
        "recurrent": lambda y, t: (t - y).abs().mean(),
    }  # fmt: skip
    optimizer = optim.Adam(model.parameters())
    return given(model, (x, target), optimizer, loss_fn=losses[architecture]), {"loss"}


@plant
def nan_origin(architecture: str) -> Planted:
    model, batch, optimizer = healthy(architecture)
    if architecture == "mlp":  # log of 0

        def loss(y: Any, t: Any) -> Any:
            p = (y * 1000).softmax(1)
            return -(p.log() * F.one_hot(t, CLASSES)).mean()

        return given(model, batch, optimizer, loss_fn=loss), {"loss"}
    if architecture == "cnn":  # a division by 0 inside
        model = Wrapped(model, lambda inner, x: inner(x / x.new_zeros(1)))
        return given(model, batch, optim.Adam(model.parameters())), {""}
    with mg.no_grad():
        model.second.weight[0, 0] = float("nan")
    return given(model, batch, optimizer), {"second"}
