"""Adadelta: steps in the units of the weights, without a rate to choose."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_lr, check_paths
from minigrad.optim.runs import Run

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012).

    With ``g = grad + weight_decay * w``::

        v = rho * v + (1 - rho) * g**2
        step = sqrt(d + eps) / sqrt(v + eps) * g
        d = rho * d + (1 - rho) * step**2
        w = w - lr * step

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Factor of each step.
    rho : float
        Decay rate of the averages.
    eps : float
        Added under the roots.
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
    >>> from minigrad.optim import Adadelta
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = Adadelta([w])
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.9968, -1.9968])
    """

    def __init__(
        self,
        params: Params,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check_paths(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _update(self, group: Group, run: Run) -> None:
        rho, eps = group["rho"], group["eps"]
        v, d = run["square_avg"], run["acc_delta"]
        run.next_step()
        g = run.descent(group)
        v *= rho
        v += (1 - rho) * g * g
        step = np.sqrt(d + eps) / np.sqrt(v + eps) * g
        d *= rho
        d += (1 - rho) * step * step
        run.param -= as_number(group["lr"]) * step
