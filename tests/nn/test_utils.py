"""Clipping gradients, and parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import utils


def parameters() -> list[nn.Parameter]:
    ps = [nn.Parameter(mg.ones(3)), nn.Parameter(mg.ones(2, 2)), nn.Parameter(mg.ones(1))]
    ps[0].grad = mg.tensor([3.0, 0.0, 0.0])
    ps[1].grad = mg.tensor([[0.0, 4.0], [0.0, 0.0]])
    return ps  # the last has none


@pytest.mark.parametrize(("p", "norm"), [(2.0, 5.0), (1.0, 7.0), (math.inf, 4.0), (0.0, 2.0)])
def test_norm_is_clipped(p: float, norm: float) -> None:
    ps = parameters()
    assert utils.clip_grad_norm_(ps, 1.0, p).item() == pytest.approx(norm)
    assert np.allclose(ps[0].grad.numpy(), [3 / norm, 0, 0], atol=1e-5)
    ps = parameters()
    utils.clip_grad_norm_(iter(ps), 10.0, p)
    assert ps[0].grad.tolist() == [3, 0, 0]
    assert utils.get_total_norm([q.grad for q in ps[:2]], p).item() == pytest.approx(norm)


def test_norms_that_are_not_finite() -> None:
    p = nn.Parameter(mg.ones(2))
    p.grad = mg.tensor([math.inf, 1.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert math.isinf(utils.clip_grad_norm_(p, 1.0).item())
    assert utils.clip_grad_norm_([], 1.0).item() == 0
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_((p for p in ()), 1.0)
    with pytest.warns(FutureWarning, match="deprecated"):
        assert utils.clip_grad_norm(parameters(), 1.0).item() == 5


def test_values_are_clipped() -> None:
    ps = parameters()
    utils.clip_grad_value_(ps, 3.5)
    assert ps[1].grad.tolist() == [[0.0, 3.5], [0.0, 0.0]]
    assert ps[0].grad.tolist() == [3.0, 0.0, 0.0]


def test_parameters_as_a_vector() -> None:
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    v = utils.parameters_to_vector(net.parameters())
    assert v.shape == (8,)
    v.sum().backward()
    assert (net.weight.grad == 1).all()
    weight = other.weight
    utils.vector_to_parameters(v, other.parameters())
    assert other.weight is weight
    assert (other.weight == net.weight).all()
    assert (other.bias == net.bias).all()
    with pytest.raises(RuntimeError, match="8 together"):
        utils.vector_to_parameters(mg.ones(7), net.parameters())
    with pytest.raises(TypeError, match="expected a Tensor"):
        utils.vector_to_parameters([1.0], net.parameters())  # type: ignore[arg-type]


# -- batch norm as part of the layer before it -----------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_fused_layers_do_the_same(bias: bool) -> None:
    x = mg.randn(2, 4, 6, 6)
    for conv, transposed in (
        (nn.Conv2d(4, 6, 3, groups=2, bias=bias), False),
        (nn.ConvTranspose2d(4, 6, 3, bias=bias), True),
    ):
        bn = nn.BatchNorm2d(6)
        bn(conv(x) * 3 + 1)  # statistics
        nn.init.uniform_(bn.weight, 0.5, 2)
        nn.init.normal_(bn.bias)
        with pytest.raises(AssertionError, match="only for eval"):
            utils.fuse_conv_bn_eval(conv, bn, transposed)
        conv.eval(), bn.eval()
        fused = utils.fuse_conv_bn_eval(conv, bn, transposed)
        assert mg.allclose(fused(x), bn(conv(x)), atol=1e-4)
        assert (conv.bias is None) != bias  # the layer itself is as it was
    linear, bn = nn.Linear(6, 3, bias=bias).eval(), nn.BatchNorm1d(3).eval()
    nn.init.uniform_(bn.running_var, 0.5, 2)
    fused = utils.fuse_linear_bn_eval(linear, bn)
    x = mg.randn(4, 6)
    assert mg.allclose(fused(x), bn(linear(x)), atol=1e-5)
    with pytest.raises(AssertionError, match="To fuse"):
        utils.fuse_linear_bn_eval(linear, nn.BatchNorm1d(4).eval())
    bn = nn.BatchNorm1d(3, track_running_stats=False).eval()
    with pytest.raises(AssertionError, match="must not be None"):
        utils.fuse_linear_bn_eval(linear, bn)


# -- the others ------------------------------------------------------------------------------------


def test_skipping_initialization_draws_nothing() -> None:
    mg.manual_seed(0)
    first = mg.rand(3)
    mg.manual_seed(0)
    net = utils.skip_init(nn.Conv2d, 3, 4, kernel_size=2)
    utils.skip_init(nn.MultiheadAttention, 4, 2)
    assert (mg.rand(3) == first).all()
    assert net.weight.shape == (4, 3, 2, 2)
    assert not (nn.Linear(2, 2).weight == 0).any()  # others are initialized again
    with pytest.raises(RuntimeError, match="Expected a Module"):
        utils.skip_init(int)  # type: ignore[type-var]
    with pytest.raises(RuntimeError, match="'device'"):
        utils.skip_init(nn.ReLU)
    with pytest.raises(TypeError):
        utils.skip_init(nn.Linear, 2)
    assert not (nn.Linear(2, 2).weight == 0).any()


def test_older_functional_call() -> None:
    layer = nn.Linear(2, 1)
    values = {"weight": mg.ones(1, 2), "bias": mg.zeros(1)}
    with pytest.warns(FutureWarning, match="deprecated"):
        y = utils.stateless.functional_call(layer, values, mg.ones(2))
    assert y.tolist() == [2]


def test_memory_formats() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 2))
    assert utils.convert_conv2d_weight_memory_format(net, mg.contiguous_format) is net
    assert utils.convert_conv3d_weight_memory_format(net, mg.contiguous_format) is net
    with pytest.raises(TypeError, match=r"minigrad\.memory_format"):
        utils.convert_conv2d_weight_memory_format(net, "channels_last")
