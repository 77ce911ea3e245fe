"""The generator under the names of ``torch.random``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.names import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip


@contextmanager
def fork_rng(
    devices: Any = None, enabled: bool = True, device_type: str = "cpu", **kwargs: Any
) -> Iterator[None]:
    """A context after which the generator is as it was before.

    Parameters
    ----------
    devices, device_type
        Of GPUs, which have no generators here.
    enabled : bool
        Without it nothing is put back.

    Examples
    --------
    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> with mg.random.fork_rng():
    ...     first = mg.rand(3)
    >>> bool((mg.rand(3) == first).all())
    True
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
