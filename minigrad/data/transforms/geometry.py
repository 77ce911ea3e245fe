"""Where pixels are: crops, flips, shifts and rotations, each image of a batch by its own draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minigrad.data.transforms.base import Array, ImageTransform, probability
from minigrad.ops.random import Generator

__all__ = [
    "CenterCrop", "RandomCrop", "RandomHorizontalFlip", "RandomRotation", "RandomShift",
    "RandomVerticalFlip",
]  # fmt: skip

_MODES = ("constant", "edge", "reflect", "symmetric")


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Two sizes, of which one number gives both."""
    given = (value, value) if isinstance(value, int) else tuple(value)
    if len(given) != 2 or not all(isinstance(v, int) and v >= 0 for v in given):
        raise ValueError(f"{name} should be one or two numbers not below 0, got {value!r}")
    return given


def _pad(x: Array, rows: int, columns: int, fill: float, mode: Any) -> Array:
    """The images with `rows` above and below, `columns` left and right."""
    if not rows and not columns:
        return x
    if mode != "constant":
        wider: Array = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)), mode)
        return wider
    n, c, h, w = x.shape
    out = np.full((n, c, h + 2 * rows, w + 2 * columns), fill, x.dtype)
    out[:, :, rows : rows + h, columns : columns + w] = x
    return out


def _windows(x: Array, size: tuple[int, int], rows: Array, columns: Array) -> Array:
    """From each image the window of this size whose upper left pixel is given.

    One fancy index into a view of all windows: numpy copies each window row by row.
    """
    every = sliding_window_view(x, size, (2, 3))
    return np.ascontiguousarray(every[np.arange(len(x)), :, rows, columns])


class RandomCrop(ImageTransform):
    """Cut a window of a fixed size out of each image, at a random place, after padding.

    The usual augmentation of CIFAR pads by 4 and cuts 32 x 32 (He et al. 2016; Krizhevsky et al.
    2012 crop without padding).

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window.
    padding : int or (int, int), optional
        Pixels to add above and below, left and right.
    fill : float
        What the padding consists of, in mode "constant".
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
    generator : Generator, optional

    Raises
    ------
    ValueError
        If the padded images are smaller than the window.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import RandomCrop
    >>> tuple(RandomCrop(32, padding=4)(mg.rand(8, 3, 32, 32)).shape)
    (8, 3, 32, 32)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        fill: float = 0.0,
        padding_mode: str = "constant",
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.size = _pair("size", size)
        self.padding = _pair("padding", 0 if padding is None else padding)
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode should be one of {list(_MODES)}, got {padding_mode!r}")
        self.fill = fill
        self.padding_mode = padding_mode

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """A window of each image."""
        x = _pad(x, *self.padding, self.fill, self.padding_mode)
        spare = x.shape[2] - self.size[0], x.shape[3] - self.size[1]
        if min(spare) < 0:
            raise ValueError(
                f"Required crop size {self.size} is larger than input image size "
                f"{x.shape[2:]} (with the padding)"
            )
        rows, columns = (rng.integers(0, s + 1, len(x)) for s in spare)
        return _windows(x, self.size, rows, columns)


class CenterCrop(ImageTransform):
    """Cut the middle out of each image: what tests use where training crops at random.

    Parameters
    ----------
    size : int or (int, int)

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import CenterCrop
    >>> CenterCrop(2)(mg.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 6.0], [9.0, 10.0]]]]
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _pair("size", size)

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """The middle of each image."""
        top, left = (have - want for have, want in zip(x.shape[2:], self.size))
        if min(top, left) < 0:
            raise ValueError(f"crop size {self.size} is larger than the images {x.shape[2:]}")
        top, left = round(top / 2), round(left / 2)
        h, w = self.size
        return x[:, :, top : top + h, left : left + w].copy()


class RandomShift(ImageTransform):
    """Move each image by a random number of pixels, up to `pixels` in each direction.

    Parameters
    ----------
    pixels : int or (int, int)
        The most, vertically and horizontally.
    fill : float
        What moves in from outside.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import RandomShift
    >>> RandomShift(0)(mg.ones(1, 1, 1, 2)).tolist()
    [[[[1.0, 1.0]]]]
    """

    def __init__(
        self, pixels: int | Sequence[int], fill: float = 0.0, generator: Generator | None = None
    ) -> None:
        super().__init__(generator)
        self.pixels = _pair("pixels", pixels)
        self.fill = fill

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """Each image, moved."""
        rows, columns = (rng.integers(0, 2 * most + 1, len(x)) for most in self.pixels)
        padded = _pad(x, *self.pixels, self.fill, "constant")
        return _windows(padded, (x.shape[2], x.shape[3]), rows, columns)


