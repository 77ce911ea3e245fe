"""What ``minigrad warm`` trains: networks just large enough that kernels and not numpy compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import minigrad as mg
from minigrad import models, nn, optim
from minigrad.core.modes import no_grad
from minigrad.nn import functional as F

__all__ = ["JOBS"]

Job = Callable[[str], None]

#: By name; each is called with the name of a type.
JOBS: dict[str, Job] = {}


def _job(function: Job) -> Job:
    JOBS[function.__name__.strip("_")] = function
    return function


def _randn(dtype: str, *shape: int) -> Any:
    return mg.randn(*shape, dtype=getattr(mg, dtype))


def _train(model: Any, x: Any, loss: Callable[[Any], Any], optimizer: Any = None) -> None:
    """Two steps: some kernels are first needed in the second."""
    for _ in range(2):
        loss(model(x)).backward()
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()


def _classify(dtype: str, model: Any, x: Any, classes: int = 10) -> None:
    """Train a network that ends in logits on random classes, then let it predict."""
    model.to(getattr(mg, dtype))
    target: Any = None

    def rows(y: Any) -> Any:
        return (y[0] if isinstance(y, tuple) else y).reshape(-1, classes)

    def loss(y: Any) -> Any:
        nonlocal target
        y = rows(y)
        target = mg.randint(0, classes, (len(y),)) if target is None else target
        return F.cross_entropy(y, target)

    _train(model, x, loss, optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4))
    _train(model, x, loss, optim.Adam(model.parameters(), lr=1e-3))
    model.eval()
    with no_grad():
        rows(model(x)).softmax(-1).argmax(-1)


# -- networks ------------------------------------------------------------------------------------


@_job
def _mlp(dtype: str) -> None:
    layers = (nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2))
    _classify(dtype, nn.Sequential(*layers, nn.Linear(256, 10)), _randn(dtype, 256, 64))
    _classify(dtype, nn.Sequential(nn.Linear(784, 10)), _randn(dtype, 128, 784))


@_job
def _convolution(dtype: str) -> None:
    _classify(dtype, models.LeNet5(), _randn(dtype, 64, 1, 28, 28))
    _classify(dtype, models.cifar_resnet20(), _randn(dtype, 16, 3, 32, 32))
    apart = nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.ReLU6(),
        nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.BatchNorm2d(32), nn.Hardswish(),
        nn.ConvTranspose2d(32, 16, 2, stride=2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    _classify(dtype, apart, _randn(dtype, 16, 3, 32, 32))


@_job
def _transformer(dtype: str) -> None:
    sizes = models.GPTConfig(vocab_size=65, block_size=64, n_layer=1, n_head=4, n_embd=128)
    _classify(dtype, models.GPT(sizes), mg.randint(0, 65, (16, 64)), 65)
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, activation="gelu")
    encoder = nn.Sequential(nn.TransformerEncoder(layer, 1), nn.Linear(64, 10))
    _classify(dtype, encoder, _randn(dtype, 16, 64, 64))


@_job
def _recurrent(dtype: str) -> None:
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        model = kind(32, 64).to(getattr(mg, dtype))
        _train(model, _randn(dtype, 16, 32, 32), lambda out: out[0].square().sum())


# -- layers --------------------------------------------------------------------------------------


@_job
def _activations(dtype: str) -> None:
    for name in _ACTIVATIONS:
        x = _randn(dtype, 256, 256).requires_grad_()
        _train(getattr(nn, name)(), x, lambda y: y.sum())


_ACTIVATIONS = (
    "ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Tanh", "Sigmoid", "Softplus", "Mish", "Hardswish",
)  # fmt: skip


@_job
def _normalization(dtype: str) -> None:
    for layer in (nn.LayerNorm(256), nn.RMSNorm(256)):
        x = _randn(dtype, 64, 256).requires_grad_()
        _train(layer.to(getattr(mg, dtype)), x, lambda y: y.square().sum())
    image = _randn(dtype, 8, 32, 16, 16).requires_grad_()
    _train(nn.GroupNorm(8, 32).to(getattr(mg, dtype)), image, lambda y: y.square().sum())


@_job
def _embedding(dtype: str) -> None:
    layer = nn.Embedding(1000, 64).to(getattr(mg, dtype))
    _train(layer, mg.randint(0, 1000, (64, 32)), lambda y: y.square().sum())


@_job
def _attention(dtype: str) -> None:
    q, k, v = (_randn(dtype, 4, 4, 64, 32).requires_grad_() for _ in range(3))
    for causal in (False, True):
        F.scaled_dot_product_attention(q, k, v, is_causal=causal).square().sum().backward()


@_job
def _losses(dtype: str) -> None:
    target = _randn(dtype, 256, 256)
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss):
        loss(_randn(dtype, 256, 256).requires_grad_(), target).backward()
    x = _randn(dtype, 256, 256).requires_grad_()
    F.binary_cross_entropy_with_logits(x, target.sigmoid()).backward()


@_job
def _optimizers(dtype: str) -> None:
    for name in ("AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam"):
        layer = nn.Linear(128, 128).to(getattr(mg, dtype))
        optimizer = getattr(optim, name)(layer.parameters(), lr=1e-3)
        _train(layer, _randn(dtype, 32, 128), lambda y: y.square().mean(), optimizer)


# -- operations ----------------------------------------------------------------------------------


@_job
def _elementwise(dtype: str) -> None:
    x = _randn(dtype, 256, 256).abs().add(0.5).requires_grad_()
    row = _randn(dtype, 256).requires_grad_()
    for y in _arithmetic(x, row):
        y.sum().backward()


def _arithmetic(x: Any, row: Any) -> Iterator[Any]:
    """As people write it: with numbers, rows, and other matrices."""
    yield x * x + x / 2 - 1
    yield x * row + row
    yield (x - row) / x
    yield x.exp() + x.log() + x.sqrt() + x.rsqrt()
    yield x.sin() + x.cos() + x.tanh() + x.sigmoid()
    yield x**2.5 + x**3
    yield x.abs() + x.clamp(0.1, 1.0)


@_job
def _reductions(dtype: str) -> None:
    x = _randn(dtype, 256, 256).requires_grad_()
    for y in (x.sum(0), x.mean(1), x.var(1), x.amax(1), x.softmax(1), x.log_softmax(1)):
        y.sum().backward()
    (x.std() + x.logsumexp(1).sum() + x.max(1).values.sum() + x.norm()).backward()


@_job
def _selection(dtype: str) -> None:
    x = _randn(dtype, 512, 256).requires_grad_()
    rows = mg.randint(0, 512, (512,))
    for y in (x[rows], x.index_select(0, rows), x.gather(0, rows[:, None].expand(512, 256))):
        y.sum().backward()
    image = _randn(dtype, 4, 16, 64, 64).requires_grad_()
    mg.cat([image, image], 1).movedim(1, -1).contiguous().sum().backward()
    (x.cumsum(1).sum() + x.sort(1).values.sum() + x.topk(5).values.sum()).backward()
