"""How a training step is run: the user's own, or a plain one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minigrad.core.tensor import Tensor

__all__ = ["Batch", "bound", "plain_step"]

_TARGETS = ("target", "targets", "label", "labels", "y")
#: Names under which steps of users ask for what `diagnose` was given.
_NAMES = {
    "model": ("model", "net", "network", "module"),
    "loss_fn": ("loss_fn", "criterion", "loss_function", "loss", "lossfn"),
    "optimizer": ("optimizer", "opt", "optim"),
    "batch": ("batch", "data"),
    "inputs": ("x", "xb", "input", "inputs", "images", "features"),
    "target": (*_TARGETS, "yb", "t"),
}


class Batch:
    """Inputs and targets, as `diagnose` was given them.

    Parameters
    ----------
    given : Tensor, sequence or dict
        ``(*inputs, target)``; a dict with one of the keys target, targets, label, labels, y, whose
        other entries are given to the network by name; or inputs alone.
    """

    def __init__(self, given: Any) -> None:
        self.given = given
        self.named: dict[str, Any] = {}
        self.inputs: tuple[Any, ...] = ()
        self.target: Any = None
        if isinstance(given, dict):
            key = next((k for k in _TARGETS if k in given), None)
            self.named = {k: v for k, v in given.items() if k != key}
            self.target = None if key is None else given[key]
        elif isinstance(given, (tuple, list)) and len(given) > 1:
            self.inputs, self.target = tuple(given[:-1]), given[-1]
        elif isinstance(given, (tuple, list)):
            self.inputs = tuple(given)
        elif given is not None:
            self.inputs = (given,)

    def tensors(self) -> list[Tensor]:
        """The inputs that are tensors."""
        return [t for t in (*self.inputs, *self.named.values()) if isinstance(t, Tensor)]

    def targets(self) -> list[Tensor]:
        """The targets that are tensors."""
        given = self.target
        several = given if isinstance(given, (tuple, list)) else [given]
        return [t for t in several if isinstance(t, Tensor)]


def plain_step(
    model: Any, loss_fn: Any, batch: Batch, optimizer: Any, seen: Callable[[Any], None]
) -> Callable[[], Any]:
    """Zero the gradients, forward, loss, backward, update.

    Parameters
    ----------
    model, loss_fn, batch, optimizer
        As given to `diagnose`.
    seen : callable
        Told what the network gave.
    """

    def closure() -> Any:
        (optimizer or model).zero_grad()
        output = model(*batch.inputs, **batch.named)
        seen(output)
        loss = _loss(loss_fn, output, batch)
        loss.backward()
        return loss

    def step() -> Any:
        if optimizer is None:
            return closure()
        needs = inspect.signature(optimizer.step).parameters.get("closure")
        if needs is not None and needs.default is inspect.Parameter.empty:
            return optimizer.step(closure)  # such as LBFGS
        loss = closure()
        optimizer.step()
        return loss

    return step


def _loss(loss_fn: Any, output: Any, batch: Batch) -> Any:
    if batch.target is not None:
        return loss_fn(output, batch.target)
    if _takes_two(loss_fn) and len(batch.inputs) == 1:  # reconstruct
        return loss_fn(output, batch.inputs[0])
    return loss_fn(output)


def _takes_two(function: Any) -> bool:
    """Whether a function needs a second argument."""
    function = getattr(function, "forward", function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    needed = [
        p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY,
                                                                     p.POSITIONAL_OR_KEYWORD)
    ]  # fmt: skip
    return len(needed) > 1


def bound(step: Any, model: Any, loss_fn: Any, batch: Batch, optimizer: Any) -> Callable[[], Any]:
    """The user's step with the arguments that it names.

    Raises
    ------
    TypeError
        If it asks for something that is not known.
    """
    known = {
        "model": model, "loss_fn": loss_fn, "optimizer": optimizer, "batch": batch.given,
        "inputs": batch.inputs[0] if batch.inputs else None, "target": batch.target,
    }  # fmt: skip
    arguments = []
    for name, p in inspect.signature(step).parameters.items():
        if p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        what = next((k for k, names in _NAMES.items() if name.lower() in names), None)
        if what is None:
            listed = ", ".join(names[0] for names in _NAMES.values())
            raise TypeError(
                f"diagnose: your step asks for {name!r}, which is not known; call the arguments "
                f"{listed}, or take none and refer to what is around it"
            )
        if known[what] is None:
            raise TypeError(f"diagnose: your step asks for {name!r}: pass {what} to diagnose")
        arguments.append((p, known[what]))
    positional = [v for p, v in arguments if p.kind is not p.KEYWORD_ONLY]
    named = {p.name: v for p, v in arguments if p.kind is p.KEYWORD_ONLY}
    return lambda: step(*positional, **named)
