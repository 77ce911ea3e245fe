"""GPT-2: a stack of transformer blocks that see only what is to the left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minigrad import nn, optim
from minigrad.core.tensor import Tensor
from minigrad.models.sampling import draw, writing
from minigrad.names import arange, cat
from minigrad.nn import functional as F
from minigrad.ops.random import Generator

__all__ = ["GPT", "GPTConfig", "weight_decay_groups"]


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT; by default those of the smallest GPT-2, with 124,439,808 parameters.

    Parameters
    ----------
    block_size : int
        The longest text that it can look back on.
    vocab_size : int
    n_layer, n_head, n_embd : int
        Blocks, heads of each, and the width.
    dropout : float
        Of the embedding, of the attention weights, and of each branch.
    bias : bool
        Whether linear layers and norms have biases.

    Examples
    --------
    >>> GPTConfig().num_parameters
    124439808
    >>> GPTConfig(n_layer=48, n_head=25, n_embd=1600).num_parameters  # the largest
    1557611200
    """

    block_size: int = 1024
    vocab_size: int = 50257
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True

    @property
    def num_parameters(self) -> int:
        """The number of parameters of a model of these sizes, without making it."""
        c = self.n_embd
        block = 12 * c * c + 2 * c + self.bias * (11 * c)
        return (self.vocab_size + self.block_size + 1 + self.bias) * c + self.n_layer * block


class CausalSelfAttention(nn.Module):
    """``softmax(q k.T / sqrt(d) + mask) v`` in several heads; each position sees those before it.

    Parameters
    ----------
    config : GPTConfig
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(
                f"n_embd must be a multiple of n_head, got {config.n_embd} and {config.n_head}"
            )
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)
        self.n_head = config.n_head
        self.dropout = config.dropout

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T, C)."""
        N, T, C = x.shape
        qkv = self.c_attn(x).view(N, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # each (N, heads, T, C / heads)
        y = F.scaled_dot_product_attention(
            q, k, v, dropout_p=self.dropout if self.training else 0.0, is_causal=True
        )
        out: Tensor = self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(N, T, C)))
        return out


class FeedForward(nn.Module):
    """Two linear layers with gelu between, four times as wide, at each position by itself.

    Parameters
    ----------
    config : GPTConfig
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.gelu = nn.GELU(approximate="tanh")
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T, C)."""
        y: Tensor = self.dropout(self.c_proj(self.gelu(self.c_fc(x))))
        return y


class Block(nn.Module):
    """``x + attn(norm(x))``, then ``x + mlp(norm(x))``: the norm is inside of the branch.

    Parameters
    ----------
    config : GPTConfig
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) to (N, T, C)."""
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class GPT(nn.Module):
    """A decoder-only transformer with learned positions and tied embeddings (Radford et al. 2019).

    The keys of its state are those of GPT-2 (``transformer.h.0.attn.c_attn.weight``...); weights
    are (out, in) as of all linear layers here, so those of the published files are transposed.

    Parameters
    ----------
    config : GPTConfig

    References
    ----------
    Radford et al., "Language models are unsupervised multitask learners", 2019; Vaswani et al.,
    "Attention is all you need", 2017. The layout follows Karpathy's nanoGPT.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = GPT(GPTConfig(block_size=8, vocab_size=11, n_layer=2, n_head=2, n_embd=12))
    >>> text = mg.zeros(3, 8, dtype=mg.int64)
    >>> logits, loss = net(text, targets=text)
    >>> logits.shape, loss.shape
    (minigrad.Size([3, 8, 11]), minigrad.Size([]))
    >>> net.get_num_params(non_embedding=False) == net.config.num_parameters
    True
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(config.vocab_size, config.n_embd),
            "wpe": nn.Embedding(config.block_size, config.n_embd),
            "drop": nn.Dropout(config.dropout),
            "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
            "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
        })  # fmt: skip
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer.wte.weight
        self._initialize()

    def _initialize(self) -> None:
        """Normal of 0.02; what ends a branch less, so that the sum of all branches holds."""
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * self.config.n_layer))
            elif p.ndim == 2:
                nn.init.normal_(p, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def get_num_params(self, non_embedding: bool = True) -> int:
        """The number of parameters, by default without the table of positions."""
        count = sum(p.numel() for p in self.parameters())
        return count - self.transformer.wpe.weight.numel() if non_embedding else count

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Scores of the next token at each position, and the loss.

        Parameters
        ----------
        idx : Tensor of int64, shape (N, T)
            T at most `block_size`.
        targets : Tensor of int64, shape (N, T), optional
            The next tokens; -1 where there is none.

        Returns
        -------
        logits : Tensor, shape (N, T, vocab_size), or (N, 1, vocab_size) without targets
        loss : Tensor of one element, or None
        """
        length = idx.shape[1]
        if length > self.config.block_size:
            raise ValueError(
                f"GPT: a text of {length} tokens is longer than block_size={self.config.block_size}"
            )
        t = self.transformer
        x = t.drop(t.wte(idx) + t.wpe(arange(length)))
        for block in t.h:
            x = block(x)
        x = t.ln_f(x)
        if targets is None:
            return self.lm_head(x[:, -1:]), None
        logits = self.lm_head(x)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
        return logits, loss

    def generate(
        self, idx: Tensor, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None,
        generator: Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """The texts, continued; each new token is drawn given the last `block_size` before it.

        Parameters
        ----------
        idx : Tensor of int64, shape (N, T)
        max_new_tokens : int
        temperature, top_k, generator
            As of :func:`minigrad.models.sampling.draw`.

        Returns
        -------
        Tensor of int64, shape (N, T + max_new_tokens)
        """
        with writing(self):
            for _ in range(max_new_tokens):
                logits, _ = self(idx[:, -self.config.block_size :])
                idx = cat([idx, draw(logits[:, -1], temperature, top_k, generator)], 1)
        return idx

    def configure_optimizers(
        self, weight_decay: float, learning_rate: float, betas: tuple[float, float] = (0.9, 0.95)
    ) -> optim.AdamW:
        """AdamW with weight decay for matrices only, see :func:`weight_decay_groups`."""
        groups = weight_decay_groups(self, weight_decay)
        return optim.AdamW(groups, lr=learning_rate, betas=betas)


def weight_decay_groups(model: nn.Module, weight_decay: float) -> Sequence[dict[str, Any]]:
    """Two groups of parameters: matrices, which decay, and biases and norms, which do not.

    Parameters
    ----------
    model : Module
    weight_decay : float

    Returns
    -------
    list of dict
        For an optimizer.

    Examples
    --------
    >>> from minigrad import nn
    >>> groups = weight_decay_groups(nn.Linear(3, 2), 0.1)
    >>> [(len(g["params"]), g["weight_decay"]) for g in groups]
    [(1, 0.1), (1, 0.0)]
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
