"""Train a small network on real handwritten digits, prove its gradients, draw its graph.

1. trains Linear, BatchNorm1d, ReLU, Dropout with Adam, to more than 97.5 % on held-out digits,
2. compares the gradient of every parameter with finite differences, and prints the table,
3. writes the graph of one training step, the same step by step (steps.html), what can be said of
   the health of the network (diagnosis.html), and the training curves into a folder.

The 1,797 digits of 8 x 8 come with scikit-learn; --data mnist fetches MNIST (11 MB). Ctrl-C stops
after the current step and leaves a checkpoint that --resume continues from.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from minigrad.cli.tables import Progress, error_text, seconds_text, table

__all__ = ["add_arguments", "run"]

_EPOCHS = {"digits": 40, "mnist": 5}
_BATCH = {"digits": 64, "mnist": 128}
_HIDDEN = {"digits": 128, "mnist": 256}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--data", choices=("digits", "mnist"), default="digits", help="default: digits"
    )
    parser.add_argument("--epochs", type=_positive, help="default: 40 for digits, 5 for mnist")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("minigrad-demo"), metavar="FOLDER",
        help="where graph, curves and checkpoint go (default: ./minigrad-demo)",
    )  # fmt: skip
    parser.add_argument("--no-draw", action="store_true", help="write no drawings")
    parser.add_argument(
        "--resume", action="store_true", help="continue from the checkpoint in FOLDER"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


@dataclass
class _Run:
    """A training run: what a checkpoint keeps, and what only this process knows."""

    model: Any
    optimizer: Any
    epochs: int
    epoch: int = 0
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"loss": [], "train accuracy": [], "test accuracy": []}
    )
    seconds: float = 0.0
    examples: int = 0


class _Stop:
    """Ctrl-C, noted: the step that is running ends properly. A second one interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> _Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def run(args: argparse.Namespace) -> int:
    """Train, check, draw."""
    import minigrad as mg

    mg.manual_seed(args.seed)
    train, test = _load(args.data, args.seed)
    run_ = _make(args, train)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.resume:
        _resume(run_, args.out)
    with _Stop() as stop:
        finished = _train(run_, train, test, args, stop)
    checkpoint = _save(run_, args.out)
    if not finished:
        print(
            f"interrupted in epoch {run_.epoch + 1} of {run_.epochs}; checkpoint: {checkpoint}; to "
            f"go on: python -m minigrad demo --data {args.data} --out {args.out} --resume",
            flush=True,
        )
        return 130
    _say_result(run_, test)
    ok = _check(run_, train)
    if not args.no_draw:
        _draw(run_, train, args.out)
    print(f"network     {checkpoint}")
    return 0 if ok else 1


# -- data and network ----------------------------------------------------------------------------


def _load(name: str, seed: int) -> tuple[Any, Any]:
    """Training and test set of flat images, as (images, labels) datasets."""
    import numpy as np

    import minigrad as mg
    from minigrad.data import TensorDataset
    from minigrad.data.datasets import MNIST, Digits

    if name == "mnist":
        parts = [MNIST(train=flag).tensors() for flag in (True, False)]
    else:
        images, labels = Digits().tensors()
        order = np.random.default_rng(seed).permutation(len(labels))
        cut = len(labels) * 4 // 5
        parts = [
            (mg.from_numpy(images.array[rows]), mg.from_numpy(labels.array[rows]))
            for rows in (order[:cut], order[cut:])
        ]
    train, test = (TensorDataset(x.reshape(len(x), -1), y) for x, y in parts)
    side = round(train.tensors[0].shape[1] ** 0.5)
    source = {"digits": "scikit-learn", "mnist": "LeCun et al. 1998"}[name]
    print(
        f"data        {len(train) + len(test):,} handwritten digits of {side} x {side} ({source}): "
        f"{len(train):,} to train with, {len(test):,} held out"
    )
    return train, test


