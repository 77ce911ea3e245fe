"""Apple's GPUs are not used."""

from __future__ import annotations


def is_available() -> bool:
    """Whether an Apple GPU can be used: never."""
    return False


def is_built() -> bool:
    """Whether support for one is built in: it is not."""
    return False
