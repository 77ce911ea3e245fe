"""What all distributions have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad.core.dtypes import get_default_dtype
from minigrad.core.modes import no_grad
from minigrad.core.tensor import Size, Tensor, given
from minigrad.distributions.constraints import Constraint
from minigrad.ops.shape import broadcast_tensors

__all__ = ["Distribution", "broadcast_all"]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape."""
    kinds = [v.array.dtype for v in values if isinstance(v, Tensor)]
    kind = np.result_type(*kinds) if kinds else get_default_dtype().numpy
    return tuple(
        broadcast_tensors(
            *(v if isinstance(v, Tensor) else given(np.array(v, kind)) for v in values)
        )
    )


class Distribution:
    """Independent random variables, `batch_shape` of them, with values of `event_shape` each.

    Parameters
    ----------
    batch_shape, event_shape : Size
        The shapes of the variables, and of a value of one of them.
    validate_args : bool, optional
        Whether parameters, and the values whose probability is asked for, are checked; by default
        they are, unless Python runs with ``-O`` or :meth:`set_default_validate_args` said so.

    Raises
    ------
    ValueError
        If a parameter is out of its range: a negative scale, or probabilities that are NaN.
    """

    #: The condition on each parameter.
    arg_constraints: ClassVar[Mapping[str, Constraint]] = {}
    #: Whether samples have derivatives in the parameters.
    has_rsample: ClassVar[bool] = False
    _validate_args: bool = __debug__

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        self._given = [name for name in self.arg_constraints if name in self.__dict__]
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name in self._given:
                self._check_parameter(name)

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check parameters and values unless told otherwise."""
        if value not in (True, False):
            raise ValueError(f"expected True or False, got {value!r}")
        Distribution._validate_args = value

    def _check_parameter(self, name: str) -> None:
        value, constraint = getattr(self, name), self.arg_constraints[name]
        with no_grad():
            valid = bool(constraint.check(value).all())
        if not valid:
            raise ValueError(
                f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) "
                f"of distribution {self!r} to satisfy the constraint {constraint}, but found "
                f"invalid values:\n{value}"
            )

    def _check_value(self, value: Any) -> None:
        """Refuse a value that is not a tensor, does not fit the shapes, or cannot occur."""
        if not self._validate_args:
            return
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        want = self._batch_shape + self._event_shape
        events = value.shape[value.ndim - len(self._event_shape) :]
        if events != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs "
                f"{self._event_shape}."
            )
        for i, j in zip(reversed(value.shape), reversed(want), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                    f"{Size(want)}."
                )
        with no_grad():
            valid = bool(self.support.check(value).all())
        if not valid:
            raise ValueError(
                f"Expected value argument (Tensor of shape {tuple(value.shape)}) to be within the "
                f"support ({self.support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value}"
            )

    @property
    def batch_shape(self) -> Size:
        """The shape of the independent variables."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of a value of one variable."""
        return self._event_shape

    @property
    def support(self) -> Any:
        """The condition on values that can occur."""
        raise self._lacks("support")

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise self._lacks("mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise self._lacks("mode")

    @property
    def variance(self) -> Tensor:
        """The expected square of the deviation from the mean."""
        raise self._lacks("variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Values drawn for each variable, without derivatives: ``sample_shape`` of them each."""
        with no_grad():
            return self.rsample(sample_shape).detach()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Values drawn such that they have derivatives in the parameters."""
        raise self._lacks("rsample")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability, or of its density, of values."""
        raise self._lacks("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a value not above the given one."""
        raise self._lacks("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a part of the probability lies: the inverse of :meth:`cdf`."""
        raise self._lacks("icdf")

    def entropy(self) -> Tensor:
        """The expected value of ``-log_prob``."""
        raise self._lacks("entropy")

    def perplexity(self) -> Tensor:
        """``exp(entropy)``: as uncertain as between so many equal choices."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that can occur, along a new first dimension."""
        raise self._lacks("enumerate_support")

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distributions, repeated to a larger batch without copies."""
        given = {}
        for name in self._given:
            value, events = getattr(self, name), self.arg_constraints[name].event_dim
            given[name] = value.expand(*batch_shape, *value.shape[value.ndim - events :])
        return type(self)(**given, validate_args=False)

    def _shape(self, sample_shape: Sequence[int]) -> Size:
        """The shape of so many samples."""
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _lacks(self, name: str) -> AttributeError | NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has no {name}")

    def __repr__(self) -> str:
        values = ((name, getattr(self, name)) for name in self._given)
        parts = (f"{name}: {v if v.numel() == 1 else v.size()}" for name, v in values)
        return f"{type(self).__name__}({', '.join(parts)})"
