"""The 8 x 8 digits that come with scikit-learn: for examples that must not need the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.data.datasets.images import Images

__all__ = ["Digits"]

_TRAINING = 1437  # of 1797: four fifths, in the order of the set, as writers follow one another


class Digits(Images):
    """1797 handwritten digits, 8 x 8 with 17 shades (Alpaydin & Kaynak 1998, test part).

    Parameters
    ----------
    train : bool, optional
        True for the first 1437, False for the other 360, which others wrote; by default all.
    transform, target_transform : callable, optional
        Applied to each image, a float32 tensor of shape ``(1, 8, 8)`` from 0 to 1; and to each
        label, an int.

    Raises
    ------
    ImportError
        Without scikit-learn: ``pip install "minigrad[examples]"``.

    Examples
    --------
    >>> from minigrad.data.datasets import Digits
    >>> image, label = Digits()[0]
    >>> tuple(image.shape), label
    ((1, 8, 8), 0)
    """

    classes = tuple(str(digit) for digit in range(10))

    def __init__(
        self,
        train: bool | None = None,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ImportError(
                "Digits needs scikit-learn, which comes with the extra 'examples': "
                'pip install "minigrad[examples]"'
            ) from error
        bunch = load_digits()
        part = (
            slice(None) if train is None else slice(_TRAINING) if train else slice(_TRAINING, None)
        )
        images = bunch.images[part].astype(np.uint8)
        super().__init__(images, bunch.target[part], 16, transform, target_transform)
