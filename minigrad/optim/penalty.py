"""Penalties on the size of the weights, to be added to the loss.

The `weight_decay` of the optimizers is the L2 penalty put straight into the update. As a part of
the loss a penalty has a value that can be watched, may be for some of the weights only, and its
factor may be a tensor that is learnt itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.core.tensor import Tensor

__all__ = ["l1_penalty", "l2_penalty"]

Params = Tensor | Iterable[Tensor]


def l1_penalty(params: Params) -> Any:
    """Sum of the absolute values of all elements: ``sum |w|``.

    Its gradient, ``sign(w)``, pulls small weights as hard as large ones: many become 0 (Tibshirani
    1996). At 0 it is 0.

    Parameters
    ----------
    params : Tensor or iterable of Tensor
        Such as ``model.parameters()``.

    Returns
    -------
    Tensor
        A number, which can be differentiated any number of times.

    Raises
    ------
    ValueError
        If there are no parameters.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import l1_penalty
    >>> w = mg.tensor([3.0, -4.0], requires_grad=True)
    >>> penalty = l1_penalty([w]); penalty.item()
    7.0
    >>> (0.5 * penalty).backward(); w.grad
    tensor([ 0.5000, -0.5000])
    """
    return _total("l1_penalty", params, lambda w: w.abs().sum())


def l2_penalty(params: Params) -> Any:
    """Half the sum of the squares of all elements: ``sum w**2 / 2``.

    Its gradient is ``w``: added to the loss with a factor ``a``, gradient descent does the same as
    with ``weight_decay=a``. (For Adam it does not: there the penalty is divided by the size of the
    gradient as well; `AdamW` is the cure.)

    Parameters
    ----------
    params : Tensor or iterable of Tensor
        Such as ``model.parameters()``.

    Returns
    -------
    Tensor
        A number, which can be differentiated any number of times.

    Raises
    ------
    ValueError
        If there are no parameters.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.optim import l2_penalty
    >>> w = mg.tensor([3.0, -4.0], requires_grad=True)
    >>> penalty = l2_penalty([w]); penalty.item()
    12.5
    >>> (0.5 * penalty).backward(); w.grad
    tensor([ 1.5000, -2.0000])
    """
    return _total("l2_penalty", params, lambda w: (w * w).sum()) / 2


def _total(name: str, params: Params, size: Any) -> Any:
    """The sum of the sizes of all parameters."""
    sizes = [size(w) for w in ([params] if isinstance(params, Tensor) else params)]
    if not sizes:
        raise ValueError(
            f"{name} expected at least one parameter, but got none; a generator such as "
            "model.parameters() can be used up only once"
        )
    total = sizes[0]
    for more in sizes[1:]:
        total = total + more
    return total
