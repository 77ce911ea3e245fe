"""The share of a data set that one of several processes reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from minigrad.data import Sampler
from minigrad.ops.random import Generator, randperm

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """The indices of every `num_replicas`-th example, from the `rank`-th on.

    The order is drawn anew from `seed` and the number of the epoch, the same in all processes;
    examples from the beginning are read twice where the number does not divide.

    Parameters
    ----------
    dataset : sized
    num_replicas, rank : int
        How many processes there are, and which one reads. They have to be given: there is no group
        of processes to ask.
    shuffle : bool
        Draw an order.
    seed : int
        What to draw it from.
    drop_last : bool
        Leave examples out at the end instead of reading some twice.

    Raises
    ------
    RuntimeError
        Without `num_replicas` and `rank`.
    ValueError
        If `rank` is none of theirs.

    Examples
    --------
    >>> from minigrad.utils.data.distributed import DistributedSampler
    >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "DistributedSampler: minigrad trains in one process, and has no group to ask for "
                "num_replicas and rank: give both, or use RandomSampler"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        share = len(dataset) / num_replicas
        self.num_samples = int(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            indices = randperm(count, generator=generator).tolist()
        else:
            indices = list(range(count))
        if not self.drop_last and count:
            indices *= math.ceil(self.total_size / count)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, so that its order is another one."""
        self.epoch = epoch
