"""Adam with weights that shrink by themselves."""

from __future__ import annotations

from typing import Any

from minigrad.optim.adam import Adam
from minigrad.optim.optimizer import Params

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Each step multiplies the weights by ``1 - lr * weight_decay``, then does a step of `Adam`
    without penalty: the decay is not divided by the average gradient.

    Parameters
    ----------
    params : iterable
        See `Optimizer`.
    lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused
        As for `Adam`.
    weight_decay : float
        How fast the weights shrink, in units of `lr`.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import AdamW
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> w.grad = mg.zeros(1)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step(); w.detach()
    tensor([0.9500])
    """

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-2, amsgrad: bool = False, *,
        maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # also with what an Adam has saved
            group["decoupled_weight_decay"] = True
