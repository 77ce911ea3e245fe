"""Checks of the learning rate, by short runs from the same beginning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minigrad.diagnosis.findings import Said, check
from minigrad.diagnosis.observed import Observed

#: On a quadratic with the largest curvature L, a rate above 2/L makes every step increase the loss,
#: a smaller one makes it fall. So a rate is too large where a tenth, or less, does better by far.
SMALLER, FALLS = (0.1, 0.01, 0.001), 0.9
#: A run that takes off less than a two-thousandth in ten steps needs twenty thousand for a factor
#: of e. It is too slow where a larger rate takes off a twentieth at once.
LARGER, STANDS, WOULD = (1e2, 1e3, 1e4, 1e5, 1e6, 1e7), 0.9995, 0.95


def worth_trying(seen: Observed) -> tuple[float, ...]:
    """By what the learning rate is to be multiplied in further runs."""
    start, here = _end(seen.probes[0.0]), _end(seen.probes[1.0])
    if not np.isfinite(start) or start <= 0:
        return ()
    return SMALLER if here >= start else LARGER if here > STANDS * start else ()


def _end(losses: Sequence[float]) -> float:
    """Where a run ends: the median of its last third; infinite if it left the numbers."""
    if not losses or not np.isfinite(losses).all():
        return float("inf")
    return float(np.median(losses[-max(1, len(losses) // 3) :]))


@check("learning_rate_too_high", claim=12)
def learning_rate_too_high(seen: Observed) -> Iterator[Said]:
    """After some steps the loss is not below its beginning, with a smaller rate it is.

    A warning; an error where it doubles or leaves the numbers.
    """
    if 0.1 not in seen.probes:
        return
    start, here = _end(seen.probes[0.0]), _end(seen.probes[1.0])
    factor = min(SMALLER, key=lambda f: _end(seen.probes[f]))
    less = _end(seen.probes[factor])
    gone = not np.isfinite(here) or here > 2 * start
    if less > FALLS * start and not (gone and less < start):
        return
    yield (
        "optimizer", "error" if gone else "warning",
        {"without": start, "with": here, f"with {factor:g} of it": less, "lr": seen.rate()},
        "steps jump over the valley: above 2 / curvature each one makes the loss larger, and "
        "rectifiers that are thrown far below 0 stay off",
        f"{factor:g} of it; a warm-up; a search on a log scale (optim.find_lr)",
    )  # fmt: skip


@check("learning_rate_too_low", claim=24)
def learning_rate_too_low(seen: Observed) -> Iterator[Said]:
    """The loss stands still, and falls at once with a hundred times the rate or more: a warning.

    Not where the network has learned.
    """
    if LARGER[0] not in seen.probes or seen.learned:
        return
    start, here = _end(seen.probes[0.0]), _end(seen.probes[1.0])
    factor = min(LARGER, key=lambda f: _end(seen.probes[f]))
    more = _end(seen.probes[factor])
    if more > WOULD * start:
        return
    yield (
        "optimizer", "warning",
        {"without": start, "with": here, f"with {factor:g} times it": more, "lr": seen.rate()},
        "each step is so short that the loss stands still",
        "ten times as much, and again; a search on a log scale (optim.find_lr)",
    )  # fmt: skip
