"""Generated kernels on disk: written once, imported as real modules, compiled on their first call.

numba caches machine code only for functions that live in files. So each kernel is a file named
after a hash of its source, in the folder of `startup.cache_folder`; a changed formula is a new
file, and `startup` sees to it that a changed helper is compiled anew. A stale kernel cannot be met.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

from minigrad.kernels.run.startup import cache_folder

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
    with _loading:  # `sys.modules` also has the half-made module of another thread
        module = sys.modules.get(module_name)
        if module is not None:
            return module
        return _load(module_name, _write(f"{name}_{digest}.py", source))


def _load(module_name: str, path: Path) -> ModuleType:
    """Import a file under a name of its own."""
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # before it runs: numba looks the module up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _write(filename: str, source: str) -> Path:
    """Put the file in place in one step, so that another process never reads half of it."""
    folder = _folder()
    path = folder / filename
    if path.exists() and path.read_text() == source:
        return path
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        file.write(source)
    os.replace(temporary, path)
    return path


_temporary: tempfile.TemporaryDirectory[str] | None = None


def _folder() -> Path:
    """The cache, or where there is none a folder that goes with the process."""
    global _temporary
    folder = cache_folder()
    if folder is not None:
        folder = folder / "generated"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    if _temporary is None:
        _temporary = tempfile.TemporaryDirectory(prefix="minigrad-")
    return Path(_temporary.name)
