"""The number of threads, kept apart from the pool so that reading or setting it needs no numba.

`kernels.run.threads` looks at :data:`num_threads` whenever a kernel asks for the pool,
and starts or stops helper threads when it has changed.
"""

from __future__ import annotations

import operator
import os

from minigrad.kernels.matmul import blas

__all__ = ["get_num_threads", "set_num_threads"]


def _usable_cores() -> int:
    """Cores this process may run on, which in a container can be fewer than the machine has."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


#: Threads a kernel may use, the calling one included. Read by ``threads.pool_address`` on every
#: launch; changed by :func:`set_num_threads` only.
num_threads: int = _usable_cores()


def get_num_threads() -> int:
    """Return how many threads one kernel may use, the calling thread included.

    The default is the number of cores this process may run on.

    Examples
    --------
    >>> from minigrad.kernels.run.settings import get_num_threads
    >>> get_num_threads() >= 1
    True
    """
    return num_threads


def set_num_threads(n: int) -> None:
    """Set how many threads one kernel may use, here and in numpy's matrix product.

    Results do not depend on this number: work is cut into blocks by its size alone, and the
    threads only share the blocks out. (Matrix products are numpy's: their last bits may differ.)

    Parameters
    ----------
    n : int
        At least 1, which means that kernels run in the calling thread only. More than there are
        cores is allowed and slow.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> from minigrad.kernels.run.settings import get_num_threads, set_num_threads
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global num_threads
    if isinstance(n, bool):
        raise TypeError("set_num_threads expects an integer >= 1, got a bool")
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(
            f"set_num_threads expects an integer >= 1, got {type(n).__name__}"
        ) from None
    if count < 1:
        raise ValueError(
            f"set_num_threads expects an integer >= 1, got {count}; 1 means no extra threads"
        )
    num_threads = count
    blas.set_blas_threads(count)
