"""Keeping gradients from exploding (Pascanu, Mikolov and Bengio 2013)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from minigrad.core.events import change
from minigrad.core.plain import plain
from minigrad.core.quiet import call_quietly
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.inplace import alter

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_",
    "get_total_norm",
]  # fmt: skip


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p._grad for p in listed if p._grad is not None]


def _power_sum(x: np.ndarray[Any, Any], p: float) -> float:
    if p == 2.0 and x.dtype.kind == "f":
        flat = x.reshape(-1)
        return (
            float(np.dot(flat, flat))
            if x.size < 4096
            else float(np.square(x, dtype=np.float64).sum())
        )
    return float((np.abs(x).astype(np.float64) ** p).sum())


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """The norm of all tensors as one vector.

    Parameters
    ----------
    tensors : Tensor or iterable of Tensor
    norm_type : float
        The p of the norm; ``inf`` for the largest element, ``-inf`` for the smallest.
    error_if_nonfinite : bool
        Raise if the norm is NaN or infinite.
    foreach : optional
        Accepted, without meaning here.

    Returns
    -------
    Tensor
        A scalar; 0 if there are no tensors.

    Raises
    ------
    RuntimeError
        If `error_if_nonfinite` and the norm is NaN or infinite.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.utils.get_total_norm([mg.tensor([3.0, 0.0]), mg.tensor([[4.0]])])
    tensor(5.)
    """
    listed = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    if not listed:
        return given(np.zeros((), np.float32))
    total: Tensor = _total_norm(listed, float(norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@plain
def _total_norm(*arguments: Any) -> Array:
    """Of arrays, followed by the order of the norm."""
    *arrays, p = arguments
    kind = np.result_type(*arrays)
    if p == math.inf:
        total = np.max([np.max(np.abs(x)) if x.size else 0 for x in arrays])
    elif p == -math.inf:
        total = np.min([np.min(np.abs(x)) for x in arrays])
    elif p == 0.0:
        total = np.count_nonzero([np.count_nonzero(x) for x in arrays])
    else:
        total = sum(call_quietly(_power_sum, x, p) for x in arrays) ** (1.0 / p)
    return np.asarray(total, kind)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor,
    foreach: bool | None = None,
) -> None:  # fmt: skip
    """Scale the gradients by ``max_norm / total_norm`` if that is below 1, in place.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    max_norm : float
    total_norm : Tensor
        What :func:`get_total_norm` gave.
    foreach : optional
        Accepted, without meaning here.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.nn.Parameter(mg.ones(4))
    >>> (3 * w).sum().backward()
    >>> total = mg.nn.utils.get_total_norm([w.grad])
    >>> mg.nn.utils.clip_grads_with_norm_([w], 1.0, total)
    >>> w.grad
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    total = total_norm if isinstance(total_norm, Tensor) else given(np.asarray(float(total_norm)))
    for g in _gradients(parameters):
        call_quietly(alter, g, _shorten, (total,), float(max_norm))


@change
def _shorten(g: Array, total: Array, longest: float) -> None:
    """Scale down by what makes `total` as long as the longest allowed."""
    scale = longest / (float(total) + 1e-6)
    if not scale >= 1:  # NaN scales, too
        np.multiply(g, g.dtype.type(scale), g)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False, foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """Scale all gradients together so that their norm is `max_norm` at most; returns the old norm.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float
        The p of the norm; ``inf`` for the largest element.
    error_if_nonfinite : bool
        Raise if the norm is NaN or infinite.
    foreach : optional
        Accepted, without meaning here.

    Returns
    -------
    Tensor
        The norm of all gradients as one vector, before clipping.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.nn.Parameter(mg.ones(4))
    >>> (3 * w).sum().backward()
    >>> mg.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(6.)
    >>> w.grad
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not listed and isinstance(parameters, Generator):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2
        )
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False, foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """The older name of :func:`clip_grad_norm_`. Deprecated.

    Warns
    -----
    FutureWarning
        Always.
    """
    warnings.warn(
        "`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit each element of the gradients to ``[-clip_value, clip_value]``, in place.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    clip_value : float
    foreach : optional
        Accepted, without meaning here.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.nn.Parameter(mg.ones(2))
    >>> (mg.tensor([3.0, -0.5]) * w).sum().backward()
    >>> mg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    limit = float(clip_value)
    for g in _gradients(parameters):
        alter(g, _limit, (), limit)


@change
def _limit(g: Array, limit: float) -> None:
    np.clip(g, -limit, limit, out=g)
