"""Compiled functions that know nothing but addresses: *bodies*, which the pool runs as they are.

A body is a function ``(address, b0, b1)`` that does the tasks from b0 to b1 of some job; all it
must know are integers, and addresses among them, that lie at the address. That is what the thread
pool calls in the end, whatever a job is, so nothing is compiled around a body: no entry for Python,
none for each type of array. One body serves all sizes, and all arrays of the type it is for.

How its numbers are laid out is up to the kernel: named tuples of integers, read by
:func:`numbers_at`. See :mod:`minigrad.kernels.run.plan` for convolution and pooling, and
:mod:`minigrad.kernels.optim_pieces` for the optimizers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
from numba.core import types

from minigrad.kernels.lower.entry import entry
from minigrad.kernels.run.numbers import numbers_at
from minigrad.kernels.run.startup import cached

__all__ = ["Body", "entry_of", "inner", "numbers_at"]

#: What the pool calls a body with: an address, and the first and the last task (not included).
_ARGUMENTS = (types.int64,) * 3


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call: without an entry for Python."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    make = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)
    return cached(make(function))


def entry_of(body: Any) -> int:
    """The address of the machine code of a body made by :func:`inner`, compiled if need be.

    It is valid as long as `body` lives. What is integers only is lowered without numba, see
    :mod:`minigrad.kernels.lower`.
    """
    lowered = entry(body.py_func)
    if lowered is not None:
        return lowered
    body.compile(_ARGUMENTS)
    compiled = body.overloads[_ARGUMENTS]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


class Body:
    """A function ``(address, b0, b1)`` for the pool, made by using this class as a decorator."""

    def __init__(self, function: Callable[[int, int, int], None]) -> None:
        self._function = inner(function)

    @functools.cached_property
    def entry(self) -> int:
        """The address of its machine code, compiled if need be."""
        return entry_of(self._function)
