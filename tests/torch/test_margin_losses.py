"""Losses with margins, of embeddings, of distributions and of labellings against PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array, gradients, inputs, outcome, same, same_or_zero  # noqa: E402

SIGN = "((y > 0) * 2 - 1).to(x.dtype)"
SIGNS = "((u > 0) * 2 - 1).to(x.dtype)"
L1 = "lambda a, b: (a - b).abs().sum(1)"
LABELS = "m.tensor([[1, 3, -1, 0], [0, -1, 1, 2], [-1, 0, 1, 2]])"
REDUCED = f"""
soft_margin_loss(x, {SIGN}) | soft_margin_loss(x * 30, {SIGN}) | soft_margin_loss(e, e) |
hinge_embedding_loss(x, {SIGN}) |
hinge_embedding_loss(x, {SIGN}, margin=0.3) | hinge_embedding_loss(x, {SIGN} * (z > 0)) |
margin_ranking_loss(x, y, {SIGN}) | margin_ranking_loss(x, y, {SIGN}, margin=0.7) |
margin_ranking_loss(x, y[:1], {SIGN}, 0.2) | margin_ranking_loss(u, v[:3], {SIGNS}) |
multi_margin_loss(x, i[:3]) | multi_margin_loss(x, i[:3], p=2) |
multi_margin_loss(x, i[:3], margin=0.4) |
multi_margin_loss(x, i[:3], 2, 0.5, v.abs().detach()) | multi_margin_loss(v, i[0]) |
multi_margin_loss(v, i[:1]) | multi_margin_loss(s, i[0] * 0) | multilabel_margin_loss(x, {LABELS}) |
multilabel_margin_loss(v, {LABELS}[0]) | multilabel_margin_loss(x, {LABELS} * 0) |
multilabel_margin_loss(x, {LABELS} * 0 - 1) |
multilabel_soft_margin_loss(x, (y > 0).to(x.dtype)) | multilabel_soft_margin_loss(x, y.sigmoid()) |
multilabel_soft_margin_loss(x, y.sigmoid(), v.abs().detach()) |
multilabel_soft_margin_loss(v, v.sigmoid()) |
multilabel_soft_margin_loss(h, h.sigmoid()) | cosine_embedding_loss(x, y, {SIGNS}) |
cosine_embedding_loss(x, y, {SIGNS}, margin=0.3) | cosine_embedding_loss(v, q[0], s.sign()) |
cosine_embedding_loss(x, y * 0, {SIGNS}) | cosine_embedding_loss(x, y[:1], {SIGNS} * 0) |
triplet_margin_loss(x, y, z) | triplet_margin_loss(x, y, z, margin=0.5, p=1) |
triplet_margin_loss(x, y, z, 3.0, 3.0, 1e-4, True) | triplet_margin_loss(v, v * 2, v.exp(), 5.0) |
triplet_margin_loss(x, y[:1], z, 4.0) | triplet_margin_with_distance_loss(x, y, z) |
triplet_margin_with_distance_loss(x, y, z, margin=4.0, swap=True) |
triplet_margin_with_distance_loss(x, y, z, margin=2.0, distance_function={L1}) |
poisson_nll_loss(x, y.abs()) | poisson_nll_loss(x.exp(), y.abs(), log_input=False) |
poisson_nll_loss(x, y.abs().detach() * 2, full=True) |
poisson_nll_loss(x.abs(), y.abs(), False, eps=0.1) | gaussian_nll_loss(x, y, z.abs()) |
gaussian_nll_loss(x, y, z.abs(), full=True) | gaussian_nll_loss(x, y, z.abs(), eps=1.0) |
gaussian_nll_loss(x, y, u.abs()) | gaussian_nll_loss(x, y, c.abs()) | gaussian_nll_loss(x, y, 2.0) |
gaussian_nll_loss(x, v, z.abs()) | gaussian_nll_loss(x, y, z * 0) |
linear_cross_entropy(x, q, i[:3]) | linear_cross_entropy(v, q, i[0]) |
linear_cross_entropy(x, q, i[:3], linear_bias=v, weight=v.abs().detach(), label_smoothing=0.1) |
linear_cross_entropy(x, m.stack([q, q + 1]), (x > 0).long()) |
linear_cross_entropy(x, q, y.softmax(1).detach()) |
linear_cross_entropy(x, q, i[:3], ignore_index=2)
"""
PLAIN = """
pdist(x) | pdist(x, 1.0) | pdist(x, 3.0) | pdist(x, float('inf')) | pdist(x, 0.0) | pdist(x[:1]) |
pdist(x[:, :0]) | pdist(q) | local_response_norm(h, 2) | local_response_norm(h, 3, 0.1, 0.5, 2.0) |
local_response_norm(b, 5, alpha=1.0) | local_response_norm(b, 1, alpha=1.0) |
local_response_norm(h[:0], 2) | local_response_norm(h, 9, 1.0)
"""
REFUSED = f"""
margin_ranking_loss(x, y, v) | multi_margin_loss(x, i) | multi_margin_loss(x, i[:3] + 2) |
multi_margin_loss(x, i[:3], weight=u) | multi_margin_loss(x, i[:3].int()) |
multi_margin_loss(b, i[:3]) | multi_margin_loss(x, i[:3], p=3) |
multi_margin_loss(x[:, :0], i[:3]) |
multi_margin_loss(x, i[:3], weight=x) | multilabel_margin_loss(x, i) |
multilabel_margin_loss(x, {LABELS} + 3) | multilabel_margin_loss(x, {LABELS} - 1) |
multilabel_margin_loss(x, x) | cosine_embedding_loss(x, y, x) | cosine_embedding_loss(x, y, s) |
cosine_embedding_loss(x, y, i) | cosine_embedding_loss(x, v, i[:3]) | triplet_margin_loss(x, v, x) |
triplet_margin_loss(x, y, z, margin=0.0) | triplet_margin_with_distance_loss(x, v, x) |
triplet_margin_with_distance_loss(x, y, z, margin=-1.0) | gaussian_nll_loss(x, y, -z.abs()) |
gaussian_nll_loss(x, y, v.abs()) | gaussian_nll_loss(x, y, -1.0) |
gaussian_nll_loss(x, y, z.abs(), reduction='a') | poisson_nll_loss(x, y, reduction='a') |
soft_margin_loss(x, y, reduction='a') | multilabel_soft_margin_loss(x, y, reduction='a') |
multilabel_soft_margin_loss(s, s) | pdist(v) | pdist(x, -1.0) | pdist(i[:, None]) |
local_response_norm(x, 2) | linear_cross_entropy(b, q, i) | linear_cross_entropy(x, v, i[:3]) |
linear_cross_entropy(x, w, i[:3]) | linear_cross_entropy(x, q, i[:3], linear_bias=u)
"""


def _split(text: str) -> list[str]:
    cases = [c.strip() for c in text.replace("\n", " ").split(" | ")]
    return [f"m.nn.functional.{c}" for c in cases if c.strip(" |")]


VALUES = [
    case[:-1] + f", reduction='{kind}')"
    for case in _split(REDUCED) for kind in ("mean", "sum", "none")
    if not ("(e, e)" in case and kind == "mean")
] + _split(PLAIN)  # fmt: skip


@pytest.mark.parametrize("expression", [*VALUES, *_split(REFUSED)])
def test_values_and_errors(expression: str) -> None:
    theirs = outcome(torch, expression, inputs(torch, "float32"))
    ours = outcome(mg, expression, inputs(mg, "float32"))
    if isinstance(theirs, Exception):
        assert isinstance(ours, Exception), f"PyTorch raises {theirs!r}, we return {ours!r}"
        assert isinstance(ours, type(theirs)), (ours, theirs)
        return
    if isinstance(ours, Exception):
        raise ours
    same(ours, theirs, 1e-5)


@pytest.mark.parametrize("expression", VALUES)
def test_gradients(expression: str) -> None:
    if "pdist(x[:, :0])" in expression:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, our_second = gradients(mg, expression, -2.5, 2.5)
        try:
            theirs, second = gradients(torch, expression, -2.5, 2.5)
        except Exception as error:  # no second derivative
            if "derivative" not in str(error) and "grad" not in str(error):
                raise
            theirs, second = _first_only(expression), None
    same_or_zero(ours, theirs, 1e-9)
    if second is not None:
        same_or_zero(our_second, second, 1e-8)


def _first_only(expression: str) -> list[Any]:
    from tests.torch.oracle import used, weights

    tensors = inputs(torch, "float64")
    leaves = [tensors[n].requires_grad_() for n in used(expression, tensors)]
    result = outcome(torch, expression, tensors)
    (flow,) = weights([result], 3)
    return [torch.autograd.grad(result, leaves, torch.tensor(flow), allow_unused=True)]


@pytest.mark.parametrize(
    "name",
    [
        "soft_margin_loss",
        "hinge_embedding_loss",
        "multilabel_soft_margin_loss",
        "poisson_nll_loss",
    ],
)
def test_broadcasting_losses_are_refused(name: str) -> None:
    """PyTorch compares all with all; this is where we differ."""
    with pytest.raises(ValueError, match=r"squeeze\(-1\)"):
        getattr(mg.nn.functional, name)(mg.ones(5, 1), mg.ones(5))


# -- labellings ----------------------------------------------------------------------------------

CTC: list[dict[str, Any]] = [
    {}, {"reduction": "none"}, {"reduction": "sum"}, {"blank": 4}, {"zero_infinity": True},
    {"reduction": "none", "zero_infinity": True},
]  # fmt: skip


def _ctc(module: Any, given: tuple[Any, ...], kwargs: dict[str, Any], dtype: str) -> list[Any]:
    """The loss, and the gradient behind log-softmax."""
    logits, targets, times, counts = given
    x = module.tensor(logits.astype(dtype)).requires_grad_()
    y = module.nn.functional.ctc_loss(
        x.log_softmax(-1), module.tensor(targets), times, counts, **kwargs
    )
    (g,) = module.autograd.grad(y.sum(), x)
    return [y, g]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kwargs", CTC)
@pytest.mark.parametrize("form", ["padded", "concatenated", "single", "tensors"])
def test_ctc(form: str, kwargs: dict[str, Any], dtype: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(9, 4, 5)) * 2
    targets = np.array([[1, 2, 2, 3], [3, 3, 3, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
    times, counts = [9, 7, 5, 1], [4, 3, 0, 1]
    if kwargs.get("blank") == 4:
        targets = targets % 4
    given: tuple[Any, ...] = (logits, targets, times, counts)
    if form == "concatenated":
        flat = np.concatenate([t[:c] for t, c in zip(targets, counts, strict=True)])
        given = (logits, flat, times, counts)
    elif form == "single":
        given = (logits[:, 0], targets[0], (9,), (4,))
    tensors = given
    found = []
    for module in (mg, torch):
        if form == "tensors":
            tensors = (logits, targets, module.tensor(times), module.tensor(counts))
        found.append(_ctc(module, tensors, kwargs, dtype))
    same(*found, 1e-4 if dtype == "float32" else 1e-10)


def test_ctc_without_alignment() -> None:
    """Two equal labels need a blank between them, three times in all."""
    logits = np.random.default_rng(0).normal(size=(2, 1, 3))
    given = (logits, np.array([[1, 1]]), [2], [2])
    ours, theirs = (_ctc(m, given, {"zero_infinity": True}, "float64") for m in (mg, torch))
    same(ours, theirs)
    assert float(ours[0]) == 0
    assert not array(ours[1]).any()
    loss = mg.nn.functional.ctc_loss(
        mg.tensor(logits).log_softmax(2), mg.tensor(given[1]), [2], [2], reduction="none"
    )
    assert loss.item() == np.inf


def test_ctc_on_many_threads_is_the_same() -> None:
    from minigrad.kernels.run.threads import get_num_threads, set_num_threads

    rng = np.random.default_rng(0)
    given = (rng.normal(size=(60, 8, 20)), rng.integers(1, 20, (8, 15)), [60] * 8, [15] * 8)
    before = get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            found.append([array(t) for t in _ctc(mg, given, {}, "float32")])
    finally:
        set_num_threads(before)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


CTC_REFUSED = """
p, t, [7, 5], [3, 2] | p, t, [6, 5], [4, 2] | p, t, [6], [3] | p, t, [6, 5], [3, 2], 5 |
p, t.reshape(-1)[:4], [6, 5], [3, 2] | p, t, [-1, 5], [3, 2] | p, t, [6, 5], [-3, 2] |
p[None], t, [6, 5], [3, 2] | p, t[None], [6, 5], [3, 2] | p, t[:1], [6, 5], [3, 2] |
p, t, [6, 5], [3, 2], 0, 'x' | p[:, :0], t[:0], [], [] | p.half(), t, [6, 5], [3, 2]
"""


@pytest.mark.parametrize("text", [c.strip() for c in CTC_REFUSED.split("|")])
def test_ctc_refuses(text: str) -> None:
    kinds = []
    for module in (mg, torch):
        names = {"p": module.zeros(6, 2, 5), "t": module.tensor([[1, 2, 2], [3, 4, 0]])}
        with pytest.raises((RuntimeError, ValueError, NotImplementedError)) as caught:
            module.nn.functional.ctc_loss(*eval(text, names))
        kinds.append(caught.type)
    assert kinds[0] is kinds[1]


def test_ctc_checks_labels() -> None:
    """PyTorch reads beyond the classes."""
    with pytest.raises(IndexError, match="target 9"):
        mg.nn.functional.ctc_loss(mg.zeros(6, 1, 5), mg.tensor([[1, 9]]), [6], [2])
    mg.nn.functional.ctc_loss(mg.zeros(6, 1, 5), mg.tensor([[1, 9]]), [6], [1])  # not read


# -- modules -------------------------------------------------------------------------------------

MODULES = """
SoftMarginLoss() | SoftMarginLoss(reduction='sum') | HingeEmbeddingLoss(0.5) |
MarginRankingLoss(margin=0.5) | CosineEmbeddingLoss() | CosineEmbeddingLoss(0.2, reduction='none') |
MultiMarginLoss() | MultiMarginLoss(2, 0.5, m.ones(4) * 2) | MultiLabelMarginLoss() |
MultiLabelSoftMarginLoss() | MultiLabelSoftMarginLoss(m.ones(4) * 2) | TripletMarginLoss(3.0) |
TripletMarginLoss(3.0, swap=True, p=1.0) | TripletMarginWithDistanceLoss(margin=3.0, swap=True) |
PoissonNLLLoss() | PoissonNLLLoss(False, True) | GaussianNLLLoss(full=True)
"""


def _arguments(module: Any, name: str) -> list[Any]:
    rng = np.random.default_rng(3)
    x, y, z = (module.tensor(rng.uniform(0.1, 2, (3, 4))) for _ in range(3))
    signs, classes = module.tensor([1, -1, 1]), module.tensor([2, 0, 3])
    if name == "GaussianNLLLoss" or name.startswith("Triplet"):
        return [x, y, z]
    if name == "MarginRankingLoss":
        return [x, y, (z > 1) * 2.0 - 1]
    if name == "CosineEmbeddingLoss":
        return [x, y, signs]
    if name == "MultiMarginLoss":
        return [x, classes]
    if name == "MultiLabelMarginLoss":
        return [x, module.tensor([[1, -1, 0, 0], [2, 3, -1, 0], [0, 1, 2, 3]])]
    return [x, y]


@pytest.mark.parametrize("text", [c.strip() for c in MODULES.split("|")])
def test_modules(text: str) -> None:
    found = []
    for module in (mg, torch):
        loss = eval(f"m.nn.{text}", {"m": module}).double()
        args = _arguments(module, text.split("(")[0])
        args[0].requires_grad_()
        y = loss(*args)
        (g,) = module.autograd.grad(y.sum(), args[0])
        found.append(([y, g], repr(loss), list(loss.state_dict())))
    assert found[0][1:] == found[1][1:]
    same(found[0][0], found[1][0], 1e-10)


def test_ctc_module() -> None:
    found = []
    for module in (mg, torch):
        x = module.tensor(np.random.default_rng(0).normal(size=(6, 2, 4))).log_softmax(2)
        loss = module.nn.CTCLoss(blank=3, reduction="sum", zero_infinity=True)
        found.append([loss(x, module.tensor([[1, 0], [2, 2]]), (6, 2), (2, 2))])
    same(*found, 1e-10)


def test_linear_cross_entropy_module() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(6, 4)), rng.normal(size=(5, 4))
    found = []
    for module in (mg, torch):
        loss = module.nn.LinearCrossEntropyLoss(4, 3, out_features=(2,), bias=True).double()
        state = {"linear.weight": module.tensor(w), "linear.bias": module.tensor(w[:, 0])}
        loss.load_state_dict(state)
        y = loss(module.tensor(x), module.tensor(np.arange(10).reshape(5, 2) % 3))
        found.append([y, *module.autograd.grad(y, list(loss.parameters()))])
    same(*found, 1e-10)


def test_old_name() -> None:
    with pytest.warns(UserWarning, match="NLLLoss2d"):
        loss = mg.nn.NLLLoss2d()
    x = mg.randn(2, 3, 4, 4).log_softmax(1)
    t = mg.zeros(2, 4, 4, dtype=mg.int64)
    assert loss(x, t) == mg.nn.functional.nll_loss(x, t)


@pytest.mark.parametrize("bias", [False, True])
def test_adaptive_softmax(bias: bool) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(7, 16)), np.array([0, 5, 19, 3, 8, 8, 1])
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 9], 2.0, bias, dtype=torch.float64)
    ours = mg.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4, 9], 2.0, bias, dtype=mg.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: mg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    found = []
    for module, layer in ((mg, ours), (torch, theirs)):
        for targets in (t, t % 4, t[:1]):
            leaf = module.tensor(x[: len(targets)]).requires_grad_()
            done = layer(leaf, module.tensor(targets))
            layer.zero_grad()
            (done.loss + (done.output**2).sum()).backward()
            grads = [p.grad for p in layer.parameters()]
            kept = [g if g is not None else module.zeros(1) for g in (leaf.grad, *grads)]
            found.append([done.output, done.loss, *kept[: 2 + bias]])
        one = layer(module.tensor(x[0]), module.tensor(19))
        found.append([one.output, one.loss, layer.log_prob(module.tensor(x))])
        found.append([layer.predict(module.tensor(x))])
    for a, b in zip(found[:5], found[5:], strict=True):
        same(a, b, 1e-10)


def test_adaptive_softmax_errors() -> None:
    for cutoffs in ([], [5, 3], [0, 3], [3, 20], [3, 3], [2.5]):
        for module in (mg, torch):
            with pytest.raises(ValueError, match="cutoffs"):
                module.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs)
    for x, t in (((3, 16), [1, 2]), ((16,), [1]), ((3, 16), 1), ((1, 16), [20]), ((1, 16), [[1]])):
        for module in (mg, torch):
            layer = module.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [4])
            with pytest.raises(RuntimeError):
                layer(module.ones(x), module.tensor(t))


def test_local_response_norm_module() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 3))
    found = []
    for module in (mg, torch):
        layer = module.nn.LocalResponseNorm(3, 0.5, 0.6, 2.0)
        found.append((repr(layer), layer(module.tensor(x))))
    assert found[0][0] == found[1][0]
    same(found[0][1], found[1][1], 1e-12)


# -- random choices ------------------------------------------------------------------------------


def test_gumbel_softmax() -> None:
    F = mg.nn.functional
    mg.manual_seed(0)
    logits = mg.tensor([0.1, 0.6, 0.3]).log().expand(20000, 3).clone().requires_grad_()
    hard = F.gumbel_softmax(logits, tau=0.7, hard=True)
    assert ((hard - hard.round()).abs() < 1e-6).all()
    np.testing.assert_allclose(hard.detach().mean(0).numpy(), [0.1, 0.6, 0.3], atol=0.02)
    (g,) = mg.autograd.grad((hard * mg.tensor([1.0, 2.0, 3.0])).sum(), logits)
    assert g.abs().sum() > 0
    np.testing.assert_allclose(g.sum(1).numpy(), 0, atol=1e-5)
    soft = F.gumbel_softmax(logits.detach().t(), dim=0)
    np.testing.assert_allclose(soft.sum(0).numpy(), 1, atol=1e-5)
    with pytest.warns(UserWarning, match="no effect"):
        F.gumbel_softmax(logits, eps=1e-5)
