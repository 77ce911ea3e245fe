"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from minigrad.kernels.run.lazy import lazy
from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import checked, slope_options
from minigrad.optim.runs import Run

kernels = lazy("optim")

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
        super().__init__(params, checked(locals()))

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _start(self, name: str, group: Group) -> float:
        return 1.0 if name == "mu_product" else 0.0

    def _update(self, group: Group, run: Run) -> None:
        lr, step = as_number(group["lr"]), run.next_step()
        beta1, beta2 = map(as_number, group["betas"])
        mu, mu_next = [
            beta1 * (1.0 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
        ]
        run.scale_number("mu_product", mu)
        product = run.number("mu_product")
        run.update(
            kernels.nadam,
            rest1=1 - beta1,
            beta2=beta2,
            rest2=1 - beta2,
            now=lr * (1.0 - mu) / (1.0 - product),
            ahead=lr * mu_next / (1.0 - product * mu_next),
            correction=1 - beta2**step,
            eps=group["eps"],
            **slope_options(group, lr),
        )
