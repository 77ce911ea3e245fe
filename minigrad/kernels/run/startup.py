"""What makes the first kernel of a process quick: the cache folder, and a lighter numba.

Compiling a kernel takes 0.1 to 0.5 s, loading it from the cache some 5 ms. numba's own cache has
three gaps that matter for a library, closed here for our kernels only (a user's own ``njit``
functions keep numba's behaviour):

- It recompiles a function when the *file* of the function changes, but not when a function it
  calls, in another file, does. Here the files that a kernel's file imports from this package
  count as well, and so does the version of everything that takes part in compiling.
- It raises if it cannot write. Here one warning says so, and kernels are compiled in every process.

It also trusts what it finds; here each file begins with a hash of the rest, so that a damaged one
is written anew. (`folder` says where the cache lies, and why nobody else may write there.)
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import pickle
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from minigrad.kernels.run.folder import cache_folder, warn_no_cache
from minigrad.kernels.run.making import made_safely
from minigrad.kernels.run.whole_file import write_whole

__all__ = ["cached", "skip_scipy", "source_stamp"]

D = TypeVar("D")

_PACKAGE = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(
    rf"^\s*(?:from\s+({_PACKAGE.name}[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)"
    rf"|import\s+({_PACKAGE.name}[\w.]*))",
    re.MULTILINE,
)


def skip_scipy() -> None:
    """Stop numba from importing scipy's linear algebra on its first compilation.

    numba imports it only to see whether a BLAS is there for ``np.dot``, at the cost of half the
    time to the first kernel. With the question answered beforehand (scipy is installed), it is
    imported when ``np.dot`` is compiled. Does nothing without scipy, or with a numba that has no
    such check.
    """
    if importlib.util.find_spec("scipy") is None:
        return
    from numba.np import linalg

    check = getattr(linalg, "ensure_blas", None)
    if check is None:
        return
    linalg.ensure_blas = lambda: None
    try:
        import numba.np.arraymath  # noqa: F401  # runs the check as it is imported
    finally:
        linalg.ensure_blas = check


# ---------------------------------------------------------------- which sources a kernel depends on


def _imports(text: str) -> set[str]:
    """Dotted names in this package that a source file imports from (also names of functions)."""
    found = set()
    for module, names, plain in _IMPORT.findall(text):
        found.add(module or plain)
        found.update(f"{module}.{name}" for name in re.findall(r"\w+", names))
    return found


@functools.cache
def _read(file: Path) -> tuple[bytes, frozenset[Path]]:
    """Hash of one source file, and the files of this package it imports."""
    text = file.read_bytes()
    needed = set()
    for name in _imports(text.decode(errors="replace")):
        path = _PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
        if path.is_file():
            needed.add(path)
    return hashlib.sha256(text).digest(), frozenset(needed)


@functools.cache
def _versions() -> str:
    found = []
    for package in ("numba", "llvmlite", "numpy"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} ?")
    return ", ".join(found)


@functools.cache
def source_stamp(file: Path) -> str:
    """Return a hash that changes whenever the kernels in `file` must be compiled anew.

    It covers the file itself, all files of this package that it imports, directly or not, and the
    versions of numba, llvmlite and numpy. (numba itself looks at the CPU.)

    Examples
    --------
    >>> from pathlib import Path
    >>> from minigrad.kernels.run import startup
    >>> len(startup.source_stamp(Path(startup.__file__)))
    64
    """
    total = hashlib.sha256(_versions().encode())
    seen: set[Path] = set()
    waiting = {file}
    while waiting:
        path = waiting.pop()
        seen.add(path)
        waiting |= _read(path)[1] - seen
    for path in sorted(seen):
        total.update(_read(path)[0])
    return total.hexdigest()


# ----------------------------------------------------------------------------- numba's cache, ours


class _Locator:
    """What numba asks about the file of a kernel: where its cache lies, and what it depends on."""

    def __init__(self, function: FunctionType, folder: Path, file: Path) -> None:
        self._py_file = str(file)  # numba names it in warnings
        place = hashlib.sha256(str(file.parent).encode()).hexdigest()[:16]
        self._folder = folder / f"{file.parent.name}-{place}"
        self._stamp = source_stamp(file)
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: FunctionType, file: str) -> _Locator | None:
        folder, path = cache_folder(), Path(file).resolve()
        return cls(function, folder, path) if folder is not None and path.is_file() else None

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._line)


_HASH = hashlib.sha256
_HASH_BYTES = 32


def _sealed(content: bytes) -> bytes:
    """Content with its hash before it."""
    return _HASH(content).digest() + content


def _unpickled(path: Path) -> Any:
    """What a sealed file holds.

    Raises
    ------
    ValueError
        If it is not what was once written.
    """
    whole = path.read_bytes()
    seal, content = whole[:_HASH_BYTES], whole[_HASH_BYTES:]
    if _HASH(content).digest() != seal:
        raise ValueError(f"{path} is damaged")
    return pickle.loads(content)


@functools.cache
def _cache_class() -> Callable[[Any], Any]:
    """Return numba's cache of one function, with our locator and no way to fail."""
    from numba import config
    from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
    from numba.core.sigutils import normalize_signature

    class Files(IndexDataCacheFile):  # type: ignore[misc]  # numba has no types
        def _load_index(self) -> dict[Any, str]:
            try:
                version, stamp, overloads = _unpickled(Path(self._index_path))
            except FileNotFoundError:
                return {}
            fresh = (version, stamp) == (self._version, self._source_stamp)
            return overloads if fresh else {}

        def _save_index(self, overloads: dict[Any, str]) -> None:
            content = self._dump((self._version, self._source_stamp, overloads))
            write_whole(Path(self._index_path), _sealed(content))

        def _load_data(self, name: str) -> Any:
            return _unpickled(Path(self._data_path(name)))

        def _save_data(self, name: str, data: Any) -> None:
            write_whole(Path(self._data_path(name)), _sealed(self._dump(data)))

    class Details(CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes = (_Locator,)

    class KernelCache(FunctionCache):  # type: ignore[misc]
        _impl_class = Details

        def __init__(self, function: Any) -> None:
            super().__init__(function)
            stamp = self._impl.locator.get_source_stamp()
            self._cache_file: Any = Files(self._cache_path, self._impl.filename_base, stamp)

        def _index_key(self, sig: Any, codegen: Any) -> Any:
            return *super()._index_key(sig, codegen), config.OPT, config.BOUNDSCHECK

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                found = super().load_overload(sig, target_context)
            except MemoryError:
                raise
            except Exception:  # a damaged file can raise anything; it is written anew
                self._try(self.flush)
                return None
            # Two processes that compile one kernel for different types at the same time may give
            # their files the same name: the index of one then leads to the code of the other.
            if found is not None and found.signature.args != tuple(normalize_signature(sig)[0]):
                return None
            return found

        def save_overload(self, sig: Any, data: Any) -> None:
            self._try(lambda: super(KernelCache, self).save_overload(sig, data))

        def _try(self, write: Callable[[], None]) -> None:
            try:
                write()
            except OSError as error:  # the disk is full, or the folder has gone
                self.disable()
                warn_write_failed(error.strerror or str(error))
            except Exception:  # the index was damaged a moment ago: the next process sees to it
                self.disable()

    return KernelCache


@functools.cache  # once per process and reason, not once per kernel
def warn_write_failed(reason: str) -> None:
    warn_no_cache(cache_folder(), OSError(reason))


def cached(dispatcher: D) -> D:
    """Give a function made by ``numba.njit`` our cache; return it.

    Leaves it without a cache where there is no folder for it, or no file (typed at a prompt), and
    leaves plain functions (``NUMBA_DISABLE_JIT=1``) as they are.
    """
    function = getattr(dispatcher, "py_func", None)
    if function is None:
        return dispatcher
    made_safely(dispatcher)
    if cache_folder() is not None and os.path.isfile(function.__code__.co_filename):
        try:
            dispatcher._cache = _cache_class()(function)  # type: ignore[attr-defined]
        except OSError as error:  # the folder has gone, or cannot be written any more
            warn_write_failed(error.strerror or str(error))
    return dispatcher
