"""cuDNN is not there. Setting its switches changes nothing: results are deterministic always."""

from __future__ import annotations

enabled = False
benchmark = False
deterministic = True
allow_tf32 = False


def is_available() -> bool:
    """Whether cuDNN can be used: never."""
    return False


def version() -> None:
    """The version of cuDNN: None."""
    return None
