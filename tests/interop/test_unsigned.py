"""uint16, uint32 and uint64 compute as other integers do."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import minigrad as mg

KINDS = ["uint16", "uint32", "uint64"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "expression",
    ["t + t", "t * 2", "t - 1", "t // 2", "t % 3", "t ** 2", "t & 3", "t << 1", "t >> 1", "~t",
     "t.max()", "t.min(0).values", "t.sort().values", "t.flip(0)", "t[m]", "t[1:]", "t[i]",
     "f.cat([t, t])", "f.stack([t, t])", "t.clamp(1, 3)", "t.unique()", "f.where(m, t, t + 1)",
     "t.maximum(t)", "t.abs()", "t.roll(1)", "t.gather(0, i)", "t.cumsum(0)", "t.clone()"],
)  # fmt: skip
def test_values_are_those_of_int64(kind: str, expression: str) -> None:
    values = [3, 1, 200, 7]
    m, i = mg.tensor([True, False, True, False]), mg.tensor([2, 0])
    scope = {"f": mg, "m": m, "i": i}
    ours = eval(expression, {**scope, "t": mg.tensor(values, dtype=kind)})
    wide = eval(expression, {**scope, "t": mg.tensor(values)})
    kept = getattr(mg, kind) if "cumsum" not in expression else mg.int64
    assert ours.dtype is kept
    if expression != "~t":
        assert ours.tolist() == wide.tolist()
    else:
        assert ours.tolist() == [np.iinfo(kind).max - v for v in values]


@pytest.mark.parametrize("kind", KINDS)
def test_types(kind: str) -> None:
    d = getattr(mg, kind)
    t = mg.tensor([1, 2], dtype=d)
    assert repr(t) == f"tensor([1, 2], dtype=minigrad.{kind})"
    assert t.sum().dtype is mg.int64
    assert (t * 1.5).dtype is mg.float32
    assert (t < 2).tolist() == [True, False]
    assert t.float().tolist() == [1, 2]
    assert mg.iinfo(d).min == 0
    assert not d.is_signed
    assert pickle.loads(pickle.dumps(t)).dtype is d
    assert pickle.loads(pickle.dumps(d)) is d
    assert mg.from_numpy(np.ones(2, kind)).dtype is d
    assert mg.promote_types(d, mg.float16) is mg.float16
    for other in (mg.int64, mg.uint8, mg.bool, next(getattr(mg, k) for k in KINDS if k != kind)):
        with pytest.raises(RuntimeError, match=r"Promotion for uint16, uint32, uint64"):
            mg.promote_types(d, other)
    with pytest.raises(IndexError, match="long, int, byte or bool"):
        mg.ones(3)[mg.tensor([0], dtype=d)]
    with pytest.raises(RuntimeError, match="floating point"):
        t.requires_grad_()
