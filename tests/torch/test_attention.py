"""Attention against PyTorch: values, gradients of first and second order, errors, layers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from minigrad.kernels import attention as kernels  # noqa: E402

Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

#: Queries, keys, values; and the arguments, masks as shapes (of a boolean and of a floating one).
CASES: list[tuple[Shapes, dict[str, Any]]] = [
    (((3, 4), (5, 4), (5, 2)), {}),
    (((2, 3, 4), (2, 5, 4), (2, 5, 4)), {"scale": 0.3}),
    (((2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 4)), {"is_causal": True}),
    (((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4)), {"is_causal": True}),
    (((2, 3, 7, 4), (2, 3, 5, 4), (2, 3, 5, 6)), {"is_causal": True}),
    (((2, 1, 5, 4), (1, 3, 6, 4), (6, 4)), {}),
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4)), {"attn_mask": (5, 6)}),
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4)), {"attn_mask": (2, 1, 5, 6)}),
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4)), {"attn_mask": (2, 1, 1, 6)}),
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4)), {"attn_mask": (3, 5, 1)}),
    (((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4)), {"attn_mask": (2, 3, 5, 6)}),
    (((2, 6, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4)), {"enable_gqa": True}),
    (((2, 6, 5, 4), (2, 2, 5, 4), (2, 2, 5, 4)), {"enable_gqa": True, "is_causal": True}),
    (((2, 6, 5, 4), (2, 2, 7, 4), (2, 1, 7, 4)), {"enable_gqa": True}),
    (((2, 6, 5, 4), (2, 2, 7, 4), (2, 2, 7, 4)), {"enable_gqa": True, "attn_mask": (2, 6, 5, 7)}),
    (((2, 6, 5, 4), (2, 2, 7, 4), (2, 2, 7, 4)), {"enable_gqa": True, "attn_mask": (2, 1, 5, 7)}),
    (((2, 150, 8), (2, 150, 8), (2, 150, 8)), {"is_causal": True}),
    (((2, 150, 8), (2, 33, 8), (2, 33, 3)), {"attn_mask": (150, 33)}),
    (((1, 2, 3, 4), (1, 2, 0, 4), (1, 2, 0, 4)), {}),
    (((1, 2, 0, 4), (1, 2, 3, 4), (1, 2, 3, 4)), {}),
    (((0, 2, 3, 4), (0, 2, 3, 4), (0, 2, 3, 4)), {"is_causal": True}),
    (((2, 3, 0), (2, 3, 0), (2, 3, 4)), {}),
]  # fmt: skip


def _drawn(shapes: Shapes, dtype: str) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=s).astype(dtype) for s in shapes]


def _mask(shape: tuple[int, ...], boolean: bool, dtype: str) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(4)
    seen = rng.random(shape) > 0.3
    if shape[-2] > 1:
        seen[..., 1, :] = False  # a query that sees nothing
    if boolean:
        return seen
    return np.where(seen, rng.normal(size=shape), -np.inf).astype(dtype)


def _outcome(module: Any, arrays: Any, kwargs: dict[str, Any], mask: Any, flow: Any) -> list[Any]:
    """Result and gradients, also the mask's."""
    leaves = [module.tensor(a).requires_grad_() for a in arrays]
    kwargs = dict(kwargs)
    if mask is not None:
        kwargs["attn_mask"] = module.tensor(mask)
        if mask.dtype != bool:
            leaves.append(kwargs["attn_mask"].requires_grad_())
    y = module.nn.functional.scaled_dot_product_attention(*leaves[:3], **kwargs)
    grad = torch.autograd.grad if module is torch else mg.autograd.grad
    if flow is None:
        flow = np.random.default_rng(5).normal(size=tuple(y.shape)).astype(arrays[0].dtype)
    found = grad([y], leaves, [module.tensor(flow)], allow_unused=True)
    return [y, *found]


