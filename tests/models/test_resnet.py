"""Residual networks: ResNet, ResNeXt, Wide ResNet, SENet, and those for CIFAR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, nn
from minigrad.models.cifar_resnet import PadShortcut, PreActBlock, PreActBottleneck
from minigrad.models.resnet import BasicBlock, Bottleneck, ResNet
from minigrad.models.senet import SEBasicBlock


def images(n: int = 2, size: int = 8, seed: int = 0) -> Any:
    x = np.random.default_rng(seed).normal(size=(n, 3, size, size))
    return mg.tensor(x.astype(np.float32))


def tiny(block: Any = BasicBlock, **kwargs: Any) -> ResNet:
    return ResNet(block, [1, 1, 1, 1], num_classes=5, **kwargs)


def backward(model: Any, x: Any, classes: int) -> dict[str, float]:
    """The norms of the gradients of all parameters."""
    scores = model(x)
    assert scores.shape == (len(x), classes)
    nn.functional.cross_entropy(scores, mg.arange(len(x)) % classes).backward()
    return {k: float(p.grad.norm()) for k, p in model.named_parameters()}


BATCH_NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def batch_norm(name: str) -> list[str]:
    return [f"{name}.{part}" for part in BATCH_NORM]


def resnet18_keys() -> list[str]:
    keys = ["conv1.weight", *batch_norm("bn1")]
    for stage in range(1, 5):
        for block in range(2):
            at = f"layer{stage}.{block}"
            for i in (1, 2):
                keys += [f"{at}.conv{i}.weight", *batch_norm(f"{at}.bn{i}")]
            if block == 0 and stage > 1:
                keys += [f"{at}.downsample.0.weight", *batch_norm(f"{at}.downsample.1")]
    return [*keys, "fc.weight", "fc.bias"]


def test_resnet18_has_the_keys_of_torchvision_in_their_order() -> None:
    state = models.resnet18().state_dict()
    assert list(state) == resnet18_keys()
    assert len(state) == 122
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.conv2.weight"].shape == (512, 512, 3, 3)
    assert state["fc.weight"].shape == (1000, 512)


def test_bottlenecks_have_the_keys_of_torchvision() -> None:
    state = models.resnext50_32x4d(num_classes=2).state_dict()
    assert len(state) == 320
    assert state["layer1.0.conv1.weight"].shape == (128, 64, 1, 1)
    assert state["layer1.0.conv2.weight"].shape == (128, 4, 3, 3)
    assert state["layer1.0.conv3.weight"].shape == (256, 128, 1, 1)
    assert state["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert state["layer4.2.bn3.running_var"].shape == (2048,)


def test_bottleneck_puts_the_stride_on_the_3x3_convolution() -> None:
    block = Bottleneck(8, 2, stride=2)
    assert block.conv1.stride == (1, 1)
    assert block.conv2.stride == (2, 2)


@pytest.mark.parametrize(
    ("block", "more"),
    [(BasicBlock, {}), (Bottleneck, {}), (Bottleneck, {"groups": 4, "width_per_group": 16})],
    ids=["basic", "bottleneck", "groups"],
)
def test_gradients_reach_every_parameter(block: Any, more: Any) -> None:
    norms = backward(tiny(block, **more), images(size=32), 5)
    assert all(np.isfinite(v) and v > 0 for v in norms.values()), norms


def test_eval_is_deterministic_and_leaves_the_state_alone() -> None:
    model = tiny().eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    x = images(size=32)
    with mg.no_grad():
        first, again, alone = model(x), model(x), model(x[:1])
    assert mg.equal(first, again)
    np.testing.assert_allclose(alone.numpy(), first[:1].numpy(), rtol=1e-4, atol=1e-4)
    assert all(mg.equal(v, before[k]) for k, v in model.state_dict().items())


def test_convolutions_start_with_he_normal_by_fan_out() -> None:
    mg.manual_seed(0)
    weight = models.resnet18(num_classes=2).layer3[0].conv1.weight
    assert weight.shape == (256, 128, 3, 3)
    assert float(weight.std()) == pytest.approx(np.sqrt(2 / (256 * 9)), rel=0.01)
    assert abs(float(weight.mean())) < 1e-3


def test_zero_init_residual_starts_blocks_as_the_identity() -> None:
    model = ResNet(BasicBlock, [2, 1, 1, 1], num_classes=5, zero_init_residual=True)
    x = images(size=6).repeat(1, 22, 1, 1)[:, :64].relu()
    assert mg.equal(model.layer1[1](x), x)
    bottleneck = tiny(Bottleneck, zero_init_residual=True).layer4[0]
    assert not bottleneck.bn3.weight.any()
    assert bottleneck.bn1.weight.all()


def test_dilation_in_place_of_strides_keeps_the_resolution() -> None:
    model = tiny(Bottleneck, replace_stride_with_dilation=[False, True, True])
    assert model.layer2[0].conv2.stride == (2, 2)
    third, fourth = model.layer3[0].conv2, model.layer4[0].conv2
    assert third.stride == fourth.stride == (1, 1)
    assert (third.dilation, fourth.dilation) == ((1, 1), (2, 2))
    assert model.layer4[0].downsample[0].stride == (1, 1)
    with pytest.raises(ValueError, match="3-element"):
        tiny(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="dilation"):
        ResNet(BasicBlock, [1, 1, 2, 1], replace_stride_with_dilation=[False, True, False])


def test_other_normalizations() -> None:
    model = tiny(norm_layer=lambda channels: nn.GroupNorm(8, channels))
    assert not list(model.buffers())
    assert model(images(1, 32)).shape == (1, 5)


def test_basic_blocks_refuse_groups() -> None:
    with pytest.raises(ValueError, match="groups=32"):
        BasicBlock(8, 8, groups=32)


# -- squeeze and excitation ------------------------------------------------------------------------


def test_a_gate_of_one_half_halves_the_residual_branch() -> None:
    mg.manual_seed(1)
    block, plain = SEBasicBlock(16, 16), BasicBlock(16, 16)
    assert plain.load_state_dict(
        {k: v for k, v in block.state_dict().items() if not k.startswith("se.")}
    ) == ([], [])
    with mg.no_grad():
        block.se.fc2.weight.zero_()
        block.se.fc2.bias.zero_()
    x = mg.rand(2, 16, 5, 5)
    expected = (plain.residual(x) * 0.5 + x).relu()
    np.testing.assert_allclose(block(x).detach(), expected.detach(), rtol=1e-5, atol=1e-6)


def test_se_networks_train() -> None:
    mg.manual_seed(0)
    model = models.cifar_se_resnet(8)
    assert model.layer3[0].se.fc1.weight.shape == (4, 64, 1, 1)
    norms = backward(model, images(size=16), 10)
    assert all(np.isfinite(v) for v in norms.values())
    assert norms["layer3.0.se.fc2.weight"] > 0


# -- CIFAR -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [models.cifar_resnet110, models.cifar_plain56, models.cifar_preact_resnet110],
    ids=["residual", "plain", "preact"],
)
def test_gradients_at_depth(make: Any) -> None:
    mg.manual_seed(0)
    norms = backward(make(), images(4), 10)
    assert all(np.isfinite(v) for v in norms.values())
    assert all(v > 1e-6 for k, v in norms.items() if "conv" in k), norms


def test_a_plain_network_is_the_residual_one_without_shortcuts() -> None:
    plain, residual = models.cifar_plain20(), models.cifar_resnet20()
    assert list(plain.state_dict()) == list(residual.state_dict())
    assert len(plain.state_dict()) == 116
    block = plain.layer1[0]
    with mg.no_grad():
        block.bn2.weight.zero_()
    assert not block(mg.rand(1, 16, 4, 4)).any()


def test_shortcuts_of_option_a_subsample_and_pad() -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    y = PadShortcut(4, 9, 2)(mg.tensor(x)).numpy()
    expected = np.zeros((2, 9, 3, 3), np.float32)
    expected[:, 2:6] = x[:, :, ::2, ::2]
    np.testing.assert_array_equal(y, expected)
    with pytest.raises(ValueError, match="adds channels"):
        PadShortcut(4, 2)


def test_shortcuts_of_option_b_are_learned() -> None:
    state = models.cifar_resnet(8, shortcut="B").state_dict()
    assert state["layer2.0.downsample.0.weight"].shape == (32, 16, 1, 1)
    assert "layer2.0.downsample.1.running_mean" in state
    assert "layer1.0.downsample.0.weight" not in state


@pytest.mark.parametrize("kind", [PreActBlock, PreActBottleneck])
def test_nothing_stands_on_the_path_of_a_preactivated_shortcut(kind: Any) -> None:
    block = kind(4 * kind.expansion, 4)
    with mg.no_grad():
        (block.conv2 if kind is PreActBlock else block.conv3).weight.zero_()
    x = images(2, 5)[:, :1].repeat(1, 4 * kind.expansion, 1, 1)
    assert mg.equal(block(x), x)


def test_fixup_starts_as_the_shortcuts_and_trains() -> None:
    mg.manual_seed(0)
    model, x = models.cifar_fixup_resnet(14, width=8), images(2, 8)
    assert not model(x).any()
    y = mg.rand(1, 8, 4, 4)
    assert mg.equal(model.layer1[1](y), y)
    weight = models.cifar_fixup_resnet(14, width=64).layer3[1].conv1.weight
    assert float(weight.std()) == pytest.approx(np.sqrt(2 / (256 * 9)) / np.sqrt(6), rel=0.01)
    assert backward(model, x, 10)["fc.weight"] > 0
    with mg.no_grad():  # as after a few steps
        for name, p in model.named_parameters():
            if "conv2" in name or "fc" in name:
                p.normal_(0, 0.1)
    norms = backward(model, x, 10)
    assert all(np.isfinite(v) for v in norms.values())
    assert all(v > 0 for k, v in norms.items() if "conv" in k)


def test_wide_networks_drop_between_the_convolutions() -> None:
    mg.manual_seed(0)
    model = models.cifar_wide_resnet(10, 2, dropout=0.3)
    assert model.layer1[0].conv1.weight.shape == (32, 16, 3, 3)
    assert model.layer1[0].downsample.weight.shape == (32, 16, 1, 1)
    x = images()
    with mg.no_grad():
        assert not mg.equal(model(x), model(x))
        model.eval()
        assert mg.equal(model(x), model(x))


def test_arguments_of_cifar_networks_are_checked() -> None:
    with pytest.raises(ValueError, match=r"6 \* n \+ 2"):
        models.cifar_resnet(18)
    with pytest.raises(ValueError, match=r"6 \* n \+ 4"):
        models.cifar_wide_resnet(20, 2)
    with pytest.raises(ValueError, match="shortcut"):
        models.cifar_resnet20(shortcut="C")
    with pytest.raises(ValueError, match="shortcut"):
        models.cifar_preact_resnet20(shortcut="none")
    with pytest.raises(ValueError, match="no plain network"):
        models.cifar_se_resnet(8, shortcut="none")
