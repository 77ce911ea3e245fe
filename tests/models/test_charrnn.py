"""The character-level recurrent network."""

from __future__ import annotations

import math

import pytest

import minigrad as mg
from minigrad.models import CharRNN
from minigrad.models.sampling import draw

F = mg.nn.functional
TEXT = mg.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]])


@pytest.mark.parametrize(
    ("cell", "parameters"),
    [("rnn", 4 * 4 + 4 * 4 + 8), ("lstm", 4 * 40), ("gru", 3 * 40)],
)
def test_parameter_counts(cell, parameters):
    net = CharRNN(5, 4, cell=cell)
    assert sum(p.numel() for p in net.rnn.parameters()) == parameters
    assert sum(p.numel() for p in net.parameters()) == parameters + 5 * 4 + 5 * 4 + 5
    tied = CharRNN(5, 4, cell=cell, tie_weights=True)
    assert sum(p.numel() for p in tied.parameters()) == parameters + 5 * 4 + 5
    assert tied.decoder.weight is tied.encoder.weight


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_it_learns_a_cycle_and_goes_on_with_it(cell):
    mg.manual_seed(0)
    net = CharRNN(5, 12, cell=cell, num_layers=2)
    optimizer = mg.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(40):
        optimizer.zero_grad()
        logits, _ = net(TEXT[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), TEXT[:, 1:].flatten())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2 < math.log(5)
    written = net.generate([0, 1], 8, temperature=0)
    assert written.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_the_state_carries_over():
    net = CharRNN(5, 4)
    whole, _ = net(TEXT)
    first, state = net(TEXT[:, :6])
    second, _ = net(TEXT[:, 6:], state)
    assert mg.cat([first, second], 1).allclose(whole, atol=1e-6)


def test_generation_is_deterministic_under_a_generator():
    mg.manual_seed(0)
    net = CharRNN(20, 8, dropout=0.5)

    def write(seed):
        return net.generate(TEXT, 30, 1.0, mg.Generator().manual_seed(seed)).tolist()

    assert write(1) == write(1) != write(2)
    assert write(1)[0][:11] == TEXT[0].tolist()
    assert net.training  # dropout is back


def test_temperature_and_top_k():
    logits = mg.tensor([[0.0, 1.0, 2.0]]).expand(500, 3)
    generator = mg.Generator().manual_seed(0)
    assert set(draw(logits, top_k=2, generator=generator).flatten().tolist()) == {1, 2}
    assert set(draw(logits, 1e-3, generator=generator).flatten().tolist()) == {2}
    share = (draw(logits, generator=generator) == 2).float().mean().item()
    assert share == pytest.approx(0.665, abs=0.07)
    with pytest.raises(ValueError, match="not be negative"):
        draw(logits, -1.0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="rnn, lstm, gru"):
        CharRNN(5, cell="qrnn")
    with pytest.raises(ValueError, match="embedding_size must be hidden_size"):
        CharRNN(5, 4, 8, tie_weights=True)
    with pytest.raises(ValueError, match="at least one character"):
        CharRNN(5, 4).generate(mg.zeros(1, 0, dtype=mg.int64), 3)
