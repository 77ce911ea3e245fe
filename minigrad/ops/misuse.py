"""What to say when a function stumbles over an argument of the wrong type.

Functions do not check the types of their arguments beforehand, which would cost more than a small
operation does. If an argument makes something inside fail by accident (the interpreter or numpy
raised, not a ``raise`` of this package), the arguments are compared with the annotations of the
function, and the first that does not fit is named.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dis import opmap
from typing import Any, NoReturn

import numpy as np

from minigrad.core import dtypes
from minigrad.core.tensor import Tensor
from minigrad.ops.room import no_room

__all__ = ["ACCIDENTS", "by_accident", "reraise"]

#: What the interpreter and numpy raise by themselves: numpy's own exceptions derive from these.
#: Exceptions that steer (a checkpoint that stops early) pass unseen: who holds one holds frames.
ACCIDENTS = (
    AttributeError, TypeError, ValueError, LookupError, ArithmeticError, MemoryError, BufferError,
    AssertionError,
)  # fmt: skip
#: Whose exceptions are accidents. Others come from functions that users hand over, and stay as is.
_OURS = frozenset(("minigrad", "numpy", "numba", "llvmlite"))
_TOO_LARGE = (
    "array is too big", "Maximum allowed", "maximum supported dimension", "iterator is too large",
)  # fmt: skip
_UNLIKE = "operands could not be broadcast together with "
_RAISE = opmap["RAISE_VARARGS"]
_PACKAGE = __name__.partition(".")[0]
_NUMBERS = (int, float, np.integer, np.floating, np.bool_, bool)


def by_accident(error: BaseException) -> bool:
    """Whether no ``raise`` statement of this package made the exception.

    >>> from minigrad.ops.misuse import by_accident
    >>> try:
    ...     None.shape
    ... except AttributeError as error:
    ...     by_accident(error)
    True
    """
    tb = error.__traceback__
    if tb is None:
        return True
    while tb.tb_next is not None:
        tb = tb.tb_next
    code = tb.tb_frame.f_code.co_code
    if tb.tb_frame.f_globals.get("__name__", "").partition(".")[0] != _PACKAGE:
        return True
    return code[tb.tb_lasti] != _RAISE


def reraise(
    error: Exception,
    function: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> NoReturn:
    """Raise what says best why a call failed; `error` itself if nothing better can be said.

    Raises
    ------
    LinAlgError
        If LAPACK found no result.
    TypeError
        If an accident can be laid to the type of an argument.
    RuntimeError
        If memory or the range of numbers did not suffice.
    """
    if not by_accident(error) or _users_own(error):
        raise error
    text = str(error)
    if isinstance(error, MemoryError) or text.startswith(_TOO_LARGE):
        raise no_room(name, error) from None
    if text.startswith(_UNLIKE):
        raise RuntimeError(
            f"{name}(): the sizes of the tensors must match, or be 1: {text.removeprefix(_UNLIKE)}"
        ) from None
    if text == "negative dimensions are not allowed":
        raise RuntimeError(f"{name}(): Trying to create tensor with negative dimension") from None
    if isinstance(error, np.linalg.LinAlgError):
        from minigrad.ops.linear_algebra.matrices import LinAlgError

        raise LinAlgError(f"{name}: {error}") from None
    for position, key, value, hint in _bound(function, args, kwargs):
        if not _fits(value, hint):
            where = f" (position {position})" if position else ""
            raise TypeError(
                f"{name}(): argument '{key}'{where} must be {_text(hint)}, not {_kind(value)}"
            ) from None
    if isinstance(error, OverflowError):
        raise RuntimeError(f"{name}(): a number is out of range of its type") from error
    inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
    if not inside and isinstance(error, TypeError):  # the call itself: too many arguments, a name
        raise error
    kind = next((k for k in _KINDS if isinstance(error, k)), RuntimeError)
    given = [_given(v) for v in args] + [f"{k}={_given(v)}" for k, v in kwargs.items()]
    raise _KINDS.get(kind, RuntimeError)(
        f"{name}() received an invalid combination of arguments - got ({', '.join(given)})"
    ) from error


#: What accidents without a better explanation become; all others a RuntimeError.
_KINDS: dict[type[Exception], type[Exception]] = {
    TypeError: TypeError, AttributeError: TypeError, IndexError: IndexError, ValueError: ValueError,
}  # fmt: skip


def _users_own(error: Exception) -> bool:
    """Whether a function of the user raised it: a hook, a callback, an argument's method."""
    tb = error.__traceback__
    while tb is not None:
        frame = tb.tb_frame
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _OURS:
            return True
        tb = tb.tb_next
    return False


def _bound(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[int, str, Any, Any]]:
    """Arguments that have an annotation: position (0 by keyword), name, value, annotation."""
    hints = _hints(function)
    parameters = list(inspect.signature(function).parameters.values())
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    for i, value in enumerate(args):
        key = names[i] if i < len(names) else rest
        if key in hints:
            yield i + 1, key, value, hints[key]
    for key, value in kwargs.items():
        if key in hints:
            yield 0, key, value, hints[key]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations that can be evaluated."""
    function = inspect.unwrap(function)
    scope = {"Tensor": Tensor, **getattr(function, "__globals__", {})}
    found = {}
    for key, hint in getattr(function, "__annotations__", {}).items():
        if key == "return":
            continue
        try:
            found[key] = eval(hint, scope) if isinstance(hint, str) else hint
        except Exception:  # names that only the type checker imports
            continue
    return found


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says; in doubt, yes."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        return any(_fits(value, part) for part in parts)
    if hint is None or hint is type(None):
        return value is None
    if hint in (int, float):
        if isinstance(value, Tensor):
            return value.array.size == 1
        return isinstance(value, _NUMBERS) and not (
            hint is int and isinstance(value, (float, np.floating))
        )
    if hint is Tensor:
        return isinstance(value, (Tensor, np.ndarray, np.generic))
    if origin in (collections.abc.Sequence, collections.abc.Iterable, list, tuple):
        if isinstance(value, str) or not isinstance(value, collections.abc.Iterable):
            return False
        if isinstance(value, (Tensor, np.ndarray)) or not parts:
            return True
        return not isinstance(value, (list, tuple)) or all(_fits(v, parts[0]) for v in value)
    if hint is dtypes.dtype:
        return isinstance(value, dtypes.dtype)
    if hint in (str, bool):
        return isinstance(value, (hint, np.generic))
    return not (origin is collections.abc.Callable and not callable(value))


def _text(hint: Any) -> str:
    """An annotation in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        return " or ".join(_text(part) for part in parts)
    if hint is None or hint is type(None):
        return "None"
    if origin is collections.abc.Callable:
        return "a function"
    if origin in (collections.abc.Sequence, collections.abc.Iterable, list, tuple) and parts:
        return f"a sequence of {_text(parts[0])}"
    return str(getattr(hint, "__name__", hint))


def _kind(value: Any) -> str:
    """The type of a value, and those of its elements."""
    if isinstance(value, (list, tuple)) and value:
        inner = ", ".join(dict.fromkeys(type(v).__name__ for v in value))
        return f"{type(value).__name__} of ({inner})"
    return type(value).__name__


def _given(value: Any) -> str:
    """What was passed: tensors with their shape, numbers as they are, other things by type."""
    if isinstance(value, Tensor) and isinstance(value.array, np.ndarray):
        return f"Tensor of shape {list(value.array.shape)}"
    return repr(value) if isinstance(value, (bool, int, float)) else _kind(value)
