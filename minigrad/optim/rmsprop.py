"""RMSprop: the gradient divided by its recent size."""

from __future__ import annotations

from typing import Any

from minigrad.kernels.run.lazy import lazy
from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, checked, slope_options
from minigrad.optim.runs import Run

kernels = lazy("optim")

__all__ = ["RMSprop"]


def _check_alpha(alpha: float) -> None:
    check(alpha >= 0.0, f"Invalid alpha value: {alpha}")


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
    maximize : bool
        Climb instead.
    foreach, capturable : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.

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

    def __init__(
        self,
        params: Params,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, checked(locals(), alpha=_check_alpha))

    def _names(self, group: Group) -> tuple[str, ...]:
        buffer = "momentum_buffer" if group["momentum"] > 0 else ""
        return ("square_avg", buffer, "grad_avg" if group["centered"] else "")

    def _update(self, group: Group, run: Run) -> None:
        run.next_step()
        alpha = group["alpha"]
        run.update(
            kernels.rmsprop,
            lr=as_number(group["lr"]),
            alpha=alpha,
            rest=1 - alpha,
            eps=group["eps"],
            momentum=group["momentum"],
            **slope_options(group),
        )
