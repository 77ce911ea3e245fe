"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_betas, check_lr, check_paths
from minigrad.optim.runs import Run

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """NAdam (Dozat 2016).

    ``m`` and ``v`` as in `Adam`, with ``mu_t = beta1 * (1 - 0.96**(t * momentum_decay) / 2)`` and
    ``M_t = mu_1 * ... * mu_t``::

        w = w - lr * ((1 - mu_t) / (1 - M_t) * g + mu_{t+1} / (1 - M_{t+1}) * m)
                   / (sqrt(v / (1 - beta2**t)) + eps)

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
    momentum_decay : float
        How the momentum rises at first.
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
    >>> from minigrad.optim import NAdam
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); bool(w[0] < 1.0)
    True
    """

    _numbers = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check(momentum_decay >= 0.0, f"Invalid momentum_decay value: {momentum_decay}")
        check_paths(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _start(self, name: str, group: Group) -> float:
        return 1.0 if name == "mu_product" else 0.0

    def _update(self, group: Group, run: Run) -> None:
        beta1, beta2 = group["betas"]
        lr, decay = as_number(group["lr"]), group["momentum_decay"]
        m, v = run["exp_avg"], run["exp_avg_sq"]
        t = run.next_step()
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay))
        run.scale_number("mu_product", mu)
        product = run.number("mu_product")
        g = run.descent(group, lr)
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        denominator = np.sqrt(v / (1 - beta2**t)) + group["eps"]
        run.param -= lr * (1.0 - mu) / (1.0 - product) * g / denominator
        run.param -= lr * mu_next / (1.0 - product * mu_next) * m / denominator
