"""EfficientNet and its blocks."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import models
from minigrad.models import EfficientNet, MBConvConfig, SqueezeExcitation, StochasticDepth


@pytest.mark.parametrize(
    ("number", "parameters"),
    [
        (0, 5_288_548), (1, 7_794_184), (2, 9_109_994), (3, 12_233_232), (4, 19_341_616),
        (5, 30_389_784),
        (6, 43_040_704),
        (7, 66_347_960),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("undrawn_init")
def test_parameter_counts(number, parameters):
    net = getattr(models, f"efficientnet_b{number}")()
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_keys_and_shapes_are_torchvisions():
    state = models.efficientnet_b0().state_dict()
    assert len(state) == 360
    for key, shape in {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.0.block.0.0.weight": (32, 1, 3, 3),
        "features.1.0.block.1.fc1.weight": (8, 32, 1, 1),
        "features.1.0.block.1.fc2.bias": (32,),
        "features.1.0.block.2.0.weight": (16, 32, 1, 1),
        "features.2.0.block.2.fc1.weight": (4, 96, 1, 1),
        "features.3.1.block.1.0.weight": (240, 1, 5, 5),
        "features.7.0.block.3.1.running_var": (320,),
        "features.8.0.weight": (1280, 320, 1, 1),
        "classifier.1.bias": (1000,),
    }.items():
        assert state[key].shape == shape, key


def small(**more):
    stages = [MBConvConfig(1, 3, 1, 8, 8, 2), MBConvConfig(4, 5, 2, 8, 16, 2)]
    return EfficientNet(stages, dropout=0.0, num_classes=5, **more)


def test_gradients_reach_everything():
    mg.manual_seed(0)
    net = small(stochastic_depth_prob=0.0)
    net(mg.randn(4, 3, 16, 16)).square().sum().backward()
    norms = [p.grad.norm().item() for p in net.parameters()]
    assert np.isfinite(norms).all()
    assert min(norms) > 0


def test_depth_is_random_in_training_only():
    mg.manual_seed(0)
    net, x = small(stochastic_depth_prob=0.9), mg.randn(4, 3, 16, 16)
    assert not mg.equal(net(x), net(x))
    net.eval()
    assert mg.equal(net(x), net(x))


def test_stochastic_depth_keeps_the_mean():
    mg.manual_seed(0)
    x = mg.ones(4000, 2)
    kept = StochasticDepth(0.25)(x)
    assert mg.equal(kept[:, 0], kept[:, 1])  # whole samples
    assert kept.mean().item() == pytest.approx(1, abs=0.05)
    assert set(StochasticDepth(0.5, "batch")(x).flatten().tolist()) in ({0.0}, {2.0})
    assert StochasticDepth(1.0)(x).abs().max().item() == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        StochasticDepth(1.5)
    with pytest.raises(ValueError, match="'batch' or 'row'"):
        StochasticDepth(0.5, "column")


def test_squeeze_and_excitation_weighs_whole_channels():
    mg.manual_seed(0)
    x = mg.randn(2, 4, 3, 3)
    gate = (SqueezeExcitation(4, 2)(x) / x).detach().numpy()
    assert np.ptp(gate, axis=(2, 3)).max() < 1e-5
    assert ((gate > 0) & (gate < 1)).all()


def test_where_the_size_halves():
    net = models.efficientnet_b0()
    strides = [m.stride[0] for m in net.modules() if getattr(m, "groups", 1) > 1]
    assert strides == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    kernels = [m.kernel_size[0] for m in net.modules() if getattr(m, "groups", 1) > 1]
    assert kernels == [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    shortcuts = [m.use_res_connect for m in net.modules() if hasattr(m, "use_res_connect")]
    assert sum(shortcuts) == 9
    probabilities = [m.p for m in net.modules() if isinstance(m, StochasticDepth)]
    assert probabilities == pytest.approx([0.2 * i / 16 for i in range(16)])
