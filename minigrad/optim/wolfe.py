"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions.

Along a direction the loss is a function ``f(t)`` of the step ``t``, with slope ``f'(t)``. A step is
long enough to have been worth it, and short enough to be trusted, if::

    f(t) <= f(0) + c1 t f'(0)      it is low: sufficient decrease (Armijo)
    |f'(t)| <= c2 |f'(0)|          it is flat: curvature

The search first goes on until such a step lies between two that it knows, then narrows that bracket
down (Nocedal & Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6). Where PyTorch departs
from the book in details, so does this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Trial", "cubic_minimum", "strong_wolfe"]


class Trial(NamedTuple):
    """A step that was tried: its length, the loss, the gradient, and the slope there."""

    t: float
    loss: float
    gradient: Any
    slope: float


def cubic_minimum(a: Trial, b: Trial, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two trials, with their slopes, is lowest.

    Parameters
    ----------
    a, b : Trial
    bounds : tuple of float, optional
        The result lies between these; by default between the trials.

    Returns
    -------
    float
        The middle of the bounds, if the cubic has no minimum. (Nocedal & Wright, equation 3.59.)

    Examples
    --------
    >>> from minigrad.optim.wolfe import Trial, cubic_minimum
    >>> cubic_minimum(Trial(0.0, 1.0, None, -2.0), Trial(3.0, 4.0, None, 4.0))  # (t - 1)**2
    1.0
    """
    left, right = (a, b) if a.t <= b.t else (b, a)
    lowest, highest = bounds or (left.t, right.t)
    with np.errstate(all="ignore"):  # at equal places the quotient is no number, as in PyTorch
        quotient = np.float64(left.loss - right.loss) / np.float64(left.t - right.t)
        d1 = left.slope + right.slope - 3 * quotient
        square = d1**2 - left.slope * right.slope
        if not square >= 0:
            return (lowest + highest) / 2.0
        d2 = np.sqrt(square)
        part = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
        t = right.t - (right.t - left.t) * part
    return float(min(max(t, lowest), highest))


def strong_wolfe(
    evaluate: Callable[[float], Trial],
    start: Trial,
    t: float,
    *,
    size: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_trials: int = 25,
) -> tuple[Trial, int]:
    """Find a step that satisfies the strong Wolfe conditions.

    Parameters
    ----------
    evaluate : callable
        The trial of a step.
    start : Trial
        The trial of the step 0; its slope is negative.
    t : float
        The first step to try.
    size : float
        The largest component of the direction: brackets of less than ``tolerance_change / size``
        are not narrowed down any more.
    c1, c2 : float
        See above.
    max_trials : int
        Trials after the first.

    Returns
    -------
    Trial
        One with both conditions; or the lowest, if that was not reached.
    int
        How many times `evaluate` was called.

    Examples
    --------
    >>> from minigrad.optim.wolfe import Trial, strong_wolfe
    >>> def f(t):
    ...     return Trial(t, (t - 3) ** 2, None, 2 * (t - 3))
    >>> trial, evaluations = strong_wolfe(f, f(0.0), 10.0, size=1.0)
    >>> round(trial.t, 6), evaluations
    (3.0, 2)
    """

    def too_high(trial: Trial) -> bool:
        return trial.loss > start.loss + c1 * trial.t * start.slope

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -c2 * start.slope

    trial, before = evaluate(t), start
    count = 0
    while count < max_trials:
        if too_high(trial) or (count > 1 and trial.loss >= before.loss):
            bracket = [before, trial]
            break
        if flat(trial):
            return trial, count + 1
        if trial.slope >= 0:
            bracket = [before, trial]
            break
        bounds = (trial.t + 0.01 * (trial.t - before.t), trial.t * 10)
        before, trial = trial, evaluate(cubic_minimum(before, trial, bounds))
        count += 1
    else:
        bracket = [start, trial]

    low = _lower(bracket)
    cramped = False
    while count < max_trials and not abs(bracket[1].t - bracket[0].t) * size < tolerance_change:
        t, cramped = _kept_off_the_ends(cubic_minimum(bracket[0], bracket[1]), bracket, cramped)
        trial = evaluate(t)
        count += 1
        if too_high(trial) or trial.loss >= bracket[low].loss:
            bracket[1 - low] = trial
            low = _lower(bracket)
            continue
        done = flat(trial)
        if not done and trial.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = trial
        if done:
            break
    return bracket[low], count + 1


def _lower(bracket: list[Trial]) -> int:
    """Which of the two has the lower loss."""
    return 0 if bracket[0].loss <= bracket[1].loss else 1


def _kept_off_the_ends(t: float, bracket: list[Trial], cramped: bool) -> tuple[float, bool]:
    """A step not too near the ends of the bracket for the second time in succession.

    Where the cubic's minimum stays at one end the bracket would hardly get smaller: then the step
    is moved inside by a tenth of its length. Returns the step, and whether it is near an end.
    """
    left, right = sorted(trial.t for trial in bracket)
    margin = 0.1 * (right - left)
    if not min(right - t, t - left) < margin:
        return t, False
    if not (cramped or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
