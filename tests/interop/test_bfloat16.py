"""bfloat16 stores, converts, prints, goes to files and back; arithmetic is refused."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import serialize

pytest.importorskip("ml_dtypes")


def rounded(x: np.ndarray) -> np.ndarray:
    """float32 with the upper 16 bits, rounded to even."""
    bits = x.view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32)


def test_conversion_rounds_to_even() -> None:
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32) * 1e3
    t = mg.from_numpy(x).bfloat16()
    assert t.dtype is mg.bfloat16
    assert t.itemsize == 2
    assert t.is_floating_point()
    np.testing.assert_array_equal(t.float().numpy(), rounded(x))
    special = mg.tensor([np.inf, -np.inf, np.nan, -0.0]).to(mg.bfloat16)
    assert str(special) == str(special.float())[:-1] + ", dtype=minigrad.bfloat16)"
    assert mg.tensor([1, 2]).bfloat16().long().tolist() == [1, 2]
    assert special.to(mg.float64).dtype is mg.float64


def test_printing() -> None:
    t = mg.tensor([[1.0, 2.5], [1 / 3, 4]], dtype=mg.bfloat16)
    assert repr(t) == (
        "tensor([[1.0000, 2.5000],\n        [0.3340, 4.0000]], dtype=minigrad.bfloat16)"
    )
    assert repr(mg.bfloat16) == "minigrad.bfloat16"


def test_gradients_pass_the_conversion() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = x.bfloat16()
    assert y.requires_grad
    (y.float() * mg.tensor([1.001, 3.0])).sum().backward()
    assert x.grad.dtype is mg.float32
    assert x.grad.tolist() == [1.0, 3.0]
    z = mg.ones(2, dtype=mg.bfloat16, requires_grad=True)
    z.float().sum().backward()
    assert z.grad.dtype is mg.bfloat16


def test_moving_elements_works() -> None:
    t = mg.arange(6, dtype=mg.bfloat16).reshape(2, 3)
    assert mg.cat([t, t]).dtype is mg.bfloat16
    assert t.T[1].tolist() == [1, 4]
    assert t[mg.tensor([1])].tolist() == [[3, 4, 5]]
    assert t.clone().flip(0)[0, 0].item() == 3
    assert (t == t).all()
    assert t.sort(descending=True).values[0, 0] > 1
    assert t.topk(1).values.tolist() == [[2], [5]]
    assert t.median(1).values.tolist() == t.kthvalue(2).values.tolist() == [1, 4]
    assert t.mode(1).values.tolist() == [0, 3]
    t[0, 0] = 7.0
    t[1].fill_(2)
    t[:, 1].copy_(mg.tensor([0.5, 0.25]))
    assert t.tolist() == [[7, 0.5, 2], [2, 0.25, 2]]
    assert t.view(mg.int16).dtype is mg.int16
    assert mg.zeros(2, dtype=mg.bfloat16).tolist() == [0, 0]
    assert copy.deepcopy(t).tolist() == t.tolist()
    assert pickle.loads(pickle.dumps(t)).dtype is mg.bfloat16
    assert pickle.loads(pickle.dumps(mg.bfloat16)) is mg.bfloat16


@pytest.mark.parametrize(
    "expression",
    ["t + 1", "t * t", "t.exp()", "-t", "t.sum()", "t.sum(0)", "t.mean()", "t.prod()", "t @ t",
     "t.cumsum(0)", "t.softmax(0)", "t.relu()", "t.clamp(0, 1)", "t.add_(1)", "t.norm()",
     "t.var()"],
)  # fmt: skip
def test_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(RuntimeError, match=r"bfloat16"):
        eval(expression, {"t": mg.ones(3, dtype=mg.bfloat16)})


def test_promotion_and_limits() -> None:
    assert mg.promote_types(mg.bfloat16, mg.float16) is mg.float32
    assert mg.promote_types(mg.bfloat16, mg.float32) is mg.float32
    assert mg.promote_types(mg.bfloat16, mg.float64) is mg.float64
    assert mg.promote_types(mg.int64, mg.bfloat16) is mg.bfloat16
    assert (mg.ones(2).bfloat16() + mg.ones(2)).dtype is mg.float32
    assert mg.finfo(mg.bfloat16).eps == 2**-7
    assert mg.finfo(mg.bfloat16).bits == 16
    assert mg.from_numpy(mg.ones(2, dtype=mg.bfloat16).numpy()).dtype is mg.bfloat16
    with pytest.raises(BufferError, match="bfloat16"):
        mg.ones(2, dtype=mg.bfloat16).__dlpack__()


def test_files(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    t = mg.tensor([[1.5, -2.0], [1e30, 0.1]], dtype=mg.bfloat16)
    path = tmp_path / "a.safetensors"
    serialize.save_file({"w": t, "b": mg.ones(2)}, path)
    assert b'"BF16"' in path.read_bytes()
    loaded = serialize.load_file(path)
    assert loaded["w"].dtype is mg.bfloat16
    assert loaded["w"].tolist() == t.tolist()
    serialize.save({"state": [t], "kind": mg.bfloat16, "u": mg.zeros(1, dtype=mg.uint16)}, path)
    back = serialize.load(path)
    assert back["state"][0].tolist() == t.tolist()
    assert back["kind"] is mg.bfloat16
    assert back["u"].dtype is mg.uint16


PROGRAM = """
import sys
sys.modules["ml_dtypes"] = None
import minigrad as mg
t = mg.ones(2)
for ask in (lambda: mg.bfloat16, t.bfloat16, lambda: t.to("cpu", dtype="bfloat16")):
    try:
        ask()
    except ImportError as error:
        assert 'pip install "minigrad[bfloat16]"' in str(error), error
    else:
        raise SystemExit("no ImportError")
"""


def test_without_ml_dtypes() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
