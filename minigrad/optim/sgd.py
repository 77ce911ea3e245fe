"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import check, checked, lecture_form, slope_numbers

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    With the gradient ``g = grad + weight_decay * w`` (``-grad`` to maximize)::

        u = momentum * u + (1 - dampening) * g       (u = g in the first step)
        w = w - lr * u                               (nesterov: w - lr * (g + momentum * u))

    The lectures put the rate inside, ``u = momentum * u + lr * g; w = w - u``: the same, as long as
    the rate is constant; `rate_inside` chooses that form. Nesterov's look ahead is written in terms
    of the present weights.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        Learning rate.
    momentum : float
        How much of the last step remains.
    dampening : float
        How much of the gradient does not enter the momentum.
    weight_decay : float
        Factor of the L2 penalty ``weight_decay / 2 * |w|**2``.
    nesterov : bool
        Nesterov's momentum (Sutskever et al. 2013).
    maximize : bool
        Climb instead.
    foreach, fused : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.
    rate_inside : bool
        Momentum remembers steps, not gradients: a rate that falls does not shorten what remains of
        earlier ones. Not in PyTorch.

    Raises
    ------
    ValueError
        For negative numbers, and `nesterov` without momentum or with dampening.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import SGD
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.8000, -1.6000])
    """

    _kernel = "sgd"
    _counts = ()

    def __init__(
        self, params: Params, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
        rate_inside: bool = False,
    ) -> None:  # fmt: skip
        options = lecture_form(checked(locals()), "rate_inside")
        check(
            not nesterov or (momentum > 0 and dampening == 0),
            "Nesterov momentum requires a momentum and zero dampening",
        )
        super().__init__(params, options)

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = slope_numbers(group)
        numbers["momentum"] = group["momentum"]
        numbers["keep"] = 1 if counts["first"] else 1 - group["dampening"]
        numbers["nesterov"] = group["nesterov"]
        if group.get("rate_inside"):
            rate = numbers["lr"]
            numbers |= {"sign": rate * numbers["sign"], "decay": rate * numbers["decay"], "lr": 1.0}
        return numbers
