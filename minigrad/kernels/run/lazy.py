"""Modules that are imported when something of them is first used.

numba takes longer to import than everything else together, and nothing needs it before the first
kernel runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["lazy"]


class _Lazy:
    """Stands for a module; an attribute once used is as quick as the module's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value

    def __repr__(self) -> str:
        return f"<{self._name}, imported on first use>"


def lazy(name: str) -> Any:
    """The module ``minigrad.kernels.name``, to be imported on first use."""
    return _Lazy(f"minigrad.kernels.{name}")
