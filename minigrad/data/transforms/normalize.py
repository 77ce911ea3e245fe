"""Centre and scale: the preprocessing of AlexNet, VGG and ResNet, and of plain features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.data.transforms.base import Array, Fitted, Transform, need_floats

__all__ = [
    "MeanImage", "Normalize", "PerChannelMean", "PerChannelStandardize", "Standardize", "ToTensor",
    "UnitNorm",
]  # fmt: skip


class _Affine(Fitted):
    """``(x - mean) / std``, with what a subclass learns; `std` is None for 1."""

    mean: Array | None = None
    std: Array | None = None

    def apply(self, x: Array) -> Array:
        """The centred and scaled copy."""
        self.check_fitted()
        mean, std = self._for(need_floats(self, x))
        out = x - mean
        return out if std is None else np.divide(out, std, out)

    def inverse(self, x: Any) -> Any:
        """Undo it: ``x * std + mean``."""
        self.check_fitted()
        array = x.array if isinstance(x, Tensor) else np.asarray(x)
        mean, std = self._for(need_floats(self, array))
        out = (array if std is None else array * std) + mean
        return Tensor(out) if isinstance(x, Tensor) else out

    def _for(self, x: Array) -> tuple[Array, Array | None]:
        """Mean and deviation of the type of `x`, if their shapes fit it."""
        mean, std = self.mean, self.std
        assert mean is not None
        fits = len(mean.shape) <= x.ndim and all(
            a in (1, b) for a, b in zip(mean.shape[::-1], x.shape[::-1])
        )
        if not fits:
            raise ValueError(
                f"{type(self).__name__} has learnt from samples of {mean.shape} (1 stands for any "
                f"size), got {x.shape}"
            )
        return mean.astype(x.dtype), None if std is None else std.astype(x.dtype)


def _spread(x: Array, axes: tuple[int, ...], mean: Array) -> Array:
    """Standard deviation; 1 where nothing varies, so that a constant becomes 0 and not NaN."""
    total: Any = 0.0
    for start in range(0, len(x), 1024):  # float64 copies of a part at a time
        part = np.square(x[start : start + 1024] - mean)
        total = total + part.sum(axes, keepdims=True)
    std = np.sqrt(total / (x.size // total.size))
    # The mean of equal numbers may be off by rounding: that is no variation.
    return np.where(std > 1e-12 * np.abs(mean), std, 1.0)


class MeanImage(_Affine):
    """Subtract the mean image of the training set, pixel by pixel: zero-centred data (AlexNet).

    ``x - mean(x_train, over N)``. Krizhevsky, Sutskever, Hinton 2012; lecture X9.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.transforms import MeanImage
    >>> x = np.array([[1.0, 5.0], [3.0, 7.0]])
    >>> MeanImage().fit(x)(x)
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    def learn(self, x: Array) -> None:
        """The mean over the samples."""
        self.mean = x.mean(0, dtype=np.float64)


