"""Derivatives by finite differences: what gradients are checked against.

The central difference ``D(h) = (f(x + h) - f(x - h)) / 2h`` errs by ``O(h**2)`` where `f` is
smooth, and by about ``eps |f| / h`` because `f` is rounded. Richardson's extrapolation from two
steps, ``(4 D(h/2) - D(h)) / 3``, errs by ``O(h**4)``, so a step large enough to keep rounding away
still gives ten digits in float64. Where the two steps disagree, something is near: a kink, a pole,
the edge of the domain. Then smaller steps are tried, and the slopes from both sides are compared.

References
----------
Press et al., Numerical Recipes, section 5.7; Ridders 1982.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["STEPS", "Slope", "central", "default_step", "refine", "round_step"]

Array = np.ndarray[Any, Any]

#: ``at(t)`` is the function's value at `t` along some direction, as a flat float64 array.
Along = Callable[[float], Array]

#: Where both errors of the extrapolated difference are about equal; powers of two, so that
#: ``x + h`` is exact for numbers of moderate size.
STEPS = {"float64": 2.0**-10, "float32": 2.0**-7, "float16": 2.0**-3}

#: How much smaller each further step is that is tried where the first one disagrees.
_SHRINK = 16.0


class Slope(NamedTuple):
    """A numeric derivative of one output along one direction.

    Attributes
    ----------
    value : float
        The extrapolated difference.
    step : float
        The step it was taken with.
    kind : str
        ``"smooth"``, ``"kink"`` (the slopes from both sides differ), ``"jump"`` (the value itself
        does) or ``"edge"`` (one side is not finite).
    left, right : float
        The slopes from both sides, where they were looked at.
    """

    value: float
    step: float
    kind: str = "smooth"
    left: float = math.nan
    right: float = math.nan


def default_step(dtype: np.dtype[Any]) -> float:
    """The step for numbers around 1 of a floating point type."""
    return STEPS.get(dtype.name, STEPS["float64"])


def round_step(step: float, size: float = 1.0) -> float:
    """The power of two next to `step`, scaled up for numbers larger than 1.

    >>> round_step(0.001), round_step(0.001, 100.0)
    (0.0009765625, 0.125)
    """
    scale = 2.0 ** math.ceil(math.log2(size)) if 1 < size < math.inf else 1.0
    return float(2.0 ** round(math.log2(step)) * scale)


def central(at: Along, h: float) -> Array:
    """The derivative at 0 by central differences with the steps `h` and ``h / 2``, extrapolated.

    >>> at = lambda t: np.array([math.exp(t)])
    >>> bool(abs(central(at, 2.0**-10)[0] - 1) < 1e-11)
    True
    """
    with np.errstate(all="ignore"):
        wide = (at(h) - at(-h)) / (2 * h)
        narrow = (at(h / 2) - at(-h / 2)) / h
        return np.asarray((4 * narrow - wide) / 3)


def _one_sided(at: Along, h: float, here: Array) -> Array:
    """The slope on the side of `h`, extrapolated."""
    return np.asarray(2 * ((at(h / 2) - here) / (h / 2)) - (at(h) - here) / h)


def refine(
    at: Along, h: float, k: int, claimed: float, close: Callable[[float, float], bool]
) -> Slope:
    """Look closely at output `k`, whose derivative was not what is `claimed`.

    Tries smaller steps, and returns the first slope that is `close` to the claim or else the one
    whose steps agree best, together with what the neighbourhood looks like.
    """
    with np.errstate(all="ignore"):
        here = at(0.0)
        size = max(1.0, abs(float(here[k])) if np.isfinite(here[k]) else 1.0)
        smallest = h / _SHRINK**3
        best, least = math.nan, math.inf
        step, used = h, h
        while step >= smallest:
            wide = float(((at(step) - at(-step)) / (2 * step))[k])
            narrow = float(((at(step / 2) - at(-step / 2)) / step)[k])
            value = (4 * narrow - wide) / 3
            if close(claimed, value) and close(wide, narrow):
                return Slope(value, step)
            doubt = abs(value - narrow) + 2e-16 * size / step
            if doubt < least:
                best, least, used = value, doubt, step
            step /= _SHRINK
        return _look_around(at, h, smallest, k, here, Slope(best, used), close)


def _look_around(
    at: Along,
    h: float,
    smallest: float,
    k: int,
    here: Array,
    slope: Slope,
    close: Callable[[float, float], bool],
) -> Slope:
    """Compare the slopes from both sides, far and near."""
    far, near = [
        (float(_one_sided(at, -s, here)[k]), float(_one_sided(at, s, here)[k]))
        for s in (h, smallest * 4)
    ]
    left, right = near
    sides = [math.isfinite(s) for s in near]
    if sides[0] != sides[1]:
        inside = right if sides[1] else left
        outer = far[1] if sides[1] else far[0]
        if abs(inside) > 4 * max(abs(outer), 1.0):  # steeper the closer one looks
            inside = math.copysign(math.inf, inside)
        return Slope(inside, smallest, "edge", left, right)
    if not sides[0]:
        return slope
    gap_far, gap_near = abs(far[1] - far[0]), abs(right - left)
    if close(left, right) or gap_near < 0.25 * gap_far:
        return slope  # smooth: the gap closes as the step shrinks
    jump = gap_near > 16 * max(gap_far, 1e-300) or max(abs(left), abs(right)) > 16 * max(
        abs(far[0]), abs(far[1]), 1e-6
    )
    return Slope(slope.value, slope.step, "jump" if jump else "kink", left, right)
