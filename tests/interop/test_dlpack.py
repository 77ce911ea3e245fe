"""Memory shared by DLPack and with numpy: nothing is copied, nothing is hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg

KINDS = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_share_the_memory(kind: str) -> None:
    a = np.arange(6).reshape(2, 3).astype(kind)
    t = mg.from_dlpack(a)
    assert np.shares_memory(t.array, a)
    assert t.dtype.name == kind
    assert t.shape == (2, 3)
    assert not t.requires_grad
    back = np.from_dlpack(t)
    assert np.shares_memory(back, a)
    assert (back == a).all()
    back[0, 0] = 1
    assert t[0, 0].item() == 1


def test_views_and_empty_tensors_keep_their_layout() -> None:
    x = mg.arange(12).reshape(3, 4)
    for part in (x.T, x[1:, ::2], x[:0], x[1, 2], x[:, 1]):
        other = np.from_dlpack(part)
        assert other.shape == part.shape
        assert np.array_equal(other, part.numpy())
        assert other.size == 0 or other.ctypes.data == part.data_ptr()
        assert mg.from_dlpack(other).shape == part.shape


def test_copy_argument() -> None:
    a = np.ones(3)
    assert np.shares_memory(mg.from_dlpack(a, copy=False).array, a)
    assert not np.shares_memory(mg.from_dlpack(a, copy=True).array, a)
    t = mg.ones(3)
    assert not np.shares_memory(np.from_dlpack(t, copy=True), t.array)
    assert not np.shares_memory(mg.from_dlpack(t, copy=True).array, t.array)
    assert mg.from_dlpack(t).array is t.array


def test_tensors_that_require_grad_are_refused() -> None:
    t = mg.ones(2, requires_grad=True)
    for call in (lambda: np.from_dlpack(t), t.__dlpack__, lambda: mg.from_dlpack(t)):
        with pytest.raises(BufferError, match=r"require gradient, use tensor.detach\(\)"):
            call()
    assert np.shares_memory(np.from_dlpack(t.detach()), t.array)


def test_read_only_memory_stays_read_only() -> None:
    a = np.ones(3)
    a.flags.writeable = False
    for t in (mg.from_dlpack(a), mg.from_numpy(a)):
        assert np.shares_memory(t.array, a)
        with pytest.raises(RuntimeError, match="read-only"):
            t.add_(1)
        assert (t + 1).tolist() == [2, 2, 2]
        assert not np.from_dlpack(t).flags.writeable
        with pytest.raises(BufferError, match=r"read-only.*clone"):
            t.__dlpack__()  # a consumer that cannot know
        assert t.__dlpack__(copy=True) is not None
    assert not np.from_dlpack(mg.ones(1).expand(3)).flags.writeable


def test_devices_and_streams() -> None:
    t = mg.ones(2)
    assert tuple(t.__dlpack_device__()) == (1, 0)
    assert t.__dlpack__(dl_device=(1, 0), max_version=(1, 0)) is not None
    with pytest.raises(BufferError, match="CPU"):
        t.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="stream"):
        t.__dlpack__(stream=1)
    assert mg.from_dlpack(np.ones(2), device="cpu").shape == (2,)
    assert mg.from_dlpack(np.ones(2), device=(1, 0)).shape == (2,)
    for device in ("cuda", (2, 0)):
        with pytest.raises(RuntimeError, match="CPU only"):
            mg.from_dlpack(np.ones(2), device=device)


def test_bare_capsules() -> None:
    a = np.arange(3.0)
    assert np.shares_memory(mg.from_dlpack(a.__dlpack__()).array, a)


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="__dlpack__, got list"):
        mg.from_dlpack([1, 2])
    with pytest.raises(TypeError, match="complex"):
        mg.from_dlpack(np.ones(2, complex))

    class Elsewhere:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        def __dlpack__(self, **kwargs: Any) -> Any:
            raise BufferError("on another device")

    with pytest.raises(BufferError):
        mg.from_dlpack(Elsewhere())


def test_version_counters_are_shared_between_tensors() -> None:
    w = mg.ones(3)
    shared = mg.from_dlpack(w)
    x = mg.ones(3, requires_grad=True)
    y = (x * w).sum()
    shared.mul_(2)
    assert w._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_from_numpy() -> None:
    a = np.zeros((2, 2))
    t = mg.from_numpy(a)
    t[0, 0] = 3
    assert a[0, 0] == 3
    assert t.numpy() is a
    with pytest.raises(TypeError, match=r"expected np\.ndarray"):
        mg.from_numpy([1.0])
    with pytest.raises(ValueError, match="byte order"):
        mg.from_numpy(np.ones(2, ">f8" if np.little_endian else "<f8"))
    assert mg.from_numpy(np.arange(3)[::-1]).tolist() == [2, 1, 0]