class Standardize(_Affine):
    """Each feature to mean 0 and standard deviation 1 (lectures X9, A: zero-centre, normalize).

    ``(x - mean) / std``, both over the samples. A feature that never varies becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.transforms import Standardize
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> Standardize().fit(x)(x)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    def learn(self, x: Array) -> None:
        """Mean and deviation over the samples."""
        self.mean = x.mean(0, dtype=np.float64)
        self.std = _spread(x, (0,), self.mean)[0]


def _check_images(transform: Any, x: Array) -> None:
    if x.ndim < 3:
        raise ValueError(
            f"{type(transform).__name__} learns from images (N, channels, height, width), got "
            f"shape {x.shape}"
        )


class PerChannelMean(_Affine):
    """Subtract one number from each channel: its mean (VGG).

    ``x[:, c] - mean(x_train[:, c])``. Simonyan & Zisserman 2015; lecture X9.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import PerChannelMean
    >>> x = mg.arange(8.0).reshape(1, 2, 2, 2)
    >>> PerChannelMean().fit(x).mean.ravel().tolist()
    [1.5, 5.5]
    """

    def learn(self, x: Array) -> None:
        """The mean of each channel."""
        _check_images(self, x)
        axes = (0, *range(2, x.ndim))
        self.mean = x.mean(axes, dtype=np.float64, keepdims=True)[0]


class PerChannelStandardize(_Affine):
    """Each channel to mean 0 and standard deviation 1 (ResNet).

    ``(x[:, c] - mean_c) / std_c`` over all pixels of the training set. He et al. 2016; lecture X9.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import PerChannelStandardize
    >>> x = mg.rand(50, 3, 8, 8) * 4 + 1
    >>> y = PerChannelStandardize().fit(x)(x)
    >>> bool(y.mean().abs() < 1e-5), round(y.std().item(), 3)
    (True, 1.0)
    """

    def learn(self, x: Array) -> None:
        """Mean and deviation of each channel."""
        _check_images(self, x)
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axes, dtype=np.float64, keepdims=True)
        self.std = _spread(x, axes, mean)[0]
        self.mean = mean[0]


class Normalize(_Affine):
    """``(x[:, c] - mean[c]) / std[c]`` with known numbers, as torchvision's of that name.

    Parameters
    ----------
    mean, std : sequence of float
        One number for each channel, or one for all.

    Raises
    ------
    ValueError
        If their lengths differ, a deviation is 0, or the channels are not that many.
    TypeError
        For integer images.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data.transforms import Normalize
    >>> Normalize((0.5,), (0.25,))(mg.ones(1, 1, 2, 2)).tolist()
    [[[[2.0, 2.0], [2.0, 2.0]]]]
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = (
            np.atleast_1d(np.asarray(v.array if isinstance(v, Tensor) else v, np.float64))
            for v in (mean, std)
        )
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(
                "mean and std should be sequences of the same length, one number for each channel, "
                f"got shapes {self.mean.shape} and {self.std.shape}"
            )
        if (self.std == 0).any():
            raise ValueError(f"std evaluated to zero, leading to division by zero: {self.std}")
        self.mean, self.std = self.mean[:, None, None], self.std[:, None, None]
        self._fitted = True

    def fit(self, x: Any) -> Normalize:
        """Nothing to learn; for chains."""
        return self

    def __repr__(self) -> str:
        assert self.mean is not None
        assert self.std is not None
        return f"Normalize(mean={self.mean.ravel().tolist()}, std={self.std.ravel().tolist()})"


class UnitNorm(Transform):
    """Each sample to length 1: ``x / max(||x||, eps)`` over all that it consists of (lecture X9).

    Batches are ``(N, features)`` or ``(N, C, H, W)``; one or three dimensions are a single sample.

    Parameters
    ----------
    eps : float
        Against the division by 0.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.transforms import UnitNorm
    >>> UnitNorm()(np.array([[3.0, 4.0], [0.0, 2.0]]))
    array([[0.6, 0.8],
           [0. , 1. ]])
    """

    def __init__(self, eps: float = 1e-12) -> None:
        self.eps = eps

    def apply(self, x: Array) -> Array:
        """The samples, each divided by its norm."""
        if x.ndim in (1, 3):
            one: Array = self.apply(x[None])[0]
            return one
        flat = need_floats(self, x).reshape(len(x), -1)
        norm = np.sqrt(np.einsum("ij,ij->i", flat, flat))
        norm = np.maximum(norm, self.eps).astype(x.dtype)
        out: Array = x / norm.reshape(-1, *[1] * (x.ndim - 1))
        return out


class ToTensor(Transform):
    """Pictures to float32 tensors from 0 to 1 with the channels first, as torchvision's.

    An array ``(height, width, channels)`` or ``(height, width)`` of bytes becomes
    ``(channels, height, width)``, divided by 255, as does a picture of Pillow; arrays of floats are
    only turned round. A tensor of bytes is divided by 255, a tensor of floats stays as it is: the
    images of this package's datasets pass unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.transforms import ToTensor
    >>> picture = ToTensor()(np.full((4, 6, 3), 255, np.uint8))
    >>> tuple(picture.shape), picture.max().item()
    ((3, 4, 6), 1.0)
    """

    def __call__(self, pic: Any) -> Any:
        """Turn a picture into a tensor."""
        if isinstance(pic, Tensor):
            return Tensor(_to_unit(pic.array))
        array = np.asarray(pic)
        if array.ndim not in (2, 3) or array.dtype.kind not in "uifb":
            raise TypeError(
                "ToTensor takes a tensor, or a picture as an array (height, width) or (height, "
                f"width, channels), got {type(pic).__name__} of shape {array.shape}"
            )
        array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        return Tensor(np.ascontiguousarray(_to_unit(array)))


def _to_unit(x: Array) -> Array:
    return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x
