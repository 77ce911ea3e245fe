"""A pool of native threads that share the blocks of one kernel: ``parallel_for``.

A kernel cuts its work into blocks, by the size of the data alone, and gives ``parallel_for`` a
*body* that can do any range of them::

    @jit
    def _double_blocks(x, out, b0, b1):
        for i in range(b0 * BLOCK, min(b1 * BLOCK, x.size)):
            out[i] = x[i] + x[i]

    @jit
    def double(pool, x, out):
        parallel_for(pool, _double_blocks, (x, out), (x.size + BLOCK - 1) // BLOCK)

    double(pool_address() if x.size >= PARALLEL_CHEAP else 0, x, out)

Who does which block differs from run to run; what a block computes does not, so neither do the
bits of the result, whatever the number of threads.

The helpers
-----------
A Python thread needs 30 to 80 us to be woken, the time of a kernel over a hundred thousand
numbers. So each helper thread sits in *one* call of the jitted :func:`_helper` for all its life,
without the GIL. It does its share of a job, then watches for the next one for 10 to 25 us
(*spinning*, which makes a launch cost less than 1 us while kernels follow each other), and only
then goes to sleep on a futex.

The protocol
------------
Pool and kernels share one small block of memory, a *pool*, of which kernels get the address.
Its words, and who writes them:

=========  =======================================================================================
TICKET     ``epoch << 32 | next``: the number of the job, and the next piece of it to be claimed
PIECES     how many pieces the job has; 0 while the job is being written
ENTRY      the job: address of the code to run ...
ARGUMENTS  ... of the tuple of its arguments ...
BLOCKS     ... number of its blocks ...
GRAIN      ... and of blocks in one piece
DONE       pieces finished
FAILED     1 once a body has raised
SIGNAL     grows by one with each job: what idle helpers watch
SLEEPING   helpers that sleep, or are about to
BUSY       1 while some thread is launching: a second one does its work alone instead of waiting
STOP       1 tells the helpers to leave
THREADS    number of threads, the launching one included
=========  =======================================================================================

Launching a job (:func:`launch`) and claiming a piece of it (:func:`_claim_pieces`) go in this
order, and the order is what makes it right without any lock:

1. The launcher sets ``PIECES = 0``: from now on nobody *starts* to claim.
2. It writes the job, then the new ``TICKET``, of which the epoch differs from all before.
3. It sets ``PIECES`` (the job is open), then ``SIGNAL``, and wakes sleeping helpers.
4. A claimer reads ``TICKET`` *first*, then the job, then makes the claim by a compare-and-swap from
   the ticket it has read to the next one. Success proves that no newer ticket has been written, and
   as a job is always written before its ticket, that the job it has read belongs to this ticket.
   A helper that was held up between reading and claiming, for however long, fails: it can
   neither run a job that is over, nor claim a piece of a new job with the code of an old one.
5. A claimed piece must end before the launcher goes on: it waits until ``DONE == PIECES``. It does
   not wait for helpers. If none wakes in time, the launcher has done all pieces itself.

A helper that goes to sleep adds itself to ``SLEEPING``, *then* looks at ``SIGNAL`` once more; the
launcher changes ``SIGNAL``, *then* looks at ``SLEEPING``. In whatever way the two interleave, one
of them sees the other (Dekker's idea), and no wake-up is lost.

Pieces are contiguous ranges of blocks, about four per thread: enough to even out unequal
threads, few enough that each thread reads a long stretch of memory.

Rules
-----
- Bodies must not raise: check before launching. If one does, ``parallel_for`` raises, the exception
  itself where it ran serially, a ``RuntimeError`` where it ran on a pool.
- A ``parallel_for`` inside a body finds the pool busy and runs serially.
- After ``os.fork`` the child has no helpers; it forgets the parent's pool and starts one of its own
  when it first needs it.
- The pool needs futexes, so it exists on Linux only, on 64-bit x86 and ARM. Elsewhere, with one
  thread and with ``NUMBA_DISABLE_JIT=1``, :func:`pool_address` returns 0, and the same kernels run
  serially with the same results.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from minigrad.kernels.run import settings
from minigrad.kernels.run.atomics import (
    NATIVE,
    compare_and_swap,
    fetch_add,
    load,
    pause,
    sleep_while,
    store,
    wake,
    yield_core,
)
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.settings import get_num_threads, set_num_threads

__all__ = [
    "get_num_threads",
    "launch",
    "parallel_for",
    "pool_address",
    "run_body",
    "set_num_threads",
    "stack_address",
    "started",
    "team",
]

# Offsets in bytes. Words that different threads write lie on different cache lines of 64 bytes;
# those of the job itself are written once per launch and lie together.
TICKET = 0
PIECES, ENTRY, ARGUMENTS, BLOCKS, GRAIN, FAILED, THREADS, STOP = range(64, 128, 8)
DONE = 128
SIGNAL = 192
SLEEPING = 256
BUSY = 320
POOL_BYTES = 384
LINE = 64

PIECES_PER_THREAD = 4
SPINS = 1000  # pauses of 10 to 25 ns before a helper goes to sleep
SPINS_BEFORE_YIELD = 2000  # and before a launcher that waits for the last piece gives its core away


# ---------------------------------------------------------------- code and arguments as addresses


@intrinsic
def stack_address(typing_context: Any, arguments: Any) -> Any:
    """Address of a copy of a tuple; valid until the function that asks for it returns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(cgutils.alloca_once_value(builder, args[0]), ir.IntType(64))

    return types.int64(arguments), codegen


