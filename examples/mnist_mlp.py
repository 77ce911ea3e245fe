"""A multi-layer perceptron on MNIST: 784 - 256 - 128 - 10, on images that are shifted by a pixel.

    python examples/mnist_mlp.py
    python examples/mnist_mlp.py --epochs 10 --checkpoint run.safetensors
    python examples/mnist_mlp.py --epochs 10 --checkpoint run.safetensors --resume

The images are read from the folder `MINIGRAD_DATA` names, or fetched once (11 MB).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

import minigrad as mg
from minigrad import nn, optim, serialize
from minigrad.data import DataLoader, TensorDataset
from minigrad.data.datasets import MNIST
from minigrad.nn import functional as F
from minigrad.train import evaluate


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a multi-layer perceptron on MNIST.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3, help="the largest learning rate")
    parser.add_argument("--shift", type=int, default=1, help="augmentation: pixels to shift by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", metavar="FILE", help="where to save after each epoch")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    return parser.parse_args(argv)


def load(train: bool) -> TensorDataset:
    """Images as rows of 784 numbers of mean 0 and variance 1 (over the training set)."""
    images, labels = MNIST(train=train).tensors()
    return TensorDataset((images.reshape(len(images), -1) - 0.1307) / 0.3081, labels)


def shifted(rows: mg.Tensor, most: int) -> mg.Tensor:
    """Move a batch by up to `most` pixels in each direction; background comes in from the edge.

    One shift for the whole batch: it is one slice, and another one the next time.
    """
    if most == 0:
        return rows
    down, right = mg.randint(0, 2 * most + 1, (2,)).tolist()
    padded = F.pad(rows.reshape(-1, 28, 28), (most, most, most, most), value=-0.1307 / 0.3081)
    return padded[:, down : down + 28, right : right + 28].reshape(-1, 784)


def network() -> nn.Sequential:
    net = nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 10),
    )  # fmt: skip
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return net


def train_epoch(
    model: nn.Module, loader: DataLoader, optimizer: optim.Optimizer, scheduler: object, shift: int
) -> tuple[float, float]:
    """One pass over the data: the mean loss, and images per second."""
    model.train()
    began, total, count = time.perf_counter(), 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(shifted(x, shift)), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        total += loss.item() * len(y)
        count += len(y)
    return total / count, count / (time.perf_counter() - began)


def main(argv: Sequence[str] | None = None) -> float:
    args = arguments(argv)
    mg.manual_seed(args.seed)
    train, held_out = load(train=True), load(train=False)
    print(f"{len(train):,} images to train with, {len(held_out):,} to test with", flush=True)
    model = network()
    loader = DataLoader(train, batch_size=args.batch_size, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, epochs=args.epochs, steps_per_epoch=len(loader)
    )
    first, accuracy = 0, 0.0
    if args.resume:
        if args.checkpoint is None or not os.path.exists(args.checkpoint):
            raise SystemExit("--resume needs a file to go on from: --checkpoint FILE")
        saved = serialize.load_checkpoint(args.checkpoint, model, optimizer, scheduler)
        first, accuracy = saved["epoch"], saved["accuracy"]
        print(f"going on after epoch {first}, from {args.checkpoint}")
    for epoch in range(first, args.epochs):
        loss, rate = train_epoch(model, loader, optimizer, scheduler, args.shift)
        _, accuracy = evaluate(model, DataLoader(held_out, batch_size=1000))
        print(
            f"epoch {epoch + 1:>2}   loss {loss:.4f}   test accuracy {accuracy:.2%}   "
            f"{rate:,.0f} images/s",
            flush=True,
        )
        if args.checkpoint is not None:
            serialize.save_checkpoint(
                args.checkpoint, model, optimizer, scheduler, epoch + 1, accuracy=accuracy
            )
    return accuracy


if __name__ == "__main__":
    main()
