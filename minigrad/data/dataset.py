"""Sets of samples: by index, as a stream, from tensors, joined, and split."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.core.tensor import Array, Tensor
from minigrad.ops.random import Generator, numpy_generator

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
    "TensorDataset", "random_split",
]  # fmt: skip

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by index: a subclass defines ``__getitem__``, and ``__len__`` for most samplers.

    A subclass may define ``__getitems__(indices)`` as well, which returns a list of samples, where
    that is quicker than one at a time.
    """

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])

    def _batch(self, indices: Array) -> Any:
        """What collating these samples gives, found at once; None where there is no quick way."""
        return None


def length(samples: Any) -> int:
    """How many there are; a dataset or sampler need not have a length, but here it must."""
    return len(samples)


class _Pairs(Dataset[tuple[Any, Any]]):
    """Samples ``(x, y)``, each of which a function of the user's may make something else of.

    A subclass defines ``_pair(index)``, the two as they are stored, and may define
    ``_pairs(indices)``, the two fields of a batch, which serves as long as there is no function.
    """

    transform: Callable[[Any], Any] | None = None
    target_transform: Callable[[Any], Any] | None = None

    def _pair(self, index: int) -> tuple[Any, Any]:
        """One sample as it is stored."""
        raise NotImplementedError(f"{type(self).__name__} must define _pair(index)")

    def _pairs(self, indices: Array) -> Any:
        """The fields of several samples; None where they are found one at a time."""
        return None

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        x, y = self._pair(index)
        if self.transform is not None:
            x = self.transform(x)
        if self.target_transform is not None:
            y = self.target_transform(y)
        return x, y

    def _batch(self, indices: Array) -> Any:
        plain = self.transform is None and self.target_transform is None
        return self._pairs(indices) if plain else None


class IterableDataset(Dataset[T]):
    """Samples as a stream: a subclass defines ``__iter__``.

    With several workers each one iterates over its own copy; `get_worker_info` tells a worker which
    part of the stream is its own.
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample `i` is the tuple of the elements `i` of all `tensors`.

    Parameters
    ----------
    *tensors : Tensor
        All of the same first size.

    Raises
    ------
    ValueError
        If their first sizes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data import TensorDataset
    >>> pairs = TensorDataset(mg.tensor([[1., 2.], [3., 4.]]), mg.tensor([0, 1]))
    >>> len(pairs), pairs[1]
    (2, (tensor([3., 4.]), tensor(1)))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"TensorDataset takes tensors, got {type(t).__name__}")
        sizes = [t.size(0) for t in tensors]
        if len(set(sizes)) > 1:
            raise ValueError(f"Size mismatch between tensors: their first sizes are {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([t[index] for t in self.tensors])

    def __len__(self) -> int:
        return int(self.tensors[0].array.shape[0])

    def _batch(self, indices: Array) -> list[Tensor] | None:
        if any(t._requires_grad for t in self.tensors):
            return None  # collating would record a graph
        return [Tensor(t.array.take(indices, 0)) for t in self.tensors]


class StackDataset(Dataset[Any]):
    """Samples of several datasets side by side: tuples, or dictionaries if they have names.

    Parameters
    ----------
    *args, **kwargs : Dataset
        Either without names, or with; all of the same length.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like "
                "input/output, but both or none are given."
            )
        self.datasets: Any = kwargs or args
        lengths = {len(d) for d in (kwargs.values() if kwargs else args)}
        if len(lengths) > 1:
            raise ValueError("Size mismatch between datasets")
        (self._length,) = lengths

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Several samples, by ``__getitems__`` of the datasets that have it."""
        if isinstance(self.datasets, dict):
            columns = [_several(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row)) for row in zip(*columns)]
        return list(zip(*[_several(dataset, indices) for dataset in self.datasets]))

    def __len__(self) -> int:
        return self._length

    def _batch(self, indices: Array) -> Any:
        named = isinstance(self.datasets, dict)
        quick: list[Any] = [
            getattr(d, "_batch", None) for d in (self.datasets.values() if named else self.datasets)
        ]
        if None in quick:
            return None
        parts = [f(indices) for f in quick]
        if any(part is None for part in parts):
            return None
        return dict(zip(self.datasets, parts)) if named else parts


def _several(dataset: Any, indices: list[int]) -> list[Any]:
    """Several samples of a dataset."""
    several = getattr(dataset, "__getitems__", None)
    if several is None:
        return [dataset[i] for i in indices]
    items: list[Any] = several(indices)
    if len(items) != len(indices):
        raise ValueError(
            f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(items)}"
        )
    return items


class ConcatDataset(Dataset[Any]):
    """Datasets one after the other.

    Parameters
    ----------
    datasets : iterable of Dataset
        Not empty, and no streams among them.
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(f"index {index} is out of range for {len(self)} samples")
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset[Any]):
    """Streams one after the other.

    Parameters
    ----------
    datasets : iterable of IterableDataset
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets: list[Any] = list(datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            yield from dataset

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)


class Subset(Dataset[T]):
    """The samples of a dataset at chosen indices.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
    """

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        self._places: Array | None = None

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T]:
        """Several samples, by ``__getitems__`` of the dataset where it has that."""
        chosen = [self.indices[i] for i in indices]
        return _several(self.dataset, chosen)

    def __len__(self) -> int:
        return len(self.indices)

    def _batch(self, indices: Array) -> Any:
        quick = getattr(self.dataset, "_batch", None)
        if quick is None:
            return None
        if self._places is None or len(self._places) != len(self.indices):
            self._places = np.asarray(self.indices, np.int64)
        return quick(self._places.take(indices))


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Split a dataset at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int or of float
        How many samples in each part; or which fractions of all, summing up to 1 (what rounding
        down leaves over goes to the parts in turn).
    generator : Generator, optional
        Where the order comes from; by default the common one (`minigrad.manual_seed`).

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        If the lengths do not sum up to that of the dataset, or are negative, or a fraction is not
        in 0 to 1.

    Examples
    --------
    >>> from minigrad.data import random_split
    >>> [len(part) for part in random_split(range(10), [0.7, 0.3])]
    [7, 3]
    """
    total = length(dataset)
    if not all(hasattr(length, "__float__") for length in lengths):
        raise TypeError(f"lengths must be numbers, got {lengths}")
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _from_fractions(lengths, total)
    if sum(lengths) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"({' + '.join(map(str, lengths))} and {total})"
        )
    if min(lengths, default=0) < 0 or any(length != int(length) for length in lengths):
        raise ValueError(f"lengths must be whole numbers, and not negative: got {lengths}")
    order = numpy_generator(generator).permutation(total).tolist()
    ends = accumulate(lengths)
    pairs = zip(ends, lengths, strict=True)
    return [Subset(dataset, order[int(end - n) : int(end)]) for end, n in pairs]


def _from_fractions(fractions: Sequence[float], total: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1")
    counts = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(counts)):
        counts[i % len(counts)] += 1
    for i, count in enumerate(counts):
        if count == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return counts
