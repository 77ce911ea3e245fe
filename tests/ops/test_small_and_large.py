"""Every elementwise operation gives the same for few elements (by numpy) and many (by kernels)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn
from minigrad import Tensor
from minigrad.core.declare import REGISTRY
from minigrad.core.engine import apply
from minigrad.ops.loops import Compiled

#: What formulas break on; overflow and underflow of the types, and of exp, are among them.
SPECIAL = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, 1e-30, -1e-30, 1e30, -1e30, np.inf, -np.inf,
    np.nan, 20.5, -100.0, 1e-40, 88.5, 709.5,
]  # fmt: skip
TOLERANCE = {2: 2e-3, 4: 2e-6, 8: 1e-14}
OPS = [op for _, op in sorted(REGISTRY.items()) if isinstance(op, Compiled)]


def combinations(op: Compiled, kind: str) -> list[np.ndarray[Any, Any]]:
    """All pairs of special values; for more operands, all triples of fewer."""
    count = op.arity - op.flags
    with np.errstate(over="ignore"):
        values = np.array(SPECIAL if count < 3 else SPECIAL[::3]).astype(kind)
    grids = [g.reshape(-1) for g in np.meshgrid(*[values] * count)]
    return [*[np.arange(grids[0].size) % 2 == 0] * op.flags, *grids]


def computed(op: Compiled, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The result and the gradients."""
    inputs = tuple(Tensor(a.copy()) for a in arrays)
    for t in inputs[op.flags :]:
        t.requires_grad_()
    y = apply(op, inputs, op.defaults)
    if y.requires_grad:
        y.backward(mg.ones_like(y))
    return [y.array, *(t.grad.array for t in inputs if t.grad is not None)]


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if a.dtype.kind != "f":
        return np.asarray(a == b)
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= TOLERANCE[a.itemsize] * np.abs(a) + 4 * np.finfo(a.dtype).tiny
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)) | near)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_same_for_few_and_many(op: Compiled, kind: str) -> None:
    arrays = combinations(op, kind)
    n = arrays[0].size
    pieces = [computed(op, [a[i : i + 7] for a in arrays]) for i in range(0, n, 7)]
    few = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
    many = computed(op, [np.tile(a, 20_000 // n + 1) for a in arrays])
    for what, a, b in zip(("result", "grad 0", "grad 1", "grad 2"), few, many, strict=False):
        wrong = np.nonzero(~same(a, b[:n]))[0]
        shown = [(*(x[j] for x in arrays), a[j], b[j]) for j in wrong[:5]]
        assert not wrong.size, f"{what}: {shown}"
