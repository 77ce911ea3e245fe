"""What the parameters and the values of distributions must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.core.tensor import Tensor

__all__ = [
    "Constraint", "boolean", "integer_interval", "interval", "lower_cholesky", "one_hot",
    "positive", "positive_definite", "real", "real_vector", "simplex", "unit_interval",
]  # fmt: skip


class Constraint:
    """A condition on a tensor, of which the last `event_dim` dimensions are one value.

    Parameters
    ----------
    name : str
        What messages call it.
    condition : callable
        From a tensor to booleans, one for each value.
    event_dim : int
        The number of dimensions of a value.

    Examples
    --------
    >>> import minigrad as mg
    >>> unit_interval.check(mg.tensor([0.5, 1.5]))
    tensor([ True, False])
    """

    def __init__(self, name: str, condition: Callable[[Tensor], Any], event_dim: int = 0) -> None:
        self.name = name
        self.event_dim = event_dim
        self._condition = condition

    def check(self, value: Tensor) -> Any:
        """Which of the values satisfy it."""
        return self._condition(value)

    def __repr__(self) -> str:
        return self.name


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Numbers from `lower_bound` to `upper_bound`."""
    return Constraint(
        f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: (lower_bound <= x) & (x <= upper_bound),
    )


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Whole numbers from `lower_bound` to `upper_bound`."""
    return Constraint(
        f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: (x % 1 == 0) & (lower_bound <= x) & (x <= upper_bound),
    )


def _is_simplex(x: Tensor) -> Any:
    return (x >= 0).all(-1) & ((x.sum(-1) - 1).abs() < 1e-6)


def _is_one_hot(x: Tensor) -> Any:
    return ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1)


def _is_cholesky(x: Tensor) -> Any:
    diagonal = x.diagonal(dim1=-2, dim2=-1)
    return (x.tril() == x).flatten(-2).all(-1) & (diagonal > 0).all(-1)


def _is_positive_definite(x: Tensor) -> Any:
    from minigrad import linalg

    symmetric = ((x - x.mT).abs() <= 1e-6).flatten(-2).all(-1)
    return symmetric & (linalg.cholesky_ex(x).info == 0)


boolean = Constraint("Boolean()", lambda x: (x == 0) | (x == 1))
lower_cholesky = Constraint("LowerCholesky()", _is_cholesky, 2)
one_hot = Constraint("OneHot()", _is_one_hot, 1)
positive = Constraint("GreaterThan(lower_bound=0.0)", lambda x: x > 0)
positive_definite = Constraint("PositiveDefinite()", _is_positive_definite, 2)
real = Constraint("Real()", lambda x: x == x)  # false for NaN only
real_vector = Constraint("IndependentConstraint(Real(), 1)", lambda x: (x == x).all(-1), 1)
simplex = Constraint("Simplex()", _is_simplex, 1)
unit_interval = Constraint("Interval(lower_bound=0.0, upper_bound=1.0)", interval(0, 1).check)
