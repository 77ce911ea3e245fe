"""Threads or processes that prepare batches ahead of the training loop.

Each worker is an executor with a single thread or process, so what is sent to one is done in
order. Threads share the dataset, start at once, and overlap wherever samples are made by numpy,
by kernels, or by reading files (these release the GIL). Processes get a copy each; they are for
samples made by much Python, and work with every start method, as what is sent to them is pickled.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np

from minigrad.data.collate import default_collate
from minigrad.data.dataset import IterableDataset
from minigrad.ops.random import manual_seed

__all__ = ["Fetcher", "WorkerInfo", "Workers", "get_worker_info"]


@dataclass
class WorkerInfo:
    """What a worker knows about itself.

    Attributes
    ----------
    id : int
        Its number, from 0.
    num_workers : int
    seed : int
        A seed of its own, new for each pass. A process has called `minigrad.manual_seed` with it;
        threads share the common generator, whose order of use among them is not fixed.
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
        if self.collate is default_collate:
            quick = getattr(dataset, "_batch", None)
            batch = None if quick is None else quick(np.asarray(indices))
            if batch is not None:
                return batch
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
    info.dataset = fetcher.dataset
    _this.info, _this.fetcher, _this.own = info, fetcher, own
    if own:
        manual_seed(info.seed)
    if init is not None:
        init(info.id)


def _begin_pass(seed: int) -> None:
    if _this.info.seed != seed:
        _this.info.seed = seed
        if _this.own:
            manual_seed(seed)
    fetcher = _this.fetcher
    _this.stream = fetcher.stream() if isinstance(fetcher.dataset, IterableDataset) else None


def _fetch(indices: Any) -> Any:
    return _this.fetcher(indices)


def _fetch_next(_: Any) -> Any:
    return next(_this.stream, _End())


# -- outside ---------------------------------------------------------------------------------------


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
    """

    def __init__(
        self,
        fetcher: Fetcher,
        count: int,
        context: Any,
        init: Callable[[int], None] | None,
        seed: int,
        timeout: float,
    ) -> None:
        self._timeout = timeout or None
        self._executors: list[Executor] = []
        if isinstance(context, str):
            context = get_context(context)
        for i in range(count):
            state = (WorkerInfo(i, count, seed + i, None), fetcher, init, context is not None)
            if context is None:
                executor: Executor = ThreadPoolExecutor(1, f"minigrad-data-{i}", _start, state)
            else:
                executor = ProcessPoolExecutor(1, context, _start, state)
            self._executors.append(executor)

    def run(self, batches: Iterator[Any] | None, ahead: int, seed: int) -> Iterator[Any]:
        """One pass: the batches in order, `ahead` for each worker prepared in advance.

        `batches` gives the indices; None for a stream.
        """
        pending: deque[tuple[Executor, Future[Any]]] = deque()
        try:
            for i, executor in enumerate(self._executors):
                executor.submit(_begin_pass, seed + i)
            for _ in range(ahead):
                for executor in self._executors:
                    self._send(executor, batches, pending)
            finished: set[Executor] = set()
            while pending:
                executor, future = pending.popleft()
                result = self._wait(future)
                if isinstance(result, _End):
                    finished.add(executor)
                    continue
                if executor not in finished:
                    self._send(executor, batches, pending)
                yield result
        finally:
            for _, future in pending:
                future.cancel()

    def _send(self, executor: Executor, batches: Iterator[Any] | None, pending: Any) -> None:
        if batches is None:
            pending.append((executor, executor.submit(_fetch_next, None)))
            return
        indices = next(batches, _End)
        if indices is not _End:
            pending.append((executor, executor.submit(_fetch, indices)))

    def _wait(self, future: Future[Any]) -> Any:
        try:
            return future.result(self._timeout)
        except FutureTimeout:
            if future.done():  # the dataset itself raised it
                raise
            raise RuntimeError(
                f"DataLoader timed out after {self._timeout} seconds: a worker took longer for one "
                "batch"
            ) from None
        except BrokenProcessPool as error:
            raise RuntimeError(
                "DataLoader worker exited unexpectedly. If no message above says why: with the "
                "start methods 'spawn' and 'forkserver' the main script must begin its work under "
                "`if __name__ == '__main__':`"
            ) from error

    def close(self) -> None:
        """Let the workers go as soon as they have finished what they do."""
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)
