"""numpy's own OpenBLAS: find it, set its threads, and call it by symbol from kernels.

numpy's wheels carry OpenBLAS, which has threads of its own. It is found among the libraries that
numpy ships, else among those loaded into the process (conda, Linux distributions). With another
BLAS (Accelerate, MKL, none) nothing happens, and its own environment variables decide.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

__all__ = ["gemm_addresses", "get_blas_threads", "set_blas_threads"]

# OpenBLAS can be built with a prefix (numpy's wheels) and with a suffix (64-bit integers).
_NAMES = [
    prefix + "openblas_{}_num_threads" + suffix
    for prefix in ("scipy_", "")
    for suffix in ("64_", "")
]


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


@functools.cache
def _functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The (get, set) pair of C functions, or None where numpy's BLAS is no OpenBLAS."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in _NAMES:
            try:
                getter, setter = library[name.format("get")], library[name.format("set")]
            except AttributeError:
                continue
            getter.argtypes, getter.restype = [], ctypes.c_int
            setter.argtypes, setter.restype = [ctypes.c_int], None
            return getter, setter
    return None


def gemm_addresses() -> tuple[dict[str, int], bool] | None:
    """Addresses of the C functions that `kernels.matmul` calls, and whether sizes are 64 bits wide.

    The names are ``"sgemm"``, ``"dgemm"``, ``"get_threads"`` and ``"set_threads"``; None where
    numpy's BLAS is no OpenBLAS.
    """
    for path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                names = {
                    "sgemm": f"{prefix}cblas_sgemm{suffix}",
                    "dgemm": f"{prefix}cblas_dgemm{suffix}",
                    "get_threads": f"{prefix}openblas_get_num_threads{suffix}",
                    "set_threads": f"{prefix}openblas_set_num_threads{suffix}",
                }
                if all(hasattr(library, name) for name in names.values()):
                    pointers = {
                        k: ctypes.cast(library[n], ctypes.c_void_p) for k, n in names.items()
                    }
                    return {k: p.value or 0 for k, p in pointers.items()}, suffix == "64_"
    return None


def get_blas_threads() -> int | None:
    """Return how many threads numpy's OpenBLAS may use, or None if numpy uses another BLAS."""
    found = _functions()
    return None if found is None else found[0]()


def set_blas_threads(n: int) -> bool:
    """Let numpy's OpenBLAS use `n` threads; return whether there was an OpenBLAS to tell."""
    found = _functions()
    if found is None:
        return False
    found[1](n)
    return True
