"""Windows of signal processing, and the frequencies of a discrete Fourier transform.

A symmetric window has its last point equal to its first; a periodic one is the symmetric one of one
more point without the last, as spectra want it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.dtypes import as_dtype
from minigrad.core.public import FLOAT32, FLOAT64, called, public
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.creation import finish
from minigrad.ops.guard import guarded

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "fftfreq", "gaussian", "general_cosine",
    "general_hamming", "hamming", "hann", "kaiser", "nuttall", "rfftfreq",
]  # fmt: skip


# -- what all windows share ------------------------------------------------------------------------


def _kind(name: str, M: int, dtype: Any) -> np.dtype[Any]:
    """The type of the window, checked with its length."""
    kind = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    if not isinstance(M, int):
        raise TypeError(f"{name}: the window length M must be an int, got {type(M).__name__}")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if kind.numpy not in (FLOAT32, FLOAT64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    return kind.numpy


def _places(M: int, sym: bool) -> Array:
    """From 0 to 1; a periodic window stops a step before."""
    return np.arange(M) / max(M - 1 if sym else M, 1)


def _made(values: Array, M: int, kind: Any, device: Any, requires_grad: bool) -> Tensor:
    """A single point is 1, whatever the window."""
    return finish(np.asarray(np.ones(1) if M == 1 else values, kind), requires_grad, device)


# -- sums of cosines -------------------------------------------------------------------------------


def _cosines(coefficients: Sequence[float], M: int, sym: bool) -> Array:
    angle = 2 * math.pi * _places(M, sym)
    total = np.zeros(M)
    for i, a in enumerate(coefficients):
        total += (-1) ** i * a * np.cos(i * angle)
    return total


@guarded
def general_cosine(
    M: int, *, a: Sequence[float], sym: bool = True, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``w[n] = a[0] - a[1] cos(t) + a[2] cos(2 t) - ...`` with ``t = 2 pi n / (M - 1)``.

    Parameters
    ----------
    M : int
        The number of points.
    a : sequence of float
        The coefficients.
    sym : bool
        Symmetric, or periodic (then M replaces ``M - 1``).
    dtype : dtype, optional
        float32 or float64.
    device : optional
        ``"cpu"``.
    requires_grad : bool

    Raises
    ------
    ValueError
        If M is negative, the type is another, or there are no coefficients.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.signal.windows.general_cosine(5, a=[0.5, 0.5])
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    kind = _kind("general_cosine", M, dtype)
    if not isinstance(a, (list, tuple)):
        raise TypeError(f"Coefficients must be a list/tuple, got {type(a).__name__}")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _made(_cosines(a, M, sym), M, kind, device, requires_grad)


def _of_cosines(name: str, coefficients: Sequence[float], text: str) -> Any:
    @called(name, f"{text}; see :func:`general_cosine`.")
    def window(
        M: int, *, sym: bool = True, dtype: Any = None, device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:  # fmt: skip
        kind = _kind(name, M, dtype)
        return _made(_cosines(coefficients, M, sym), M, kind, device, requires_grad)

    return guarded(window)


_BLACKMAN = (0.42, 0.5, 0.08)
hann = _of_cosines("hann", (0.5, 0.5), "Hann's window, ``(1 - cos(t)) / 2``")
hamming = _of_cosines("hamming", (0.54, 0.46), "Hamming's window, ``0.54 - 0.46 cos(t)``")
blackman = _of_cosines(
    "blackman", _BLACKMAN, "Blackman's window, ``0.42 - 0.5 cos(t) + 0.08 cos(2 t)``"
)
nuttall = _of_cosines(
    "nuttall", (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "Nuttall's window of the least side lobes with four terms",
)  # fmt: skip


@guarded
def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``w[n] = alpha - (1 - alpha) cos(t)``; see :func:`general_cosine`."""
    return general_cosine(
        M, a=[alpha, 1 - alpha], sym=sym, dtype=dtype, device=device, requires_grad=requires_grad
    )


# -- other shapes ----------------------------------------------------------------------------------


def _triangle(M: int, sym: bool) -> Array:
    return np.asarray(1 - np.abs(2 * _places(M, sym) - 1))


@guarded
def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Bartlett's window, a triangle: ``w[n] = 1 - |2 n / (M - 1) - 1|``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _made(_triangle(M, sym), M, _kind("bartlett", M, dtype), device, requires_grad)


