"""Halve the rate when the validation error rises: the lectures' rule."""

from __future__ import annotations

import math
from typing import SupportsFloat

from minigrad.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minigrad.optim.optimizer import Optimizer

__all__ = ["HalveOnWorse"]


class HalveOnWorse(ReduceLROnPlateau):
    """Halve the rate after each epoch whose validation error is higher than that before.

    An error that stays the same changes nothing. PyTorch has no such class:
    ``ReduceLROnPlateau(factor=0.5, patience=0, threshold=0)`` compares with the *best* error, and
    halves the rate in every epoch that does not beat it, so also while the error falls again.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        Less than 1.
    min_lr : float or list of float
        The rate falls no further.

    Raises
    ------
    ValueError
        For a `factor` of 1 or more, or a wrong number of `min_lr`.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.HalveOnWorse(opt)
    >>> for error in (3.0, 2.0, 2.5, 2.25, 2.25, 2.5):
    ...     schedule.step(error); print(*schedule.get_last_lr(), end=" ")
    1.0 1.0 0.5 0.5 0.5 0.25
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 0.5, min_lr: float | list[float] = 0
    ) -> None:
        super().__init__(
            optimizer, factor=factor, patience=0, threshold=0.0, threshold_mode="abs",
            min_lr=min_lr, eps=0.0,
        )  # fmt: skip

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at the validation error of this epoch; NaN counts as a rise."""
        super().step(metrics, epoch)
        if not math.isnan(float(metrics)):
            self.best = float(metrics)  # what the next one is compared with

    def _is_better(self, a: float, best: float) -> bool:
        return a <= best
