"""There is no accelerator: what scripts ask before they choose a device, answered.

>>> import minigrad as mg
>>> mg.accelerator.current_accelerator() if mg.accelerator.is_available() else mg.device("cpu")
device(type='cpu')
"""

from __future__ import annotations

__all__ = ["current_accelerator", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether there is an accelerator: never."""
    return False


def device_count() -> int:
    """How many accelerators there are: none."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """The device of the accelerator: None."""


def synchronize(device: object = None) -> None:
    """Wait for nothing: operations have finished when they return."""
