"""Where arrays lie: which piece of memory, from which byte on, with which strides.

Views, writes in place and results that are kept by a derivative are all told apart, or recognized,
by the memory they are in, and by nothing else.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

__all__ = ["Block", "Memory", "Place"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Place:
    """An array as a part of a block of memory."""

    block: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass
class Block:
    """A piece of memory that some array owns.

    Attributes
    ----------
    owner : ndarray
        Kept, so that nobody else gets the memory.
    start, end : int
        Addresses.
    before : bytes or None
        What it held when it was first met; None if an event made it.
    """

    owner: Array
    start: int
    end: int
    before: bytes | None

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


def owner_of(a: Array) -> Array:
    """The array whose memory `a` is a view of."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def bytes_of(start: int, size: int) -> Array:
    """The memory itself; whoever asks holds the array that owns it."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(start))


class Memory:
    """The blocks of memory that a computation used."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._starts: list[int] = []
        self._order: list[int] = []  # which block begins at each start

    def find(self, a: Array) -> int | None:
        """The block that holds `a`; None if there is none."""
        low, high = byte_bounds(a)
        at = bisect_right(self._starts, low) - 1
        if at < 0:
            return None
        number = self._order[at]
        return number if high <= self.blocks[number].end else None

    def add(self, a: Array, keep: bool) -> int:
        """Make the memory of `a` known, with what it holds now if that is to be kept."""
        owner = owner_of(a)
        start, end = byte_bounds(owner)
        before = bytes_of(start, end - start).tobytes() if keep else None
        at = bisect_right(self._starts, start)
        self._starts.insert(at, start)
        self._order.insert(at, len(self.blocks))
        self.blocks.append(Block(owner, start, end, before))
        return len(self.blocks) - 1

    def keep(self, a: Array, before: bool) -> Place:
        """Where `a` lies; its memory is made known if it is not, with what it holds if `before`."""
        place = self.place(a)
        if place is None:
            self.add(a, before)
            place = self.place(a)
        assert place is not None
        return place

    def place(self, a: Array) -> Place | None:
        """Where `a` lies, if its memory is known; arrays without elements lie anywhere."""
        if not a.size:
            return Place(-1, 0, a.shape, a.strides, a.dtype)
        number = self.find(a)
        if number is None:
            return None
        offset = a.__array_interface__["data"][0] - self.blocks[number].start
        return Place(number, offset, a.shape, a.strides, a.dtype)


def array_at(buffers: list[Array], place: Place) -> Array:
    """The array at a place, in other memory."""
    if place.block < 0:
        return np.empty(place.shape, place.dtype)
    return np.ndarray(place.shape, place.dtype, buffers[place.block], place.offset, place.strides)
