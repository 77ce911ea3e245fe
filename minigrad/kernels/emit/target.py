"""The processor that code is written for, and LLVM's part of the work.

Nothing of numba is imported. LLVM has no optimising to do: what would be simplified is not written
twice in the first place, and loops are vectors already. So its passes are left out, which was
measured to change no bit and to save half of the time.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
from typing import Any, NamedTuple

__all__ = ["Target", "compile_text", "host", "llvm", "new_machine", "target"]


class Target(NamedTuple):
    """A processor as LLVM names it, and the bytes of a vector register of it."""

    cpu: str
    features: str
    register: int


@functools.cache
def llvm() -> Any:
    """LLVM, ready to compile for this machine: 32 ms, where numba's import takes ten times that."""
    import llvmlite.binding

    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    return llvmlite.binding


#: Registers by the features that they need, widest first; all processors of a kind have the last.
_REGISTERS = {
    "x86_64": (("avx512f avx512bw avx512dq avx512vl", 64), ("avx2", 32), ("", 16)),
    "aarch64": (("", 16),),
    "arm64": (("", 16),),
}


@functools.cache
def host() -> Target | None:
    """The processor we run on; None where code is left to numba.

    So it is for Pythons whose objects look different (see :mod:`.call`), and with
    ``NUMBA_DISABLE_JIT=1``, when nothing is to be compiled. ``MINIGRAD_EMIT=0`` leaves everything
    to numba, ``MINIGRAD_EMIT=1`` nothing, on 64-bit ARM and on macOS, too: code is written for
    them, but was never run there, so that by default it is used on Linux on 64-bit x86 only.
    """
    machine = platform.machine()
    asked = os.environ.get("MINIGRAD_EMIT", "")
    tried = machine == "x86_64" and sys.platform == "linux"
    known = (
        machine in _REGISTERS
        and sys.platform in ("linux", "darwin")
        and (asked == "1" or (tried and asked != "0"))
        and sys.byteorder == "little"
        and sys.implementation.name == "cpython"
        and "t" not in getattr(sys, "abiflags", "")  # without the lock objects look different
        and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
    )
    if not known:
        return None
    try:
        cpu, features = llvm().get_host_cpu_name(), dict(llvm().get_host_cpu_features())
    except (ImportError, RuntimeError):  # no llvmlite, or it does not know this system
        return None
    return target(machine, cpu, features)


def target(machine: str, cpu: str, features: dict[str, bool]) -> Target:
    """A processor with these features."""
    register = next(
        size
        for needed, size in _REGISTERS[machine]
        if all(features.get(feature) for feature in needed.split())
    )
    spelled = [f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())]
    if register == 64:
        spelled.append("-prefer-256-bit")  # else LLVM cuts our vectors in halves
    return Target(cpu, ",".join(spelled), register)


def new_machine(chosen: Target) -> Any:
    """LLVM's compiler for a processor. Who makes an engine with it gives it away."""
    triple = llvm().Target.from_default_triple()
    # On x86, code that may lie anywhere would find the constants of another object file: LLVM's
    # engine mixes up their tables of addresses.
    reloc = "static" if triple.name.startswith("x86") else "pic"
    options = {"opt": 2, "reloc": reloc, "codemodel": "jitdefault"}
    return triple.create_target_machine(cpu=chosen.cpu, features=chosen.features, **options)


_machine = functools.cache(new_machine)


def compile_text(text: str, chosen: Target, passes: bool = False) -> bytes:
    """Object code of a module in LLVM's language; for one thread at a time.

    With `passes`, LLVM first simplifies it: addresses that are computed anew in each turn of a
    loop, for one. It makes no vectors where there are none.
    """
    module = llvm().parse_assembly(text)
    module.verify()  # a wrong text would end the process
    module.triple = llvm().get_process_triple()
    module.data_layout = str(_machine(chosen).target_data)
    if passes:
        _simplify(module, chosen)
    return bytes(_machine(chosen).emit_object(module))


def _simplify(module: Any, chosen: Target) -> None:
    options = llvm().create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm().create_pass_builder(_machine(chosen), options)
    manager = builder.getModulePassManager()
    manager.run(module, builder)
