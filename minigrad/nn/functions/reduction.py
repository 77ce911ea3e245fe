"""What losses share: how many numbers they give, PyTorch's older names for that, equal shapes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from minigrad.core.ops import reduce as r
from minigrad.core.tensor import Tensor
from minigrad.nn.functions.warn import warn_user
from minigrad.ops.guard import guarded
from minigrad.ops.half import in_float32

__all__ = ["check_same_shape", "choose_reduction", "reduced", "reducing"]

F = TypeVar("F", bound=Callable[..., Any])

_REDUCTIONS = ("mean", "sum", "none")
_OLD = ("size_average", "reduce")


def choose_reduction(
    reduction: str, size_average: bool | None = None, reduce: bool | None = None
) -> str:
    """The reduction, checked; PyTorch's old pair of flags decides where it is given."""
    if size_average is not None or reduce is not None:
        chosen = "none" if reduce is False else "sum" if size_average is False else "mean"
        warn_user(
            f"size_average and reduce args will be deprecated, please use reduction='{chosen}' "
            "instead."
        )
        return chosen
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction: use one of {_REDUCTIONS}"
        )
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Losses of single elements as one number, unless `reduction` is "none"."""
    if reduction == "mean":
        return r.mean(loss)
    return r.sum(loss) if reduction == "sum" else loss


def check_same_shape(input: Tensor, target: Tensor, name: str) -> None:
    """Refuse what would broadcast, and say how to mend it."""
    try:
        x, t = input.array.shape, target.array.shape
    except AttributeError:
        which, bad = ("target", target) if isinstance(input, Tensor) else ("input", input)
        raise TypeError(
            f"{name}(): argument '{which}' must be Tensor, not {type(bad).__name__}"
        ) from None
    if x == t:
        return
    fix = "give both the same shape"
    if x == (*t, 1):
        fix = "use input.squeeze(-1), or target.unsqueeze(-1)"
    elif t == (*x, 1):
        fix = "use target.squeeze(-1), or input.unsqueeze(-1)"
    elif input.array.size == target.array.size:
        fix = "use target.reshape(input.shape), if the order is right"
    raise ValueError(
        f"{name}: Using a target size ({target.shape}) that is different to the input size "
        f"({input.shape}): broadcasting them would compare each element with several others; {fix}"
    )


def reducing(function: F) -> F:
    """A loss, from a function that gives those of single elements, in whatever shape.

    The function may leave `reduction`, `size_average` and `reduce` alone.
    """
    names = list(inspect.signature(function).parameters)
    first = min(names.index(name) for name in ("reduction", *_OLD) if name in names)

    def chosen(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        given = dict(zip(names, args)) | kwargs
        flags = [given.get(name) for name in _OLD]
        return choose_reduction(given.get("reduction", "mean"), *flags)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Tensor:
        reduction = kwargs.get("reduction", "mean") if kwargs else "mean"
        if len(args) > first or reduction not in _REDUCTIONS or not kwargs.keys().isdisjoint(_OLD):
            reduction = chosen(args, kwargs)
        return reduced(function(*args, **kwargs), reduction)

    return guarded(in_float32(called), function.__name__)  # type: ignore[return-value]
