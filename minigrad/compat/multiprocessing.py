"""Python's ``multiprocessing``, where scripts look for it; tensors are copied between processes."""

from __future__ import annotations

from multiprocessing import *  # noqa: F403
from multiprocessing import get_context
from typing import Any

__all__ = ["spawn"]


def spawn(
    fn: Any, args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> None:  # fmt: skip
    """Call ``fn(i, *args)`` for ``i = 0, ..., nprocs - 1``, each in a process of its own.

    Parameters
    ----------
    fn : callable
        A function that another process can import.
    args : tuple
        Copied for each.
    nprocs : int
        How many processes.
    join : bool
        Has to be True: the call returns when all have ended.
    daemon : bool
        Whether the processes end with this one.
    start_method : str
        ``"spawn"``, ``"fork"`` or ``"forkserver"``.

    Raises
    ------
    RuntimeError
        If one of them fails; what it raised it has printed.
    """
    if not join:
        raise RuntimeError("multiprocessing.spawn: join must be True")
    context: Any = get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    failed = [i for i, process in enumerate(processes) if process.exitcode]
    if failed:
        raise RuntimeError(f"multiprocessing.spawn: the processes {failed} failed")
