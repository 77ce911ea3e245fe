"""Modules that are imported when something of them is first used.

numba takes longer to import than everything else together, and nothing needs it before the first
kernel runs.
"""

from __future__ import annotations

from importlib import import_module
from threading import RLock
from typing import Any

from minigrad.kernels.run.making import interrupts_wait

__all__ = ["lazy"]

_importing = RLock()


class _Lazy:
    """Stands for a module; an attribute once used is as quick as the module's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # numba's modules import each other in circles: two threads that begin with different ones
        # would each see the other's half made.
        with interrupts_wait(), _importing:
            value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value

    def __repr__(self) -> str:
        return f"<{self._name}, imported on first use>"


def lazy(name: str) -> Any:
    """The module ``minigrad.kernels.name``, to be imported on first use."""
    return _Lazy(f"minigrad.kernels.{name}")
