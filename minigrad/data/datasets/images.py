"""What datasets of small pictures have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.data.dataset import _Pairs
from minigrad.data.transforms.base import Transform

__all__ = ["FetchedImages", "Images"]


class Images(_Pairs):
    """Pictures with a class each; a sample is ``(image, label)``.

    The image is a float32 tensor of shape ``(channels, height, width)``, 0 for black and 1 for
    white, the label an int, unless a `transform` makes something else of them.

    Parameters
    ----------
    data : numpy.ndarray
        Shape ``(N, height, width)`` or ``(N, channels, height, width)``, uint8.
    targets : numpy.ndarray
        Shape ``(N,)``, integers.
    white : int
        The value in `data` that stands for 1.
    transform, target_transform : callable, optional
        Applied to each image, each label. A `transform` of :mod:`minigrad.data.transforms` is
        applied to all images of a batch at once where the loader allows it, which is much faster.

    Attributes
    ----------
    data, targets : Tensor
        All pictures as they are stored, and all labels (int64).

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.datasets import Images
    >>> pictures = Images(np.full((5, 8, 8), 255, np.uint8), np.arange(5), white=255)
    >>> image, label = pictures[3]
    >>> tuple(image.shape), image.max().item(), label
    ((1, 8, 8), 1.0, 3)
    """

    classes: tuple[str, ...] = ()

    def __init__(
        self,
        data: Array,
        targets: Array,
        white: int,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self.data = Tensor(data)
        self.targets = Tensor(targets.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform
        self._scale = np.float32(1 / white)
        self._grey = data.ndim == 3

    def _images(self, stored: Array) -> Tensor:
        return Tensor((stored[..., None, :, :] if self._grey else stored) * self._scale)

    def _pair(self, index: int) -> tuple[Tensor, int]:
        """An image, and the number of its class."""
        return self._images(self.data.array[index]), int(self.targets.array[index])

    def __len__(self) -> int:
        return int(self.targets.array.shape[0])

    def __repr__(self) -> str:
        shape = self.data.array.shape
        sizes = " x ".join(map(str, shape[1:] if len(shape) == 4 else (1, *shape[1:])))
        return f"{type(self).__name__}({shape[0]} images of {sizes}, {len(self.classes)} classes)"

    def _batch(self, indices: Array) -> list[Any] | None:
        if self.target_transform is not None:
            return None
        transform = self.transform
        if transform is not None and not (isinstance(transform, Transform) and transform.batched):
            return None
        images: Any = self._images(self.data.array.take(indices, 0))
        if transform is not None:
            images = transform(images)
        return [images, Tensor(self.targets.array.take(indices))]

    def tensors(self) -> tuple[Tensor, Tensor]:
        """All images, scaled, as one tensor ``(N, channels, height, width)``, and all labels."""
        return self._images(self.data.array), Tensor(self.targets.array.copy())


class FetchedImages(Images):
    """Pictures of 256 levels in files that are there, or are fetched: a subclass reads them."""

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
    ) -> None:
        self.train = train
        super().__init__(*self._load(root, download), 255, transform, target_transform)

    def _load(self, root: str | Path | None, download: bool) -> tuple[Array, Array]:
        """The pictures and their labels."""
        raise NotImplementedError(f"{type(self).__name__} must define _load(root, download)")
