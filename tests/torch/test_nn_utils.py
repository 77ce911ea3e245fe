"""Parametrizations, norms of weights, clipping and fusion against PyTorch."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")  # torch.nn.utils does not import it

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array  # noqa: E402

CASES = [
    ("nn.Linear(4, 6)", (3, 4)),
    ("nn.Linear(6, 4)", (3, 6)),
    ("nn.Linear(5, 5)", (3, 5)),
    ("nn.Conv2d(2, 4, 3)", (2, 2, 5, 5)),
    ("nn.ConvTranspose1d(3, 4, 2)", (2, 3, 5)),
]


def made(expression: str, change: str) -> tuple[Any, Any]:
    """A layer of each library, changed in the same way, with the same state."""
    pair = []
    for m in (torch, mg):
        layer = eval(expression, {"nn": m.nn}).double()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            pair.append(
                eval(change, {"u": m.nn.utils, "p": m.nn.utils.parametrizations, "x": layer})
            )
    load(*pair)
    return pair[0], pair[1]


def load(theirs: Any, ours: Any) -> None:
    """Copy PyTorch's state."""
    state = {k: mg.tensor(array(v)) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    assert ours.load_state_dict(state) == ([], [])


def compare(theirs: Any, ours: Any, shape: tuple[int, ...], steps: int = 3) -> None:
    """The same outputs, gradients and buffers in steps of training, and the same in use."""
    rng = np.random.default_rng(0)
    optimizers = [
        m.optim.SGD(layer.parameters(), lr=0.1) for m, layer in ((torch, theirs), (mg, ours))
    ]
    for _ in range(steps):
        x = rng.normal(size=shape)
        for m, layer, optimizer in zip((torch, mg), (theirs, ours), optimizers, strict=True):
            optimizer.zero_grad()
            (layer(m.tensor(x)) ** 2).mean().backward()
        for (name, a), (other, b) in zip(
            theirs.named_parameters(), ours.named_parameters(), strict=True
        ):
            assert name == other
            assert np.allclose(array(a.grad), array(b.grad), rtol=1e-8, atol=1e-10), name
        for optimizer in optimizers:
            optimizer.step()
        for (name, a), b in zip(
            theirs.state_dict().items(), ours.state_dict().values(), strict=True
        ):
            assert np.allclose(array(a), array(b), rtol=1e-8, atol=1e-10), name
    x = rng.normal(size=shape)
    y, z = (layer.eval()(m.tensor(x)) for m, layer in ((torch, theirs), (mg, ours)))
    assert np.allclose(array(y), array(z))


@pytest.mark.parametrize(
    "change",
    [
        "p.weight_norm(x)", "p.weight_norm(x, dim=1)", "p.weight_norm(x, dim=None)",
        "p.spectral_norm(x)", "p.spectral_norm(x, n_power_iterations=3)",
        "p.spectral_norm(x, dim=1, eps=1e-6)", "p.spectral_norm(x, 'bias', dim=0)",
        "p.spectral_norm(p.weight_norm(x))",
        "u.weight_norm(x)", "u.weight_norm(x, dim=None)",
        "u.spectral_norm(x)", "u.spectral_norm(x, n_power_iterations=2, dim=1)",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("expression", "shape"), CASES)
def test_norms(expression: str, shape: tuple[int, ...], change: str) -> None:
    theirs, ours = made(expression, change)
    compare(theirs, ours, shape)
    if change.startswith("p."):
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("map_", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize(("expression", "shape"), CASES[:3])
def test_orthogonal(expression: str, shape: tuple[int, ...], map_: Any, trivial: bool) -> None:
    theirs, ours = made(
        expression, f"p.orthogonal(x, orthogonal_map={map_!r}, use_trivialization={trivial})"
    )
    compare(theirs, ours, shape)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 4, 3), (2, 3, 3)])
