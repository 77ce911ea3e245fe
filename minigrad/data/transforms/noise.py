"""What pixels are worth: Gaussian noise, and erased rectangles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.data.randomness import batch_generator
from minigrad.data.transforms.base import Array, ImageTransform, Transform, need_floats, probability
from minigrad.ops.random import Generator

__all__ = ["GaussianNoise", "RandomErasing", "boxes"]

_TRIES = 10  # rectangles drawn for an image until one fits


class GaussianNoise(Transform):
    """Add normal noise to every number: ``x + mean + sigma * z``, ``z ~ N(0, 1)``.

    What that does to a linear unit, and the same as a layer: :class:`minigrad.nn.GaussianNoise`.
    Takes arrays of any shape.

    Parameters
    ----------
    mean, sigma : float
    clip : bool
        Cut off what lies outside of 0 to 1: for pictures that are not normalized yet.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import GaussianNoise
    >>> y = GaussianNoise(sigma=2.0, generator=mg.Generator().manual_seed(0))(mg.zeros(100, 100))
    >>> round(y.std().item(), 1)
    2.0
    """

    def __init__(
        self,
        mean: float = 0.0,
        sigma: float = 0.1,
        clip: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if sigma < 0:
            raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
        self.mean, self.sigma, self.clip = mean, sigma, clip
        self.generator = generator

    def apply(self, x: Array) -> Array:
        """The noisy copy."""
        need_floats(self, x)
        kind = x.dtype if x.dtype == np.float64 else np.dtype(np.float32)
        out = batch_generator(self.generator).numpy.standard_normal(x.shape, kind)
        out *= kind.type(self.sigma)
        out += x
        if self.mean:
            out += kind.type(self.mean)
        if self.clip:
            np.clip(out, 0, 1, out=out)
        return out.astype(x.dtype, copy=False)


class RandomErasing(ImageTransform):
    """Erase a random rectangle of each image, with probability `p` (Zhong et al. 2020).

    Its area is a share of the image drawn from `scale`, its height over its width is drawn from
    `ratio` on a log scale. DeVries & Taylor 2017 (cutout) erase squares.

    Parameters
    ----------
    p : float
    scale, ratio : (float, float)
    value : float or "random"
        What the rectangle is filled with; "random" draws normal numbers.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import RandomErasing
    >>> y = RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0))(mg.ones(1, 1, 8, 8))
    >>> y.sum().item()
    48.0
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.p = probability("p", p)
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"Scale should be a range between 0 and 1, got {tuple(scale)}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"ratio should be a range above 0, got {tuple(ratio)}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"If value is str, it should be 'random', got {value!r}")
        self.scale, self.ratio = (scale[0], scale[1]), (ratio[0], ratio[1])
        self.value = value

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """Each image, with a rectangle erased or not."""
        if self.value == "random":
            need_floats(self, x)
        n, _, h, w = x.shape
        heights, widths = self._sizes(n, h, w, rng)
        tops = rng.integers(0, h - heights + 1)
        lefts = rng.integers(0, w - widths + 1)
        heights = np.where(rng.random(n) < self.p, heights, 0)
        inside = boxes(h, w, tops, tops + heights, lefts, lefts + widths)
        if self.value == "random":
            filling = np.asarray(rng.standard_normal(x.shape, np.float32), x.dtype)
            return np.where(inside, filling, x)
        return np.where(inside, np.asarray(self.value, x.dtype), x)

    def _sizes(self, n: int, h: int, w: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Of each image the first rectangle drawn that fits into it; none has size 0."""
        area = h * w * rng.uniform(*self.scale, size=(n, _TRIES))
        low, high = map(float, np.log(self.ratio))
        aspect = np.exp(rng.uniform(low, high, size=(n, _TRIES)))
        heights = np.sqrt(area * aspect).round().astype(np.int64)
        widths = np.sqrt(area / aspect).round().astype(np.int64)
        fits = (heights < h) & (widths < w)
        first = (np.arange(n), fits.argmax(1))
        found = fits[first]
        return np.where(found, heights[first], 0), np.where(found, widths[first], 0)


def boxes(h: int, w: int, tops: Array, bottoms: Array, lefts: Array, rights: Array) -> Array:
    """Which pixels lie in the rectangle of their image: ``(N, 1, H, W)``."""
    y, x = np.arange(h), np.arange(w)
    rows = (y >= tops[:, None]) & (y < bottoms[:, None])
    columns = (x >= lefts[:, None]) & (x < rights[:, None])
    return rows[:, None, :, None] & columns[:, None, None, :]
