"""Resizing and pixel shuffling as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.nn.functions import vision as F
from minigrad.nn.layer import UnaryLayer

__all__ = [
    "ChannelShuffle", "PixelShuffle", "PixelUnshuffle", "Upsample", "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]  # fmt: skip


class Upsample(UnaryLayer, function=F.interpolate):
    """Bring (N, C, W), (N, C, H, W) or (N, C, D, H, W) to another size.

    Parameters
    ----------
    size : int or sequence of int
        The new size; this or the next one.
    scale_factor : float or sequence of float
        By how much each dimension grows.
    mode : {"nearest", "linear", "bilinear", "bicubic", "trilinear"}
        And the others of :func:`minigrad.nn.functional.interpolate`.
    align_corners : bool, optional
        Whether the centres of the corner pixels stay where they are.
    recompute_scale_factor : bool, optional
        Compute with the ratio of the sizes instead of the given factor.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Upsample(scale_factor=2)(mg.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    size: int | Sequence[int] | None = None
    scale_factor: float | Sequence[float] | None = None
    mode: str = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    def __post_init__(self) -> None:
        self.name = type(self).__name__
        if isinstance(self.scale_factor, (tuple, list)):
            self.scale_factor = tuple(float(factor) for factor in self.scale_factor)
        elif self.scale_factor:
            self.scale_factor = float(self.scale_factor)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """The size or factor, and the mode."""
        what = "size" if self.scale_factor is None else "scale_factor"
        return f"{what}={getattr(self, what)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """:class:`Upsample` of (N, C, H, W) with ``mode="nearest"``.

    Parameters
    ----------
    size : int or pair of int
    scale_factor : float or pair of float
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """:class:`Upsample` of (N, C, H, W) with ``mode="bilinear", align_corners=True``.

    Parameters
    ----------
    size : int or pair of int
    scale_factor : float or pair of float
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(UnaryLayer, function=F.pixel_shuffle):
    """From (*, C r r, H, W) to (*, C, H r, W r): channels become pixels (Shi et al. 2016).

    Parameters
    ----------
    upscale_factor : int
        r.
    """

    upscale_factor: int


class PixelUnshuffle(UnaryLayer, function=F.pixel_unshuffle):
    """From (*, C, H r, W r) to (*, C r r, H, W): pixels become channels.

    Parameters
    ----------
    downscale_factor : int
        r.
    """

    downscale_factor: int


class ChannelShuffle(UnaryLayer, function=F.channel_shuffle):
    """Mix the channels of (N, C, *) between groups (Zhang et al. 2018, ShuffleNet).

    Parameters
    ----------
    groups : int
    """

    groups: int
