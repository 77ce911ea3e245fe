"""The transformer: shapes, masks, order of norms, refusals."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def layer(**more: Any) -> nn.TransformerEncoderLayer:
    mg.manual_seed(0)
    return nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, **more)


def test_parts_of_a_layer_and_their_order() -> None:
    net = layer()
    x = mg.randn(2, 5, 8)
    h = net.norm1(x + net.self_attn(x, x, x)[0])
    y = net.norm2(h + net.linear2(net.linear1(h).relu()))
    assert mg.allclose(net(x), y, atol=1e-6)
    net = layer(norm_first=True, activation="gelu")
    h = net.norm1(x)
    h = x + net.self_attn(h, h, h)[0]
    y = h + net.linear2(nn.functional.gelu(net.linear1(net.norm2(h))))
    assert mg.allclose(net(x), y, atol=1e-6)


def test_decoder_layer_sees_the_memory() -> None:
    mg.manual_seed(0)
    net = nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True, activation=mg.tanh)
    x, memory = mg.randn(2, 3, 8), mg.randn(2, 5, 8)
    h = net.norm1(x + net.self_attn(x, x, x)[0])
    h = net.norm2(h + net.multihead_attn(h, memory, memory)[0])
    y = net.norm3(h + net.linear2(mg.tanh(net.linear1(h))))
    assert mg.allclose(net(x, memory), y, atol=1e-6)


@pytest.mark.parametrize("kind", ["float", "bool"])
def test_the_future_is_hidden(kind: str) -> None:
    """With the causal mask, detected or named or given, later positions change nothing."""
    net = nn.TransformerEncoder(layer(), 2)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    if kind == "bool":
        mask = mask < 0
    x = mg.randn(2, 5, 8)
    changed = x.clone()
    changed[:, 3:] += 1
    results = [net(x, mask, is_causal=hint) for hint in (None, True, False)]
    for y in results:
        assert mg.allclose(y, results[0], atol=1e-5)
        assert not mg.allclose(y, net(x), atol=1e-3)
    assert mg.allclose(net(changed, mask)[:, :3], results[0][:, :3], atol=1e-5)


def test_padding_is_not_seen() -> None:
    net = nn.TransformerEncoder(layer(), 2, enable_nested_tensor=False)
    x = mg.randn(2, 5, 8)
    padding = mg.tensor([[False] * 5, [False] * 3 + [True] * 2])
    y = net(x, src_key_padding_mask=padding)
    assert mg.allclose(y[1, :3], net(x[1:, :3])[0], atol=1e-5)
    assert mg.allclose(y[0], net(x[:1])[0], atol=1e-5)


def test_layers_are_copies_that_start_equal() -> None:
    first = layer()
    net = nn.TransformerEncoder(first, 3, nn.LayerNorm(8))
    weights = [each.linear1.weight for each in net.layers]
    assert len({id(w) for w in [*weights, first.linear1.weight]}) == 4
    assert all(mg.equal(w, weights[0]) for w in weights)
    assert isinstance(net.norm, nn.LayerNorm)


def test_a_whole_transformer() -> None:
    net = nn.Transformer(8, 2, 1, 2, 16, batch_first=True)
    src, tgt = mg.randn(3, 4, 8), mg.randn(3, 5, 8)
    mask = net.generate_square_subsequent_mask(5)
    net(src, tgt, tgt_mask=mask).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    bound = (6 / (8 + 16)) ** 0.5
    weight = np.abs(net.encoder.layers[0].linear1.weight.numpy(force=True))
    assert 0.8 * bound < weight.max() <= bound
    twin = copy.deepcopy(net).eval()
    net.eval()
    assert mg.equal(net(src, tgt), twin(src, tgt))
    assert net(src[0], tgt[0]).shape == (5, 8)


def test_custom_parts() -> None:
    class Same(nn.Module):
        def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
            return x

    ours = Same()
    net = nn.Transformer(8, 2, custom_encoder=ours, custom_decoder=Same())
    assert net.encoder is ours
    tgt = mg.ones(3, 2, 8)
    assert net(mg.zeros(4, 2, 8), tgt) is tgt


def test_dtype_and_bias() -> None:
    net = layer(bias=False, dtype=mg.float64)
    assert {p.dtype for p in net.parameters()} == {mg.float64}
    assert not any("bias" in name for name, _ in net.named_parameters())


def test_refusals() -> None:
    with pytest.raises(RuntimeError, match="activation should be relu/gelu, not tanh"):
        layer(activation="tanh")
    net = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    x = mg.ones(3, 4, 8)
    with pytest.raises(RuntimeError, match="batch number of src and tgt must be equal"):
        net(x, mg.ones(2, 4, 8))
    with pytest.raises(RuntimeError, match="feature number of src and tgt must be equal"):
        net(x, mg.ones(3, 4, 7))
    with pytest.raises(AssertionError, match="only bool and floating types of src_mask"):
        layer()(x, mg.ones(4, 4, dtype=mg.int64))


def test_warnings() -> None:
    with pytest.warns(UserWarning, match=r"self\.use_nested_tensor is False because .*norm_first"):
        net = nn.TransformerEncoder(layer(norm_first=True), 1)
    assert not net.use_nested_tensor
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.TransformerEncoder(layer(norm_first=True), 1, enable_nested_tensor=False)
        net = nn.TransformerEncoder(layer(), 1)
    x, mask = mg.ones(2, 3, 8), mg.zeros(3, 3)
    with pytest.warns(UserWarning, match="mismatched src_key_padding_mask and mask is deprecated"):
        net(x, mask, mg.zeros(2, 3, dtype=mg.bool))
