"""Threads or processes that prepare batches ahead of the training loop.

Each worker is an executor with a single thread or process, so what is sent to one is done in
order. Threads share the dataset, start at once, and overlap wherever samples are made by numpy,
by kernels, or by reading files (these release the GIL). Processes get a copy each; they are for
samples made by much Python, and work with every start method, as what is sent to them is pickled.
Kernels in a process use one thread: there are as many processes as the user wants cores.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import random
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np

from minigrad.data.collate import default_collate
from minigrad.data.dataset import IterableDataset
from minigrad.data.randomness import batch_scope
from minigrad.kernels.run.settings import set_num_threads
from minigrad.ops.random import manual_seed

__all__ = ["Fetcher", "WorkerInfo", "Workers", "get_worker_info"]


#: Seconds that processes have for what nobody waits for any more.
GRACE = 2.0


@dataclass
class WorkerInfo:
    """What a worker knows about itself.

    Attributes
    ----------
    id : int
        Its number, from 0.
    num_workers : int
    seed : int
        A seed of its own, new for each pass. A process has seeded minigrad, numpy and `random`
        with it. Threads share the common generators, whose order of use among them is not fixed:
        draw from `minigrad.data.batch_generator()`.
    dataset : Dataset
        Its copy of the dataset (threads: the dataset).
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_this = threading.local()  # `info` and `fetcher` of the worker that runs in this thread


def get_worker_info() -> WorkerInfo | None:
    """What this worker is; None in the main process.

    >>> from minigrad.data import get_worker_info
    >>> get_worker_info() is None
    True
    """
    return getattr(_this, "info", None)


@dataclass
class Fetcher:
    """From indices to a batch: the part of a loader that workers need.

    Attributes
    ----------
    dataset : Dataset
    collate : callable
    batched : bool
        Whether several samples are fetched at a time.
    batch_size : int or None
        For streams, which have no indices.
    drop_last : bool
    """

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool
    batch_size: int | None
    drop_last: bool

    def __call__(self, indices: Any) -> Any:
        """The batch of these samples (or, if not batched, the sample)."""
        dataset = self.dataset
        if not self.batched:
            return self.collate(dataset[indices])
        if not hasattr(indices, "__iter__"):
            raise TypeError(
                "a batch_sampler must give the indices of a batch, such as a list of int; got "
                f"{type(indices).__name__} ({indices!r}): is it meant to be a sampler?"
            )
        then = getattr(self.collate, "after_default_collate", None)
        if self.collate is default_collate or then is not None:
            quick = getattr(dataset, "_batch", None)
            batch = None if quick is None else quick(np.asarray(indices))
            if batch is not None:
                return batch if then is None else then(batch)
        if isinstance(indices, np.ndarray):
            indices = indices.tolist()
        several = getattr(dataset, "__getitems__", None)
        return self.collate([dataset[i] for i in indices] if several is None else several(indices))

    def stream(self) -> Iterator[Any]:
        """The batches of a stream."""
        samples = iter(self.dataset)
        if not self.batched:
            yield from map(self.collate, samples)
            return
        assert self.batch_size is not None
        while batch := list(islice(samples, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield self.collate(batch)


# -- what runs inside a worker -------------------------------------------------------------------


class _End:
    """What a worker returns at the end of its stream; compared by class, as it is pickled."""


def _start(
    info: WorkerInfo, fetcher: Fetcher, init: Callable[[int], None] | None, own: bool
) -> None:
    """Make this thread, or process (`own`), a worker; a forked one inherits what it is given."""
    info.dataset = fetcher.dataset
    _this.info, _this.fetcher, _this.own, _this.failure = info, fetcher, own, None
    if own:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process to handle
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        set_num_threads(1)
        _seed(info.seed)
    if init is not None:
        try:
            init(info.id)
        except Exception as error:
            _this.failure = _told(error, "worker_init_fn")


def _started() -> None:
    """What went wrong when the worker began is raised where it can be seen."""
    if _this.failure is not None:
        raise _this.failure


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _seed(seed: int) -> None:
    """Seed all common generators of this process."""
    manual_seed(seed)
    random.seed(seed)
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))


def _begin_pass(seed: int) -> None:
    if _this.info.seed != seed:
        _this.info.seed = seed
        if _this.own:
            _seed(seed)
    fetcher = _this.fetcher
    _this.stream = fetcher.stream() if isinstance(fetcher.dataset, IterableDataset) else None


def _fetch(seed: int, number: int, indices: Any) -> Any:
    with batch_scope(seed, number):
        try:
            return _this.fetcher(indices)
        except Exception as error:
            told = _told(error, f"batch {number}, samples {_few(indices)}")
            if told is error:
                raise
            raise told from None


def _fetch_next(seed: int, number: int) -> Any:
    with batch_scope(seed, _this.info.id, number):
        try:
            return next(_this.stream, _End())
        except Exception as error:
            told = _told(error, f"batch {number} of its stream")
            if told is error:
                raise
            raise told from None


def _few(indices: Any) -> str:
    text = str(indices.tolist() if isinstance(indices, np.ndarray) else indices)
    return text if len(text) <= 80 else text[:76] + " ..."


def _told(error: Exception, what: str) -> Exception:
    """The same error, with a note of where it happened; another if it cannot be pickled."""
    error.add_note(f"(in DataLoader worker {_this.info.id}, {what})")
    if _this.own:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            text = "".join(traceback.format_exception(error))
            return RuntimeError(f"{type(error).__name__} in a DataLoader worker:\n{text}")
    return error


# -- outside ---------------------------------------------------------------------------------------