class _RandomFlip(ImageTransform):
    _axis: int

    def __init__(self, p: float = 0.5, generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.p = probability("p", p)

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """Each image, turned over or not."""
        out = x.copy()
        flipped = np.nonzero(rng.random(len(x)) < self.p)[0]
        out[flipped] = np.flip(x, self._axis)[flipped]
        return out


class RandomHorizontalFlip(_RandomFlip):
    """Mirror each image left to right, with probability `p` (Krizhevsky et al. 2012).

    Parameters
    ----------
    p : float
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import RandomHorizontalFlip
    >>> RandomHorizontalFlip(p=1)(mg.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[2.0, 1.0]]]]
    """

    _axis = 3


class RandomVerticalFlip(_RandomFlip):
    """Mirror each image top to bottom, with probability `p`.

    Parameters
    ----------
    p : float
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import RandomVerticalFlip
    >>> RandomVerticalFlip(p=1)(mg.tensor([[[[1.0], [2.0]]]])).tolist()
    [[[[2.0], [1.0]]]]
    """

    _axis = 2


class RandomRotation(ImageTransform):
    """Turn each image about its centre by a random angle; pixels are interpolated bilinearly.

    The value of a pixel is read where the inverse rotation takes it, from the four pixels around
    that place. Simard, Steinkraus, Platt 2003.

    Parameters
    ----------
    degrees : float or (float, float)
        The range of the angles; one number stands for minus to plus that. Positive angles turn
        counter-clockwise.
    fill : float
        What lies outside of the image.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import RandomRotation
    >>> quarter = RandomRotation((90, 90))
    >>> quarter(mg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[2.0, 4.0], [1.0, 3.0]]]]
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        fill: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        if isinstance(degrees, (int, float)):
            if degrees < 0:
                raise ValueError(
                    f"If degrees is a single number, it must be positive, got {degrees}"
                )
            self.degrees = (-float(degrees), float(degrees))
        else:
            low, high = degrees
            if high < low:
                raise ValueError(f"degrees should be a range (low, high), got {degrees!r}")
            self.degrees = (float(low), float(high))
        self.fill = fill

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """Each image, turned."""
        angles = np.deg2rad(rng.uniform(*self.degrees, len(x)))
        rows, columns = _turned(x.shape[2], x.shape[3], angles)
        return _bilinear(x, rows, columns, self.fill)


def _turned(h: int, w: int, angles: Array) -> tuple[Array, Array]:
    """Where in the image each pixel of the turned one comes from: rows and columns (N, H, W)."""
    down = np.arange(h, dtype=np.float32)[:, None] - np.float32((h - 1) / 2)
    right = np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2)
    # Right angles must hit pixels exactly, so that they are turned without a loss.
    cos, sin = (f(angles).round(7).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    rows = cos * down + sin * right + np.float32((h - 1) / 2)
    columns = cos * right - sin * down + np.float32((w - 1) / 2)
    return rows, columns


def _bilinear(x: Array, rows: Array, columns: Array, fill: float) -> Array:
    """The images at places between pixels."""
    n, c, h, w = x.shape
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    # A frame one pixel wide takes every place outside, so that nothing has to be masked.
    framed = np.full((c, n, h + 2, w + 2), fill, kind)
    framed[:, :, 1:-1, 1:-1] = x.transpose(1, 0, 2, 3)
    rows, columns = np.clip(rows + 1, 0, h + 1), np.clip(columns + 1, 0, w + 1)
    top, left = np.minimum(rows.astype(np.int64), h), np.minimum(columns.astype(np.int64), w)
    down, right = (rows - top).astype(kind), (columns - left).astype(kind)
    start = (np.arange(n) * ((h + 2) * (w + 2)))[:, None, None]
    corner = start + top * (w + 2) + left
    out = np.empty(x.shape, x.dtype)
    for channel in range(c):  # all share the places
        pixels = framed[channel].ravel()
        upper, lower = (
            pixels.take(at) * (1 - right) + pixels.take(at + 1) * right
            for at in (corner, corner + (w + 2))
        )
        value = upper * (1 - down) + lower * down
        out[:, channel] = value if x.dtype.kind == "f" else value.round()
    return out
