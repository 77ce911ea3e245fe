"""Adamax: Adam with the largest gradient in place of the average square."""

from __future__ import annotations

from typing import Any

from minigrad.kernels.run.lazy import lazy
from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import checked, slope_options
from minigrad.optim.runs import Run

kernels = lazy("optim")

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
    maximize : bool
        Climb instead.
    foreach, capturable : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.

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

    def __init__(
        self,
        params: Params,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, checked(locals()))

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _update(self, group: Group, run: Run) -> None:
        beta1, beta2 = map(as_number, group["betas"])
        run.update(
            kernels.adamax,
            rest1=1 - beta1,
            beta2=beta2,
            rate=as_number(group["lr"]) / (1 - beta1 ** run.next_step()),
            eps=group["eps"],
            **slope_options(group),
        )
