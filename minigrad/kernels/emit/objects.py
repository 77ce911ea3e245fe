"""Machine code on disk and in memory: one file for each function, named by what is in it.

A key says everything that the code depends on: what is computed, the sources of this folder and of
the elementary functions, llvmlite, the processor. So a file is right or it is not there; whether it
is whole, its checksum says. Without a cache folder everything is compiled in each process.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minigrad.kernels.emit import target
from minigrad.kernels.run.folder import cache_folder
from minigrad.kernels.run.making import interrupts_wait, require_memory
from minigrad.kernels.run.whole_file import write_whole

__all__ = ["entry_of"]

_HERE = Path(__file__).resolve().parent
_CHECKSUM = 32  # bytes of a SHA-256 at the beginning of a file


@functools.cache
def _stamp() -> str:
    """What all functions depend on: LLVM, and the sources that write them."""
    import llvmlite

    kernels = _HERE.parent
    sources = [*_HERE.glob("*.py"), *(kernels / "math").glob("*.py"), kernels / "run" / "sizes.py"]
    total = hashlib.sha256(llvmlite.__version__.encode())
    for path in [*sorted(sources), kernels.parent / "core" / "expr.py"]:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


class _Engine:
    """Keeps the code of the process: it stays where it is until the end."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[str, int] = {}  # addresses by key

    @functools.cached_property
    def llvm(self) -> Any:
        """LLVM's engine. One for all: each costs as much as twenty functions."""
        chosen = target.host()
        assert chosen is not None
        module = target.llvm().parse_assembly("")
        return target.llvm().create_mcjit_compiler(module, target.new_machine(chosen))

    def load(self, code: bytes, name: str) -> int:
        """Put object code into memory; the address of a function in it."""
        engine = self.llvm
        engine.add_object_file(target.llvm().ObjectFileRef.from_data(code))
        engine.finalize_object()
        return int(engine.get_function_address(name))


_engine = _Engine()


def entry_of(name: str, spelled: str, write: Callable[[str], str], passes: bool = False) -> int:
    """The address of a function, from memory, from disk, or compiled now.

    Parameters
    ----------
    name : str
        A readable name for the file; need not be unique.
    spelled : str
        Everything about the function that decides what is written.
    write : callable
        Gives the text of the module, for a name of the function.
    passes : bool
        Whether LLVM is to simplify it.
    """
    chosen = target.host()
    assert chosen is not None
    content = "\n".join([name, spelled, str(passes), _stamp(), *map(str, chosen)])
    key = f"{name}_{hashlib.sha256(content.encode()).hexdigest()[:24]}"
    found = _engine.entries.get(key)
    if found is None:
        with interrupts_wait(), _engine.lock:
            found = _engine.entries.get(key)
            if found is None:
                require_memory(name)
                code = _code(key, lambda: target.compile_text(write(key), chosen, passes))
                found = _engine.entries[key] = _engine.load(code, key)
    return found


def _code(key: str, compile_it: Callable[[], bytes]) -> bytes:
    """Object code from the cache, if it is there and whole; else made and put there."""
    folder = cache_folder()
    if folder is None:
        return compile_it()
    path = folder / "objects" / f"{key}.o"
    code = _read(path, key)
    if code is None:
        code = compile_it()
        _write(path, key, code)
    return code


def _seal(key: str, code: bytes) -> bytes:
    """What proves that a file has this code, and that it is the one of this key."""
    return hashlib.sha256(key.encode() + code).digest()


def _read(path: Path, key: str) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[_CHECKSUM:]
    return code if _seal(key, code) == content[:_CHECKSUM] else None


def _write(path: Path, key: str, code: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, _seal(key, code) + code)
    except OSError as error:  # the disk is full, or the folder has gone
        from minigrad.kernels.run.startup import warn_write_failed  # not needed else

        warn_write_failed(error.strerror or str(error))


def _after_fork() -> None:
    """The parent's lock may have been held by a thread that the child does not have."""
    _engine.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
