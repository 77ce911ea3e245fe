"""DenseNet: sizes, keys, gradients, and checkpointing."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import DenseNet, densenet121, densenet161, densenet169, densenet201

SMALL = {"growth_rate": 4, "block_config": (2, 3), "num_init_features": 8, "num_classes": 5}


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (densenet121, 7_978_856), (densenet169, 14_149_480), (densenet201, 20_013_928),
        (densenet161, 28_681_000),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("undrawn_init")
def test_parameter_counts(make, parameters):
    assert sum(p.numel() for p in make().parameters()) == parameters


def test_keys_and_shapes_are_torchvisions():
    state = densenet121().state_dict()
    assert len(state) == 727
    for key, shape in {
        "features.conv0.weight": (64, 3, 7, 7),
        "features.norm0.running_var": (64,),
        "features.denseblock1.denselayer1.norm1.weight": (64,),
        "features.denseblock1.denselayer1.conv1.weight": (128, 64, 1, 1),
        "features.denseblock1.denselayer1.conv2.weight": (32, 128, 3, 3),
        "features.denseblock4.denselayer16.norm1.num_batches_tracked": (),
        "features.transition3.conv.weight": (512, 1024, 1, 1),
        "features.norm5.bias": (1024,),
        "classifier.weight": (1000, 1024),
    }.items():
        assert state[key].shape == shape, key


def run(net, x):
    net(x).square().sum().backward()
    return [p.grad.numpy() for p in net.parameters()]


def test_gradients_reach_the_first_convolution():
    mg.manual_seed(0)
    net = DenseNet(**SMALL)
    norms = [float(np.linalg.norm(g)) for g in run(net, mg.randn(2, 3, 32, 32))]
    assert np.isfinite(norms).all()
    assert min(norms) > 0


def test_checkpointing_changes_neither_gradients_nor_statistics():
    mg.manual_seed(0)
    plain, sparing = DenseNet(**SMALL), DenseNet(**SMALL, memory_efficient=True)
    sparing.load_state_dict(plain.state_dict())
    x = mg.randn(2, 3, 32, 32)
    for ours, theirs in zip(run(sparing, x), run(plain, x)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for (key, ours), theirs in zip(sparing.named_buffers(), plain.buffers()):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), err_msg=key)
    assert all(m.track_running_stats for m in sparing.modules() if hasattr(m, "running_mean"))


def test_every_layer_reads_all_maps_before_it():
    net = DenseNet(**SMALL)
    widths = [m.norm1.num_features for m in net.features.denseblock2.values()]
    assert widths == [8, 12, 16]  # the first transition left 8


def test_dropout_and_names():
    mg.manual_seed(0)
    net, x = DenseNet(**SMALL, drop_rate=0.5), mg.randn(2, 3, 32, 32)
    assert not mg.equal(net(x), net(x))
    net.eval()
    assert mg.equal(net(x), net(x))
    with pytest.raises(ValueError, match="names no file"):
        densenet121(weights="DEFAULT")
