"""Matrix products inside kernels: numpy's OpenBLAS on raw addresses, one thread per call.

For kernels that multiply many small panels and do something between the products. They read rows
at any distance from each other (`lda`), so that heads of attention or gates of a recurrence need no
copies. :data:`AVAILABLE` is False where numpy was built on another BLAS, and where numba is off;
callers have a way in numpy for that.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import carray, types
from numba.core.cgutils import add_global_variable
from numba.extending import intrinsic, overload

from minigrad.kernels.matmul import blas
from minigrad.kernels.run.atomics import compare_and_swap, load, store, yield_core
from minigrad.kernels.run.bodies import inner

__all__ = ["AVAILABLE", "address", "gemm", "one_thread", "restore_threads", "row_at"]

_found = None if numba.config.DISABLE_JIT else blas.gemm_addresses()

#: Whether :func:`gemm` can be called.
AVAILABLE = _found is not None
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112  # CblasRowMajor, CblasNoTrans, CblasTrans
_STATE = "minigrad_blas_state"

if _found is not None:
    _addresses, _wide = _found
    for _name, _where in _addresses.items():  # cached code looks these names up when it is loaded
        llvm.add_symbol(f"minigrad_{_name}", _where)
    llvm.add_symbol(_STATE, blas.state_address())
    _int = types.int64 if _wide else types.int32

    def _signature(real: Any) -> Any:
        layout, matrix = (types.int32,) * 3, (types.uintp, _int)
        return types.void(*layout, *(_int,) * 3, real, *matrix, *matrix, real, *matrix)

    _sgemm = types.ExternalFunction("minigrad_sgemm", _signature(types.float32))
    _dgemm = types.ExternalFunction("minigrad_dgemm", _signature(types.float64))
    _get_threads = types.ExternalFunction("minigrad_get_threads", types.int32())
    _set_threads = types.ExternalFunction("minigrad_set_threads", types.void(types.int32))


@intrinsic
def _pointer(typing_context: Any, where: Any, like: Any) -> Any:
    """An address as a pointer to elements of the type of `like`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.int64, like), codegen


def row_at(where, size, like):
    """The `size` elements at an address as an array; for jitted code."""


@overload(row_at, inline="always")
def _row_at(where, size, like):
    return lambda where, size, like: carray(_pointer(where, like), (size,))


def address(array, first):
    """The address of the element `first` of a 1-D array; for jitted code."""


@overload(address, inline="always")
def _address(array, first):
    size = array.dtype.bitwidth // 8
    return lambda array, first: array.ctypes.data + first * size


def gemm(like, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """``c = alpha a @ b + beta c`` in the type of `like`, of ``(m, k)`` and ``(k, n)``.

    `a`, `b` and `c` are addresses; `ta` and `tb` say that the transpose is stored. To be called
    between :func:`one_thread` and :func:`restore_threads`.
    """


@overload(gemm)
def _gemm(
    like: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, lda: Any,
    b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
) -> Any:  # fmt: skip
    call = _sgemm if like.dtype == types.float32 else _dgemm

    def run(
        like: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, lda: Any,
        b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
    ) -> None:  # fmt: skip
        call(
            _ROW_MAJOR, _TRANSPOSED if ta else _PLAIN, _TRANSPOSED if tb else _PLAIN,
            m, n, k, alpha, a, lda, b, ldb, beta, c, ldc,
        )  # fmt: skip

    return run


# --------------------------------------------------------------------- one thread, for as long as


@intrinsic
def _state(typing_context: Any) -> Any:
    """The address of `blas.STATE`: by name, since code in the cache serves many processes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        known = builder.module.globals.get(_STATE)
        return builder.ptrtoint(known or add_global_variable(builder.module, word, _STATE), word)

    return types.int64(), codegen


@inner
def _lock(state: int) -> None:
    """Held for the time of one call into OpenBLAS, some 10 ns."""
    while not compare_and_swap(state + blas.LOCK, 0, 1):
        yield_core()


@inner
def one_thread() -> None:
    """Let OpenBLAS use one thread from here on. For jitted code.

    The setting is one for the process, so kernels in different threads share it: the first that
    comes notes how many threads there were, the last that goes puts them back.
    """
    state = _state()
    _lock(state)
    users = load(state + blas.USERS)
    if users == 0:
        store(state + blas.THREADS, _get_threads())
        _set_threads(1)
    store(state + blas.USERS, users + 1)
    store(state + blas.LOCK, 0)


@inner
def restore_threads() -> None:
    """Let OpenBLAS use as many threads as before, or as were asked for meanwhile."""
    state = _state()
    _lock(state)
    users = load(state + blas.USERS) - 1
    store(state + blas.USERS, users)
    while users == 0:
        threads = load(state + blas.THREADS)
        _set_threads(threads)
        if threads == load(state + blas.THREADS):  # else `blas.set_blas_threads` came in between
            break
    store(state + blas.LOCK, 0)