class _Thread(Executor):
    """One thread that does what it is sent; it does not keep the interpreter from leaving."""

    def __init__(self, name: str) -> None:
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(self._tasks,), name=name, daemon=True).start()

    @staticmethod
    def _work(tasks: queue.SimpleQueue[Any]) -> None:
        while (task := tasks.get()) is not None:
            future, function, args = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args))
                except BaseException as error:
                    future.set_exception(error)
            del task, future, function, args  # hold nothing while waiting

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._tasks.put((future, fn, args))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._tasks.put(None)


class Workers:
    """A set of workers.

    Parameters
    ----------
    fetcher : Fetcher
    count : int
    context : str or multiprocessing context or None
        A start method (``"spawn"``, ``"fork"``, ``"forkserver"``) for processes; None for threads.
    init : callable, optional
        Called as ``init(worker id)`` in each worker first.
    seed : int
    timeout : float
        Seconds to wait for a batch; 0 for ever.
    in_order : bool
        Whether batches come in the order of the sampler, or as they are ready.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        count: int,
        context: Any,
        init: Callable[[int], None] | None,
        seed: int,
        timeout: float,
        in_order: bool = True,
    ) -> None:
        self._timeout = timeout or None
        self._in_order = in_order
        self._executors: list[Executor] = []
        self._starts: list[Future[Any]] = []
        self._running: list[Future[Any]] = []
        #: Whether some worker died, hangs, or was left in the middle: not to be used again.
        self.broken = False
        if isinstance(context, str):
            context = get_context(context)
        for i in range(count):
            state = (WorkerInfo(i, count, seed + i, None), fetcher, init, context is not None)
            executor: Executor
            if context is None:
                executor = _Thread(f"minigrad-data-{i}")
                executor.submit(_start, *state)
            else:
                executor = ProcessPoolExecutor(1, context, _start, state)
            self._executors.append(executor)
            self._starts.append(executor.submit(_started))

    def run(self, batches: Iterator[Any] | None, ahead: int, seed: int) -> Iterator[Any]:
        """One pass: the batches, `ahead` for each worker prepared in advance.

        `batches` gives the indices; None for a stream.
        """
        this_pass = _Pass(seed, batches)
        finished: set[Executor] = set()
        try:
            for i, executor in enumerate(self._executors):
                executor.submit(_begin_pass, seed + i)
            for _ in range(ahead):
                for executor in self._executors:
                    this_pass.send(executor)
            for start in self._starts:
                self._wait(start, None)
            while this_pass.pending:
                executor, future = self._next(this_pass.pending)
                result = self._wait(future, self._timeout)
                if isinstance(result, _End):
                    finished.add(executor)
                    continue
                if executor not in finished:
                    this_pass.send(executor)
                yield result
        except KeyboardInterrupt:
            self.broken = True
            raise
        finally:
            # Those that cannot be cancelled are being worked on, or done.
            self._running = [f for _, f in this_pass.pending if not f.cancel()]

    def _next(self, pending: deque[tuple[Executor, Future[Any]]]) -> tuple[Executor, Future[Any]]:
        if not self._in_order:
            wait([future for _, future in pending], self._timeout, FIRST_COMPLETED)
            for place, (_, future) in enumerate(pending):
                if future.done():
                    pending.rotate(-place)
                    break
        return pending.popleft()

    def _wait(self, future: Future[Any], timeout: float | None) -> Any:
        try:
            return future.result(timeout)
        except FutureTimeout:
            if future.done():  # the dataset itself raised it
                raise
            self.broken = True
            raise RuntimeError(
                f"DataLoader timed out after {timeout} seconds: a worker took longer for one batch"
            ) from None
        except BrokenProcessPool as error:
            self.broken = True
            raise RuntimeError(
                "DataLoader worker exited unexpectedly: it was killed (out of memory?), crashed, "
                "or could not start. If no message above says why: with the start methods 'spawn' "
                "and 'forkserver' the main script must begin its work under "
                "`if __name__ == '__main__':`"
            ) from error

    def close(self) -> None:
        """Let the workers go when they have finished what they do.

        Processes that take longer than `GRACE` are killed, at once if one of them is broken: else
        a slow sample would keep the interpreter from leaving.
        """
        processes: list[Any] = []
        for executor in self._executors:
            processes += list((getattr(executor, "_processes", None) or {}).values())
            executor.shutdown(wait=False, cancel_futures=True)
        if processes and self.broken:
            _kill(processes, [], 0.0)
        elif processes and any(not f.done() for f in self._running):
            args = (processes, self._running, GRACE)
            threading.Thread(target=_kill, args=args, daemon=True).start()


def _kill(processes: list[Any], running: list[Future[Any]], grace: float) -> None:
    """Kill worker processes, unless what they do is done within `grace` seconds."""
    if running and not wait(running, grace).not_done:
        return
    for process in processes:
        with contextlib.suppress(ValueError):  # it is closed already
            process.kill()


class _Pass:
    """What is sent to the workers in one pass, and what has not come back yet."""

    def __init__(self, seed: int, batches: Iterator[Any] | None) -> None:
        self.seed = seed
        self.batches = None if batches is None else enumerate(batches)
        self.numbers: dict[Executor, int] = {}
        self.pending: deque[tuple[Executor, Future[Any]]] = deque()

    def send(self, executor: Executor) -> None:
        """The next batch, if there is one."""
        if self.batches is None:
            number = self.numbers.get(executor, 0)
            self.numbers[executor] = number + 1
            future = executor.submit(_fetch_next, self.seed, number)
        else:
            number, indices = next(self.batches, (-1, None))
            if number < 0:
                return
            future = executor.submit(_fetch, self.seed, number, indices)
        self.pending.append((executor, future))
