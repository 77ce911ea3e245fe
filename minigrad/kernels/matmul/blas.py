"""numpy's own OpenBLAS: find it, set its threads, and call it by symbol from kernels.

numpy's wheels carry OpenBLAS, which has threads of its own. It is found among the libraries that
numpy ships, else among those loaded into the process (conda, Linux distributions). With another
BLAS (Accelerate, MKL, none) nothing happens, and its own environment variables decide.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["gemm_addresses", "get_blas_threads", "set_blas_threads"]


def _candidates() -> Iterator[Path]:
    """Files that may be the OpenBLAS numpy uses, the surest ones first."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs", package / ".libs"):
        yield from sorted(folder.glob("*openblas*"))
    if sys.platform == "linux":
        try:
            maps = Path("/proc/self/maps").read_text()
        except OSError:
            return
        mapped = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "openblas" in line}
        yield from sorted(Path(name) for name in mapped if name.startswith("/"))


#: What is called, and its name in OpenBLAS, which can be built with a prefix (numpy's wheels) and
#: with a suffix (64-bit integers).
_NAMES = {
    "sgemm": "cblas_sgemm",
    "dgemm": "cblas_dgemm",
    "get_threads": "openblas_get_num_threads",
    "set_threads": "openblas_set_num_threads",
}


@functools.cache
def _symbols() -> tuple[dict[str, Any], bool] | None:
    """The C functions of numpy's OpenBLAS, and whether its sizes are 64 bits wide; or None."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                names = {key: f"{prefix}{name}{suffix}" for key, name in _NAMES.items()}
                if all(hasattr(library, name) for name in names.values()):
                    return {key: library[name] for key, name in names.items()}, suffix == "64_"
    return None


@functools.cache
def _functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The (get, set) pair of C functions, or None where numpy's BLAS is no OpenBLAS."""
    found = _symbols()
    if found is None:
        return None
    getter, setter = found[0]["get_threads"], found[0]["set_threads"]
    getter.argtypes, getter.restype = [], ctypes.c_int
    setter.argtypes, setter.restype = [ctypes.c_int], None
    return getter, setter


def gemm_addresses() -> tuple[dict[str, int], bool] | None:
    """Addresses of the C functions that `matmul.gemm` calls, and whether sizes are 64 bits wide.

    The names are ``"sgemm"``, ``"dgemm"``, ``"get_threads"`` and ``"set_threads"``; None where
    numpy's BLAS is no OpenBLAS.
    """
    found = _symbols()
    if found is None:
        return None
    functions, wide = found
    return {k: ctypes.cast(f, ctypes.c_void_p).value or 0 for k, f in functions.items()}, wide


#: What products in different threads know of each other while OpenBLAS uses one thread for them
#: (`gemm.one_thread`): offsets of a lock, of their number, and of how many threads to put back.
LOCK, USERS, THREADS = 0, 8, 16
STATE = (ctypes.c_int64 * 3)()
#: How often to write a number that something else may overwrite; OpenBLAS also has an upper limit.
_TRIES = 10


def state_address() -> int:
    """The address of :data:`STATE`, which lives as long as the process."""
    return ctypes.addressof(STATE)


def _forget_users() -> None:
    """In a forked child: the threads that were multiplying are not there."""
    users, threads = STATE[USERS // 8], STATE[THREADS // 8]
    STATE[LOCK // 8] = STATE[USERS // 8] = 0
    if users:
        set_blas_threads(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_users)


def get_blas_threads() -> int | None:
    """Return how many threads numpy's OpenBLAS may use, or None if numpy uses another BLAS."""
    found = _functions()
    if found is None:
        return None
    return STATE[THREADS // 8] if STATE[USERS // 8] else found[0]()


def set_blas_threads(n: int) -> bool:
    """Let numpy's OpenBLAS use `n` threads; return whether there was an OpenBLAS to tell.

    While kernels multiply, which needs it to use one, they are told to put back `n`.
    """
    found = _functions()
    if found is None:
        return False
    for _ in range(_TRIES):
        STATE[THREADS // 8] = n
        if STATE[USERS // 8] == 0:
            found[1](n)
        if get_blas_threads() == n:  # else a kernel that began or ended just now wrote it, too
            break
    return True
