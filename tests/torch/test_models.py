"""Models against the same networks in PyTorch: equal keys, outputs and gradients.

Residual networks are written down here a second time, by hand. Of the others PyTorch runs the very
files of minigrad, with its own modules in place of ours.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from minigrad import models  # noqa: E402

tnn, tf = torch.nn, torch.nn.functional


# -- residual networks, once more ------------------------------------------------------------------


def conv_norm(i: int, o: int, k: int, stride: int = 1, groups: int = 1) -> list[Any]:
    conv = tnn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)
    return [conv, tnn.BatchNorm2d(o)]


class Residual(tnn.Module):
    def __init__(self, kernels: Any, channels: Any, stride: int, groups: int, shortcut: Any):
        super().__init__()
        self.count, at = len(kernels), kernels.index(3)
        for n, (k, i, o) in enumerate(zip(kernels, channels, channels[1:], strict=False)):
            conv, norm = conv_norm(i, o, k, *((stride, groups) if n == at else ()))
            self.add_module(f"conv{n + 1}", conv)
            self.add_module(f"bn{n + 1}", norm)
        self.plain = shortcut == "none"
        self.new = channels[-1] - channels[0] if shortcut == "A" else 0
        self.stride = stride
        if shortcut == "B" and (stride > 1 or channels[0] != channels[-1]):
            self.downsample = tnn.Sequential(*conv_norm(channels[0], channels[-1], 1, stride))

    def forward(self, x: Any) -> Any:
        y = x
        for n in range(1, self.count + 1):
            y = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(y))
            y = y if n == self.count else y.relu()
        if self.plain:
            return y.relu()
        if hasattr(self, "downsample"):
            return (y + self.downsample(x)).relu()
        x = x[..., :: self.stride, :: self.stride]
        zeros = x.new_zeros(len(x), self.new // 2, *x.shape[2:])
        return (y + torch.cat([zeros, x, zeros], 1)).relu()


def twin(
    stem: list[Any], blocks: list[int], widths: list[int], classes: int, wide: bool = False,
    groups: int = 1, base: int = 64, shortcut: str = "B",
) -> Any:  # fmt: skip
    net = tnn.Sequential()
    net.add_module("conv1", stem[0])
    net.add_module("bn1", stem[1])
    for n, module in enumerate([tnn.ReLU(), *stem[2:]]):
        net.add_module(f"stem{n}", module)
    channels = stem[0].out_channels
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        made = []
        for n in range(count):
            inner = width * base // 64 * groups
            out = 4 * width if wide else width
            path = [channels, inner, inner, out] if wide else [channels, width, width]
            stride = 2 if stage and not n else 1
            made.append(Residual([1, 3, 1] if wide else [3, 3], path, stride, groups, shortcut))
            channels = out
        net.add_module(f"layer{stage + 1}", tnn.Sequential(*made))
    net.add_module("pool", tnn.AdaptiveAvgPool2d(1))
    net.add_module("flat", tnn.Flatten())
    net.add_module("fc", tnn.Linear(channels, classes))
    return net


def imagenet_twin(blocks: list[int], **kwargs: Any) -> Any:
    stem = [*conv_norm(3, 64, 7, 2), tnn.MaxPool2d(3, 2, 1)]
    return twin(stem, blocks, [64, 128, 256, 512], 5, **kwargs)


def cifar_twin(blocks: int, shortcut: str) -> Any:
    return twin(conv_norm(3, 16, 3), [blocks] * 3, [16, 32, 64], 10, shortcut=shortcut)


# -- the others: the files of minigrad, run by PyTorch ---------------------------------------------

FILES = ["weights", "blocks", "resnet", "cifar_resnet", "fixup", "senet", "alexnet", "vgg",
         "googlenet", "inception"]  # fmt: skip


@pytest.fixture(scope="module")
def translated() -> Any:
    """A namespace of the functions of `minigrad.models` that make networks of PyTorch."""
    names: dict[str, Any] = {}
    try:
        for file in FILES:
            text = inspect.getsource(sys.modules[f"minigrad.models.{file}"])
            text = text.replace("minigrad.models", "torch_twins")
            for ours, theirs in (("names", "torch"), ("tensor", "torch"), ("nn", "torch.nn")):
                text = text.replace(f"from minigrad.{ours} import", f"from {theirs} import")
            text = text.replace("from minigrad import nn", "from torch import nn")
            # PyTorch has no such initialization, and the weights are copied anyway
            text = text.replace("nn.init.fixup_", "(lambda *args, **kwargs: None)")
            module = types.ModuleType(f"torch_twins.{file}")
            sys.modules[module.__name__] = module
            exec(compile(text, f"<{file} for PyTorch>", "exec"), module.__dict__)
            names |= {k: module.__dict__[k] for k in module.__dict__["__all__"]}
    finally:
        for file in FILES:
            sys.modules.pop(f"torch_twins.{file}", None)
    return types.SimpleNamespace(**names)


# -- comparison ------------------------------------------------------------------------------------


def share_weights(ours: Any, theirs: Any) -> None:
    """Give both the same state; its keys and shapes must agree, in their order."""
    state = {k: v.detach().numpy() for k, v in theirs.state_dict().items()}
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, v.shape) for k, v in state.items()
    ]
    rng = np.random.default_rng(0)
    for k, v in state.items():
        if k.endswith("running_mean"):
            state[k] = rng.normal(size=v.shape)
        elif k.endswith("running_var"):
            state[k] = rng.uniform(0.5, 2, size=v.shape)
        elif v.ndim == 1 and k.endswith("weight"):
            state[k] = rng.uniform(0.5, 1.5, size=v.shape)
        elif v.ndim > 1:
            state[k] = rng.normal(scale=np.sqrt(2 / np.prod(v.shape[1:])), size=v.shape)
    ours.load_state_dict({k: mg.tensor(v) for k, v in state.items()})
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def close(a: Any, b: Any, name: str) -> None:
    p, q = a.detach().numpy(), b.detach().numpy()
    scale = max(1e-6, float(np.abs(q).max()))
    np.testing.assert_allclose(p, q, rtol=1e-7, atol=1e-7 * scale, err_msg=name)


def compare(ours: Any, theirs: Any, size: int, batch: int = 2) -> None:
    ours, theirs = ours.double(), theirs.double()
    share_weights(ours, theirs)
    x = np.random.default_rng(1).normal(size=(batch, 3, size, size))
    results = []
    for module, net in ((mg, ours), (torch, theirs)):
        leaf = module.tensor(x).requires_grad_()
        scores = flat(net(leaf))
        target = module.arange(batch)
        loss = sum(module.nn.functional.cross_entropy(s, target) for s in scores)
        loss.backward()
        buffers = [b.clone() for b in net.buffers()]
        net.eval()
        results.append([leaf.grad, *scores, net(leaf), *buffers])
    for n, (a, b) in enumerate(zip(*results, strict=True)):
        close(a, b, f"result {n}")
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad, name)


#: Blocks of the stages: one that changes the shape in each, and one that does not. How many there
#: are in the networks of the papers is held by their numbers of parameters (tests/models).
FEW = [1, 2, 1, 1]

HAND_WRITTEN: dict[str, tuple[Callable[[], Any], Callable[[], Any], int]] = {
    "resnet18": (
        lambda: models.ResNet(models.resnet.BasicBlock, FEW, num_classes=5),
        lambda: imagenet_twin(FEW), 32,
    ),
    "resnext50_32x4d": (
        lambda: models.ResNet(
            models.resnet.Bottleneck, FEW, num_classes=5, groups=32, width_per_group=4
        ),
        lambda: imagenet_twin(FEW, wide=True, groups=32, base=4), 32,
    ),
    "wide_resnet50_2": (
        lambda: models.ResNet(models.resnet.Bottleneck, FEW, num_classes=5, width_per_group=128),
        lambda: imagenet_twin(FEW, wide=True, base=128), 32,
    ),
    "resnet20, option A": (models.cifar_resnet20, lambda: cifar_twin(3, "A"), 8),
    "resnet20, option B": (
        lambda: models.cifar_resnet20(shortcut="B"), lambda: cifar_twin(3, "B"), 8,
    ),
    "plain20": (models.cifar_plain20, lambda: cifar_twin(3, "none"), 8),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_residual_networks(name: str) -> None:
    ours, theirs, size = HAND_WRITTEN[name]
    compare(ours(), theirs(), size)


#: Of what is not random: no dropout.
OTHERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "alexnet": (lambda m: m.AlexNet(5, dropout=0.0, hidden=8), 63),
    "vgg": (
        lambda m: m.VGG(
            m.make_layers([8, 8, "M", 16, "M", 512], True), num_classes=5, dropout=0.0, hidden=8
        ), 28,
    ),
    "googlenet": (
        lambda m: m.googlenet(
            num_classes=5, dropout=0.0, dropout_aux=0.0, transform_input=True
        ), 48,
    ),
    "inception_v3": (
        lambda m: m.inception_v3(num_classes=5, dropout=0.0, aux_logits=False), 75,
    ),
    "se_resnet18": (lambda m: m.se_resnet18(num_classes=5), 32),
    "cifar_se_resnet": (lambda m: m.cifar_se_resnet(8), 8),
    "fixup": (lambda m: m.cifar_fixup_resnet(8), 8),
    "preact20": (lambda m: m.cifar_preact_resnet20(), 8),
    "preact, bottlenecks": (
        lambda m: m.PreActResNet(1, shortcut="B", block=m.PreActBottleneck), 8,
    ),
    "wide": (lambda m: m.cifar_wide_resnet(10, 2), 8),
}  # fmt: skip


def ours() -> Any:
    """All public names of the files, as `translated` has them."""
    names: dict[str, Any] = {}
    for file in FILES:
        module = sys.modules[f"minigrad.models.{file}"]
        names |= {k: module.__dict__[k] for k in module.__dict__["__all__"]}
    return types.SimpleNamespace(**names)


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks(name: str, translated: Any) -> None:
    make, size = OTHERS[name]
    compare(make(ours()), make(translated), size, batch=3)


def test_the_auxiliary_head_of_inception(translated: Any) -> None:
    nets = [
        sys.modules["minigrad.models.inception"].InceptionAux(8, 3),  # type: ignore[attr-defined]
        translated.Inception3(init_weights=False).AuxLogits.__class__(8, 3),
    ]
    for net in nets:
        net.double()
    share_weights(*nets)
    x = np.random.default_rng(0).normal(size=(2, 8, 17, 17))
    a, b = nets[0](mg.tensor(x)), nets[1](torch.tensor(x))
    close(a, b, "scores")


def test_checkpoints_load(translated: Any, tmp_path: Any) -> None:
    path = tmp_path / "googlenet.pth"
    theirs = translated.googlenet(num_classes=5).eval()
    torch.save(theirs.state_dict(), path)
    net = models.googlenet(weights=path, num_classes=5).eval()
    assert net.transform_input
    assert net.aux1 is None
    theirs.transform_input = True
    x = np.random.default_rng(0).normal(size=(2, 3, 48, 48)).astype(np.float32)
    a, b = net(mg.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


def test_repr(translated: Any) -> None:
    for make in (lambda m: m.resnet18(), lambda m: m.googlenet()):
        assert repr(make(ours())) == repr(make(translated))
