"""The transformer: attention and small networks in turn, in an encoder and a decoder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minigrad.core.events import read
from minigrad.core.tensor import Tensor
from minigrad.nn import fill
from minigrad.nn.activation import GELU, ReLU
from minigrad.nn.attention import MultiheadAttention
from minigrad.nn.containers import ModuleList
from minigrad.nn.dropout import Dropout
from minigrad.nn.functions import activation as F
from minigrad.nn.functions.attention import canonical_mask, warn_of_mixed_masks
from minigrad.nn.functions.warn import warn_user
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.normalization import LayerNorm
from minigrad.ops.creation import full
from minigrad.ops.slices import triu

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Tensor], Tensor]


# -- masks ---------------------------------------------------------------------------------------


def causal_mask(size: int, device: Any = None, dtype: Any = None) -> Tensor:
    """-inf above the diagonal, 0 elsewhere: position i sees the positions 0 to i."""
    return triu(full((size, size), -np.inf, dtype=dtype, device=device), 1)


def _is_causal(mask: Tensor | None, hint: bool | None, x: Tensor, batch_first: bool) -> bool:
    """Whether a mask is the causal one of the sequence `x`: the hint, or else by comparing."""
    if hint is not None or mask is None:
        return hint is True
    size = x.array.shape[1 if batch_first and x.array.ndim == 3 else 0]
    if mask.array.shape != (size, size):
        return False
    read("is_causal", mask)
    return bool(np.array_equal(mask.array, causal_mask(size, dtype=mask.dtype).array))


def _additive(
    mask: Tensor | None, padding: Tensor | None, x: Tensor, name: str
) -> tuple[Tensor | None, Tensor | None]:
    """Both masks as ones to add to scores, so that no layer inside converts them again."""
    warn_of_mixed_masks(padding, mask, "src_key_padding_mask", name)
    kind = x.array.dtype
    padding = canonical_mask(padding, "src_key_padding_mask", kind)
    return canonical_mask(mask, name, kind), padding


# -- layers --------------------------------------------------------------------------------------


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    known: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}
    if activation not in known:
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return known[activation]


class _Layer(Module):
    """What the layers of encoder and decoder share: attention, and the small network behind it."""

    _attentions: ClassVar[tuple[str, ...]]

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = F.relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        for name in self._attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **made)
            setattr(self, name, attention)
        self.norm_first = norm_first
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        blocks = range(1, len(self._attentions) + 2)  # the network is the last one
        for i in blocks:
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, **made))
        for i in blocks:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def _added(self, x: Tensor, norm: Module, block: Callable[[Tensor], Any]) -> Tensor:
        """What `block` makes, added to its input; normalized before the block, or at the end."""
        y: Tensor = x + block(norm(x)) if self.norm_first else norm(x + block(x))
        return y

    def _attend(
        self, x: Tensor, mask: Tensor | None, padding: Tensor | None, causal: bool
    ) -> Tensor:
        y, _ = self.self_attn(
            x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False, is_causal=causal
        )
        return self.dropout1(y)  # type: ignore[no-any-return]

    def _network(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))  # type: ignore[no-any-return]


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then a small network for each position.

    With ``A(x) = dropout(attention(x, x, x))`` and ``N(x) = dropout(W_2 dropout(activation(W_1 x +
    b_1)) + b_2)``, after "Attention Is All You Need" (Vaswani et al. 2017) ::

        x = norm1(x + A(x))
        x = norm2(x + N(x))

    and with `norm_first`, which trains without a warm-up of the learning rate (Xiong et al. 2020,
    "On Layer Normalization in the Transformer Architecture") ::

        x = x + A(norm1(x))
        x = x + N(norm2(x))

    Parameters
    ----------
    d_model : int
        The size of the vector of each position.
    nhead : int
        The number of heads, a divisor of `d_model`.
    dim_feedforward : int
        The hidden size of the small network.
    dropout : float
        The probability of an element to be zeroed in training.
    activation : "relu", "gelu" or callable
        Of the small network.
    layer_norm_eps : float
    batch_first : bool
        Sequences are (N, S, E) instead of (S, N, E).
    norm_first : bool
        Normalize the inputs of both parts, instead of the sums.
    bias : bool
        Whether affine maps and norms have shifts.
    device, dtype : optional

    Raises
    ------
    RuntimeError
        If `activation` is another string.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(mg.ones(3, 5, 8)).shape
    minigrad.Size([3, 5, 8])
    """

    _attentions = ("self_attn",)

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None, is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """The sequences, each position having seen the others.

        Parameters
        ----------
        src : Tensor, shape (S, N, E), (N, S, E) if `batch_first`, or (S, E)
        src_mask : Tensor, shape (S, S) or (N * nhead, S, S), optional
            True (or -inf) where a position (row) must not see another (column).
        src_key_padding_mask : Tensor, shape (N, S) or (S,), optional
            True (or -inf) where a position is padding.
        is_causal : bool
            A hint that `src_mask` is the causal mask, which then need not be read.
        """
        mask, padding = _additive(src_mask, src_key_padding_mask, src, "src_mask")
        x = self._added(src, self.norm1, lambda x: self._attend(x, mask, padding, is_causal))
        return self._added(x, self.norm2, lambda x: self.dropout2(self._network(x)))


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, then to a memory, then a small network.

    As :class:`TransformerEncoderLayer`, with ``x = norm2(x + dropout(attention(x, memory,
    memory)))`` (or, with `norm_first`, ``x = x + dropout(attention(norm2(x), memory, memory))``) in
    between (Vaswani et al. 2017; Xiong et al. 2020).

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first
        As of :class:`TransformerEncoderLayer`.
    bias : bool
    device, dtype : optional

    Raises
    ------
    RuntimeError
        If `activation` is a string other than "relu" and "gelu".

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(mg.ones(3, 5, 8), memory=mg.ones(3, 7, 8)).shape
    minigrad.Size([3, 5, 8])
    """

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None, tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """The sequences, each position having seen the others and the memory.

        Parameters
        ----------
        tgt : Tensor, shape (T, N, E), (N, T, E) if `batch_first`, or (T, E)
        memory : Tensor
            What the encoder gave: the same with S instead of T.
        tgt_mask : Tensor, shape (T, T) or (N * nhead, T, T), optional
            True (or -inf) where a position (row) must not see another (column).
        memory_mask : Tensor, shape (T, S) or (N * nhead, T, S), optional
        tgt_key_padding_mask : Tensor, shape (N, T) or (T,), optional
            True (or -inf) where a position is padding.
        memory_key_padding_mask : Tensor, shape (N, S) or (S,), optional
        tgt_is_causal, memory_is_causal : bool
            Hints that `tgt_mask` and `memory_mask` are causal masks.
        """
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        other = memory, memory_mask, memory_key_padding_mask, memory_is_causal
        x = self._added(tgt, self.norm1, lambda x: self._attend(x, *own))
        x = self._added(x, self.norm2, lambda x: self._attend_to(x, *other))
        return self._added(x, self.norm3, lambda x: self.dropout3(self._network(x)))

    def _attend_to(
        self, x: Tensor, memory: Tensor, mask: Tensor | None, padding: Tensor | None, causal: bool
    ) -> Tensor:
        y, _ = self.multihead_attn(
            x, memory, memory, attn_mask=mask, key_padding_mask=padding, need_weights=False,
            is_causal=causal,
        )  # fmt: skip
        return self.dropout2(y)  # type: ignore[no-any-return]


# -- stacks --------------------------------------------------------------------------------------


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _why_not_nested(layer: Any) -> str:
    """Why PyTorch would not use nested tensors with a layer; "" if it would."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "encoder_layer was not TransformerEncoderLayer"
    attention = layer.self_attn
    quick = layer.activation in (F.relu, F.gelu) or isinstance(layer.activation, (ReLU, GELU))
    conditions = [
        (not layer.norm_first, "encoder_layer.norm_first was True"),
        (
            attention.batch_first,
            "encoder_layer.self_attn.batch_first was not True"
            "(use batch_first for better inference performance)",
        ),
        (attention._qkv_same_embed_dim, "encoder_layer.self_attn._qkv_same_embed_dim was not True"),
        (attention.in_proj_bias is not None, "encoder_layer.self_attn was passed bias=False"),
        (quick, "encoder_layer.activation_relu_or_gelu was not True"),
        (
            layer.norm1.eps == layer.norm2.eps,
            "encoder_layer.norm1.eps was not equal to encoder_layer.norm2.eps",
        ),
        (attention.num_heads % 2 == 0, "encoder_layer.self_attn.num_heads is odd"),
    ]
    return next((why for holds, why in conditions if not holds), "")


