"""Datasets, samplers and collating."""

from __future__ import annotations

from collections import Counter, OrderedDict, namedtuple
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)
from minigrad.ops.random import Generator, manual_seed


class Squares(Dataset[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __getitem__(self, i: int) -> int:
        return i * i

    def __len__(self) -> int:
        return self.n


class Stream(IterableDataset[int]):
    def __init__(self, *items: int) -> None:
        self.items = items

    def __iter__(self) -> Any:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def test_tensor_dataset() -> None:
    x, y = mg.arange(6.0).reshape(3, 2), mg.arange(3)
    pairs = TensorDataset(x, y)
    assert len(pairs) == 3
    assert pairs[1][0].tolist() == [2.0, 3.0]
    assert pairs[1][1].item() == 1
    with pytest.raises(ValueError, match=r"Size mismatch between tensors.*\[3, 2\]"):
        TensorDataset(x, mg.arange(2))
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset()
    with pytest.raises(TypeError, match="takes tensors, got list"):
        TensorDataset([1, 2])  # type: ignore[arg-type]


def test_joined_datasets() -> None:
    both = Squares(3) + Squares(2)
    assert isinstance(both, ConcatDataset)
    assert [both[i] for i in range(-5, 5)] == [0, 1, 4, 0, 1] * 2
    assert both.cumulative_sizes == [3, 5]
    with pytest.raises(IndexError, match="index 5"):
        both[5]
    with pytest.raises(ValueError, match="should not exceed"):
        both[-6]
    with pytest.raises(AssertionError, match="not be an empty"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Stream(1)])
    chain = Stream(1, 2) + Stream(3)
    assert isinstance(chain, ChainDataset)
    assert list(chain) == [1, 2, 3]
    assert len(chain) == 3
    with pytest.raises(AssertionError, match="only supports"):
        list(ChainDataset([Squares(1)]))


def test_stacked_datasets() -> None:
    assert StackDataset(Squares(3), Squares(3))[2] == (4, 4)
    assert StackDataset(a=Squares(3), b=[5, 6, 7])[1] == {"a": 1, "b": 6}  # type: ignore[arg-type]
    assert len(StackDataset(Squares(3))) == 3
    with pytest.raises(ValueError, match="Size mismatch"):
        StackDataset(Squares(3), Squares(2))
    with pytest.raises(ValueError, match="both or none"):
        StackDataset()


def test_subset() -> None:
    part = Subset(Squares(10), [3, 1, 4])
    assert [part[i] for i in range(3)] == [9, 1, 16]
    assert part.__getitems__([0, 2]) == [9, 16]
    assert Subset(part, [2]).__getitems__([0]) == [16]


def test_base_classes_say_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset[int]()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset[int]())


@given(n=st.integers(1, 50), cuts=st.lists(st.floats(0.01, 1), min_size=1, max_size=4))
def test_random_split_is_a_partition(n: int, cuts: list[float]) -> None:
    fractions = [c / sum(cuts) for c in cuts]
    if sum(fractions) > 1 or n < 8 * len(cuts) / min(fractions):
        return
    parts = random_split(Squares(n), fractions, Generator().manual_seed(1))
    assert sorted(i for part in parts for i in part.indices) == list(range(n))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - n * fraction) <= 1


