"""Line searches: how far to go down the gradient is found by trying.

Along a direction the loss is a function ``f(t)`` of the step. Two ways to choose ``t``, as
functions that know nothing of networks, and as optimizers: backtracking, which shortens the step
until the loss falls enough, and the lectures' way, to try several step sizes and keep the one with
the lowest loss. (The search of L-BFGS, with slopes, is in :mod:`minigrad.optim.wolfe`.)

The loss must be the same function in all trials: the whole batch, or one batch, without dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.core.events import change
from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.plain import plain
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.inplace import alter
from minigrad.optim.optimizer import Optimizer, Params
from minigrad.optim.options import as_number, check, checked
from minigrad.optim.runs import copy_of

__all__ = ["BacktrackingGD", "SeveralRatesGD", "backtrack", "best_of"]


def backtrack(
    f: Callable[[float], float],
    start: float,
    slope: float,
    *,
    t: float = 1.0,
    c: float = 1e-4,
    shrink: float = 0.5,
    max_trials: int = 30,
) -> tuple[float, float]:
    """Shorten a step until the loss falls enough (Armijo 1966; Nocedal & Wright, algorithm 3.1).

    Enough is ``f(t) <= f(0) + c t f'(0)``: at least the part `c` of what the slope promises.

    Parameters
    ----------
    f : callable
        The loss after a step.
    start, slope : float
        ``f(0)``, and ``f'(0)``, which is negative where the direction goes down.
    t : float
        The first step to try.
    c : float
        Between 0 and 1.
    shrink : float
        The factor from one trial to the next.
    max_trials : int

    Returns
    -------
    tuple of float
        The step and the loss there; ``(0, start)`` if no trial was good enough.

    Examples
    --------
    >>> from minigrad.optim.line_search import backtrack
    >>> backtrack(lambda t: (t - 1) ** 2, 1.0, -2.0, t=8.0)  # 8, 4 and 2 are too far
    (1.0, 0.0)
    """
    for _ in range(max_trials):
        loss = f(t)
        if loss <= start + c * t * slope:
            return t, loss
        t *= shrink
    return 0.0, start


def best_of(f: Callable[[float], float], rates: Iterable[float]) -> tuple[float, float]:
    """Try all steps, and keep the one with the lowest loss.

    Parameters
    ----------
    f : callable
        The loss after a step. NaN counts as infinite.
    rates : iterable of float

    Returns
    -------
    tuple of float
        The step and the loss there; the first of those that are equally good.

    Raises
    ------
    ValueError
        If there are no steps.

    Examples
    --------
    >>> from minigrad.optim.line_search import best_of
    >>> best_of(lambda t: (t - 1) ** 2, [0.001, 0.01, 0.1, 1.0, 10.0])
    (1.0, 0.0)
    """
    trials = [(t, f(t)) for t in rates]
    if not trials:
        raise ValueError("best_of expected at least one step size, but got none")
    return min(trials, key=lambda trial: np.inf if np.isnan(trial[1]) else trial[1])


class _LineSearchGD(Optimizer):
    """Gradient descent whose step is found by `_choose`."""

    def step(self, closure: Callable[[], Any], loss: Callable[[], Any] | None = None) -> Any:
        """Go down the gradient, by a step that is found by trying.

        Parameters
        ----------
        closure : callable
            Computes the loss with its gradients, and returns it.
        loss : callable, optional
            Computes the loss without gradients: cheaper trials. By default `closure` is used for
            them as well, and then the gradients are those of the last trial.

        Returns
        -------
        The loss before the step. What was found is in the groups, under ``"step_size"``.
        """
        with enable_grad():
            first = closure()
        moves = [
            (p, copy_of((p,)), _times((p._grad,), as_number(group["lr"])))
            for group in self.param_groups
            for p in group["params"]
            if p._grad is not None
        ]
        slope = -sum(
            as_number(group["lr"]) * float(_square((p._grad,)))
            for group in self.param_groups
            for p in group["params"]
            if p._grad is not None
        )

        def f(t: float) -> float:
            _move(moves, t)
            if loss is None:
                with enable_grad():
                    return float(closure())
            with no_grad():
                return float(loss())

        t = self._choose(f, float(first), slope)
        _move(moves, t)
        for group in self.param_groups:
            group["step_size"] = t * as_number(group["lr"])
        return first

    def _choose(self, f: Callable[[float], float], start: float, slope: float) -> float:
        raise TypeError(f"{type(self).__name__} must define _choose()")


@plain
def _times(x: Array, factor: float) -> Array:
    return np.asarray(factor * x)


@plain
def _square(x: Array) -> Array:
    return np.asarray((x.astype(np.float64) ** 2).sum())


@change
def _place(target: Array, begin: Array, direction: Array, t: float) -> None:
    target[...] = begin - begin.dtype.type(t) * direction


def _move(moves: list[tuple[Tensor, Tensor, Tensor]], t: float) -> None:
    """Put the parameters at the step `t` from where they began."""
    with no_grad():
        for p, begin, direction in moves:
            alter(p, _place, (begin, direction), t)


class BacktrackingGD(_LineSearchGD):
    """Gradient descent with backtracking: the loss never rises.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        The first step that is tried, anew in each iteration.
    c : float
        The part of the promised fall that is enough, see :func:`backtrack`.
    shrink : float
        The factor from one trial to the next.
    max_trials : int
        If all of them fail, the parameters stay.

    Raises
    ------
    ValueError
        For `c` and `shrink` outside of (0, 1).

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import BacktrackingGD
    >>> w = mg.tensor([3.0, -2.0], requires_grad=True)
    >>> opt = BacktrackingGD([w], lr=8.0)
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = (w * w).sum()
    ...     loss.backward()
    ...     return loss
    >>> opt.step(closure).item(), opt.param_groups[0]["step_size"], w.detach()
    (13.0, 0.5, tensor([0., 0.]))
    """

    def __init__(
        self,
        params: Params,
        lr: Any = 1.0,
        c: float = 1e-4,
        shrink: float = 0.5,
        max_trials: int = 30,
    ) -> None:
        check(0.0 < c < 1.0, f"Expected c between 0 and 1, but got {c}")
        check(0.0 < shrink < 1.0, f"Expected shrink between 0 and 1, but got {shrink}")
        super().__init__(params, checked(locals()))

    def _choose(self, f: Callable[[float], float], start: float, slope: float) -> float:
        group = self.param_groups[0]
        options = {name: group[name] for name in ("c", "shrink", "max_trials")}
        return backtrack(f, start, slope, **options)[0]


class SeveralRatesGD(_LineSearchGD):
    """Gradient descent that tries several rates in each step, and keeps the best.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    rates : sequence of float
        What is tried. With 0 among them the loss never rises.
    lr : float
        A factor of all of them; groups may have different ones.

    Raises
    ------
    ValueError
        If there are no rates.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import SeveralRatesGD
    >>> w = mg.tensor([3.0, -2.0], requires_grad=True)
    >>> opt = SeveralRatesGD([w], rates=(0.01, 0.1, 0.5, 2.0))
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = (w * w).sum()
    ...     loss.backward()
    ...     return loss
    >>> opt.step(closure).item(), opt.param_groups[0]["step_size"], w.detach()
    (13.0, 0.5, tensor([0., 0.]))
    """

    def __init__(
        self,
        params: Params,
        rates: Iterable[float] = (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        lr: Any = 1.0,
    ) -> None:
        rates = tuple(rates)
        check(len(rates) > 0, "SeveralRatesGD expected at least one rate, but got none")
        super().__init__(params, checked(locals()))

    def _choose(self, f: Callable[[float], float], start: float, slope: float) -> float:
        return best_of(f, self.param_groups[0]["rates"])[0]
