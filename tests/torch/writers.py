"""The models that write, in PyTorch, with the keys of minigrad's; and both trained side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

import minigrad as mg
from tests.torch.programs import gpt as program


def gpt(config: mg.models.GPTConfig) -> Any:
    """The GPT of the programs, with its output tied to its embedding and without dropout."""
    net = program.GPT(
        config.vocab_size, config.block_size, config.n_layer, config.n_head, config.n_embd, True
    )
    net.lm_head.weight = net.transformer.wte.weight
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.0
    return net


class CharRNN(nn.Module):
    def __init__(self, vocab_size: int, hidden: int, layers: int, cell: str, tie: bool) -> None:
        super().__init__()
        self.encoder = nn.Embedding(vocab_size, hidden)
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.rnn = kind(hidden, hidden, layers, batch_first=True)
        self.decoder = nn.Linear(hidden, vocab_size)
        if tie:
            self.decoder.weight = self.encoder.weight

    def forward(self, idx: Any, state: Any = None) -> Any:
        y, state = self.rnn(self.encoder(idx), state)
        return self.decoder(y), state


class Translator(nn.Module):
    def __init__(self, vocab: int, size: int, heads: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.src_embedding, self.tgt_embedding = (
            nn.Embedding(vocab, size),
            nn.Embedding(vocab, size),
        )
        self.transformer = nn.Transformer(
            size, heads, layers, layers, hidden, dropout=0.0, batch_first=True
        )
        self.generator = nn.Linear(size, vocab)
        self.size = size

    def embed(self, table: Any, tokens: Any) -> Any:
        place = torch.arange(tokens.shape[1])[:, None]
        angle = place * torch.exp(torch.arange(0, self.size, 2) * (-math.log(1e4) / self.size))
        clocks = torch.zeros(tokens.shape[1], self.size)
        clocks[:, 0::2], clocks[:, 1::2] = angle.sin(), angle.cos()
        return table(tokens) * math.sqrt(self.size) + clocks

    def forward(self, src: Any, tgt: Any) -> Any:
        y = self.transformer(
            self.embed(self.src_embedding, src), self.embed(self.tgt_embedding, tgt),
            tgt_mask=torch.ones(tgt.shape[1], tgt.shape[1]).triu(1) > 0,
            src_key_padding_mask=src == 0, tgt_key_padding_mask=tgt == 0,
            memory_key_padding_mask=src == 0,
        )  # fmt: skip
        return self.generator(y)


def same_weights(ours: Any, theirs: Any) -> None:
    """Copy minigrad's parameters to PyTorch's model."""
    state = {k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()}
    missing, more = theirs.load_state_dict(state, strict=False)
    assert not more
    assert all(k.endswith("attn.bias") for k in missing)  # the causal mask of the program


def losses(
    module: Any, net: Any, ids: Any, steps: int, batch: int, block: int, lr: float
) -> list[float]:
    """Train on blocks of a text, the same ones for either library."""
    rng = np.random.default_rng(0)
    optimizer = module.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01)
    found = []
    for _ in range(steps):
        places = rng.integers(0, len(ids) - block - 1, batch)[:, None] + np.arange(block)
        x, y = module.tensor(ids[places]), module.tensor(ids[places + 1])
        out = net(x)
        logits = out[0] if isinstance(out, tuple) else out
        loss = module.nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        module.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        found.append(loss.item())
    return found
