"""The options that many optimizers have: which values are allowed, in PyTorch's words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minigrad.core.tensor import Tensor

__all__ = [
    "as_number", "average_numbers", "check", "check_group", "checked", "lecture_form",
    "not_negative", "root_numbers", "slope_numbers",
]  # fmt: skip


def as_number(value: Any) -> float:
    """A hyperparameter as a number, also if it is kept in a tensor of one element."""
    if isinstance(value, Tensor):
        return float(value.item())
    if not hasattr(value, "__float__"):  # strings have none
        raise TypeError(
            "options and counts of an optimizer must be numbers, or tensors of one element, not "
            f"{type(value).__name__} ({value!r})"
        )
    number: float = value
    return number


def check(good: bool, message: str) -> None:
    """Refuse an option."""
    if not good:
        raise ValueError(message)


def _check_lr(lr: Any) -> None:
    """A number, or a tensor of one element; not negative."""
    check(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
    check(float(lr) >= 0.0, f"Invalid learning rate: {lr}")


def _check_betas(betas: Any) -> None:
    """The decay rates of two running averages."""
    check(len(betas) == 2, f"betas must be 2 numbers, not {betas}")
    for i, beta in enumerate(betas):
        check(0.0 <= float(beta) < 1.0, f"Invalid beta parameter at index {i}: {beta}")


def _check_rho(rho: Any) -> None:
    check(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")


def _check_etas(etas: Any) -> None:
    """How steps shrink and grow."""
    check(len(etas) == 2, f"etas must be 2 numbers, not {etas}")
    check(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")


def _check_differentiable(differentiable: bool) -> None:
    if differentiable:
        raise RuntimeError(
            "differentiable=True is not supported: an update is one pass over the memory of the "
            "parameters and records no graph. Write the update with tensor operations instead "
            "(w - lr * g, with g from autograd.grad(..., create_graph=True))."
        )


def not_negative(words: str) -> Callable[[Any], None]:
    """A check that a number is not negative, and what it is called if it is."""

    def check_number(value: Any) -> None:
        check(float(value) >= 0.0, f"Invalid {words}: {value}")

    return check_number


#: What is allowed, for each option by its name.
_RULES: dict[str, Callable[[Any], None]] = {
    "lr": _check_lr,
    "betas": _check_betas,
    "rho": _check_rho,
    "etas": _check_etas,
    "eps": not_negative("epsilon value"),
    "momentum": not_negative("momentum value"),
    "weight_decay": not_negative("weight_decay value"),
    "lr_decay": not_negative("lr_decay value"),
    "momentum_decay": not_negative("momentum_decay value"),
    "initial_accumulator_value": not_negative("initial_accumulator_value value"),
    "differentiable": _check_differentiable,
}


def _check_type(name: str, value: Any, default: Any) -> None:
    """What is a number by default must be one; likewise a tuple of them."""
    if isinstance(default, tuple):
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"{name} must be a tuple of numbers, not {type(value).__name__}")
        for part in value:
            _check_type(name, part, 0.0)
    elif isinstance(default, (int, float)) and not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, not {type(value).__name__} ({value!r})")


def check_group(owner: str, group: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Say which option of a group made a step fail, if one is missing or of another type."""
    for name, default in defaults.items():
        if name not in group:
            raise KeyError(f"{owner}: a parameter group has no '{name}'") from None
        _check_type(f"{owner}: {name}", group[name], default)


def checked(arguments: dict[str, Any], **rules: Callable[[Any], None]) -> dict[str, Any]:
    """The options of an optimizer, from the arguments of its ``__init__``.

    Parameters
    ----------
    arguments : dict
        ``locals()``, as the first thing in ``__init__``.
    **rules : callable
        Checks of options that mean something to this optimizer only.

    Returns
    -------
    dict
        All but ``self`` and ``params``: what the parameter groups have by default.

    Raises
    ------
    TypeError
        For what is no number where one is due.
    ValueError
        For a value that is not allowed.
    RuntimeError
        For choices of an implementation that exclude each other; there is but one here, so all
        others (``foreach``, ``fused``, ``capturable``) are accepted and change nothing.

    Examples
    --------
    >>> from minigrad.optim.options import checked
    >>> checked({"params": [], "lr": 0.1, "eps": 0.0})
    {'lr': 0.1, 'eps': 0.0}
    >>> checked({"eps": -1.0})
    Traceback (most recent call last):
        ...
    ValueError: Invalid epsilon value: -1.0
    """
    skipped = ("self", "params", "__class__")
    options = {name: value for name, value in arguments.items() if name not in skipped}
    if "self" in arguments:
        owner = type(arguments["self"])
        for name, parameter in inspect.signature(owner).parameters.items():
            if name in options:
                _check_type(f"{owner.__name__}: {name}", options[name], parameter.default)
    for name, value in options.items():
        rule = rules.get(name) or _RULES.get(name)
        if rule is not None:
            rule(value)
    if options.get("foreach") and options.get("fused"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    return options


def slope_numbers(group: dict[str, Any]) -> dict[str, float]:
    """What kernels are told about the gradient to go down, and how far.

    ``sign``, ``decay`` (the factor of the L2 penalty), ``lr``, and for those that know of decoupled
    weight decay ``shrink``, the factor by which the weights shrink if the group has it.
    """
    lr, decay = as_number(group["lr"]), as_number(group["weight_decay"])
    numbers = {"sign": -1.0 if group["maximize"] else 1.0, "decay": decay, "lr": lr, "shrink": 1.0}
    if group.get("decoupled_weight_decay"):
        numbers["decay"], numbers["shrink"] = 0.0, 1 - lr * decay
    return numbers


def root_numbers(group: dict[str, Any]) -> dict[str, float]:
    """``eps`` beside the root of the squares, and ``inside``, what is added under it."""
    within = bool(group.get("eps_inside_root"))
    return {"eps": 0.0 if within else group["eps"], "inside": group["eps"] if within else 0.0}


def lecture_form(options: dict[str, Any], name: str) -> dict[str, Any]:
    """Options with that of a lecture's form only where it is chosen: groups are PyTorch's else."""
    if not options[name]:
        del options[name]
    return options


def average_numbers(group: dict[str, Any], counts: dict[str, Any]) -> dict[str, float]:
    """What kernels are told about two running averages: decay rates, ``eps``, and the corrections
    ``1 - beta**step`` for having begun at 0.
    """
    (beta1, beta2), step = map(as_number, group["betas"]), counts["step"]
    return {
        "rest1": 1 - beta1, "beta2": beta2, "rest2": 1 - beta2, "eps": group["eps"],
        "correction1": 1 - beta1**step, "correction2": 1 - beta2**step,
    }  # fmt: skip
