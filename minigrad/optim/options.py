"""Checks of the options that many optimizers have, in PyTorch's words."""

from __future__ import annotations

from typing import Any

from minigrad.tensor import Tensor

__all__ = ["check", "check_betas", "check_lr", "check_paths"]


def check(good: bool, message: str) -> None:
    """Refuse an option."""
    if not good:
        raise ValueError(message)


def check_lr(lr: Any) -> None:
    """The learning rate: a number, or a tensor of one element; not negative."""
    check(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
    check(float(lr) >= 0.0, f"Invalid learning rate: {lr}")


def check_betas(betas: Any) -> None:
    """The decay rates of two running averages."""
    for i, beta in enumerate(betas):
        check(0.0 <= beta < 1.0, f"Invalid beta parameter at index {i}: {beta}")


def check_paths(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """PyTorch's choices between implementations: accepted, as all of them compute the same here."""
    if differentiable:
        raise RuntimeError(
            "differentiable=True is not supported: an update is one pass over the memory of the "
            "parameters and records no graph. Write the update with tensor operations instead "
            "(w - lr * g, with g from autograd.grad(..., create_graph=True))."
        )
    if foreach and fused:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
