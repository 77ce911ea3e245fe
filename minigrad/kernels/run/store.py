"""Generated kernels on disk: written once, imported as real modules, compiled on their first call.

numba caches machine code only for functions that live in files. So each kernel is a file named
after a hash of its source, in the folder of `folder.cache_folder`; a changed formula is a new
file, and `startup` sees to it that a changed helper is compiled anew. A stale kernel cannot be met.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
import threading
from pathlib import Path
from types import ModuleType

from minigrad.kernels.run.folder import cache_folder
from minigrad.kernels.run.making import interrupts_wait
from minigrad.kernels.run.startup import warn_write_failed
from minigrad.kernels.run.whole_file import write_whole

__all__ = ["load"]

_PREFIX = "minigrad_kernels_"
_loading = threading.RLock()  # a generated module may load others as it is imported


def load(name: str, source: str) -> ModuleType:
    """The module of a generated kernel, from memory, from disk, or written now.

    Parameters
    ----------
    name : str
        A readable name for the file, such as ``"gelu_f32"``; need not be unique.
    source : str
        What `emit.source` returned.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    module_name = f"{_PREFIX}{name}_{digest}"
    # Locked, since `sys.modules` also has what another thread has only half made.
    with interrupts_wait(), _loading:
        module = sys.modules.get(module_name)
        if module is not None:
            return module
        return _load(module_name, f"{name}_{digest}.py", source)


def _load(module_name: str, filename: str, source: str) -> ModuleType:
    """Run a source as a module of its own.

    It is run from memory, so that nothing on the disk can make it fail; the file is where numba's
    cache and tracebacks find it.
    """
    path = _write(filename, source)
    place = f"<minigrad kernel {filename}>" if path is None else str(path)
    if path is None:
        linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    module = ModuleType(module_name)
    module.__file__ = place
    try:
        sys.modules[module_name] = module  # before it runs: numba looks the module up by name
        exec(compile(source, place, "exec"), module.__dict__)
    except BaseException:
        sys.modules.pop(module_name, None)
        raise
    return module


def _write(filename: str, source: str) -> Path | None:
    """The file of a source, written if need be; None where there is no cache, or no room."""
    folder = cache_folder()
    if folder is None:
        return None
    path, content = folder / "generated" / filename, source.encode()
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.is_file() or path.read_bytes() != content:
            write_whole(path, content)
    except OSError as error:
        warn_write_failed(error.strerror or str(error))
        return None
    return path
