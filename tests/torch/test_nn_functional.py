"""`nn.functional` against PyTorch: values, first and second order gradients, errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array, gradients, inputs, outcome, same, same_or_zero  # noqa: E402

ACTIVATIONS = """
relu(x) | relu6(x * 3) | leaky_relu(x) | leaky_relu(x, 0.3) | elu(x) | elu(x, 1.7) | selu(x) |
celu(x) | celu(x, 0.7) | gelu(x) | gelu(x, approximate='tanh') | silu(x) | mish(x) | sigmoid(x) |
tanh(x) | softplus(x) | softplus(x, 2.0, 3.0) | softsign(x) | logsigmoid(x) | logsigmoid(x * 100) |
hardtanh(x) | hardtanh(x, -0.4, 1.5) | hardsigmoid(x * 2) | hardswish(x * 2) | tanhshrink(x) |
softshrink(x) | softshrink(x, 1.0) | hardshrink(x) | hardshrink(x, 1.0) | threshold(x, 0.2, -3.0) |
glu(x) | glu(b, 2) | glu(x, 1) | glu(b, 0) | prelu(x, v) | prelu(x, o) | prelu(b, u) |
prelu(h, u) | prelu(v, o) | prelu(s, o) | rrelu(x) | rrelu(x, 0.1, 0.2) | softmax(x, 1) |
softmax(x, dim=0) | softmax(b, 1) | softmax(b, -1) | softmax(s, 0) | softmax(v * 100, 0) |
softmax(x, 1, dtype=m.float64) | softmax(e, 1) | softmax(e, 0) | softmin(x, 1) | softmin(b, 0) |
log_softmax(x, 1) | log_softmax(b, 1) | log_softmax(h, 2) | log_softmax(v * 100, 0) | softmax(x) |
softmax(b) | log_softmax(v) | softmax(x.t(), 1) | relu(e) | gelu(e) | glu(e, 0) | relu(nan) |
gelu(nan[:2]) | softplus(nan) | hardtanh(nan) | relu6(nan) | silu(nan) | mish(nan) | elu(nan) |
hardswish(nan) | softshrink(nan) | hardshrink(nan) | threshold(nan, 0, 1) | leaky_relu(nan) |
logsigmoid(nan) | softsign(nan) | softmax(nan, 0) | hardsigmoid(nan) | tanhshrink(nan) | relu(i) |
threshold(i, 1, 5) | glu(s) | glu(v[:3]) | prelu(x, u) | softmax(i, 0) | softmax(x, 2) |
celu(x, 0.0) | softshrink(x, -1.0) | gelu(x, approximate='x')
"""
LINEAR = """
linear(x, w.t()) | linear(x, q, v) | linear(b, q, v) | linear(b, q) | linear(v, q, v) |
linear(v, q) | linear(x, v) | linear(h[..., :4], q, v) | linear(e, q, v) | linear(x, q, s) |
linear(x, q, v.reshape(1, 4)) | linear(x[:, ::2], q[:, ::2], v) | linear(x.t(), x.t()) |
linear(x, x, u) | linear(x, w) | linear(s, q) | linear(x, q, u) | linear(x.float(), q.double()) |
linear(x, h) | bilinear(x, y, m.stack([q, q + 1]), v[:2]) | bilinear(x, y, q.reshape(1, 4, 4)) |
bilinear(b, b, q.reshape(1, 4, 4)) | embedding(i, x) | embedding(j, x) |
embedding(i, x, padding_idx=2) | embedding(i, x, padding_idx=-1) | embedding(i[:0], x) |
embedding(i.int(), x) | embedding(i + 1, x) | embedding(-i, x) | embedding(x, x) |
embedding(i, v) | embedding(i, x, scale_grad_by_freq=True) | one_hot(i) | one_hot(j, 5) |
one_hot(i, 2) | one_hot(-i) | one_hot(x) | one_hot(i[:0], 3) | one_hot(i[:0]) | one_hot(i[0]) |
cosine_similarity(x, y) | cosine_similarity(x, y, dim=0) | cosine_similarity(b, x[:, :1], 1) |
cosine_similarity(v, v * 0, 0) | pairwise_distance(x, y) | pairwise_distance(x, y, p=1.0) |
pairwise_distance(x, v, keepdim=True) | normalize(x) | normalize(x, p=1, dim=0) |
normalize(b, dim=2) | normalize(v * 0, dim=0) | normalize(h, p=3.0)
"""
NORMS = """
layer_norm(x, (4,)) | layer_norm(x, (4,), v, v) | layer_norm(b, (3, 4), x, y) |
layer_norm(v, (4,), v, v) | layer_norm(h, (5,), eps=0.1) | layer_norm(e, (4,), v, v) |
layer_norm(x, (4,), v) | layer_norm(x, (4,), None, v) | layer_norm(x, (3,)) |
layer_norm(x, (4,), u) | layer_norm(x.t(), (3,), u, u) | layer_norm(x, [4]) | rms_norm(x, (4,)) |
rms_norm(x, (4,), v) | rms_norm(b, (3, 4), x, 0.1) | rms_norm(x, (3,)) | group_norm(h, 3) |
group_norm(h, 1, u, u) | group_norm(b, 3, u, u, 0.1) | group_norm(d, 2, v, v) | group_norm(h, 2) |
group_norm(d, 4) | group_norm(h, 1, v) | group_norm(h[:0], 1, u, u) | instance_norm(h) |
instance_norm(h, weight=u, bias=u) | instance_norm(b, eps=0.1) |
batch_norm(x, None, None, training=True) | batch_norm(x, None, None, v, v, True) |
batch_norm(b, None, None, u, u, True) | batch_norm(h, None, None, u, u, True, eps=0.1) |
batch_norm(x, v.detach(), v.detach().abs() + 1, v, v) |
batch_norm(h, u.detach(), u.detach().abs() + 1, u, u) |
batch_norm(b, u.detach(), u.detach().abs() + 1, None, u) |
batch_norm(x[:1], None, None, training=True) | batch_norm(x, None, None) |
batch_norm(x, u.detach(), u.detach(), training=True) | batch_norm(v, None, None, training=True) |
batch_norm(x, None, None, u, training=True) | batch_norm(h[:1], None, None, training=True) |
batch_norm(x.t(), None, None, training=True) |
batch_norm(h.transpose(0, 1), None, None, training=True)
"""
REDUCED = """
mse_loss(x, y) | l1_loss(x, y) | smooth_l1_loss(x, y) | smooth_l1_loss(x, y, beta=0.3) |
smooth_l1_loss(x, y, beta=0.0) | huber_loss(x, y) | huber_loss(x, y, delta=0.4) |
mse_loss(x, y, weight=z.abs()) | l1_loss(x, y, weight=z.abs()) | huber_loss(x, y, weight=z.abs()) |
mse_loss(s, s * 2) | mse_loss(e, e) | mse_loss(e, e + 1, reduction='sum') |
kl_div(x.log_softmax(1), y.softmax(1)) |
kl_div(x.log_softmax(1), y.log_softmax(1), log_target=True) | kl_div(x, (y > 0).to(x.dtype)) |
binary_cross_entropy(x.sigmoid(), y.sigmoid().detach()) |
binary_cross_entropy(x.sigmoid(), y.sigmoid(), z.abs().detach()) |
binary_cross_entropy((x > 0).to(x.dtype), y.sigmoid().detach()) |
binary_cross_entropy_with_logits(x, y.sigmoid()) |
binary_cross_entropy_with_logits(x * 50, y.sigmoid()) |
binary_cross_entropy_with_logits(x, y.sigmoid(), z.abs().detach()) |
binary_cross_entropy_with_logits(x, y.sigmoid(), v.abs().detach()) |
binary_cross_entropy_with_logits(x, y.sigmoid(), pos_weight=v.abs().detach()) |
binary_cross_entropy_with_logits(x * 50, y.sigmoid(), pos_weight=v.abs().detach()) |
cross_entropy(x, i[:3]) | cross_entropy(x, i[:3], v.abs().detach()) |
cross_entropy(x, i[:3], label_smoothing=0.1) |
cross_entropy(x, i[:3], v.abs().detach(), label_smoothing=0.3) |
cross_entropy(x, i[:3], ignore_index=2) |
cross_entropy(x, i[:3], v.abs().detach(), ignore_index=0, label_smoothing=0.2) |
cross_entropy(v, i[0]) | cross_entropy(v, i[0], v.abs().detach()) |
cross_entropy(h, (h[:, 0] > 0).long()) |
cross_entropy(h, (h[:, 0] > 0).long(), u.abs().detach(), label_smoothing=0.1) |
cross_entropy(b, m.tensor([[0, 1, 2, -100], [1, 1, -100, 0]])) | cross_entropy(x * 200, i[:3]) |
cross_entropy(e, i[:0]) | cross_entropy(x.t(), i) | cross_entropy(x, i[:3] * 0 - 100) |
cross_entropy(x, y.softmax(1).detach()) |
cross_entropy(x, y.softmax(1).detach(), v.abs().detach()) |
cross_entropy(x, y.softmax(1).detach(), label_smoothing=0.2) | cross_entropy(x, y.softmax(1)) |
cross_entropy(x, y.softmax(1), v.abs().detach(), label_smoothing=0.2) |
cross_entropy(h, h.softmax(1).detach()) |
cross_entropy(h, h.softmax(1).detach(), u.abs().detach(), label_smoothing=0.1) |
cross_entropy(v, v.softmax(0).detach()) | nll_loss(x, i[:3]) |
nll_loss(x, i[:3], v.abs().detach()) | nll_loss(x, i[:3], ignore_index=2) | nll_loss(v, i[0]) |
nll_loss(h, (h[:, 0] > 0).long()) | nll_loss(h, (h[:, 0] > 0).long(), u.abs().detach()) |
nll_loss(x.log_softmax(1), i[:3]) | nll_loss(e, i[:0]) |
nll_loss(b, m.tensor([[0, 1, 2, -100], [1, 1, -100, 0]]), u.abs().detach())
"""
REFUSED = """
cross_entropy(x, i) | cross_entropy(x, i[:3] + 2) | cross_entropy(x, i[:3] - 1) |
cross_entropy(x, x[:, 0]) | cross_entropy(s, i[0]) | cross_entropy(x, i[:3], u) |
cross_entropy(x, i[:3, None]) | cross_entropy(x, i[:3], label_smoothing=1.5) |
cross_entropy(h, (h[:, 0, :3] > 0).long()) | cross_entropy(x, i[:3], reduction='mena') |
nll_loss(x, i) | nll_loss(x, i[:3] + 2) | nll_loss(x, i[:3], u) | mse_loss(x, y, reduction='x') |
mse_loss(x, y, weight=v) | huber_loss(x, y, delta=0.0) | smooth_l1_loss(x, y, beta=-1.0) |
binary_cross_entropy(x, y) | binary_cross_entropy(x.sigmoid(), v.sigmoid()) |
binary_cross_entropy_with_logits(x, v)
"""


def _split(text: str) -> list[str]:
    return [
        f"m.nn.functional.{c.strip()}"
        for c in text.replace("\n", " ").split(" | ")
        if c.strip(" |")
    ]


def _with_reductions(cases: list[str]) -> list[str]:
    done = []
    for case in cases:
        kinds = ("mean",) if "reduction" in case else ("mean", "sum", "none")
        done += [case if k == "mean" else case[:-1] + f", reduction='{k}')" for k in kinds]
    return done


VALUES = [
    *_split(ACTIVATIONS), *_split(LINEAR), *_split(NORMS), *_with_reductions(_split(REDUCED)),
    "m.nn.functional.kl_div(x.log_softmax(1), y.softmax(1), reduction='batchmean')",
]  # fmt: skip
#: Not smooth enough, or without the graph that PyTorch builds.
SKIP_GRADIENT = ("nan", "one_hot", "scale_grad_by_freq")
#: PyTorch's second derivative is NaN where ours is 0.
NO_SECOND = ("v * 0",)


@pytest.mark.parametrize("expression", [*VALUES, *_split(REFUSED)])
def test_values_and_errors(expression: str) -> None:
    theirs = outcome(torch, expression, inputs(torch, "float32"))
    ours = outcome(mg, expression, inputs(mg, "float32"))
    if isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch raises {theirs!r}, we return {ours!r}"
        assert isinstance(ours, type(theirs)) or isinstance(
            theirs, (NotImplementedError, RuntimeError)
        ), ours
        return
    if isinstance(ours, Exception):
        raise ours
    same(ours, theirs, 1e-5)


@pytest.mark.parametrize("expression", VALUES)
def test_gradients(expression: str) -> None:
    if any(word in expression for word in SKIP_GRADIENT):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs, second = gradients(torch, expression, -2.5, 2.5)
        except Exception as error:
            if "grad" in str(error) or "derivative" in str(error):
                theirs, second = _first_only(torch, expression), None
            else:
                return
        ours, our_second = gradients(mg, expression, -2.5, 2.5)
    # PyTorch computes some parameters in float32 even for float64 tensors
    rough = any(name in expression for name in ("hardsigmoid", "hardswish", "celu", "softplus"))
    same_or_zero(ours, theirs, 1e-7 if rough else 1e-9)
    if second is not None and not any(word in expression for word in NO_SECOND):
        same_or_zero(our_second, second, 1e-6 if rough else 1e-8)


def _first_only(module: Any, expression: str) -> list[Any]:
    """First order gradients alone, where PyTorch has no others."""
    tensors = inputs(module, "float64")
    from tests.torch.oracle import used, weights

    leaves = [tensors[n].requires_grad_() for n in used(expression, tensors)]
    result = outcome(module, expression, tensors)
    (flow,) = weights([result], 3)
    return [module.autograd.grad(result, leaves, module.tensor(flow), allow_unused=True)]


@pytest.mark.parametrize("expression", _split(ACTIVATIONS))
def test_derivatives_at_kinks(expression: str) -> None:
    """PyTorch's choice at each point where the function is not smooth."""
    if (
        not expression.split("(")[1].startswith("x")
        or "softmax" in expression
        or "glu" in expression
    ):
        return
    points = np.array([-6, -3, -2, -1, -0.5, -0.4, 0, 0.2, 0.5, 1, 1.5, 2, 3, 6], np.float64)
    grads = []
    for module in (torch, mg):
        x = module.tensor(points, requires_grad=True)
        words = expression.replace("x * 3", "x").replace("x * 2", "x")
        y = outcome(
            module,
            words,
            {"x": x, "y": x, "v": module.tensor(0.25), "u": x, "o": module.tensor([0.25])},
        )
        if isinstance(y, Exception):
            return
        y.sum().backward()
        grads.append(array(x.grad))
    np.testing.assert_allclose(grads[1], grads[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 2, 2)])
def test_running_statistics(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, mean, var = rng.normal(size=shape), rng.normal(size=3), rng.uniform(0.5, 2, 3)
    done = []
    for module in (torch, mg):
        t = [module.tensor(a.astype(dtype)) for a in (x, mean, var)]
        module.nn.functional.batch_norm(t[0], t[1], t[2], training=True, momentum=0.3)
        done.append(t[1:])
    same(done[1], done[0], 1e-6)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"])
def test_broadcasting_losses_are_refused(name: str) -> None:
    """PyTorch warns and compares all with all; this is where we differ."""
    f = getattr(mg.nn.functional, name)
    with pytest.raises(ValueError, match=r"squeeze\(-1\)"):
        f(mg.ones(5, 1), mg.ones(5))
    with pytest.raises(ValueError, match="different to the input size"):
        f(mg.ones(5), mg.ones(()))
