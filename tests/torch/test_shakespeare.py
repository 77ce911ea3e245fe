"""A GPT and an LSTM learn Shakespeare in both libraries, with the same losses step by step."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from minigrad.data.datasets import TinyShakespeare  # noqa: E402
from minigrad.models import GPT, CharRNN, GPTConfig  # noqa: E402
from tests.torch import writers as twins  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("MINIGRAD_DATA" not in os.environ, reason="needs the text"),
]
STEPS, BATCH, BLOCK = 60, 12, 32


def gpt():
    config = GPTConfig(block_size=BLOCK, vocab_size=65, n_layer=2, n_head=4, n_embd=64)
    return GPT(config), twins.gpt(config)


def lstm():
    return CharRNN(65, 96, cell="lstm"), twins.CharRNN(65, 96, 1, "lstm", False)


class AllLogits:
    """A GPT whose scores are wanted at all positions, as those of the program."""

    def __init__(self, net):
        self.net, self.parameters = net, net.parameters

    def __call__(self, x):
        return self.net(x, x)[0]


@pytest.mark.parametrize(("make", "lr"), [(gpt, 3e-3), (lstm, 1e-2)])
def test_equal_losses(make, lr):
    mg.manual_seed(0)
    ids = TinyShakespeare(train=True).ids.numpy()
    ours, theirs = make()
    twins.same_weights(ours, theirs)
    if make is gpt:
        ours, theirs = AllLogits(ours), AllLogits(theirs)
    a = twins.losses(mg, ours, ids, STEPS, BATCH, BLOCK, lr)
    b = twins.losses(torch, theirs, ids, STEPS, BATCH, BLOCK, lr)
    assert a[0] == pytest.approx(math.log(65), abs=0.15)
    np.testing.assert_allclose(a[:10], b[:10], rtol=1e-5)
    np.testing.assert_allclose(a, b, rtol=1e-4)  # rounding errors grow; 8e-6 was seen
    assert np.mean(a[-10:]) < 2.9
