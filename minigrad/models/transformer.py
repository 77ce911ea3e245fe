"""The transformer from sequence to sequence: reads one language and writes another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import nn
from minigrad.core.tensor import Tensor, given
from minigrad.models.sampling import writing
from minigrad.names import cat, full, ones

__all__ = ["PositionalEncoding", "Seq2SeqTransformer", "sinusoidal_positions"]


def sinusoidal_positions(length: int, size: int) -> Tensor:
    """``P[t, 2i] = sin(t / 10000**(2i / size))``, and the cosine in ``P[t, 2i + 1]``.

    Each pair of columns is a clock of another speed; from P[t] to P[t + k] each turns by a fixed
    angle, so that a linear map can look k positions back (Vaswani et al. 2017, section 3.5).

    Parameters
    ----------
    length : int
        The number of positions.
    size : int
        Even.

    Returns
    -------
    Tensor, shape (length, size)

    Examples
    --------
    >>> sinusoidal_positions(2, 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    if size % 2:
        raise ValueError(f"sinusoidal_positions: size must be even, got {size}")
    speed = np.exp(-math.log(10000.0) * np.arange(0, size, 2) / size)
    angle = np.arange(length)[:, None] * speed
    table = np.stack([np.sin(angle), np.cos(angle)], 2).reshape(length, size)
    return given(table.astype(np.float32))


class PositionalEncoding(nn.Module):
    """Add to each token where it stands, then drop some.

    Parameters
    ----------
    size : int
    dropout : float
    max_len : int
        The longest sequence.

    Examples
    --------
    >>> import minigrad as mg
    >>> PositionalEncoding(4)(mg.zeros(1, 2, 4))[0, 0]
    tensor([0., 1., 0., 1.])
    """

    table: Tensor

    def __init__(self, size: int, dropout: float = 0.0, max_len: int = 5000) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("table", sinusoidal_positions(max_len, size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, size) to (N, T, size)."""
        length = x.shape[1]
        if length > len(self.table):
            raise ValueError(
                f"PositionalEncoding: a sequence of {length} tokens is longer than "
                f"max_len={len(self.table)}"
            )
        y: Tensor = self.dropout(x + self.table[:length])
        return y


class Seq2SeqTransformer(nn.Module):
    """Embeddings, positions, encoder and decoder, scores (Vaswani et al. 2017).

    Parameters
    ----------
    src_vocab_size, tgt_vocab_size : int
    d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward : int
        As of :class:`minigrad.nn.Transformer`.
    dropout : float
    max_len : int
        The longest sequence.
    pad : int
        The token that fills up sequences; nothing attends to it.
    tie_weights : bool
        The output layer uses the table of the target embedding.
    norm_first : bool
        Normalize at the start of each branch instead of behind each sum; trains more easily.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = Seq2SeqTransformer(10, 12, d_model=8, nhead=2, num_encoder_layers=1,
    ...                          num_decoder_layers=1, dim_feedforward=16)
    >>> src, tgt = mg.tensor([[3, 4, 5], [6, 7, 0]]), mg.tensor([[1, 2], [1, 3]])
    >>> net(src, tgt).shape
    minigrad.Size([2, 2, 12])
    >>> len(net.translate(src, start=1, end=2, max_len=4))
    2
    """

    def __init__(
        self, src_vocab_size: int, tgt_vocab_size: int, d_model: int = 512, nhead: int = 8,
        num_encoder_layers: int = 6, num_decoder_layers: int = 6, dim_feedforward: int = 2048,
        dropout: float = 0.1, max_len: int = 5000, pad: int = 0, tie_weights: bool = False,
        norm_first: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.d_model = d_model
        self.pad = pad
        self.src_embedding = nn.Embedding(src_vocab_size, d_model)
        self.tgt_embedding = nn.Embedding(tgt_vocab_size, d_model)
        self.positions = PositionalEncoding(d_model, dropout, max_len)
        layer = nn.TransformerEncoderLayer(
            d_model, nhead, dim_feedforward, dropout, batch_first=True, norm_first=norm_first
        )
        encoder = nn.TransformerEncoder(
            layer, num_encoder_layers, nn.LayerNorm(d_model), enable_nested_tensor=False
        )
        self.transformer = nn.Transformer(
            d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward, dropout,
            custom_encoder=encoder, batch_first=True, norm_first=norm_first,
        )  # fmt: skip
        self.generator = nn.Linear(d_model, tgt_vocab_size)
        if tie_weights:
            self.generator.weight = self.tgt_embedding.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings normal of variance 1 / d_model, matrices by Xavier and Glorot's rule."""
        for p in self.parameters():
            if p.ndim > 1:
                nn.init.xavier_uniform_(p)
        for table in (self.src_embedding, self.tgt_embedding):
            nn.init.normal_(table.weight, std=self.d_model**-0.5)

    def _embed(self, embedding: nn.Embedding, tokens: Tensor) -> Tensor:
        x: Tensor = self.positions(embedding(tokens) * math.sqrt(self.d_model))
        return x

    def encode(self, src: Tensor) -> Tensor:
        """What the encoder makes of the sources: (N, S) to (N, S, d_model)."""
        x = self._embed(self.src_embedding, src)
        memory: Tensor = self.transformer.encoder(x, src_key_padding_mask=src == self.pad)
        return memory

    def decode(self, tgt: Tensor, memory: Tensor, src: Tensor) -> Tensor:
        """Scores of the token behind each of `tgt`.

        Parameters
        ----------
        tgt : Tensor of int64, shape (N, T)
            What is written so far.
        memory : Tensor, shape (N, S, d_model)
            From :meth:`encode`.
        src : Tensor of int64, shape (N, S)
            The sources, for where they are padded.

        Returns
        -------
        Tensor, shape (N, T, tgt_vocab_size)
        """
        length = tgt.shape[1]
        y = self.transformer.decoder(
            self._embed(self.tgt_embedding, tgt), memory,
            tgt_mask=ones(length, length).triu(1) > 0, tgt_is_causal=True,
            tgt_key_padding_mask=tgt == self.pad, memory_key_padding_mask=src == self.pad,
        )  # fmt: skip
        logits: Tensor = self.generator(y)
        return logits

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Scores of the token behind each of `tgt`, given the sources.

        Parameters
        ----------
        src : Tensor of int64, shape (N, S)
        tgt : Tensor of int64, shape (N, T)
            In training, the right translation without its last token ("teacher forcing").

        Returns
        -------
        Tensor, shape (N, T, tgt_vocab_size)
        """
        return self.decode(tgt, self.encode(src), src)

    def translate(
        self, src: Tensor, start: int, end: int, max_len: int = 50, beam: int = 1,
        alpha: float = 0.6,
    ) -> list[list[int]]:  # fmt: skip
        """Write the translations, token by token.

        Parameters
        ----------
        src : Tensor of int64, shape (N, S)
        start, end : int
            The tokens that begin and end a target.
        max_len : int
            The most tokens to write.
        beam : int
            How many beginnings are followed at once; with 1 the likeliest token is taken each time.
        alpha : float
            Of several endings, that with the largest ``log p / ((5 + length) / 6)**alpha`` is taken
            (Wu et al. 2016), as short ones are likelier by being short.

        Returns
        -------
        list of list of int
            The tokens between start and end.
        """
        if beam < 1:
            raise ValueError(f"beam must be at least 1, got {beam}")
        with writing(self):
            memory = self.encode(src)
            if beam == 1:
                return self._greedy(src, memory, start, end, max_len)
            return [
                self._beam(src[i : i + 1], memory[i : i + 1], start, end, max_len, beam, alpha)
                for i in range(len(src))
            ]

    def _greedy(
        self, src: Tensor, memory: Tensor, start: int, end: int, max_len: int
    ) -> list[list[int]]:
        """All sentences at once; what stands behind an end is cut off."""
        tgt = full((len(src), 1), start)
        ended = tgt[:, 0] == end
        for _ in range(max_len):
            last = self.decode(tgt, memory, src)[:, -1].argmax(-1)
            tgt = cat([tgt, last.unsqueeze(1)], 1)
            ended = ended | (last == end)
            if bool(ended.all()):
                break
        rows: list[list[int]] = tgt[:, 1:].tolist()
        return [row[: row.index(end)] if end in row else row for row in rows]

    def _beam(
        self, src: Tensor, memory: Tensor, start: int, end: int, max_len: int, beam: int,
        alpha: float,
    ) -> list[int]:  # fmt: skip
        """One sentence: follow the likeliest beginnings together, return the best ending."""

        def value(candidate: tuple[float, list[int]]) -> float:
            log_p, tokens = candidate
            penalty: float = ((5 + len(tokens)) / 6) ** alpha
            return log_p / penalty

        beginnings: list[tuple[float, list[int]]] = [(0.0, [])]
        endings: list[tuple[float, list[int]]] = []
        for _ in range(max_len):
            count = len(beginnings)
            tgt = given(np.array([[start, *tokens] for _, tokens in beginnings], np.int64))
            logits = self.decode(tgt, memory.expand(count, -1, -1), src.expand(count, -1))[:, -1]
            scores = logits.log_softmax(-1) + given(
                np.array([[log_p] for log_p, _ in beginnings], logits.array.dtype)
            )
            best: Any = scores.flatten().topk(min(beam, scores.numel()))
            followed = beginnings
            beginnings = []
            for log_p, place in zip(best[0].tolist(), best[1].tolist()):
                row, token = divmod(place, logits.shape[1])
                tokens = followed[row][1]
                if token == end:
                    endings.append((log_p, tokens))
                else:
                    beginnings.append((log_p, [*tokens, token]))
            if not beginnings or len(endings) >= beam:
                break
        return max(endings or beginnings, key=value)[1]