def test_random_split() -> None:
    parts = [random_split(Squares(10), [7, 3], Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert [len(p) for p in parts[0]] == [7, 3]
    assert parts[0][0].indices == parts[1][0].indices != parts[2][0].indices
    assert [len(p) for p in random_split(Squares(10), [1 / 3, 1 / 3, 1 / 3])] == [4, 3, 3]
    with pytest.raises(ValueError, match="does not equal the length"):
        random_split(Squares(10), [7, 4])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        random_split(Squares(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="index 1 is 0"):
        random_split(Squares(1), [0.9, 0.1])


# -- samplers --------------------------------------------------------------------------------------


def test_random_sampler() -> None:
    manual_seed(0)
    sampler = RandomSampler(range(20))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    manual_seed(0)
    assert list(sampler) == first
    own = RandomSampler(range(20), generator=Generator().manual_seed(3))
    assert list(own) == list(RandomSampler(range(20), generator=Generator().manual_seed(3)))
    assert Counter(RandomSampler(range(3), num_samples=7)).most_common(1)[0][1] == 3
    drawn = list(RandomSampler(range(5), replacement=True, num_samples=1000))
    assert len(drawn) == 1000
    assert set(drawn) == set(range(5))
    with pytest.raises(TypeError, match="boolean"):
        RandomSampler(range(3), replacement=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive integer"):
        RandomSampler([])


def test_weighted_sampler() -> None:
    drawn = Counter(WeightedRandomSampler([1, 0, 3], 4000, generator=Generator().manual_seed(0)))
    assert drawn[1] == 0
    assert drawn[2] / drawn[0] == pytest.approx(3, rel=0.15)
    assert sorted(WeightedRandomSampler([1, 2, 3], 3, replacement=False)) == [0, 1, 2]
    assert len(WeightedRandomSampler(mg.ones(3), 5)) == 5  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1d sequence"):
        WeightedRandomSampler([[1.0]], 1)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="positive integer"):
        WeightedRandomSampler([1.0], 0)
    with pytest.raises(ValueError, match="boolean"):
        WeightedRandomSampler([1.0], 1, replacement=3)  # type: ignore[arg-type]


def test_other_samplers() -> None:
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(SubsetRandomSampler([5, 3, 9])) == [3, 5, 9]
    assert len(SubsetRandomSampler([5, 3])) == 2


@given(n=st.integers(0, 20), size=st.integers(1, 7), drop=st.booleans())
def test_batches_of_indices(n: int, size: int, drop: bool) -> None:
    sampler = BatchSampler(SequentialSampler(range(n)), size, drop)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    slices = sampler._slices()
    assert slices is not None
    assert [s.tolist() for s in slices] == batches
    flat = [i for b in batches for i in b]
    assert flat == list(range(n - n % size if drop else n))


def test_batch_sampler_refuses() -> None:
    for size in (0, 1.5, True):
        with pytest.raises(ValueError, match="batch_size should be a positive integer"):
            BatchSampler([1], size, False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="drop_last should be a boolean"):
        BatchSampler([1], 1, 1)  # type: ignore[arg-type]


# -- collating -------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


def test_collate_numbers() -> None:
    assert default_collate([1, 2]).dtype is mg.int64
    assert default_collate([1.0, 2.0]).dtype is mg.float64
    assert default_collate([True, False]).tolist() == [True, False]
    assert default_collate([np.float32(1), np.float32(2)]).dtype is mg.float32
    assert default_collate([np.int16(1), np.int16(2)]).dtype is mg.int16


def test_collate_arrays() -> None:
    batch = default_collate([np.ones((2, 3), np.float32)] * 4)
    assert tuple(batch.shape) == (4, 2, 3)
    assert batch.dtype is mg.float32
    assert default_collate([mg.tensor(1), mg.tensor(2)]).tolist() == [1, 2]
    w = mg.ones(2, requires_grad=True)
    default_collate([w, w]).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match=r"\[2\] at entry 0 and \[3\] at entry 1"):
        default_collate([mg.ones(2), mg.ones(3)])


def test_collate_structures() -> None:
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([(1, "a"), (2, "b")])[1] == ("a", "b")
    assert isinstance(default_collate([(1, 2)]), list)
    assert isinstance(default_collate([[1, 2], [3, 4]]), list)
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(point, Point)
    assert point.x.tolist() == [1, 3]
    ordered = default_collate([OrderedDict(b=1, a=[2]), OrderedDict(b=3, a=[4])])
    assert isinstance(ordered, OrderedDict)
    assert ordered["a"][0].tolist() == [2, 4]
    assert default_collate([MappingProxyType({"a": 1})])["a"].tolist() == [1]
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1], [1, 2]])
    for bad in (object(), np.array("text"), {1, 2}):
        with pytest.raises(TypeError, match="must contain tensors"):
            default_collate([bad])


def test_convert() -> None:
    out = default_convert({"a": np.ones(2), "b": (np.int64(1), "s"), "c": Point(1, np.zeros(1))})
    assert out["a"].tolist() == [1.0, 1.0]
    assert out["b"][0].tolist() == 1
    assert out["b"][1] == "s"
    assert out["c"].y.tolist() == [0.0]
    assert default_convert([np.array(["x"])])[0].tolist() == ["x"]


def test_lengths_that_make_no_parts() -> None:
    with pytest.raises(ValueError, match=r"not negative: got \[-1, 11\]"):
        random_split(range(10), [-1, 11])
    with pytest.raises(ValueError, match="whole numbers"):
        random_split(range(10), [2.5, 7.5])
    with pytest.raises(TypeError, match="lengths must be numbers"):
        random_split(range(10), ["a"])  # type: ignore[list-item]