@guarded
def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Half a wave, ``w[n] = sin(pi (n + 0.5) / M)``."""
    kind = _kind("cosine", M, dtype)
    values = np.sin(math.pi * (np.arange(M) + 0.5) / max(M if sym else M + 1, 1))
    return _made(values, M, kind, device, requires_grad)


@guarded
def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Poisson's window, ``w[n] = exp(-|n - center| / tau)``; a symmetric one has no `center`."""
    kind = _kind("exponential", M, dtype)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if center is None:
        center = (M - 1 if sym else M) / 2
    return _made(np.exp(-np.abs(np.arange(M) - center) / tau), M, kind, device, requires_grad)


@guarded
def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``w[n] = exp(-((n - (M - 1) / 2) / std)**2 / 2)``."""
    kind = _kind("gaussian", M, dtype)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    t = (np.arange(M) - (M - 1 if sym else M) / 2) / std
    return _made(np.exp(-0.5 * t * t), M, kind, device, requires_grad)


def _kaiser(M: int, beta: float, sym: bool) -> Array:
    t = 2 * _places(M, sym) - 1
    return np.asarray(np.i0(beta * np.sqrt(np.maximum(1 - t * t, 0))) / np.i0(beta))


@guarded
def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Kaiser's window, ``w[n] = I0(beta sqrt(1 - t**2)) / I0(beta)``, ``t = 2 n / (M - 1) - 1``."""
    kind = _kind("kaiser", M, dtype)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    return _made(_kaiser(M, beta, sym), M, kind, device, requires_grad)


# -- the older names -------------------------------------------------------------------------------


def _older(name: str, length: int, make: Any, dtype: Any, device: Any, needs: bool) -> Tensor:
    """A window of half precision, too; in other words about a wrong length."""
    kind = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    if not kind.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    return _made(make(length), length, kind.numpy, device, needs)


@public(method=False)
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Hann's window; see :func:`minigrad.signal.windows.hann`."""
    return _older(
        "hann_window", window_length, lambda n: _cosines((0.5, 0.5), n, not periodic),
        dtype, device, requires_grad,
    )  # fmt: skip


@public(method=False)
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``alpha - beta cos(t)``; see :func:`minigrad.signal.windows.general_cosine`."""
    return _older(
        "hamming_window", window_length, lambda n: _cosines((alpha, beta), n, not periodic),
        dtype, device, requires_grad,
    )  # fmt: skip


@public(method=False)
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Blackman's window; see :func:`minigrad.signal.windows.blackman`."""
    return _older(
        "blackman_window", window_length, lambda n: _cosines(_BLACKMAN, n, not periodic),
        dtype, device, requires_grad,
    )  # fmt: skip


@public(method=False)
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Bartlett's window; see :func:`minigrad.signal.windows.bartlett`."""
    return _older(
        "bartlett_window", window_length, lambda n: _triangle(n, not periodic),
        dtype, device, requires_grad,
    )  # fmt: skip


@public(method=False)
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Kaiser's window; see :func:`minigrad.signal.windows.kaiser`."""
    return _older(
        "kaiser_window", window_length, lambda n: _kaiser(n, beta, not periodic),
        dtype, device, requires_grad,
    )  # fmt: skip


# -- frequencies -----------------------------------------------------------------------------------


def _frequencies(
    name: str, n: int, real: bool, d: float, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    kind = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype)
    if not kind.is_floating_point:
        raise RuntimeError(f"{name} requires a floating point or complex dtype, got {kind}")
    if n < 0:
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {n}: [{n}]")
    count = np.arange(n // 2 + 1 if real else n)
    if not real:
        count = np.where(count < (n + 1) // 2, count, count - n)
    values = np.asarray(count / (n * d) if n else count, kind.numpy)
    return finish(values, requires_grad, device)


@guarded
def fftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The frequencies of a discrete Fourier transform of `n` samples that are `d` apart: those up
    to half of ``1 / d``, then the negative ones.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.fft.fftfreq(5, 0.1)
    tensor([ 0.,  2.,  4., -4., -2.])
    """
    return _frequencies("fftfreq", n, False, d, dtype, device, requires_grad)


@guarded
def rfftfreq(
    n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The frequencies of the transform of real samples: those that are not negative."""
    return _frequencies("rfftfreq", n, True, d, dtype, device, requires_grad)
