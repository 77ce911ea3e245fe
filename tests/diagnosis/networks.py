"""Three small architectures, healthy data for them, and training steps, to plant sicknesses in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F

ARCHITECTURES = ("mlp", "cnn", "recurrent")
CLASSES = 4


class MLP(nn.Module):
    """Affine layers with functions between."""

    def __init__(self, activation: Any = F.relu, depth: int = 3, width: int = 32) -> None:
        super().__init__()
        self.activation = activation
        sizes = [16, *[width] * depth]
        self.body = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(width, CLASSES)

    def features(self, x: Any) -> Any:
        for layer in self.body[:-1]:
            x = self.activation(layer(x))
        x = self.activation(self.norm(self.body[-1](x)))
        return self.drop(x)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x))


class CNN(nn.Module):
    """Convolutions as modules in a row."""

    def __init__(self, activation: Any = nn.ReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), activation(), nn.Conv2d(8, 16, 3, padding=1),
            activation(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16),
            activation(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2),
        )  # fmt: skip
        self.head = nn.Linear(64, CLASSES)

    def features(self, x: Any) -> Any:
        return self.body(x)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x))


class Recurrent(nn.Module):
    """An LSTM over a sequence, its last state normalized and classified by two layers."""

    def __init__(self, activation: Any = F.relu) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 24, batch_first=True)
        self.norm = nn.BatchNorm1d(24)
        self.hidden = nn.Linear(24, 24)
        self.second = nn.Linear(24, 24)
        self.activation = activation
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(24, CLASSES)

    def features(self, x: Any) -> Any:
        states, _ = self.rnn(x)
        y = self.activation(self.hidden(self.norm(states[:, -1])))
        return self.drop(self.activation(self.second(y)))

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x))


MODELS: dict[str, Any] = {"mlp": MLP, "cnn": CNN, "recurrent": Recurrent}
SHAPES = {"mlp": (16,), "cnn": (1, 8, 8), "recurrent": (12, 8)}


def data(architecture: str, n: int = 64) -> tuple[Any, Any]:
    """Examples whose class is where a bump lies: something to be learned."""
    x = mg.randn(n, *SHAPES[architecture])
    y = mg.randint(0, CLASSES, (n,))
    for i in range(n):
        k = int(y[i])
        if architecture == "mlp":
            x[i, 4 * k : 4 * k + 4] += 1.5
        elif architecture == "cnn":
            x[i, 0, 4 * (k // 2) : 4 * (k // 2) + 4, 4 * (k % 2) : 4 * (k % 2) + 4] += 1.5
        else:
            x[i, -4:, 2 * k : 2 * k + 2] += 1.5
    return x, y


def healthy(architecture: str) -> tuple[Any, Any, Any]:
    """A network, a batch, an optimizer."""
    model = MODELS[architecture]()
    return model, data(architecture), optim.Adam(model.parameters(), lr=3e-3)


def train(model: Any, batch: Any, optimizer: Any, steps: int = 60) -> float:
    x, y = batch
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return float(loss)
