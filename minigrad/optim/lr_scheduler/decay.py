"""Schedules that let the rate fall (or rise) once: by steps, lines, powers, ``e^-kt``, ``1/t``."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from minigrad.optim.lr_scheduler.base import (
    LRScheduler,
    Rate,
    positive,
    rates_of,
    saved_callable,
    values_of,
)
from minigrad.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR", "ExponentialLR", "InverseTimeLR", "LambdaLR", "LinearLR", "MultiStepLR",
    "MultiplicativeLR", "PolynomialLR", "StepLR",
]  # fmt: skip

Factor = Callable[[int], float]


class _ByFunction(LRScheduler):
    """A schedule by functions of the epoch, one for each group or one for all."""

    _not_saved = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1
    ) -> None:
        groups = len(optimizer.param_groups)
        functions = (
            list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        )
        if len(functions) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(functions)}")
        for function in functions:
            if not callable(function):
                raise TypeError(
                    f"lr_lambda should be a function, but got {type(function).__name__}"
                )
        self.lr_lambdas: list[Factor] = functions
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The state; of the functions, only the attributes of callable objects."""
        return super().state_dict() | {"lr_lambdas": [saved_callable(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue; attributes of callable objects are restored, functions stay as they are."""
        self._check_state(state_dict, "lr_lambdas")
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                function.__dict__.update(saved)


class LambdaLR(_ByFunction):
    """The initial rate times a function of the epoch: ``lr_t = lr_0 f(t)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable or list of callable
        ``f(epoch) -> factor``, for all groups or one for each.
    last_epoch : int

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.LambdaLR(opt, lambda epoch: 0.5 ** epoch)
    >>> for _ in range(2):
    ...     opt.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def get_lr(self) -> list[Rate]:
        """``base_lr * f(last_epoch)``."""
        self._asked_inside_step()
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        return [base * f(self.last_epoch) for f, base in pairs]


class MultiplicativeLR(_ByFunction):
    """Each epoch multiplies the rate: ``lr_t = lr_{t-1} f(t)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable or list of callable
        ``f(epoch) -> factor``, for all groups or one for each.
    last_epoch : int
    """

    def get_lr(self) -> list[Rate]:
        """``lr * f(last_epoch)``."""
        self._asked_inside_step()
        if self._is_initial:
            return values_of(self.optimizer, "lr")
        pairs = zip(self.lr_lambdas, rates_of(self.optimizer), strict=True)
        return [lr * f(self.last_epoch) for f, lr in pairs]


class _ByFactor(LRScheduler):
    """A schedule by one factor for all groups, as a recursion and in closed form."""

    def _factor(self) -> float | None:
        """What multiplies the rates of the epoch before; None leaves them as they are."""
        raise NotImplementedError

    def _whole_factor(self) -> float:
        """What multiplies the initial rates."""
        raise NotImplementedError

    def get_lr(self) -> list[Rate]:
        """The rates of the epoch before, times this epoch's factor."""
        self._asked_inside_step()
        factor = self._factor()
        if factor is None:
            return values_of(self.optimizer, "lr")
        return [lr * factor for lr in rates_of(self.optimizer)]

    def _get_closed_form_lr(self) -> list[Rate]:
        factor = self._whole_factor()
        return [base * factor for base in self.base_lrs]


class StepLR(_ByFactor):
    """Step decay: every `step_size` epochs the rate is multiplied by `gamma`.

    ``lr_t = lr_0 gamma^floor(t / step_size)``. "Halve the rate every 5 epochs" of the lectures is
    ``StepLR(opt, 5, gamma=0.5)``.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
        Epochs between two reductions.
    gamma : float
        The factor.
    last_epoch : int

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(opt, 2, gamma=0.5)
    >>> for _ in range(6):
    ...     print(round(schedule.get_last_lr()[0], 3), end=" ")
    ...     opt.step(); schedule.step()
    1.0 1.0 0.5 0.5 0.25 0.25
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = positive("step_size", step_size)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        at_end = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self.gamma if at_end else None

    def _whole_factor(self) -> float:
        return float(self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(_ByFactor):
    """Step decay at chosen epochs: at each milestone the rate is multiplied by `gamma`.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Epochs; one that stands there twice counts twice.
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiStepLR(opt, [2, 5])
    >>> for _ in range(6):
    ...     print(round(schedule.get_last_lr()[0], 3), end=" ")
    ...     opt.step(); schedule.step()
    1.0 1.0 0.1 0.1 0.1 0.01
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        times = self.milestones.get(self.last_epoch)
        return None if times is None else self.gamma**times

    def _whole_factor(self) -> float:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return self.gamma**passed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue; milestones that went through a file (keys as text) become numbers again."""
        super().load_state_dict(state_dict)
        self.milestones = Counter({int(k): int(n) for k, n in self.milestones.items()})


class ConstantLR(_ByFactor):
    """A smaller rate (``factor * lr``) for the first `total_iters` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        Between 0 and 1.
    total_iters : int
    last_epoch : int
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1.0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else None

    def _whole_factor(self) -> float:
        return 1.0 if self.last_epoch >= self.total_iters else self.factor


class LinearLR(_ByFactor):
    """A factor that goes from `start_factor` to `end_factor` in a straight line: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor, end_factor : float
        Between 0 and 1; the first not 0.
    total_iters : int
        Epochs from one to the other.
    last_epoch : int

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.LinearLR(opt, 0.2, total_iters=4)
    >>> for _ in range(6):
    ...     print(round(schedule.get_last_lr()[0], 3), end=" ")
    ...     opt.step(); schedule.step()
    0.2 0.4 0.6 0.8 1.0 1.0
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1.0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal "
                "to 1."
            )
        if not 0 <= end_factor <= 1.0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return 1.0 + rise / before

    def _whole_factor(self) -> float:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class ExponentialLR(_ByFactor):
    """Exponential decay: ``lr_t = lr_{t-1} gamma = lr_0 gamma^t``.

    ``lr_0 e^{-kt}`` of the lectures is ``gamma = e^{-k}``.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> for _ in range(6):
    ...     print(round(schedule.get_last_lr()[0], 3), end=" ")
    ...     opt.step(); schedule.step()
    1.0 0.5 0.25 0.125 0.062 0.031
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        return None if self._is_initial else self.gamma

    def _whole_factor(self) -> float:
        return self.gamma**self.last_epoch


class InverseTimeLR(_ByFactor):
    """``1/t`` decay, as the lectures write it: ``lr_t = lr_0 / (1 + k t)``.

    PyTorch has no such class. As a recursion, ``lr_t = lr_{t-1} (1 + k (t-1)) / (1 + k t)``.

    Parameters
    ----------
    optimizer : Optimizer
    k : float
        How fast it falls; not negative.
    last_epoch : int

    Raises
    ------
    ValueError
        If `k` is negative.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.InverseTimeLR(opt, k=1.0)
    >>> for _ in range(3):
    ...     opt.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, k: float, last_epoch: int = -1) -> None:
        if k < 0:
            raise ValueError(f"Expected non-negative k, but got {k}")
        self.k = k
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self._is_initial:
            return None
        return (1 + self.k * (self.last_epoch - 1)) / (1 + self.k * self.last_epoch)

    def _whole_factor(self) -> float:
        return 1 / (1 + self.k * self.last_epoch)


class PolynomialLR(_ByFactor):
    """``lr_t = lr_0 (1 - t / total_iters) ** power``, 0 from `total_iters` on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
    power : float
    last_epoch : int
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float | None:
        if self._is_initial or self.last_epoch > self.total_iters:
            return None
        now = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        factor: float = (now / before) ** self.power
        return factor

    def _whole_factor(self) -> float:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        factor: float = (1.0 - done) ** self.power
        return factor
