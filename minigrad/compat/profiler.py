"""Marks for PyTorch's profiler, in models that carry them: they mark nothing.

>>> import minigrad as mg
>>> with mg.profiler.record_function("forward"):
...     y = mg.ones(2).exp()
"""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any

from minigrad.compat.refusal import refused

__all__ = ["profile", "record_function"]


class record_function(ContextDecorator):
    """A context, or a decorator, that gives a name to what runs in it, for a profiler."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing to end."""


profile = refused(
    "profiler.profile", "minigrad has no profiler of its own; Python's cProfile sees operations"
)
