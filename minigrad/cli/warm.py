"""Compile the kernels that training needs, ahead of time, and keep them in the cache.

Small networks of the usual layers are trained, large enough that kernels and not numpy compute. The
next process that trains starts in a fraction of a second.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from minigrad.cli.tables import Progress, seconds_text

__all__ = ["add_arguments", "jobs", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "names", nargs="*", metavar="JOB", help="only these (see --list; default: all of them)"
    )
    parser.add_argument("--list", action="store_true", help="only list the jobs")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="default: float32"
    )


def run(args: argparse.Namespace) -> int:
    """Run the jobs one after the other."""
    from minigrad.kernels.run.folder import cache_folder

    wanted = jobs(args.dtype)
    if args.list:
        print("\n".join(wanted))
        return 0
    unknown = [n for n in args.names if n not in wanted]
    if unknown:
        raise ValueError(f"there is no job {unknown[0]!r}; known: {', '.join(wanted)}")
    chosen = {name: job for name, job in wanted.items() if not args.names or name in args.names}
    start, failed = time.perf_counter(), []
    with Progress(len(chosen), "compiling", "job") as progress:
        for name, job in chosen.items():
            began = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    job()
                text = seconds_text(time.perf_counter() - began)
            except Exception as error:
                failed.append(name)
                text = f"failed: {type(error).__name__}: {error}"
            progress.step(name)
            progress.note(f"{name:<16} {text}")
    folder = cache_folder()
    kept = f"kept in {folder}" if folder is not None else "not kept: there is no cache (see doctor)"
    print(f"{len(chosen)} jobs in {seconds_text(time.perf_counter() - start)}; kernels are {kept}")
    return 1 if failed else 0


def _train(model: Any, x: Any, loss: Callable[[Any], Any], optimizer: Any = None) -> None:
    """Two steps: some kernels are first needed in the second."""
    for _ in range(2):
        value = loss(model(x))
        value.backward()
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()


def jobs(dtype: str = "float32") -> dict[str, Callable[[], None]]:
    """What there is to warm, by name."""
    import minigrad as mg
    from minigrad import nn as layers
    from minigrad import optim
    from minigrad.core.modes import no_grad

    nn: Any = layers  # some jobs ask whether a layer is there

    kind = getattr(mg, dtype)

    def randn(*shape: int) -> Any:
        return mg.randn(*shape, dtype=kind)

    def mlp() -> None:
        model = nn.Sequential(
            nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10)
        ).to(kind)
        target = mg.randint(0, 10, (256,))
        for name in ("SGD", "Adam", "AdamW"):
            extra = {"momentum": 0.9} if name == "SGD" else {}
            optimizer = getattr(optim, name)(model.parameters(), lr=1e-3, **extra)
            _train(
                model, randn(256, 64), lambda y: nn.functional.cross_entropy(y, target), optimizer
            )
        model.eval()
        with no_grad():
            model(randn(256, 64)).softmax(-1).argmax(-1)

    def activations() -> None:
        for name in _ACTIVATIONS:
            if hasattr(nn, name):
                _train(getattr(nn, name)(), randn(256, 256).requires_grad_(), lambda y: y.sum())

    def elementwise() -> None:
        x = randn(256, 256).abs().add(0.5).requires_grad_()
        row = randn(256).requires_grad_()
        for y in _elementwise(x, row):
            y.sum().backward()

    def reductions() -> None:
        x = randn(256, 256).requires_grad_()
        for y in (x.sum(0), x.mean(1), x.var(1), x.amax(1), x.softmax(1), x.log_softmax(1)):
            y.sum().backward()
        (x.std() + x.logsumexp(1).sum() + x.max(1).values.sum() + x.norm()).backward()

    def losses() -> None:
        target = randn(256, 256)
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits"):
            loss = getattr(nn.functional, name, None)
            if loss is not None:
                goal = target.sigmoid() if name.startswith("binary") else target
                x = randn(256, 256).requires_grad_()
                loss(x, goal).backward()

    def normalization() -> None:
        for layer in (nn.LayerNorm(256), nn.RMSNorm(256)):
            _train(layer.to(kind), randn(64, 256).requires_grad_(), lambda y: y.square().sum())

    def embedding() -> None:
        layer = nn.Embedding(1000, 64).to(kind)
        _train(layer, mg.randint(0, 1000, (64, 32)), lambda y: y.square().sum())

    def convolution() -> None:
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(16 * 64, 10),
        ).to(kind)  # fmt: skip
        target = mg.randint(0, 10, (16,))
        _train(model, randn(16, 3, 32, 32), lambda y: nn.functional.cross_entropy(y, target))

    def attention() -> None:
        q, k, v = (randn(4, 4, 64, 32).requires_grad_() for _ in range(3))
        for causal in (False, True):
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
            y.square().sum().backward()

    def recurrent() -> None:
        model = nn.LSTM(32, 64).to(kind)
        _train(model, randn(16, 32, 32), lambda out: out[0].square().sum())

    needs = {
        "convolution": "Conv2d", "recurrent": "LSTM", "attention": "", "embedding": "Embedding",
        "normalization": "RMSNorm",
    }  # fmt: skip
    found = {
        job.__name__: job
        for job in (
            mlp, activations, elementwise, reductions, losses, normalization, embedding,
            convolution, attention, recurrent,
        )
    }  # fmt: skip
    if not hasattr(nn.functional, "scaled_dot_product_attention"):
        found.pop("attention")
    return {
        name: job for name, job in found.items() if not needs.get(name) or hasattr(nn, needs[name])
    }


_ACTIVATIONS = (
    "ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Tanh", "Sigmoid", "Softplus", "Mish", "Hardswish",
)  # fmt: skip


def _elementwise(x: Any, row: Any) -> Iterator[Any]:
    """Arithmetic as people write it: with numbers, rows, and other matrices."""
    yield x * x + x / 2 - 1
    yield x * row + row
    yield (x - row) / x
    yield x.exp() + x.log() + x.sqrt() + x.rsqrt()
    yield x.sin() + x.cos() + x.tanh() + x.sigmoid()
    yield x**2.5 + x**3
    yield x.abs() + x.clamp(0.1, 1.0)
