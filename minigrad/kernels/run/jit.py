"""The house's numba decorators: one place that fixes how every kernel is compiled.

``nogil`` lets helper threads run kernels while Python goes on; ``error_model="numpy"`` keeps
divisions free of the ``ZeroDivisionError`` branch that would stop LLVM from vectorising;
``no_cfunc_wrapper`` leaves out an entry for callers in C, which nobody uses and which takes a
twentieth of the compile time;
``cached`` keeps the machine code for the next process (see :mod:`minigrad.kernels.run.startup`).
Nothing compiles before the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from minigrad.kernels.run.sizes import BLOCK, PARALLEL_CHEAP, PARALLEL_MATH
from minigrad.kernels.run.startup import cached, skip_scipy

__all__ = ["BLOCK", "PARALLEL_CHEAP", "PARALLEL_MATH", "jit", "jit_sum"]

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

skip_scipy()


def jit(function: Callable[..., Any]) -> Any:
    """Compile a kernel on its first call, without the GIL, cached on disk."""
    return cached(numba.njit(**_OPTIONS)(function))


def jit_sum(function: Callable[..., Any]) -> Any:
    """As :func:`jit`, for inner sums: additions may be reordered, so that they vectorise.

    Only ``reassoc`` and ``contract``: the full ``fastmath`` would also assume that no NaN and no
    infinity ever comes, and break both.
    """
    return cached(numba.njit(**_OPTIONS, fastmath={"reassoc", "contract"})(function))
