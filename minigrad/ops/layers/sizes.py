"""Numbers that users give for windows and kernels: one for each dimension, in a range that can be
computed with.
"""

from __future__ import annotations

from typing import Any

from minigrad.ops.room import check_room

__all__ = ["LIMIT", "check_range", "check_room", "tupled"]

Sizes = tuple[int, ...]

#: Sizes and steps lie below, as in PyTorch's kernels: positions are counted in 32 bits.
LIMIT = 2**31


def tupled(value: Any) -> Any:
    """Lists as tuples, which can be remembered; other things as they are."""
    return tuple(value) if isinstance(value, list) else value


def check_range(name: str, **numbers: Sizes) -> None:
    """Refuse what no kernel could count to.

    Raises
    ------
    RuntimeError
        If a number is not below :data:`LIMIT` in size.

    Examples
    --------
    >>> check_range("conv2d", stride=(1, 2**40))
    Traceback (most recent call last):
    RuntimeError: conv2d: integer out of range: stride=(1, 1099511627776), expected less than 2**31
    """
    for what, values in numbers.items():
        if max(values) >= LIMIT or min(values) <= -LIMIT:
            raise RuntimeError(
                f"{name}: integer out of range: {what}={values}, expected less than 2**31"
            )
