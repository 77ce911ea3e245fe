"""There is no accelerator: what scripts ask before they choose a device, answered.

>>> import minigrad as mg
>>> mg.accelerator.current_accelerator() if mg.accelerator.is_available() else mg.device("cpu")
device(type='cpu')
"""

from __future__ import annotations

from minigrad.compat.devices import device_count, is_available, synchronize

__all__ = ["current_accelerator", "device_count", "is_available", "synchronize"]


def current_accelerator(check_available: bool = False) -> None:
    """The device of the accelerator: None."""
