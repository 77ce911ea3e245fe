"""Numbers that users give for windows and kernels: one for each dimension, in a range that can be
computed with; and sizes of results, before anything of that size is made.
"""

from __future__ import annotations

import math
import os
from typing import Any

__all__ = ["LIMIT", "check_range", "check_room", "tupled"]

Sizes = tuple[int, ...]

#: Sizes and steps lie below, as in PyTorch's kernels: positions are counted in 32 bits.
LIMIT = 2**31


def _room() -> int:
    """How many elements of two bytes this machine's memory holds."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):  # not everywhere can one ask
        return 2**40


ROOM = _room()


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


def check_room(name: str, shape: Sizes) -> None:
    """Refuse results that cannot fit: the system would promise the memory, and then end us.

    Raises
    ------
    RuntimeError
        With the name and the sizes.

    Examples
    --------
    >>> check_room("conv1d", (1, 1, 2**48))
    Traceback (most recent call last):
    RuntimeError: conv1d: can't allocate memory for an output of size [1, 1, 281474976710656]
    """
    if math.prod(shape) > ROOM:
        raise RuntimeError(f"{name}: can't allocate memory for an output of size {list(shape)}")
