"""RMSprop: the gradient divided by its recent size."""

from __future__ import annotations

from typing import Any

from minigrad.kernels import optim as kernels
from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_lr, check_paths
from minigrad.optim.runs import Run

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
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(alpha >= 0.0, f"Invalid alpha value: {alpha}")
        check_paths(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _names(self, group: Group) -> tuple[str, ...]:
        names: tuple[str, ...] = ("square_avg",)
        if group["momentum"] > 0:
            names += ("momentum_buffer",)
        return (*names, "grad_avg") if group["centered"] else names

    def _update(self, group: Group, run: Run) -> None:
        run.next_step()
        kernels.rmsprop(
            run.param,
            run.grad,
            run["square_avg"],
            run.get("momentum_buffer"),
            run.get("grad_avg"),
            lr=as_number(group["lr"]),
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            maximize=group["maximize"],
        )
