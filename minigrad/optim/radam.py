"""RAdam: Adam that waits until its averages can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_betas, check_lr, check_paths
from minigrad.optim.runs import Run

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Rectified Adam (Liu et al. 2020).

    ``m`` and ``v`` as in `Adam`. With ``rho = 2 / (1 - beta2) - 1`` and
    ``rho_t = rho - 2 t beta2**t / (1 - beta2**t)``: momentum alone while ``rho_t <= 5``, then
    Adam's step times ``sqrt((rho_t-4) (rho_t-2) rho / ((rho-4) (rho-2) rho_t))``.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate.
    betas : tuple of float
        Decay rates of the two averages.
    eps : float
        Added to the denominator.
    weight_decay : float
        Factor of the L2 penalty.
    decoupled_weight_decay : bool
        Shrink the weights instead of adding to the gradient, as `AdamW`.
    maximize : bool
        Climb instead.
    foreach, capturable : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import RAdam
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.8000, -1.6000])
    """

    def __init__(
        self,
        params: Params,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check_paths(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _update(self, group: Group, run: Run) -> None:
        beta1, beta2 = group["betas"]
        lr = as_number(group["lr"])
        m, v = run["exp_avg"], run["exp_avg_sq"]
        t = run.next_step()
        g = run.descent(group, lr)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        correction2 = 1 - beta2**t
        step = m / (1 - beta1**t) * lr
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / correction2
        if length > 5.0:
            step *= correction2**0.5 / (np.sqrt(v) + group["eps"])
            known = (length - 4) * (length - 2) * longest
            step *= (known / ((longest - 4) * (longest - 2) * length)) ** 0.5
        run.param -= step