def _compare(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        x, y = a.detach().numpy(), b.detach().numpy()
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shapes", "kwargs"), CASES)
def test_values_and_gradients(shapes: Shapes, kwargs: dict[str, Any], dtype: str) -> None:
    arrays = _drawn(shapes, dtype)
    shape = kwargs.get("attn_mask")
    masks = [None] if shape is None else [_mask(shape, b, dtype) for b in (True, False)]
    for mask in masks:
        ours, theirs = (_outcome(m, arrays, kwargs, mask, None) for m in (mg, torch))
        _compare(ours, theirs, 5e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize(("shapes", "kwargs"), CASES[:16])
def test_second_order(shapes: Shapes, kwargs: dict[str, Any]) -> None:
    arrays, shape = _drawn(shapes, "float64"), kwargs.get("attn_mask")
    found = []
    for module, grad in ((mg, mg.autograd.grad), (torch, torch.autograd.grad)):
        leaves = [module.tensor(a).requires_grad_() for a in arrays]
        given = dict(kwargs)
        if shape is not None:
            given["attn_mask"] = module.tensor(_mask(shape, False, "float64"))
        if module is torch:  # its flash attention has no second derivative
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                y = torch.nn.functional.scaled_dot_product_attention(*leaves, **given)
        else:
            y = mg.nn.functional.scaled_dot_product_attention(*leaves, **given)
        first = grad((y * y * y).sum(), leaves, create_graph=True)
        found.append([y, *first, *grad(sum((g * g).sum() for g in first), leaves)])
    _compare(*found, 1e-10)


@pytest.mark.parametrize("causal", [False, True])
def test_heads_are_read_where_they_lie(causal: bool) -> None:
    """Views of one packed projection, as language models make them; the result has their layout."""
    packed = np.random.default_rng(0).normal(size=(2, 70, 3 * 12)).astype("float32")
    results = []
    for module in (mg, torch):
        x = module.tensor(packed).requires_grad_()
        q, k, v = (t.reshape(2, 70, 3, 4).transpose(1, 2) for t in x.split(12, dim=2))
        y = module.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        joined = y.transpose(1, 2).reshape(2, 70, 12)
        (joined * joined).sum().backward()
        results.append([joined, x.grad])
    _compare(*results, 1e-5)
    out = kernels.attention(*[np.zeros((2, 5, 3, 4)).swapaxes(1, 2)] * 3, None, causal, 1.0)[0]
    assert out.swapaxes(1, 2).flags.c_contiguous


def test_not_a_number_spreads() -> None:
    """From a query to its result, from a key to all; PyTorch's kernel makes zeros of the former."""
    q = mg.randn(2, 4, 3)
    bad = q.clone()
    bad[0, 2, 0] = float("nan")
    F = mg.nn.functional
    spread = F.scaled_dot_product_attention(bad, q, q).isnan()
    assert spread[0, 2].all()
    assert spread.sum() == 3
    assert F.scaled_dot_product_attention(q, bad, q)[0].isnan().all()
    assert F.scaled_dot_product_attention(q, bad, q, is_causal=True)[0, :2].isfinite().all()


def test_half_precision() -> None:
    arrays = _drawn(((2, 3, 8), (2, 5, 8), (2, 5, 8)), "float16")
    ours, theirs = (_outcome(m, arrays, {}, None, None) for m in (mg, torch))
    _compare(ours, theirs, 5e-3)


def test_dropout() -> None:
    mg.manual_seed(0)
    q = mg.randn(2, 8, 40, 4)
    ones = mg.ones(2, 8, 40, 4)
    F = mg.nn.functional
    y = F.scaled_dot_product_attention(q, q, ones, dropout_p=0.25)
    assert abs(float(y.mean()) - 1) < 0.02
    assert float(y.std()) > 0.01
    assert F.scaled_dot_product_attention(q, q, ones, dropout_p=1.0).abs().max() == 0


ERRORS = """
(q[0, 0, 0], q, q) | (q, q[..., :4], q) | (q, q[:, :3], q) |
(q.double(), q, q) | (q.long(), q.long(), q.long()) | (q, q, q, m.ones(3, 3).int()) |
(q, q, q, m.ones(2, 3).bool()) | (q, q, q, m.ones(3, 3).double()) | (q, q, q, None, 1.5) |
(q, q[:, :3], q[:, :3], None, 0.0, False, {'enable_gqa': True}) | (q, q, None) |
(q, q, q, None, 0.0, False, 1.0)
"""


def test_values_must_be_as_many_as_keys() -> None:
    q = mg.ones(2, 4, 3, 8)
    with pytest.raises(RuntimeError, match=r"expected query \(..., L, E\)"):
        mg.nn.functional.scaled_dot_product_attention(q, q, q[:, :, :2])


@pytest.mark.parametrize("text", [e.strip() for e in ERRORS.split("|")])
def test_errors(text: str) -> None:
    kinds = []
    for module in (mg, torch):
        names = {"q": module.ones(2, 4, 3, 8), "m": module}
        with pytest.raises((RuntimeError, TypeError, IndexError, ValueError)) as caught:
            module.nn.functional.scaled_dot_product_attention(*eval(text, names))
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


# -- the layer -----------------------------------------------------------------------------------

LAYERS: list[dict[str, Any]] = [
    {}, {"bias": False}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"batch_first": True},
    {"kdim": 5, "vdim": 7}, {"kdim": 5, "vdim": 7, "bias": False, "add_bias_kv": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True}, {"dropout": 0.5},
]  # fmt: skip


def _twins(**kwargs: Any) -> tuple[Any, Any]:
    theirs = torch.nn.MultiheadAttention(8, 2, dtype=torch.float64, **kwargs)
    ours = mg.nn.MultiheadAttention(8, 2, dtype=mg.float64, **kwargs)
    state = {k: mg.tensor(v.numpy()) for k, v in theirs.state_dict().items()}
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


def _both(kwargs: dict[str, Any], call: dict[str, Any], shapes: Any, same: bool = False) -> None:
    """Compare results, weights and gradients of all inputs and parameters."""
    found = []
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=s) for s in shapes]
    for module, layer in zip((mg, torch), _twins(**kwargs), strict=True):
        if kwargs.get("dropout"):
            layer.eval()
        leaves = [module.tensor(a).requires_grad_() for a in arrays]
        inputs = [leaves[0]] * 3 if same else leaves
        given = {k: module.tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.items()}
        y, weights = layer(*inputs, **given)
        total = (y * y).sum() + (0 if weights is None else (weights**3).sum())
        total.backward()
        grads = [p.grad for p in layer.parameters()] + [t.grad for t in leaves[: 1 if same else 3]]
        found.append([y, *([] if weights is None else [weights]), *grads])
    _compare(*found, 1e-10)


