"""Adam: a step size for each weight, from running averages of the gradient and its square."""

from __future__ import annotations

from typing import Any

from minigrad.kernels import optim as kernels
from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_betas, check_lr, check_paths
from minigrad.optim.runs import Run

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015).

    With ``g = grad + weight_decay * w`` and ``t`` the number of the step::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

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
    amsgrad : bool
        Divide by the largest average so far (Reddi, Kale & Kumar 2018).
    maximize : bool
        Climb instead.
    decoupled_weight_decay : bool
        Shrink the weights instead of adding to the gradient: `AdamW`.
    foreach, fused, capturable : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.

    Raises
    ------
    ValueError
        For negative numbers, and betas outside of [0, 1).

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import Adam
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        betas = (as_number(betas[0]), as_number(betas[1]))
        check_betas(betas)
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check_paths(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _names(self, group: Group) -> tuple[str, ...]:
        if group["amsgrad"]:
            return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return ("exp_avg", "exp_avg_sq")

    def _update(self, group: Group, run: Run) -> None:
        kernels.adam(
            run.param,
            run.grad,
            run["exp_avg"],
            run["exp_avg_sq"],
            run.get("max_exp_avg_sq"),
            step=run.next_step(),
            lr=as_number(group["lr"]),
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )
