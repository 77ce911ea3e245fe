"""Continuous variables: normal and uniform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigrad import special
from minigrad.core.tensor import Tensor
from minigrad.distributions import constraints
from minigrad.distributions.distribution import Distribution, broadcast_all
from minigrad.ops.random import rand, randn

__all__ = ["Normal", "Uniform"]


class Normal(Distribution):
    r"""The normal distribution, :math:`p(x) = e^{-(x-\mu)^2 / 2\sigma^2} / \sqrt{2\pi\sigma^2}`.

    Samples are ``loc + scale * noise``, so that :meth:`rsample` has derivatives in both: the
    reparameterization of Kingma and Welling, "Auto-Encoding Variational Bayes", 2013.

    Parameters
    ----------
    loc, scale : Tensor or float
        The mean and the standard deviation, broadcast with each other.

    Examples
    --------
    >>> import minigrad as mg
    >>> unit = Normal(0.0, 1.0)
    >>> unit.log_prob(mg.tensor([0.0, 2.0]))
    tensor([-0.9189, -2.9189])
    >>> scale = mg.ones(3, requires_grad=True)
    >>> Normal(mg.zeros(3), scale).rsample((2,)).requires_grad
    True
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    has_rsample = True
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """`loc`."""
        return self.loc

    mode = mean

    @property
    def stddev(self) -> Tensor:
        """`scale`."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The square of `scale`."""
        return self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """``loc + scale * noise``."""
        noise = randn(self._shape(sample_shape), dtype=self.loc.dtype)
        drawn: Tensor = self.loc + self.scale * noise
        return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_value(value)
        z = (value - self.loc) / self.scale
        return -0.5 * z**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a value not above the given one."""
        self._check_value(value)
        return special.ndtr((value - self.loc) / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of :meth:`cdf`."""
        return self.loc + self.scale * special.ndtri(value)

    def entropy(self) -> Tensor:
        r""":math:`\frac12 + \frac12\log 2\pi + \log\sigma`."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Uniform(Distribution):
    """All numbers from `low` to `high` alike.

    Parameters
    ----------
    low, high : Tensor or float
        The bounds, broadcast with each other; `high` is not drawn.

    Raises
    ------
    ValueError
        If a bound `low` is not below its `high`.

    Examples
    --------
    >>> import minigrad as mg
    >>> Uniform(0.0, 4.0).log_prob(mg.tensor(3.0)).exp()
    tensor(0.2500)
    """

    arg_constraints = {"low": constraints.real, "high": constraints.real}  # noqa: RUF012
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not bool((self.low < self.high).all()):
            raise ValueError(f"Uniform is not defined when low >= high, got {self!r}")

    @property
    def support(self) -> constraints.Constraint:
        """From `low` to `high`."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        """A twelfth of the square of the width."""
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """``low + (high - low) * noise``."""
        noise = rand(self._shape(sample_shape), dtype=self.low.dtype)
        drawn: Tensor = self.low + (self.high - self.low) * noise
        return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """``-log(high - low)`` from `low` up to `high`, minus infinity elsewhere."""
        self._check_value(value)
        inside = (self.low <= value) & (value < self.high)
        return inside.type_as(self.low).log() - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The part of the width below the value."""
        self._check_value(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of :meth:`cdf`."""
        return self.low + (self.high - self.low) * value

    def entropy(self) -> Tensor:
        """``log(high - low)``."""
        return (self.high - self.low).log()
