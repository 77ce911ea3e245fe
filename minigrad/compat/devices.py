"""Devices that scripts ask for one after the other (``mps``, ``xpu``): none of them is there.

>>> import minigrad as mg
>>> mg.xpu.is_available(), mg.mps.device_count()
(False, 0)
"""

from __future__ import annotations

__all__ = [
    "device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether the device can be used: never."""
    return False


def device_count() -> int:
    """How many there are: none."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed nothing: the generator of the CPU is seeded by ``minigrad.manual_seed``."""


def manual_seed_all(seed: int) -> None:
    """Seed nothing: the generator of the CPU is seeded by ``minigrad.manual_seed``."""


def empty_cache() -> None:
    """Free nothing of the device."""


def synchronize(device: object = None) -> None:
    """Wait for nothing: operations have finished when they return."""
