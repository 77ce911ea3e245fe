"""NASNet-A: the tables and the networks made of them."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import NASNetA, nasnet_a_cifar, nasnet_a_mobile
from minigrad.models.nasnet import NORMAL, REDUCTION, Cell, _FactorizedReduction


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts():
    assert count(nasnet_a_mobile()) == 5_289_978  # as the published program counts them
    assert count(nasnet_a_cifar()) == 3_328_234  # 3.3 million in the paper


@pytest.mark.parametrize(("table", "maps", "size"), [(NORMAL, 6, 7), (REDUCTION, 4, 4)])
def test_cells(table, maps, size):
    cell = Cell(table, below=6, before=10, channels=4)
    y = cell(mg.ones(2, 6, 7, 7), mg.ones(2, 10, 7, 7))
    assert y.shape == (2, maps * 4, size, size)
    assert len(cell.operations) == 10


def test_a_table_of_ones_own():
    table = NORMAL._replace(pairs=((("identity", 0), ("max 3x3", 1)),), outputs=(2,))
    assert Cell(table, 4, 4, 4)(mg.ones(1, 4, 5, 5), mg.ones(1, 4, 5, 5)).shape == (1, 4, 5, 5)
    with pytest.raises(ValueError, match="unknown operation 'fft'"):
        Cell(table._replace(pairs=((("fft", 0), ("identity", 1)),)), 4, 4, 4)


def test_factorized_reduction_reads_every_pixel():
    x = mg.randn(1, 3, 6, 6).relu() + 1
    x.requires_grad_()
    _FactorizedReduction(3, 4).eval()(x).sum().backward()
    read = (x.grad.numpy() != 0).any(1)[0]
    assert read[::2, ::2].all()
    assert read[1::2, 1::2].all()
    assert read.sum() == 18  # two samplings on the diagonal of each window


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_gradients_reach_the_stem(stem):
    mg.manual_seed(0)
    net = NASNetA(1, 96, 5, stem, stem_channels=8)
    size = 16 if stem == "cifar" else 63
    y = net(mg.randn(2, 3, size, size))
    assert y.shape == (2, 5)
    y.square().sum().backward()
    norms = [p.grad.norm().item() for p in net.parameters() if p.grad is not None]
    assert np.isfinite(norms).all()
    assert net.stem[0].weight.grad.norm().item() > 0


def test_dropped_paths():
    mg.manual_seed(0)
    net, x = NASNetA(1, 24, 5, stem_channels=4, drop_path=0.8), mg.randn(2, 3, 8, 8)
    assert [round(cell.drop.p, 2) for cell in net.cells] == [0, 0.2, 0.4, 0.6, 0.8]
    assert not mg.equal(net(x), net(x))
    net.eval()
    assert mg.equal(net(x), net(x))
    with pytest.raises(ValueError, match="multiple of 24"):
        NASNetA(1, 50)
    with pytest.raises(ValueError, match="multiple of 96"):
        NASNetA(1, 48, stem="imagenet")
