"""Datasets, samplers, collating and the loader against PyTorch's."""

from __future__ import annotations

import inspect
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.utils.data as theirs  # noqa: E402

import minigrad as mg  # noqa: E402
import minigrad.utils.data as ours  # noqa: E402

#: What there is not: data pipes (deprecated there), and the sampler of torch.distributed.
ELSEWHERE = {
    "DFIterDataPipe", "DataChunk",
    "DistributedSampler", "IterDataPipe", "MapDataPipe", "_DatasetKind",
    "argument_validation", "functional_datapipe", "guaranteed_datapipes_determinism",
    "non_deterministic", "runtime_validation", "runtime_validation_disabled",
}  # fmt: skip
NAMES = sorted(set(theirs.__all__) - ELSEWHERE)
Point = namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize("name", NAMES)
def test_names_and_arguments(name: str) -> None:
    mine, other = getattr(ours, name), getattr(theirs, name)
    if name in ("Dataset", "IterableDataset", "Sampler"):
        return
    a, b = (inspect.signature(f).parameters.values() for f in (mine, other))
    assert [p.name for p in a] == [p.name for p in b if p.name != "collate_fn_map"] or (
        name.startswith("default_")  # their one argument
    )
    for p, q in zip(a, b):
        assert p.kind == q.kind
        if p.name != "generator":
            assert p.default == q.default


