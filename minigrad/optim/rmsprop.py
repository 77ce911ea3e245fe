"""RMSprop: the gradient divided by its recent size."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import checked, lecture_form, not_negative, root_numbers, slope_numbers

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Hinton, Coursera lecture 6e, 2012).

    With ``g = grad + weight_decay * w``::

        v = alpha * v + (1 - alpha) * g**2
        w = w - lr * g / (sqrt(v) + eps)

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate.
    alpha : float
        Decay rate of the average of squares.
    eps : float
        Added to the denominator.
    weight_decay : float
        Factor of the L2 penalty.
    momentum : float
        Momentum of the steps.
    centered : bool
        Divide by the standard deviation: subtract the square of the average (Graves 2013).
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.
    eps_inside_root : bool
        Divide by the root of the average plus `eps`, as the lectures write it; not in PyTorch.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import RMSprop
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = RMSprop([w], lr=0.05)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.5000, -1.5000])
    """

    _kernel = "rmsprop"

    def __init__(
        self, params: Params, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False,
        capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False, *, eps_inside_root: bool = False,
    ) -> None:  # fmt: skip
        options = checked(locals(), alpha=not_negative("alpha value"))
        super().__init__(params, lecture_form(options, "eps_inside_root"))

    def _names(self, group: Group) -> tuple[str, ...]:
        buffer = "momentum_buffer" if group["momentum"] > 0 else ""
        return ("square_avg", buffer, "grad_avg" if group["centered"] else "")

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = {name: group[name] for name in ("alpha", "momentum")} | root_numbers(group)
        return slope_numbers(group) | numbers | {"rest": 1 - group["alpha"]}
