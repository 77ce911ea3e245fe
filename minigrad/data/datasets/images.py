"""What datasets of small grey pictures have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.data.dataset import Dataset
from minigrad.tensor import Tensor

__all__ = ["GreyImages"]

Array = np.ndarray[Any, Any]


class GreyImages(Dataset[tuple[Any, Any]]):
    """Pictures with a class each; a sample is ``(image, label)``.

    The image is a float32 tensor of shape ``(1, height, width)``, 0 for black and 1 for white,
    the label an int, unless a `transform` makes something else of them.

    Parameters
    ----------
    data : numpy.ndarray
        Shape ``(N, height, width)``, uint8.
    targets : numpy.ndarray
        Shape ``(N,)``, integers.
    white : int
        The value in `data` that stands for 1.
    transform, target_transform : callable, optional
        Applied to each image, each label.

    Attributes
    ----------
    data, targets : Tensor
        All pictures as they are stored, and all labels (int64).
    """

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

    def _images(self, stored: Array) -> Tensor:
        return Tensor(stored[..., None, :, :] * self._scale)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self._images(self.data.array[index])
        label: Any = int(self.targets.array[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __len__(self) -> int:
        return len(self.targets)

    def _batch(self, indices: Array) -> list[Tensor] | None:
        if self.transform is not None or self.target_transform is not None:
            return None
        images = self._images(self.data.array.take(indices, 0))
        return [images, Tensor(self.targets.array.take(indices))]

    def tensors(self) -> tuple[Tensor, Tensor]:
        """All images, scaled, as one tensor ``(N, 1, height, width)``, and all labels."""
        return self._images(self.data.array), Tensor(self.targets.array.copy())
