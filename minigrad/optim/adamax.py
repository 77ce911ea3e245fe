"""Adamax: Adam with the largest gradient in place of the average square."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import average_numbers, checked, slope_numbers

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax (Kingma & Ba 2015, section 7).

    With ``g = grad + weight_decay * w`` and ``t`` the number of the step::

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        w = w - lr / (1 - beta1**t) * m / u

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate.
    betas : tuple of float
        Decay rates of the average and of the largest gradient.
    eps : float
        Added to the size of the gradient.
    weight_decay : float
        Factor of the L2 penalty.
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import Adamax
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    _kernel = "adamax"
    _arrays = ("exp_avg", "exp_inf")

    def __init__(
        self, params: Params, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(locals()))

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = slope_numbers(group) | average_numbers(group, counts)
        numbers["rate"] = numbers["lr"] / numbers["correction1"]
        return numbers
