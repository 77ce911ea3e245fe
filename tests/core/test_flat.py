"""The spelled-out way to record an operation does what the engine's page says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.core.engine import Node
from minigrad.core.flat import plainly, record
from minigrad.core.modes import current
from minigrad.core.rules import REGISTRY
from minigrad.core.tensor import Tensor
from minigrad.core.versions import Keeping

CASES = [
    ("exp", (1,), ()),  # keeps its result
    ("sin", (1,), ()),
    ("mul", (2,), ()),  # keeps both, or the other
    ("add", (2,), ()),  # keeps nothing
    ("maximum", (2,), ()),
    ("reshape", (1,), ((6,),)),  # a view
    ("floor", (1,), ()),
    ("gt", (2,), ()),  # no gradient flows
    ("sum", (1,), ((0, 1), False)),  # a number of numpy
    ("lerp", (3,), ()),
    ("logsumexp", (1,), ((0,), False)),
    ("amax", (1,), ((0,), False)),
]  # fmt: skip


def _described(y: Any) -> dict[str, Any]:
    node = y.node
    found: dict[str, Any] = {
        "values": y.array, "class": type(y), "requires": y._requires_grad,
        "graph": node is not None,
        "counted": y._counter is not None, "parent": y._parent,
    }  # fmt: skip
    if node is not None:
        assert isinstance(node, (Node, Keeping))
        found |= {
            "op": node.op, "params": node.params, "edges": node.edges, "saved": node.saved,
            "shape": node.shape, "dtype": node.dtype, "out": node.out is not None,
            "residuals": len(node.residuals), "counter": node.counter is not None,
        }  # fmt: skip
    return found


@pytest.mark.parametrize("needs", range(8))
@pytest.mark.parametrize(("name", "count", "params"), CASES)
def test_both_ways_record_the_same(
    name: str, count: tuple[int], params: tuple[Any, ...], needs: int
) -> None:
    op = REGISTRY[name]
    (arity,) = count
    inputs = tuple(mg.rand(2, 3) for _ in range(arity))
    for i, t in enumerate(inputs):
        t.requires_grad_(bool(needs >> i & 1))
    first, second = (
        way(op, inputs, params, op.forward([t.array for t in inputs], params), current.get())
        for way in (record, plainly)
    )
    a, b = _described(first), _described(second)
    np.testing.assert_array_equal(a.pop("values"), b.pop("values"))
    assert a == b


def test_without_a_graph() -> None:
    x = mg.ones(2, requires_grad=True)
    op = REGISTRY["exp"]
    with mg.no_grad():
        for way in (record, plainly):
            y = way(op, (x,), (), np.exp(x.array), current.get())
            assert isinstance(y, Tensor)
            assert y.node is None
            assert not y.requires_grad