@intrinsic
def _entry_address(typing_context: Any, body: Any, arguments: Any) -> Any:
    """Address of a function ``(address of the tuple, b0, b1)`` that runs ``body(*tuple, b0, b1)``.

    Helpers run jobs of every kind, so a job must look the same to them whatever its arguments are.
    The function is part of the kernel's own module, which lets numba cache it on disk.
    """
    kinds = [types.unliteral(kind) for kind in arguments.types]
    body_signature = body.get_call_type(typing_context, (*kinds, types.int64, types.int64), {})

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        run = context.get_function(body, body_signature)
        function_type = context.call_conv.get_function_type(types.none, _ENTRY_ARGUMENTS)
        name = builder.module.get_unique_name(builder.function.name + ".entry")
        function = ir.Function(builder.module, function_type, name=name)
        function.linkage = "internal"
        inner = ir.IRBuilder(function.append_basic_block("entry"))
        address, first, last = function.args[-3:]
        pointer = inner.inttoptr(address, context.get_value_type(arguments).as_pointer())
        values = inner.load(pointer)
        unpacked = []
        for i, (given, kind) in enumerate(zip(arguments.types, kinds, strict=True)):
            value = context.cast(inner, inner.extract_value(values, i), given, kind)
            unpacked.append(_borrowed(context, inner, kind, value))
        run(inner, [*unpacked, first, last])
        context.call_conv.return_value(inner, context.get_dummy_value())
        return builder.ptrtoint(function, ir.IntType(64))

    return types.int64(body, arguments), codegen


