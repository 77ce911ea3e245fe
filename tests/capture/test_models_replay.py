"""A training step of every model, written down as events and done again without the model.

The replay runs on fresh memory filled with garbage, without any of the code that ran the step: only
what listeners heard. The same bits in every parameter, buffer, gradient and optimizer state show
that nothing goes by the doors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import models, nn, optim
from minigrad.models.resnet import Bottleneck
from tests.capture.again import recorded, same_bits, tensors

Step = Callable[[], Any]


def _images(size: int, channels: int = 3, count: int = 2) -> mg.Tensor:
    return mg.randn(count, channels, size, size)


def _classes(model: nn.Module, x: mg.Tensor, count: int) -> tuple[Any, ...]:
    """The loss of a classifier; of several outputs (auxiliary heads), all count."""
    t = mg.randint(0, count, (x.shape[0],))

    def loss() -> mg.Tensor:
        y = model(x)
        outputs = y if isinstance(y, tuple) else (y,)
        total: Any = sum(F.cross_entropy(o, t) for o in outputs if o is not None)
        return total

    return model, loss, (x, t)


def _classifier(make: Callable[[], nn.Module], size: int, channels: int = 3) -> Any:
    return lambda: _classes(make(), _images(size, channels), 5)


def _log_classes() -> tuple[Any, ...]:
    """This one ends in a log-softmax."""
    model, x, t = models.MNISTNet(), _images(28, 1), mg.randint(0, 5, (2,))
    return model, lambda: F.nll_loss(model(x), t), (x, t)


def _mlp() -> tuple[Any, ...]:
    model = models.MLP([6, 8, 5], norm=nn.BatchNorm1d, dropout=0.2)
    return _classes(model, mg.randn(4, 6), 5)


def _sequence() -> tuple[Any, ...]:
    model = models.CharRNN(7, 6, 5, 2, "lstm", 0.1)
    x = mg.randint(0, 7, (3, 4))
    t = mg.randint(0, 7, (12,))
    return model, lambda: F.cross_entropy(model(x)[0].reshape(12, 7), t), (x, t)


def _gpt() -> tuple[Any, ...]:
    config = models.GPTConfig(
        block_size=6, vocab_size=11, n_layer=2, n_head=2, n_embd=8, dropout=0.1
    )
    model = models.GPT(config)
    x, t = mg.randint(0, 11, (2, 6)), mg.randint(0, 11, (2, 6))
    return model, lambda: model(x, t)[1], (x, t)


def _translator() -> tuple[Any, ...]:
    model = models.Seq2SeqTransformer(9, 8, 8, 2, 1, 1, 16, max_len=8)
    x, y, t = (mg.randint(1, 8, (2, 5)) for _ in range(3))
    return model, lambda: F.cross_entropy(model(x, y).reshape(-1, 8), t.reshape(-1)), (x, y, t)


def _rebuilt(make: Callable[[], nn.Module]) -> Any:
    def case() -> tuple[Any, ...]:
        model, x = make(), mg.rand(4, 6)
        return model, lambda: F.mse_loss(model(x), x), (x,)

    return case


def _controller() -> tuple[Any, ...]:
    model, rewards = models.Controller([3, 2, 4], hidden=8), mg.rand(5)
    return model, lambda: -(model.sample(5).log_prob * rewards).mean(), (rewards,)


def _perceptron() -> tuple[Any, ...]:
    model, x, t = models.Perceptron(4), mg.randn(6, 4), mg.randint(0, 2, (6,))
    loss = models.PerceptronLoss()
    return model, lambda: loss(model.score(x), t), (x, t)


CASES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "MLP": _mlp,
    "Perceptron": _perceptron,
    "LeNet5": _classifier(models.LeNet5, 28, 1),
    "OriginalLeNet5": _classifier(models.OriginalLeNet5, 28, 1),
    "MNISTNet": _log_classes,
    "AlexNet": _classifier(lambda: models.AlexNet(5, hidden=16), 67),
    "AlexNet2012": _classifier(lambda: models.AlexNet2012(5, hidden=16), 67),
    "Controller": _controller,
    "CIFARDenseNet": _classifier(lambda: models.CIFARDenseNet(10, 4, 5, drop_rate=0.1), 9),
    "VGG": _classifier(lambda: models.vgg11_bn(num_classes=5, hidden=16), 32),
    "ResNet": _classifier(
        lambda: models.ResNet(Bottleneck, [1, 1, 1, 1], 5, groups=2, width_per_group=8), 33
    ),
    "CIFARResNet": _classifier(lambda: models.CIFARResNet(1, 5, "B", width=4), 9),
    "PreActResNet": _classifier(lambda: models.PreActResNet(1, 5, (4, 8, 16), dropout=0.1), 9),
    "FixupResNet": _classifier(lambda: models.FixupResNet(1, 5, width=4), 9),
    "DenseNet": _classifier(lambda: models.DenseNet(4, (2, 2), 8, 2, 0.1, 5), 33),
    "EfficientNet": _classifier(
        lambda: models.EfficientNet(
            [models.MBConvConfig(1, 3, 1, 8, 8, 1), models.MBConvConfig(2, 3, 2, 8, 8, 2)],
            0.1, 0.2, 5, last_channel=16,
        ), 17,
    ),
    "MobileNetV1": _classifier(lambda: models.MobileNetV1(5, 0.25, 0.1), 32),
    "MobileNetV2": _classifier(
        lambda: models.MobileNetV2(5, 0.25, [[1, 8, 1, 1], [2, 8, 2, 2]]), 16
    ),
    "GoogLeNet": _classifier(lambda: models.GoogLeNet(5, init_weights=False), 64),
    "Inception3": _classifier(lambda: models.Inception3(5, False, init_weights=False), 75),
    "NASNetA": _classifier(
        lambda: models.NASNetA(1, 48, 5, stem_channels=4, drop_path=0.1, dropout=0.1), 8
    ),
    "SENet": _classifier(lambda: models.cifar_se_resnet20(num_classes=5), 8),
    "CharRNN": _sequence,
    "GPT": _gpt,
    "Seq2SeqTransformer": _translator,
    "Autoencoder": _rebuilt(lambda: models.Autoencoder([6, 4, 2], tied=True, noise="gaussian")),
    "StackedAutoencoder": _rebuilt(lambda: models.StackedAutoencoder([6, 4, 2], noise="masking")),
}  # fmt: skip

#: Which are parts of others, or no networks of their own.
PARTS = {
    "CellSpace", "Conv2dNormActivation", "SqueezeExcitation", "StochasticDepth",
    "PositionalEncoding", "PerceptronLoss", "GPTConfig", "MBConvConfig", "GoogLeNetOutputs",
    "InceptionOutputs",
}  # fmt: skip


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    """Everything that a step changes, by name."""
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    found |= {f"{n}.grad": p.grad for n, p in model.named_parameters() if p.grad is not None}
    for i, state in enumerate(optimizer.state.values()):
        found |= {f"state {i} {k}": v for k, v in state.items() if isinstance(v, mg.Tensor)}
    return found


def _built(name: str) -> tuple[Any, Any, Any, Callable[[], mg.Tensor]]:
    """A model, its optimizer, what it is trained on, and a step, of which one is done."""
    mg.manual_seed(1)
    model, loss_of, known = CASES[name]()
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)

    def step() -> mg.Tensor:
        optimizer.zero_grad()
        loss: mg.Tensor = loss_of()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    step()  # afterwards the optimizer has its state
    mg.manual_seed(2)
    return model, optimizer, known, step


@pytest.mark.parametrize("name", CASES)
def test_a_training_step_is_what_is_heard(name: str) -> None:
    """On what was heard, and on other data, where nothing may be as it was."""
    model, optimizer, known, step = _built(name)
    seen, loss = recorded([model, optimizer, known], step)
    assert not seen.reads, [event.op.name for event in seen.reads]
    state = {"loss": loss, **_state(model, optimizer)}
    assert len(state) > 3
    assert same_bits(seen.replay(), state) == len(state)

    other, other_optimizer, data, other_step = _built(name)
    for x in tensors(data).values():
        floating = x.dtype.is_floating_point
        x.array[...] = x.array * np.float32(1.25) if floating else np.roll(x.array, 1, 0)
    values = {x: y.array.copy() for x, y in zip(known, data, strict=True)}
    other_loss = other_step()
    again = seen.replay(values)
    expected = {"loss": other_loss, **_state(other, other_optimizer)}
    for key, t in state.items():
        np.testing.assert_array_equal(again.value(t), expected[key].array, err_msg=key)


def test_every_model_is_here() -> None:
    classes = {n for n in models.__all__ if inspect.isclass(getattr(models, n))}
    assert classes - PARTS == set(CASES) - {"SENet"}
