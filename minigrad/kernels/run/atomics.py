"""Atomic words and two system calls for jitted code: what a thread pool is made of.

numba has no atomics for the CPU, but LLVM has; each function here is one LLVM instruction (or one
call into the C library) made callable from kernels. An *address* is an ``int64`` that points to an
aligned 8-byte word. All operations are sequentially consistent: every thread sees all of them in
one and the same order, which is what the proofs in :mod:`minigrad.kernels.run.threads` rest on.

Futex (Drepper, "Futexes are tricky", 2011) is Linux' sleep: a thread sleeps while a 32-bit word
keeps an expected value, and is woken by another thread that has changed it.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from minigrad.kernels.run.jit import jit

__all__ = [
    "NATIVE", "compare_and_swap", "fetch_add", "load", "pause", "sleep_while", "store", "wake",
    "yield_core",
]  # fmt: skip

_MACHINE = platform.machine()

#: Whether this platform has what the pool needs: Linux on 64-bit x86 or ARM.
NATIVE = (
    sys.platform == "linux" and sys.maxsize > 2**32 and _MACHINE in ("x86_64", "AMD64", "aarch64")
)

_FUTEX_CALL = 98 if _MACHINE == "aarch64" else 202  # number of the system call
_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # both for threads of one process only ("private")
_WORD = ir.IntType(64)
_ORDER = "seq_cst"

_syscall = types.ExternalFunction("syscall", types.int64(*[types.int64] * 7))
yield_core = types.ExternalFunction("sched_yield", types.int32())


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def load(typing_context: Any, address: Any) -> Any:
    """Read the word at `address`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), _ORDER, 8)

    return types.int64(types.int64), codegen


@intrinsic
def store(typing_context: Any, address: Any, value: Any) -> Any:
    """Write `value` to the word at `address`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), _ORDER, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def fetch_add(typing_context: Any, address: Any, value: Any) -> Any:
    """Add `value` to the word at `address` and return what it was before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], _ORDER)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def compare_and_swap(typing_context: Any, address: Any, expected: Any, value: Any) -> Any:
    """Write `value` to the word at `address` if it holds `expected`; return whether it did."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(builder, args[0])
        result = builder.cmpxchg(pointer, args[1], args[2], _ORDER, _ORDER)
        return builder.extract_value(result, 1)

    return types.boolean(types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typing_context: Any) -> Any:
    """Tell the core that this thread spins (x86 ``pause``, ARM ``isb``); takes 10 to 25 ns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        void, int32 = ir.VoidType(), ir.IntType(32)
        if _MACHINE == "aarch64":
            name, kind, values = "llvm.aarch64.isb", ir.FunctionType(void, [int32]), [int32(15)]
        else:
            name, kind, values = "llvm.x86.sse2.pause", ir.FunctionType(void, []), []
        builder.call(get_or_insert_function(builder.module, kind, name), values)
        return context.get_dummy_value()

    return types.void(), codegen


@jit
def sleep_while(address: int, value: int) -> None:
    """Sleep until woken, unless the low 32 bits at `address` differ from `value` already.

    May also return for no reason (a signal came): the caller looks at the word again.
    """
    _syscall(_FUTEX_CALL, address, _FUTEX_WAIT, value & 0xFFFFFFFF, 0, 0, 0)


@jit
def wake(address: int, count: int) -> None:
    """Wake up to `count` threads that sleep on `address`."""
    _syscall(_FUTEX_CALL, address, _FUTEX_WAKE, count, 0, 0, 0)
