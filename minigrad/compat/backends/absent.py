"""Libraries that PyTorch computes with on the CPU; minigrad compiles its own kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["flags", "is_available"]


def is_available() -> bool:
    """Whether the library is used: never."""
    return False


@contextmanager
def flags(enabled: bool = False, deterministic: bool = False) -> Iterator[None]:
    """A context with other switches, in which everything is computed as always."""
    yield
