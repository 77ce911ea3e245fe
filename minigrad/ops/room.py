"""Memory: what cannot fit is refused before it is asked for, and said in bytes.

Systems promise more memory than they have. An allocation beyond it may succeed, and the process is
ended later, when the memory is used.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

__all__ = ["check_room", "no_room"]


def _memory() -> int:
    """The bytes of this machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not everywhere can one ask
        return 2**41


ROOM = _memory()


def check_room(name: str, shape: Sequence[int], itemsize: int = 2) -> None:
    """Refuse results that cannot fit.

    Parameters
    ----------
    name : str
        The operation, for the message.
    shape : sequence of int
        Of what is to be made.
    itemsize : int
        Bytes of an element; those of the smallest floating type where any may come.

    Raises
    ------
    RuntimeError
        With the name, the bytes and the sizes.

    Examples
    --------
    >>> check_room("conv1d", (1, 1, 2**48))
    Traceback (most recent call last):
    RuntimeError: conv1d(): can't allocate memory: you tried to allocate 562949953421312 bytes, for
    sizes [1, 1, 281474976710656]
    """
    size = math.prod(shape) * itemsize
    if size > ROOM:
        raise RuntimeError(
            f"{name}(): can't allocate memory: you tried to allocate {size} bytes, for sizes "
            f"{list(shape)}"
        )


def no_room(name: str, error: Exception) -> RuntimeError:
    """What to raise instead of numpy's and Python's errors about memory."""
    shape = getattr(error, "shape", None)
    if shape is not None:
        count, size = math.prod(shape), np.dtype(getattr(error, "dtype", np.uint8)).itemsize
        why = f"you tried to allocate {count * size} bytes, for sizes {list(shape)}"
    elif isinstance(error, MemoryError) and error.args:
        why = str(error)
    else:
        why = "the tensor would have more elements than there are addresses"
    return RuntimeError(f"{name}(): can't allocate memory: {why}")
