"""Vectors of variables: independent ones counted as one, and normal ones that go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigrad import linalg
from minigrad.core.tensor import Tensor
from minigrad.distributions import constraints
from minigrad.distributions.distribution import Distribution
from minigrad.ops.random import randn

__all__ = ["Independent", "MultivariateNormal"]


def _sum_last(x: Tensor, count: int) -> Tensor:
    return x.sum(tuple(range(-count, 0))) if count else x


class Independent(Distribution):
    """A distribution whose last batch dimensions are taken as one value: probabilities multiply.

    Parameters
    ----------
    base_distribution : Distribution
        Of each variable.
    reinterpreted_batch_ndims : int
        How many of its last batch dimensions make up a value.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.distributions import Normal
    >>> policy = Independent(Normal(mg.zeros(4, 2), mg.ones(4, 2)), 1)
    >>> policy.log_prob(policy.sample()).shape
    minigrad.Size([4])
    """

    def __init__(
        self,
        base_distribution: Any,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        base, count = base_distribution, reinterpreted_batch_ndims
        if count > len(base.batch_shape):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{count} vs {len(base.batch_shape)}"
            )
        self.base_dist: Distribution = base
        self.reinterpreted_batch_ndims = count
        shape, kept = base.batch_shape + base.event_shape, len(base.batch_shape) - count
        super().__init__(shape[:kept], shape[kept:], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether the samples of each variable have derivatives."""
        return bool(self.base_dist.has_rsample)

    @property
    def support(self) -> constraints.Constraint:
        """That of each variable, for all of a value."""
        base, count = self.base_dist.support, self.reinterpreted_batch_ndims
        return constraints.Constraint(
            f"IndependentConstraint({base!r}, {count})",
            lambda x: base.check(x).flatten(-count).all(-1) if count else base.check(x),
            base.event_dim + count,
        )

    @property
    def mean(self) -> Tensor:
        """The means of the variables."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The modes of the variables."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The variances of the variables."""
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Samples of the variables."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Samples of the variables with derivatives."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum over the variables of a value."""
        return _sum_last(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The sum over the variables of a value."""
        return _sum_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def expand(self, batch_shape: Sequence[int]) -> Independent:
        """The same distributions, repeated to a larger batch."""
        count = self.reinterpreted_batch_ndims
        inner = self.event_shape[:count]
        return Independent(self.base_dist.expand((*batch_shape, *inner)), count)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class MultivariateNormal(Distribution):
    r"""Normal vectors :math:`x = \mu + L\epsilon`, of covariance :math:`LL^\top`.

    Parameters
    ----------
    loc : Tensor of shape (..., n)
        The mean.
    covariance_matrix, precision_matrix, scale_tril : Tensor of shape (..., n, n)
        The covariance, its inverse, or its Cholesky factor `L`: one of the three; the factor costs
        least.

    Examples
    --------
    >>> import minigrad as mg
    >>> d = MultivariateNormal(mg.zeros(2), mg.eye(2) * 4)
    >>> d.log_prob(mg.tensor([0.0, 2.0])), d.variance
    (tensor(-3.7242), tensor([4., 4.]))
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    has_rsample = True
    support = constraints.real_vector

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        named = [(name, m) for name, m in given.items() if m is not None]
        if len(named) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                f"specified, got {len(named)}"
            )
        ((self._name, matrix),) = named
        n = loc.shape[-1] if loc.ndim else 0
        if matrix.ndim < 2 or not n or matrix.shape[-2:] != (n, n):
            raise ValueError(
                f"expected loc of shape (..., n) and {self._name} of shape (..., n, n), got "
                f"{tuple(loc.shape)} and {tuple(matrix.shape)}"
            )
        lead = (matrix[..., 0, 0] + loc[..., 0]).shape
        self.loc = loc.expand(*lead, n)
        self.__dict__[self._name] = matrix.expand(*lead, n, n)
        super().__init__(lead, (n,), validate_args)
        self._factor = self._find_factor()

    def _find_factor(self) -> Tensor:
        matrix: Tensor = self.__dict__[self._name]
        if self._name == "scale_tril":
            return matrix
        if self._name == "covariance_matrix":
            return linalg.cholesky(matrix)
        # P = U U^T for the upper triangle U, a Cholesky factor in the reverse order, and L = U^-T.
        reverse = linalg.cholesky(matrix.flip((-2, -1))).flip((-2, -1))
        return linalg.inv(reverse.mT)

    def __getattr__(self, name: str) -> Any:
        # The two matrices that were not given are made of the factor when they are asked for.
        if name == "scale_tril":
            return self._factor
        if name == "covariance_matrix":
            return self._factor @ self._factor.mT
        if name == "precision_matrix":
            return linalg.inv(self._factor @ self._factor.mT)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def mean(self) -> Tensor:
        """`loc`."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        return self._factor.square().sum(-1)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """``loc + scale_tril @ noise``."""
        noise = randn(self._shape(sample_shape), dtype=self.loc.dtype)
        drawn: Tensor = self.loc + (self._factor @ noise.unsqueeze(-1)).squeeze(-1)
        return drawn

    def _log_det(self) -> Tensor:
        """The logarithm of the square root of the determinant."""
        return self._factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_value(value)
        difference = (value - self.loc).unsqueeze(-1)
        z = linalg.solve_triangular(self._factor, difference, upper=False).squeeze(-1)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        density: Tensor = -0.5 * (constant + (z**2).sum(-1)) - self._log_det()
        return density

    def entropy(self) -> Tensor:
        r""":math:`\frac n2 (1 + \log 2\pi) + \log\det L`."""
        constant = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi))
        found: Tensor = constant + self._log_det()
        return found
