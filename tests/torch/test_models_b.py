"""Models against the same ones in PyTorch: equal losses and gradients.

Those that read and write, and a dense block, are written down here (and in `writers`) a second
time. Of the other networks for images PyTorch runs the very files of minigrad, with its own modules
in place of ours.
"""

from __future__ import annotations

import inspect
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from minigrad.models import GPT, CharRNN, DenseNet, GPTConfig, Seq2SeqTransformer  # noqa: E402
from tests.torch import writers as twins  # noqa: E402
from tests.torch.test_models import share_weights  # noqa: E402

RNG = np.random.default_rng(0)


def gradients_agree(ours, theirs, tolerance):
    found = {k: p.grad.numpy() for k, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        scale = max(1e-3, np.abs(found[name]).max())
        np.testing.assert_allclose(
            p.grad.numpy() / scale, found[name] / scale, atol=tolerance, err_msg=name
        )


def compare(ours, theirs, loss_of, tolerance=1e-4):
    a, b = loss_of(mg, ours), loss_of(torch, theirs)
    np.testing.assert_allclose(a.item(), b.item(), rtol=tolerance / 10)
    a.backward()
    b.backward()
    gradients_agree(ours, theirs, tolerance)


def test_gpt():
    mg.manual_seed(0)
    config = GPTConfig(block_size=8, vocab_size=13, n_layer=2, n_head=2, n_embd=16)
    ours, theirs = GPT(config), twins.gpt(config)
    twins.same_weights(ours, theirs)
    x, y = RNG.integers(0, 13, (2, 3, 8))
    y[0, 3] = -1
    compare(ours, theirs, lambda m, net: net(m.tensor(x), m.tensor(y))[1])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_char_rnn(cell):
    mg.manual_seed(0)
    ours = CharRNN(13, 8, num_layers=2, cell=cell, tie_weights=True)
    theirs = twins.CharRNN(13, 8, 2, cell, True)
    twins.same_weights(ours, theirs)
    x = RNG.integers(0, 13, (3, 9))

    def loss(m, net):
        first, state = net(m.tensor(x[:, :4]))
        second, _ = net(m.tensor(x[:, 4:8]), state)
        logits = m.cat([first, second], 1)
        return m.nn.functional.cross_entropy(logits.flatten(0, 1), m.tensor(x[:, 1:]).flatten())

    compare(ours, theirs, loss)


def test_transformer():
    mg.manual_seed(0)
    ours = Seq2SeqTransformer(11, 11, 8, 2, 2, 2, 16, dropout=0.0)
    theirs = twins.Translator(11, 8, 2, 2, 16)
    twins.same_weights(ours, theirs)
    src, tgt = RNG.integers(1, 11, (3, 6)), RNG.integers(1, 11, (3, 5))
    src[0, 4:] = 0
    tgt[1, 3:] = 0

    def loss(m, net):
        logits = net(m.tensor(src), m.tensor(tgt[:, :-1]))
        targets = m.tensor(tgt[:, 1:]).flatten()
        return m.nn.functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index=0)

    compare(ours, theirs, loss)


class DenseTwin(torch.nn.Module):
    """One dense block and one transition, by the parameters of ours."""

    def forward(self, state, x):
        F = torch.nn.functional

        def norm(x, name):
            return F.batch_norm(x, None, None, state[f"{name}.weight"], state[f"{name}.bias"], True)

        x = F.conv2d(x, state["features.conv0.weight"], stride=2, padding=3)
        x = F.max_pool2d(norm(x, "features.norm0").relu(), 3, 2, 1)
        for i in (1, 2):
            at = f"features.denseblock1.denselayer{i}"
            y = F.conv2d(norm(x, f"{at}.norm1").relu(), state[f"{at}.conv1.weight"])
            y = F.conv2d(norm(y, f"{at}.norm2").relu(), state[f"{at}.conv2.weight"], padding=1)
            x = torch.cat([x, y], 1)
        x = norm(x, "features.norm5").relu().mean((2, 3))
        return F.linear(x, state["classifier.weight"], state["classifier.bias"])


def test_dense_block():
    mg.manual_seed(0)
    net = DenseNet(growth_rate=4, block_config=(2,), num_init_features=8, num_classes=5).double()
    state = {
        k: torch.tensor(p.detach().numpy(), requires_grad=True) for k, p in net.named_parameters()
    }
    x = RNG.normal(size=(2, 3, 16, 16))
    ours, theirs = net(mg.tensor(x)), DenseTwin()(state, torch.tensor(x))
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), atol=1e-9)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for name, p in net.named_parameters():
        found = state[name].grad.numpy()
        scale = max(1e-3, np.abs(found).max())
        np.testing.assert_allclose(p.grad.numpy() / scale, found / scale, atol=1e-7, err_msg=name)


