"""How tensors look: the text that PyTorch prints, but for the names of the types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402

#: Expressions over ``m``, the module, and ``r``, arrays by name.
TENSORS = """
m.tensor(3.5)
m.tensor(3)
m.tensor(True)
m.tensor(-0.0)
m.tensor(float('nan'))
m.tensor(float('inf'))
m.tensor(1e10)
m.tensor(1e-10)
m.tensor(123456.789)
m.tensor(123456789.0)
m.tensor(2.0, dtype=m.float64)
m.tensor(2, dtype=m.int8)
m.tensor([1.0, 2.0, 3.0])
m.tensor([1.5, 2.25, -3.125])
m.tensor([1.0, -2.0])
m.tensor([0.1, 0.22, 0.333])
m.tensor([1e-5, 1.0])
m.tensor([1e-5, 2e-5])
m.tensor([1e5, 1.0])
m.tensor([1e5, 1.5])
m.tensor([1e8, 1.0])
m.tensor([1e9, 1.0])
m.tensor([12345.678, 0.001])
m.tensor([0.0, 0.0])
m.tensor([0.0, -0.0, 1.0])
m.tensor([float('nan'), 1.0])
m.tensor([float('nan'), 1.5])
m.tensor([float('inf'), -float('inf'), 1.0])
m.tensor([float('inf'), float('nan')])
m.tensor([float('nan')])
m.tensor([-float('inf'), 0.001, 1000000.0])
m.tensor([1, 2, 3])
m.tensor([-1, 10, 100])
m.tensor([0, -1])
m.tensor([2**40, 1])
m.tensor([True, False])
m.tensor([[True, False], [False, True]])
m.tensor([1, 2], dtype=m.int32)
m.tensor([1, 200], dtype=m.uint8)
m.tensor([-1, 1], dtype=m.int16)
m.tensor([1.0, 2.5], dtype=m.float64)
m.tensor([1.0, 2.5], dtype=m.float16)
m.tensor([])
m.tensor([], dtype=m.int64)
m.tensor([[]])
m.zeros(0, 3)
m.zeros(2, 0, 3)
m.zeros(0, dtype=m.float64)
m.zeros(0, dtype=m.bool)
m.zeros(3, 4)
m.ones(2, 2, 2)
m.eye(3)
m.arange(10)
m.arange(100)
m.arange(1000)
m.arange(1001)
m.arange(1001.0)
m.arange(24).reshape(2, 3, 4)
m.arange(24.0).reshape(2, 3, 4) / 7
m.arange(48).reshape(2, 2, 3, 4)
m.arange(20000).reshape(100, 200)
m.arange(20000.0).reshape(100, 200) / 3
m.arange(8000).reshape(20, 20, 20)
m.arange(16000).reshape(20, 20, 20, 2)
m.arange(2000).reshape(2, 1000)
m.arange(2000).reshape(1000, 2)
m.arange(3000.0).reshape(1, 3000)
m.tensor(r['normal'])
m.tensor(r['normal'][0])
m.tensor(r['normal'][0, :2])
m.tensor(r['normal'] * 1000)
m.tensor(r['normal'] * 1e6)
m.tensor(r['normal'] * 1e-6)
m.tensor(r['normal'].astype('float64'))
m.tensor(np.exp(r['normal'] * 5))
m.tensor(r['wide'])
m.tensor(r['wide']) > 0
m.tensor((r['wide'] * 100).astype('int64'))
m.tensor(r['wide'].round())
m.tensor(r['cube'])
m.tensor(r['cube']).transpose(0, 2)
m.tensor(r['cube'])[:, ::2]
m.tensor(r['big'])
m.tensor(np.where(r['wide'] > 0, np.nan, r['wide']))
m.tensor(np.where(r['wide'] > 0, np.inf, r['wide']))
m.tensor(r['wide'], dtype=m.float64)
m.tensor(r['wide'], dtype=m.float16)
m.tensor(r['wide'] * 0)
m.tensor(r['long'])
m.tensor(r['long'] * 1e4)
m.tensor(2.5, requires_grad=True)
m.tensor([1.0, 2.0], requires_grad=True)
m.tensor(r['wide'], requires_grad=True)
m.tensor([1.0], dtype=m.float64, requires_grad=True)
m.zeros(0, requires_grad=True)
m.zeros(0, 2, dtype=m.float64, requires_grad=True)
m.tensor(r['cube'], dtype=m.float64, requires_grad=True)
m.ones(12, dtype=m.float64, requires_grad=True)
m.ones(13, dtype=m.float64, requires_grad=True)
m.ones(14, dtype=m.float64, requires_grad=True)
[m.tensor([1, 2]), m.tensor(2.0)]
m.Size([2, 3])
m.zeros(2, 3).shape
""".strip().splitlines()
OPTIONS: list[dict[str, Any]] = [
    {}, {"precision": 2}, {"precision": 0}, {"precision": 8}, {"sci_mode": True},
    {"sci_mode": False}, {"sci_mode": True, "precision": 1}, {"linewidth": 40}, {"linewidth": 120},
    {"edgeitems": 1, "threshold": 10}, {"edgeitems": 2, "threshold": 5}, {"threshold": 10},
    {"profile": "short"}, {"profile": "full"},
]  # fmt: skip


def arrays() -> dict[str, Any]:
    """Random elements."""
    rng = np.random.default_rng(11)
    draw = {"normal": (3, 4), "wide": (2, 30), "cube": (3, 2, 4), "big": (60, 50), "long": 1500}
    return {k: rng.normal(size=s).astype("float32") for k, s in draw.items()}


@pytest.fixture(params=OPTIONS, ids=str)
def options(request: Any) -> Iterator[Any]:
    """Options set on both sides, and back."""
    if request.param.get("profile") == "full":
        request.param.setdefault("threshold", 5000)  # all of them would be long
    for module in (torch, mg):
        module.set_printoptions(**request.param)
    yield request.param
    for module in (torch, mg):
        module.set_printoptions(profile="default")


def text(module: Any, expression: str) -> str:
    """What is printed."""
    return repr(eval(expression, {"m": module, "np": np, "r": arrays()}))


def test_repr(options: Any) -> None:
    for expression in TENSORS:
        ours = text(mg, expression).replace("minigrad.", "torch.")
        theirs = text(torch, expression)
        if "dtype=" in theirs:  # a longer name may move to a line of its own
            ours, theirs = " ".join(ours.split()), " ".join(theirs.split())
        assert ours == theirs, expression


GRAPHS = """
m.tensor([1.0, 2.0], requires_grad=True) * 2
m.tensor(r['wide'], requires_grad=True) + 1
m.tensor([1.0], requires_grad=True).sum()
m.tensor(r['wide'], dtype=m.float64, requires_grad=True).exp()
m.zeros(0, 2, requires_grad=True) * 2
m.ones(13, dtype=m.float64, requires_grad=True) * 1
""".strip().splitlines()


@pytest.mark.parametrize("expression", GRAPHS)
def test_tensors_in_a_graph(expression: str) -> None:
    """As PyTorch's, but for the name of what made them."""
    ours = text(mg, expression).replace("minigrad.", "torch.")
    theirs = text(torch, expression)
    names = [re.search(r"grad_fn=<(\w+)>", t) for t in (ours, theirs)]
    assert all(names)
    marked = [re.sub(r"grad_fn=<\w+>", "grad_fn=<>", t) for t in (ours, theirs)]
    if len(names[0][1]) == len(names[1][1]):  # type: ignore[index]
        assert marked[0] == marked[1]
    else:  # a longer name may move to a line of its own
        assert marked[0].split() == marked[1].split()


FORMATS = ["", ".2f", "10.3e", ">8", "g", "d"]


@pytest.mark.parametrize("spec", FORMATS)
def test_format(spec: str) -> None:
    """A tensor without dimensions formats as its number."""
    for make in ("m.tensor(2.5)", "m.tensor(7)", "m.tensor(True)", "m.tensor([1.5])"):
        found = []
        for module in (mg, torch):
            try:
                found.append(format(eval(make, {"m": module}), spec))
            except (TypeError, ValueError) as error:
                found.append(type(error).__name__)
        assert found[0] == found[1], (make, spec)


def test_str_of_types() -> None:
    for name in ("float32", "float64", "int64", "bool", "uint8", "float16"):
        assert str(getattr(mg, name)).replace("minigrad", "torch") == str(getattr(torch, name))
    assert repr(mg.device("cpu")) == repr(torch.device("cpu"))
