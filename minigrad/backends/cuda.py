"""CUDA is not used."""

from __future__ import annotations


def is_built() -> bool:
    """Whether support for CUDA is built in: it is not."""
    return False