def _make(args: argparse.Namespace, train: Any) -> _Run:
    from minigrad import nn, optim

    pixels, hidden = train.tensors[0].shape[1], _HIDDEN[args.data]
    model = nn.Sequential(
        nn.Linear(pixels, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(hidden, 10),
    )  # fmt: skip
    count = sum(p.numel() for p in model.parameters())
    names = ", ".join(type(layer).__name__ for layer in model)
    print(f"network     {names}: {count:,} parameters; Adam")
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    return _Run(model, optimizer, args.epochs or _EPOCHS[args.data])


# -- training ------------------------------------------------------------------------------------


def _train(run_: _Run, train: Any, test: Any, args: argparse.Namespace, stop: _Stop) -> bool:
    """Train; False if Ctrl-C came first."""
    from minigrad.data import DataLoader

    loader: Any = DataLoader(train, batch_size=_BATCH[args.data], shuffle=True, drop_last=True)
    began = time.perf_counter()
    _compile(run_, train, _BATCH[args.data])
    if time.perf_counter() - began > 1:
        print(f"kernels     compiled in {seconds_text(time.perf_counter() - began)}, once")
    total = len(loader) * run_.epochs
    with Progress(total, "training", "step") as progress:
        progress.step(n=len(loader) * run_.epoch)
        while run_.epoch < run_.epochs:
            if not _epoch(run_, loader, test, progress, stop):
                return False
            if not sys.stderr.isatty() and run_.epoch % max(run_.epochs // 6, 1) == 0:
                print(_status(run_), flush=True)
    return True


def _compile(run_: _Run, train: Any, batch: int) -> None:
    """One step that changes nothing, so that compiling does not count as training."""
    import copy

    import minigrad as mg

    state = mg.get_rng_state()
    model = copy.deepcopy(run_.model)
    from minigrad import optim

    optimizer = optim.Adam(model.parameters(), lr=0.0)
    x, y = train.tensors[0][:batch], train.tensors[1][:batch]
    for _ in range(2):
        optimizer.zero_grad()
        mg.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    _accuracy(model, train.tensors[0][:1000], train.tensors[1][:1000])
    mg.set_rng_state(state)


def _epoch(run_: _Run, loader: Any, test: Any, progress: Progress, stop: _Stop) -> bool:
    """One pass over the data; False if it was interrupted."""
    from minigrad.nn.functional import cross_entropy

    began = time.perf_counter()
    run_.model.train()
    losses, right, seen = 0.0, 0, 0
    for x, y in loader:
        run_.optimizer.zero_grad()
        logits = run_.model(x)
        loss = cross_entropy(logits, y)
        loss.backward()
        run_.optimizer.step()
        losses += loss.item() * len(y)
        right += int((logits.array.argmax(1) == y.array).sum())
        seen += len(y)
        progress.step(_text(run_, losses / seen, seen, began))
        if stop.asked:
            return False
    run_.seconds += time.perf_counter() - began
    run_.examples += seen
    run_.epoch += 1
    run_.history["loss"].append(losses / seen)
    run_.history["train accuracy"].append(right / seen)
    run_.history["test accuracy"].append(_accuracy(run_.model, *test.tensors))
    return True


def _text(run_: _Run, loss: float, seen: int, began: float) -> str:
    """What the bar says: loss, accuracy, examples a second."""
    known = run_.history["test accuracy"]
    accuracy = f"test {known[-1]:.1%} " if known else ""
    took = run_.seconds + time.perf_counter() - began
    rate = (run_.examples + seen) / max(took, 1e-9)
    return f"epoch {run_.epoch + 1}/{run_.epochs} loss {loss:.4f} {accuracy}{rate:,.0f} examples/s"


def _status(run_: _Run) -> str:
    return (
        f"epoch {run_.epoch:>3}   loss {run_.history['loss'][-1]:.4f}   "
        f"test accuracy {run_.history['test accuracy'][-1]:.1%}"
    )


def _accuracy(model: Any, x: Any, y: Any) -> float:
    """The share of images whose largest logit is at the right digit."""
    from minigrad.train import accuracy

    return accuracy(model, [(x[i : i + 1000], y[i : i + 1000]) for i in range(0, len(y), 1000)])


def _say_result(run_: _Run, test: Any) -> None:
    accuracy = _accuracy(run_.model, *test.tensors)
    rate = run_.examples / max(run_.seconds, 1e-9)
    print(
        f"training    {run_.epoch} epochs in {seconds_text(run_.seconds)} ({rate:,.0f} "
        f"examples/s): {accuracy:.1%} of the held-out digits right"
    )


# -- checkpoints ---------------------------------------------------------------------------------


_FILE = "checkpoint.safetensors"


def _save(run_: _Run, folder: Path) -> str:
    """Write network, optimizer and history; returns where, or why not."""
    from minigrad.serialize import save_checkpoint

    path = folder / _FILE
    try:
        save_checkpoint(path, run_.model, run_.optimizer, epoch=run_.epoch, history=run_.history)
    except ImportError as error:
        return f"not saved: {error}"
    return str(path)


def _resume(run_: _Run, folder: Path) -> None:
    from minigrad.serialize import load_checkpoint

    path = folder / _FILE
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint in {folder} to resume from")
    rest = load_checkpoint(path, run_.model, run_.optimizer)
    run_.epoch, run_.history = rest["epoch"], rest["history"]
    print(f"resuming    after epoch {run_.epoch}, from {path}")


# -- proof and pictures --------------------------------------------------------------------------


def _check(run_: _Run, train: Any) -> bool:
    """The gradient of every parameter against finite differences, where gradients are large."""
    from minigrad.autograd.modelcheck import check_model
    from minigrad.nn.functional import cross_entropy

    x, wrong = train.tensors[0][:32], (train.tensors[1][:32] + 1) % 10
    run_.model.train()
    print(
        "\ngradients of the trained network against finite differences, in float64 (with wrong "
        "labels,\nso that there is something to learn; the first time, kernels are compiled)",
        flush=True,
    )
    rows = check_model(run_.model, lambda logits: cross_entropy(logits, wrong), x)
    print(
        table(
            ["parameter", "layer", "shape", "checked", "worst error", "analytic", "numeric", ""],
            [
                [
                    r.name, r.layer, "x".join(map(str, r.shape)), str(r.checked),
                    error_text(r.error), f"{r.analytic:+.7g}", f"{r.numeric:+.7g}",
                    "ok" if r.ok else "WRONG",
                ]
                for r in rows
            ],
            right=[3, 4, 5, 6],
        )
    )  # fmt: skip
    print()
    return all(r.ok for r in rows)


def _draw(run_: _Run, train: Any, folder: Path) -> None:
    """The graph of one training step, and the curves; without a back end, what can be had."""
    from minigrad import viz
    from minigrad.diagnosis import diagnose
    from minigrad.nn.functional import cross_entropy

    x, y = train.tensors[0][:32], train.tensors[1][:32]
    with viz.record() as tape:
        loss = cross_entropy(run_.model(x), y)
        loss.backward()
    inputs = {"images": x, "labels": y}
    drawing = viz.draw(loss, run_.model, inputs=inputs, tape=tape)
    steps = viz.steps(
        loss, run_.model, inputs=inputs, tape=tape, title="One training step, forward and backward"
    )
    run_.model.zero_grad()
    run_.model.train()
    report = diagnose(run_.model, cross_entropy, (x, y), run_.optimizer)
    run_.model.eval()
    found = ", ".join(f.name for f in report.findings) or "nothing found"
    print(f"diagnosis   {report.save(folder / 'diagnosis.html')}: {found}")
    print(f"steps       {steps.save(folder / 'steps.html')}")
    try:
        print(f"graph       {drawing.save(folder / 'graph.svg')}")
    except ImportError:
        print(f"graph       {drawing.save(folder / 'graph.dot')}", end="")
        print('  (DOT text; for SVG: pip install "minigrad[draw]")')
    try:
        path = folder / "curves.png"
        viz.plot_curves(run_.history, path)
        print(f"curves      {path}")
    except ImportError as error:
        print(f"curves      not drawn: {error}")
