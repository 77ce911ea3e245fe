"""Adagrad: the gradient divided by its size over all time."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import checked, lecture_form, root_numbers, slope_numbers
from minigrad.optim.runs import make_state

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
        Added to the denominator.
    maximize, foreach, fused, differentiable
        As for `SGD`: there is one implementation.
    eps_inside_root : bool
        Divide by ``sqrt(v + eps)``, as the lectures write it; not in PyTorch.

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

    _kernel = "adagrad"
    _arrays = ("sum",)

    def __init__(
        self, params: Params, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
        eps_inside_root: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lecture_form(checked(locals()), "eps_inside_root"))
        for group in self.param_groups:  # there from the beginning, as in PyTorch
            for p in group["params"]:
                make_state(self, group, self._names(group), p)

    def _start(self, name: str, group: Group) -> float:
        return group["initial_accumulator_value"] if name == "sum" else 0.0

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = slope_numbers(group)
        rate = numbers["lr"] / (1 + (counts["step"] - 1) * group["lr_decay"])
        return numbers | {"rate": rate} | root_numbers(group)
