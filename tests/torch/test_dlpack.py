"""PyTorch and minigrad share memory by DLPack, in both directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import minigrad as mg

KINDS = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("kind", KINDS)
def test_to_torch_and_back(kind: str) -> None:
    t = mg.tensor(np.arange(6).reshape(2, 3) % 2, dtype=kind)
    u = torch.from_dlpack(t)
    assert u.data_ptr() == t.data_ptr()
    assert str(u.dtype) == f"torch.{kind}"
    v = mg.from_dlpack(u)
    assert v.data_ptr() == t.data_ptr()
    assert v.dtype is t.dtype
    assert v.tolist() == t.tolist()
    u[0, 0] = 1
    assert t[0, 0].item() == 1


def test_strides_survive() -> None:
    t = mg.arange(12).reshape(3, 4)[:, ::2].T
    u = torch.from_dlpack(t)
    assert u.stride() == t.stride()
    assert u.tolist() == t.tolist()
    w = torch.arange(12).reshape(3, 4)[:, 1::2].T
    x = mg.from_dlpack(w)
    assert x.stride() == w.stride()
    assert x.tolist() == w.tolist()
    assert mg.from_dlpack(torch.ones(1).expand(3)).tolist() == [1, 1, 1]


def test_written_by_torch_seen_here() -> None:
    u = torch.zeros(3)
    t = mg.from_dlpack(u)
    u.add_(2)
    assert t.tolist() == [2, 2, 2]
    t.mul_(3)
    assert u.tolist() == [6, 6, 6]


def test_gradients_are_refused_alike() -> None:
    t, u = mg.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    for call in (lambda: torch.from_dlpack(t), lambda: mg.from_dlpack(u), t.__dlpack__):
        with pytest.raises(BufferError, match=r"require gradient, use tensor\.detach"):
            call()
    with pytest.raises(BufferError):
        torch.from_dlpack(u)


def test_capsules_of_torch() -> None:
    u = torch.arange(3)
    assert mg.from_dlpack(torch.utils.dlpack.to_dlpack(u)).data_ptr() == u.data_ptr()


def test_other_types_and_devices() -> None:
    with pytest.raises(TypeError, match="complex"):
        mg.from_dlpack(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(BufferError):
        mg.from_dlpack(torch.ones(2, device="meta"))


def test_copies() -> None:
    t = mg.ones(2)
    assert torch.from_dlpack(t, copy=True).data_ptr() != t.data_ptr()
    assert torch.from_dlpack(t, device="cpu").data_ptr() == t.data_ptr()
    u = torch.ones(2)
    assert mg.from_dlpack(u, copy=True).data_ptr() != u.data_ptr()


def test_asarray_refuses_alike() -> None:
    for t in (mg.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)):
        with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires"):
            np.asarray(t)


def test_bfloat16_has_the_bits_of_torch() -> None:
    x = np.random.default_rng(2).normal(size=257).astype(np.float32)
    ours = mg.from_numpy(x).bfloat16().view(mg.int16)
    theirs = torch.from_numpy(x).bfloat16().view(torch.int16)
    assert ours.tolist() == theirs.tolist()
    for a in ("float16", "float32", "float64", "int64", "bool"):
        kind = torch.promote_types(torch.bfloat16, getattr(torch, a))
        ours = mg.promote_types(mg.bfloat16, getattr(mg, a))
        assert str(ours).split(".")[1] == str(kind).split(".")[1]


def test_unsigned_types_promote_as_in_torch() -> None:
    names = ["uint16", "uint32", "uint64", "uint8", "int8", "int64", "bool", "float32", "float64"]
    for a in names:
        for b in names:
            try:
                theirs = str(torch.promote_types(getattr(torch, a), getattr(torch, b)))
            except RuntimeError:
                with pytest.raises(RuntimeError, match="not supported"):
                    mg.promote_types(getattr(mg, a), getattr(mg, b))
            else:
                ours = mg.promote_types(getattr(mg, a), getattr(mg, b))
                assert str(ours).split(".")[1] == theirs.split(".")[1]
