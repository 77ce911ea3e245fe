"""The number of threads, kept apart from the pool so that reading or setting it needs no numba.

`kernels.run.threads` looks at :data:`num_threads` whenever a kernel asks for the pool,
and starts or stops helper threads when it has changed.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from minigrad.kernels.matmul import blas

__all__ = ["DEFAULT", "Limit", "default_limit", "get_num_threads", "set_num_threads"]


class Limit(NamedTuple):
    """A number of threads, and what it comes from."""

    threads: int
    source: str


def _asked() -> Limit | None:
    """The number of threads that the environment asks for, as numba and OpenMP read it."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()  # "4,2": 4, and 2 in each of them
        if text.isdecimal() and int(text) > 0:
            return Limit(int(text), name)
    return None


def _usable_cores() -> Limit:
    """Cores this process may run on, which in a container can be fewer than the machine has."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return Limit(os.process_cpu_count() or 1, "cores")
    if hasattr(os, "sched_getaffinity"):
        return Limit(len(os.sched_getaffinity(0)), "cores")
    return Limit(os.cpu_count() or 1, "cores")


def _quota(root: Path = Path("/")) -> Limit | None:
    """Cores' worth of time that the control groups of this process may use; None for no limit.

    Whole cores, at least one: a pool with more threads than that is halted by the kernel in the
    middle of its work, again and again.

    References
    ----------
    Linux, Documentation/admin-guide/cgroup-v2.rst (``cpu.max``) and scheduler/sched-bwc.rst
    (``cpu.cfs_quota_us``).
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    cores = [cores for line in groups for cores in _quotas_of(root / "sys/fs/cgroup", line)]
    return Limit(max(1, int(min(cores))), "cgroup") if cores else None


def _quotas_of(mount: Path, line: str) -> Iterator[float]:
    """The quotas along one hierarchy, ``number:controllers:path``, from the group to the root."""
    _, controllers, path = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    # In a container the mount may begin at the group itself, so that the path leads nowhere: then
    # the root of the mount is the one that counts, and it is always looked at.
    place = PurePosixPath(path.lstrip("/"))
    for group in (place, *place.parents):
        if controllers:  # version 1
            folders = (mount / "cpu" / group, mount / controllers / group)
            quotas = [_cores(f / "cpu.cfs_quota_us", f / "cpu.cfs_period_us") for f in folders]
        else:
            quotas = [_cores(mount / group / "cpu.max")]
        yield from (q for q in quotas if q is not None)


def _cores(*files: Path) -> float | None:
    """Quota divided by period, both in microseconds, from one file or two."""
    try:
        quota, period = " ".join(file.read_text() for file in files).split()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):  # there is no such file; or it says "max"
        return None


def default_limit() -> Limit:
    """How many threads kernels may use at first, and what said so."""
    asked = _asked()
    if asked is not None:
        return asked
    cores, quota = _usable_cores(), _quota()
    return quota if quota is not None and quota.threads < cores.threads else cores


#: What `num_threads` was when the package was imported.
DEFAULT = default_limit()

#: Threads a kernel may use, the calling one included. Read by ``threads.pool_address`` on every
#: launch; changed by :func:`set_num_threads` only.
num_threads: int = DEFAULT.threads


def get_num_threads() -> int:
    """Return how many threads one kernel may use, the calling thread included.

    The default is ``NUMBA_NUM_THREADS`` or ``OMP_NUM_THREADS`` where one is set, else the number of
    cores this process may run on, or may use the time of where a container has a quota.

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


if DEFAULT.source == "cgroup":  # OpenBLAS looks at the cores only
    blas.set_blas_threads(num_threads)
