"""What all transforms share: arrays and tensors, randomness, and chains of transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.data.collate import default_collate
from minigrad.data.randomness import batch_generator
from minigrad.ops.random import Generator

__all__ = ["Array", "CollateThen", "Compose", "Fitted", "ImageTransform", "Lambda", "Transform"]


class Transform:
    """Base class: a subclass defines ``apply(array) -> array``.

    Called with a tensor it gives a tensor, called with an array an array; neither is changed, and
    no gradient flows. Objects can be pickled, so they work in loader processes.
    """

    #: Whether it may be called with several samples at once.
    batched: bool = True

    def __call__(self, x: Any) -> Any:
        """Apply to a tensor or an array."""
        if isinstance(x, Tensor):
            return Tensor(self.apply(x.array))
        if isinstance(x, np.ndarray):
            return self.apply(x)
        raise TypeError(
            f"{type(self).__name__} takes a tensor or a numpy array, got {type(x).__name__}"
        )

    def apply(self, x: Array) -> Array:
        """The transformed copy of an array."""
        raise NotImplementedError(f"{type(self).__name__} must define apply(array)")

    def __repr__(self) -> str:
        settings = [f"{k}={v!r}" for k, v in vars(self).items() if _is_setting(k, v)]
        return f"{type(self).__name__}({', '.join(settings)})"


def _is_setting(name: str, value: Any) -> bool:
    return name[0] != "_" and value is not None and not isinstance(value, (np.ndarray, Generator))


class Fitted(Transform):
    """A transform that learns from data: ``fit`` first; a subclass defines ``learn(array)``."""

    _fitted = False

    def fit(self, x: Any) -> Self:
        """Learn from a batch: the training set, or as much of it as is needed. Returns itself."""
        array = x.array if isinstance(x, Tensor) else np.asarray(x)
        if array.ndim < 2 or not array.shape[0]:
            raise ValueError(
                f"{type(self).__name__}.fit needs at least one sample, (N, ...), got shape "
                f"{array.shape}"
            )
        self.learn(need_floats(self, array))
        self._fitted = True
        return self

    def learn(self, x: Array) -> None:
        """Learn from an array of floats."""
        raise NotImplementedError(f"{type(self).__name__} must define learn(array)")

    def check_fitted(self) -> None:
        """Refuse to go on before ``fit``."""
        if not self._fitted:
            name = type(self).__name__
            raise RuntimeError(f"{name} has not learnt anything yet: call fit(training images)")


class ImageTransform(Transform):
    """A transform of images, perhaps at random; a subclass defines ``on_images(array, rng)``.

    Parameters
    ----------
    generator : Generator, optional
        Where random numbers come from; by default the common one. While a `DataLoader` makes a
        batch, they come from the seed and the number of that batch instead (see
        :func:`minigrad.data.batch_generator`), so that workers change nothing.
    """

    def __init__(self, generator: Generator | None = None) -> None:
        self.generator = generator

    def apply(self, x: Array) -> Array:
        """The transformed copy of ``(N, C, H, W)``, or of one image ``(C, H, W)``."""
        if x.ndim not in (3, 4):
            raise ValueError(
                f"{type(self).__name__} takes images (N, channels, height, width), or one without "
                f"N, got shape {x.shape}"
            )
        rng = batch_generator(self.generator).numpy
        return self.on_images(x, rng) if x.ndim == 4 else self.on_images(x[None], rng)[0]

    def on_images(self, x: Array, rng: np.random.Generator) -> Array:
        """The transformed copy of ``(N, C, H, W)``."""
        raise NotImplementedError(f"{type(self).__name__} must define on_images(array, rng)")


def need_floats(transform: Any, x: Array) -> Array:
    """`x`, unless it holds integers, which this transform would round or overflow."""
    if x.dtype.kind != "f":
        raise TypeError(
            f"{type(transform).__name__} needs floats, got {x.dtype}: scale the images first "
            "(ToTensor(), or x / 255)"
        )
    return x


def probability(name: str, value: float) -> float:
    """`value`, if it is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} should be a probability, from 0 to 1, got {value}")
    return float(value)


class Compose(Transform):
    """Transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callable
        Also functions of the user's own; a loader then calls the whole chain for each sample.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import Compose, Normalize, UnitNorm
    >>> both = Compose([Normalize([0.5], [0.5]), UnitNorm()])
    >>> tuple(both(mg.rand(2, 1, 4, 4)).shape)
    (2, 1, 4, 4)
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms: Sequence[Any] = list(transforms)

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether all of them take several samples at once."""
        return all(isinstance(t, Transform) and t.batched for t in self.transforms)

    def __call__(self, x: Any) -> Any:
        """Apply one after the other."""
        for transform in self.transforms:
            x = transform(x)
        return x

    def fit(self, x: Any) -> Compose:
        """Let each one that learns do so, from what those before it make of `x`."""
        for transform in self.transforms:
            if hasattr(transform, "fit"):
                transform.fit(x)
            x = transform(x)
        return self

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {t!r}\n" for t in self.transforms) + ")"


class Lambda(Transform):
    """A function of the user's own.

    Parameters
    ----------
    lambd : callable
        What it is called with and gives back is up to it.
    batched : bool
        Whether it may be called with several samples at once; then loaders do.
    """

    def __init__(self, lambd: Callable[[Any], Any], batched: bool = False) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__}")
        self.lambd = lambd
        self.batched = batched

    def __call__(self, x: Any) -> Any:
        """Call the function."""
        return self.lambd(x)


class CollateThen:
    """A ``collate_fn``: `default_collate`, then a function of the fields of the whole batch.

    The loader still indexes whole batches where it can, which stacking samples would not.

    Parameters
    ----------
    function : callable
        Called as ``function(*fields)``, as ``function(x, y)`` for pairs; what it returns is the
        batch.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data import DataLoader, TensorDataset
    >>> from minigrad.data.transforms import CollateThen, MixUp
    >>> pairs = TensorDataset(mg.rand(6, 1, 4, 4), mg.tensor([0, 1, 2, 0, 1, 2]))
    >>> loader = DataLoader(pairs, batch_size=3, collate_fn=CollateThen(MixUp(num_classes=3)))
    >>> [tuple(y.shape) for x, y in loader]
    [(3, 3), (3, 3)]
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, samples: Sequence[Any]) -> Any:
        """The batch of a list of samples."""
        return self.after_default_collate(default_collate(samples))

    def after_default_collate(self, batch: Any) -> Any:
        """What becomes of a batch as `default_collate` makes it."""
        if isinstance(batch, (list, tuple)):
            return self.function(*batch)
        return self.function(batch)
