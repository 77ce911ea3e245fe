"""Rprop: only the signs of the gradients count."""

from __future__ import annotations

from typing import Any

from minigrad.optim.optimizer import Counts, Group, Optimizer, Params, as_number
from minigrad.optim.options import checked

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
    maximize, foreach, capturable, differentiable
        As for `SGD`: there is one implementation.

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

    _kernel = "rprop"
    _arrays = ("prev", "step_size")

    def __init__(
        self, params: Params, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(locals()))

    def _start(self, name: str, group: Group) -> float:
        return as_number(group["lr"]) if name == "step_size" else 0.0

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        return {
            "sign": -1 if group["maximize"] else 1, "shrink": shrink, "stay": 1, "grow": grow,
            "smallest": smallest, "largest": largest,
        }  # fmt: skip
