"""Early stopping: the weights that did best on data held out."""

from __future__ import annotations

import math
from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.nn.module import Module

__all__ = ["EarlyStopping"]


class EarlyStopping:
    r"""Stops when a metric no longer improves, and goes back to the best weights.

    It stops when there were `patience` steps without improvement: with patience p, training that
    stops at step k returns the weights of step k - p. On a quadratic loss this acts as an L2
    penalty, whose strength falls with the number of steps (Prechelt 1998, "Early stopping - but
    when?"; Goodfellow et al. 2016, section 7.8).

    Parameters
    ----------
    model : Module
        Its parameters and buffers are kept, as they were when the metric was best.
    patience : int
        How many steps without improvement end the training.
    min_delta : float
        What counts as an improvement: a metric better than the best by more than this.
    mode : str
        ``"min"`` for losses and errors, ``"max"`` for accuracies.

    Attributes
    ----------
    best : float
        The best metric.
    best_step : int
        The step, counted from 1, at which it was seen; 0 before the first.
    stopped : bool
        Whether patience has run out.

    Raises
    ------
    ValueError
        For other modes, a patience below 1, or a negative `min_delta`.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import EarlyStopping
    >>> net = mg.nn.Linear(1, 1)
    >>> stopping = EarlyStopping(net, patience=2)
    >>> for loss in [1.0, 0.5, 0.6, 0.7, 0.4]:
    ...     if stopping.step(loss):
    ...         break
    >>> loss, stopping.best, stopping.best_step
    (0.7, 0.5, 2)
    """

    def __init__(
        self, model: Module, patience: int = 10, min_delta: float = 0.0, mode: str = "min"
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', but got {mode!r}")
        if patience < 1:
            raise ValueError(f"patience must be at least 1, but got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"min_delta must not be negative, but got {min_delta}")
        self.model = model
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.best = math.inf if mode == "min" else -math.inf
        self.best_step = 0
        self.steps = 0
        self._weights: dict[str, Any] | None = None

    @property
    def stopped(self) -> bool:
        """Whether there were `patience` steps since the best one."""
        return self.steps - self.best_step >= self.patience

    def step(self, metric: float | Tensor) -> bool:
        """Note the metric of one more epoch, or other interval.

        Parameters
        ----------
        metric : float or Tensor of one element
            On data that is not trained on. NaN is no improvement.

        Returns
        -------
        bool
            Whether to stop. If so, the model has been given back its best weights.
        """
        value = float(metric)
        gain = self.best - value if self.mode == "min" else value - self.best
        self.steps += 1
        if gain > self.min_delta:
            self.best, self.best_step = value, self.steps
            self._weights = {k: _copy(v) for k, v in self.model.state_dict().items()}
        if self.stopped:
            self.restore()
        return self.stopped

    def restore(self) -> None:
        """Give the model its best weights: also where training ended for another reason.

        Before the first improvement there are none, and nothing happens.
        """
        if self._weights is not None:
            self.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the model: settings, counts, the best metric and weights."""
        return {k.lstrip("_"): v for k, v in self.__dict__.items() if k != "model"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the object that gave `state_dict` was."""
        unknown = set(self.state_dict()) ^ set(state_dict)
        if unknown:
            raise KeyError(f"this is no state of EarlyStopping: {sorted(unknown)} do not fit")
        for name, value in state_dict.items():
            setattr(self, "_weights" if name == "weights" else name, value)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
