"""Operations that users declare."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import elementwise, fx, nn, span
from minigrad.autograd.elementwise import _own
from minigrad.core.declare import REGISTRY
from minigrad.core.public import PUBLIC


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """What a test declares is not seen by others."""
    yield
    for name, module in list(_own.items()):
        del _own[name], REGISTRY[name]
        PUBLIC.pop(name, None)
        vars(mg).pop(name, None)
        for method in (name, f"{name}_"):
            if method in vars(mg.Tensor):
                delattr(mg.Tensor, method)
        vars(nn).pop(module, None)
        vars(nn.functional).pop(name, None)


def squareplus(**options: Any) -> Any:
    return elementwise(
        "squareplus",
        lambda x, b=4.0: (x + fx.sqrt(x * x + b)) / 2,
        vjp=lambda g, x, b: g * (1 + x / fx.sqrt(x * x + b)) / 2,
        sample=span(-3, 3),
        **options,
    )


@pytest.mark.parametrize("size", [5, 20_000])
def test_function_method_and_gradient(size: int) -> None:
    function = squareplus()
    x = mg.linspace(-3, 3, size, dtype=mg.float64, requires_grad=True)
    y = x.squareplus(b=1.0)  # type: ignore[attr-defined]
    assert (y == function(x, 1.0)).all()
    assert mg.squareplus is function  # type: ignore[attr-defined]
    y.sum().backward()
    v = x.detach().numpy()
    assert x.grad is not None
    np.testing.assert_allclose(y.detach().numpy(), (v + np.sqrt(v * v + 1)) / 2)
    np.testing.assert_allclose(x.grad.numpy(), (1 + v / np.sqrt(v * v + 1)) / 2, atol=1e-15)
    z = mg.zeros(2)
    assert z.squareplus_() is z  # type: ignore[attr-defined]
    assert (z == 1).all()
    assert mg.autograd.gradgradcheck(function, (x[:5].detach().requires_grad_(),))


def test_the_module() -> None:
    squareplus(module="Squareplus")
    layer = nn.Squareplus(1.0)  # type: ignore[attr-defined]
    assert repr(layer) == "Squareplus(b=1.0)"
    assert layer(mg.zeros(1)).item() == nn.functional.squareplus(mg.zeros(1), 1.0).item() == 0.5  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(layer)).b == 1.0
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        nn.Squareplus(c=2)  # type: ignore[attr-defined]


def test_a_cell_may_run_again() -> None:
    first = squareplus(module="Squareplus")
    second = squareplus(module="Squareplus")
    assert mg.squareplus is second is not first  # type: ignore[attr-defined]


IDENTITY: Any = {"formula": lambda x: x * 1.0, "vjp": lambda g: g, "sample": (-1, 1)}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("exp", {}, "minigrad.exp exists"),
        ("relu6", {"public": False, "method": False}, "taken by an operation"),
        ("backward", {"public": False}, "Tensor.backward exists"),
        ("mine", {"module": "ReLU"}, "nn.ReLU exists"),
        ("conv2d", {"module": "Mine", "public": False, "method": False}, "functional.conv2d"),
        ("two words", {}, "expected a name"),
    ],
)
def test_names_that_are_taken(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        elementwise(name, **IDENTITY, **options)
    assert name not in _own


def test_a_wrong_derivative_is_refused() -> None:
    double: Callable[..., Any] = lambda x: x * x
    with pytest.raises(ValueError, match="not the derivative"):
        elementwise("wrong", double, vjp=lambda g, x: g * x, sample=(-1, 1))
    assert not hasattr(mg, "wrong")
    assert not hasattr(mg.Tensor, "wrong")
    assert "wrong" not in REGISTRY
    elementwise("wrong", double, vjp=lambda g, x: g * 2 * x, sample=(-1, 1))
