"""Random numbers that belong to a batch, so that no number of workers changes them.

A loader draws one seed for each pass. The stream of a batch starts from that seed and the number of
the batch: whichever worker makes the batch, and whenever, it draws the same numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minigrad.ops.random import Generator, default_generator

__all__ = ["batch_generator", "batch_scope"]


class _Scope:
    """The batch that is being made: where its streams start, and those that were asked for."""

    __slots__ = ("place", "streams")

    def __init__(self, place: tuple[int, ...]) -> None:
        self.place = place
        self.streams: dict[int | None, Generator] = {}

    def stream(self, of: Generator | None) -> Generator:
        seed = None if of is None else of.initial_seed() % 2**64
        if seed not in self.streams:
            entropy = [*self.place, *([] if seed is None else [seed])]
            word = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
            self.streams[seed] = Generator().manual_seed(int(word))
        return self.streams[seed]


_this = threading.local()


@contextmanager
def batch_scope(*place: int) -> Iterator[None]:
    """Let `batch_generator` give the streams of the batch at this place (pass seed, number)."""
    before = getattr(_this, "scope", None)
    _this.scope = _Scope(place)
    try:
        yield
    finally:
        _this.scope = before


def batch_generator(generator: Generator | None = None) -> Generator:
    """The generator to draw from in a dataset, a transform or a `collate_fn`.

    While a `DataLoader` makes a batch, this is a generator of that batch alone, which is the same
    for any number of workers, threads or processes. Anywhere else it is `generator`, or the common
    one (`minigrad.manual_seed`).

    Parameters
    ----------
    generator : Generator, optional
        Inside a loader, only its seed counts: streams of different seeds are independent.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data import DataLoader, batch_generator
    >>> class Noisy(mg.utils.data.Dataset):
    ...     def __getitem__(self, i):
    ...         return i + 0.1 * mg.randn((), generator=batch_generator())
    ...     def __len__(self):
    ...         return 6
    >>> def batches(workers):
    ...     seed = mg.Generator().manual_seed(1)
    ...     return mg.cat(list(DataLoader(Noisy(), 2, num_workers=workers, generator=seed)))
    >>> bool((batches(0) == batches(3)).all())
    True
    """
    scope: _Scope | None = getattr(_this, "scope", None)
    if scope is not None:
        return scope.stream(generator)
    return default_generator if generator is None else generator
