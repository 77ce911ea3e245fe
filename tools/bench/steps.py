"""Whole training steps."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

from bench.cases import case


def _mlp(lib: Any, sizes: tuple[int, ...], batch: int) -> Callable[[], Any]:
    """One training step: Linear, BatchNorm, ReLU, Dropout layers, cross-entropy, Adam."""
    lib.manual_seed(0)
    nn = lib.nn
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(0.2)]
    model = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
    optimizer = importlib.import_module(f"{lib.__name__}.optim").Adam(model.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    x, target = lib.randn(batch, sizes[0]), lib.randint(0, sizes[-1], (batch,))

    def step() -> None:
        optimizer.zero_grad()
        loss_function(model(x), target).backward()
        optimizer.step()

    return step


@case("step: demo's MLP 64-128-64-10, batch 64, Adam")
def demo(lib: Any) -> Any:
    return _mlp(lib, (64, 128, 64, 10), 64)


@case("step: MLP 784-512-256-10, batch 128, Adam")
def _mnist(lib: Any) -> Any:
    return _mlp(lib, (784, 512, 256, 10), 128)


def _train(lib: Any, model: Any, x: Any, target: Any, classes: int) -> Callable[[], Any]:
    """A step of SGD with momentum on cross-entropy."""
    optimizer = importlib.import_module(f"{lib.__name__}.optim").SGD(
        model.parameters(), lr=0.01, momentum=0.9
    )

    def step() -> None:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(model(x).view(-1, classes), target.view(-1)).backward()
        optimizer.step()

    return step


@case("step: LeNet-5 28x28, batch 64, SGD")
def _lenet(lib: Any) -> Any:
    lib.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return _train(lib, model, lib.randn(64, 1, 28, 28), lib.randint(0, 10, (64,)), 10)


@case("step: convolutional network for MNIST, batch 64, SGD")
def _mnist_cnn(lib: Any) -> Any:
    lib.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, 10),
    )  # fmt: skip
    return _train(lib, model, lib.randn(64, 1, 28, 28), lib.randint(0, 10, (64,)), 10)


def _residual(lib: Any, inputs: int, outputs: int, stride: int) -> Any:
    """The basic block of He et al. 2015, with a 1x1 convolution where the shape changes."""
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.short = None
            if stride > 1:
                self.short = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

        def forward(self, x: Any) -> Any:
            y = lib.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            return lib.relu(y + (x if self.short is None else self.short(x)))

    return Block()


@case("step: ResNet-20 32x32, batch 32, SGD")
def _resnet(lib: Any) -> Any:
    lib.manual_seed(0)
    nn = lib.nn
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for stage in (16, 32, 64):
        for i in range(3):
            layers.append(_residual(lib, width, stage, 2 if stage > width and i == 0 else 1))
            width = stage
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return _train(lib, model, lib.randn(32, 3, 32, 32), lib.randint(0, 10, (32,)), 10)


@case("step: GPT of 2 layers of 128, batch 8, length 64, SGD")
def _gpt(lib: Any) -> Any:
    lib.manual_seed(0)
    nn, width, heads, length, letters = lib.nn, 128, 4, 64, 65

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            parts = self.qkv(self.ln1(x)).split(width, dim=2)
            q, k, v = (p.view(b, t, heads, c // heads).transpose(1, 2) for p in parts)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
            return x + self.down(nn.functional.gelu(self.up(self.ln2(x))))

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(Block(), Block())
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

        def forward(self, i: Any) -> Any:
            x = self.tokens(i) + self.places(lib.arange(i.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    x, y = (lib.randint(0, letters, (8, length)) for _ in range(2))
    return _train(lib, GPT(), x, y, letters)


def _recurrent(lib: Any, kind: str) -> Callable[[], Any]:
    """Letters of a text: embedding, one recurrent layer of 128, cross-entropy, Adam."""
    lib.manual_seed(0)
    nn, letters, width, hidden, length, batch = lib.nn, 65, 64, 128, 64, 32

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(letters, width)
            self.layer = getattr(nn, kind)(width, hidden)
            self.head = nn.Linear(hidden, letters)

        def forward(self, i: Any) -> Any:
            return self.head(self.layer(self.letters(i))[0])

    model = Network()
    optimizer = importlib.import_module(f"{lib.__name__}.optim").Adam(model.parameters(), lr=1e-3)
    x, y = (lib.randint(0, letters, (length, batch)) for _ in range(2))

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x).view(-1, letters), y.view(-1))
        loss.backward()
        optimizer.step()

    return step


@case("step: LSTM of 128, batch 32, length 64, Adam")
def _lstm(lib: Any) -> Any:
    return _recurrent(lib, "LSTM")


@case("step: GRU of 128, batch 32, length 64, Adam")
def _gru(lib: Any) -> Any:
    return _recurrent(lib, "GRU")


@case("step: RNN of 128, batch 32, length 64, Adam")
def _rnn(lib: Any) -> Any:
    return _recurrent(lib, "RNN")
