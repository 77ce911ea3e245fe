"""The loader: batches, order, workers."""

from __future__ import annotations

import pickle
import time
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.utils.data as by_torchs_name
from minigrad import data
from minigrad.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
    get_worker_info,
)
from minigrad.ops.random import Generator, manual_seed

ROWS = 23
WORKERS: list[dict[str, Any]] = [
    {},
    {"num_workers": 1},
    {"num_workers": 3, "prefetch_factor": 1},
    {"num_workers": 2, "persistent_workers": True},
]


def pairs(n: int = ROWS) -> TensorDataset:
    return TensorDataset(mg.arange(2.0 * n).reshape(n, 2), mg.arange(n))


class Plain(Dataset[Any]):
    """The same samples without any quick way."""

    def __getitem__(self, i: int) -> tuple[Any, int]:
        if not 0 <= i < ROWS:
            raise IndexError(i)
        return np.array([2.0 * i, 2 * i + 1], np.float32), i

    def __len__(self) -> int:
        return ROWS


class Count(IterableDataset[int]):
    """0 to n - 1, shared out between workers."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Any:
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))

    def __len__(self) -> int:
        return self.n


class Broken(Dataset[int]):
    def __getitem__(self, i: int) -> int:
        if i == 5:
            raise KeyError("sample five")
        return i

    def __len__(self) -> int:
        return 8


class Slow(Dataset[int]):
    def __getitem__(self, i: int) -> int:
        time.sleep(0.5)
        return i

    def __len__(self) -> int:
        return 2


def listed(loader: Any) -> list[Any]:
    return [[t.tolist() for t in batch] for batch in loader]


def test_torchs_path() -> None:
    assert by_torchs_name.DataLoader is DataLoader
    assert set(data.__all__) <= set(dir(by_torchs_name))


@pytest.mark.parametrize("options", WORKERS, ids=str)
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_all_ways_give_the_same(options: Any, drop_last: bool, shuffle: bool) -> None:
    def run(dataset: Any, **more: Any) -> list[Any]:
        manual_seed(5)
        loader = DataLoader(dataset, 4, shuffle, drop_last=drop_last, **more)
        return listed(loader) + listed(loader)

    want = run(Plain())
    assert len(want) == 2 * (5 if drop_last else 6)
    assert (want[:5] == want[-5:]) is False if shuffle else want[0][1] == [0, 1, 2, 3]
    for dataset in (Plain(), pairs(), Subset(pairs(), range(ROWS)), Subset(Plain(), range(ROWS))):
        assert run(dataset, **options) == want
        assert run(dataset, collate_fn=lambda b: default_collate(b), **options) == want


def test_generator_fixes_the_order() -> None:
    loaders = [
        DataLoader(pairs(), 5, shuffle=True, generator=Generator().manual_seed(s))
        for s in (1, 1, 2)
    ]
    a, b, c = (listed(loader) for loader in loaders)
    assert a == b != c
    manual_seed(1)
    before = mg.rand(1).item()
    manual_seed(1)
    list(loaders[0])
    assert mg.rand(1).item() == before  # the common generator is not touched


def test_two_loaders_side_by_side() -> None:
    """The order is drawn when iteration begins, with workers and without."""

    def run(**options: Any) -> list[Any]:
        manual_seed(4)
        both = zip(*[DataLoader(pairs(), 5, shuffle=True, **options) for _ in "ab"], strict=True)
        return [[a[1].tolist(), b[1].tolist()] for a, b in both]

    assert run() == run(num_workers=2)


def test_batches_are_copies() -> None:
    dataset = pairs()
    (x, _), *_ = DataLoader(dataset, 4)
    x.zero_()
    assert dataset.tensors[0][1].tolist() == [2.0, 3.0]


def test_tensors_that_require_grad_stay_in_the_graph() -> None:
    w = mg.ones((4, 1), requires_grad=True)
    ((batch,),) = DataLoader(TensorDataset(w), 4)
    batch.sum().backward()
    assert w.grad.tolist() == [[1.0]] * 4


def test_lengths() -> None:
    assert len(DataLoader(pairs(), 4)) == 6
    assert len(DataLoader(pairs(), 4, drop_last=True)) == 5
    assert len(DataLoader(pairs(), None)) == ROWS
    assert len(DataLoader(Count(10), 4)) == 3
    assert len(DataLoader(Count(10), 4, drop_last=True)) == 2
    assert len(DataLoader(Count(10), None)) == 10


def test_single_samples() -> None:
    x, y = next(iter(DataLoader(Plain(), batch_size=None)))
    assert x.tolist() == [0.0, 1.0]
    assert y == 0
    assert list(DataLoader(Count(3), batch_size=None)) == [0, 1, 2]


def test_own_samplers() -> None:
    loader = DataLoader(pairs(), 2, sampler=[3, 1, 2])
    assert [b[1] for b in listed(loader)] == [[3, 1], [2]]
    loader = DataLoader(pairs(), batch_sampler=[[1], [4, 5, 6]])
    assert [b[1] for b in listed(loader)] == [[1], [4, 5, 6]]
    assert len(loader) == 2
    loader = DataLoader(pairs(), batch_sampler=BatchSampler(range(3), 2, True), num_workers=1)
    assert [b[1] for b in listed(loader)] == [[0, 1]]


@pytest.mark.parametrize("options", WORKERS, ids=str)
def test_streams(options: Any) -> None:
    loader = DataLoader(Count(10), 2, **options)
    for _ in range(2):
        batches = [b.tolist() for b in loader]
        assert sorted(i for b in batches for i in b) == list(range(10))
        if len(options) < 2:
            assert batches == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert [b.tolist() for b in DataLoader(Count(5), 2, drop_last=True)] == [[0, 1], [2, 3]]


def test_processes_in_any_start_method() -> None:
    want = listed(DataLoader(Plain(), 4))
    loader = DataLoader(Plain(), 4, num_workers=2, multiprocessing_context="spawn")
    assert listed(loader) == want


def test_worker_information() -> None:
    seen: list[Any] = []
    loader = DataLoader(
        pairs(), 4, num_workers=2, worker_init_fn=lambda i: seen.append((i, get_worker_info()))
    )
    list(loader)
    assert sorted(i for i, _ in seen) == [0, 1]
    assert all(info.num_workers == 2 and info.dataset is loader.dataset for _, info in seen)
    assert len({info.seed for _, info in seen}) == 2
    assert get_worker_info() is None


def test_errors_of_samples_reach_the_loop() -> None:
    for options in WORKERS:
        with pytest.raises(KeyError, match="sample five"):
            list(DataLoader(Broken(), 2, **options))


def test_stopping_early_and_timeout() -> None:
    loader = DataLoader(pairs(), 2, num_workers=2)
    for _ in range(3):
        for _batch in loader:
            break
    stays = DataLoader(Plain(), 2, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert next(iter(stays))[1].tolist() == [0, 1]
    assert listed(stays) == listed(DataLoader(Plain(), 2))
    with pytest.raises(RuntimeError, match=r"timed out after 0\.05 seconds"):
        list(DataLoader(Slow(), 1, num_workers=1, timeout=0.05))


def test_loader_can_be_pickled() -> None:
    loader = DataLoader(Plain(), 4, num_workers=1, persistent_workers=True)
    want = listed(loader)
    assert listed(pickle.loads(pickle.dumps(loader))) == want


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_workers": -1}, "non-negative"),
        ({"timeout": -1}, "timeout option"),
        ({"prefetch_factor": 2}, "prefetch_factor"),
        ({"prefetch_factor": 0, "num_workers": 1}, "should be positive"),
        ({"persistent_workers": True}, "needs num_workers"),
        ({"multiprocessing_context": "spawn"}, "multi-process loading"),
        ({"sampler": [0], "shuffle": True}, "mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 3}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
        ({"batch_size": 0}, "positive integer"),
    ],
)
def test_options_that_exclude_each_other(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DataLoader(pairs(), **options)


@pytest.mark.parametrize("name", ["shuffle", "sampler", "batch_sampler"])
def test_streams_have_no_order_to_choose(name: str) -> None:
    with pytest.raises(ValueError, match=f"unspecified {name} option"):
        DataLoader(Count(3), **{name: [[0]]})  # type: ignore[arg-type]


def test_a_sampler_in_place_of_a_batch_sampler() -> None:
    with pytest.raises(TypeError, match=r"indices of a batch.* got int \(1\).*a sampler\?"):
        list(DataLoader(TensorDataset(mg.arange(3)), batch_sampler=[1, 2]))  # type: ignore[list-item]
