"""What users get around a public function: arguments are explained, ``name_`` writes in place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from minigrad.core.events import read
from minigrad.core.modes import interpreter
from minigrad.core.operation import NoValues
from minigrad.core.public import PUBLIC, Declared, called, extend
from minigrad.core.tensor import Tensor
from minigrad.ops.inplace import write
from minigrad.ops.misuse import ACCIDENTS, reraise

__all__ = ["all_values", "guarded", "one_by_one", "values_decide"]

#: Arguments as NumPy calls them.
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}

#: Methods that check their arguments themselves, and are called too often for a guard around them.
_PLAIN = frozenset((
    "clone", "contiguous", "expand", "flatten", "permute", "reshape", "transpose", "view",
))  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])


def _checked(function: F, name: str) -> F:
    """As users call it: what is no tensor is refused by name, not by an AttributeError inside."""
    if hasattr(function, "__wrapped__"):  # guarded by itself
        return function
    first = next(iter(function.__annotations__.items()), ("", None))
    if first not in (("input", "Tensor"), ("self", "Tensor")):
        return guarded(function, name)

    @functools.wraps(function)
    def checked(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}"
            )
        try:
            return function(input, *args, **kwargs)
        except NoValues as error:
            return one_by_one(error, function, (input, *args), kwargs)
        except ACCIDENTS as error:
            return _respelled(error, function, name, (input, *args), kwargs)

    return cast(F, checked)


def guarded(function: F, name: str = "") -> F:
    """`function`, one example after the other where it asks for the values of many (`vmap`);
    accidents inside are explained by the types of the arguments.
    """
    name = name or function.__name__

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NoValues as error:
            return one_by_one(error, function, args, kwargs)
        except ACCIDENTS as error:
            return _respelled(error, function, name, args, kwargs)

    return cast(F, called)


def _respelled(
    error: Exception,
    function: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """The result for arguments in NumPy's names, which PyTorch takes, too; else what went wrong.

    Only calls that failed come here, so that the others do not pay for it.
    """
    known = function.__annotations__
    renamed = {
        NUMPY_NAMES[key] if key in NUMPY_NAMES and key not in known else key: value
        for key, value in kwargs.items()
    }
    if renamed.keys() == kwargs.keys() or len(renamed) < len(kwargs):
        reraise(error, function, name, args, kwargs)
    return guarded(function, name)(*args, **renamed)


def one_by_one(
    error: NoValues, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What `function` gives for each of many examples, after it asked for the values of all."""
    if interpreter() is None:
        raise error
    return interpreter().loop(error, function, args, kwargs)


def all_values(t: Tensor) -> np.ndarray[Any, Any]:
    """The elements, of all examples if there are many: to check that they are valid."""
    return t.array if interpreter() is None else interpreter().values(t)


def values_decide(name: str, *tensors: Tensor) -> None:
    """What follows depends on these values: listeners are told, many examples are refused."""
    for t in tensors:
        read(name, t)
        t.array[...]  # many examples have none


def _add_inplace(name: str, function: Callable[..., Any]) -> None:
    """Put ``name_`` on tensors: compute as `function` does, and write over the tensor."""

    @called(f"{name}_", f"In-place form of :func:`{name}`: the result replaces the elements.")
    def in_place(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        def compute(x: Tensor) -> Any:
            try:
                return function(x, *args, **kwargs)
            except NoValues as error:
                return one_by_one(error, function, (x, *args), kwargs)
            except ACCIDENTS as error:
                reraise(error, function, f"{name}_", (x, *args), kwargs)

        return write(self, compute, f"{name}_")

    setattr(Tensor, f"{name}_", in_place)


def _guard(declared: Declared) -> None:
    """What `core.public` calls for each function that users find somewhere."""
    name, function = declared.name, declared.function
    op = getattr(function, "op", None)
    formula = op is not None and op.name == name and hasattr(op, "formula")
    if declared.public and not (formula or isinstance(function, type)):
        PUBLIC[name] = _checked(function, name)
    if declared.method and not formula and not name.startswith("_"):
        # Those along a dimension may be asked for by NumPy's names of arguments.
        along = "dim" in getattr(function, "__annotations__", ())
        if along or name not in _PLAIN:
            setattr(Tensor, name, guarded(function, name))
    if declared.inplace:
        _add_inplace(name, function)


extend(_guard)
