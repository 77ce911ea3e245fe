"""The transformer from sequence to sequence."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import PositionalEncoding, Seq2SeqTransformer, sinusoidal_positions

PAD, START, END = 0, 1, 2
F = mg.nn.functional


def small(**more):
    sizes = {"d_model": 16, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1}
    return Seq2SeqTransformer(9, 9, **sizes, dim_feedforward=32, dropout=0.0, **more)


def test_positions_turn_by_a_fixed_angle():
    table = sinusoidal_positions(50, 8).numpy()
    assert table.shape == (50, 8)
    np.testing.assert_allclose((table**2).sum(1), 4, rtol=1e-5)
    products = table @ table.T
    np.testing.assert_allclose(products[10, 13], products[30, 33], rtol=1e-4)
    with pytest.raises(ValueError, match="even"):
        sinusoidal_positions(3, 5)
    with pytest.raises(ValueError, match="longer than max_len=4"):
        PositionalEncoding(2, max_len=4)(mg.zeros(1, 5, 2))


def test_what_is_padding_and_what_is_to_come_does_not_matter():
    mg.manual_seed(0)
    net = small().eval()
    src, tgt = mg.tensor([[3, 4, 5]]), mg.tensor([[1, 6, 7]])
    logits = net(src, tgt)
    assert logits.shape == (1, 3, 9)
    padded = mg.tensor([[3, 4, 5, PAD, PAD]])
    assert net(padded, tgt).allclose(logits, atol=1e-5)
    assert net(src, mg.tensor([[1, 6, 8]]))[:, :2].allclose(logits[:, :2], atol=1e-5)
    assert not net(mg.tensor([[4, 3, 5]]), tgt).allclose(logits, atol=1e-3)  # order matters


def test_gradients_reach_everything():
    mg.manual_seed(0)
    net = small(tie_weights=True)
    assert net.generator.weight is net.tgt_embedding.weight
    net(mg.tensor([[3, 4, 5]]), mg.tensor([[1, 6, 7]])).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert np.isfinite(p.grad.norm().item()), name


@pytest.fixture(scope="module")
def reverser():
    """A network that has learned to write three tokens backwards."""
    mg.manual_seed(0)
    net = small(norm_first=True)
    optimizer = mg.optim.Adam(net.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    for _ in range(150):
        words = rng.integers(3, 9, (32, 3))
        ends = np.ones((32, 1), np.int64)
        tgt = mg.tensor(np.concatenate([ends * START, words[:, ::-1], ends * END], 1))
        optimizer.zero_grad()
        logits = net(mg.tensor(words), tgt[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tgt[:, 1:].flatten(), ignore_index=PAD)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
    return net


@pytest.mark.parametrize("beam", [1, 3])
def test_it_learns_to_write_backwards(reverser, beam):
    words = [[3, 4, 5], [8, 3, 7], [6, 6, 4], [5, 8, 3]]
    written = reverser.translate(mg.tensor(words), START, END, max_len=6, beam=beam)
    right = sum(w == o[::-1] for w, o in zip(written, words))
    assert right >= 3
    assert reverser.training


def test_a_beam_finds_what_is_at_least_as_likely(reverser):
    def log_p(tokens, src):
        tgt = mg.tensor([[START, *tokens, END]])
        scores = reverser(src, tgt[:, :-1]).log_softmax(-1)
        return scores.gather(2, tgt[:, 1:].unsqueeze(2)).sum().item()

    src = mg.tensor([[7, 7, 3]])
    greedy = reverser.translate(src, START, END, max_len=6)[0]
    wide = reverser.translate(src, START, END, max_len=6, beam=5, alpha=0.0)[0]
    assert log_p(wide, src) >= log_p(greedy, src) - 1e-5
    with pytest.raises(ValueError, match="at least 1"):
        reverser.translate(src, START, END, beam=0)


def test_writing_stops_at_max_len():
    written = small().translate(mg.tensor([[3, 4]]), START, end=-1, max_len=4)
    assert len(written[0]) == 4
