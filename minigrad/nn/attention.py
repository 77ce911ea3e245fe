"""Attention as a layer."""

from __future__ import annotations

from typing import Any

from minigrad.compat.attention import SDPBackend as SDPBackend
from minigrad.compat.attention import sdpa_kernel as sdpa_kernel
from minigrad.core.tensor import Tensor
from minigrad.nn import fill
from minigrad.nn.functions import attention as F
from minigrad.nn.linear import Linear, new_parameter
from minigrad.nn.module import Module

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention in several heads, with affine maps before and after (Vaswani et al. 2017).

    ``concat(head_1, ..., head_h) @ W_o.T`` with ``head_i = attention(Q W_q,i, K W_k,i, V W_v,i)``.

    Parameters
    ----------
    embed_dim : int
        The size of the model: of queries and of the result.
    num_heads : int
        A divisor of `embed_dim`.
    dropout : float
        The probability of a weight to be zeroed in training.
    bias : bool
        Whether the affine maps have biases.
    add_bias_kv : bool
        Learn one more key and value, which every query sees.
    add_zero_attn : bool
        The same with zeros.
    kdim, vdim : int, optional
        The sizes of keys and values, if they are not `embed_dim`.
    batch_first : bool
        Sequences are (N, L, E) instead of (L, N, E).
    device, dtype : optional

    Attributes
    ----------
    in_proj_weight : Parameter, shape (3 * embed_dim, embed_dim), or None
        The maps to queries, keys and values; `q_proj_weight`, `k_proj_weight` and `v_proj_weight`
        in its place where their sizes differ.
    in_proj_bias : Parameter, shape (3 * embed_dim,), or None
    out_proj : Linear
    bias_k, bias_v : Parameter, shape (1, 1, embed_dim), or None

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.MultiheadAttention(8, num_heads=2, batch_first=True)
    >>> x = mg.ones(4, 5, 8)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    (minigrad.Size([4, 5, 8]), minigrad.Size([4, 5, 5]))
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
        add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                "embed_dim must be divisible by num_heads, got "
                f"embed_dim={embed_dim} and num_heads={num_heads}"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim == self.vdim
        same = self._qkv_same_embed_dim
        together = new_parameter((3 * embed_dim, embed_dim), dtype, device) if same else None
        self.register_parameter("in_proj_weight", together)
        for name, size in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            own = None if same else new_parameter((embed_dim, size), dtype, device)
            self.register_parameter(f"{name}_proj_weight", own)
        shifts = new_parameter((3 * embed_dim,), dtype, device) if bias else None
        self.register_parameter("in_proj_bias", shifts)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            row = new_parameter((1, 1, embed_dim), dtype, device) if add_bias_kv else None
            self.register_parameter(name, row)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw the parameters anew (those of `out_proj` but for its bias are its own matter)."""
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        ):  # fmt: skip
            if weight is not None:
                fill.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            fill.zeros_(self.in_proj_bias)
            fill.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                fill.xavier_normal_(row)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None,
        average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """The result and the weights.

        Parameters
        ----------
        query : Tensor, shape (L, N, E), (N, L, E) if `batch_first`, or (L, E)
        key, value : Tensor
            The same with S instead of L, and `kdim` and `vdim` instead of E.
        key_padding_mask : Tensor, shape (N, S) or (S,), optional
            True (or -inf) where a key is padding.
        need_weights : bool
            Whether to return the weights; without them attention is faster and needs less memory.
        attn_mask : Tensor, shape (L, S) or (N * num_heads, L, S), optional
            True (or -inf) where a query must not see a key.
        average_attn_weights : bool
            Return the mean of the weights over the heads.
        is_causal : bool
            A hint that `attn_mask` is the causal mask.
        """
        F.warn_of_mixed_masks(key_padding_mask, attn_mask)
        separate = not self._qkv_same_embed_dim
        F.check_widths(query, key, value, self.embed_dim, self.num_heads, separate)
        maps = F.Projections(
            self.q_proj_weight, self.k_proj_weight, self.v_proj_weight, self.in_proj_weight,
            self.in_proj_bias, self.out_proj.weight, self.out_proj.bias,
        )  # fmt: skip
        return F.attend(
            query, key, value, self.num_heads, maps,
            F.Masks(key_padding_mask, attn_mask, is_causal),
            bias_k=self.bias_k, bias_v=self.bias_v, add_zero=self.add_zero_attn,
            dropout_p=self.dropout if self.training else 0.0, need_weights=need_weights,
            average=average_attn_weights, batch_first=self.batch_first,
        )  # fmt: skip
