"""einops and opt_einsum compute with tensors, and gradients come back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import minigrad as mg

einops = pytest.importorskip("einops")
opt_einsum = pytest.importorskip("opt_einsum")

X = np.random.default_rng(5).normal(size=(2, 3, 4))


@pytest.mark.parametrize(
    ("name", "args", "sizes"),
    [
        ("rearrange", ("a b c -> (a c) b",), {}),
        ("rearrange", ("a b (c d) -> d a b c",), {"d": 2}),
        ("rearrange", ("a b c -> a 1 b c 1",), {}),
        ("reduce", ("a b c -> b", "sum"), {}),
        ("reduce", ("a b c -> a c", "mean"), {}),
        ("reduce", ("a b c -> c", "max"), {}),
        ("reduce", ("a b c -> c", "min"), {}),
        ("reduce", ("a b c -> a", "prod"), {}),
        ("reduce", ("a b (c d) -> a b c", "max"), {"d": 2}),
        ("reduce", ("a b c -> ()", "sum"), {}),
        ("repeat", ("a b c -> a b c d",), {"d": 3}),
        ("repeat", ("a b c -> a (b d) c",), {"d": 2}),
    ],
)
def test_the_same_as_on_arrays(name: str, args: Any, sizes: dict[str, int]) -> None:
    t = mg.tensor(X, requires_grad=True)
    function = getattr(einops, name)
    y, expected = function(t, *args, **sizes), function(X, *args, **sizes)
    assert isinstance(y, mg.Tensor)
    np.testing.assert_allclose(y.detach().numpy(), expected)
    y.sum().backward()
    assert t.grad.shape == t.shape
    assert mg.autograd.gradcheck(lambda u: function(u, *args, **sizes), (t,))


def test_lists_logic_and_integers() -> None:
    t = mg.tensor(X, requires_grad=True)
    parts = list(t)
    assert einops.rearrange(parts, "a b c -> b c a").tolist() == X.transpose(1, 2, 0).tolist()
    assert einops.reduce(t > 0, "a b c -> c", "any").tolist() == (X > 0).any((0, 1)).tolist()
    assert einops.reduce(t > 0, "a b c -> a b", "all").tolist() == (X > 0).all(2).tolist()
    with pytest.raises(NotImplementedError, match="floating"):
        einops.reduce(mg.arange(4), "a -> ", "mean")


def test_einsum_pack_and_shapes() -> None:
    t = mg.tensor(X, requires_grad=True)
    y = einops.einsum(t, t, "a b c, d b c -> a d")
    np.testing.assert_allclose(y.detach().numpy(), np.einsum("abc,dbc->ad", X, X))
    packed, shapes = einops.pack([t, mg.ones(2, 5)], "a *")
    assert packed.shape == (2, 17)
    first, second = einops.unpack(packed, shapes, "a *")
    assert first.tolist() == X.tolist()
    assert second.shape == (2, 5)
    assert einops.parse_shape(t, "a b _") == {"a": 2, "b": 3}
    assert einops.asnumpy(t).tolist() == X.tolist()
    y.sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), 2 * np.broadcast_to(X.sum(0), X.shape), rtol=1e-12)


def test_the_array_api_way_of_einops() -> None:
    from einops import array_api

    t = mg.tensor(X, requires_grad=True)
    y = array_api.rearrange(t, "a b c -> (a c) b")
    assert y.tolist() == einops.rearrange(X, "a b c -> (a c) b").tolist()
    array_api.reduce(t, "a b c -> a", "max").sum().backward()
    assert t.grad.sum().item() == 2


@pytest.mark.parametrize(
    "equation", ["abc,dbc,ce->ade", "abc,abc->", "abc,cd->abd", "abc,dbc->ad", "aab->b", "abc->cab"]
)
def test_contract(equation: str) -> None:
    rng = np.random.default_rng(1)
    sizes = dict(zip("abcde", (2, 3, 4, 2, 5), strict=True)) | (
        {"b": 3} if "aab" in equation else {}
    )
    arrays = [
        rng.normal(size=[sizes[k] for k in term]) for term in equation.split("->")[0].split(",")
    ]
    tensors = [mg.tensor(a, requires_grad=True) for a in arrays]
    y = opt_einsum.contract(equation, *tensors)
    np.testing.assert_allclose(y.detach().numpy(), np.einsum(equation, *arrays))
    assert mg.autograd.gradcheck(lambda *ts: opt_einsum.contract(equation, *ts), tensors)
    expression = opt_einsum.contract_expression(equation, *[a.shape for a in arrays])
    np.testing.assert_allclose(expression(*tensors).detach().numpy(), y.detach().numpy())


def test_contract_with_the_backend_named() -> None:
    y = opt_einsum.contract("ab,bc->ac", np.ones((2, 3)), np.ones((3, 4)), backend="minigrad")
    assert isinstance(y, mg.Tensor)
    assert y.tolist() == [[3] * 4] * 2
    with pytest.raises(TypeError, match="out="):
        opt_einsum.contract("ab->ba", mg.ones(2, 3), out=mg.ones(3, 2))


PROGRAM = """
import sys
{first}
{second}
assert einops.rearrange(minigrad.ones(2, 3), "a b -> b a").shape == (3, 2)
assert opt_einsum.contract("ab,bc->ca", minigrad.ones(2, 3), minigrad.ones(3, 4)).shape == (4, 2)
assert not [f for f in sys.meta_path if type(f).__module__.startswith("minigrad.interop")]
assert "minigrad" not in type(sys.modules["einops._backends"].__loader__).__module__
"""


@pytest.mark.parametrize("ours_first", [True, False])
def test_in_any_order_of_imports(ours_first: bool) -> None:
    lines = ["import minigrad", "import einops, opt_einsum"]
    first, second = lines if ours_first else reversed(lines)
    subprocess.run([sys.executable, "-c", PROGRAM.format(first=first, second=second)], check=True)


def test_minigrad_alone_imports_neither() -> None:
    program = (
        "import sys, minigrad; import minigrad.interop.imports as i\n"
        "assert not {'einops', 'opt_einsum', 'ml_dtypes', 'minigrad.xp'} & set(sys.modules)\n"
        "assert 'minigrad.interop.numpy_protocol' not in sys.modules\n"
        "import json.tool\n"
        "try: import einops._nothing\n"
        "except ImportError: pass"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
