"""The folder of compiled kernels: where it lies, whether it can be written, whether to trust it.

What lies there is machine code, and indexes that are unpickled: who can write to the folder can run
code in this process. So it is made for its owner alone, and one that belongs to somebody else, or
that others may write to, is not used.

Where it lies, the first that is set: ``MINIGRAD_CACHE`` (``0`` for none), ``NUMBA_CACHE_DIR``,
``$XDG_CACHE_HOME/minigrad``, ``~/.cache/minigrad``. It may be deleted at any time.
"""

from __future__ import annotations

import functools
import os
import stat
import tempfile
import warnings
from pathlib import Path

__all__ = ["cache_folder", "cache_problem", "warn_no_cache"]


class DistrustError(OSError):
    """The folder could have been written by somebody else."""


def _wanted_folder() -> Path | None:
    """The folder the environment asks for; None if no cache is wanted."""
    asked = os.environ.get("MINIGRAD_CACHE") or os.environ.get("NUMBA_CACHE_DIR")
    if asked:
        return None if asked == "0" else Path(asked).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "minigrad"


def _distrust(folder: Path) -> None:
    """Raise if somebody else may have written to the folder."""
    if not hasattr(os, "geteuid"):  # Windows: folders below the home are the user's own
        return
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise DistrustError(f"it belongs to user {status.st_uid}, not to user {os.geteuid()}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        raise DistrustError(f"others may write to it, its mode is {mode:o}: chmod go-w {folder}")


@functools.cache
def _examined() -> tuple[Path | None, str]:
    """The folder, and why there is none."""
    folder: Path | None = None
    try:
        folder = _wanted_folder()
        if folder is None:
            return None, "it was switched off by MINIGRAD_CACHE=0 or NUMBA_CACHE_DIR=0"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _distrust(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        warn_no_cache(folder, error)
        return None, f"{folder or 'the home folder'}: {error}"
    return folder, ""


def cache_folder() -> Path | None:
    """Return the folder of compiled kernels, made if need be, or None if there is to be no cache.

    Warns
    -----
    RuntimeWarning
        Once, if the folder cannot be written, or must not be trusted.

    Examples
    --------
    >>> from minigrad.kernels.run.folder import cache_folder
    >>> folder = cache_folder()
    >>> folder is None or folder.is_dir()
    True
    """
    return _examined()[0]


def cache_problem() -> str:
    """Return why there is no cache; an empty string where there is one."""
    return _examined()[1]


def warn_no_cache(folder: Path | None, error: Exception) -> None:
    """Say that kernels are not kept, why, and what to do."""
    verb = "does not trust" if isinstance(error, DistrustError) else "cannot keep"
    warnings.warn(
        f"minigrad {verb} its compiled kernels in {folder or 'the home folder'} ({error}); "
        "they are compiled anew in every process: set MINIGRAD_CACHE to a folder of yours that "
        "can be written, or to 0 to do without",
        RuntimeWarning,
        stacklevel=2,
    )
