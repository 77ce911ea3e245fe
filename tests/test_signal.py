"""Windows, frequencies and shifts, against their formulas and numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.signal import windows

NAMES = ("bartlett", "blackman", "cosine", "exponential", "gaussian", "general_hamming", "hamming",
         "hann", "kaiser", "nuttall")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("M", [0, 1, 2, 5, 8])
def test_a_periodic_window_is_part_of_a_symmetric_one(name: str, M: int) -> None:
    make = getattr(windows, name)
    whole = make(M, dtype=mg.float64)
    np.testing.assert_allclose(whole.numpy(), whole.flip(0).numpy(), atol=1e-15)
    periodic = make(M, sym=False, dtype=mg.float64)
    if M == 1:
        assert periodic.tolist() == whole.tolist() == [1.0]
    else:
        expected = make(M + 1, dtype=mg.float64)[:M]
        np.testing.assert_allclose(periodic.numpy(), expected.numpy(), atol=1e-15)


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hanning"])
def test_windows_that_numpy_has(name: str) -> None:
    ours = getattr(windows, name.replace("hanning", "hann"))(7, dtype=mg.float64)
    np.testing.assert_allclose(ours.numpy(), getattr(np, name)(7), atol=1e-15)
    older = getattr(mg, f"{name.replace('hanning', 'hann')}_window")(7, False, dtype=mg.float64)
    np.testing.assert_allclose(older.numpy(), ours.numpy(), atol=1e-15)


def test_kaiser() -> None:
    for beta in (0.0, 3.0, 12.0):
        ours = windows.kaiser(9, beta=beta, dtype=mg.float64).numpy()
        np.testing.assert_allclose(ours, np.kaiser(9, beta), atol=1e-15)
    assert mg.kaiser_window(8).shape == (8,)


def test_types() -> None:
    assert windows.hann(4).dtype == mg.float32
    assert mg.hann_window(4, dtype=mg.float16).dtype == mg.float16
    assert windows.hann(4, requires_grad=True).requires_grad


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda: windows.hann(-1), ValueError, "non-negative window length, got M=-1"),
    (lambda: windows.hann(2.5), TypeError, "must be an int"),
    (lambda: windows.hann(3, dtype=mg.int64), ValueError, "expects float32 or float64"),
    (lambda: windows.gaussian(3, std=0.0), ValueError, "must be positive"),
    (lambda: windows.exponential(3, center=1.0), ValueError, "Center must be None"),
    (lambda: windows.exponential(3, tau=0), ValueError, "Tau must be positive"),
    (lambda: windows.kaiser(3, beta=-1), ValueError, "beta must be non-negative"),
    (lambda: windows.general_cosine(3, a=[]), ValueError, "cannot be empty"),
    (lambda: windows.general_cosine(3, a=1.0), TypeError, "list/tuple"),
    (lambda: mg.hann_window(-1), RuntimeError, "requires non-negative window_length"),
    (lambda: mg.hann_window(3, dtype=mg.int64), RuntimeError, "floating point dtypes"),
    (lambda: mg.fft.fftfreq(-1), RuntimeError, "negative dimension"),
    (lambda: mg.fft.fftfreq(3, dtype=mg.int64), RuntimeError, "floating point"),
    (lambda: mg.fft.rfft(mg.ones(4)), RuntimeError, "complex numbers"),
    (lambda: mg.fft.something, AttributeError, "no attribute"),
])  # fmt: skip
def test_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_frequencies(n: int) -> None:
    if n:
        np.testing.assert_allclose(
            mg.fft.fftfreq(n, 0.3).numpy(), np.fft.fftfreq(n, 0.3), rtol=1e-6
        )
        found = mg.fft.rfftfreq(n, 0.3).numpy()
        np.testing.assert_allclose(found, np.fft.rfftfreq(n, 0.3), rtol=1e-6)
    else:
        assert mg.fft.fftfreq(0).shape == (0,)


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2)])
def test_shifts(dim: Any) -> None:
    x = mg.arange(60.0).reshape(3, 4, 5).requires_grad_()
    found = mg.fft.fftshift(x, dim)
    np.testing.assert_array_equal(found.detach().numpy(), np.fft.fftshift(x.detach().numpy(), dim))
    np.testing.assert_array_equal(mg.fft.ifftshift(found, dim).detach().numpy(), x.detach().numpy())
    found.backward(found.detach())
    np.testing.assert_array_equal(x.grad.numpy(), x.detach().numpy())
