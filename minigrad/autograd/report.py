"""What a gradient check found: single entries, and the whole report."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Element", "GradcheckError", "Report", "Tolerance", "acceptable"]

Array = np.ndarray[Any, Any]


class GradcheckError(RuntimeError):
    """A gradient does not agree with finite differences."""


@dataclass(frozen=True)
class Element:
    """One entry of a Jacobian: how one element of an output changes with one of an input.

    ``index`` and ``out_index`` are None where a random direction was checked (``fast_mode``).
    """

    input: int
    index: tuple[int, ...] | None
    output: int
    out_index: tuple[int, ...] | None
    analytic: float
    numeric: float
    step: float
    kind: str
    left: float
    right: float
    error: float

    def __str__(self) -> str:
        at = "along a random direction" if self.index is None else f"element {self.index}"
        of = f"output {self.output}" + (f" element {self.out_index}" if self.out_index else "")
        text = (
            f"{of} by input {self.input}, {at}: analytic {self.analytic:.9g}, numeric "
            f"{self.numeric:.9g} (step {self.step:.2g}), relative error {self.error:.2g}"
        )
        if self.kind in ("kink", "jump", "edge"):
            text += (
                f"; a {self.kind}: slope {self.left:.6g} from the left, {self.right:.6g} from the "
                "right"
            )
        return text


@dataclass
class Report:
    """What :func:`check` found.

    Attributes
    ----------
    ok : bool
        Whether the gradient is right; also the truth value of the report.
    name : str
        The function or operation.
    worst : Element or None
        The entry that deviates most.
    error : float
        Its relative error: the deviation over the larger of both values, or over ``atol / rtol``
        where both are smaller than that.
    checked : int
        How many entries were compared.
    kinks : list of Element
        Entries where the function has no derivative; they do not count as errors.
    verdict : str
        What is wrong, and the likely cause; empty if `ok`.
    dtype : str
        The type the check was computed in.
    """

    ok: bool
    name: str
    worst: Element | None = None
    error: float = 0.0
    checked: int = 0
    kinks: list[Element] = field(default_factory=list)
    verdict: str = ""
    dtype: str = "float64"
    jacobians: tuple[Array, Array] | None = None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        kinks = f", {len(self.kinks)} of them at a kink" if self.kinks else ""
        checked = f"{self.checked} entries of the Jacobian compared in {self.dtype}{kinks}"
        if self.ok:
            return f"{self.name}: gradient ok, {checked}, worst relative error {self.error:.2g}"
        lines = [f"{self.name}: {self.verdict}"]
        if self.worst is not None:
            lines.append(f"Worst: {self.worst}")
        lines.append(f"({checked})")
        if self.jacobians is not None and max(self.jacobians[0].shape) <= 8:
            with np.printoptions(precision=5, suppress=True, linewidth=100):
                lines += [f"numerical:\n{self.jacobians[1]}", f"analytical:\n{self.jacobians[0]}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Tolerance:
    """What counts as agreement of an analytic and a numeric value."""

    atol: float
    rtol: float

    def close(self, a: float, n: float) -> bool:
        """``|a - n| <= atol + rtol |n|``."""
        return a == n or abs(a - n) <= self.atol + self.rtol * abs(n)

    def all_close(self, a: Array, n: Array) -> Array:
        """The same for each element."""
        with np.errstate(invalid="ignore"):
            return np.asarray((a == n) | (np.abs(a - n) <= self.atol + self.rtol * np.abs(n)))

    def error(self, a: float, n: float) -> float:
        """Relative to the larger of both, or to the size below which `atol` decides."""
        if a == n:
            return 0.0
        if not (math.isfinite(a) and math.isfinite(n)):
            return math.inf
        return abs(a - n) / max(abs(a), abs(n), self.atol / max(self.rtol, 1e-12), 1e-300)


def acceptable(element: Element, close: Callable[[float, float], bool]) -> bool:
    """Whether an entry is right: it agrees, or it is one of the slopes where there are several."""
    if close(element.analytic, element.numeric):
        return True
    a, sides = element.analytic, (element.left, element.right)
    if element.kind == "kink":
        slack = 1e-3 * (1 + max(abs(s) for s in sides))
        return min(sides) - slack <= a <= max(sides) + slack
    if element.kind == "edge":
        return abs(a - element.numeric) <= 1e-2 * (1 + abs(element.numeric))
    return element.kind == "jump" and math.isfinite(a)
