"""What to say where numpy refused: in its words here, in better ones from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["explain", "use_words"]

#: Says what went wrong, from the name of an operation, its arguments, and numpy's error.
Words = Callable[[str, tuple[Any, ...], Exception], Exception]


def _plain(name: str, arguments: tuple[Any, ...], error: Exception) -> Exception:
    return RuntimeError(f"{name}: {error}")


_words: Words = _plain


def use_words(words: Words) -> None:
    """Explain by another function, which may take its time: only calls that failed come to it."""
    global _words
    _words = words


def explain(name: str, arguments: tuple[Any, ...], error: Exception) -> Exception:
    """The exception to raise instead of numpy's."""
    return _words(name, arguments, error)
