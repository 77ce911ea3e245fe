"""Functions that exist so that they can be imported, and say why they cannot be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from minigrad.core.public import called

__all__ = ["refused"]


def refused(name: str, why: str) -> Callable[..., NoReturn]:
    """A function that raises a RuntimeError whatever it is called with.

    >>> refused("fft.fft", "there are no complex numbers")()
    Traceback (most recent call last):
    ...
    RuntimeError: fft.fft: there are no complex numbers
    """

    @called(name.rpartition(".")[2], f"Refused: {why}.")
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"{name}: {why}")

    return function
