"""Apple's GPUs are not used."""

from __future__ import annotations

from minigrad.compat.devices import is_available as is_available


def is_built() -> bool:
    """Whether support for one is built in: it is not."""
    return False
