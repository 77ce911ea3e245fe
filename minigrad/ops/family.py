"""Functions that are the same but for the number of dimensions: written once, made three times."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from minigrad.core.public import called
from minigrad.ops.guard import guarded

__all__ = ["filled_in", "for_dimensions", "with_option"]

F = TypeVar("F", bound=Callable[..., Any])

#: What the words in braces mean in a text about one, two and three dimensions.
_WORDS = (
    {"n": "1", "shape": "(N, C, L) or (C, L)", "last": "last dimension", "sizes": "int",
     "ordinal": "one", "kernel": "K"},
    {"n": "2", "shape": "(N, C, H, W) or (C, H, W)", "last": "last two dimensions",
     "sizes": "int or pair of int", "ordinal": "two", "kernel": "KH, KW"},
    {"n": "3", "shape": "(N, C, D, H, W) or (C, D, H, W)", "last": "last three dimensions",
     "sizes": "int or three of them", "ordinal": "three", "kernel": "KD, KH, KW"},
)  # fmt: skip


def filled_in(text: str | None, n: int) -> str | None:
    """A text about any number of dimensions as one about `n` of them.

    >>> from minigrad.ops.family import filled_in
    >>> filled_in("Windows of {shape}: {sizes}.", 2)
    'Windows of (N, C, H, W) or (C, H, W): int or pair of int.'
    """
    for word, meaning in _WORDS[n - 1].items():
        text = text and text.replace(f"{{{word}}}", meaning)
    return text


def for_dimensions(function: F) -> tuple[F, F, F]:
    """`function`, called ``_nameNd``, for one, two and three dimensions.

    Its keyword `n` is the number of dimensions. Each of the three is the same code with another
    default for it, so that a call costs no more than that of a function written out.
    """
    made = _of(function, 1), _of(function, 2), _of(function, 3)
    # doctest looks for examples in the functions that a module defines, and these are made here
    texts = function.__globals__.setdefault("__test__", {})
    texts.update({f.__name__: f.__doc__ for f in made})
    function.__doc__ = f"What {', '.join(f.__name__ for f in made)} are made of."
    return made


def _of(function: Any, n: int) -> Any:
    name = function.__name__.strip("_").replace("_Nd", "Nd").replace("Nd", f"{n}d")
    made = FunctionType(
        function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = (function.__kwdefaults__ or {}) | {"n": n}
    made.__module__, made.__qualname__ = function.__module__, name
    made.__doc__ = filled_in(function.__doc__, n)
    made.__annotations__ = {k: v for k, v in function.__annotations__.items() if k != "n"}
    seen = inspect.signature(function)
    kept = [p for p in seen.parameters.values() if p.name != "n"]
    made.__signature__ = seen.replace(parameters=kept)  # type: ignore[attr-defined]
    return guarded(made, name)


def with_option(function: F, option: str, value: Any) -> F:
    """`function` as ``name_with_indices``: one option has a value of its own, whatever is given."""
    place = list(inspect.signature(function).parameters).index(option)
    suffix = option.removeprefix("return_")

    @called(
        f"{function.__name__}_with_{suffix}",
        f":func:`{function.__name__}` with ``{option}={value}``.",
    )
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args[:place], **kwargs | {option: value})

    return call  # type: ignore[return-value]
