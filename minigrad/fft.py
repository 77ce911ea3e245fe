"""What of ``torch.fft`` has real results; the transforms themselves are complex, and refused.

Examples
--------
>>> import minigrad as mg
>>> mg.fft.fftshift(mg.fft.fftfreq(4))
tensor([-0.5000, -0.2500,  0.0000,  0.2500])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minigrad.compat.refusal import refused
from minigrad.core.dims import wrap_dims
from minigrad.core.tensor import Tensor
from minigrad.ops.guard import guarded
from minigrad.ops.join import roll
from minigrad.ops.mathematics.spectral import fftfreq, rfftfreq

_TRANSFORMS = {
    f"{kind}{more}"
    for kind in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
    for more in ("", "2", "n")
}

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]
__all__ += sorted(_TRANSFORMS)


def _shifted(input: Tensor, dim: Any, name: str, back: bool) -> Tensor:
    shape = input.array.shape
    dims = wrap_dims(dim, len(shape), name)
    shifts = tuple((shape[d] + 1) // 2 if back else shape[d] // 2 for d in dims)
    return roll(input, shifts, dims) if dims else input.clone()


@guarded
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The frequency 0 moved from the beginning to the middle, along some dimensions or all."""
    return _shifted(input, dim, "fftshift", False)


@guarded
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of :func:`fftshift`."""
    return _shifted(input, dim, "ifftshift", True)


_WHY = (
    "Fourier transforms compute with complex numbers, which minigrad does not have; a real "
    "transform of n samples can be written as a matrix product with cos and sin of 2 pi times "
    "outer(arange(n), fftfreq(n))"
)
globals().update({name: refused(f"fft.{name}", _WHY) for name in _TRANSFORMS})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
