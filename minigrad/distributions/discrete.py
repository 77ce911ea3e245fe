"""Variables with finitely many values: Bernoulli, categorical, one-hot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.tensor import Size, Tensor
from minigrad.distributions import constraints
from minigrad.distributions.distribution import Distribution, broadcast_all
from minigrad.nn import functional as F
from minigrad.ops.creation import arange
from minigrad.ops.limits import finfo
from minigrad.ops.random import bernoulli, multinomial
from minigrad.ops.shape import broadcast_tensors

__all__ = ["Bernoulli", "Categorical", "OneHotCategorical", "OneHotCategoricalStraightThrough"]


def _only_one(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError(
            "Either `probs` or `logits` must be specified, but not both: "
            f"got {'neither' if probs is None else 'both'}"
        )


# What is computed once and kept needs its graph, though sample(), which has none, may ask first:
# hence enable_grad below.


def _clamped(probs: Tensor) -> Tensor:
    """Probabilities whose logarithms, and those of the complements, are finite."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


class Bernoulli(Distribution):
    """1 with probability `probs`, else 0.

    Parameters
    ----------
    probs, logits : Tensor or float
        The probability, or ``log(probs / (1 - probs))``: one of the two.

    Examples
    --------
    >>> import minigrad as mg
    >>> coin = Bernoulli(mg.tensor([0.5, 0.9]))
    >>> coin.log_prob(mg.tensor([1.0, 0.0])).exp()
    tensor([0.5000, 0.1000])
    """

    arg_constraints = {  # noqa: RUF012
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.boolean

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _only_one(probs, logits)
        (given,) = broadcast_all(logits if probs is None else probs)
        self.__dict__["logits" if probs is None else "probs"] = given
        super().__init__(given.shape, validate_args=validate_args)

    @cached_property
    @enable_grad()
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self.logits.sigmoid()

    @cached_property
    @enable_grad()
    def logits(self) -> Tensor:
        """``log(probs / (1 - probs))``, with probabilities kept off 0 and 1."""
        probs = _clamped(self.probs)
        return probs.log() - (-probs).log1p()

    @property
    def mean(self) -> Tensor:
        """`probs`."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """``probs * (1 - probs)``."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Zeros and ones."""
        with no_grad():
            return bernoulli(self.probs.expand(self._shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """``log(probs)`` where the value is 1, else ``log(1 - probs)``."""
        self._check_value(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """``-p log p - (1 - p) log(1 - p)``."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = arange(2, dtype=self._param.dtype).view(-1, *(1 for _ in self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    @property
    def _param(self) -> Tensor:
        given: Tensor = getattr(self, self._given[0])
        return given


class Categorical(Distribution):
    """One of the numbers from 0, with the probabilities in the last dimension.

    The policy of REINFORCE: Williams, "Simple Statistical Gradient-Following Algorithms for
    Connectionist Reinforcement Learning", 1992.

    Parameters
    ----------
    probs, logits : Tensor of shape (..., n)
        Probabilities, which are divided by their sum, or their logarithms up to a constant: one of
        the two.

    Examples
    --------
    >>> import minigrad as mg
    >>> policy = Categorical(mg.tensor([[1.0, 3.0], [1.0, 1.0]]))
    >>> policy.log_prob(mg.tensor([1, 0])).exp()
    tensor([0.7500, 0.5000])
    >>> policy.sample((5,)).shape
    minigrad.Size([5, 2])
    """

    arg_constraints = {  # noqa: RUF012
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        _only_one(probs, logits)
        given: Tensor = logits if probs is None else probs
        if given.ndim < 1:
            name = "logits" if probs is None else "probs"
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is None:
            self.__dict__["logits"] = given - given.logsumexp(-1, keepdim=True)
        else:
            self.__dict__["probs"] = given / given.sum(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @cached_property
    @enable_grad()
    def probs(self) -> Tensor:
        """The probabilities."""
        return F.softmax(self.logits, -1)

    @cached_property
    @enable_grad()
    def logits(self) -> Tensor:
        """The logarithms of the probabilities, which are kept off 0."""
        return _clamped(self.probs).log()

    @property
    def support(self) -> constraints.Constraint:
        """The numbers from 0 to n - 1."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mode(self) -> Tensor:
        """The most probable number."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Numbers drawn, int64."""
        count = Size(sample_shape).numel()
        with no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            drawn = multinomial(rows, count, replacement=True).T
            return drawn.reshape(self._shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithms of the probabilities of numbers."""
        self._check_value(value)
        value, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """``-sum(p log p)``, where 0 log 0 = 0."""
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The numbers from 0 to n - 1."""
        values = arange(self._num_events).view(-1, *(1 for _ in self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values


class OneHotCategorical(Distribution):
    """A vector with a 1 at the place that :class:`Categorical` draws, and zeros.

    Parameters
    ----------
    probs, logits : Tensor of shape (..., n)
        As for :class:`Categorical`.

    Examples
    --------
    >>> import minigrad as mg
    >>> OneHotCategorical(mg.tensor([0.0, 1.0, 0.0])).sample()
    tensor([0., 1., 0.])
    """

    arg_constraints = Categorical.arg_constraints
    support = constraints.one_hot

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        name = "logits" if probs is None else "probs"
        given = self.__dict__[name] = getattr(self._categorical, name)
        super().__init__(given.shape[:-1], given.shape[-1:], validate_args)

    @cached_property
    @enable_grad()
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @cached_property
    @enable_grad()
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> Tensor:
        """`probs`."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable vector."""
        return self._one_hot(self._categorical.mode)

    @property
    def variance(self) -> Tensor:
        """``probs * (1 - probs)``."""
        return self.probs * (1 - self.probs)

    def _one_hot(self, places: Tensor) -> Tensor:
        return F.one_hot(places, self._event_shape[0]).type_as(self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Vectors drawn, of the type of the probabilities."""
        with no_grad():
            return self._one_hot(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithms of the probabilities of vectors."""
        self._check_value(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        """That of :class:`Categorical`."""
        return self._categorical.entropy()


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot vectors whose derivative is taken for that of the probabilities.

    Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic
    Neurons", 2013.

    Examples
    --------
    >>> import minigrad as mg
    >>> probs = mg.tensor([0.5, 0.5], requires_grad=True)
    >>> OneHotCategoricalStraightThrough(probs).rsample().sum().item()
    1.0
    """

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """``sample + probs - probs.detach()``."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
