"""A recurrent network that reads a text character by character and guesses the next one."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn
from minigrad.core.tensor import Tensor, given
from minigrad.models.sampling import draw, writing
from minigrad.names import cat
from minigrad.ops.random import Generator

__all__ = ["CharRNN"]

_CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class CharRNN(nn.Module):
    """Embedding, recurrent layers, and a linear layer to scores of the next character.

    Parameters
    ----------
    vocab_size : int
        The number of different characters.
    hidden_size : int
        Of the recurrent state.
    embedding_size : int, optional
        As `hidden_size` by default.
    num_layers : int
    cell : {"rnn", "lstm", "gru"}
    dropout : float
        Of the embedding, between the layers, and before the output.
    tie_weights : bool
        The output layer uses the table of the embedding: characters that are alike on the way in
        are alike on the way out (Press and Wolf 2017; Inan et al. 2017). Needs
        ``embedding_size == hidden_size``.

    References
    ----------
    Mikolov et al., "Recurrent neural network based language model", 2010; Karpathy, "The
    unreasonable effectiveness of recurrent neural networks", 2015.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = CharRNN(vocab_size=65, hidden_size=16, cell="gru")
    >>> text = mg.zeros(4, 10, dtype=mg.int64)
    >>> logits, state = net(text)
    >>> logits.shape, state.shape
    (minigrad.Size([4, 10, 65]), minigrad.Size([1, 4, 16]))
    >>> net.generate([1, 2, 3], 5, generator=mg.Generator().manual_seed(0)).shape
    minigrad.Size([8])
    """

    def __init__(
        self, vocab_size: int, hidden_size: int = 128, embedding_size: int | None = None,
        num_layers: int = 1, cell: str = "lstm", dropout: float = 0.0, tie_weights: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if cell not in _CELLS:
            raise ValueError(f"cell must be one of {', '.join(_CELLS)}, got {cell!r}")
        width = hidden_size if embedding_size is None else embedding_size
        if tie_weights and width != hidden_size:
            raise ValueError(
                f"with tied weights embedding_size must be hidden_size, got {width} and "
                f"{hidden_size}"
            )
        self.vocab_size = vocab_size
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocab_size, width)
        between = dropout if num_layers > 1 else 0.0
        kind: Any = _CELLS[cell]
        self.rnn = kind(width, hidden_size, num_layers, batch_first=True, dropout=between)
        self.decoder = nn.Linear(hidden_size, vocab_size)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in +-0.1 for table and output layer, 0 for its bias; the cells as usual."""
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.rnn.reset_parameters()

    def forward(self, idx: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Scores of the next character at each position, and the state after the last one.

        Parameters
        ----------
        idx : Tensor of int64, shape (N, T)
            The numbers of the characters.
        state : optional
            What an earlier call returned, to go on from there; detach it to end the gradient.

        Returns
        -------
        logits : Tensor, shape (N, T, vocab_size)
        state : Tensor, shape (num_layers, N, hidden_size); of an LSTM a pair
        """
        y, state = self.rnn(self.drop(self.encoder(idx)), state)
        logits: Tensor = self.decoder(self.drop(y))
        return logits, state

    def generate(
        self, prompt: Any, n: int, temperature: float = 1.0, generator: Generator | None = None,
        top_k: int | None = None,
    ) -> Tensor:  # fmt: skip
        """The prompt, continued by `n` characters.

        Parameters
        ----------
        prompt : Tensor of int64 or list of int, shape (T,) or (N, T)
            At least one character.
        n : int
        temperature, generator, top_k
            As of :func:`minigrad.models.sampling.draw`.

        Returns
        -------
        Tensor of int64, shape (T + n,) or (N, T + n)
        """
        begun = prompt if isinstance(prompt, Tensor) else given(np.array(prompt, np.int64))
        text = begun if begun.ndim == 2 else begun.unsqueeze(0)
        if text.shape[1] == 0:
            raise ValueError("generate: the prompt must have at least one character")
        written, state, last = [text], None, text
        with writing(self):
            for _ in range(n):
                logits, state = self(last, state)
                last = draw(logits[:, -1], temperature, top_k, generator)
                written.append(last)
        result = cat(written, 1)
        return result if begun.ndim == 2 else result[0]
