"""Modules against PyTorch with the same parameters: text, state, values and gradients."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array  # noqa: E402

#: A module as an expression over ``nn``, and the shapes of its inputs ("i" marks indices).
MODULES = [
    ("nn.Linear(5, 3)", [(4, 5)]),
    ("nn.Linear(5, 3, bias=False)", [(2, 4, 5)]),
    ("nn.Linear(5, 3)", [(5,)]),
    ("nn.Linear(5, 3)", [(0, 5)]),
    ("nn.Linear(1, 1)", [(7, 1)]),
    ("nn.Bilinear(3, 4, 5)", [(6, 3), (6, 4)]),
    ("nn.Bilinear(3, 4, 5, bias=False)", [(2, 3, 3), (2, 3, 4)]),
    ("nn.Identity(5, x=3)", [(2, 3)]),
    ("nn.Flatten()", [(2, 3, 4)]),
    ("nn.Flatten(0, 1)", [(2, 3, 4)]),
    ("nn.Unflatten(1, (2, -1))", [(3, 8)]),
    ("nn.Embedding(7, 3)", ["i"]),
    ("nn.Embedding(7, 3, padding_idx=-2)", ["i"]),
    ("nn.Embedding(7, 3, max_norm=0.5)", ["i"]),
    ("nn.Embedding(7, 3, scale_grad_by_freq=True, norm_type=1.0)", ["i"]),
    ("nn.BatchNorm1d(3)", [(4, 3)]),
    ("nn.BatchNorm1d(3)", [(4, 3, 5)]),
    ("nn.BatchNorm1d(3, affine=False)", [(4, 3)]),
    ("nn.BatchNorm1d(3, momentum=None)", [(4, 3)]),
    ("nn.BatchNorm1d(3, track_running_stats=False)", [(4, 3)]),
    ("nn.BatchNorm1d(3, bias=False)", [(4, 3)]),
    ("nn.BatchNorm2d(3, eps=0.1, momentum=0.5)", [(2, 3, 4, 5)]),
    ("nn.BatchNorm3d(3)", [(2, 3, 2, 3, 2)]),
    ("nn.LayerNorm(5)", [(4, 5)]),
    ("nn.LayerNorm((3, 5))", [(4, 3, 5)]),
    ("nn.LayerNorm(5, bias=False)", [(4, 5)]),
    ("nn.LayerNorm(5, elementwise_affine=False)", [(2, 3, 5)]),
    ("nn.GroupNorm(2, 4)", [(3, 4, 5)]),
    ("nn.GroupNorm(1, 4, affine=False)", [(3, 4, 5, 2)]),
    ("nn.GroupNorm(2, 4, bias=False)", [(3, 4, 5)]),
    ("nn.RMSNorm(5)", [(4, 5)]),
    ("nn.RMSNorm((3, 5), eps=0.1)", [(4, 3, 5)]),
    ("nn.RMSNorm(5, elementwise_affine=False)", [(4, 5)]),
    ("nn.InstanceNorm1d(3)", [(4, 3, 5)]),
    ("nn.InstanceNorm1d(3, affine=True)", [(3, 5)]),
    ("nn.InstanceNorm2d(3, affine=True, track_running_stats=True)", [(2, 3, 4, 5)]),
    ("nn.InstanceNorm3d(3)", [(2, 3, 2, 3, 2)]),
    *(
        (f"nn.{name}()", [(3, 4)])
        for name in [
            "ReLU",
            "ReLU6",
            "LeakyReLU",
            "ELU",
            "SELU",
            "CELU",
            "GELU",
            "SiLU",
            "Mish",
            "Softplus",
            "Softsign",
            "LogSigmoid",
            "Hardtanh",
            "Hardswish",
            "Hardsigmoid",
            "Tanhshrink",
            "Softshrink",
            "Hardshrink",
            "Sigmoid",
            "Tanh",
            "GLU",
            "PReLU",
        ]
    ),
    ("nn.ReLU(inplace=True)", [(3, 4)]),
    ("nn.LeakyReLU(0.3, inplace=True)", [(3, 4)]),
    ("nn.ELU(alpha=0.5)", [(3, 4)]),
    ("nn.ELU(0.5, True)", [(3, 4)]),
    ("nn.CELU(2.0)", [(3, 4)]),
    ("nn.GELU('tanh')", [(3, 4)]),
    ("nn.Softplus(2, 10)", [(3, 4)]),
    ("nn.Hardtanh(-2, 0.5)", [(3, 4)]),
    ("nn.Softshrink(0.1)", [(3, 4)]),
    ("nn.Hardshrink(0.1)", [(3, 4)]),
    ("nn.Threshold(0.1, 20)", [(3, 4)]),
    ("nn.Threshold(0.1, 20, inplace=True)", [(3, 4)]),
    ("nn.PReLU(4, init=0.1)", [(3, 4)]),
    ("nn.Softmax(dim=1)", [(3, 4)]),
    ("nn.LogSoftmax(dim=0)", [(3, 4)]),
    ("nn.Softmin(dim=-1)", [(3, 4)]),
    ("nn.GLU(0)", [(4, 3)]),
    ("nn.Softmax2d()", [(2, 3, 4, 5)]),
    ("nn.Softmax2d()", [(3, 4, 5)]),
    ("nn.RReLU().eval()", [(3, 4)]),
    ("nn.Dropout().eval()", [(3, 4)]),
    ("nn.Dropout(0.0)", [(3, 4)]),
    ("nn.Dropout(1.0)", [(3, 4)]),
    ("nn.Dropout2d(0.3).eval()", [(2, 3, 4, 5)]),
    ("nn.AlphaDropout(0.2).eval()", [(3, 4)]),
    ("nn.Dropout(0.2, inplace=True).eval()", [(3, 4)]),
    ("nn.FeatureAlphaDropout(0.2).eval()", [(3, 4)]),
    ("nn.Dropout1d().eval()", [(2, 3, 4)]),
    ("nn.Dropout3d().eval()", [(2, 3, 4, 5, 6)]),
    ("nn.CosineSimilarity()", [(3, 4), (3, 4)]),
    ("nn.PairwiseDistance(1.0, keepdim=True)", [(3, 4), (3, 4)]),
    ("nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))", [(6, 4)]),
    (
        "nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Sequential(), "
        "nn.LayerNorm(3))",
        [(6, 4)],
    ),
    ("nn.BatchNorm1d(3).eval()", [(4, 3)]),
    ("nn.BatchNorm2d(3).eval()", [(2, 3, 4, 5)]),
    ("nn.BatchNorm1d(3, track_running_stats=False).eval()", [(4, 3)]),
]
LOSSES = [
    "MSELoss()",
    "L1Loss()",
    "SmoothL1Loss()",
    "SmoothL1Loss(beta=0.5)",
    "HuberLoss()",
    "HuberLoss(delta=0.5)",
    "MSELoss(reduction='sum')",
    "CrossEntropyLoss()",
    "CrossEntropyLoss(label_smoothing=0.1, ignore_index=1)",
    "NLLLoss()",
    "BCELoss()",
    "BCEWithLogitsLoss()",
    "BCEWithLogitsLoss(reduction='none')",
    "KLDivLoss(reduction='batchmean', log_target=True)",
]


def _make(module: Any, expression: str, dtype: str) -> Any:
    made = eval(expression, {"nn": module.nn})
    return made.double() if dtype == "float64" else made.float()


def _pair(expression: str, dtype: str) -> tuple[Any, Any]:
    """A module of each library with the same parameters, none of them at a special value."""
    theirs, ours = _make(torch, expression, dtype), _make(mg, expression, dtype)
    rng = np.random.default_rng(1)
    state = {
        k: np.asarray(
            rng.uniform(0.5, 1.5, tuple(v.shape)) if v.dtype.is_floating_point else v
        ).astype(array(v).dtype)
        for k, v in theirs.state_dict().items()
    }
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    assert ours.load_state_dict({k: mg.tensor(v) for k, v in state.items()}) == ([], [])
    return theirs, ours


def _run(module: Any, net: Any, shapes: list[Any], dtype: str) -> list[Any]:
    """Result, first and second order gradients, and the state after two calls."""
    rng = np.random.default_rng(2)
    args = []
    for shape in shapes:
        if shape == "i":
            args.append(module.tensor([[0, 6, 2], [2, 2, 5]]))
        else:
            args.append(module.tensor(rng.normal(size=shape).astype(dtype)).requires_grad_())
    leaves = [a for a in args if a.requires_grad] + list(net.parameters())
    inplace = "inplace=True" in repr(net)
    net(*[a * 1 if inplace else a for a in args])
    y = net(*[a * 1 if inplace else a for a in args])
    flow = module.tensor(rng.normal(size=tuple(y.shape)).astype(dtype))
    results = [y]
    if leaves:
        first = module.autograd.grad(y, leaves, flow, create_graph=True, allow_unused=True)
        results += first
        smooth = [g for g in first if g is not None and g.requires_grad]
        second: tuple[Any, ...] = (None,) * len(leaves)
        if smooth and not any(n in repr(net) for n in ("Embedding", "Hardsigmoid")):
            total = sum((g * g).sum() for g in smooth)
            second = module.autograd.grad(total, leaves, allow_unused=True)
        results += second
    return [*results, *net.state_dict().values()]


def _same(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if a is None or b is None:
            rest = b if a is None else a
            assert rest is None or not array(rest).any()
        else:
            p, q = array(a), array(b)
            assert p.dtype == q.dtype
            assert p.shape == q.shape
            scale = max(1.0, float(np.abs(q).max(initial=0)))
            np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("expression", "shapes"), MODULES)
def test_module(expression: str, shapes: list[Any], dtype: str) -> None:
    if (0, 5) in shapes and dtype == "float32":
        expression = expression.replace("5, 3", "5, 1")
    theirs, ours = _pair(expression, dtype)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    rough = "Hardsigmoid" in expression or "CELU" in expression
    tolerance = 2e-4 if dtype == "float32" else 1e-6 if rough else 1e-9
    _same(_run(mg, ours, shapes, dtype), _run(torch, theirs, shapes, dtype), tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("expression", LOSSES)
def test_loss(expression: str, dtype: str) -> None:
    results = []
    for module in (torch, mg):
        loss = eval(f"module.nn.{expression}", {"module": module})
        rng = np.random.default_rng(0)
        x, t = (module.tensor(rng.normal(size=(4, 3)).astype(dtype)) for _ in range(2))
        x.requires_grad_()
        name = expression.split("(")[0]
        if name in ("CrossEntropyLoss", "NLLLoss"):
            t = module.tensor([2, 0, 1, 2])
        elif name == "BCELoss":
            y, t = x.sigmoid(), t.sigmoid()
        elif name == "KLDivLoss":
            y, t = x.log_softmax(1), t.log_softmax(1)
        elif name == "BCEWithLogitsLoss":
            t = t.sigmoid()
        y = y if name in ("BCELoss", "KLDivLoss") else x
        out = loss(y, t)
        (grad,) = module.autograd.grad(out.sum(), x)
        results.append((repr(loss), list(loss.state_dict()), [out, grad]))
    assert results[1][:2] == results[0][:2]
    _same(results[1][2], results[0][2], 1e-6 if dtype == "float32" else 1e-12)


def _signature(f: Callable[..., Any]) -> list[tuple[str, Any]]:
    return [
        (p.name, p.default.__name__ if inspect.isroutine(p.default) else p.default)
        for p in inspect.signature(f).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


#: Arguments that only one of the libraries has.
EXTRA = {"generator", "out", "min_value", "max_value"}


def _without_extra(arguments: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(name, default) for name, default in arguments if name not in EXTRA]


@pytest.mark.parametrize("where", ["nn", "nn.functional", "nn.init"])
def test_signatures(where: str) -> None:
    """The same arguments in the same order with the same defaults."""
    ours, theirs = mg.nn, torch.nn
    for part in where.split(".")[1:]:
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    compared = 0
    for name in dir(ours):
        a, b = getattr(ours, name), getattr(theirs, name, None)
        if name.startswith("_") or b is None or not callable(a) or inspect.ismodule(b):
            continue
        if name in ("Parameter", "Buffer", "Tensor", "RMSNorm", "Module"):
            continue
        if not hasattr(a, "__module__") or not a.__module__.startswith("minigrad"):
            continue
        try:
            wanted = _signature(b.__init__ if inspect.isclass(b) else b)
        except ValueError:
            continue  # built in: nothing to see
        if not wanted or wanted == [("self", inspect.Parameter.empty)]:
            continue
        found = _signature(a.__init__ if inspect.isclass(a) else a)
        assert _without_extra(found) == _without_extra(wanted), name
        compared += 1
    assert compared > 10


def test_messages_of_load_state_dict() -> None:
    messages = []
    for module in (torch, mg):
        nn = module.nn
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        state = dict(net.state_dict())
        state["0.weight"] = module.ones(4, 2)
        state["2.weight"] = module.ones(1)
        state["more"] = module.ones(1)
        del state["1.bias"]
        with pytest.raises(RuntimeError) as info:
            net.load_state_dict(state)
        messages.append(re.sub("torch|minigrad", "m", str(info.value)))
        with pytest.raises(RuntimeError, match="size mismatch"):
            net.load_state_dict(state, strict=False)
        del state["0.weight"]
        result = net.load_state_dict(state, strict=False)
        messages.append((result.missing_keys, result.unexpected_keys))
    assert messages[2:] == messages[:2]


@pytest.mark.parametrize("seed", range(3))
def test_hooks_see_the_same(seed: int) -> None:
    """Forward and backward hooks: order, arguments, replaced values."""
    logs = []
    for module in (torch, mg):
        nn = module.nn
        rng = np.random.default_rng(seed)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        for p in net.parameters():
            p.data = module.tensor(rng.normal(size=tuple(p.shape)))
        log: list[Any] = []

        def note(kind: str, *values: Any, log: list[Any] = log) -> None:
            log.append((kind, [array(v).round(10).tolist() for v in values if v is not None]))

        net[1].register_forward_pre_hook(lambda m, a, note=note: note("pre", *a))
        net[1].register_forward_hook(lambda m, a, y, note=note: (note("after", y), y * 2)[1])
        net[1].register_full_backward_pre_hook(
            lambda m, g, note=note: (note("g out", *g), (g[0] * 3,))[1]
        )
        net[1].register_full_backward_hook(
            lambda m, gi, go, note=note: (note("g in", *gi, *go), (gi[0] * 5,))[1]
        )
        net.register_full_backward_hook(lambda m, gi, go, note=note: note("all", *gi, *go))
        handle = net[0].register_forward_hook(
            lambda m, a, k, y, note=note: note("kw", y), with_kwargs=True
        )
        x = module.tensor(rng.normal(size=(2, 3)), requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net(x).sum().backward()
            handle.remove()
            net(x).sum().backward()
        note("grads", x.grad, *[p.grad for p in net.parameters()])
        logs.append(log)
    assert [k for k, _ in logs[1]] == [k for k, _ in logs[0]]
    for (_, a), (_, b) in zip(logs[1], logs[0], strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-9)


def test_parameters_start_in_the_same_range() -> None:
    """The spread of fresh parameters, of layers large enough to see it."""
    for expression in ("nn.Linear(100, 80)", "nn.Bilinear(20, 10, 30)", "nn.Embedding(50, 40)"):
        torch.manual_seed(0)
        mg.manual_seed(0)
        theirs, ours = (eval(expression, {"nn": m.nn}) for m in (torch, mg))
        for (name, a), (_, b) in zip(
            ours.named_parameters(), theirs.named_parameters(), strict=True
        ):
            p, q = array(a), array(b)
            assert abs(p.std() / q.std() - 1) < 0.25, (expression, name)
            assert abs(np.abs(p).max() / np.abs(q).max() - 1) < 0.35, (expression, name)


def test_hooks_of_all_modules_see_the_same() -> None:
    """Those of every module, with those of one: order, replaced values, registrations."""
    logs = []
    for module in (torch, mg):
        places, nn = module.nn.modules.module, module.nn
        log: list[Any] = []

        def note(kind: str, *values: Any, log: list[Any] = log) -> None:
            log.append((kind, *[array(v).round(9).tolist() for v in values if v is not None]))

        def name(kind: str, log: list[Any] = log) -> Any:
            return lambda m, key, part: log.append((kind, type(m).__name__, key))

        handles = [
            places.register_module_parameter_registration_hook(name("parameter")),
            places.register_module_buffer_registration_hook(name("buffer")),
            places.register_module_module_registration_hook(name("module")),
            places.register_module_forward_pre_hook(lambda m, a, note=note: note("pre", *a)),
            places.register_module_forward_hook(
                lambda m, a, k, y, note=note: (note("after", y), y * 2)[1], with_kwargs=True
            ),
            places.register_module_full_backward_pre_hook(lambda m, g: (g[0] * 3,)),
            places.register_module_full_backward_hook(
                lambda m, gi, go, note=note: note("gradients", *gi, *go)
            ),
        ]
        try:
            net = nn.Sequential(nn.Tanh(), nn.BatchNorm1d(2)).double()
            net[0].register_forward_hook(lambda m, a, y, note=note: note("own", y))
            net[0].register_full_backward_hook(
                lambda m, gi, go, note=note: note("own gradients", *gi, *go)
            )
            x = module.tensor([[1.0, 2.0], [0.5, 0.0]], dtype=module.float64, requires_grad=True)
            y = net(x).square().sum()
        finally:
            for handle in handles:
                handle.remove()
        y.backward()
        note("x", x.grad)
        net(x)
        logs.append(log)
    assert logs[1] == logs[0]
