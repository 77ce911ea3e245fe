"""Networks for digits."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LeNet5, MNISTNet, OriginalLeNet5
from minigrad.models.lenet import CONNECTIONS


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts():
    assert count(LeNet5()) == 61_706
    assert count(OriginalLeNet5()) == 60_000
    assert count(MNISTNet()) == 1_199_882
    sizes = [count(getattr(OriginalLeNet5(), n)) for n in ("c1", "s2", "c3", "s4", "c5", "f6")]
    assert sizes == [156, 12, 1_516, 32, 48_120, 10_164]  # as the paper counts them


def test_c3_reads_what_the_table_says():
    net = OriginalLeNet5()
    x = mg.randn(1, 6, 6, 6, requires_grad=True)
    for number in (0, 7, 15):
        (g,) = mg.autograd.grad(net.c3(x)[0, number].sum(), [x])
        read = np.flatnonzero(np.abs(g.numpy()).sum((0, 2, 3)))
        assert tuple(read) == CONNECTIONS[number] or set(read) == set(CONNECTIONS[number])


def test_the_codes_are_far_apart():
    codes = OriginalLeNet5().codes.numpy()
    distances = ((codes[:, None] - codes[None]) ** 2).sum(2)[np.triu_indices(10, 1)]
    assert distances.min() >= 4 * 32


@pytest.mark.parametrize("kind", [LeNet5, OriginalLeNet5, MNISTNet])
def test_all_parameters_get_a_gradient_and_a_step_helps(kind):
    mg.manual_seed(0)
    net = kind().eval()  # no dropout
    x, t = mg.randn(4, 1, 28, 28), mg.tensor([3, 1, 4, 1])
    optimizer = mg.optim.SGD(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        scores = net(x)
        if kind is not MNISTNet:  # whose scores are logarithms of probabilities
            scores = scores.log_softmax(1)
        loss = mg.nn.functional.nll_loss(scores, t)
        loss.backward()
        norms = [p.grad.norm().item() for p in net.parameters()]
        assert np.isfinite(norms).all()
        assert min(norms) > 0
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]
