"""Files that are there whole or not at all, and nothing left behind by those who were killed.

A file is written under another name beside its place, and renamed when it is whole. Who is killed
in between leaves the other name: the next one to write in that folder removes it. A writer holds a
lock on what it writes, which the system releases when the process ends, however it ends; so what
can be locked belongs to nobody. It must also have lain there for :data:`STALE` seconds, for between
making and locking a file there is a moment without the lock.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]  # a module there, nothing here

__all__ = ["remove_stale", "write_whole"]

_SUFFIX = ".minigrad-tmp"
#: Seconds from which on an unfinished file can have been left behind.
STALE = 60.0
_DAY = 86_400.0


def write_whole(path: Path, content: bytes, mode: int = 0o600, flush: bool = False) -> None:
    """Put a file in its place in one step, so that nobody ever reads half of it.

    Parameters
    ----------
    path : Path
        Its place; a file that is there is replaced.
    content : bytes
        What is written.
    mode : int
        Its permissions.
    flush : bool
        Whether to wait until it is on the disk.
    """
    remove_stale(path.parent)
    temporary = path.parent / f".{path.name[:50]}.{uuid.uuid4().hex[:12]}{_SUFFIX}"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        with os.fdopen(handle, "wb") as file:
            _lock(handle)
            file.write(content)
            file.flush()
            if flush:
                os.fsync(handle)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # it has been renamed already, or was never made
            os.unlink(temporary)
        raise
    if flush:
        _flush_folder(path.parent)


_BINARY = getattr(os, "O_BINARY", 0)


def _lock(handle: int) -> bool:
    """Lock an open file; False where another process has, or where the system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_stale(folder: Path) -> None:
    """Remove the unfinished files of writers that are no more."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(_SUFFIX):
                _remove_if_stale(entry)


def _remove_if_stale(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):  # its writer has just finished
        age = time.time() - entry.stat(follow_symlinks=False).st_mtime
        if age < (STALE if fcntl is not None else _DAY):
            return
        handle = os.open(entry.path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            if fcntl is None or _lock(handle):
                os.unlink(entry.path)
        finally:
            os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Have the new name on the disk; not every system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
