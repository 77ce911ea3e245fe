"""What goes on around the making of a kernel, whether it is compiled or loaded.

- An interrupt (Ctrl-C) waits until the kernel is made. Raised somewhere inside numba or LLVM it
  would leave them with half a kernel, and every later call of that kernel would fail.
- Python's garbage collector pauses: numba makes many objects and little garbage, so that it takes a
  tenth of the time and finds next to nothing.
- A line says what is going on (`progress`).
- Some memory must be there. LLVM ends the process if it gets none, so we look first, and raise
  ``MemoryError`` instead.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import signal
import threading
from collections.abc import Iterator
from typing import Any

from minigrad.kernels.run.progress import line

__all__ = ["interrupts_wait", "made_safely", "require_memory"]

#: Bytes that must be free to compile or load a kernel (measured: 20 to 60 MB are taken by one).
_NEEDED = 96 << 20


class _Waiting:
    """Takes the place of the handler of Ctrl-C, and remembers that it came."""

    def __init__(self) -> None:
        self.frame: Any = None
        self.came = False

    def __call__(self, number: int, frame: Any) -> None:
        self.came, self.frame = True, frame


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Hold Ctrl-C back until the block is over; only the main thread is ever interrupted."""
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or not callable(before) or isinstance(before, _Waiting):
        yield
        return
    waiting = _Waiting()
    try:
        signal.signal(signal.SIGINT, waiting)
    except ValueError:  # a second interpreter in this process, which signals never reach
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting.came:
            before(signal.SIGINT, waiting.frame)


def require_memory(name: str) -> None:
    """Raise ``MemoryError`` unless there is enough to make a kernel."""
    try:
        mmap.mmap(-1, _NEEDED).close()
    except (OSError, MemoryError) as error:
        raise MemoryError(
            f"the kernel {name} needs {_NEEDED >> 20} MB to be compiled or loaded ({error})"
        ) from None


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    if not gc.isenabled():  # a function that a kernel needs, or the user's wish
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def made_safely(dispatcher: Any) -> None:
    """Change a function made by ``numba.njit`` so that its making goes as this module says."""
    plain, name = dispatcher.compile, dispatcher.py_func.__name__

    def compile(signature: Any) -> Any:
        with interrupts_wait(), _no_collection(), line.kernel(dispatcher):
            require_memory(name)
            return plain(signature)

    dispatcher.compile = compile
