"""How the bodies of convolution are run (:mod:`minigrad.kernels.run.bodies`), and get their memory.

Each is compiled once, in some tenths of a second, for float32 and float64 and all sizes.

The integers that a body reads are named tuples one after the other, of which the first,
:class:`Head`, is filled in for each call: addresses of the arrays, of memory that all tasks share,
and of memory that tasks have for themselves. There is a slot of the latter for each thread, to be
claimed at the beginning of a range of tasks (:func:`claim`) and released at its end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.run.atomics import compare_and_swap, store
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.settings import get_num_threads
from minigrad.kernels.run.threads import launch, pool_address
from minigrad.kernels.vector.emitter import LINE

__all__ = ["HEAD_BYTES", "Head", "claim", "padded", "release", "run", "sections"]

Array = np.ndarray[Any, Any]


class Head(NamedTuple):
    """What changes from call to call."""

    source: int  # addresses of arrays: images and weights, or images and gradient; the bias
    other: int
    start: int
    result: int
    memory: int  # that all tasks share
    work: int  # the first slot, the bytes of each, and their number
    work_bytes: int
    slots: int
    busy: int  # a word for each slot, which says whether it is taken


#: Address of what follows the head.
HEAD_BYTES = 8 * len(Head._fields)


def padded(size: int) -> int:
    """A number of bytes rounded up to whole lines."""
    return -(-size // LINE) * LINE


def sections(work_bytes: int, *parts: tuple[int, ...]) -> Array:
    """The numbers of a plan: a head that says how much memory a task needs, then the parts."""
    head = Head(0, 0, 0, 0, 0, 0, padded(work_bytes), 0, 0)
    return np.array([*head, *(number for part in parts for number in part)], np.int64)


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
def _run(pool, numbers, arrays, memory, shared, slots, first, tasks, second, more):
    source, other, start, result = arrays
    numbers[0] = source.ctypes.data
    numbers[1] = other.ctypes.data
    numbers[2] = start.ctypes.data
    numbers[3] = result.ctypes.data
    numbers[4] = (memory.ctypes.data + LINE - 1) // LINE * LINE
    numbers[5] = numbers[4] + shared
    numbers[7] = slots
    numbers[8] = numbers.ctypes.data + 8 * (numbers.size - slots)
    launch(pool, first, numbers.ctypes.data, tasks)
    launch(pool, second, numbers.ctypes.data, more)


def run(
    numbers: Array,
    shared: int,
    arrays: tuple[Array, Array, Array, Array],
    first: tuple[Body, int],
    second: tuple[Body, int],
    parallel: bool,
) -> None:
    """Run two bodies, one after the other, with numbers of tasks.

    Parameters
    ----------
    numbers : array of int64
        What `sections` returned.
    shared : int
        How many bytes the tasks share.
    arrays : tuple
        Source, other, start and result, see :class:`Head`: flat, of one type.
    first, second : tuple
        Body and number of tasks.
    parallel : bool
        Whether the pool takes part.
    """
    pool = pool_address() if parallel else 0
    slots = get_num_threads() if pool else 1
    count = numbers.size
    filled = np.zeros(count + slots, np.int64)
    filled[:count] = numbers
    source = arrays[0]
    shared = padded(shared)
    size = shared + slots * int(numbers[6]) + LINE
    memory = np.empty(-(-size // source.itemsize), source.dtype)
    _run(
        pool, filled, arrays, memory, shared, slots,
        first[0].entry, first[1], second[0].entry, second[1],
    )  # fmt: skip
