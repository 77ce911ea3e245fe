"""Rprop: only the signs of the gradients count."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.optim.optimizer import Group, Optimizer, Params, as_number
from minigrad.optim.options import check, check_lr, check_paths
from minigrad.optim.runs import Run

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller & Braun 1993), for whole batches.

    Each weight has a step size of its own. It grows by ``etas[1]`` while the sign of the gradient
    stays, and shrinks by ``etas[0]`` when it changes (that gradient is then forgotten).

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr : float
        The first step size.
    etas : tuple of float
        The factors: the first less than 1, the second more.
    step_sizes : tuple of float
        The smallest and the largest step size.
    maximize : bool
        Climb instead.
    foreach, capturable : bool, optional
        Accepted for PyTorch's sake; there is one implementation.
    differentiable : bool
        Not supported.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import Rprop
    >>> w = mg.tensor([1.0, -2.0], requires_grad=True)
    >>> opt = Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step(); w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        check_paths(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _names(self, group: Group) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _start(self, name: str, group: Group) -> float:
        return as_number(group["lr"]) if name == "step_size" else 0.0

    def _update(self, group: Group, run: Run) -> None:
        shrink, grow = group["etas"]
        prev, sizes = run["prev"], run["step_size"]
        run.next_step()
        g = run.descent(group)
        same = g * prev
        sizes *= np.where(same > 0, grow, np.where(same < 0, shrink, 1.0)).astype(sizes.dtype)
        np.clip(sizes, *group["step_sizes"], out=sizes)
        prev[:] = np.where(same < 0, 0, g)
        run.param -= np.sign(prev) * sizes