@pytest.mark.parametrize("kwargs", LAYERS)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_layer(kwargs: dict[str, Any], need_weights: bool, batched: bool) -> None:
    e, k, v = 8, kwargs.get("kdim", 8), kwargs.get("vdim", 8)
    n = (3,) if batched else ()
    shapes = [(4, *n, e), (5, *n, k), (5, *n, v)]
    if kwargs.get("batch_first") and batched:
        shapes = [(s[1], s[0], s[2]) for s in shapes]
    masks = {
        "attn_mask": np.random.default_rng(0).random((4, 5)) > 0.8,
        "key_padding_mask": np.random.default_rng(2).random((*n, 5)) > 0.8,
    }
    for given in ({}, masks, {"key_padding_mask": masks["key_padding_mask"]}):
        call = {"need_weights": need_weights, **given}
        _both(kwargs, call, shapes)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("call", [
    {}, {"average_attn_weights": False}, {"need_weights": False},
    {"attn_mask": np.triu(np.full((4, 4), -np.inf), 1), "is_causal": True},
    {"attn_mask": np.triu(np.ones((4, 4), bool), 1), "is_causal": True, "need_weights": False},
    {"attn_mask": np.random.default_rng(0).normal(size=(8, 4, 4)), "need_weights": False},
    {"attn_mask": np.random.default_rng(0).normal(size=(8, 4, 4))},
])  # fmt: skip
def test_self_attention(call: dict[str, Any], batch_first: bool) -> None:
    _both({"batch_first": batch_first}, call, [(4, 4, 8)], same=True)


def test_functional_static_keys() -> None:
    rng = np.random.default_rng(0)
    x, w, o = rng.normal(size=(4, 3, 8)), rng.normal(size=(24, 8)), rng.normal(size=(8, 8))
    static = rng.normal(size=(6, 5, 4))
    found = []
    for m in (mg, torch):
        t = m.tensor
        y, weights = m.nn.functional.multi_head_attention_forward(
            t(x), t(x), t(x), 8, 2, t(w), None, None, None, True, 0.0, t(o), None,
            static_k=t(static), static_v=t(static * 2),
        )  # fmt: skip
        found.append([y, weights])
    _compare(*found, 1e-12)


def test_layer_errors() -> None:
    for args in ((0, 2), (7, 2)):
        kinds = []
        for module in (mg, torch):
            with pytest.raises((ValueError, AssertionError)) as caught:
                module.nn.MultiheadAttention(*args)
            kinds.append(caught.type)
        assert kinds[0] is kinds[1]
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        (((4, 3, 7),) * 3, {}), (((4, 3, 8), (5, 8), (5, 8)), {}), (((8,),) * 3, {}),
        (((4, 3, 8), (5, 3, 8), (6, 3, 8)), {}), (((4, 3, 8),) * 3, {"is_causal": True}),
        (((4, 3, 8),) * 3, {"attn_mask": (4, 5)}), (((4, 3, 8),) * 3, {"attn_mask": (4,)}),
        (((4, 3, 8),) * 3, {"key_padding_mask": (3, 5)}),
        (((4, 3, 8),) * 3, {"key_padding_mask": (4,)}),
        (((4, 3, 8),) * 3, {"attn_mask": (5, 4, 4)}),
    ]  # fmt: skip
    for shapes, masks in calls:
        kinds = []
        for module in (mg, torch):
            layer = module.nn.MultiheadAttention(8, 2)
            given = {k: module.ones(v) if isinstance(v, tuple) else v for k, v in masks.items()}
            with pytest.raises((RuntimeError, AssertionError)) as caught:
                layer(*[module.ones(s) for s in shapes], **given)
            kinds.append(caught.type)
        assert kinds[0] is kinds[1], (shapes, masks, kinds)


def test_mixed_masks_are_warned_of() -> None:
    layer, x = mg.nn.MultiheadAttention(8, 2), mg.ones(4, 3, 8)
    with pytest.warns(UserWarning, match="mismatched"):
        layer(x, x, x, mg.zeros(3, 4), attn_mask=mg.zeros(4, 4).bool())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(x, x, x, mg.zeros(3, 4), attn_mask=mg.zeros(4, 4))
