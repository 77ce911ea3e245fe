"""Keep freed memory for the next result: glibc's malloc, told not to return it to the kernel.

Every operation makes new arrays and drops old ones. By default glibc gives large blocks back to
the operating system at once, so that the next array of that size is made of fresh pages, each
costing a page fault and a clearing: two to four times the cost of the operation itself at ten
million elements. Three ``mallopt`` settings keep the memory in the process instead; the price is
that a process stays as large as it once was, until :func:`empty_cache` is called.

The settings hold for the whole process. ``MINIGRAD_MALLOC=0`` leaves malloc alone, as does any C
library but glibc.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

__all__ = ["empty_cache", "tune_malloc"]

# Parameters of mallopt(3), from glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def _glibc() -> Any:
    """The C library of this process if it is glibc, else None."""
    try:
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return None
        return ctypes.CDLL(None)
    except (AttributeError, ValueError, OSError):  # another system has no such name
        return None


def tune_malloc() -> bool:
    """Make malloc keep what is freed; return whether it was done.

    - Blocks of up to 1 GB come from the heap and not from ``mmap``, which would clear and return
      each of them. Where glibc refuses so high a threshold, ``mmap`` is not used at all.
    - The top of the heap is not trimmed.
    - All threads share one heap: the heaps of other threads are returned whatever the settings.

    Done once, when the package is imported.

    References
    ----------
    ``man 3 mallopt``.

    Examples
    --------
    >>> from minigrad.kernels.run.memory import tune_malloc
    >>> tune_malloc() in (True, False)
    True
    """
    if os.environ.get("MINIGRAD_MALLOC", "1") == "0":
        return False
    library = _glibc()
    if library is None:
        return False
    if not library.mallopt(_M_MMAP_THRESHOLD, 1 << 30):
        library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    library.mallopt(_M_ARENA_MAX, 1)
    return True


def empty_cache() -> bool:
    """Return freed memory to the operating system; return whether any was returned.

    The next large results will cost page faults again. Does nothing where the C library is not
    glibc.

    Examples
    --------
    >>> from minigrad.kernels.run.memory import empty_cache
    >>> empty_cache() in (True, False)
    True
    """
    library = _glibc()
    return library is not None and bool(library.malloc_trim(0))
