"""Plans: a computation of certain sizes, prepared as integers, and how it is run.

The integers that a body (:mod:`minigrad.kernels.run.bodies`) reads are named tuples one after the
other, of which the first, :class:`Head`, is filled in for each call: addresses of the arrays, of
memory that all tasks share, and of memory that tasks have for themselves. There is a slot of the
latter for each thread, to be claimed at the beginning of a range of tasks (:func:`claim`) and
released at its end. Bodies are compiled once, in some tenths of a second, for all sizes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.run import settings, threads
from minigrad.kernels.run.atomics import compare_and_swap, store
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import launch

__all__ = ["HEAD_BYTES", "Head", "Plan", "claim", "execute", "padded", "planned", "release"]

Array = np.ndarray[Any, Any]

#: Bytes of a line of the cache.
LINE = 64


class Head(NamedTuple):
    """What changes from call to call."""

    source: int  # addresses of arrays: what is read, what sums begin with, what is written
    other: int
    start: int
    result: int
    starts: int  # 1 if there is an array of starts of its own, 0 if they are the plan's
    memory: int  # that all tasks share
    work: int  # the first slot, the bytes of each, and their number
    work_bytes: int
    slots: int
    busy: int  # a word for each slot, which says whether it is taken


#: Address of what follows the head.
HEAD_BYTES = 8 * len(Head._fields)


class Plan(NamedTuple):
    """One or two bodies, one after the other, and their numbers.

    Attributes
    ----------
    numbers : array of int64
        The head, what follows it, and a word for one slot.
    work : int
        How many bytes a task has for itself.
    kept : tuple of array
        What the numbers have the addresses of.
    body, tasks : Body, int
    second, more : Body, int
        The same of the second one; no tasks if there is none.
    shared : int
        How many bytes the tasks share.
    parallel : bool
        Whether the pool takes part.
    """

    numbers: Array
    work: int
    kept: tuple[Array, ...]
    body: Body
    tasks: int
    second: Body
    more: int
    shared: int
    parallel: bool


def planned(
    work: int, parts: tuple[tuple[int, ...], ...], body: Body, tasks: int, *, parallel: bool,
    kept: tuple[Array, ...] = (), second: Body | None = None, more: int = 0, shared: int = 0,
) -> Plan:  # fmt: skip
    """A plan whose numbers are these parts behind the head; `work` and `shared` are in bytes."""
    work = padded(work)
    head = Head(0, 0, 0, 0, 0, 0, 0, work, 0, 0)
    numbers = np.array([*head, *(number for part in parts for number in part), 0], np.int64)
    return Plan(numbers, work, kept, body, tasks, second or body, more, padded(shared), parallel)


def padded(size: int) -> int:
    """A number of bytes rounded up to whole lines."""
    return -(-size // LINE) * LINE


@inner
def claim(address):
    """The number of a free slot; there are as many as there can be threads here."""
    head = numbers_at(Head, address)
    slot = 0
    while not compare_and_swap(head.busy + 8 * slot, 0, 1):
        slot = (slot + 1) % head.slots
    return slot


@inner
def release(address, slot):
    """Give a slot back."""
    store(numbers_at(Head, address).busy + 8 * slot, 0)


@jit
def _run(pool, numbers, arrays, starts, memory, shared, slots, body, tasks, second, more):
    source, other, start, result = arrays
    numbers[0] = source.ctypes.data
    numbers[1] = other.ctypes.data
    numbers[2] = start.ctypes.data
    numbers[3] = result.ctypes.data
    numbers[4] = starts
    numbers[5] = (memory.ctypes.data + LINE - 1) // LINE * LINE
    numbers[6] = numbers[5] + shared
    numbers[8] = slots
    numbers[9] = numbers.ctypes.data + 8 * (numbers.size - slots)
    launch(pool, body, numbers.ctypes.data, tasks)
    launch(pool, second, numbers.ctypes.data, more)


def execute(
    plan: Plan, source: Array, other: Array, start: Array, result: Array, starts: bool = False
) -> None:
    """Run a plan on arrays of its sizes, all of them C-contiguous and writeable.

    Parameters
    ----------
    plan : Plan
    source, other, start, result : array
        See :class:`Head`; one that is not needed may be any other.
    starts : bool
        Whether `start` is the caller's.
    """
    pool = threads.pool_address() if plan.parallel else 0
    slots = settings.num_threads if pool else 1
    numbers, shared = plan.numbers, plan.shared
    if slots == 1:
        filled = numbers.copy()
    else:
        filled = np.zeros(numbers.size - 1 + slots, np.int64)
        filled[: numbers.size] = numbers
    memory = np.empty(shared + slots * plan.work + LINE, np.uint8)
    arrays = (source.reshape(-1), other.reshape(-1), start.reshape(-1), result.reshape(-1))
    _run(
        pool, filled, arrays, starts, memory, shared, slots,
        plan.body.entry, plan.tasks, plan.second.entry, plan.more,
    )  # fmt: skip
