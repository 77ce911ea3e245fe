"""AlexNet, VGG, GoogLeNet and Inception-v3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, nn
from minigrad.models.googlenet import InceptionAux, from_imagenet
from minigrad.models.inception import InceptionAux as InceptionV3Aux
from minigrad.models.vgg import make_layers


def images(n: int, size: int) -> Any:
    x = np.random.default_rng(0).normal(size=(n, 3, size, size))
    return mg.tensor(x.astype(np.float32))


def check_gradients(model: Any) -> None:
    for name, p in model.named_parameters():
        norm = float(p.grad.norm())
        assert np.isfinite(norm), name
        assert norm > 0, name


def small_vgg() -> Any:
    return models.VGG(make_layers([8, "M", 8, "M", 512, "M"], True), num_classes=5, hidden=16)


def small_alexnet() -> Any:
    return models.AlexNet(num_classes=5, hidden=16)


@pytest.mark.parametrize(
    ("make", "size"), [(small_alexnet, 63), (small_vgg, 56)], ids=["alexnet", "vgg"]
)
def test_forward_and_backward(make: Any, size: int) -> None:
    mg.manual_seed(0)
    model, x = make(), images(2, size)
    scores = model(x)
    assert scores.shape == (2, 5)
    nn.functional.cross_entropy(scores * 100, mg.tensor([1, 3])).backward()
    check_gradients(model)
    model.eval()
    with mg.no_grad():
        assert mg.equal(model(x), model(x))


def test_alexnet_and_vgg_have_the_keys_of_torchvision(undrawn_init: None) -> None:
    state = models.alexnet().state_dict()
    assert list(state) == [
        f"{part}.{i}.{kind}"
        for part, numbers in (("features", (0, 3, 6, 8, 10)), ("classifier", (1, 4, 6)))
        for i in numbers
        for kind in ("weight", "bias")
    ]
    assert state["features.3.weight"].shape == (192, 64, 5, 5)
    assert state["classifier.1.weight"].shape == (4096, 9216)
    plain, normal = models.vgg16().state_dict(), models.vgg16_bn().state_dict()
    convolutions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    assert list(plain) == [
        f"{part}.{i}.{kind}"
        for part, numbers in (("features", convolutions), ("classifier", (0, 3, 6)))
        for i in numbers
        for kind in ("weight", "bias")
    ]
    assert len(normal) == 32 + 13 * 5
    assert normal["features.40.weight"].shape == (512, 512, 3, 3)
    assert normal["features.41.running_mean"].shape == (512,)


def test_vgg_starts_as_it_says() -> None:
    mg.manual_seed(0)
    model = models.VGG(make_layers([64, 512, "M"]), num_classes=50, hidden=64)
    assert float(model.features[2].weight.std()) == pytest.approx(np.sqrt(2 / (512 * 9)), rel=0.01)
    assert float(model.classifier[0].weight.std()) == pytest.approx(0.01, rel=0.01)
    assert not model.features[0].bias.any()
    assert not model.classifier[6].bias.any()
    other = models.VGG(make_layers([8]), num_classes=5, hidden=4, init_weights=False)
    assert other.classifier[3].bias.any()
    with pytest.raises(ValueError, match="'P'"):
        make_layers([8, "P"])


# -- Inception -------------------------------------------------------------------------------------


def convolution(name: str) -> list[str]:
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    return [f"{name}.conv.weight", *(f"{name}.bn.{part}" for part in norm)]


def googlenet_keys() -> list[str]:
    keys = [k for i in (1, 2, 3) for k in convolution(f"conv{i}")]
    for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        for branch in ("1", "2.0", "2.1", "3.0", "3.1", "4.1"):
            keys += convolution(f"inception{block}.branch{branch}")
    for head in ("aux1", "aux2"):
        keys += convolution(f"{head}.conv")
        keys += [f"{head}.fc{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")]
    return [*keys, "fc.weight", "fc.bias"]


def test_googlenet_has_the_keys_of_torchvision(undrawn_init: None) -> None:
    state = models.googlenet().state_dict()
    assert list(state) == googlenet_keys()
    assert state["inception3a.branch3.1.conv.weight"].shape == (32, 16, 3, 3)
    assert state["aux2.conv.conv.weight"].shape == (128, 528, 1, 1)
    assert state["aux1.fc1.weight"].shape == (1024, 2048)
    without = models.googlenet(aux_logits=False).state_dict()
    assert list(without) == [k for k in googlenet_keys() if not k.startswith("aux")]


def inception_keys() -> list[str]:
    five = "branch1x1 branch5x5_1 branch5x5_2 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3"
    seven = "branch1x1 branch7x7_1 branch7x7_2 branch7x7_3 " + " ".join(
        f"branch7x7dbl_{i}" for i in range(1, 6)
    )
    wide = (
        "branch1x1 branch3x3_1 branch3x3_2a branch3x3_2b branch3x3dbl_1 branch3x3dbl_2 "
        "branch3x3dbl_3a branch3x3dbl_3b branch_pool"
    )
    parts = {f"Mixed_5{b}": five + " branch_pool" for b in "bcd"}
    parts["Mixed_6a"] = "branch3x3 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3"
    parts |= {f"Mixed_6{b}": seven + " branch_pool" for b in "bcde"}
    parts["AuxLogits"] = "conv0 conv1"
    parts["Mixed_7a"] = "branch3x3_1 branch3x3_2 " + " ".join(
        f"branch7x7x3_{i}" for i in range(1, 5)
    )
    parts |= {f"Mixed_7{b}": wide for b in "bc"}
    keys = []
    for name in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"):
        keys += convolution(f"Conv2d_{name}")
    for part, branches in parts.items():
        keys += [k for branch in branches.split() for k in convolution(f"{part}.{branch}")]
        if part == "AuxLogits":
            keys += ["AuxLogits.fc.weight", "AuxLogits.fc.bias"]
    return [*keys, "fc.weight", "fc.bias"]


def test_inception_has_the_keys_of_torchvision(undrawn_init: None) -> None:
    state = models.inception_v3().state_dict()
    assert list(state) == inception_keys()
    assert len(state) == 580
    assert state["Mixed_6b.branch7x7_2.conv.weight"].shape == (128, 128, 1, 7)
    assert state["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    assert state["AuxLogits.conv1.conv.weight"].shape == (768, 128, 5, 5)


def test_googlenet_trains_with_its_heads() -> None:
    mg.manual_seed(0)
    model, x = models.googlenet(num_classes=5), images(2, 48)
    out = model(x)
    assert isinstance(out, models.GoogLeNetOutputs)
    target = mg.tensor([1, 3])
    loss = nn.functional.cross_entropy
    (loss(out.logits, target) + 0.3 * loss(out[1], target) + 0.3 * loss(out[2], target)).backward()
    check_gradients(model)
    model.eval()
    with mg.no_grad():
        scores = model(x)
        assert scores.shape == (2, 5)
        assert mg.equal(model(x), scores)
        model.transform_input = True
        moved = model(x)
        model.transform_input = False
        assert mg.equal(model(from_imagenet(x)), moved)
        assert not mg.equal(moved, scores)


def test_inception_trains() -> None:
    mg.manual_seed(0)
    model, x = models.inception_v3(num_classes=5, aux_logits=False), images(2, 75)
    scores = model(x)
    assert scores.shape == (2, 5)
    nn.functional.cross_entropy(scores, mg.tensor([1, 3])).backward()
    check_gradients(model)
    assert float(model.Mixed_5b.branch5x5_2.conv.weight.std()) == pytest.approx(0.1, rel=0.02)


def test_auxiliary_heads() -> None:
    assert InceptionAux(8, 3)(mg.rand(2, 8, 6, 7)).shape == (2, 3)
    assert InceptionV3Aux(8, 3)(mg.rand(2, 8, 17, 17)).shape == (2, 3)


def test_images_are_rescaled_to_one_half() -> None:
    x = images(1, 4)
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    expected = (x.numpy() * std + mean - 0.5) / 0.5
    np.testing.assert_allclose(from_imagenet(x), expected, rtol=1e-5, atol=1e-6)


def test_lists_of_blocks_are_checked() -> None:
    with pytest.raises(ValueError, match="should be 3"):
        models.GoogLeNet(blocks=[])
    with pytest.raises(ValueError, match="should be 7"):
        models.Inception3(inception_blocks=[])