FILES = [
    "weights", "blocks", "resnet", "cifar_resnet", "mlp", "lenet", "autoencoder", "densenet",
    "mobilenet", "efficientnet", "nasnet",
]  # fmt: skip
NEW_PARAMETER = "new_parameter = lambda shape: nn.Parameter(__import__('torch').empty(shape))\n"
#: What minigrad's layers of fields are, on PyTorch's modules.
LAYER = """
class UnaryLayer(nn.Module):
    def __init__(self, *values):
        super().__init__()
        fields = [n for n in type(self).__annotations__]
        for name, value in zip(fields, values):
            setattr(self, name, value)
        self.__post_init__()
"""
SOURCES = {
    "from minigrad.nn.layer import UnaryLayer": LAYER,
    "from minigrad import nn": "from torch import nn",
    "from minigrad.names import": "from torch import",
    "from minigrad.core.tensor import Tensor, given":
        "from torch import Tensor\nfrom torch import tensor as given",
    "from minigrad.core.tensor import": "from torch import",
    "from minigrad.nn import": "from torch.nn import",
    "from minigrad.utils.": "from torch.utils.",
    "minigrad.models": "torch_twins_b",
    "from minigrad.nn.linear import new_parameter": NEW_PARAMETER,
    "from minigrad.nn.linear import TransposedLinear": NEW_PARAMETER
        + "Module, Linear, linear, fill = nn.Module, nn.Linear, F.linear, nn.init\n"
        + inspect.getsource(mg.nn.TransposedLinear),
}  # fmt: skip


@pytest.fixture(scope="module")
def translated():
    """The models by their names, made of PyTorch's modules."""
    names = {}
    try:
        for file in FILES:
            text = inspect.getsource(sys.modules[f"minigrad.models.{file}"])
            for ours, theirs in SOURCES.items():
                text = text.replace(ours, theirs)
            imports = [x for x in text.splitlines() if x.startswith(("import ", "from "))]
            assert not any("minigrad" in x for x in imports), imports
            module = types.ModuleType(f"torch_twins_b.{file}")
            sys.modules[module.__name__] = module
            exec(compile(text, f"<{file} for PyTorch>", "exec"), module.__dict__)
            names |= module.__dict__
    finally:
        for file in FILES:
            sys.modules.pop(f"torch_twins_b.{file}", None)
    return types.SimpleNamespace(**names)


def stages(m):
    return [m.MBConvConfig(1, 3, 1, 8, 8, 2), m.MBConvConfig(4, 5, 2, 8, 16, 2)]


IMAGES = {
    "densenet": (lambda m: m.DenseNet(4, (2, 3), 8, num_classes=5), 32),
    "mobilenet_v1": (lambda m: m.MobileNetV1(5, 0.25, dropout=0.0), 32),
    "mobilenet_v2": (lambda m: m.MobileNetV2(5, 0.25, dropout=0.0), 32),
    "efficientnet": (lambda m: m.EfficientNet(stages(m), 0.0, 0.0, 5), 16),
    "nasnet": (lambda m: m.NASNetA(1, 48, 5, stem_channels=8), 12),
    "nasnet, large images": (lambda m: m.NASNetA(1, 96, 5, "imagenet", 8), 47),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_networks_for_images(name, translated):
    make, size = IMAGES[name]
    ours, theirs = make(mg.models).double(), make(translated).double()
    share_weights(ours, theirs)
    x, t = np.random.default_rng(1).normal(size=(3, 3, size, size)), np.array([0, 1, 2])
    for training in (True, False):
        for net in (ours, theirs):
            net.train(training).zero_grad()
        compare(
            ours, theirs,
            lambda m, net: m.nn.functional.cross_entropy(net(m.tensor(x)), m.tensor(t)), 1e-7,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["LeNet5", "OriginalLeNet5"])
def test_networks_for_digits(name, translated):
    ours, theirs = getattr(mg.models, name)().double(), getattr(translated, name)().double()
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x, t = RNG.normal(size=(2, 1, 28, 28)), np.array([3, 1])
    compare(
        ours, theirs, lambda m, net: m.nn.functional.cross_entropy(net(m.tensor(x)), m.tensor(t))
    )


@pytest.mark.parametrize("tied", [False, True])
def test_autoencoder(tied, translated):
    nets = [
        m.Autoencoder([7, 5, 3], "tanh", tied=tied, output="sigmoid")
        for m in (mg.models, translated)
    ]
    nets[1].load_state_dict({k: torch.tensor(v.numpy()) for k, v in nets[0].state_dict().items()})
    x = RNG.random((4, 7)).astype("float32")
    compare(*nets, lambda m, net: net.loss(m.tensor(x)))
