"""Adadelta: steps in the units of the weights, without a rate to choose."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import checked, slope_numbers

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
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.

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

    _kernel = "adadelta"
    _arrays = ("square_avg", "acc_delta")

    def __init__(
        self, params: Params, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(locals()))

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        rho = group["rho"]
        return slope_numbers(group) | {"rho": rho, "rest": 1 - rho, "eps": group["eps"]}
