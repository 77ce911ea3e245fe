"""Augmentation of images and labels together: mixup, cutmix, label noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.data.randomness import batch_generator
from minigrad.data.transforms.base import Array, need_floats, probability
from minigrad.data.transforms.noise import boxes
from minigrad.ops.random import Generator

__all__ = ["CutMix", "LabelNoise", "MixUp"]


class _Mix:
    """Mixes each sample with a partner: a subclass mixes the inputs, this class the labels."""

    def __init__(
        self, alpha: float = 1.0, num_classes: int | None = None, generator: Generator | None = None
    ) -> None:
        if not alpha > 0:
            raise ValueError(f"alpha should be more than 0, got {alpha}")
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self.generator = generator

    def __call__(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The mixed inputs, and targets ``(N, classes)`` that sum up to 1 each."""
        inputs = need_floats(self, _array(self, x))
        targets = self._one_hot(_array(self, y), inputs.dtype)
        if len(inputs) != len(targets):
            raise ValueError(
                f"{type(self).__name__} takes as many targets as inputs, got {len(targets)} and "
                f"{len(inputs)}"
            )
        rng = batch_generator(self.generator).numpy
        partner = rng.permutation(len(inputs))
        share = rng.beta(self.alpha, self.alpha, len(inputs))
        inputs, share = self.mix(inputs, partner, share, rng)
        kept = share.astype(targets.dtype)[:, None]
        targets = kept * targets + (1 - kept) * targets[partner]
        if isinstance(x, Tensor):
            return Tensor(inputs), Tensor(targets)
        return inputs, targets

    def mix(
        self, x: Array, partner: Array, share: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """The mixed inputs, and the share of each sample itself in them."""
        raise NotImplementedError(f"{type(self).__name__} must define mix()")

    def _one_hot(self, y: Array, kind: np.dtype[Any]) -> Array:
        if y.ndim == 2 and y.dtype.kind == "f":
            return y
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise ValueError(
                f"{type(self).__name__} takes labels (N,) or probabilities (N, classes), got "
                f"{y.dtype} of shape {y.shape}"
            )
        if self.num_classes is None:
            raise ValueError(f"num_classes is needed to mix labels: {type(self).__name__}(...)")
        return np.eye(self.num_classes, dtype=kind)[
            check_labels(type(self).__name__, y, self.num_classes)
        ]


def _array(transform: Any, x: Any) -> Array:
    if isinstance(x, Tensor):
        return x.array
    if isinstance(x, np.ndarray):
        return x
    raise TypeError(
        f"{type(transform).__name__} takes tensors or numpy arrays, got {type(x).__name__}"
    )


def check_labels(name: str, y: Array, num_classes: int) -> Array:
    """`y`, if it holds numbers of classes; `name` is who asks.

    Raises
    ------
    TypeError
        If it does not hold integers.
    IndexError
        If there is no class of a number.
    """
    if y.dtype.kind not in "iu":
        raise TypeError(f"{name} takes class numbers, got {y.dtype}")
    if y.size and not 0 <= y.min() <= y.max() < num_classes:
        raise IndexError(
            f"{name}: labels should be from 0 to {num_classes - 1}, got {y.min()} to {y.max()}"
        )
    return y


class MixUp(_Mix):
    """Train on weighted means of two samples and of their labels (Zhang et al. 2018).

    ``x~ = m x_i + (1 - m) x_j`` and ``y~ = m y_i + (1 - m) y_j``, with ``m ~ Beta(alpha, alpha)``
    for each sample, and as its partner `j` another one of the batch, by a random permutation.

    Parameters
    ----------
    alpha : float
        Small values mix little.
    num_classes : int, optional
        Needed where targets are class numbers.
    generator : Generator, optional

    Notes
    -----
    Called with inputs of any shape ``(N, ...)`` and labels ``(N,)`` or probabilities
    ``(N, classes)``; gives both mixed. `cross_entropy` takes the probabilities as they are.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import MixUp
    >>> x, y = MixUp(num_classes=3)(mg.eye(3), mg.tensor([0, 1, 2]))
    >>> bool(x.allclose(y))
    True
    """

    def mix(
        self, x: Array, partner: Array, share: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """The weighted means."""
        kept = share.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        other = x[partner]
        other += kept * (x - other)
        return other, share


class CutMix(_Mix):
    """Paste a rectangle of another image into each one; mix labels by area (Yun et al. 2019).

    The rectangle has the share ``1 - m`` of the image, ``m ~ Beta(alpha, alpha)``, and lies
    anywhere; what of it falls outside does not count for the labels.

    Parameters
    ----------
    alpha : float
    num_classes : int, optional
        Needed where targets are class numbers.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import CutMix
    >>> x, y = CutMix(num_classes=2)(mg.rand(4, 1, 8, 8), mg.tensor([0, 1, 0, 1]))
    >>> tuple(x.shape), y.sum(1).tolist()
    ((4, 1, 8, 8), [1.0, 1.0, 1.0, 1.0])
    """

    def mix(
        self, x: Array, partner: Array, share: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """The images with pasted rectangles."""
        if x.ndim != 4:
            raise ValueError(f"CutMix takes images (N, channels, height, width), got {x.shape}")
        n, _, h, w = x.shape
        side = np.sqrt(1 - share)
        y, z = rng.integers(0, h, n), rng.integers(0, w, n)
        half_h, half_w = (side * h / 2).astype(np.int64), (side * w / 2).astype(np.int64)
        tops, bottoms = np.maximum(y - half_h, 0), np.minimum(y + half_h, h)
        lefts, rights = np.maximum(z - half_w, 0), np.minimum(z + half_w, w)
        inside = boxes(h, w, tops, bottoms, lefts, rights)
        return (np.where(inside, x[partner], x), 1 - (bottoms - tops) * (rights - lefts) / (h * w))


class LabelNoise:
    """Make each label, with probability `p`, one of the other classes (lecture G).

    The wrong labels of real data, made on purpose: as a regularizer, or to see how much noise a
    network takes. In the mean the targets are those of label smoothing
    (:func:`minigrad.train.smooth_targets`): ``1 - p`` for the class of the label, and
    ``p / (num_classes - 1)`` for each other.

    Parameters
    ----------
    p : float
    num_classes : int
        At least 2.
    generator : Generator, optional

    Raises
    ------
    ValueError
        If `p` is no probability, or there are fewer than two classes.
    TypeError
        When called with labels that are not integers.
    IndexError
        When called with a label that is none of the classes.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import LabelNoise
    >>> LabelNoise(1.0, 2)(mg.tensor([0, 1, 1])).tolist()
    [1, 0, 0]
    """

    def __init__(self, p: float, num_classes: int, generator: Generator | None = None) -> None:
        self.p = probability("p", p)
        if num_classes < 2:
            raise ValueError(f"num_classes should be at least 2, got {num_classes}")
        self.num_classes = num_classes
        self.generator = generator

    def __call__(self, y: Any) -> Any:
        """The labels, some of them replaced."""
        labels = check_labels("LabelNoise", _array(self, y), self.num_classes)
        rng = batch_generator(self.generator).numpy
        others = (labels + rng.integers(1, self.num_classes, labels.shape)) % self.num_classes
        noisy = np.where(rng.random(labels.shape) < self.p, others, labels).astype(labels.dtype)
        return Tensor(noisy) if isinstance(y, Tensor) else noisy
