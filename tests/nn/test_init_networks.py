"""Initializations of whole networks: what they promise about the signal in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import fill, init


def mlp(depth: int, width: int, activation: Any, bias: bool = True) -> Any:
    parts: list[Any] = []
    for _ in range(depth):
        parts += [nn.Linear(width, width, bias), activation()]
    return nn.Sequential(*parts[:-1])


def convnet() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, 4, 3, groups=2),
        nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 6, 2, groups=2), nn.Flatten(),
        nn.Linear(294, 5),
    )  # fmt: skip


def outputs(net: Any, x: Any) -> list[Any]:
    """What each layer with weights gives, as arrays."""
    found: list[Any] = []
    handles = [
        m.register_forward_hook(lambda m, a, y: found.append(y.detach().numpy()))
        for m in init.data_dependent.weight_layers(net)  # type: ignore[attr-defined]
    ]
    modes = [(m, m.training) for m in net.modules()]
    net.eval()
    with mg.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    for m, training in modes:
        m.training = training
    return found


# -- LSUV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_lsuv_gives_all_layers_unit_variance(activation: Any) -> None:
    mg.manual_seed(0)
    net, x = mlp(12, 32, activation), mg.randn(64, 32) * 5 + 1
    assert init.lsuv_(net, x) is net
    for y in outputs(net, x):
        assert y.var() == pytest.approx(1, abs=0.1)
    w = net[4].weight.detach().numpy().astype(np.float64)
    product = w @ w.T
    assert np.allclose(product, product[0, 0] * np.eye(32), atol=1e-4)  # a multiple of orthogonal


def test_lsuv_of_convolutions_changes_no_mode_and_no_statistics() -> None:
    mg.manual_seed(0)
    net, x = convnet(), mg.randn(16, 3, 8, 8) * 3
    net[2].eval()
    init.lsuv_(net, x, tol=0.01)
    for y in outputs(net, x):
        assert y.var() == pytest.approx(1, abs=0.01)
    assert net.training
    assert not net[2].training
    assert (net[4].running_mean == 0).all()
    assert not net[0]._forward_hooks
    again = convnet()
    generator = mg.Generator().manual_seed(3)
    init.lsuv_(again, x, generator=generator)
    init.lsuv_(net, x, generator=mg.Generator().manual_seed(3))
    assert (again[0].weight == net[0].weight).all()


def test_lsuv_of_some_layers() -> None:
    net, x = mlp(3, 8, nn.Tanh), mg.randn(20, 8)
    before = net[0].weight.detach().clone()
    init.lsuv_(net, (x,), layers=[net[2]])
    assert (net[0].weight == before).all()
    assert outputs(net, x)[1].var() == pytest.approx(1, abs=0.1)
    with pytest.raises(RuntimeError, match="the data did not come to"):
        init.lsuv_(net, x, layers=[nn.Linear(8, 8)])
    with pytest.raises(RuntimeError, match=r"have the variance 0\.0"):
        init.lsuv_(net, mg.zeros(4, 8))
    nn.utils.parametrizations.weight_norm(net[0])
    with pytest.raises(RuntimeError, match="weight is no parameter"):
        init.lsuv_(net, x)


# -- Kraehenbuehl ----------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_krahenbuhl_normalizes_each_channel(beta: float) -> None:
    mg.manual_seed(0)
    net, x = convnet(), mg.randn(16, 3, 8, 8) * 3 + 2
    assert init.krahenbuhl_(net, x, beta=beta) is net
    for y in outputs(net, x):
        others = (0, *range(2, y.ndim))
        assert np.allclose(y.mean(others), beta, atol=1e-4)
        assert np.allclose(y.std(others), 1, atol=1e-4)


def rates(net: Any, x: Any) -> Any:
    """The relative change of each weight by a random linear loss, averaged over many."""
    rng = np.random.default_rng(1)
    weights = [m.weight for m in net if isinstance(m, nn.Linear)]
    squares = np.zeros(len(weights))
    for _ in range(20):
        y = net(x)
        loss = mg.tensor(rng.normal(size=y.shape))
        slopes = mg.autograd.grad(y, weights, loss)
        squares += [
            float((g**2).sum() / (w**2).sum()) for g, w in zip(slopes, weights, strict=True)
        ]
    return np.sqrt(squares)


def test_balanced_layers_learn_at_the_same_rate() -> None:
    mg.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 7), nn.LeakyReLU(), nn.Linear(7, 30)
    ).double()
    x = mg.randn(200, 6, dtype=mg.float64) * 4 + 1
    init.krahenbuhl_(net, x, generator=mg.Generator().manual_seed(1))
    y, before = net(x), rates(net, x)
    init.krahenbuhl_(net, x, balance=True, generator=mg.Generator().manual_seed(1))
    assert mg.allclose(net(x), y)  # the network computes the same
    after = rates(net, x)
    assert before.max() / before.min() > 1.5
    assert after.max() / after.min() < 1.15


def test_krahenbuhl_refuses_constant_channels() -> None:
    net = mlp(2, 4, nn.ReLU)
    with pytest.raises(RuntimeError, match="channel 0 of Linear"):
        init.krahenbuhl_(net, mg.ones(8, 4))
    detached = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    detached[0].register_forward_hook(lambda m, a, y: y.detach())
    with pytest.raises(RuntimeError, match="no gradient comes to"):
        init.krahenbuhl_(detached, mg.randn(8, 4), balance=True)
    unbiased = nn.Linear(4, 3, bias=False)
    y = init.krahenbuhl_(unbiased, x := mg.randn(50, 4) + 3)(x)
    assert mg.allclose(y.std(0, correction=0), mg.ones(3), atol=1e-4)


# -- Fixup -----------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.branch = mlp(layers, width, nn.ReLU)

    def forward(self, x: Any) -> Any:
        return x + self.branch(x)


def residual(depth: int, width: int = 32, layers: int = 2) -> Any:
    blocks = [Block(width, layers) for _ in range(depth)]
    return nn.Sequential(nn.Linear(8, width), *blocks, nn.Linear(width, 3))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_fixup_variances(layers: int) -> None:
    mg.manual_seed(0)
    net = residual(16, 64, layers)
    branches = [block.branch for block in net[1:-1]]
    assert init.fixup_(net, branches, net[-1]) is net
    inner = [m.weight for b in branches for m in b[:-1] if isinstance(m, nn.Linear)]
    for w in inner:
        wanted = 2 / 64 * 16 ** (-1 / (layers - 1))
        assert w.var().item() == pytest.approx(wanted, rel=0.15)
    assert all((b[-1].weight == 0).all() for b in branches)
    assert (net[-1].weight == 0).all()
    assert net[0].weight.var().item() == pytest.approx(2 / 8, rel=0.3)
    assert all((m.bias == 0).all() for m in net.modules() if isinstance(m, nn.Linear))
    x = mg.randn(4, 8)
    assert (net[:-1](x) == net[0](x)).all()


def change(net: Any, x: Any) -> float:
    """By how much the outputs change in a step of descent, relative to its learning rate."""
    rate = 1e-3
    target = mg.ones(len(x), 3)
    with mg.no_grad():
        net[-1].weight.copy_(init.xavier_normal_(mg.empty_like(net[-1].weight)))
    before = net(x)
    ((before - target) ** 2).mean().backward()
    with mg.no_grad():
        for p in net.parameters():
            if p.grad is not None:
                p -= rate * p.grad
    return float((net(x) - before).norm()) / rate


def test_fixup_steps_do_not_grow_with_depth() -> None:
    mg.manual_seed(0)
    x = mg.randn(16, 8)
    by_depth = {}
    for depth in (4, 32):
        net = residual(depth)
        init.fixup_(net, [f"{i}.branch" for i in range(1, depth + 1)], str(depth + 1))
        by_depth[depth] = change(net, x)
    usual = residual(32)
    for m in usual.modules():
        if isinstance(m, nn.Linear):
            init.kaiming_normal_(m.weight, nonlinearity="relu")
    assert by_depth[32] < 3 * by_depth[4]
    assert not change(usual, x) < 1000 * by_depth[32]


def test_fixup_scalars() -> None:
    net = residual(2)
    blocks = [net[1].branch, net[2].branch]
    init.fixup_(net, blocks, net[-1], generator=mg.Generator().manual_seed(0))
    names = [name for name, _ in net[1].branch.named_parameters() if "fixup" in name]
    assert names == ["0.fixup_bias", "1.fixup_bias", "2.fixup_bias", "2.fixup_scale"]
    x = mg.randn(3, 8)
    with mg.no_grad():
        blocks[0][0].fixup_bias.fill_(0.5)
        blocks[0][2].weight.fill_(0.1)
        blocks[0][2].fixup_scale.fill_(3)
        h = net[0](x)
        wanted = h + 3 * (blocks[0][0].weight @ (h + 0.5).T).T.relu().sum(1, True) * 0.1
    assert mg.allclose(net[1](h), wanted, atol=1e-4)
    (net(x).sum() + net[1](h).sum()).backward()
    assert blocks[0][0].fixup_bias.grad is not None
    assert blocks[0][2].fixup_scale.grad is not None
    init.fixup_(net, blocks, net[-1])  # again: set back, not added twice
    assert len(blocks[0][2]._forward_pre_hooks) == 1
    assert blocks[0][0].fixup_bias.item() == 0
    assert blocks[0][2].fixup_scale.item() == 1
    plain = residual(2)
    init.fixup_(plain, [[plain[1].branch[0], plain[1].branch[2]], plain[2].branch], scalars=False)
    assert not any("fixup" in name for name, _ in plain.named_parameters())
    assert (plain[1].branch[2].weight == 0).all()
    assert not (plain[-1].weight == 0).any()


def test_fixup_arguments() -> None:
    net = residual(1)
    with pytest.raises(ValueError, match="at least one residual branch"):
        init.fixup_(net, [])
    with pytest.raises(ValueError, match="no linear layer"):
        init.fixup_(net, [nn.ReLU()])
    with pytest.raises(TypeError, match="modules or their names"):
        init.fixup_(net, [3])
    with pytest.raises(AttributeError):
        init.fixup_(net, ["missing"])


# -- older names and warnings ----------------------------------------------------------------------


def test_deprecated_names_warn_and_work() -> None:
    for name in ("uniform", "normal", "eye", "xavier_uniform", "xavier_normal", "kaiming_uniform",
                 "kaiming_normal", "orthogonal"):  # fmt: skip
        with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated"):
            w = getattr(init, name)(mg.zeros(3, 3))
        assert not (w == 0).all()
    with pytest.warns(FutureWarning):
        assert (init.constant(mg.zeros(2), 3.0) == 3).all()
    with pytest.warns(FutureWarning):
        assert init.dirac(mg.zeros(1, 1, 3)).tolist() == [[[0, 1, 0]]]
    with pytest.warns(FutureWarning):
        assert (init.sparse(mg.zeros(4, 4), sparsity=0.5) == 0).sum() == 8


def test_empty_tensors_warn() -> None:
    for function in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.warns(UserWarning, match="zero-element"):
            assert function(mg.empty(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("relu", [False, True])
def test_the_signal_keeps_its_size_through_a_deep_net(relu: bool) -> None:
    """LeCun's variance for linear layers, He's for relu."""
    mg.manual_seed(0)
    x = mg.randn(64, 256)
    for _ in range(20):
        w = mg.empty(256, 256)
        if relu:
            x = (x @ init.kaiming_normal_(w, nonlinearity="relu").t()).relu()
        else:
            x = x @ init.lecun_normal_(w).t()
    assert math.log((x**2).mean().item()) == pytest.approx(0, abs=0.7)


def test_what_is_not_drawn_is_not_scaled() -> None:
    """Memory that nobody filled may hold anything: a signalling nan warned."""
    branches = [nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(4)]
    model = nn.Sequential(*branches)
    kept = {name: p.clone() for name, p in model.named_parameters()}
    with fill.skipped():
        nn.init.fixup_(model, branches)
    assert all(mg.equal(p, model.get_parameter(name)) for name, p in kept.items())
