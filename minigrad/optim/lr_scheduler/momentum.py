"""A schedule of the momentum: little at first, more later."""

from __future__ import annotations

from minigrad.optim.lr_scheduler.base import (
    LRScheduler,
    Rate,
    as_optimizer,
    set_momentum,
    values_of,
)
from minigrad.optim.optimizer import Optimizer

__all__ = ["MomentumSchedule"]


class MomentumSchedule(LRScheduler):
    """Begin with a small momentum, and raise it when the first, large gradients are over.

    The lectures' rule is 0.5 first and 0.9 or more later (Hinton 2012; Sutskever et al. 2013)::

        momentum_t = first                                          t < switch
                     first + (later - first) (t - switch) / rise    until it is `later`

    The learning rate is left alone, so that the schedule can be chained with others.

    Parameters
    ----------
    optimizer : Optimizer
        With a ``momentum``, or with ``betas``, of which the first is the momentum.
    first, later : float
        At least 0, and less than 1.
    switch : int
        The epoch in which the first momentum ends.
    rise : int
        Over how many epochs it rises; 0 for at once.
    last_epoch : int

    Raises
    ------
    ValueError
        For an optimizer without momentum, a momentum outside of [0, 1), or negative epochs.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.MomentumSchedule(opt, 0.5, 0.9, switch=2, rise=2)
    >>> for _ in range(6):
    ...     print(round(opt.param_groups[0]["momentum"], 2), end=" ")
    ...     opt.step(); schedule.step()
    0.5 0.5 0.5 0.7 0.9 0.9
    """

    def __init__(
        self,
        optimizer: Optimizer,
        first: float = 0.5,
        later: float = 0.9,
        switch: int = 5,
        rise: int = 0,
        last_epoch: int = -1,
    ) -> None:
        options = as_optimizer(optimizer).defaults
        if "momentum" not in options and "betas" not in options:
            raise ValueError(
                f"MomentumSchedule expected an optimizer with momentum or betas, but "
                f"{type(optimizer).__name__} has neither"
            )
        for name, value in (("first", first), ("later", later)):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"Expected {name} between 0 and 1 (not included), but got {value}")
        for name, epochs in (("switch", switch), ("rise", rise)):
            if epochs < 0:
                raise ValueError(f"Expected non-negative {name}, but got {epochs}")
        self.first = first
        self.later = later
        self.switch = switch
        self.rise = rise
        super().__init__(optimizer, last_epoch)

    def get_momentum(self) -> float:
        """The momentum of epoch ``last_epoch``."""
        over = self.last_epoch - self.switch
        if over < 0:
            return self.first
        if over >= self.rise:
            return self.later
        return self.first + (self.later - self.first) * over / self.rise

    def get_lr(self) -> list[Rate]:
        """The rates as they are; sets the momentum."""
        self._asked_inside_step()
        self._set_momentum()
        return values_of(self.optimizer, "lr")

    def _get_closed_form_lr(self) -> list[Rate]:
        self._set_momentum()
        return values_of(self.optimizer, "lr")

    def _set_momentum(self) -> None:
        for group in self.optimizer.param_groups:
            set_momentum(group, self.get_momentum())
