"""Helpers under the names that PyTorch gives them: `utils.data`, `utils.checkpoint`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("_pytree", "checkpoint", "data", "hooks", "model_zoo", "tensorboard"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