def _borrowed(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An array without its reference count; other values as they are.

    The launcher holds the arrays until the job is over. With the count, each slice of a row would
    add to it and take away again, atomically, which for short rows costs more than the row, and
    threads would contend for it.
    """
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    array.parent = cgutils.get_null_value(array.parent.type)
    return array._getvalue()


_ENTRY_ARGUMENTS = (types.int64, types.int64, types.int64)


def _call(context: Any, builder: Any, args: Any) -> Any:
    function_type = context.call_conv.get_function_type(types.none, _ENTRY_ARGUMENTS)
    function = builder.inttoptr(args[0], function_type.as_pointer())
    return context.call_conv.call_function(
        builder, function, types.none, _ENTRY_ARGUMENTS, args[1:]
    )[0]


@intrinsic
def run_body(typing_context: Any, entry: Any, arguments: Any, first: Any, last: Any) -> Any:
    """Run blocks ``first`` to ``last`` and let exceptions through."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        status = _call(context, builder, args)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, *_ENTRY_ARGUMENTS), codegen


@intrinsic
def _run_guarded(typing_context: Any, entry: Any, arguments: Any, first: Any, last: Any) -> Any:
    """Run blocks ``first`` to ``last``; return whether an exception was raised."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(context, builder, args).is_error

    return types.boolean(types.int64, *_ENTRY_ARGUMENTS), codegen


# ------------------------------------------------------------------------ the protocol, see above


@jit
def _claim_pieces(pool: int) -> None:
    """Claim and run pieces of the present job until none is left."""
    while True:
        ticket = load(pool + TICKET)  # before everything else
        pieces = load(pool + PIECES)
        entry = load(pool + ENTRY)
        arguments = load(pool + ARGUMENTS)
        piece = ticket & 0xFFFFFFFF
        if piece >= pieces:
            return
        if compare_and_swap(pool + TICKET, ticket, ticket + 1):
            grain = load(pool + GRAIN)  # a piece is ours, so the job cannot change any more
            first = piece * grain
            if _run_guarded(entry, arguments, first, min(first + grain, load(pool + BLOCKS))):
                store(pool + FAILED, 1)
            fetch_add(pool + DONE, 1)


@jit
def _helper(pool: int) -> None:
    """The whole life of a helper thread."""
    while load(pool + STOP) == 0:
        signal = load(pool + SIGNAL)  # before looking for work: a job that comes later changes it
        _claim_pieces(pool)
        spins = 0
        while spins < SPINS and load(pool + SIGNAL) == signal:
            pause()
            spins += 1
        if load(pool + SIGNAL) == signal:
            fetch_add(pool + SLEEPING, 1)
            if load(pool + SIGNAL) == signal and load(pool + STOP) == 0:
                sleep_while(pool + SIGNAL, signal)
            fetch_add(pool + SLEEPING, -1)


@jit
def _send_signal(pool: int, helpers: int) -> None:
    """Tell all spinning helpers, and up to `helpers` sleeping ones, that something has changed."""
    fetch_add(pool + SIGNAL, 1)
    if load(pool + SLEEPING) > 0:
        wake(pool + SIGNAL, helpers)


@jit
def _ask_to_stop(pool: int) -> None:
    """Make all helpers leave :func:`_helper` as soon as they have finished their piece."""
    store(pool + STOP, 1)
    _send_signal(pool, load(pool + THREADS))


@jit
def launch(pool: int, entry: int, arguments: int, blocks: int) -> None:
    """Run all blocks of one job, with the help of the pool unless it is 0 or busy.

    For use inside jitted kernels whose code is a body (`kernels.run.bodies`); others have
    :func:`parallel_for`.

    Parameters
    ----------
    pool : int
        What :func:`pool_address` has returned, or 0 to stay in the calling thread.
    entry : int
        Address of a function ``(arguments, b0, b1)``.
    arguments : int
        Address of what it needs to know; must stay valid until this returns.
    blocks : int
        Number of blocks.

    Raises
    ------
    RuntimeError
        If the function has raised on a thread of the pool.
    """
    if blocks <= 0:
        return
    if pool == 0 or blocks == 1 or not compare_and_swap(pool + BUSY, 0, 1):
        run_body(entry, arguments, 0, blocks)
        return
    grain = max(1, blocks // (PIECES_PER_THREAD * load(pool + THREADS)))
    pieces = (blocks + grain - 1) // grain
    epoch = (load(pool + TICKET) >> 32) + 1

    store(pool + PIECES, 0)
    store(pool + ENTRY, entry)
    store(pool + ARGUMENTS, arguments)
    store(pool + BLOCKS, blocks)
    store(pool + GRAIN, grain)
    store(pool + DONE, 0)
    store(pool + FAILED, 0)
    store(pool + TICKET, epoch << 32)
    store(pool + PIECES, pieces)
    _send_signal(pool, pieces - 1)

    _claim_pieces(pool)
    spins = 0
    while load(pool + DONE) < pieces:
        spins += 1
        if spins < SPINS_BEFORE_YIELD:
            pause()
        else:
            yield_core()
    failed = load(pool + FAILED)
    store(pool + BUSY, 0)
    if failed != 0:
        raise RuntimeError(
            "a kernel raised on a thread of the pool; set_num_threads(1) shows its exception"
        )


def parallel_for(pool: int, body: Callable[..., None], args: tuple[Any, ...], n: int) -> None:
    """Run ``body(*args, b0, b1)`` over the blocks 0 to `n`, in ranges shared out by the pool.

    For use inside jitted kernels; called from plain Python it runs ``body(*args, 0, n)``.

    Parameters
    ----------
    pool : int
        What :func:`pool_address` has returned, or 0 to stay in the calling thread.
    body : function made by ``jit``
        Works on blocks ``b0`` to ``b1`` (not included), which no other call gets. Must not raise.
    args : tuple
        Its arguments before ``b0, b1``: arrays and scalars.
    n : int
        Number of blocks.

    Raises
    ------
    RuntimeError
        If `body` has raised on a thread of the pool.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels.run.jit import jit
    >>> from minigrad.kernels.run.threads import parallel_for, pool_address
    >>> @jit
    ... def _fill(out, b0, b1):
    ...     for b in range(b0, b1):
    ...         out[b] = b
    >>> @jit
    ... def fill(pool, out):
    ...     parallel_for(pool, _fill, (out,), out.size)
    >>> out = np.empty(5)
    >>> fill(pool_address(), out)
    >>> out
    array([0., 1., 2., 3., 4.])
    """
    if n > 0:
        body(*args, 0, n)


@overload(parallel_for, jit_options={"nogil": True, "error_model": "numpy"})
def _parallel_for_in_kernels(pool: Any, body: Any, args: Any, n: Any) -> Any:
    def run(pool: Any, body: Any, args: Any, n: Any) -> None:
        launch(pool, _entry_address(body, args), stack_address(args), n)

    return run


# ------------------------------------------------------------------------- the pool in this process


# Memory of all pools there ever were, never freed, for somebody may still hold an old address: a
# launch there finds no helpers, does all pieces itself and harms nobody.
_memory: list[np.ndarray] = []


def _new_pool_memory(threads: int) -> int:
    """Address of a new pool, all words 0 but THREADS."""
    words = np.zeros((POOL_BYTES + LINE) // 8, np.int64)
    _memory.append(words)
    skip = -words.ctypes.data % LINE  # begin at a cache line
    words[(skip + THREADS) // 8] = threads
    return int(words.ctypes.data) + skip


class _Pool:
    """The helpers of this process and the memory they share with kernels."""

    def __init__(self) -> None:
        self.threads = 0  # what `address` was made for; 0: nothing yet
        self.address = 0
        self.helpers: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.closed = not NATIVE or bool(numba.config.DISABLE_JIT)

    def resize(self) -> int:
        """Start or stop helpers until there are as many as the settings ask for."""
        with self.lock:
            if self.threads != settings.num_threads:
                self._stop()
                threads = settings.num_threads
                self.address = 0 if self.closed or threads == 1 else self._start(threads)
                self.threads = threads
            return self.address

    def close(self) -> None:
        """Stop the helpers for good, before their machine code goes away."""
        with self.lock:
            self.closed = True
            self._stop()

    def _start(self, threads: int) -> int:
        for function in (_helper, _ask_to_stop):  # here and now, not in the new threads
            function.compile((types.int64,))
        self.address = _new_pool_memory(threads)
        for i in range(1, threads):
            helper = threading.Thread(
                target=_helper, args=(self.address,), name=f"minigrad-{i}", daemon=True
            )
            self.helpers.append(helper)
            try:
                helper.start()
            except RuntimeError:  # the system allows no more threads: go on with those there are
                break
        return self.address

    def _stop(self) -> None:
        if self.helpers:
            _ask_to_stop(self.address)
        for helper in self.helpers:
            if helper.is_alive():
                helper.join()
        self.helpers.clear()
        self.address = self.threads = 0


_pool = _Pool()


def pool_address() -> int:
    """Return what kernels take as `pool`: an address, or 0 if they shall use no other thread.

    The first call starts the helpers; later ones cost less than 0.1 us, so that callers ask anew
    for every launch and never keep the answer.

    Examples
    --------
    >>> from minigrad.kernels.run.threads import get_num_threads, pool_address, set_num_threads
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> pool_address()
    0
    >>> set_num_threads(before)
    """
    if _pool.threads == settings.num_threads:
        return _pool.address
    return _pool.resize()


def pool_for(work: int, least: int) -> int:
    """What kernels take as `pool` for so much work, which is shared from `least` on.

    `work` is what `least` counts: elements, or multiplications (see `minigrad.kernels.costs`).
    """
    return pool_address() if work >= least else 0


@functools.cache
def _launch_entry() -> int:
    """The address of the machine code of :func:`launch`."""
    arguments = (types.int64,) * 4
    launch.compile(arguments)
    compiled = launch.overloads[arguments]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def started() -> bool:
    """Whether there is a pool already."""
    return _pool.threads > 0


def team() -> tuple[int, int]:
    """Return the pool and the address of :func:`launch`, for code that is not numba's to call it.

    Both are 0 if no other thread is to be used.
    """
    pool = pool_address()
    return (pool, _launch_entry()) if pool else (0, 0)


def _forget_pool() -> None:
    global _pool
    _pool = _Pool()


def _close_pool() -> None:
    _pool.close()


atexit.register(_close_pool)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