class TransformerEncoder(Module):
    """Layers one after the other, and a last normalization.

    Parameters
    ----------
    encoder_layer : Module
        It is copied: all layers start with the same parameters.
    num_layers : int
    norm : Module, optional
        Applied to the last result.
    enable_nested_tensor, mask_check : bool
        Taken for PyTorch's sake, and kept as attributes: padding is always computed with masks.
        As there, a layer that PyTorch could not run on nested tensors is warned of.

    Notes
    -----
    PyTorch, in evaluation without gradients, may put zeros in the padded positions of the result;
    here they hold the same values as in training. Nothing should read them.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> mg.nn.TransformerEncoder(layer, num_layers=2)(mg.ones(3, 5, 8)).shape
    minigrad.Size([3, 5, 8])
    """

    def __init__(
        self, encoder_layer: Any, num_layers: int, norm: Module | None = None,
        enable_nested_tensor: bool = True, mask_check: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        why_not = _why_not_nested(encoder_layer)
        if enable_nested_tensor and why_not:
            warn_user(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because "
                + why_not
            )
            self.use_nested_tensor = False

    def forward(
        self, src: Tensor, mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None, is_causal: bool | None = None,
    ) -> Tensor:  # fmt: skip
        """Pass sequences through all layers.

        Parameters
        ----------
        src : Tensor, shape (S, N, E), (N, S, E) if the layers are `batch_first`, or (S, E)
        mask, src_key_padding_mask : Tensor, optional
            As of :meth:`TransformerEncoderLayer.forward`.
        is_causal : bool, optional
            A hint that `mask` is (or is not) the causal mask; by default it is compared with it.
        """
        mask, padding = _additive(mask, src_key_padding_mask, src, "mask")
        causal = _is_causal(mask, is_causal, src, self.layers[0].self_attn.batch_first)
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Layers one after the other that all see one memory, and a last normalization.

    Parameters
    ----------
    decoder_layer : Module
        It is copied: all layers start with the same parameters.
    num_layers : int
    norm : Module, optional
        Applied to the last result.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
    >>> mg.nn.TransformerDecoder(layer, num_layers=2)(mg.ones(5, 3, 8), mg.ones(7, 3, 8)).shape
    minigrad.Size([5, 3, 8])
    """

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None, tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Pass sequences through all layers.

        Parameters
        ----------
        tgt, memory : Tensor
        tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask : Tensor, optional
            As of :meth:`TransformerDecoderLayer.forward`.
        tgt_is_causal : bool, optional
            A hint that `tgt_mask` is (or is not) the causal mask; by default it is compared.
        memory_is_causal : bool
        """
        causal = _is_causal(tgt_mask, tgt_is_causal, tgt, self.layers[0].self_attn.batch_first)
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder and a decoder: "Attention Is All You Need" (Vaswani et al. 2017).

    The encoder makes a memory of the source; the decoder makes the target, seeing the memory.
    Embeddings, positions and the map to words are the caller's. All matrices start by Xavier's
    uniform distribution.

    Parameters
    ----------
    d_model : int
        The size of the vector of each position.
    nhead : int
        The number of heads, a divisor of `d_model`.
    num_encoder_layers, num_decoder_layers : int
    dim_feedforward : int
        The hidden size of the small networks.
    dropout : float
        The probability of an element to be zeroed in training.
    activation : "relu", "gelu" or callable
        Of the small networks.
    custom_encoder, custom_decoder : Module, optional
        In place of those that the other arguments describe.
    layer_norm_eps : float
    batch_first : bool
        Sequences are (N, S, E) instead of (S, N, E).
    norm_first : bool
        Normalize the inputs of the parts of a layer, instead of the sums (Xiong et al. 2020).
    bias : bool
        Whether affine maps and norms have shifts.
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
    >>> mask = net.generate_square_subsequent_mask(4)
    >>> mask
    tensor([[0., -inf, -inf, -inf],
            [0., 0., -inf, -inf],
            [0., 0., 0., -inf],
            [0., 0., 0., 0.]])
    >>> net(mg.ones(3, 5, 8), mg.ones(3, 4, 8), tgt_mask=mask).shape
    minigrad.Size([3, 4, 8])
    """

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6,
        num_decoder_layers: int = 6, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = F.relu, custom_encoder: Any = None, custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False,
        bias: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        settings = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            layer = TransformerEncoderLayer(*settings)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(
                TransformerDecoderLayer(*settings), num_decoder_layers, norm()
            )
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        """Draw all matrices anew."""
        for p in self.parameters():
            if p.array.ndim > 1:
                fill.xavier_uniform_(p)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask of `sz` positions: -inf above the diagonal, 0 elsewhere."""
        return causal_mask(sz, device, dtype)

    def forward(
        self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None, src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """The decoder's result.

        Parameters
        ----------
        src : Tensor, shape (S, N, E), (N, S, E) if `batch_first`, or (S, E)
        tgt : Tensor
            The same with T instead of S.
        src_mask, tgt_mask, memory_mask : Tensor, optional
            Shapes (S, S), (T, T) and (T, S); True (or -inf) where a position (row) must not see
            another (column).
        src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask : Tensor, optional
            Shapes (N, S), (N, T) and (N, S); True (or -inf) where a position is padding.
        src_is_causal, tgt_is_causal : bool, optional
            Hints that the masks are causal; by default they are compared.
        memory_is_causal : bool

        Raises
        ------
        RuntimeError
            If the batches differ in size, or the last dimension is not `d_model`.
        """
        batch = 0 if self.batch_first else 1
        a, b = src.array.shape, tgt.array.shape
        if len(a) == 3 and a[batch] != b[batch]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if a[-1] != self.d_model or b[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(  # type: ignore[no-any-return]
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip
