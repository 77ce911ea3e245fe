"""ASGD: gradient descent that also averages its weights."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params, as_number
from minigrad.optim.options import checked, slope_numbers

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak & Juditsky 1992).

    With ``g = grad + weight_decay * w``::

        w = (1 - lambd * eta) * w - eta * g,  eta = lr / (1 + lambd * lr * t)**alpha
        ax = ax + mu * (w - ax),              mu = 1 / max(1, t - t0)

    The average is ``state[p]["ax"]``.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate.
    lambd : float
        Decay term.
    alpha : float
        Power by which the rate falls.
    t0 : float
        The step from which weights are averaged.
    weight_decay : float
        Factor of the L2 penalty.
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import ASGD
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.8000, -1.6000])
    """

    _kernel = "asgd"
    _arrays = ("ax",)
    _counts = ("step", "eta", "mu")

    def __init__(
        self, params: Params, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75,
        t0: float = 1e6, weight_decay: float = 0, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(locals()))

    def _start(self, name: str, group: Group) -> float:
        return {"eta": as_number(group["lr"]), "mu": 1.0}.get(name, 0.0)

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        eta, mu = float(counts["eta"]), float(counts["mu"])
        return slope_numbers(group) | {"shrink": 1 - group["lambd"] * eta, "eta": eta, "mu": mu}

    def _counted(self, group: Group, counts: Counts) -> Counts:
        lr, lambd, step = as_number(group["lr"]), group["lambd"], counts["step"]
        eta = lr / (1 + lambd * lr * step) ** group["alpha"]
        return {"eta": eta, "mu": 1 / max(1, step - group["t0"])}