def value(x: Any) -> Any:
    """Tensors of either library as lists, with their types."""
    if isinstance(x, (mg.Tensor, torch.Tensor)):
        return (str(x.dtype).removeprefix("torch.").removeprefix("minigrad."), x.tolist())
    if isinstance(x, dict):
        return type(x).__name__, {k: value(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x).__name__, [value(v) for v in x]
    return x


def test_collate() -> None:
    def batches(m: Any) -> list[Any]:
        return [
            [m.tensor([1.0, 2.0]), m.tensor([3.0, 4.0])],
            [np.arange(3), np.arange(3) * 2],
            [np.float32(1), np.float32(2)],
            [np.float64(1), np.float64(2)],
            [np.int16(1), np.int16(2)],
            [1, 2],
            [1.5, 2.0],
            [True, False],
            ["a", "b"],
            [b"a", b"b"],
            [(1, "a"), (2, "b")],
            [[1, 2.0], [3, 4.0]],
            [{"x": 1, "y": (2, 3)}, {"x": 4, "y": (5, 6)}],
            [OrderedDict(b=1, a=m.tensor(2)), OrderedDict(b=3, a=m.tensor(4))],
            [Point(1, [2.0]), Point(3, [4.0])],
        ]

    for mine, other in zip(batches(mg), batches(torch), strict=True):
        assert value(ours.default_collate(mine)) == value(theirs.default_collate(other))
        for a, b in zip(mine, other):
            assert value(ours.default_convert(a)) == value(theirs.default_convert(b))


@pytest.mark.parametrize("batch", [[[1], [1, 2]], [None], [object()], [np.array("x")], [{1}]])
def test_what_cannot_be_collated(batch: Any) -> None:
    errors = []
    for m in (ours, theirs):
        with pytest.raises(Exception) as info:
            m.default_collate(batch)
        errors.append(info.type)
    assert errors[0] is errors[1]


class Numbers:
    def __init__(self, n: int) -> None:
        self.n = n

    def __getitem__(self, i: int) -> Any:
        return i, float(i)

    def __len__(self) -> int:
        return self.n


@pytest.mark.parametrize("n", [0, 1, 7, 8])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_batches_in_order(n: int, batch_size: int | None, drop_last: bool) -> None:
    if batch_size is None and drop_last:
        return
    got = []
    for m in (ours, theirs):
        loader = m.DataLoader(Numbers(n), batch_size, drop_last=drop_last)
        got.append((len(loader), value(list(loader))))
    assert got[0] == got[1]


def streams(m: Any) -> Any:
    class Stream(m.IterableDataset):  # type: ignore[misc,name-defined]
        def __iter__(self) -> Any:
            return iter(range(5))

        def __len__(self) -> int:
            return 5

    return Stream()


def test_streams() -> None:
    got = []
    for m in (ours, theirs):
        both = streams(m) + streams(m)
        loaders = [
            m.DataLoader(both, 3), m.DataLoader(both, 3, drop_last=True), m.DataLoader(both, None),
        ]  # fmt: skip
        got.append([(len(loader), value(list(loader))) for loader in loaders])
    assert got[0] == got[1]


def joined(m: Any, t: Any) -> list[Any]:
    """Datasets made of others, and what is in them."""
    a = m.TensorDataset(t.arange(4), t.arange(8.0).reshape(4, 2))
    b = m.TensorDataset(t.arange(4) + 10, t.ones(4, 2))
    parts = [
        a + b, m.ConcatDataset([a, Numbers(2)]), m.StackDataset(a, b), m.StackDataset(u=a, v=b),
        m.Subset(a, [3, 1]), m.Subset(m.StackDataset(a, b), [2, 0]),
    ]  # fmt: skip
    out: list[Any] = [[value(d[i]) for i in range(len(d))] for d in parts]
    out += [value(d.__getitems__([1, 0])) for d in parts if hasattr(d, "__getitems__")]
    out += [value(list(m.DataLoader(d, 2))) for d in parts if d is not parts[1]]
    out.append(value(parts[0][-1]))
    return out


def test_datasets_of_datasets() -> None:
    assert joined(ours, mg) == joined(theirs, torch)


@pytest.mark.parametrize(
    "lengths", [[7, 3], [0.5, 0.5], [0.34, 0.33, 0.33], [0.9, 0.1], [10], [0.05, 0.95]]
)
def test_lengths_of_splits(lengths: Any) -> None:
    got = [[len(p) for p in m.random_split(range(10), lengths)] for m in (ours, theirs)]
    assert got[0] == got[1]


CALLS: list[Any] = [
    lambda m, t: m.DataLoader(Numbers(3), 0),
    lambda m, t: m.DataLoader(Numbers(3), "2"),
    lambda m, t: m.DataLoader(Numbers(3), 2, num_workers=-1),
    lambda m, t: m.DataLoader(Numbers(3), 2, timeout=-1),
    lambda m, t: m.DataLoader(Numbers(3), 2, prefetch_factor=2),
    lambda m, t: m.DataLoader(Numbers(3), 2, num_workers=1, prefetch_factor=-1),
    lambda m, t: m.DataLoader(Numbers(3), 2, persistent_workers=True),
    lambda m, t: m.DataLoader(Numbers(3), 2, shuffle=True, sampler=[0]),
    lambda m, t: m.DataLoader(Numbers(3), 2, batch_sampler=[[0]]),
    lambda m, t: m.DataLoader(Numbers(3), batch_sampler=[[0]], shuffle=True),
    lambda m, t: m.DataLoader(Numbers(3), batch_sampler=[[0]], drop_last=True),
    lambda m, t: m.DataLoader(Numbers(3), None, drop_last=True),
    lambda m, t: m.DataLoader(Numbers(3), 2, drop_last=1),
    lambda m, t: m.DataLoader(Numbers(0), 2, shuffle=True),
    lambda m, t: m.DataLoader(streams(m), shuffle=True),
    lambda m, t: m.DataLoader(streams(m), sampler=[0]),
    lambda m, t: m.DataLoader(streams(m), batch_sampler=[[0]]),
    lambda m, t: m.DataLoader(Numbers(3), 2, multiprocessing_context="fork"),
    lambda m, t: m.DataLoader(Numbers(3), 2, num_workers=1, multiprocessing_context="magic"),
    lambda m, t: setattr(m.DataLoader(Numbers(3)), "batch_size", 3),
    lambda m, t: m.RandomSampler(Numbers(3), replacement=1),
    lambda m, t: m.RandomSampler(Numbers(3), num_samples=0),
    lambda m, t: m.RandomSampler(Numbers(3), num_samples=1.5),
    lambda m, t: m.RandomSampler(Numbers(0)),
    lambda m, t: m.WeightedRandomSampler([1.0], 0),
    lambda m, t: m.WeightedRandomSampler([1.0], True),
    lambda m, t: m.WeightedRandomSampler([1.0], 1, 1),
    lambda m, t: m.WeightedRandomSampler([[1.0]], 1),
    lambda m, t: list(m.WeightedRandomSampler([1.0, 1.0], 3, replacement=False)),
    lambda m, t: m.BatchSampler([0], 0, False),
    lambda m, t: m.BatchSampler([0], True, False),
    lambda m, t: m.BatchSampler([0], 1, 1),
    lambda m, t: m.random_split(range(4), [1, 2]),
    lambda m, t: m.random_split(range(4), [1.5, -0.5]),
    lambda m, t: m.ConcatDataset([]),
    lambda m, t: m.ConcatDataset([streams(m)]),
    lambda m, t: m.ConcatDataset([Numbers(2)])[2],
    lambda m, t: m.ConcatDataset([Numbers(2)])[-3],
    lambda m, t: list(m.ChainDataset([Numbers(2)])),
    lambda m, t: m.StackDataset(),
    lambda m, t: m.StackDataset(Numbers(2), a=Numbers(2)),
    lambda m, t: m.StackDataset(Numbers(2), Numbers(3)),
    lambda m, t: m.Dataset()[0],
]


@pytest.mark.parametrize("call", CALLS, ids=lambda c: str(c.__code__.co_firstlineno))
def test_errors_are_of_the_same_type(call: Any) -> None:
    kinds = []
    for m, t in ((ours, mg), (theirs, torch)):
        with pytest.raises(Exception) as info:
            call(m, t)
        kinds.append(info.type)
    assert kinds[0] is kinds[1]


def test_samplers() -> None:
    got = []
    for m in (ours, theirs):
        batches = m.BatchSampler(m.SequentialSampler(range(5)), 2, False)
        lengths = [
            len(m.RandomSampler(range(5), num_samples=12)),
            len(list(m.RandomSampler(range(5), num_samples=12))),
            sorted(m.SubsetRandomSampler([4, 1])),
            sorted(m.WeightedRandomSampler([0.0, 1.0, 2.0], 2, replacement=False)),
            len(batches),
        ]
        got.append((list(batches), lengths))
    assert got[0] == got[1]


def test_worker_information_has_the_same_fields() -> None:
    seen: dict[str, Any] = {}
    loader = ours.DataLoader(
        Numbers(2), num_workers=1,
        worker_init_fn=lambda i: seen.update(info=ours.get_worker_info()),
    )  # fmt: skip
    list(loader)
    assert {"id", "num_workers", "seed", "dataset"} <= set(vars(seen["info"]))
    assert theirs.get_worker_info() is ours.get_worker_info() is None
