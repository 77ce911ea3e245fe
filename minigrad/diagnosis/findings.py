"""What is said of a sick network, and who looks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minigrad.diagnosis.observed import Observed

__all__ = ["CHECKS", "CLAIMS", "SEVERITIES", "Check", "Finding", "check"]

#: From what may be as intended to what cannot work.
SEVERITIES = ("note", "warning", "error")

#: The claims of the lectures that findings are instances of, by their numbers.
CLAIMS = {
    4: "the gradient of a weight is the product along the path; several paths add",
    5: "equal initial weights stay equal for ever",
    6: "small weights let signals vanish with depth, large ones saturate everything",
    8: "Xavier's variance is right for tanh, He's factor 2 for ReLU",
    10: "a saturated sigmoid passes no gradient; a stack of sigmoids vanishes it",
    11: "a sigmoid is not zero-centred: all gradients into one neuron share a sign",
    12: "a large learning rate kills ReLUs, for ever",
    14: "gentle slopes stall gradient descent",
    15: "batch normalization: means of the batch in training, running ones at test",
    20: "dropout in training, none at test",
    22: "normalized inputs make the loss less sensitive to the weights",
    24: "a search for the learning rate on a log scale finds the good range",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes
    ----------
    name : str
        What it is, such as ``"dead_units"``.
    layer : str
        Where: the path of a module, as ``named_modules()`` has it; ``"input"``, ``"target"``,
        ``"loss"`` or ``"optimizer"`` for what is outside.
    severity : {"note", "warning", "error"}
        Whether it may be as intended, is likely to hurt, or cannot work.
    measured : dict of str to number
        What was seen.
    why : str
        Why that hurts.
    remedy : str
        What to do.
    claim : int or None
        The number of the claim of the lectures that this is an instance of.
    """

    name: str
    layer: str
    severity: str
    measured: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    remedy: str = ""
    claim: int | None = None

    @property
    def rank(self) -> int:
        """The worst first."""
        return -SEVERITIES.index(self.severity)

    def __str__(self) -> str:
        numbers = ", ".join(f"{k} {_number(v)}" for k, v in self.measured.items())
        lines = [f"{self.severity}: {self.name} in {self.layer or 'the network'} ({numbers})"]
        lines += [f"  why     {self.why}", f"  remedy  {self.remedy}"]
        if self.claim is not None:
            lines.append(f"  claim   {self.claim}: {CLAIMS[self.claim]}")
        return "\n".join(lines)


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Check:
    """A function that looks for one thing in what was observed.

    Attributes
    ----------
    name : str
        Of its findings.
    look : callable
        ``look(observed)`` gives findings.
    claim : int or None
    text : str
        What it means, and from where on it is said.
    """

    name: str
    look: Callable[[Observed], Iterable[Finding]]
    claim: int | None
    text: str


#: All checks, by the names of their findings, in the order they are made.
CHECKS: dict[str, Check] = {}

#: A check as it is written: gives (layer, severity, measured, why, remedy).
Said = tuple[str, str, dict[str, Any], str, str]


def check(
    name: str, claim: int | None = None
) -> Callable[[Callable[[Observed], Iterable[Said]]], Callable[[Observed], Iterable[Said]]]:
    """Enter a function among the checks; its docstring says what it means, and from where on."""

    def enter(function: Callable[[Observed], Iterable[Said]]) -> Callable[..., Iterable[Said]]:
        def look(observed: Observed) -> Iterable[Finding]:
            return [Finding(name, *said, claim) for said in function(observed)]

        text = " ".join((function.__doc__ or "").split())
        CHECKS[name] = Check(name, look, claim, text)
        return function

    return enter
