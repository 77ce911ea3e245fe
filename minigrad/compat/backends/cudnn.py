"""cuDNN is not there. Setting its switches changes nothing: results are deterministic always."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minigrad.compat.devices import is_available as is_available

enabled = False
benchmark = False
benchmark_limit = 10
deterministic = True
allow_tf32 = False


def version() -> None:
    """The version of cuDNN: None."""
    return None


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """A context with other switches, in which everything is computed as always."""
    yield
