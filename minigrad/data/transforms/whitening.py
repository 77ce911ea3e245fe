"""Directions of variation: PCA, and whitening by it (lecture X9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.data.transforms.base import Array, Fitted, need_floats

__all__ = ["PCA", "Whitening"]


class _Decorrelated(Fitted):
    """The eigenvectors of the covariance: learnt in float64 from samples of any shape."""

    mean: Array
    #: Rows are the directions, the one of most variance first; of length 1.
    components: Array
    #: Variance along each direction.
    explained_variance: Array
    _shape: tuple[int, ...]

    def _learn(self, x: Array) -> None:
        self._shape = x.shape[1:]
        flat = x.reshape(len(x), -1).astype(np.float64)
        if len(flat) < 2:
            raise ValueError(f"{type(self).__name__}.fit needs at least two samples, got 1")
        self.mean = flat.mean(0)
        flat -= self.mean
        values, vectors = np.linalg.eigh(flat.T @ flat / (len(flat) - 1))
        self.explained_variance = np.maximum(values[::-1], 0.0)
        rows = vectors.T[::-1]
        # An eigenvector's sign is arbitrary: let its largest element be positive.
        largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1)
        self.components = np.ascontiguousarray(rows * np.sign(largest))

    def _centred(self, x: Array) -> tuple[Array, np.dtype[Any]]:
        """The samples as rows in float64, centred, and the type that the result shall have."""
        self.check_fitted()
        need_floats(self, x)
        if x.shape[1:] != self._shape:
            raise ValueError(
                f"{type(self).__name__} has learnt from samples of shape {self._shape}, got a "
                f"batch of shape {x.shape}"
            )
        return x.reshape(len(x), -1) - self.mean, x.dtype


class PCA(_Decorrelated):
    """Principal components: rotate centred samples to the directions of most variance.

    ``(x - mean) @ components.T``: the features of the result are uncorrelated, their variances
    fall. Keeping the first few is the best linear compression. Pearson 1901; lecture X9.

    Parameters
    ----------
    n_components : int, optional
        How many directions to keep; by default all.

    Attributes
    ----------
    mean : numpy.ndarray
    components : numpy.ndarray
        Shape ``(n_components, features)``; each row has length 1.
    explained_variance : numpy.ndarray
        Variance along each direction.
    explained_variance_ratio : numpy.ndarray
        The same as shares of the whole.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.transforms import PCA
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> pca = PCA(1).fit(x)
    >>> pca.explained_variance_ratio.round(6), pca(x).round(3).ravel()
    (array([1.]), array([-1.414,  0.   ,  1.414]))
    >>> np.allclose(pca.inverse(pca(x)), x)
    True
    """

    def __init__(self, n_components: int | None = None) -> None:
        if n_components is not None and n_components < 1:
            raise ValueError(f"n_components should be positive, got {n_components}")
        self.n_components = n_components

    def learn(self, x: Array) -> None:
        """Mean, directions, and variances."""
        self._learn(x)
        n, features = self.n_components, len(self.components)
        if n is not None and n > features:
            raise ValueError(f"n_components={n} is more than the {features} features")
        total = self.explained_variance.sum() or 1.0
        self.components = self.components[:n]
        self.explained_variance = self.explained_variance[:n]
        self.explained_variance_ratio = self.explained_variance / total

    def apply(self, x: Array) -> Array:
        """The coordinates ``(N, n_components)``, or those of one sample."""
        if self._fitted and x.shape == self._shape:
            one: Array = self.apply(x[None])[0]
            return one
        flat, dtype = self._centred(x)
        return (flat @ self.components.T).astype(dtype)

    def inverse(self, x: Any) -> Any:
        """Back to samples: exactly if all components were kept, else the nearest ones."""
        self.check_fitted()
        array = x.array if isinstance(x, Tensor) else np.asarray(x)
        back = array @ self.components + self.mean
        back = back.reshape(-1, *self._shape).astype(array.dtype)
        return Tensor(back) if isinstance(x, Tensor) else back


class Whitening(_Decorrelated):
    """Make all features uncorrelated and of variance 1: the covariance becomes the identity.

    With the variances ``v`` along the principal directions ``U`` (rows): PCA whitening is
    ``(x - mean) @ U.T / sqrt(v + eps)``; ZCA turns this back, ``... @ U``, which of all whitenings
    changes the samples least, so that images still look like images. Bell & Sejnowski 1997;
    Krizhevsky 2009; lecture X9.

    Parameters
    ----------
    kind : {"pca", "zca"}
    eps : float
        Added to the variances, so that directions in which nothing varies are not blown up.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.data.transforms import Whitening
    >>> x = np.random.default_rng(0).normal(size=(500, 2)) @ np.array([[2.0, 1.0], [0.0, 1.0]])
    >>> y = Whitening("zca", eps=0.0).fit(x)(x)
    >>> np.allclose(np.cov(y.T), np.eye(2))
    True
    """

    def __init__(self, kind: str = "pca", eps: float = 1e-5) -> None:
        if kind not in ("pca", "zca"):
            raise ValueError(f"kind should be 'pca' or 'zca', got {kind!r}")
        if eps < 0:
            raise ValueError(f"eps should not be negative, got {eps}")
        self.kind = kind
        self.eps = eps

    def learn(self, x: Array) -> None:
        """Mean, directions, variances, and the two matrices."""
        self._learn(x)
        root = np.sqrt(self.explained_variance + self.eps)
        if (root == 0).any():
            raise ValueError("in some directions nothing varies: eps must be more than 0")
        turn = self.components if self.kind == "zca" else np.eye(len(root))
        self._matrix = (self.components.T / root) @ turn
        self._back = turn.T @ (root[:, None] * self.components)

    def apply(self, x: Array) -> Array:
        """The whitened samples, or the one, of the same shape."""
        if self._fitted and x.shape == self._shape:
            one: Array = self.apply(x[None])[0]
            return one
        flat, dtype = self._centred(x)
        return (flat @ self._matrix).reshape(x.shape).astype(dtype)

    def inverse(self, x: Any) -> Any:
        """Undo it."""
        self.check_fitted()
        array = x.array if isinstance(x, Tensor) else np.asarray(x)
        flat = array.reshape(-1, len(self.mean))
        back = (flat @ self._back + self.mean).reshape(-1, *self._shape).astype(array.dtype)
        return Tensor(back) if isinstance(x, Tensor) else back
