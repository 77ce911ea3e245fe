"""RAdam: Adam that waits until its averages can be trusted."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import average_numbers, checked, slope_numbers

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
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.

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

    _kernel = "radam"
    _arrays = ("exp_avg", "exp_avg_sq")

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(locals()))

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = slope_numbers(group) | average_numbers(group, counts)
        step, beta2, correction = counts["step"], numbers["beta2"], numbers["correction2"]
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        rate = numbers["lr"] / numbers["correction1"]
        if length > 5.0:
            known = (length - 4) * (length - 2) * longest
            rate *= (correction * known / ((longest - 4) * (longest - 2) * length)) ** 0.5
        return numbers | {"rate": rate, "rectified": length > 5.0}
