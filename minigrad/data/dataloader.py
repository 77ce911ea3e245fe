"""The loader: samples in, batches out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from multiprocessing import get_all_start_methods
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

from minigrad.data.collate import default_collate, default_convert
from minigrad.data.dataset import IterableDataset, length
from minigrad.data.randomness import batch_scope
from minigrad.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from minigrad.data.workers import Fetcher, Workers
from minigrad.ops.random import Generator, numpy_generator

__all__ = ["DataLoader"]

T = TypeVar("T")
#: What samplers and workers have been made from.
_FIXED = frozenset(
    ["batch_sampler", "batch_size", "dataset", "drop_last", "persistent_workers", "sampler"]
)


class DataLoader(Generic[T]):
    """Iterates over a dataset in batches.

    Parameters
    ----------
    dataset : Dataset
        By index (anything with ``__getitem__`` and ``__len__``), or an `IterableDataset`.
    batch_size : int or None
        None gives single samples, converted to tensors but not stacked.
    shuffle : bool
        A new random order in each pass.
    sampler : Sampler or iterable of int, optional
        The order, instead of `shuffle`.
    batch_sampler : Sampler or iterable of list of int, optional
        The indices of each batch, instead of all of the above.
    num_workers : int
        How many workers prepare batches ahead; 0 prepares them in the loop itself. Batches and
        their order are the same for any number.
    collate_fn : callable, optional
        From a list of samples to a batch; by default `default_collate`.
    pin_memory : bool
        Accepted and ignored: there is one kind of memory.
    drop_last : bool
        Leave out the last batch if it is smaller.
    timeout : float
        Seconds to wait for a worker; 0 for ever.
    worker_init_fn : callable, optional
        Called as ``worker_init_fn(worker_id)`` in each worker first; `get_worker_info` tells it
        more.
    multiprocessing_context : str, optional
        A start method (``"spawn"``, ``"forkserver"``, ``"fork"``) makes workers processes. By
        default they are threads, which is quicker wherever samples come from numpy or files.
    generator : Generator, optional
        Where the order comes from; by default the common one (`minigrad.manual_seed`).
    prefetch_factor : int, optional
        How many batches each worker prepares in advance; by default 2.
    persistent_workers : bool
        Keep the workers for the next pass.
    pin_memory_device : str
        Accepted and ignored.
    in_order : bool
        False gives batches of several workers as they are ready, so that a slow one holds up no
        other; their order then differs from run to run.

    Raises
    ------
    ValueError
        For options that exclude each other.
    RuntimeError
        If a worker takes longer than `timeout`, or dies. What a sample raises is raised in the
        loop, with the traceback of the worker and a note of the batch.

    Notes
    -----
    A `TensorDataset` (also inside a `Subset`) with the default `collate_fn` is not stacked sample
    by sample: a batch is one fancy index into each tensor, with the same result. Other datasets
    that hold arrays, and a `collate_fn` of :class:`~minigrad.data.transforms.CollateThen`, do so,
    too.

    Each pass draws one seed from `generator`. The order of the samples comes from the generator as
    well, and what the transforms of :mod:`minigrad.data.transforms` draw, or whatever else draws
    from :func:`~minigrad.data.batch_generator`, from that seed and the number of the batch. So the
    same seed gives the same batches, augmentations included, for any number of workers. (For an
    `IterableDataset` the number of workers is part of what the batches are.)

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data import DataLoader, TensorDataset
    >>> x, y = mg.arange(6.0).reshape(3, 2), mg.tensor([0, 1, 0])
    >>> for xb, yb in DataLoader(TensorDataset(x, y), batch_size=2):
    ...     print(xb.tolist(), yb.tolist())
    [[0.0, 1.0], [2.0, 3.0]] [0, 1]
    [[4.0, 5.0]] [0]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[Any] | Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if multiprocessing_context is not None and num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading "
                f"(num_workers > 0), but got num_workers={num_workers}"
            )
        _check_context(multiprocessing_context)
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        self._batched = batch_size is not None or batch_sampler is not None
        if sampler is None and not self._streams:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_size is not None:
            batch_sampler = BatchSampler(() if sampler is None else sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._workers: Workers | None = None
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_made" in self.__dict__:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized: "
                "make another one"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        # Drawn whether there are workers or not: the order of the samples must not depend on it.
        seed = int(numpy_generator(self.generator).integers(0, 2**62))
        fetcher = Fetcher(
            self.dataset, self.collate_fn, self._batched, self.batch_size, self.drop_last
        )
        if self.num_workers:
            return self._by_workers(
                fetcher, None if self._streams else self._indices(fetcher), seed
            )
        if self._streams:
            return _stream(fetcher, seed)
        return _batches(fetcher, self._indices(fetcher), seed)

    def _indices(self, fetcher: Fetcher) -> Iterator[Any]:
        """What to fetch each time: the indices of a batch, or one index."""
        batches = self.batch_sampler
        collate = fetcher.collate
        quick = collate is default_collate or hasattr(collate, "after_default_collate")
        if type(batches) is BatchSampler and quick:
            slices = batches._slices()
            if slices is not None:
                return slices
        source: Any = self.sampler if batches is None else batches
        return iter(source)

    def _by_workers(
        self, fetcher: Fetcher, batches: Iterator[Any] | None, seed: int
    ) -> Iterator[Any]:
        workers = self._workers
        if workers is None:
            workers = Workers(
                fetcher,
                self.num_workers,
                self.multiprocessing_context,
                self.worker_init_fn,
                seed,
                self.timeout,
                self.in_order,
            )
        self._workers = workers if self.persistent_workers else None
        try:
            yield from workers.run(batches, self.prefetch_factor or 2, seed)
        finally:
            if workers.broken:
                self._workers = None
            if workers.broken or not self.persistent_workers:
                workers.close()

    def __del__(self) -> None:
        workers = getattr(self, "_workers", None)
        if workers is not None:
            workers.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_workers": None}

    def __len__(self) -> int:
        if not self._streams:
            return length(self.sampler if self.batch_sampler is None else self.batch_sampler)
        n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _batches(fetcher: Fetcher, indices: Iterator[Any], seed: int) -> Iterator[Any]:
    """The batches, made here when they are asked for."""
    for number, these in enumerate(indices):
        with batch_scope(seed, number):
            batch = fetcher(these)
        yield batch


def _stream(fetcher: Fetcher, seed: int) -> Iterator[Any]:
    """The batches of a stream, made here: as those of one worker."""
    stream = fetcher.stream()
    for number in count():
        with batch_scope(seed, 0, number):
            batch = next(stream, _stream)
        if batch is _stream:
            return
        yield batch


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing: let num_workers > "
            "0 to enable it, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError("prefetch_factor option should be positive")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_context(context: Any) -> None:
    if isinstance(context, str):
        methods = get_all_start_methods()
        if context not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
    elif context is not None and not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )
