"""Mixed precision under its old names: :mod:`minigrad.amp` says what it does here."""

from __future__ import annotations

from typing import Any

from minigrad.compat import amp
from minigrad.compat.amp import custom_bwd, custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """:class:`minigrad.amp.autocast` for the device "cuda"; it casts nothing.

    >>> with autocast():
    ...     pass
    """

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """:class:`minigrad.amp.GradScaler` for the device "cuda"; the scale is 1.

    >>> GradScaler(init_scale=1024.0).get_scale()
    1.0
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )
