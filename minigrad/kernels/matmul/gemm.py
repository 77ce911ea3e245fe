"""Matrix products inside kernels: numpy's OpenBLAS on raw addresses, one thread per call.

For kernels that multiply many small panels and do something between the products. They read rows
at any distance from each other (`lda`), so that heads of attention or gates of a recurrence need no
copies. :data:`AVAILABLE` is False where numpy was built on another BLAS, and where numba is off;
callers have a way in numpy for that.
"""

from __future__ import annotations

from typing import Any

from numba import carray, types
from numba.extending import intrinsic, overload

from minigrad.kernels.matmul import product as matmul

__all__ = ["AVAILABLE", "address", "gemm", "one_thread", "restore_threads", "row_at"]

#: Whether :func:`gemm` can be called.
AVAILABLE = matmul._found is not None
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


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
    call = matmul._sgemm if like.dtype == types.float32 else matmul._dgemm

    def run(
        like: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, lda: Any,
        b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
    ) -> None:  # fmt: skip
        call(
            _ROW_MAJOR, _TRANSPOSED if ta else _PLAIN, _TRANSPOSED if tb else _PLAIN,
            m, n, k, alpha, a, lda, b, ldb, beta, c, ldc,
        )  # fmt: skip

    return run


def one_thread():
    """Let OpenBLAS use one thread from here on; returns how many it used. For jitted code."""


def restore_threads(before):
    """Let OpenBLAS use as many threads as before. For jitted code."""


@overload(one_thread, inline="always")
def _one_thread() -> Any:
    get_threads, set_threads = matmul._get_threads, matmul._set_threads

    def switch() -> int:
        before = get_threads()
        set_threads(1)
        return before

    return switch


@overload(restore_threads, inline="always")
def _restore_threads(before):
    set_threads = matmul._set_threads
    return lambda before: set_threads(before)
