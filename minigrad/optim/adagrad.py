"""Adagrad: the gradient divided by its size over all time."""

from __future__ import annotations

from typing import Any

from minigrad.kernels import optim as kernels
from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_lr, check_paths
from minigrad.optim.runs import Run, make_state

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011).

    With ``g = grad + weight_decay * w`` and ``t`` the number of the step::

        v = v + g**2
        w = w - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(v) + eps)

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate.
    lr_decay : float
        How fast the rate falls, besides.
    weight_decay : float
        Factor of the L2 penalty.
    initial_accumulator_value : float
        What ``v`` begins with.
    eps : float
        Added to the denominator (the lectures add it under the root).
    maximize : bool
        Climb instead.
    foreach, fused : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import Adagrad
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check(lr_decay >= 0.0, f"Invalid lr_decay value: {lr_decay}")
        check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        check(
            initial_accumulator_value >= 0.0,
            f"Invalid initial_accumulator_value value: {initial_accumulator_value}",
        )
        check(eps >= 0.0, f"Invalid epsilon value: {eps}")
        check_paths(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:  # there from the beginning, as in PyTorch
            for p in group["params"]:
                make_state(self, group, self._names(group), p)

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("sum",)

    def _start(self, name: str, group: Group) -> float:
        return group["initial_accumulator_value"] if name == "sum" else 0.0

    def _update(self, group: Group, run: Run) -> None:
        kernels.adagrad(
            run.param,
            run.grad,
            run["sum"],
            step=run.next_step(),
            lr=as_number(group["lr"]),
            lr_decay=group["lr_decay"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
