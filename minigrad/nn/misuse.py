"""Accidents inside the layers of this package, explained by what the layers were given.

Layers do not check the types of their arguments beforehand, as little as functions do
(:mod:`minigrad.ops.misuse`). If one stumbles by accident, what it was given is compared with its
annotations. Errors in code outside of this package stay as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any, NoReturn

from minigrad.core.tensor import Tensor
from minigrad.ops.misuse import ACCIDENTS, by_accident, reraise

__all__ = ["explained", "explaining"]

_OURS = {"minigrad", "numpy", "numba"}


def _ours(scope: dict[str, Any]) -> bool:
    return str(scope.get("__name__", "")).partition(".")[0] in _OURS


def explained(
    error: Exception, method: Callable[..., Any], name: str,
    args: tuple[Any, ...], kwargs: dict[str, Any],
) -> Exception:  # fmt: skip
    """What to raise instead of `error`, which came out of `method` of a layer.

    It is `error` itself if it was raised on purpose, or has to do with code of somebody else.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Linear("3", 4)
    Traceback (most recent call last):
        ...
    TypeError: Linear(): argument 'in_features' (position 1) must be int, not str
    """
    if not isinstance(error, ACCIDENTS) or not by_accident(error):
        return error
    if not _ours(getattr(method, "__globals__", {})):
        return error
    tb = error.__traceback__
    if tb is None or tb.tb_next is None:
        return error  # arguments are missing or unknown, which Python says well
    while tb is not None:
        if not _ours(tb.tb_frame.f_globals):
            return error
        tb = tb.tb_next
    try:
        _raise(error, method, name, args, kwargs)
    except Exception as better:
        return better.with_traceback(None)


def _raise(
    error: Exception, method: Callable[..., Any], name: str,
    args: tuple[Any, ...], kwargs: dict[str, Any],
) -> NoReturn:  # fmt: skip
    """`reraise`, which knows the types; what remains must be due to shapes or numbers."""
    try:
        reraise(error, method, name, args, kwargs)
    except ACCIDENTS as same:
        if same is not error:
            raise
    given = [_short(v) for v in args] + [f"{k}={_short(v)}" for k, v in kwargs.items()]
    raise RuntimeError(
        f"{name}() cannot work on arguments of these shapes or values: ({', '.join(given)})"
    ) from error


def _short(value: Any) -> str:
    """A value for a message; of a tensor, its type and shape."""
    if isinstance(value, Tensor):
        return f"{value.dtype} tensor of shape {list(value.array.shape)}"
    text = repr(value)
    return text if len(text) < 60 else type(value).__name__


def explaining(init: Callable[..., None]) -> Callable[..., None]:
    """The ``__init__`` of a layer, which says what was wrong with its arguments."""

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        outermost = type(self).__init__
        if outermost is not checked and hasattr(outermost, "__wrapped__"):
            init(self, *args, **kwargs)  # called by one that knows better what was given
            return
        try:
            init(self, *args, **kwargs)
        except ACCIDENTS as error:
            better = explained(error, MethodType(init, self), type(self).__name__, args, kwargs)
            try:
                if better is error:
                    raise
                raise better from better.__cause__
            finally:
                del better  # or it and this frame would keep each other alive

    return checked
