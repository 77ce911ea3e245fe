"""Files of torch.save are read, and files of minigrad reach torch."""

from __future__ import annotations

import io
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from minigrad import serialize  # noqa: E402

OPTIONS: list[dict[str, Any]] = [
    {},
    {"pickle_protocol": 4},
    {"pickle_protocol": 5},
    {"_use_new_zipfile_serialization": False},
]


def reloaded(obj: Any, **options: Any) -> Any:
    stream = io.BytesIO()
    torch.save(obj, stream, **options)
    stream.seek(0)
    return mg.load(stream)


def agree(ours: Any, theirs: Any) -> None:
    assert str(theirs.dtype).split(".")[1] == ours.dtype.name
    assert tuple(theirs.shape) == ours.shape
    assert theirs.stride() == ours.stride() or theirs.numel() == 0
    assert theirs.requires_grad == ours.requires_grad
    assert ours.tolist() == theirs.tolist()


BASE = torch.arange(24.0).reshape(2, 3, 4)
TENSORS = {
    "contiguous": BASE,
    "transposed": BASE.transpose(0, 2),
    "view": BASE[1:, ::2, 1:3],
    "expanded": torch.ones(1, 3).expand(4, 3),
    "scalar": torch.tensor(3),
    "empty": torch.empty(0, 3),
    "half": torch.tensor([0.5, -1.5]).half(),
    "bfloat16": torch.tensor([0.5, -1.5]).bfloat16(),
    "double": torch.ones(2, dtype=torch.float64),
    "leaf": torch.ones(2, requires_grad=True),
    **{
        str(t): torch.tensor([0, 1, 100]).to(t)
        for t in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
                  torch.uint16, torch.uint32, torch.uint64)
    },
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tensors(options: dict[str, Any]) -> None:
    back = reloaded(TENSORS, **options)
    assert list(back) == list(TENSORS)
    for name, theirs in TENSORS.items():
        agree(back[name], theirs)
    assert np.shares_memory(back["contiguous"].array, back["view"].array)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_nested_data(options: dict[str, Any]) -> None:
    obj = {
        "list": [1, (2.5, None, "é"), {"k": True}], 3: -(2**70), "set": {1, 2}, "bytes": b"\xff",
        "ordered": OrderedDict(a=1), "counter": Counter("aab"), "complex": 1 + 2j,
        "array": np.arange(6.0).reshape(2, 3), "number": np.float32(2.5),
    }  # fmt: skip
    back = reloaded(obj, **options)
    assert back.pop("array").tolist() == obj.pop("array").tolist()  # type: ignore[attr-defined]
    assert back == obj
    assert {k: type(v) for k, v in back.items()} == {k: type(v) for k, v in obj.items()}
    kinds = reloaded([torch.Size([2, 3]), torch.float16, torch.bfloat16, torch.device("cuda:1")])
    assert kinds == [mg.Size([2, 3]), mg.float16, mg.bfloat16, mg.device("cpu")]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_models_and_optimizers(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    nets = []
    for m in (torch, mg):
        nn = m.nn
        net = nn.Sequential(
            nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)
        ).double()
        nets.append((net, m.optim.Adam(net.parameters(), lr=0.1)))
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3) ** 2
    (theirs, their_adam), (ours, our_adam) = nets
    for _ in range(2):
        their_adam.zero_grad()
        theirs(x).square().mean().backward()
        their_adam.step()
    states = {"model": theirs.state_dict(), "optimizer": their_adam.state_dict(), "epoch": 2}
    back = reloaded(states, **options)
    assert back["epoch"] == 2
    assert back["model"]._metadata == states["model"]._metadata
    assert ours.load_state_dict(back["model"]) == ([], [])
    our_adam.load_state_dict(back["optimizer"])
    for _ in range(2):
        their_adam.zero_grad()
        theirs(x).square().mean().backward()
        their_adam.step()
        our_adam.zero_grad()
        ours(mg.from_numpy(x.numpy())).square().mean().backward()
        our_adam.step()
    for p, q in zip(theirs.parameters(), ours.parameters(), strict=True):
        np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), rtol=1e-6)


def test_tied_parameters_and_buffers() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    net[1].weight = net[0].weight
    back = reloaded({"state": net.state_dict(), "own": list(net.parameters())})
    assert np.shares_memory(back["state"]["0.weight"].array, back["state"]["1.weight"].array)
    assert [type(p) for p in back["own"]] == [mg.nn.Parameter] * 3
    frozen, buffer, special = reloaded(
        [torch.nn.Parameter(torch.ones(1), False), torch.nn.Buffer(torch.ones(1), persistent=False),
         torch.nn.Parameter(torch.ones(2).bfloat16())]
    )  # fmt: skip
    assert (type(frozen), frozen.requires_grad) == (mg.nn.Parameter, False)
    assert (type(buffer), buffer.persistent) == (mg.nn.Buffer, False)
    assert special.dtype is mg.bfloat16
    assert special.requires_grad


def test_what_cannot_be_read_says_so() -> None:
    for obj, words in (
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear.*state_dict"),
        (torch.ones(2, dtype=torch.complex64), "ComplexFloatStorage"),
        (torch.ones(2, 2).to_sparse(), "_get_layout"),
        ({"f": print}, "print"),
    ):
        with pytest.raises(serialize.FileError, match=words):
            reloaded(obj)


def test_files_without_checksums() -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        assert reloaded({"w": torch.ones(2)})["w"].tolist() == [1, 1]
    finally:
        torch.serialization.set_crc32_options(before)


def test_the_way_to_torch(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    net = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.BatchNorm1d(4))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    for save in (serialize.save, serialize.save_file):
        with torch.no_grad():
            theirs[0].weight.zero_()
        save(net.state_dict(), tmp_path / "w.safetensors")
        theirs.load_state_dict(load_file(tmp_path / "w.safetensors"))
        assert theirs[0].weight.tolist() == net[0].weight.tolist()
