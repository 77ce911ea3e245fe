"""Preprocessing of what is no image: graphs, spectra, rewards.

The lectures name these beside the normalization of images (:mod:`minigrad.data.transforms`). Those
of tensors pass gradients.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.names import eye, where

__all__ = ["RewardNormalizer", "normalize_adjacency", "normalize_spectrogram"]


def normalize_adjacency(
    adjacency: Tensor, *, self_loops: bool = True, symmetric: bool = True
) -> Tensor:
    r"""The adjacency of a graph by degrees, so that features of nodes keep their size.

    :math:`\hat A = D^{-1/2} (A + I) D^{-1/2}`, or :math:`D^{-1} (A + I)`, the mean over neighbours;
    features pass along edges as ``normalize_adjacency(A) @ X``. A node without edges gets zeros.

    Parameters
    ----------
    adjacency : Tensor, shape (*, N, N)
        Weights of edges, not negative; row i says from where node i hears.
    self_loops : bool
        Let each node hear itself: add the unit matrix.
    symmetric : bool
        Divide by the roots of both degrees, else by that of the row.

    Raises
    ------
    ValueError
        If it is not square, or has negative weights.

    References
    ----------
    Kipf and Welling 2017, "Semi-supervised classification with graph convolutional networks".

    Examples
    --------
    >>> import minigrad as mg
    >>> normalize_adjacency(mg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    shape = adjacency.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"normalize_adjacency: expected (*, N, N), got {list(shape)}")
    if bool((adjacency < 0).any()):
        raise ValueError("normalize_adjacency: weights of edges must not be negative")
    a: Tensor = adjacency + eye(shape[-1], dtype=adjacency.dtype) if self_loops else adjacency
    degree: Tensor = a.sum(-1, keepdim=True)
    alone = degree == 0
    safe: Tensor = where(alone, 1.0, degree)
    if symmetric:
        scale: Tensor = where(alone, 0.0, safe.rsqrt())
        return a * scale * scale.transpose(-1, -2)
    return a * where(alone, 0.0, 1 / safe)  # type: ignore[no-any-return]


def normalize_spectrogram(power: Tensor, *, floor: float = 1e-10) -> Tensor:
    r"""The logarithm of a spectrum's power, each frequency with mean 0 and deviation 1 over time.

    Loud and quiet frequencies differ by many powers of ten; after this, all are of the same size,
    and the colour of a microphone is gone.

    Parameters
    ----------
    power : Tensor, shape (*, frequencies, times)
        Not negative.
    floor : float
        Smaller power counts as this.

    Raises
    ------
    ValueError
        If there are fewer than two times, or `floor` is not positive.

    Examples
    --------
    >>> import minigrad as mg
    >>> y = normalize_spectrogram(mg.tensor([[1.0, 100.0], [1e-4, 1e-2]]))
    >>> y.round()
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    if power.ndim < 2 or power.shape[-1] < 2:
        raise ValueError(
            f"normalize_spectrogram: expected (*, frequencies, times), got {list(power.shape)}"
        )
    if floor <= 0:
        raise ValueError(f"normalize_spectrogram: floor must be positive, got {floor}")
    logs: Tensor = power.clamp(min=floor).log()
    centred: Tensor = logs - logs.mean(-1, keepdim=True)
    size: Tensor = centred.square().mean(-1, keepdim=True).sqrt()
    still = size <= 1e-6 * logs.abs().amax(-1, keepdim=True)
    scale: Tensor = where(still, 0.0, 1 / where(still, 1.0, size))
    return centred * scale


class RewardNormalizer:
    r"""Rewards divided by the deviation of the returns they add up to.

    With :math:`R_t = \gamma R_{t-1} + r_t`, the reward is divided by the standard deviation of all
    R so far: losses keep their size, whatever the game counts in. The mean is not subtracted, for
    that would change what is worth doing.

    Parameters
    ----------
    discount : float
        :math:`\gamma`, at least 0 and less than 1.
    eps : float
        Added to the variance.

    References
    ----------
    Engstrom et al. 2020, "Implementation matters in deep policy gradients".

    Examples
    --------
    >>> normal = RewardNormalizer(discount=0.0)
    >>> [round(normal(r), 2) for r in (100.0, -100.0, 100.0, -100.0)]
    [100.0, -1.0, 1.06, -1.0]
    """

    def __init__(self, discount: float = 0.99, eps: float = 1e-8) -> None:
        if not 0 <= discount < 1:
            raise ValueError(f"discount must be at least 0 and less than 1, got {discount}")
        self.discount = discount
        self.eps = eps
        self.count = 0
        self._mean = self._squares = self._return = 0.0

    @property
    def deviation(self) -> float:
        """That of the returns so far; 1 before there are two."""
        if self.count < 2:
            return 1.0
        return math.sqrt(self._squares / self.count + self.eps)

    def __call__(self, reward: float, done: bool = False) -> float:
        """The reward, normalized; `done` says that the episode ends with it.

        Raises
        ------
        ValueError
            If it is not finite.
        """
        if not np.isfinite(reward):
            raise ValueError(f"RewardNormalizer: expected a finite reward, got {reward}")
        self._return = self.discount * self._return + reward
        self.count += 1  # Welford 1962: no difference of large sums
        gap = self._return - self._mean
        self._mean += gap / self.count
        self._squares += gap * (self._return - self._mean)
        if done:
            self._return = 0.0
        return reward / self.deviation

    def state_dict(self) -> dict[str, Any]:
        """What it has seen."""
        return {
            "count": self.count, "mean": self._mean, "squares": self._squares,
            "return": self._return,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.count, self._mean = state["count"], state["mean"]
        self._squares, self._return = state["squares"], state["return"]