@pytest.mark.parametrize("map_", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivial", [True, False])
def test_what_orthogonal_starts_from(shape: tuple[int, ...], map_: str, trivial: bool) -> None:
    """The original and the base are the same, but for the random part of a base."""
    values = np.random.default_rng(2).normal(size=shape)
    pair = []
    for m in (torch, mg):
        layer = m.nn.Module()
        layer.weight = m.nn.Parameter(m.tensor(values))
        m.nn.utils.parametrizations.orthogonal(layer, "weight", map_, use_trivialization=trivial)
        pair.append(layer)
    theirs, ours = pair
    original = "parametrizations.weight.original"
    a, b = (array(layer.state_dict()[original]) for layer in pair)
    if map_ == "householder" and not trivial:  # what counts: below the diagonal, and the signs
        tall = a.shape[-2] >= a.shape[-1]
        a, b = ((np.tril(x) if tall else np.triu(x)) for x in (a, b))
    assert np.allclose(a, b)
    assert np.allclose(array(theirs.weight), array(ours.weight))
    if trivial:
        k = min(shape[-2:])
        bases = [array(layer.parametrizations.weight[0].base)[..., :k] for layer in pair]
        assert np.allclose(*bases)


def test_names_and_arguments() -> None:
    """All public names, with the same arguments and defaults."""
    for where in ("nn.utils", "nn.utils.parametrize", "nn.utils.parametrizations",
                  "nn.utils.prune", "nn.utils.stateless", "nn.utils.rnn", "nn.init"):  # fmt: skip
        theirs, ours = torch, mg
        for part in where.split("."):
            theirs, ours = getattr(theirs, part), getattr(ours, part)
        for name in getattr(theirs, "__all__", None) or dir(theirs):
            value = getattr(theirs, name)
            if name[0] == "_" or not callable(value) or "torch.nn" not in str(value.__module__):
                continue
            assert hasattr(ours, name), f"{where}.{name}"
            wanted, found = (inspect.signature(f).parameters for f in (value, getattr(ours, name)))
            assert [*wanted] == [*found], f"{where}.{name}"
            for key in wanted:
                assert wanted[key].kind == found[key].kind, f"{where}.{name}: {key}"
                assert wanted[key].default == found[key].default, f"{where}.{name}: {key}"


@pytest.mark.parametrize(
    "wrong",
    [
        "z.register_parametrization(L(), 'x', D())",
        "z.register_parametrization(L(), 'weight', W())",
        "z.register_parametrization(z.register_parametrization(L(), 'weight', D()), 'weight', W())",
        "z.remove_parametrizations(L(), 'weight')",
        "z.remove_parametrizations(p.weight_norm(L()), 'weight', leave_parametrized=False)",
        "setattr(z.register_parametrization(L(), 'weight', D()), 'weight', t)",
        "setattr(p.weight_norm(L()), 'weight', nn.Parameter(t))",
        "pickle.dumps(p.weight_norm(L()))",
        "p.orthogonal(L(), 'bias')", "p.orthogonal(L(), 'x')",
        "p.orthogonal(L(), orthogonal_map='x')",
        "setattr(p.orthogonal(L(), use_trivialization=False), 'weight', t)",
        "p.spectral_norm(L(), 'x')", "p.spectral_norm(L(), dim=2)",
        "p.spectral_norm(L(), n_power_iterations=0)",
        "nn.utils.spectral_norm(nn.utils.spectral_norm(L()))",
        "nn.utils.remove_spectral_norm(L())", "nn.utils.remove_weight_norm(L())",
        "nn.utils.spectral_norm(nn.Linear(2, 2, bias=False), 'bias')",
        "nn.utils.fuse_conv_bn_eval(nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1))",
        "nn.utils.fuse_linear_bn_eval(L().eval(), nn.BatchNorm1d(3).eval())",
        "nn.utils.skip_init(dict)", "nn.utils.skip_init(nn.ReLU)",
    ],
)  # fmt: skip
def test_errors_are_of_the_same_type(wrong: str) -> None:
    import pickle

    kinds = []
    for m in (torch, mg):

        class D(m.nn.Module):  # type: ignore[name-defined, misc]
            def forward(self, x: Any) -> Any:
                return 2 * x

        class W(m.nn.Module):  # type: ignore[name-defined, misc]
            def __init__(self, m: Any = m) -> None:
                super().__init__()
                self.m = m

            def forward(self, x: Any) -> Any:
                return self.m.cat([x, x])

        names = {
            "z": m.nn.utils.parametrize, "p": m.nn.utils.parametrizations, "nn": m.nn, "D": D,
            "W": W, "L": lambda m=m: m.nn.Linear(2, 2), "t": m.ones(2, 2), "pickle": pickle,
        }  # fmt: skip
        with pytest.raises(Exception) as caught:
            eval(wrong, names)
        kinds.append(type(caught.value).__name__)
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("norm", [2, 1, 0, 3.5, float("inf"), float("-inf"), "inf"])
@pytest.mark.parametrize("special", [None, np.inf, np.nan])
def test_clipping(norm: Any, special: Any) -> None:
    rng = np.random.default_rng(0)
    grads = [rng.normal(size=s).astype(np.float32) for s in ((3, 4), (5,), ())]
    if special is not None:
        grads[0][1, 2] = special
    for limit in (0.5, 100.0):
        results = []
        for m in (torch, mg):
            ps = [m.nn.Parameter(m.tensor(np.zeros_like(g))) for g in grads]
            for p, g in zip(ps, grads, strict=True):
                p.grad = m.tensor(g.copy())
            total = m.nn.utils.clip_grad_norm_(ps, limit, norm)
            results.append([array(total), *[array(p.grad) for p in ps]])
            again = m.nn.utils.get_total_norm([m.tensor(g) for g in grads], norm)
            assert np.allclose(array(again), results[-1][0], equal_nan=True)
        for a, b in zip(*results, strict=True):
            assert a.shape == b.shape
            assert np.allclose(a, b, rtol=2e-6, equal_nan=True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_fusion(bias: bool, affine: bool) -> None:
    results = []
    rng = np.random.default_rng(0)
    state = [rng.uniform(0.5, 2, 4) for _ in range(4)]
    values = {s: rng.normal(size=s) for s in ((4, 3, 2), (3, 4, 2), (4, 3), (4,))}
    for m in (torch, mg):
        bn = m.nn.BatchNorm1d(4, affine=affine).double().eval()
        names = ["running_mean", "running_var", *(["weight", "bias"] if affine else [])]
        for name, v in zip(names, state, strict=False):
            getattr(bn, name).data = m.tensor(v)
        layers = [
            m.nn.Conv1d(3, 4, 2, bias=bias), m.nn.ConvTranspose1d(3, 4, 2, bias=bias),
            *([m.nn.Linear(3, 4, bias=bias)] if affine else []),
        ]  # fmt: skip
        for i, layer in enumerate(layers):
            layer.double().eval()
            for p in layer.parameters():
                p.data = m.tensor(values[tuple(p.shape)])
            if i == 2:
                fused = m.nn.utils.fuse_linear_bn_eval(layer, bn)
            else:
                fused = m.nn.utils.fuse_conv_bn_eval(layer, bn, transpose=i == 1)
            results.append([array(fused.weight), array(fused.bias)])
    half = len(results) // 2
    for one, other in zip(results[:half], results[half:], strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.allclose(a, b)
