"""Which registers this processor has, and the variants of loops that are made for them.

A variant is compiled on its first use, by LLVM alone (:mod:`minigrad.kernels.emit.objects`), which
keeps the machine code for the next process. Processors that :mod:`minigrad.kernels.emit.target`
does not know get it from numba, as a file of a few lines whose function returns the address.
"""

from __future__ import annotations

import functools
import platform
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm

from minigrad.kernels.emit import objects, target
from minigrad.kernels.run import store
from minigrad.kernels.run.startup import source_stamp
from minigrad.kernels.vector.emitter import Vector

__all__ = ["HOST", "Registers", "variant"]


class Registers(NamedTuple):
    """How wide the vector registers are, in bytes, and how many there are."""

    width: int
    number: int

    def vector(self, size: int) -> Vector:
        """A register filled with numbers of `size` bytes."""
        return Vector(size, self.width // size)


def _host() -> Registers:
    """The widest registers of this processor; 16 bytes exist everywhere."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return Registers(64, 32)
    if features.get("avx"):
        return Registers(32, 16)
    return Registers(16, 32 if platform.machine() in ("aarch64", "arm64") else 16)


HOST = _host()

_SOURCE = """\
from minigrad.kernels.{module} import {name}_function
from minigrad.kernels.run.jit import jit
from minigrad.kernels.vector.emitter import Vector

function = {name}_function({arguments}).address()


@jit
def address():
    return function()
"""


@functools.cache
def variant(module: str, name: str, vector: Vector, *numbers: int) -> int:
    """The address of the machine code of a variant, compiled if need be.

    Parameters
    ----------
    module, name : str
        Its code is what ``minigrad.kernels.module.name_function(vector, *numbers)`` emits.
    vector : Vector
    *numbers : int
    """
    label = "_".join([name, f"f{8 * vector.size}", *map(str, (vector.lanes, *numbers))])
    if target.host() is None:
        arguments = ", ".join([repr(vector), *map(str, numbers)])
        source = _SOURCE.format(module=module, name=name, arguments=arguments)
        return int(store.load(label, source).address())
    home = import_module(f"minigrad.kernels.{module}")
    assert home.__file__ is not None
    written = source_stamp(Path(home.__file__))
    function = getattr(home, f"{name}_function")(vector, *numbers)
    return objects.entry_of(label, f"{module} {written}", function.text, passes=True)
