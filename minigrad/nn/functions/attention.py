"""Attention under PyTorch's names and signatures."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.shape import expand, permute, reshape
from minigrad.core.promotion import cast
from minigrad.core.tensor import Tensor, given
from minigrad.nn.functions.dropout import dropout
from minigrad.nn.functions.warn import warn_user
from minigrad.ops.guard import guarded
from minigrad.ops.join import cat
from minigrad.ops.layers import attention as ops
from minigrad.ops.layers.activations import softmax
from minigrad.ops.layers.affine import linear
from minigrad.ops.slices import chunk

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

Shape = tuple[int, ...]


# -- scaled dot product --------------------------------------------------------------------------


def _check_operands(query: Any, key: Any, value: Any) -> None:
    named = {"query": query, "key": key, "value": value}
    for name, t in named.items():
        if not isinstance(t, Tensor):
            raise TypeError(
                f"scaled_dot_product_attention(): argument '{name}' must be Tensor, not "
                f"{type(t).__name__}"
            )
    if min(t.array.ndim for t in named.values()) < 2:
        dims = ", ".join(f"{n}.dim: {t.array.ndim}" for n, t in named.items())
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got " + dims
        )
    if len({t.array.dtype for t in named.values()}) > 1:
        types = ", ".join(f"{n}.dtype: {t.dtype}" for n, t in named.items())
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got {types}"
        )
    if query.array.dtype.kind != "f":
        raise RuntimeError(
            f"scaled_dot_product_attention expects floating point tensors, got {query.dtype}: "
            "convert them with .float()"
        )
    q, k, v = (t.array.shape for t in named.values())
    if q[-1] != k[-1] or k[-2] != v[-2]:
        raise RuntimeError(
            "scaled_dot_product_attention: expected query (..., L, E), key (..., S, E) and value "
            f"(..., S, V), got shapes {list(q)}, {list(k)} and {list(v)}"
        )


def _additive(mask: Tensor, kind: np.dtype[Any]) -> Tensor:
    """A mask to add to scores: where a boolean one says False, -inf."""
    if mask.array.dtype.kind == "b":
        return cast(e.choose(mask, 0.0, -np.inf), kind)
    if mask.array.dtype != kind:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype} and query.dtype: {kind}"
        )
    return mask


def _leading(query: Shape, key: Shape, value: Shape) -> Shape:
    """What the leading dimensions broadcast to."""
    try:
        return np.broadcast_shapes(query[:-2], key[:-2], value[:-2])
    except ValueError:
        raise RuntimeError(
            "scaled_dot_product_attention: the leading dimensions of query, key and value must "
            f"broadcast, but the shapes are {list(query)}, {list(key)} and {list(value)}; fewer "
            "heads of key and value than of query need enable_gqa=True"
        ) from None


def _expanded(x: Tensor, batch: Shape) -> Tensor:
    shape = x.array.shape
    return x if shape[:-2] == batch else expand(x, (*batch, *shape[-2:]))


def _check_mask(mask: Tensor, scores: Shape) -> None:
    shape = mask.array.shape
    try:
        fits = np.broadcast_shapes(shape, scores) == scores and len(shape) >= 2
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"scaled_dot_product_attention: attn_mask must broadcast to the scores {list(scores)}, "
            f"with two dimensions at least, got {list(shape)}"
        )


def _grouped(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Query heads in groups that share a head of key and value: one more dimension, no copies."""
    if query.array.ndim < 3:
        raise IndexError("Dimension out of range: enable_gqa needs a dimension of heads, the -3rd")
    heads, k_heads, v_heads = (t.array.shape[-3] for t in (query, key, value))
    if heads % max(k_heads, 1) or heads % max(v_heads, 1):
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query, but got "
            f"{k_heads}, {v_heads} and {heads}"
        )
    shared = math.gcd(heads // k_heads, heads // v_heads)
    count = heads // shared

    def split(t: Tensor) -> Tensor:
        shape = t.array.shape
        parts = (count, shape[-3] // count) if t is query else (shape[-3], 1)
        return reshape(t, (*shape[:-3], *parts, *shape[-2:]))

    def repeated(t: Tensor) -> Tensor:
        shape = t.array.shape
        if shape[-3] == count:
            return split(t)
        times = count // shape[-3]
        wide = expand(split(t), (*shape[:-3], shape[-3], times, *shape[-2:]))
        return reshape(wide, (*shape[:-3], count, 1, *shape[-2:]))

    if mask is not None and mask.array.ndim >= 3:
        shape = mask.array.shape
        parts = (1, 1) if shape[-3] == 1 else (count, shared)
        mask = reshape(mask, (*shape[:-3], *parts, *shape[-2:]))
    return split(query), repeated(key), repeated(value), mask


@guarded
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, *, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """``softmax(scale * query @ key.T + mask) @ value`` (Vaswani et al. 2017).

    The scores are computed block by block and never stored as a whole (Dao et al. 2022), unless
    dropout or a derivative of higher order asks for them. A query that sees no key gets zeros.

    Parameters
    ----------
    query : Tensor, shape (..., L, E)
    key : Tensor, shape (..., S, E)
    value : Tensor, shape (..., S, V)
        The leading dimensions broadcast.
    attn_mask : Tensor, optional
        Broadcasts to (..., L, S). Boolean: True where a query may see a key. Floating: added to
        the scores.
    dropout_p : float
        The probability of a weight to be zeroed. It is applied whenever it is above 0: pass 0 when
        not training.
    is_causal : bool
        Query i sees the keys 0 to i only (besides what the mask says).
    scale : float, optional
        1 / sqrt(E) by default.
    enable_gqa : bool
        Let groups of query heads (dimension -3) share the heads of key and value.

    Returns
    -------
    Tensor, shape (..., L, V)

    Raises
    ------
    RuntimeError
        If shapes or dtypes do not fit.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([[1.0, 0.0], [3.0, 0.0]])
    >>> mg.nn.functional.scaled_dot_product_attention(mg.zeros(2, 2), x, x, is_causal=True)
    tensor([[1., 0.],
            [2., 0.]])
    """
    _check_operands(query, key, value)
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    q, kind = query.array, query.array.dtype
    factor = (1 / math.sqrt(q.shape[-1]) if q.shape[-1] else 1.0) if scale is None else float(scale)
    mask = None if attn_mask is None else _additive(attn_mask, kind)
    heads = q.shape[-3] if enable_gqa and q.ndim > 2 else 0
    if enable_gqa:
        query, key, value, mask = _grouped(query, key, value, mask)
    batch = _leading(query.array.shape, key.array.shape, value.array.shape)
    if mask is not None:
        _check_mask(mask, (*batch, query.array.shape[-2], key.array.shape[-2]))
    query, key, value = (_expanded(t, batch) for t in (query, key, value))
    if dropout_p > 0:
        p = dropout(ops.weights(query, key, mask, is_causal, factor), dropout_p)
        y = matmul(p, value)
    else:
        y = ops.attention((query, key, value, mask), (bool(is_causal), factor))
    return reshape(y, (*batch[:-2], heads, *y.array.shape[-2:])) if heads else y


# -- many heads ----------------------------------------------------------------------------------


class Projections(NamedTuple):
    """The affine maps around the heads; biases may be None."""

    q_weight: Tensor | None
    k_weight: Tensor | None
    v_weight: Tensor | None
    packed_weight: Tensor | None
    bias: Tensor | None
    out_weight: Tensor
    out_bias: Tensor | None


class Masks(NamedTuple):
    """What each query may see."""

    padding: Tensor | None
    attention: Tensor | None
    causal: bool


def _assert(holds: bool, message: str) -> None:
    """PyTorch's attention layer reports wrong arguments by AssertionError."""
    if not holds:
        raise AssertionError(message)


def _check_dims(query: Tensor, key: Tensor, value: Tensor, masks: Masks, heads: int) -> bool:
    """Whether there is a batch dimension; all arguments must agree on it."""
    dims = query.array.ndim
    _assert(
        dims in (2, 3),
        "query should be unbatched 2D or batched 3D tensor but received "
        f"{dims}-D query tensor of shape {list(query.array.shape)}",
    )
    kind = "batched (3-D)" if dims == 3 else "unbatched (2-D)"
    _assert(
        key.array.ndim == value.array.ndim == dims,
        f"For {kind} `query`, expected `key` and `value` to be {dims}-D but found "
        f"{key.array.ndim}-D and {value.array.ndim}-D tensors respectively",
    )
    if masks.padding is not None:
        _assert(
            masks.padding.array.ndim == dims - 1,
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but "
            f"found {masks.padding.array.ndim}-D tensor instead",
        )
    if masks.attention is not None:
        shape = masks.attention.array.shape
        _assert(
            len(shape) in (2, 3),
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
            f"{len(shape)}-D tensor instead",
        )
        wanted = (heads, query.array.shape[0], key.array.shape[0])
        _assert(
            dims == 3 or len(shape) == 2 or shape == wanted,
            f"Expected `attn_mask` shape to be {wanted} but got {shape}",
        )
    return dims == 3


def canonical_mask(mask: Tensor | None, name: str, kind: np.dtype[Any]) -> Tensor | None:
    """An attention layer's mask as one to add: True (hidden) becomes -inf."""
    if mask is None:
        return None
    category = mask.array.dtype.kind
    _assert(category in "bf", f"only bool and floating types of {name} are supported")
    return cast(e.choose(mask, -np.inf, 0.0), kind) if category == "b" else mask


def _projected(
    query: Tensor, key: Tensor, value: Tensor, maps: Projections
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values; in one product where the same tensor makes all of them."""
    packed = maps.packed_weight
    if packed is not None and query is key and key is value:
        return chunk(linear(query, packed, maps.bias), 3, -1)  # type: ignore[return-value]
    if packed is not None:
        weights: Any = packed.chunk(3)
    else:
        weights = (maps.q_weight, maps.k_weight, maps.v_weight)
        _assert(
            all(w is not None for w in weights),
            "use_separate_proj_weight is True but q_proj_weight, k_proj_weight or v_proj_weight "
            "is None",
        )
    biases = (None,) * 3 if maps.bias is None else maps.bias.chunk(3)
    q, k, v = (
        linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)
    )
    return q, k, v


def _padded(mask: Tensor | None) -> Tensor | None:
    """A mask with a column of zeros more: for a key that everybody sees."""
    if mask is None:
        return None
    column = np.zeros((*mask.array.shape[:-1], 1), mask.array.dtype)
    return cat([mask, given(column)], -1)


def _merged(masks: Masks, sizes: tuple[int, int, int, int]) -> Tensor | None:
    """Both masks as one, that broadcasts to (batch, heads, L, S)."""
    batch, heads, queries, keys = sizes
    merged: Any = None
    if masks.attention is not None:
        merged = masks.attention
        shape = merged.array.shape
        wanted = (queries, keys) if len(shape) == 2 else (batch * heads, queries, keys)
        if shape != wanted:
            raise RuntimeError(
                f"The shape of the {len(shape)}D attn_mask is {shape}, but should be {wanted}."
            )
        if len(shape) == 3:
            merged = reshape(merged, (batch, heads, queries, keys))
    if masks.padding is not None:
        shape = masks.padding.array.shape
        _assert(
            shape == (batch, keys),
            f"Expected key_padding_mask of shape {(batch, keys)}, got {shape}",
        )
        padding = reshape(masks.padding, (batch, 1, 1, keys))
        merged = padding if merged is None else merged + padding
    return merged  # type: ignore[no-any-return]


def _in_heads(x: Tensor, heads: int, batch_first: bool) -> Tensor:
    """(L, N, E) or (N, L, E) as (N, heads, L, E / heads), a view."""
    a, b, width = x.array.shape
    split = reshape(x, (a, b, heads, width // heads))
    return permute(split, 0, 2, 1, 3) if batch_first else permute(split, 1, 2, 0, 3)


def _out_of_heads(y: Tensor, batch_first: bool) -> Tensor:
    batch, heads, rows, width = y.array.shape
    joined = permute(y, 0, 2, 1, 3) if batch_first else permute(y, 2, 0, 1, 3)
    sizes = (batch, rows) if batch_first else (rows, batch)
    return reshape(joined, (*sizes, heads * width))


def _more_keys(x: Tensor, row: Tensor, batch_first: bool) -> Tensor:
    """One more key (or value) for every sequence: `row`, shape (1, 1, E)."""
    a, b, width = x.array.shape
    more = expand(row, (a, 1, width) if batch_first else (1, b, width))
    return cat([x, more], 1 if batch_first else 0)


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, maps: Projections, masks: Masks, *,
    bias_k: Tensor | None = None, bias_v: Tensor | None = None, add_zero: bool = False,
    dropout_p: float = 0.0, need_weights: bool = True, average: bool = True,
    static: tuple[Tensor | None, Tensor | None] = (None, None), batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """What :func:`multi_head_attention_forward` does, for batches in either order."""
    batched = _check_dims(query, key, value, masks, heads)
    if not batched:
        shared = query is key, key is value
        query = query.unsqueeze(1)
        key = query if shared[0] else key.unsqueeze(1)
        value = key if shared[1] else value.unsqueeze(1)
        batch_first = False
    kind = query.array.dtype
    padding = canonical_mask(masks.padding, "key_padding_mask", kind)
    if padding is not None and not batched:
        padding = reshape(padding, (1, -1))
    if masks.causal and masks.attention is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    causal = masks.causal and padding is None and not need_weights
    attention = None if causal else canonical_mask(masks.attention, "attn_mask", kind)
    q, k, v = _projected(query, key, value, maps)
    if bias_k is not None and bias_v is not None:
        _assert(static == (None, None), "bias cannot be added to static key or value.")
        k, v = _more_keys(k, bias_k, batch_first), _more_keys(v, bias_v, batch_first)
        attention, padding = _padded(attention), _padded(padding)
    else:
        _assert(bias_k is bias_v, "bias_k and bias_v must be given together")
    q, k, v = (_in_heads(x, heads, batch_first) for x in (q, k, v))
    k, v = _static(k, static[0], "static_k"), _static(v, static[1], "static_v")
    if add_zero:
        zero = given(np.zeros((*k.array.shape[:2], 1, k.array.shape[3]), k.array.dtype))
        k, v = cat([k, zero], 2), cat([v, zero], 2)
        attention, padding = _padded(attention), _padded(padding)
    batch, _, rows, width = q.array.shape
    mask = _merged(Masks(padding, attention, causal), (batch, heads, rows, k.array.shape[2]))
    weights = None
    if need_weights:
        scores: Any = matmul(q * math.sqrt(1 / width), k.transpose(-2, -1))
        weights = softmax(scores if mask is None else scores + mask, -1)
        weights = dropout(weights, dropout_p) if dropout_p > 0 else weights
        y = matmul(weights, v)
        weights = weights.mean(1) if average else weights
    else:
        y = scaled_dot_product_attention(q, k, v, mask, dropout_p, causal)
    out: Any = linear(_out_of_heads(y, batch_first), maps.out_weight, maps.out_bias)
    if not batched:
        return out.squeeze(1), None if weights is None else weights.squeeze(0)
    return out, weights


def _static(x: Tensor, given: Tensor | None, name: str) -> Tensor:
    """Keys or values that were projected before, of shape (N * heads, S, E / heads)."""
    if given is None:
        return x
    batch, heads, _, width = x.array.shape
    shape = given.array.shape
    _assert(
        shape[0] == batch * heads,
        f"expecting {name}.size(0) of {batch * heads}, but got {shape[0]}",
    )
    _assert(shape[2] == width, f"expecting {name}.size(2) of {width}, but got {shape[2]}")
    return reshape(given, (batch, heads, *shape[1:]))


def warn_of_mixed_masks(
    padding: Tensor | None,
    attention: Tensor | None,
    padding_name: str = "key_padding_mask",
    attention_name: str = "attn_mask",
) -> None:
    """PyTorch wants both masks of one type."""
    if padding is None or attention is None or padding.array.dtype == attention.array.dtype:
        return
    warn_user(
        f"Support for mismatched {padding_name} and {attention_name} is deprecated. Use same type "
        "for both instead."
    )


def check_widths(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, heads: int, separate: bool
) -> None:
    """The sizes of the embeddings."""
    width = query.array.shape[-1]
    _assert(
        width == embed_dim, f"was expecting embedding dimension of {embed_dim}, but got {width}"
    )
    _assert(embed_dim % heads == 0, f"embed_dim {embed_dim} not divisible by num_heads {heads}")
    k, v = key.array.shape, value.array.shape
    if separate:
        _assert(
            k[:-1] == v[:-1],
            f"key's sequence and batch dims {k[:-1]} do not match value's {v[:-1]}",
        )
    else:
        _assert(k == v, f"key shape {k} does not match value shape {v}")


@guarded
def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attention in several heads, with the affine maps before and after (Vaswani et al. 2017).

    Parameters
    ----------
    query : Tensor, shape (L, N, E) or (L, E)
    key, value : Tensor, shape (S, N, E) or (S, E)
    embed_dim_to_check : int
        E.
    num_heads : int
        A divisor of E.
    in_proj_weight, in_proj_bias : Tensor, shapes (3 E, E) and (3 E,)
    bias_k, bias_v : Tensor, shape (1, 1, E), optional
        One more key and value for every sequence.
    add_zero_attn : bool
        One more key and value of zeros.
    dropout_p : float
        The probability of a weight to be zeroed in training.
    out_proj_weight, out_proj_bias : Tensor, shapes (E, E) and (E,)
    training : bool
    key_padding_mask : Tensor, shape (N, S) or (S,), optional
        True (or -inf) where a key is padding.
    need_weights : bool
        Return the weights, too, which then are all held in memory.
    attn_mask : Tensor, shape (L, S) or (N * num_heads, L, S), optional
        True (or -inf) where a query must not see a key.
    use_separate_proj_weight : bool
        Use `q_proj_weight`, `k_proj_weight` and `v_proj_weight` instead of `in_proj_weight`.
    static_k, static_v : Tensor, shape (N * num_heads, S, E / num_heads), optional
        Used as they are in place of projected keys and values.
    average_attn_weights : bool
        Return the mean of the weights over the heads.
    is_causal : bool
        A hint that `attn_mask` is the causal mask.

    Returns
    -------
    output : Tensor, of the shape of `query`
    weights : Tensor, shape (N, L, S), or (N, num_heads, L, S) if not averaged; or None

    Raises
    ------
    AssertionError, RuntimeError
        If shapes do not fit.
    """
    warn_of_mixed_masks(key_padding_mask, attn_mask)
    check_widths(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    packed = None if use_separate_proj_weight else in_proj_weight
    _assert(
        use_separate_proj_weight or packed is not None,
        "use_separate_proj_weight is False but in_proj_weight is None",
    )
    maps = Projections(
        q_proj_weight, k_proj_weight, v_proj_weight, packed, in_proj_bias, out_proj_weight,
        out_proj_bias,
    )  # fmt: skip
    return attend(
        query, key, value, num_heads, maps, Masks(key_padding_mask, attn_mask, is_causal),
        bias_k=bias_k, bias_v=bias_v, add_zero=add_zero_attn,
        dropout_p=dropout_p if training else 0.0, need_weights=need_weights,
        average=average_attn_weights, static=(static_k, static_v),
    )  # fmt: skip
