"""Adam: a step size for each weight, from running averages of the gradient and its square."""

from __future__ import annotations

from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.optim.optimizer import Counts, Group, Optimizer, Params
from minigrad.optim.options import average_numbers, check, checked, slope_numbers

__all__ = ["Adam"]


def _check_tensors(lr: Any, betas: Any, multi_tensor: bool) -> None:
    """What PyTorch refuses of options that are tensors."""
    kinds = [isinstance(beta, Tensor) for beta in betas]
    check(kinds[0] == kinds[1], "betas must be either both floats or both Tensors")
    for name, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
        if isinstance(value, Tensor):
            refused = f"{name} as a Tensor is not supported for capturable=False and foreach=True"
            check(not multi_tensor, refused)
            check(value.numel() == 1, f"Tensor {name} must be 1-element")


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
    decoupled_weight_decay : bool
        Shrink the weights instead of adding to the gradient: `AdamW`.
    maximize, foreach, fused, capturable, differentiable
        As for `SGD`: there is one implementation.

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

    _kernel = "adam"

    def __init__(
        self, params: Params, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, amsgrad: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        options = checked(locals())
        _check_tensors(lr, betas, bool(foreach and not capturable))
        super().__init__(params, options)

    def _names(self, group: Group) -> tuple[str, ...]:
        if group["amsgrad"]:
            return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return ("exp_avg", "exp_avg_sq")

    def _numbers(self, group: Group, counts: Counts) -> dict[str, float]:
        numbers = slope_numbers(group) | average_numbers(group, counts)
        numbers["rate"] = numbers["lr"] / numbers["correction1"]
        numbers["root"] = numbers["correction2"] ** 0.5
        return numbers
