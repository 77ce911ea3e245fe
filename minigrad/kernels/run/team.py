"""Which threads share the work of code that needs no numba: none, until there has been much of it.

The pool is numba's code. To start it takes half a second in a process that has not used numba, and
more than a second where it is not in the cache; a program that adds up a few arrays is over before
that. So the pool is started by those who have numba anyway, or when so much has been done without
it that starting it is a small part. Bits do not depend on who does what.
"""

from __future__ import annotations

import sys

from minigrad.kernels.run import settings
from minigrad.kernels.run.lazy import lazy

__all__ = ["NOBODY", "team"]

threads = lazy("run.threads")

#: A pool and a way to launch, as `emit.call` takes them: only the calling thread.
NOBODY = (0, 0)
#: Elements computed in the calling thread before the pool is worth its start: 50 to 100 ms.
_PAYS = 1 << 26

_done = 0


def team(elements: int) -> tuple[int, int]:
    """Return the pool and the address of the function that launches a body there.

    Parameters
    ----------
    elements : int
        How much is to be done.
    """
    global _done
    if settings.num_threads == 1:
        return NOBODY
    known = sys.modules.get("minigrad.kernels.run.threads")
    started = getattr(known, "started", None)  # another thread may be importing it just now
    if started is None or not started():
        _done += elements
        if _done < _PAYS:
            return NOBODY
    return threads.team()
