"""Noise on what passes, in training."""

from __future__ import annotations

from minigrad.core.tensor import Tensor
from minigrad.nn.layer import UnaryLayer
from minigrad.ops.random import NORMAL, Generator

__all__ = ["GaussianNoise"]


class GaussianNoise(UnaryLayer, shown="std="):
    r"""In training, adds normal noise of mean 0: ``y = x + std * N(0, 1)``.

    On the inputs of a linear unit it is an L2 penalty of the weights: the expected squared error is
    ``E[(y - t)^2] + std^2 * sum(w^2)`` (Bishop 1995, "Training with noise is equivalent to Tikhonov
    regularization"). On the input of an autoencoder it makes it a denoising one. In evaluation it
    does nothing.

    Parameters
    ----------
    std : float
        The standard deviation of the noise.
    generator : Generator, optional
        Where the noise comes from; by default the common one (`minigrad.manual_seed`).

    Raises
    ------
    ValueError
        If `std` is negative.

    Examples
    --------
    >>> import minigrad as mg
    >>> noisy = mg.nn.GaussianNoise(0.1)
    >>> bool((noisy(mg.ones(3)) == 1).any())
    False
    >>> noisy.eval()(mg.ones(3))
    tensor([1., 1., 1.])
    """

    std: float = 0.1
    generator: Generator | None = None

    def __post_init__(self) -> None:
        if not self.std >= 0:
            raise ValueError(f"the standard deviation must not be negative, but got {self.std}")

    def forward(self, input: Tensor) -> Tensor:
        """Add noise in training; the input as it is otherwise.

        Parameters
        ----------
        input : Tensor
            Of any shape; of floating point numbers.
        """
        if not self.training or self.std == 0:
            return input
        if not input.dtype.is_floating_point:
            raise TypeError(f"GaussianNoise expects floating point numbers, but got {input.dtype}")
        noise = NORMAL((), (input.array.shape, input.array.dtype), self.generator)
        return input + noise * self.std
