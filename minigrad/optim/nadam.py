"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params, as_number
from minigrad.optim.options import average_numbers, checked, slope_numbers

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
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.

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

    _kernel = "nadam"
    _arrays = ("exp_avg", "exp_avg_sq")
    _counts = ("step", "mu_product")

    def __init__(
        self, params: Params, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(locals()))

    def _start(self, name: str, group: Group) -> float:
        return 1.0 if name == "mu_product" else 0.0

    def _momentum(self, group: Group, step: float) -> float:
        beta1: float = as_number(group["betas"][0])
        momentum: float = beta1 * (1.0 - 0.5 * 0.96 ** (step * group["momentum_decay"]))
        return momentum

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = slope_numbers(group) | average_numbers(group, counts)
        lr, step = numbers["lr"], counts["step"]
        mu, mu_next = self._momentum(group, step), self._momentum(group, step + 1)
        product = float(self._counted(group, counts)["mu_product"])
        return numbers | {
            "now": lr * (1.0 - mu) / (1.0 - product),
            "ahead": lr * mu_next / (1.0 - product * mu_next),
            "correction": numbers["correction2"],
        }

    def _counted(self, group: Group, counts: Counts) -> Counts:
        return {"mu_product": counts["mu_product"] * self._momentum(group, counts["step"])}
