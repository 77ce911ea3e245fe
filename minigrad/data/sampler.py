"""In which order samples are drawn, and how they are grouped into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.data.dataset import length
from minigrad.ops.random import Generator, multinomial, numpy_generator

__all__ = [
    "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
    "WeightedRandomSampler",
]  # fmt: skip

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """Base class: a subclass defines ``__iter__``, which yields indices, and mostly ``__len__``."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")

    def _order(self) -> Array | None:
        """All indices of one pass at once, as an array; None where they cannot be had so."""
        return None


class _Ordered(Sampler[int]):
    """A sampler that knows the whole pass beforehand."""

    def _order(self) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must define _order()")

    def __iter__(self) -> Iterator[int]:
        return iter(self._order().tolist())


class SequentialSampler(_Ordered):
    """One sample after the other, from 0 on.

    Parameters
    ----------
    data_source : Sized
        The dataset.
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def _order(self) -> Array:
        return np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


#: Drawn with replacement in pieces of so many.
_AT_ONCE = 2**20


class RandomSampler(_Ordered):
    """Samples in random order, or drawn at random with replacement.

    Parameters
    ----------
    data_source : Sized
        The dataset.
    replacement : bool
        Put back what was drawn.
    num_samples : int, optional
        How many to draw in one pass; by default as many as there are. Without replacement,
        more than that are drawn in several rounds.
    generator : Generator, optional
        By default the common one.

    Raises
    ------
    TypeError, ValueError
        If `replacement` is no boolean, or `num_samples` not a positive integer.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got "
                f"num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many are drawn in one pass."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _pieces(self) -> Iterator[Array]:
        n, left = len(self.data_source), self.num_samples
        g = numpy_generator(self.generator)
        while left > 0:
            if self.replacement:
                piece = g.integers(0, n, min(left, _AT_ONCE))
            else:
                piece = g.permutation(n)[:left]
            left -= piece.size
            yield piece

    def _order(self) -> Array | None:  # type: ignore[override]
        # Endless training asks for 10**10 samples: those are drawn as they are needed.
        if self.num_samples > max(_AT_ONCE, len(self.data_source)):
            return None
        pieces = list(self._pieces())
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def __iter__(self) -> Iterator[int]:
        for piece in self._pieces():
            yield from piece.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(_Ordered):
    """The given indices in random order.

    Parameters
    ----------
    indices : sequence of int
    generator : Generator, optional
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def _order(self) -> Array:
        order = numpy_generator(self.generator).permutation(len(self.indices))
        return np.asarray(self.indices, np.int64)[order]

    def __len__(self) -> int:
        return len(self.indices)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} should be a boolean value, but got {name}={value}")


class WeightedRandomSampler(_Ordered):
    """Indices drawn with probabilities in proportion to `weights`: to even out unequal classes.

    Parameters
    ----------
    weights : sequence of float
        One for each sample; they need not sum up to 1.
    num_samples : int
        How many to draw.
    replacement : bool
    generator : Generator, optional

    Raises
    ------
    ValueError
        If `num_samples` is not a positive integer, `replacement` no boolean, or `weights` not one
        row.

    Examples
    --------
    >>> from minigrad.data import WeightedRandomSampler
    >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("num_samples", num_samples)
        _check_flag("replacement", replacement)
        array = weights.array if isinstance(weights, Tensor) else np.array(weights)
        if array.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {array.shape}"
            )
        self.weights = Tensor(array.astype(np.float64))
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def _order(self) -> Array:
        drawn: Tensor = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        return drawn.array

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of another sampler into lists.

    Parameters
    ----------
    sampler : Sampler or iterable of int
    batch_size : int
    drop_last : bool
        Leave out the last batch if it is smaller.

    Raises
    ------
    ValueError
        If `batch_size` is not a positive integer, or `drop_last` no boolean.

    Examples
    --------
    >>> from minigrad.data import BatchSampler, SequentialSampler
    >>> list(BatchSampler(SequentialSampler(range(5)), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("batch_size", batch_size)
        _check_flag("drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def _slices(self) -> Iterator[Array] | None:
        """The same batches as slices of one array; None where the sampler has no array."""
        find = getattr(self.sampler, "_order", None)
        order = None if find is None else find()
        return None if order is None else self._cut(order)

    def _cut(self, order: Array) -> Iterator[Array]:
        size, n = self.batch_size, len(order)
        for start in range(0, n - size + 1 if self.drop_last else n, size):
            yield order[start : start + size]

    def __len__(self) -> int:
        n = length(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
