"""Warnings that point at the user's line, however many layers of this package lie between."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn_user"]


def warn_user(message: str) -> None:
    """Warn, naming the first line outside of minigrad as the place."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("minigrad."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
