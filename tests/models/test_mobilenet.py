"""MobileNet, versions 1 and 2."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import MobileNetV1, MobileNetV2, mobilenet_v1, mobilenet_v2
from minigrad.models.mobilenet import InvertedResidual


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts():
    assert count(mobilenet_v1()) == 4_231_976
    assert count(mobilenet_v2()) == 3_504_872
    # Howard et al., table 6: 4.2, 2.6, 1.3 and 0.5 million
    millions = [round(count(mobilenet_v1(width_mult=w)) / 1e6, 1) for w in (0.75, 0.5, 0.25)]
    assert millions == [2.6, 1.3, 0.5]


def test_keys_and_shapes_are_torchvisions():
    state = mobilenet_v2().state_dict()
    assert len(state) == 314
    for key, shape in {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.0.1.running_mean": (32,),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.1.conv.2.bias": (16,),
        "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.2.conv.1.0.weight": (96, 1, 3, 3),
        "features.2.conv.2.weight": (24, 96, 1, 1),
        "features.2.conv.3.num_batches_tracked": (),
        "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
    }.items():
        assert state[key].shape == shape, key


@pytest.mark.parametrize("kind", [MobileNetV1, MobileNetV2])
def test_gradients_reach_the_first_convolution(kind):
    mg.manual_seed(0)
    net = kind(num_classes=5, width_mult=0.25)
    net(mg.randn(4, 3, 32, 32)).square().sum().backward()
    norms = [p.grad.norm().item() for p in net.parameters()]
    assert np.isfinite(norms).all()
    assert norms[0] > 0


def test_shortcuts_only_where_nothing_changes():
    assert InvertedResidual(8, 8, 1, 6).use_res_connect
    assert not InvertedResidual(8, 8, 2, 6).use_res_connect
    assert not InvertedResidual(8, 16, 1, 6).use_res_connect
    with pytest.raises(ValueError, match="stride should be 1 or 2"):
        InvertedResidual(8, 8, 3, 6)
    with pytest.raises(ValueError, match="4-element list"):
        MobileNetV2(inverted_residual_setting=[(1, 2)])


def strides(net):
    """Of the convolutions of each channel by itself."""
    return [m.stride[0] for m in net.modules() if getattr(m, "groups", 1) > 1]


def test_where_the_size_halves():
    first = MobileNetV1(num_classes=5, width_mult=0.25)
    second = MobileNetV2(num_classes=5, width_mult=0.25)
    assert strides(first) == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    assert strides(second) == [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    for net in (first, second):
        assert net.features(mg.zeros(1, 3, 64, 64)).shape[2:] == (2, 2)
